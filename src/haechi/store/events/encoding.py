"""From the bytes of a request to checked rows: the one place where events are decoded.

A row keeps ``fields`` as the bytes that came, so nothing is decoded and encoded twice; they are
decoded only where the fast look finds something that JSON allows and the store does not keep as
it is (odd escapes, line breaks, depth). One bad event never
costs the others of its batch: it is refused by its place, with the reason.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Annotated, Any, cast

import msgspec

from haechi.errors import InputError, LimitExceeded
from haechi.model.access import ANY, EVERYWHERE, NONE, Reach, covered
from haechi.model.event import PRIORITIES, SCHEMA, Event
from haechi.store.events.shapes import Limits, Refusal
from haechi.store.records import Record

DAY_NS = 86_400 * 10**9
EARLIEST_NS = 946_684_800 * 10**9
"""2000-01-01: what claims to be older comes from a clock that was never set."""

Kind = tuple[str, str, str, str, str, str]
"""(source, type, cluster, namespace, rule, priority): what is counted and filtered by."""
Row = tuple[int, int, Kind, str, bytes]
"""(ts_ns, identity, kind, resource, payload)."""

_Name = Annotated[str, msgspec.Meta(min_length=1)]


class EncodedBatch(Record, frozen=True, kw_only=True):
    """Rows ready for the writer, and what was refused. ``size`` are bytes in memory, about."""

    rows: list[Row]
    refused: list[Refusal]
    size: int

    def kinds(self) -> Counter[Kind]:
        """How many events of each kind, for metrics."""
        return Counter(row[2] for row in self.rows)

    def places(self) -> set[tuple[str, str]]:
        """The (cluster, namespace) pairs of the events, for notices."""
        return {(kind[2], kind[3]) for kind in {row[2] for row in self.rows}}

    def tally(self) -> dict[tuple[str, str, str], int]:
        """How many events there are by (source, priority, type), for metrics."""
        counts: dict[tuple[str, str, str], int] = {}
        for kind, number in Counter(row[2] for row in self.rows).items():
            place = (kind[0], kind[5], kind[1])
            counts[place] = counts.get(place, 0) + number
        return counts

    def sources(self) -> set[tuple[str, str]]:
        """The (source, cluster) pairs of the events, for what was heard from."""
        return {(kind[0], kind[2]) for kind in {row[2] for row in self.rows}}


class _Wire(msgspec.Struct, forbid_unknown_fields=True):
    """``haechi.event/1`` as it comes; ``fields`` stays undecoded."""

    id: _Name
    ts_ns: int
    source: _Name
    type: _Name
    cluster: _Name = NONE
    node: str = ""
    container_id: str = ""
    resource: str = ""
    namespace: str = NONE
    rule: str = ""
    priority: str = ""
    message: str = ""
    fields: msgspec.Raw = msgspec.Raw(b"{}")
    schema: str = SCHEMA


class _Refused(Exception):
    """Why an event is refused."""


_decode_wire = msgspec.json.Decoder(_Wire).decode
_decode_any = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode
_PRIORITIES = frozenset((*PRIORITIES, ""))
_CONTROL = re.compile(r"[\x00-\x1f\x7f\u0085\u2028\u2029]")
_ODD = (b"\\u", b"\\/", b"\r", b"\t", b"\n")
"""What the store does not keep as it came: escapes that msgspec would not write (text is searched
in the stored bytes), and line breaks between tokens."""


def encode(
    data: bytes,
    limits: Limits,
    *,
    now_ns: int,
    within: Sequence[Reach] = (EVERYWHERE,),
) -> EncodedBatch:
    """The rows of a body: NDJSON, or one JSON array of events.

    ``within`` is where the sender may send events for; others are refused. Raises InputError
    when the body is no such thing at all and LimitExceeded for too many events.
    """
    lines = _elements(data, limits)
    check = _Check(limits, now_ns, within)
    check.plain = _is_plain(data)
    return check.batch(lines)


def encode_events(
    events: Iterable[Event], limits: Limits, *, now_ns: int, within: Sequence[Reach] = (EVERYWHERE,)
) -> EncodedBatch:
    """The rows of events that are values already (haechi's own sensors)."""
    return _Check(limits, now_ns, within).batch([_encode(event) for event in events])


def identity(cluster: str, source: str, id: str) -> int:
    """64 bits that stand for (cluster, source, id); signed, as SQLite has them."""
    text = f"{cluster}\0{source}\0{id}".encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little", signed=True)


def fields_of(raw: bytes | msgspec.Raw) -> dict[str, Any]:
    """Decode fields. A whole number past 64 bits becomes a float, one past those null."""
    try:
        found = _decode_any(raw)
    except msgspec.ValidationError:
        found = json.loads(bytes(raw), parse_int=float)
    return cast(dict[str, Any], _tamed(found))


def _tamed(value: Any) -> Any:
    """The value with numbers that every reader has (changed in place)."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in list(pairs):
        if isinstance(inner, dict | list):
            _tamed(inner)
        elif type(inner) is int and not -(2**63) <= inner < 2**64:
            value[key] = float(inner) if inner.bit_length() < 1023 else None
        elif type(inner) is float and not math.isfinite(inner):
            value[key] = None
    return value


def _elements(data: bytes, limits: Limits) -> Sequence[bytes | memoryview]:
    if data.lstrip()[:1] == b"[":
        try:
            found: Sequence[bytes | memoryview] = [
                memoryview(raw) for raw in msgspec.json.decode(data, type=list[msgspec.Raw])
            ]
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
            raise InputError(
                "the body is no JSON array of events",
                why=str(error),
                do="send an array of haechi.event/1 objects, or one object a line (NDJSON)",
            ) from error
    else:
        found = [line for line in data.split(b"\n") if line and not line.isspace()]
    if len(found) > limits.batch_events:
        raise LimitExceeded(
            f"{len(found)} events in one batch, {limits.batch_events} at most",
            do="send smaller batches",
        )
    return found


class _Check:
    """Turns events into rows; remembers what many events of a batch have in common."""

    def __init__(self, limits: Limits, now_ns: int, within: Sequence[Reach]) -> None:
        self._limits = limits
        self._latest = now_ns + DAY_NS
        self._within = tuple(within)
        self._everywhere = any(r.cluster == ANY and r.namespace == ANY for r in within)
        self._kinds: dict[Kind, Kind] = {}
        self._resources: dict[str, str] = {"": ""}
        self._known = {""}
        self.plain = False
        """Nothing of the batch is odd: its lines need not be looked at one by one."""

    def batch(self, lines: Sequence[bytes | memoryview]) -> EncodedBatch:
        rows: list[Row] = []
        refused: list[Refusal] = []
        size = 0
        for index, line in enumerate(lines):
            try:
                row = self._row(line)
            except (_Refused, msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
                refused.append(Refusal(index=index, why=_why(error)))
            else:
                rows.append(row)
                size += len(row[4]) + 200
        return EncodedBatch(rows=rows, refused=refused, size=size)

    def _row(self, line: bytes | memoryview) -> Row:
        if len(line) > self._limits.event_bytes:
            raise _Refused(f"{len(line)} bytes long, {self._limits.event_bytes} at most")
        event = _decode_wire(line)
        if not EARLIEST_NS <= event.ts_ns <= self._latest:
            raise _Refused("`ts_ns` lies before the year 2000 or more than a day ahead")
        fields, namespace = self._fields(event)
        kind = (event.source, event.type, event.cluster, namespace, event.rule, event.priority)
        kind = self._kinds.get(kind) or self._new_kind(kind)
        resource = self._resources.get(event.resource)
        if resource is None:
            resource = self._new_resource(event.resource)
        self._texts(event)
        payload = _encode((event.id, event.node, event.container_id, event.message, fields))
        return event.ts_ns, identity(kind[2], kind[0], event.id), kind, resource, payload

    def _fields(self, event: _Wire) -> tuple[msgspec.Raw | dict[str, Any], str]:
        """The fields, undecoded where they can stay so, and the event's namespace."""
        raw = bytes(event.fields)
        if raw[:1] != b"{":
            raise _Refused("`fields` is no object")
        if not (self.plain or raw.isascii()):
            raw.decode()
        namespace = event.namespace or NONE
        if namespace == NONE and event.resource:
            namespace = _namespace_of(event.resource)
        deep = (b"[" in raw or raw.find(b"{", 1) > 0) and (
            raw.count(b"{") + raw.count(b"[") > self._limits.depth
        )
        wanted = namespace == NONE and b'"k8s.ns.name"' in raw
        if not (deep or wanted) and (self.plain or not any(map(raw.__contains__, _ODD))):
            return event.fields, namespace
        fields = fields_of(raw)
        if deep and _depth(fields) > self._limits.depth:
            raise _Refused(f"`fields` is nested deeper than {self._limits.depth}")
        if wanted and isinstance(name := fields.get("k8s.ns.name"), str) and name:
            namespace = name
        return fields, namespace

    def _new_kind(self, kind: Kind) -> Kind:
        names = ("source", "type", "cluster", "namespace", "rule", "priority")
        for name, value in zip(names, kind, strict=True):
            _name(name, value, self._limits.name_chars)
        if kind[5] not in _PRIORITIES:
            raise _Refused(f"`priority` is none of {', '.join(PRIORITIES)}")
        if ANY in (kind[2], kind[3]):
            raise _Refused("`cluster` and `namespace` are names, not `*`")
        if not self._everywhere and not covered(self._within, kind[2], kind[3]):
            raise _Refused(f"cluster {kind[2]}, namespace {kind[3]} is out of your reach")
        self._kinds[kind] = kind
        return kind

    def _new_resource(self, resource: str) -> str:
        _name("resource", resource, self._limits.resource_chars)
        self._resources[resource] = resource
        return resource

    def _texts(self, event: _Wire) -> None:
        if event.schema != SCHEMA:
            raise _Refused(f"`schema` is not {SCHEMA}")
        longest = self._limits.name_chars
        if len(event.id) > longest or not event.id.isprintable():
            _name("id", event.id, longest)
        if event.node not in self._known:
            _name("node", event.node, longest)
            self._known.add(event.node)
        if event.container_id not in self._known:
            _name("container_id", event.container_id, longest)
            self._known.add(event.container_id)
        if len(event.message) > self._limits.message_chars:
            raise _Refused(f"`message` is longer than {self._limits.message_chars} characters")


def _is_plain(data: bytes) -> bool:
    """True when no line can hold anything odd: ASCII lines without escapes and tabs."""
    return (
        data[:1] == b"{"
        and data.isascii()
        and not any(map(data.__contains__, (b"\\", b"\r", b"\t")))
    )


def _name(name: str, value: str, longest: int) -> None:
    if len(value) > longest:
        raise _Refused(f"`{name}` is longer than {longest} characters")
    if _CONTROL.search(value):
        raise _Refused(f"`{name}` holds a control character")


def _namespace_of(resource: str) -> str:
    """The namespace in a key ``k8s:{cluster}/{group}/{Kind}/{namespace}/{name}``."""
    if not resource.startswith("k8s:"):
        return NONE
    parts = resource.split("/")
    return (parts[3] or NONE) if len(parts) >= 5 else NONE


def _depth(value: object) -> int:
    deepest, level = 0, [value]
    while level:
        deepest += 1
        inner: list[object] = []
        for one in level:
            if isinstance(one, dict):
                inner.extend(one.values())
            elif isinstance(one, list):
                inner.extend(one)
        level = [one for one in inner if isinstance(one, dict | list)]
    return deepest


def _why(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "nested too deep"
    if isinstance(error, UnicodeDecodeError):
        return "not UTF-8"
    if isinstance(error, msgspec.ValidationError | _Refused):
        return str(error)
    return f"no JSON: {error}"
