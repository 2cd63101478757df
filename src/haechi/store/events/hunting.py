"""Reading all events of a question for another process: sealed files by name, hot rows by value.

Newest hour first. Within an hour the hot rows are read in slices, each in its own short
transaction that also says which files there are: when an hour is sealed meanwhile, its file is
given out for what lies before the place that was reached, so no event is missed or told twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import msgspec

from haechi.model.access import Reach
from haechi.model.event import Event
from haechi.store.events.encoding import Kind
from haechi.store.events.question import Position, Question, event_of
from haechi.store.events.shapes import EventFilter, Options

if TYPE_CHECKING:
    from haechi.store.events.cold import Cold
    from haechi.store.events.reading import Reading

SLICE = 2_000
Raw = tuple[int, int, Kind, str, bytes]
"""(seq, ts_ns, kind, resource, payload), as both tiers keep it."""


class FilePart(msgspec.Struct, frozen=True, tag="file"):
    """A sealed file, from a time on and before a place."""

    name: str
    low_ns: int
    before_ns: int
    before_seq: int


class RowsPart(msgspec.Struct, frozen=True, tag="rows"):
    """Hot rows."""

    rows: list[Raw]


class HourDone(NamedTuple):
    """Everything from here to there was given out."""

    from_ns: int
    to_ns: int


def parts(
    reading: Reading, ask: EventFilter, within: Sequence[Reach]
) -> Iterator[FilePart | RowsPart | HourDone]:
    """All that may hold an event of the question, newest first."""
    question = Question(ask, within)
    high = question.until_ns
    if question.nothing:
        return
    for low_ns, before in reading.windows(question, Position(high, 0)):
        yield from _window(reading, question, low_ns, before)
        yield HourDone(low_ns, before.ts_ns)


def _window(
    reading: Reading, question: Question, low_ns: int, before: Position
) -> Iterator[FilePart | RowsPart]:
    given: set[Path] = set()
    at = before
    while True:
        rows, files = reading.raw(question, low_ns, at, SLICE)
        for file in files:
            if file not in given:
                given.add(file)
                yield FilePart(reading.name_of(file), low_ns, at.ts_ns, at.seq)
        if not rows:
            return
        yield RowsPart(rows)
        at = Position(rows[-1][1], rows[-1][0])


class SealedReader:
    """Reads sealed files in a process of its own."""

    def __init__(self, folder: Path, *, memory_mb: int = 256) -> None:
        from haechi.store.events.cold import Cold

        self._cold: Cold = Cold(folder, Options(cold_memory_mb=memory_mb))

    def rows(self, part: FilePart, question: Question) -> Iterator[list[Raw]]:
        """The rows of a file, some at a time. Gone, StoreError."""
        before = Position(part.before_ns, part.before_seq)
        return self._cold.raw(part.name, question, part.low_ns, before, SLICE)

    def close(self) -> None:
        """Close the engine."""
        self._cold.close()


def event(raw: Raw) -> Event:
    """The event of a raw row."""
    _, ts_ns, kind, resource, payload = raw
    return event_of(ts_ns, kind, resource, payload)
