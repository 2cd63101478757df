"""From the bytes of a request to checked rows: the one place where events are decoded.

A row keeps ``fields`` as the bytes that came, so nothing is decoded and encoded twice; they are
decoded only where the fast look finds something that JSON allows and the store does not keep as
it is (odd escapes, line breaks, depth). One bad event never
costs the others of its batch: it is refused by its place, with the reason.
"""

from __future__ import annotations

import json
import math
import re
import struct
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from hashlib import blake2b
from typing import Annotated, Any, TypeVar, cast

import msgspec

from haechi.errors import InputError, LimitExceeded
from haechi.model.access import ANY, EVERYWHERE, NONE, Reach, covered
from haechi.model.event import PRIORITIES, SCHEMA, Event
from haechi.store.events.shapes import Limits, Refusal
from haechi.store.records import Record

T = TypeVar("T", bound=Hashable)
DAY_NS = 86_400 * 10**9
EARLIEST_NS = 946_684_800 * 10**9
"""2000-01-01: what claims to be older comes from a clock that was never set."""

Kind = tuple[str, str, str, str, str, str]
"""(source, type, cluster, namespace, rule, priority): what is counted and filtered by."""
Row = tuple[int, int, Kind, str, bytes]
"""(ts_ns, identity, kind, resource, payload)."""
_Start = tuple[Kind, bytes]
"""A kind and what the identities of its events begin with."""
_MOST_KNOWN = 50_000

_Name = Annotated[str, msgspec.Meta(min_length=1)]


OWN = "haechi"
"""The source of what haechi itself says of events (detections): nobody may send it."""
_OURS = "haechi."
_OURS_RAW = b'"haechi.'
_TOLD = frozenset(("haechi.cut", "haechi.clock"))
"""What our sensors and decoders say, too, wherever they run: that less was seen than there was,
and what a sender's clock said."""


SCOPED = "haechi.scoped"
"""Put into each event of a sender that reaches some namespaces of its cluster only: what it says
of nodes and processes counts for its own namespace, as these are shared with others."""


def is_ours(field: str) -> bool:
    """True for fields that the server alone writes, into detections: of which rule and event."""
    return field.startswith(_OURS) and field not in _TOLD


class EncodedBatch(Record, frozen=True, kw_only=True):
    """Rows ready for the writer, and what was refused. ``kinds`` is how many rows there are of
    each kind; ``size`` are bytes in memory, about. ``derived`` are rows that were made of others
    (a place in ``rows``, the row): they are kept in the same commit, and only with their origin;
    they count among ``kinds``, too."""

    rows: list[Row]
    kinds: Counter[Kind]
    refused: list[Refusal]
    size: int
    derived: list[tuple[int, Row]] = msgspec.field(default_factory=list)

    @property
    def events(self) -> int:
        """How many rows there are."""
        return len(self.rows) + len(self.derived)

    def places(self) -> Counter[tuple[str, str]]:
        """How many events there are by (cluster, namespace), for notices."""
        return self._by(lambda kind: (kind[2], kind[3]))

    def tally(self) -> Counter[tuple[str, str, str]]:
        """How many events there are by (source, priority, type), for metrics."""
        return self._by(lambda kind: (kind[0], kind[5], kind[1]))

    def sources(self) -> Counter[tuple[str, str]]:
        """How many events there are by (source, cluster), for what was heard from."""
        found = self._by(lambda kind: (kind[0], kind[2]))
        return Counter({name: number for name, number in found.items() if name[0] != OWN})

    def _by(self, part: Callable[[Kind], T]) -> Counter[T]:
        found: Counter[T] = Counter()
        for kind, number in self.kinds.items():
            found[part(kind)] += number
        return found


class _Wire(msgspec.Struct, forbid_unknown_fields=True, gc=False):
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
_read_long = struct.Struct("<q").unpack
_PRIORITIES = frozenset((*PRIORITIES, ""))
_NOWHERE = frozenset(("", NONE))
_CONTROL = re.compile(r"[\x00-\x1f\x7f\u0085\u2028\u2029]")
_LOOKS = re.compile(r"[\W_]+")
"""What cannot be told from nothing, or hardly, at the edge of a name."""
_ODD = (b"\\u", b"\\/", b"\r", b"\t", b"\n")
"""What the store does not keep as it came: escapes that msgspec would not write (text is searched
in the stored bytes), and line breaks between tokens."""
_SHARED = ("host:", "user:", "many:", "container:")
"""How keys begin that the server makes of what belongs to no namespace."""
_MARK = b'{"haechi.scoped":true'
_ODD_ESCAPE = re.compile(rb"\\[u/]").search


