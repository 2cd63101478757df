"""A question as both tiers understand it: bounds, conditions, the text that is looked for.

Text is found in two steps. The needle, written as JSON writes it, is looked for in the stored
bytes (in hot rows here, in sealed files by DuckDB); what matches is decoded and looked at once
more, text by text, so that neither JSON's marks nor its escapes count as text.
"""

from __future__ import annotations

import base64
import binascii
import datetime as dt
from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from haechi.errors import UsageError
from haechi.model.access import Reach
from haechi.model.event import Event
from haechi.store.events.encoding import EARLIEST_NS, Kind, fields_of
from haechi.store.events.names import narrowed
from haechi.store.events.shapes import EventFilter

SECOND_NS = 10**9
HOUR_NS = 3600 * SECOND_NS
LATEST_NS = 4_102_444_800 * SECOND_NS
"""2100-01-01: the end of a question without one."""
_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_MOST_TEXT = 256


class Position(NamedTuple):
    """A place in the order of events. A question goes on strictly before it."""

    ts_ns: int
    seq: int


class Found(NamedTuple):
    """An event at its place."""

    at: Position
    event: Event


class Slice(NamedTuple):
    """What a tier found, newest first. Everything after ``reached`` (and it) was searched."""

    found: list[Found]
    reached: Position


class Question:
    """A filter, prepared once for all windows."""

    def __init__(self, ask: EventFilter, within: Sequence[Reach]) -> None:
        if len(ask.text) > _MOST_TEXT:
            raise UsageError(f"the text to search for is longer than {_MOST_TEXT} characters")
        _require_text(ask)
        self.ask, self.within = ask, tuple(within)
        self.since_ns = max(EARLIEST_NS, to_ns(ask.since) if ask.since else EARLIEST_NS)
        self.until_ns = min(LATEST_NS, to_ns(ask.until) if ask.until else LATEST_NS)
        self.kinds = narrowed(ask, within)
        self.anything = self.kinds is not None and self.kinds[0] == "1=1"
        self.needle = fold(ask.text)
        self.packed_needle = fold(msgspec.json.encode(ask.text).decode()[1:-1])

    @property
    def nothing(self) -> bool:
        """True when it cannot have an answer."""
        return self.kinds is None or self.since_ns >= self.until_ns

    def mentions(self, event: Event) -> bool:
        """True when no text is asked for, or one of the event's texts holds it."""
        return not self.needle or any(self.needle in fold(text) for text in _texts(event))


def _require_text(ask: EventFilter) -> None:
    names = ("source", "type", "rule", "priority", "cluster", "namespace", "resource")
    try:
        ask.text.encode()
        for name in names:
            "".join(getattr(ask, name)).encode()
    except UnicodeEncodeError as error:
        raise UsageError("the filter holds half a character") from error


def fold(text: str) -> str:
    """Small letters, as DuckDB's ``lower`` has them: letter by letter, whatever stands beside."""
    return text.lower() if text.isascii() else _fold(text)


def _fold(text: str) -> str:
    return text.replace("\u0130", "i").lower().replace("\u03c2", "\u03c3")


def _texts(event: Event) -> list[str]:
    found = [event.message, event.rule, event.resource, event.id, event.node, event.container_id]
    found += [event.source, event.type, event.cluster, event.namespace, event.priority]
    waiting: list[Any] = [event.fields]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            found.extend(value)
            waiting.extend(value.values())
        elif isinstance(value, list):
            waiting.extend(value)
        elif isinstance(value, str):
            found.append(value)
        else:
            found.append(msgspec.json.encode(value).decode())
    return found


_decode = msgspec.json.Decoder(tuple[str, str, str, str, msgspec.Raw]).decode


def event_of(ts_ns: int, kind: Kind, resource: str, payload: bytes) -> Event:
    """Put an event together again."""
    id, node, container_id, message, fields = _decode(payload)
    source, type_, cluster, namespace, rule, priority = kind
    return Event(
        id=id,
        ts_ns=ts_ns,
        source=source,
        type=type_,
        cluster=cluster,
        node=node,
        container_id=container_id,
        resource=resource,
        namespace=namespace,
        rule=rule,
        priority=priority,
        message=message,
        fields=fields_of(fields),
    )


def to_ns(when: dt.datetime) -> int:
    """Nanoseconds since 1970, exactly."""
    if when.tzinfo is None:
        raise UsageError("a time without a zone", do="give times in UTC, e.g. 2026-01-31T12:00:00Z")
    return (when - _EPOCH) // dt.timedelta(microseconds=1) * 1000


def from_ns(ns: int) -> dt.datetime:
    """The time, in whole microseconds (earlier ones)."""
    return _EPOCH + dt.timedelta(microseconds=ns // 1000)


def cursor_of(at: Position) -> str:
    """An opaque word for where to go on."""
    return base64.urlsafe_b64encode(f"e1.{at.ts_ns}.{at.seq}".encode()).decode().rstrip("=")


def position_of(cursor: str) -> Position:
    """Back again. UsageError when it is none of ours."""
    try:
        text = base64.urlsafe_b64decode(cursor.encode() + b"=" * (-len(cursor) % 4)).decode()
        mark, ts_ns, seq = text.split(".")
        if mark == "e1" and len(text) < 64 and text.isascii():
            place = Position(int(ts_ns), int(seq))
            if 0 <= place.ts_ns < 2**63 and 0 <= place.seq < 2**63:
                return place
    except (ValueError, binascii.Error):
        pass
    raise UsageError("`cursor` is none of this list", do="start again without a cursor")
