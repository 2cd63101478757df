"""The event store's door: append, read, count, seal, retain."""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from haechi.errors import InputError, NotFound, StoreError
from haechi.model.access import EVERYWHERE, Reach, covered
from haechi.model.event import Event
from haechi.store.events import panels
from haechi.store.events.cold import Cold, Gone
from haechi.store.events.encoding import (
    EncodedBatch,
    Known,
    Row,
    encode,
    encode_events,
    own_row,
)
from haechi.store.events.figures import stored
from haechi.store.events.hot import Hot
from haechi.store.events.hunting import FilePart, HourDone, RowsPart, parts
from haechi.store.events.manifest import reconcile
from haechi.store.events.payloads import Dictionaries
from haechi.store.events.question import HOUR_NS, to_ns
from haechi.store.events.reading import Reading
from haechi.store.events.retention import Retention
from haechi.store.events.schema import Readers
from haechi.store.events.sealing import Sealing
from haechi.store.events.shapes import (
    Appended,
    EventFilter,
    EventsFound,
    Options,
    SearchedRange,
)
from haechi.store.events.waiting import Waiting
from haechi.store.events.writer import Writer
from haechi.store.records import Series, StoredEvent

EVERYTHING = EventFilter()


def utc_now() -> dt.datetime:
    """The clock unless another is given."""
    return dt.datetime.now(dt.UTC)


