"""haechi's own events, one ``haechi.event/1`` object a line: recordings and files of examples.

The API takes such events by another way that never decodes their fields. Here they are put
through the same making as everybody's, so that a file of unknown origin gives no surprises.
"""

from __future__ import annotations

from typing import Any

from haechi.model.event import PRIORITIES, SCHEMA, Event
from haechi.runtime.decode.bounds import OURS
from haechi.runtime.decode.building import Context, Draft, build, context
from haechi.runtime.decode.documents import Record, each
from haechi.runtime.decode.refusal import Decoded
from haechi.runtime.decode.values import mapping, text

_NAMES = frozenset(
    (*Event.__struct_fields__, "schema"),
)


def read(record: Record, *, cluster: str, node: str = "", now_ns: int | None = None) -> Decoded:
    """The events of one event, an array, or one event a line. ``cluster`` and ``node`` stand in
    where an event names none."""
    found = Decoded()
    about = context(cluster, node, now_ns)
    for given in each(record, found):
        if why := _fault(given):
            found.refuse(why, given)
        else:
            found.events.append(_event(given, about))
    return found


def _fault(given: dict[str, Any]) -> str:
    if given.get("schema", SCHEMA) != SCHEMA:
        return f"`schema` is not {SCHEMA}"
    unknown = [name for name in given if name not in _NAMES]
    if unknown:
        return f"no {SCHEMA}: it has no `{unknown[0][:60]}`"
    for name in ("id", "source", "type"):
        if not text(given.get(name)):
            return f"no {SCHEMA}: `{name}` is missing"
    if type(given.get("ts_ns")) is not int:
        return f"no {SCHEMA}: `ts_ns` is no whole number"
    if not isinstance(given.get("fields", {}), dict):
        return f"no {SCHEMA}: `fields` is no object"
    return ""


def _event(given: dict[str, Any], about: Context) -> Event:
    priority = text(given.get("priority"))
    cluster = text(given.get("cluster"))[:253]
    if cluster not in ("", "-", "*") and cluster.isprintable():
        about = Context(cluster=cluster, node=about.node, now_ns=about.now_ns)
    fields = {
        name: value for name, value in mapping(given.get("fields")).items() if name[:7] != OURS
    }
    return build(
        Draft(
            id=text(given.get("id")),
            source=_source(text(given.get("source"))),
            type=text(given.get("type")),
            at=_time(given["ts_ns"]),
            fields=fields,
            node=text(given.get("node")),
            container_id=text(given.get("container_id")),
            namespace=text(given.get("namespace")),
            resource=_printable(text(given.get("resource"))),
            rule=text(given.get("rule")),
            priority=priority if priority in PRIORITIES else "",
            message=text(given.get("message")),
        ),
        about,
    )


def _time(ts_ns: int) -> int | str:
    """Nanoseconds and nothing else: a small number is an old time, not one in seconds."""
    return ts_ns if ts_ns.bit_length() > 56 else f"{ts_ns} ns"


def _source(name: str) -> str:
    """``haechi`` is who detects: no file may claim to have."""
    name = _printable(name)[:64] or "unknown"
    return "unknown" if name == "haechi" else name


def _printable(value: str) -> str:
    return "".join(letter for letter in value if letter.isprintable())