def encode(
    data: bytes,
    limits: Limits,
    *,
    now_ns: int,
    within: Sequence[Reach] = (EVERYWHERE,),
    known: Known | None = None,
) -> EncodedBatch:
    """The rows of a body: NDJSON, or one JSON array of events.

    ``within`` is where the sender may send events for; others are refused. ``known`` are names
    of earlier batches. Raises InputError when the body is no such thing at all and LimitExceeded
    for too many events.
    """
    lines = _elements(data, limits)
    check = _Check(limits, now_ns, within, known or Known(limits))
    check.plain = _is_plain(data)
    check.foreign = not check.plain or _OURS_RAW in data
    return check.batch(lines)


def encode_events(
    events: Iterable[Event], limits: Limits, *, now_ns: int, within: Sequence[Reach] = (EVERYWHERE,)
) -> EncodedBatch:
    """The rows of events that are values already (haechi's own sensors)."""
    check = _Check(limits, now_ns, within, Known(limits))
    return check.batch([_encode(event) for event in events])


def own_row(event: Event, limits: Limits, *, now_ns: int, known: Known) -> Row | None:
    """The row of an event of our own (``OWN``); None where the store does not take it. ``known``
    is for these alone: what it holds is not checked again."""
    check = _Check(limits, now_ns, (EVERYWHERE,), known, own=True)
    batch = check.batch([_encode(event)])
    return batch.rows[0] if batch.rows else None


def identity(cluster: str, source: str, id: str, namespace: str = "") -> int:
    """64 bits that stand for (cluster, source, id); signed, as SQLite has them. ``namespace`` is
    that of the event where its sender reaches some namespaces of the cluster only: such a sender
    cannot take the place of an event of another namespace by sending its id and time first."""
    return _hashed(_start(cluster, source, namespace) + id.encode())


def _start(cluster: str, source: str, namespace: str) -> bytes:
    """What identities begin with. No id holds a NUL, so the two forms are apart."""
    return "\0".join((cluster, source, *((namespace,) if namespace else ()), "")).encode()


def _hashed(text: bytes) -> int:
    found: int = _read_long(blake2b(text, digest_size=8).digest())[0]
    return found


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
        found = _lines(data)
    if len(found) > limits.batch_events:
        raise LimitExceeded(
            f"{len(found)} events in one batch, {limits.batch_events} at most",
            do="send smaller batches",
        )
    return found


def _lines(data: bytes) -> list[bytes]:
    """Those that are not blank. ``find`` looks at many bytes at once, ``split`` at each."""
    found = []
    start, end = 0, data.find(b"\n")
    while end >= 0:
        found.append(data[start:end])
        start = end + 1
        end = data.find(b"\n", start)
    found.append(data[start:])
    return [line for line in found if line and not line.isspace()]