class Events:
    """Opens ``hot.db`` and ``cold/`` in the store's folder. All methods are thread-safe.

    ``committed`` is called from the writer's thread after each batch became durable; it must be
    quick. One process at a time may open a folder (the store's lock sees to it).
    """

    def __init__(
        self,
        folder: Path,
        *,
        clock: Callable[[], dt.datetime] = utc_now,
        options: Options | None = None,
        committed: Callable[[EncodedBatch, Appended], None] = lambda batch, appended: None,
    ) -> None:
        self._clock, self.options = clock, options or Options()
        self._path = folder / "hot.db"
        self._known = Known(self.options.limits)
        self._own_known = Known(self.options.limits)
        self._dictionaries = Dictionaries()
        self._cold = Cold(folder / "cold", self.options)
        self._writer = Writer(
            self._path,
            self._dictionaries,
            self.options,
            self._now_ns,
            committed=self._count(committed),
            idle=self._cold.rest,
        )
        self._readers = Readers(self._path)
        self.arrived = threading.Event()
        """Set when detections wait; whoever takes them clears it first."""
        self.waiting = Waiting(
            self._readers,
            self._dictionaries,
            self._writer.run,
            lambda: self._writer.inserter.waiting,
            lambda: self._writer.inserter.next_seq - 1,
        )
        self._hot = Hot(self._dictionaries)
        self._reading = Reading(self._readers, self._hot, self._cold)
        self._sealing = Sealing(
            self._writer,
            self._readers,
            self._dictionaries,
            self._cold,
            self.options,
            self._now_ns,
        )
        self._retention = Retention(
            self._writer,
            self._readers,
            self._cold,
            self._sealing,
            self.options,
            self._hot.forget,
        )
        self._since_start = {"accepted": 0, "duplicates": 0, "refused": 0}
        try:
            self._strays = self._writer.run(lambda connection: reconcile(connection, self._cold))
        except BaseException:
            self.close()
            raise

    def _now_ns(self) -> int:
        return to_ns(self._clock())

    def _count(
        self, committed: Callable[[EncodedBatch, Appended], None]
    ) -> Callable[[EncodedBatch, Appended], None]:
        def counted(batch: EncodedBatch, appended: Appended) -> None:
            self._since_start["accepted"] += appended.accepted
            self._since_start["duplicates"] += appended.duplicates
            if self._writer.inserter.waiting.count:
                self.arrived.set()
            committed(batch, appended)

        return counted

    def encode(self, data: bytes, *, within: Sequence[Reach] = (EVERYWHERE,)) -> EncodedBatch:
        """The checked rows of a body (NDJSON, or one JSON array), by the store's limits and
        clock. ``within``: where the sender may send events for. InputError, LimitExceeded."""
        batch = encode(
            data, self.options.limits, now_ns=self._now_ns(), within=within, known=self._known
        )
        self._since_start["refused"] += len(batch.refused)
        return batch

    def encode_events(
        self, events: Sequence[Event], *, within: Sequence[Reach] = (EVERYWHERE,)
    ) -> EncodedBatch:
        """As ``encode``, of events that are values already."""
        batch = encode_events(events, self.options.limits, now_ns=self._now_ns(), within=within)
        self._since_start["refused"] += len(batch.refused)
        return batch

    def own_row(self, event: Event) -> Row | None:
        """The row of an event that haechi makes of others; None where it cannot be kept."""
        return own_row(event, self.options.limits, now_ns=self._now_ns(), known=self._own_known)

    def append(self, batch: Sequence[Event] | EncodedBatch) -> Future[Appended]:
        """Queue events; the future resolves once they are durable.

        StoreBusy when too much waits; the future fails with StoreFull when the disk does not
        take them: then nothing of the batch was kept. Refused events of an EncodedBatch are not
        part of it any more; in a sequence of events a bad one raises InputError.
        """
        if not isinstance(batch, EncodedBatch):
            batch = self._encoded(batch)
        return self._writer.submit(batch)

    def _encoded(self, events: Sequence[Event]) -> EncodedBatch:
        batch = encode_events(events, self.options.limits, now_ns=self._now_ns())
        if batch.refused:
            first = batch.refused[0]
            raise InputError(f"event {first.index} is refused", why=first.why)
        return batch

    def page(
        self,
        ask: EventFilter,
        *,
        within: Sequence[Reach],
        limit: int = 100,
        cursor: str | None = None,
        deadline_s: float = 2.0,
    ) -> EventsFound:
        """The newest events that match, over hot and sealed ones; ends at the deadline and says
        what was really searched."""
        return self._reading.page(
            ask, within, limit=limit, cursor=cursor, deadline_s=deadline_s, now=self._clock()
        )

    def search(
        self, ask: EventFilter, *, within: Sequence[Reach], limit: int = 1000
    ) -> Iterator[StoredEvent | SearchedRange]:
        """All that match, newest first, and after each window which range is done."""
        return self._reading.search(ask, within, limit=limit)

    def hunt(
        self, ask: EventFilter, *, within: Sequence[Reach]
    ) -> Iterator[FilePart | RowsPart | HourDone]:
        """Everything that may match, newest hour first, for others to read and judge."""
        return parts(self._reading, ask, within)

    def event(self, key: int | str, *, within: Sequence[Reach]) -> StoredEvent:
        """The event of a number, or of an id (the newest of that id). NotFound."""
        number = int(key) if str(key).isdecimal() and len(str(key)) < 19 else None
        found = self._reading.by_seq(number) if number is not None else []
        if not found and isinstance(key, str) and self._may_be_id(key):
            found = self._reading.by_id(key)
        for one in found:
            if covered(within, one.event.cluster, one.event.namespace):
                return one
        raise NotFound(f"there is no event {str(key)[:80]!r}")

    def _may_be_id(self, key: str) -> bool:
        return 0 < len(key) <= self.options.limits.name_chars and key.isprintable()

    def series(
        self,
        *,
        since_s: int,
        until_s: int,
        step_s: int,
        by: str,
        within: Sequence[Reach],
        ask: EventFilter = EVERYTHING,
        lines: int = 50,
    ) -> Series:
        """Counts over time by rule, priority, source, namespace, type or cluster."""
        with self._readers.snapshot() as connection:
            return panels.series(
                connection,
                since_s=since_s,
                until_s=until_s,
                step_s=step_s,
                by=by,
                ask=ask,
                within=within,
                minutes_from_s=self._minutes_from_s(),
                lines=lines,
            )

    def counts(self, since_s: int, until_s: int, *, within: Sequence[Reach]) -> int:
        """How many events happened from ``since_s`` to ``until_s``, in whole minutes."""
        with self._readers.snapshot() as connection:
            return panels.counts(
                connection,
                since_s,
                until_s,
                within=within,
                minutes_from_s=self._minutes_from_s(),
            )

    def _minutes_from_s(self) -> int:
        return self._now_ns() // 10**9 - self.options.minute_hours * 3600

    def seal(self, before_ns: int) -> int:
        """Seal all hot events older than this; how many."""
        return self._sealing.seal(before_ns)

    def retain(self, now: dt.datetime, *, days: int, max_bytes: int) -> int:
        """Remove what is older than ``days`` and the oldest hours past ``max_bytes``; how many
        events. Tidies counts and remembered ids, too."""
        return self._retention.retain(now, days=days, max_bytes=max_bytes)

    def tend(self, now: dt.datetime, *, days: int, max_bytes: int) -> dict[str, int]:
        """What a job calls every minute or so: seal what is past the hot window (by age, or
        earlier when there are too many hot rows), then retain."""
        self._sealing.clear()
        hour = to_ns(now) // HOUR_NS
        sealed = self.seal((hour - self.options.hot_hours) * HOUR_NS)
        if self._writer.inserter.hot_rows > self.options.hot_rows:
            sealed += self._seal_early(hour)
        removed = self.retain(now, days=days, max_bytes=max_bytes)
        self._cold.rest()
        return {"sealed": sealed, "removed": removed}

    def _seal_early(self, hour: int) -> int:
        """Seal oldest hours until a fifth of the room is free."""
        sealed = 0
        while self._writer.inserter.hot_rows > self.options.hot_rows * 4 // 5:
            oldest = self._reading.oldest_hot_ns()
            if oldest is None:
                break
            sealed += self.seal((oldest // HOUR_NS + 1) * HOUR_NS)
        return sealed

    @property
    def accepted(self) -> int:
        """Events that became durable since the start."""
        return self._since_start["accepted"]

    def figures(self) -> dict[str, Any]:
        """State (ok, degraded, failed) with the reason, and the figures of both tiers."""
        events, size = self._writer.waiting()
        found: dict[str, Any] = {"queued_events": events, "queued_bytes": size}
        found |= self._since_start | {"refused_busy": self._writer.refused_busy}
        found |= {"correlator": self.waiting.figures()}
        found |= {"last_seal": self._sealing.last, "removed": self._retention.removed}
        found |= {"stray_files": list(self._strays), "dedup_hours": self.options.remember_hours}
        try:
            with self._readers.snapshot() as connection:
                found |= stored(connection, self._writer.inserter, self._cold, self._path)
        except StoreError as error:
            return found | {"state": "failed", "why": error.explain()}
        state, why = self._writer.state, self._writer.why
        if state == "ok" and self._sealing.failure:
            state, why = "degraded", self._sealing.failure
        if state == "ok" and self._cold.lost:
            state, why = "degraded", f"{len(self._cold.lost)} files of sealed events are missing"
        return found | {"state": state, "why": why}

    def check(self) -> list[str]:
        """Look through everything: what is damaged or missing, one line each."""
        with self._readers.snapshot() as connection:
            found = [
                f"hot.db: {row[0]}"
                for row in connection.execute("PRAGMA quick_check")
                if row[0] != "ok"
            ]
            sql = "SELECT name, rows FROM file WHERE state != 'going'"
            files = connection.execute(sql).fetchall()
        for name, rows in files:
            try:
                there = self._cold.count(self._cold.folder / name)
            except (StoreError, Gone) as error:
                found.append(f"cold/{name}: {error}")
            else:
                if there != rows:
                    found.append(f"cold/{name}: {there} events, not {rows}")
        return found + [f"cold/{name}: belongs to nobody" for name in self._strays]

    def close(self) -> None:
        """Write what waits, then close everything. Idempotent."""
        self._writer.close()
        self._readers.close()
        self._cold.close()
