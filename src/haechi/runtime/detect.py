"""Judging events by the rules in force: what holds becomes an event of its own, a detection.

A detection's id is a hash of its rule and its origin, and its time is its origin's, so an event
that is judged twice makes one. A rule that fails on an event costs that verdict alone: it is
counted and logged, and the event goes on.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Sequence
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from haechi.model.event import Event
from haechi.store.events.encoding import OWN, SCOPED, EncodedBatch, Kind, Row, is_ours
from haechi.store.events.question import event_of

if TYPE_CHECKING:
    from haechi.engines.falco.engine import Engine
    from haechi.engines.falco.ruleset import Rule

log = logging.getLogger("haechi.runtime")
MOST_DETECTIONS, MOST_BYTES, MOST_S = 50_000, 48 << 20, 8.0
"""Of one batch: rules that match everything must not take the memory of the server, nor so long
that its sender gives up and sends the batch again, for ever."""
SPARED = 50
"""So many detections each rule makes of a batch in any case: what is loud hides nothing."""
_LAST_DETECTIONS, _LAST_BYTES = 60_000, 60 << 20
"""Where even that ends: the writer's queue has to hold a batch."""
_FIELDS_BYTES = 48 << 10
_MESSAGE = 8_000
_LOGGED_EVERY_S = 30.0
_encode = msgspec.json.Encoder().encode
Outputs = Callable[[str, Event], str]


class Detector:
    """One set of rules, ready. Thread-safe."""

    def __init__(self, engine: Engine, faults: Callable[[str], None] = lambda stage: None) -> None:
        from haechi.engines.falco.engine import SOURCES

        self.engine = engine
        self._faults = faults
        self._logged = 0.0
        self._types: dict[str, frozenset[str] | None] = {}
        """By Event.source: the types that some rule can hold for; None is any."""
        for source, language in SOURCES.items():
            bounds = [rule.event_types for rule in engine.rules if rule.source == language]
            if bounds:
                every = [one for one in bounds if one is not None]
                whole = len(every) == len(bounds)
                self._types[source] = frozenset().union(*every) if whole else None

    def wants(self, source: str, kind: str) -> bool:
        """True when some rule may hold for such an event."""
        if source not in self._types:
            return False
        types = self._types[source]
        return types is None or kind in types

    def detect(self, event: Event) -> list[Event]:
        """The detections of an event, in the order of the rules. Never raises."""
        return [one for rule in self.held(event) if (one := self.made(rule, event)) is not None]

    def held(self, event: Event) -> tuple[Rule, ...]:
        """The rules that hold for an event. Never raises."""
        try:
            return self.engine.judge(event)
        except Exception as error:  # noqa: BLE001  a rule's fault must not cost the event
            self._fault("judge", error)
            return ()

    def made(self, rule: Rule, event: Event) -> Event | None:
        """The detection of a rule that holds; None when it cannot be made. Never raises."""
        try:
            return self._detection(rule, event)
        except Exception as error:  # noqa: BLE001  nor one detection the others
            self._fault("judge", error)
            return None

    def _detection(self, rule: Rule, event: Event) -> Event:
        from haechi.engines.falco.output import render

        try:
            message = render(rule.output, event)[:_MESSAGE]
        except Exception as error:  # noqa: BLE001  the detection counts more than its words
            self._fault("render", error)
            message = rule.name
        return detection(rule, event, message)

    def _fault(self, stage: str, error: Exception) -> None:
        self._faults(stage)
        now = time.monotonic()
        if now - self._logged >= _LOGGED_EVERY_S:
            self._logged = now
            log.error("runtime rules: %s failed: %r", stage, error)


def detection(rule: Rule, event: Event, message: str) -> Event:
    """The event that says that a rule held for another."""
    told = event.fields.items()
    fields = {name: value for name, value in told if name != "jevt.obj" and not is_ours(name)}
    if not _fits(fields):
        fields = {"haechi.cut": ["*"]}
    if event.fields.get(SCOPED) is True:
        fields[SCOPED] = True
    fields["haechi.source"] = event.source
    fields["haechi.event"] = event.id
    if rule.id:
        fields["haechi.rule"] = rule.id
    if rule.tags:
        fields["haechi.tags"] = list(rule.tags)
    return Event(
        id=detection_id(rule, event),
        ts_ns=event.ts_ns,
        source=OWN,
        type=event.type,
        cluster=event.cluster,
        node=event.node,
        container_id=event.container_id,
        resource=event.resource,
        namespace=event.namespace,
        rule=_printable(rule.name),
        priority=rule.priority,
        message=message,
        fields=fields,
    )


def _fits(fields: dict[str, Any]) -> bool:
    try:
        return len(_encode(fields)) <= _FIELDS_BYTES
    except OverflowError:  # a number past 64 bits
        return False


def detection_id(rule: Rule, event: Event) -> str:
    """The same for the same rule and origin, ever. Origins of two namespaces may share an id."""
    text = "\0".join((rule.source, rule.name, event.source, event.namespace, event.id))
    return blake2b(text.encode("utf-8", "replace"), digest_size=16).hexdigest()


def _printable(name: str) -> str:
    return "".join(c if c.isprintable() else " " for c in name[:500]) or "unnamed"


class Observer(Protocol):
    """Learns from the events as they are judged, and says of a detection how usual it is."""

    def wants(self, source: str, kind: str) -> bool:
        """Whether such events are looked at."""

    def observe(self, event: Event) -> Any:
        """Something that stands for what was seen. Never raises."""

    def put(self, seen: Any, fields: dict[str, Any]) -> None:
        """Say it in the fields of a detection. Never raises."""


