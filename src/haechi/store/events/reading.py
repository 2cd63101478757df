"""Pages and searches over both tiers: windows of time, newest first, each read and merged.

A window is an hour, or part of a full one when text is searched. Hours in which the counts know
of no event of the asked kinds are not looked at. Each window is read in its own short
transaction, so a long search never holds up the folding-in of changes.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Iterator, Sequence
from heapq import merge
from pathlib import Path

from haechi.errors import StoreError
from haechi.model.access import Reach
from haechi.store.events.cold import Cold, Gone
from haechi.store.events.encoding import Kind, identity
from haechi.store.events.hot import Hot
from haechi.store.events.panels import hours
from haechi.store.events.question import (
    HOUR_NS,
    LATEST_NS,
    Found,
    Position,
    Question,
    Slice,
    cursor_of,
    from_ns,
    position_of,
)
from haechi.store.events.schema import Readers
from haechi.store.events.shapes import EventFilter, EventsFound, SearchedRange
from haechi.store.events.tallies import PLACE
from haechi.store.records import StoredEvent

_SEARCHED_ROWS = 50_000
"""How many rows a window of a text search has, about: what lies between two reports."""
_CHUNK = 1_000
_STRETCH = 72
_IDENTITIES = 500
_FILES = 64
_NEVER = float("inf")


class Reading:
    """Reads over both tiers."""

    def __init__(self, readers: Readers, hot: Hot, cold: Cold) -> None:
        self._readers, self._hot, self._cold = readers, hot, cold

    def page(
        self,
        ask: EventFilter,
        within: Sequence[Reach],
        *,
        limit: int,
        cursor: str | None,
        deadline_s: float,
        now: dt.datetime,
    ) -> EventsFound:
        """The newest ``limit`` events before the cursor, as far as the deadline lets it look."""
        question = Question(ask, within)
        limit = max(1, limit)
        deadline = time.monotonic() + deadline_s
        start = position_of(cursor) if cursor else Position(question.until_ns, 0)
        start = min(start, Position(question.until_ns, 0))
        found: list[Found] = []
        reached = start
        complete = True
        for low_ns, high in self._windows(question, start):
            part = self._take(question, low_ns, high, limit - len(found), deadline)
            found += part.found
            reached = part.reached
            late = time.monotonic() > deadline
            if len(found) >= limit or reached > Position(low_ns, 0) or late:
                complete = False
                break
        newest = max([now, *(from_ns(one.at.ts_ns) for one in found[:1])])
        return EventsFound(
            items=[StoredEvent(seq=one.at.seq, event=one.event) for one in found],
            next=None if complete else cursor_of(reached),
            searched_from=from_ns(question.since_ns if complete else reached.ts_ns),
            searched_to=newest if start.ts_ns >= LATEST_NS else from_ns(start.ts_ns),
            complete=complete,
        )

    def search(
        self, ask: EventFilter, within: Sequence[Reach], *, limit: int
    ) -> Iterator[StoredEvent | SearchedRange]:
        """Everything that matches, newest first, with a word after each window."""
        question = Question(ask, within)
        count = 0
        reached = Position(question.until_ns, 0)
        for low_ns, high in self._windows(question, reached):
            at = high
            while at > Position(low_ns, 0):
                part = self._take(question, low_ns, at, min(_CHUNK, limit - count), _NEVER)
                for one in part.found:
                    yield StoredEvent(seq=one.at.seq, event=one.event)
                count += len(part.found)
                at = part.reached
                if count >= limit:
                    yield _range(at.ts_ns, high.ts_ns, count, complete=False)
                    return
            yield _range(low_ns, high.ts_ns, count, complete=False)
            reached = at
        yield _range(question.since_ns, reached.ts_ns, count, complete=True)

    def by_seq(self, seq: int) -> list[StoredEvent]:
        """The event of a number, if there is one."""
        with self._readers.snapshot() as connection:
            event = self._hot.one(connection, seq)
            sql = "SELECT name FROM file WHERE seq_min <= ? AND seq_max >= ? AND state != 'going'"
            names = connection.execute(sql, (seq, seq)).fetchall()
        if event is not None:
            return [StoredEvent(seq=seq, event=event)]
        return self._sealed("seq", seq, [name for (name,) in names])

    def by_id(self, id: str) -> list[StoredEvent]:
        """Events of an id, newest first; hot ones if there are any."""
        with self._readers.snapshot() as connection:
            sql = "SELECT DISTINCT cluster, source, namespace FROM kind"
            places = connection.execute(sql).fetchall()
            known = list({identity(c, s, id, n) for c, s, of in places for n in ("", of)})
            numbers: list[int] = []
            for place in range(0, len(known), _IDENTITIES):
                numbers += self._hot.numbers(connection, known[place : place + _IDENTITIES])
            found = [(seq, self._hot.one(connection, seq)) for seq in sorted(numbers, reverse=True)]
            rows = connection.execute(
                "SELECT name FROM file WHERE state != 'going' ORDER BY hour DESC"
            ).fetchall()
        hot = [StoredEvent(seq=seq, event=event) for seq, event in found if event is not None]
        names = [name for (name,) in rows]
        for place in range(0, 0 if hot else len(names), _FILES):
            if cold := self._sealed("id", id, names[place : place + _FILES]):
                return cold
        return [one for one in hot if one.event.id == id]

    def _sealed(self, column: str, value: object, names: list[str]) -> list[StoredEvent]:
        files = [self._cold.folder / name for name in names if name not in self._cold.lost]
        if not files:
            return []
        try:
            found = self._cold.by(files, column, value)
        except (Gone, StoreError):
            if not self._cold.find_lost(files):
                raise
            return self._sealed(column, value, names)
        return [StoredEvent(seq=one.at.seq, event=one.event) for one in found]

    def oldest_hot_ns(self) -> int | None:
        """The time of the oldest hot event."""
        with self._readers.snapshot() as connection:
            found: int | None = connection.execute("SELECT min(ts_ns) FROM at").fetchone()[0]
            return found

    def windows(self, ask: Question, start: Position) -> Iterator[tuple[int, Position]]:
        """(from, before) of each window in which something may be, newest first."""
        return self._windows(ask, start)

    def raw(
        self, ask: Question, low_ns: int, before: Position, want: int
    ) -> tuple[list[tuple[int, int, Kind, str, bytes]], list[Path]]:
        """The newest hot rows of a window, undecoded, and the files beside them, both as of one
        moment."""
        with self._readers.snapshot() as connection:
            rows = self._hot.raw(connection, ask, low_ns, before, want)
            return rows, self._cold.files(connection, low_ns, before.ts_ns)

    def name_of(self, file: Path) -> str:
        """A sealed file's name within its folder."""
        return str(file.relative_to(self._cold.folder))

    def _windows(self, ask: Question, start: Position) -> Iterator[tuple[int, Position]]:
        """(from, before) of each window, newest first."""
        if ask.nothing:
            return
        for hour, rows in self._hours(ask, start):
            pieces = max(1, -(-rows // _SEARCHED_ROWS)) if ask.needle else 1
            step = HOUR_NS // pieces
            for piece in reversed(range(pieces)):
                begin = hour * HOUR_NS + piece * step
                end = (hour + 1) * HOUR_NS if piece == pieces - 1 else begin + step
                low, before = max(ask.since_ns, begin), min(start, Position(end, 0))
                if Position(low, 0) < before:
                    yield low, before

    def _hours(self, ask: Question, start: Position) -> Iterator[tuple[int, int]]:
        """(hour, at most how many match) where something may be, newest first; looked up in
        growing stretches, since most who ask want the newest."""
        first, last = ask.since_ns // HOUR_NS, start.ts_ns // HOUR_NS
        with self._readers.snapshot() as connection:
            sql = """SELECT min((SELECT coalesce(min(hour), ?) FROM hour_by WHERE dim = ?),
                (SELECT coalesce(min(hour), ?) FROM file)),
              max((SELECT coalesce(max(hour), 0) FROM hour_by WHERE dim = ?),
                (SELECT coalesce(max(hour), 0) FROM file))"""
            bounds = connection.execute(sql, (last, PLACE, last, PLACE)).fetchone()
        first, last = max(first, bounds[0]), min(last, bounds[1])
        stretch = _STRETCH
        while first <= last:
            low = max(first, last - stretch + 1)
            with self._readers.snapshot() as connection:
                found = hours(connection, low, last, ask.ask, ask.within)
                sql = """SELECT hour, sum(rows) FROM file WHERE hour BETWEEN ? AND ?
                  AND hour < (SELECT coalesce(min(hour), ?) FROM hour_by WHERE dim = ?)
                  GROUP BY hour"""
                found |= connection.execute(sql, (low, last, last + 1, PLACE)).fetchall()
            yield from sorted(found.items(), reverse=True)
            last, stretch = low - 1, stretch * 4

    def _take(
        self, ask: Question, low_ns: int, before: Position, want: int, deadline: float
    ) -> Slice:
        """Both tiers of a window, merged. Where one tier did not get to the end, only what lies
        after its place counts."""
        for attempt in range(4):
            with self._readers.snapshot() as connection:
                hot = self._hot.take(connection, ask, low_ns, before, want, deadline)
                files = self._cold.files(connection, low_ns, before.ts_ns)
            if not files:
                return hot
            try:
                cold = self._cold.take(files, ask, low_ns, before, want, deadline)
                break
            except Gone:
                if attempt:  # not retention, which would have taken it off the list
                    self._cold.find_lost(files)
            except StoreError:
                if not self._cold.find_lost(files):
                    raise
        else:
            cold = Slice([], Position(low_ns, 0))
        reached = max(hot.reached, cold.reached)
        both = merge(hot.found, cold.found, key=lambda one: one.at, reverse=True)
        found = [one for one in both if one.at >= reached][:want]
        if len(found) == want:
            reached = found[-1].at
        return Slice(found, reached)


def _range(low_ns: int, high_ns: int, found: int, *, complete: bool) -> SearchedRange:
    return SearchedRange(
        searched_from=from_ns(low_ns), searched_to=from_ns(high_ns), found=found, complete=complete
    )