class Known:
    """Names that were checked, for batches of all senders. Bounded; thread-safe, as each step is
    one look-up or one entry."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.kinds: dict[Kind, _Start] = {}
        self.names: dict[str, dict[str, str]] = {"resource": {}, "node": {}, "container_id": {}}

    def kind(self, kind: Kind) -> _Start:
        """The kind, checked. Raises _Refused."""
        found = self.kinds.get(kind)
        if found is not None:
            return found
        names = ("source", "type", "cluster", "namespace", "rule", "priority")
        for name, value in zip(names, kind, strict=True):
            _name(name, value, self._limits.name_chars)
        if kind[0] != OWN and _LOOKS.sub("", kind[0]).casefold() == OWN:
            raise _Refused(f"`source` looks like {OWN}, which is what the server itself finds")
        if kind[5] not in _PRIORITIES:
            raise _Refused(f"`priority` is none of {', '.join(PRIORITIES)}")
        if ANY in (kind[2], kind[3]):
            raise _Refused("`cluster` and `namespace` are names, not `*`")
        if len(self.kinds) >= _MOST_KNOWN:
            self.kinds.clear()
        found = self.kinds[kind] = (kind, _start(kind[2], kind[0], ""))
        return found

    def name(self, name: str, value: str) -> str:
        """The value, checked. Raises _Refused."""
        limits, values = self._limits, self.names[name]
        _name(name, value, limits.resource_chars if name == "resource" else limits.name_chars)
        if len(values) >= _MOST_KNOWN:
            values.clear()
        values[value] = value
        return value


class _Check:
    """Turns the events of a batch into rows."""

    def __init__(
        self,
        limits: Limits,
        now_ns: int,
        within: Sequence[Reach],
        known: Known,
        *,
        own: bool = False,
    ) -> None:
        self._limits = limits
        self._own = own
        self._latest = now_ns + DAY_NS
        self._within = tuple(within)
        self._known = known
        everywhere = any(r.cluster == ANY and r.namespace == ANY for r in within)
        self._scoped = not everywhere
        self._kinds = known.kinds if everywhere and not own else {}
        """Kinds that this sender may send."""
        self._resources: set[tuple[str, str]] = set()
        """Things that it may tell of, with the cluster that it names."""
        self.plain = False
        """Nothing of the batch is odd: its lines need not be looked at one by one."""
        self.foreign = False
        """Fields may be there that a sender must not write."""

    def batch(self, lines: Sequence[bytes | memoryview]) -> EncodedBatch:
        rows: list[Row] = []
        refused: list[Refusal] = []
        for index, event in enumerate(self._decoded(lines)):
            try:
                rows.append(self._row(event if isinstance(event, _Wire) else self._decode(event)))
            except (_Refused, msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
                refused.append(Refusal(index=index, why=_why(error)))
        return EncodedBatch(
            rows=rows,
            kinds=Counter([row[2] for row in rows]),
            refused=refused,
            size=sum([len(row[4]) for row in rows]) + 200 * len(rows),
        )

    def _decoded(
        self, lines: Sequence[bytes | memoryview]
    ) -> Sequence[_Wire] | Sequence[bytes | memoryview]:
        """All events at once, as most batches have no fault; else the lines as they came."""
        if max(map(len, lines), default=0) > self._limits.event_bytes:
            return lines
        try:
            return list(map(_decode_wire, lines))
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
            return lines

    def _decode(self, line: bytes | memoryview) -> _Wire:
        if len(line) > self._limits.event_bytes:
            raise _Refused(f"{len(line)} bytes long, {self._limits.event_bytes} at most")
        return _decode_wire(line)

    def _row(self, event: _Wire) -> Row:
        """Most of what ingest costs: what is the same for many events is looked up, not checked
        again."""
        ts_ns, id, namespace, resource = event.ts_ns, event.id, event.namespace, event.resource
        if not EARLIEST_NS <= ts_ns <= self._latest:
            raise _Refused("`ts_ns` lies before the year 2000 or more than a day ahead")
        raw = bytes(event.fields)
        fields: msgspec.Raw | dict[str, Any] = event.fields
        brackets = _brackets(raw, self._limits.depth)
        if self.foreign or namespace in _NOWHERE or brackets > self._limits.depth or not self.plain:
            fields, namespace = self._fields(event, raw, brackets)
        elif raw[:1] != b"{":
            raise _Refused("`fields` is no object")
        names = (event.source, event.type, event.cluster, namespace, event.rule, event.priority)
        kind, start = self._kinds.get(names) or self._new_kind(names)
        if self._scoped and not covered(self._within, kind[2], NONE):
            fields = _marked(fields)
        if event.schema != SCHEMA:
            raise _Refused(f"`schema` is not {SCHEMA}")
        limits, known, message = self._limits, self._known.names, event.message
        if len(id) > limits.name_chars or not id.isprintable():
            _name("id", id, limits.name_chars)
        node, container = event.node, event.container_id
        if node and node not in known["node"]:
            self._known.name("node", node)
        if container and container not in known["container_id"]:
            self._known.name("container_id", container)
        if resource:
            if self._scoped and (kind[2], resource) not in self._resources:
                self._reached(kind[2], resource)
            resource = known["resource"].get(resource) or self._known.name("resource", resource)
        if len(message) > limits.message_chars:
            raise _Refused(f"`message` is longer than {limits.message_chars} characters")
        payload = _encode((id, node, container, message, fields))
        return ts_ns, _hashed(start + id.encode()), kind, resource, payload

    def _fields(
        self, event: _Wire, raw: bytes, brackets: int
    ) -> tuple[msgspec.Raw | dict[str, Any], str]:
        """The fields, undecoded where they can stay so, and the event's namespace. Fields that
        are ours to write are left out: a sender could say of which rule a detection is."""
        if raw[:1] != b"{":
            raise _Refused("`fields` is no object")
        if not (self.plain or raw.isascii()):
            raw.decode()
        namespace = event.namespace or NONE
        if namespace == NONE and event.resource:
            namespace = _namespace_of(event.resource)
        deep = brackets > self._limits.depth
        wanted = namespace == NONE and b'"k8s.ns.name"' in raw
        claims = self.foreign and (_OURS_RAW in raw or b"\\u" in raw)
        if not (deep or wanted or claims) and (self.plain or not any(map(raw.__contains__, _ODD))):
            return event.fields, namespace
        fields = fields_of(raw)
        if claims:
            fields = {name: value for name, value in fields.items() if not is_ours(name)}
        if deep and _depth(fields) > self._limits.depth:
            raise _Refused(f"`fields` is nested deeper than {self._limits.depth}")
        if wanted and isinstance(name := fields.get("k8s.ns.name"), str) and name:
            namespace = name
        return fields, namespace

    def _new_kind(self, kind: Kind) -> _Start:
        if (kind[0] == OWN) is not self._own:
            raise _Refused(f"`source` {OWN} is what the server itself finds")
        found = self._known.kind(kind)
        if self._kinds is not self._known.kinds:
            if not covered(self._within, kind[2], kind[3]):
                raise _Refused(f"cluster {kind[2]}, namespace {kind[3]} is out of your reach")
            if not covered(self._within, kind[2], ANY):
                found = (found[0], _start(kind[2], kind[0], kind[3]))
            self._kinds[kind] = found
        return found

    def _reached(self, cluster: str, resource: str) -> None:
        """A sender of some places may not put what it tells on a thing of another. Raises
        _Refused."""
        its, namespace = _place_of(resource)
        its = cluster if its == NONE else its
        mine = [reach for reach in self._within if reach.cluster in (ANY, its)]
        if its and not (covered(mine, its, namespace) or (mine and namespace == NONE)):
            raise _Refused(f"`resource` is of cluster {its}, namespace {namespace}: out of reach")
        if not its and resource.startswith(_SHARED) and not self._shares(cluster, resource):
            raise _Refused(f"`resource` is of no namespace of cluster {cluster}: out of reach")
        self._resources.add((cluster, resource))

    def _shares(self, cluster: str, resource: str) -> bool:
        """Whether it reaches what belongs to no namespace of the cluster that it names."""
        return covered(self._within, cluster, NONE) and resource.partition("/")[0].endswith(
            f":{cluster}"
        )


def _marked(fields: msgspec.Raw | dict[str, Any]) -> msgspec.Raw | dict[str, Any]:
    """The fields with ``SCOPED``. What a sender said under that name was left out before."""
    if isinstance(fields, dict):
        return {SCOPED: True, **fields}
    rest = bytes(fields)[1:].lstrip()
    return msgspec.Raw(_MARK + (rest if rest == b"}" else b"," + rest))


def _is_plain(data: bytes) -> bool:
    """True when no line can hold anything odd: ASCII lines without odd escapes and tabs. One look
    at a body, as looking for two bytes in every line costs more than all else."""
    if data[:1] != b"{" or not data.isascii() or b"\r" in data or b"\t" in data:
        return False
    return b"\\" not in data or _ODD_ESCAPE(data) is None


def _brackets(raw: bytes, most: int) -> int:
    """How many brackets open, counted to a little more than ``most``."""
    found = 0
    for bracket in (b"{", b"["):
        place = raw.find(bracket)
        while place >= 0 and found <= most:
            found += 1
            place = raw.find(bracket, place + 1)
    return found


def _name(name: str, value: str, longest: int) -> None:
    if len(value) > longest:
        raise _Refused(f"`{name}` is longer than {longest} characters")
    if _CONTROL.search(value):
        raise _Refused(f"`{name}` holds a control character")


def _namespace_of(resource: str) -> str:
    """The namespace in a key ``k8s:{cluster}/{group}/{Kind}/{namespace}/{name}``."""
    return _place_of(resource)[1]


def _place_of(resource: str) -> tuple[str, str]:
    """Cluster and namespace in such a key; the cluster is empty where it is none."""
    if not resource.startswith("k8s:"):
        return "", NONE
    parts = resource.split("/")
    if len(parts) < 5:
        return "", NONE
    return parts[0][4:] or NONE, parts[3] or NONE


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