def judged(
    batch: EncodedBatch,
    detector: Detector,
    row_of: Callable[[Event], Row | None],
    overflow: Callable[[int], None] = lambda dropped: None,
    observer: Observer | None = None,
) -> EncodedBatch:
    """The batch with the detections of its rows. ``overflow`` is told how many were too many."""
    wanted: dict[Kind, tuple[bool, bool]] = {}
    for kind in batch.kinds:
        seen = observer is not None and observer.wants(kind[0], kind[1])
        wanted[kind] = (detector.wants(kind[0], kind[1]), seen)
    if not any(ruled or seen for ruled, seen in wanted.values()):
        return batch
    room = _Room()
    held, event = detector.held, Rereader().event
    observe = _unseen if observer is None else observer.observe
    for place, row in enumerate(batch.rows):
        ruled, seen = wanted[row[2]]
        if not (ruled or seen):
            continue
        one = event(row)
        look = observe(one) if seen else None
        if not ruled:
            continue
        for rule in held(one):
            if room.has(rule):
                found = detector.made(rule, one)
                if found is not None and look is not None and observer is not None:
                    observer.put(look, found.fields)
                made = None if found is None else row_of(found)
                if made is not None:
                    room.take(place, rule, made)
    if room.dropped:
        overflow(room.dropped)
    return with_derived(batch, room.derived, room.size) if room.derived else batch


def _unseen(event: Event) -> None:
    """Nobody learns."""


class _Room:
    """The detections of a batch, within their bounds. Asking costs little: what has no room is
    not made at all."""

    def __init__(self) -> None:
        self.derived: list[tuple[int, Row]] = []
        self.size = self.dropped = 0
        self._of: Counter[int] = Counter()
        self._ends = time.monotonic() + MOST_S

    def has(self, rule: Rule) -> bool:
        """True when one more of this rule may be made; counts it as dropped otherwise."""
        number = len(self.derived)
        if number < MOST_DETECTIONS and self.size < MOST_BYTES and time.monotonic() < self._ends:
            return True
        spared = self._of[id(rule)] < SPARED
        if spared and number < _LAST_DETECTIONS and self.size < _LAST_BYTES:
            return True
        self.dropped += 1
        return False

    def take(self, place: int, rule: Rule, row: Row) -> None:
        """Keep one."""
        self.derived.append((place, row))
        self.size += len(row[4]) + 200
        self._of[id(rule)] += 1


def with_derived(
    batch: EncodedBatch, derived: Sequence[tuple[int, Row]], size: int
) -> EncodedBatch:
    """The batch with these rows beside its own."""
    kinds = batch.kinds + Counter([row[2] for _, row in derived])
    return msgspec.structs.replace(
        batch, derived=[*batch.derived, *derived], kinds=kinds, size=batch.size + size
    )


def decoded(row: Row) -> Event:
    """The event of a row."""
    return Rereader().event(row)


_whole = msgspec.json.Decoder(tuple[str, str, str, str, msgspec.Raw]).decode
_head = msgspec.json.Decoder(tuple[str, str, str, str]).decode
_object = msgspec.json.Decoder(dict[str, Any]).decode
_OWN_PART = b',"thread.tid":'
"""Where our own sensor's fields go on from what the process is to what it did."""
_MOST_PARTS, _PART_BYTES = 500, 64 << 10


def _halves(payload: bytes) -> tuple[tuple[str, str, str, str], bytes]:
    """What stands before the fields, and those as they came. Looking for their beginning costs
    less than reading over them; a message that ends with the same bytes is then cut within, which
    is no JSON, so it is noticed."""
    place = payload.find(b',{"')
    try:
        return _head(payload[: max(0, place)] + b"]"), payload[place + 1 : -1]
    except msgspec.DecodeError:
        *head, raw = _whole(payload)
        return (head[0], head[1], head[2], head[3]), bytes(raw)


class Rereader:
    """Decodes the rows of a batch. Most of what a sensor's event says is its process, and is the
    same bytes in each event of it: that part is decoded once. Where the fields are cut, both
    halves must be whole objects by themselves, so a cut at a wrong place (within an inner object)
    is noticed, and the fields are decoded as a whole."""

    def __init__(self) -> None:
        self._parts: dict[bytes, dict[str, Any]] = {}

    def event(self, row: Row) -> Event:
        """The event of a row."""
        ts_ns, _, kind, resource, payload = row
        try:
            (id_, node, container, message), raw = _halves(payload)
            fields = self._fields(raw)
        except msgspec.ValidationError:  # a number past 64 bits
            return event_of(ts_ns, kind, resource, payload)
        source, type_, cluster, namespace, rule, priority = kind
        return Event(
            id=id_,
            ts_ns=ts_ns,
            source=source,
            type=type_,
            cluster=cluster,
            node=node,
            container_id=container,
            resource=resource,
            namespace=namespace,
            rule=rule,
            priority=priority,
            message=message,
            fields=fields,
        )

    def _fields(self, raw: bytes) -> dict[str, Any]:
        common, found, own = raw.partition(_OWN_PART)
        if not found or len(common) > _PART_BYTES:
            return _object(raw)
        try:
            fields = (self._parts.get(common) or self._learn(common)).copy()
            fields.update(_object(b'{"thread.tid":' + own))
        except msgspec.ValidationError:
            raise
        except msgspec.DecodeError:
            return _object(raw)
        return fields

    def _learn(self, common: bytes) -> dict[str, Any]:
        if len(self._parts) >= _MOST_PARTS:
            self._parts.clear()
        known = self._parts[common] = _object(common + b"}")
        return known
