"""Audit events of the Kubernetes API server, from its webhook or its log file.

``audit.k8s.io/v1`` ``Event`` and ``EventList``. A request is told in stages: ``RequestReceived``
comes again as ``ResponseComplete`` (and, for what runs long, ``ResponseStarted``), so it is
skipped and counted unless asked for. Credentials are taken out before anything else looks at the
objects. A client may choose the ``auditID`` of its request, so the id of our event holds a hash of
what the server says, too: nobody can make a request count as one that is known already.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import unquote

from haechi.model.event import Event
from haechi.model.keys import k8s_key
from haechi.runtime.decode.bounds import MOST_BYTES, size_of
from haechi.runtime.decode.building import ANYWHERE, Context, Draft, build, content_id, context
from haechi.runtime.decode.documents import Record, each
from haechi.runtime.decode.kinds import kind_of
from haechi.runtime.decode.refusal import Decoded
from haechi.runtime.decode.stripping import stripped
from haechi.runtime.decode.values import array, dig, known, mapping, text, whole

SOURCE = "kubernetes-audit"
STAGES = frozenset(("ResponseStarted", "ResponseComplete", "Panic"))
ALL_STAGES = STAGES | {"RequestReceived"}
_MOST_ITEMS = 100_000
_OUTLINED = ("kind", "apiVersion", "status", "reason", "message", "code")


def read(
    record: Record,
    *,
    cluster: str,
    node: str = "",
    now_ns: int | None = None,
    stages: frozenset[str] = STAGES,
) -> Decoded:
    """The events of one audit event, an EventList, an array, or one event a line."""
    found = Decoded()
    about = context(cluster, node, now_ns)
    for document in each(record, found):
        if document.get("kind") == "EventList" or ("items" in document and not _is_event(document)):
            _items(document, stages, about, found)
        else:
            _one(document, stages, about, found)
    return found


def _items(
    document: dict[str, Any], stages: frozenset[str], about: Context, found: Decoded
) -> None:
    items = document.get("items")
    if not isinstance(items, list):
        found.refuse("an EventList whose `items` is no array", document)
        return
    for item in items[:_MOST_ITEMS]:
        if isinstance(item, dict):
            _one(item, stages, about, found)
        else:
            found.refuse("an item of an EventList that is no object", item)


def _one(given: dict[str, Any], stages: frozenset[str], about: Context, found: Decoded) -> None:
    why = _fault(given)
    if why:
        found.refuse(why, given)
    elif given["stage"] in stages:
        found.events.append(_event(given, about))
    else:
        found.skipped += 1


def _is_event(given: dict[str, Any]) -> bool:
    return "auditID" in given


def _fault(given: dict[str, Any]) -> str:
    kind = given.get("kind")
    if kind not in (None, "", "Event"):
        return f"no audit event: `kind` is {text(kind)[:60] or 'no text'}"
    version = text(given.get("apiVersion"))
    if version and not version.startswith("audit.k8s.io/"):
        return f"no audit event: apiVersion is {version[:60]}"
    for name in ("auditID", "verb"):
        if not text(given.get(name)):
            return f"no audit event: `{name}` is missing"
    if given.get("stage") not in tuple(ALL_STAGES):
        return "no audit event: `stage` is none of audit.k8s.io/v1"
    return ""


def _event(given: dict[str, Any], about: Context) -> Event:
    target = mapping(given.get("objectRef"))
    resource, subresource = text(target.get("resource")), text(target.get("subresource"))
    obj, cut = _object(given, resource, subresource)
    name = text(target.get("name")) or text(dig(obj, "responseObject", "metadata", "name"))
    namespace = text(target.get("namespace"))
    fields = known(
        {
            "ka.verb": text(given.get("verb")),
            "ka.uri": text(given.get("requestURI")),
            "ka.user.name": text(dig(given, "user", "username")),
            "ka.useragent": text(given.get("userAgent")),
            "ka.sourceips": [ip for ip in array(given.get("sourceIPs")) if text(ip)],
            "ka.target.resource": resource,
            "ka.target.subresource": subresource,
            "ka.target.name": text(target.get("name")),
            "ka.target.namespace": namespace,
            "ka.response.code": _code(given),
            "jevt.obj": obj,
        }
    )
    return build(
        Draft(
            id=_id(given),
            source=SOURCE,
            type=text(given.get("verb")),
            at=given.get("stageTimestamp")
            or given.get("requestReceivedTimestamp")
            or given.get("timestamp"),
            fields=fields,
            namespace=namespace,
            resource=_key(target, obj, name, about),
            message=_message(given, fields, name),
            cut=cut,
        ),
        about,
    )


def _object(
    given: dict[str, Any], resource: str, subresource: str
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The event without credentials. When it is too large its response is the first to go: what
    was asked for says more than what came back."""
    found = dict(given)
    for name in ("requestObject", "responseObject"):
        if name in found:
            found[name] = stripped(found[name], resource=resource, subresource=subresource)
    response = found.get("responseObject")
    if isinstance(response, dict) and size_of(found) > MOST_BYTES * 3 // 4:
        found["responseObject"] = _outline(response)
        return found, ("jevt.obj/responseObject",)
    return found, ()


