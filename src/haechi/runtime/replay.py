"""Events out of a file, to try rules on: whatever people have at hand.

Lines of JSON, each an event of ours (``haechi.event/1``), an alert of Falco, an audit event of
Kubernetes, or an object of Falco's fields (``{"evt.type": "execve", "proc.name": "nc"}``); or one
document: an EventList, an array. What cannot be read is told with its place, and the rest goes on.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from haechi.engines.falco.derive_event import SOURCES
from haechi.errors import InputError
from haechi.model.event import PRIORITIES, SCHEMA, Event

MAX_DOCUMENT = 64 * 1024 * 1024
"""Bytes of a file that is one document; files of lines may be of any size."""
MAX_LINE = 4 * 1024 * 1024
_SYSCALL = "sensor"
_OF_SOURCE = {
    "syscall": _SYSCALL,
    "falco": _SYSCALL,
    "k8s_audit": "kubernetes-audit",
    "flow": "hubble",
    "application": "application",
}
"""Falco's name of a source, or Falco itself, whose alerts are judged again → a source of events
that its rules judge."""
_BY_PREFIX = (
    (("ka.", "jevt."), "k8s_audit"),
    (("flow.", "http."), "flow"),
    (("app.",), "application"),
)
_decode = msgspec.json.Decoder().decode


class Unread(msgspec.Struct, frozen=True, kw_only=True):
    """Something in the file that is no event. ``line`` counts from 1; items of one document are
    named in the message."""

    line: int
    message: str


class _Refused(Exception):
    """Why an object is no event."""


def events_in(path: Path) -> Iterator[Event | Unread]:
    """Every event of a file and every fault, in order. Raises InputError for an unreadable file."""
    try:
        with path.open("rb") as stream:
            yield from _read(stream)
    except OSError as error:
        raise InputError(f"cannot read {path}", why=error.strerror or "") from error


def _read(stream: BinaryIO) -> Iterator[Event | Unread]:
    start = stream.read(MAX_LINE)
    first = start.lstrip().split(b"\n", 1)[0]
    if not isinstance(_json(first), dict):
        document = start + stream.read(MAX_DOCUMENT - len(start))
        whole = _json(document)
        if isinstance(whole, dict | list):
            yield from _document(whole)
            return
        if first.strip() in (b"{", b"[") and len(document) >= MAX_DOCUMENT:
            limit = MAX_DOCUMENT >> 20
            yield Unread(line=1, message=f"a document of {limit} MiB or more; write lines instead")
            return
    stream.seek(0)
    yield from _lines(stream)


def _json(data: bytes) -> Any:
    try:
        return _decode(data.removeprefix(b"\xef\xbb\xbf"))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def _lines(stream: BinaryIO) -> Iterator[Event | Unread]:
    number = 0
    while line := stream.readline(MAX_LINE + 1):
        number += 1
        if len(line) > MAX_LINE:
            yield Unread(line=number, message=f"longer than {MAX_LINE:,} bytes")
            while line and not line.endswith(b"\n"):
                line = stream.readline(MAX_LINE)
            continue
        if line.strip():
            yield from _line(line, number)


def _line(line: bytes, number: int) -> Iterator[Event | Unread]:
    try:
        value = _decode(line.removeprefix(b"\xef\xbb\xbf"))
    except UnicodeDecodeError:
        yield Unread(line=number, message="not UTF-8")
    except RecursionError:
        yield Unread(line=number, message="nested too deep")
    except msgspec.MsgspecError as error:
        yield Unread(line=number, message=f"no JSON: {error}")
    else:
        yield from _one(value, number, "")


def _document(whole: dict[str, Any] | list[Any]) -> Iterator[Event | Unread]:
    if isinstance(whole, list):
        for index, item in enumerate(whole):
            yield from _one(item, 1, f"item {index}: ")
    else:
        yield from _one(whole, 1, "")


def _one(value: Any, line: int, where: str) -> Iterator[Event | Unread]:
    """The event of a value; of an EventList all."""
    if isinstance(value, dict) and value.get("kind") == "EventList":
        items = value.get("items")
        if not isinstance(items, list):
            yield Unread(line=line, message=f"{where}an EventList without items")
            return
        for index, item in enumerate(items):
            yield from _audit(item, line, f"{where}item {index}: ")
    elif isinstance(value, dict) and _is_audit(value):
        yield from _audit(value, line, where)
    else:
        try:
            yield _event(value, line)
        except _Refused as refused:
            yield Unread(line=line, message=f"{where}{refused}")


def _is_audit(value: dict[str, Any]) -> bool:
    return str(value.get("apiVersion", "")).startswith("audit.k8s.io/") or "auditID" in value


def _audit(value: Any, line: int, where: str) -> Iterator[Event | Unread]:
    from haechi.runtime.decode.kubernetes_audit import ALL_STAGES, read

    if not isinstance(value, dict):
        yield Unread(line=line, message=f"{where}no JSON object")
        return
    found = read(value, cluster="-", stages=ALL_STAGES)
    yield from found.events
    for refusal in found.refusals:
        yield Unread(line=line, message=f"{where}{refusal.why}")


def _event(value: Any, line: int) -> Event:
    if not isinstance(value, dict):
        raise _Refused("no JSON object")
    fields = value.get("output_fields")
    if isinstance(fields, dict):
        return _of_fields(fields, line, str(value.get("source", "")))
    if "type" in value and not any("." in key for key in value):
        return _of_ours(value, line)
    if any("." in key for key in value):
        return _of_fields(value, line, str(value.get("evt.source", "")))
    raise _Refused(
        "neither an event (type, fields), nor an object of Falco's fields (evt.type …), "
        "nor an audit event of Kubernetes"
    )


def _of_ours(value: dict[str, Any], line: int) -> Event:
    schema = value.get("schema", SCHEMA)
    if schema != SCHEMA:
        raise _Refused(f"schema {str(schema)[:60]!r}; {SCHEMA} is read")
    given = {key: inner for key, inner in value.items() if key != "schema"}
    given.setdefault("id", f"line-{line}")
    given.setdefault("ts_ns", 0)
    source = given.setdefault("source", _source(given.get("fields")))
    if isinstance(source, str):
        given["source"] = _OF_SOURCE.get(source, source)
    try:
        event = msgspec.convert(given, Event)
    except msgspec.ValidationError as error:
        raise _Refused(f"not as {SCHEMA} has it: {error}") from error
    if event.source not in SOURCES:
        known = ", ".join((*SOURCES, *_OF_SOURCE))
        raise _Refused(f"events of source {event.source[:60]!r} are not judged; use one of {known}")
    if event.priority and event.priority not in PRIORITIES:
        raise _Refused(f"priority {event.priority[:60]!r} is none of Falco's")
    return event


def _of_fields(fields: dict[str, Any], line: int, said: str) -> Event:
    source = _OF_SOURCE.get(said) or _source(fields)
    event_type = fields.get("evt.type")
    if event_type is None and source == _OF_SOURCE["k8s_audit"]:
        event_type = fields.get("ka.verb", "")
    if event_type is None and source == _OF_SOURCE["application"]:
        event_type = fields.get("app.event", "")
    if not isinstance(event_type, str):
        raise _Refused("no evt.type, so no rule can tell what happened")
    rawtime = fields.get("evt.rawtime", fields.get("evt.time"))
    return Event(
        id=f"line-{line}",
        ts_ns=rawtime if isinstance(rawtime, int) and 0 <= rawtime < 2**63 else 0,
        source=source,
        type=event_type,
        container_id=_text(fields.get("container.id")),
        namespace=_text(fields.get("k8s.ns.name")) or "-",
        fields={key: inner for key, inner in fields.items() if inner is not None},
    )


def _source(fields: Any) -> str:
    """By the prefixes of its fields."""
    names = list(fields) if isinstance(fields, dict) else []
    for prefixes, source in _BY_PREFIX:
        if any(isinstance(name, str) and name.startswith(prefixes) for name in names):
            return _OF_SOURCE[source]
    return _SYSCALL


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
