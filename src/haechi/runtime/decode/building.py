"""Where every decoder's events are made: names cleaned, times settled, fields made to fit.

Whatever a decoder hands over, what comes out is an event that the store accepts.
"""

from __future__ import annotations

import time
from hashlib import blake2b
from typing import Any

import msgspec

from haechi.model.event import Event
from haechi.model.keys import k8s_key
from haechi.runtime.decode.bounds import clean, fitted
from haechi.runtime.decode.times import settle
from haechi.runtime.decode.values import text

CLOCK = "haechi.clock"
"""Set when an event's own time cannot be right: what it claimed."""
ANYWHERE = "-"
_NAMESPACE = "k8s.ns.name"
_NAME_CHARS = 256
_MESSAGE_CHARS = 2_000
_RESOURCE_CHARS = 1_000
_encode = msgspec.json.Encoder(order="sorted").encode


class Context(msgspec.Struct, frozen=True, kw_only=True):
    """What a feed knows and its records do not say. ``place`` is where a line came from, for
    sources whose lines do not tell two equal ones apart."""

    cluster: str
    node: str = ""
    now_ns: int
    place: str = ""


def context(cluster: str, node: str, now_ns: int | None, place: str = "") -> Context:
    """The context of a call; the time is now unless a test says otherwise."""
    now = time.time_ns() if now_ns is None else now_ns
    return Context(cluster=cluster or ANYWHERE, node=node, now_ns=now, place=place)


class Draft(msgspec.Struct, kw_only=True):
    """What a decoder found out. ``at`` is the time as the source wrote it."""

    id: str
    source: str
    type: str
    at: Any
    fields: dict[str, Any]
    node: str = ""
    container_id: str = ""
    namespace: str = ""
    pod: str = ""
    resource: str = ""
    rule: str = ""
    priority: str = ""
    message: str = ""
    cut: tuple[str, ...] = ()


def build(draft: Draft, context: Context) -> Event:
    """The event of a draft. ``resource`` is the pod's key unless the draft names another."""
    ts_ns, claimed = settle(draft.at, context.now_ns)
    fields = fitted(draft.fields, draft.cut)
    if claimed:
        fields[CLOCK] = clean(claimed, 64)
    namespace = _namespace(draft.namespace)
    if _NAMESPACE in fields:
        _settle_namespace(fields)
    resource = draft.resource
    if not resource and draft.pod and namespace != ANYWHERE:
        resource = k8s_key(
            group="",
            kind="Pod",
            namespace=namespace,
            name=_name(draft.pod),
            cluster=context.cluster if context.cluster != ANYWHERE else None,
        )
    container = _name(draft.container_id)
    return Event(
        id=_name(draft.id) or content_id(draft.fields),
        ts_ns=ts_ns,
        source=draft.source,
        type=_name(draft.type).strip() or "unknown",
        cluster=context.cluster,
        node=_name(draft.node or context.node),
        container_id="" if container == "host" else container,
        resource=resource if len(resource) <= _RESOURCE_CHARS else "",
        namespace=namespace,
        rule=_name(draft.rule),
        priority=draft.priority,
        message=clean(draft.message, _MESSAGE_CHARS),
        fields=fields,
    )


def _namespace(value: object) -> str:
    """A namespace that events may have: ``*`` means all of them, so none may be called so."""
    found = _name(value)
    return ANYWHERE if found in ("", "*") else found


def _settle_namespace(fields: dict[str, Any]) -> None:
    """The store takes the namespace from this field where the event has none."""
    if (found := _namespace(fields[_NAMESPACE])) == ANYWHERE:
        del fields[_NAMESPACE]
    else:
        fields[_NAMESPACE] = found


def content_id(value: object, *more: str) -> str:
    """An id made of what the record says, so that a record sent again is the same event."""
    try:
        data = _encode(value)
    except (UnicodeEncodeError, RecursionError, TypeError, OverflowError, ValueError):
        data = _encode(fitted(value if isinstance(value, dict) else {"value": value}))
    hashed = blake2b(data, digest_size=16)
    for part in more:
        hashed.update(b"\0" + part.encode("utf-8", "replace"))
    return hashed.hexdigest()


def short_container(id: str) -> str:
    """A container's id as Falco writes it: without the runtime's name, twelve characters."""
    bare = id.rpartition("://")[2]
    return bare[:12] if len(bare) >= 12 and _is_hex(bare) else bare


def _is_hex(value: str) -> bool:
    return all(letter in "0123456789abcdef" for letter in value)


def _name(value: object) -> str:
    return clean(text(value), _NAME_CHARS)