def _outline(response: dict[str, Any]) -> dict[str, Any]:
    metadata = mapping(response.get("metadata"))
    found = {
        name: response[name] for name in _OUTLINED if isinstance(response.get(name), str | int)
    }
    found["metadata"] = {
        name: value
        for name, value in metadata.items()
        if name in ("name", "namespace", "uid", "resourceVersion", "generateName")
    }
    return found


def _id(given: dict[str, Any]) -> str:
    said = [
        given.get(name) for name in ("requestReceivedTimestamp", "stageTimestamp", "requestURI")
    ]
    said += [given.get("verb"), dig(given, "user", "username"), given.get("sourceIPs")]
    said += [dig(given, "responseStatus", "code"), given.get("userAgent")]
    audit_id = "".join(c for c in text(given.get("auditID"))[:64] if c.isascii() and c.isalnum())
    return f"{audit_id}/{given['stage']}/{content_id(said)[:12]}"


def _code(given: dict[str, Any]) -> str | None:
    """Text, as Falco's field is."""
    code = whole(dig(given, "responseStatus", "code"))
    return None if code is None else str(code)


def _key(target: dict[str, Any], obj: dict[str, Any], name: str, about: Context) -> str:
    """The key of the object the request is about; none for lists and paths."""
    resource = text(target.get("resource"))[:100]
    if not (resource and name):
        return ""
    said = (
        text(dig(obj, "responseObject", "kind")),
        text(dig(obj, "requestObject", "kind")),
    )
    return k8s_key(
        group=_printable(target.get("apiGroup")),
        kind=_printable(kind_of(resource, *said)),
        namespace=None if resource == "namespaces" else _printable(target.get("namespace")),
        name=_printable(name),
        cluster=None if about.cluster == ANYWHERE else about.cluster,
    )


def _printable(value: object) -> str:
    return text(value)[:253].encode("utf-8", "replace").decode()


def _message(given: dict[str, Any], fields: dict[str, Any], name: str) -> str:
    """``alice create pods/exec shop/web-1 (101)``."""
    what = "/".join(
        text(fields.get(f"ka.target.{part}"))
        for part in ("resource", "subresource")
        if f"ka.target.{part}" in fields
    )
    where = "/".join(part for part in (text(fields.get("ka.target.namespace")), name) if part)
    if not what:
        what = unquote(text(given.get("requestURI"))[:300].partition("?")[0])
    who = text(dig(given, "impersonatedUser", "username"))
    user = text(fields.get("ka.user.name")) or "somebody"
    code = fields.get("ka.response.code")
    parts = [f"{user} as {who}" if who else user, text(given.get("verb")), what, where]
    return " ".join(part for part in parts if part) + (f" ({code})" if code else "")
