"""The event store's door: append, read, count, seal, retain."""

from __future__ import annotations

import datetime as dt
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

from haechi.errors import NotFound
from haechi.model.access import Reach, covered
from haechi.model.event import Event
from haechi.store.events.cold import Cold
from haechi.store.events.encoding import EncodedBatch, encode_events
from haechi.store.events.hot import Hot
from haechi.store.events.payloads import Dictionaries
from haechi.store.events.reading import Reading
from haechi.store.events.schema import Readers
from haechi.store.events.shapes import (
    Appended,
    EventFilter,
    EventsFound,
    Options,
    SearchedRange,
)
from haechi.store.events.writer import Writer
from haechi.store.records import StoredEvent

log = logging.getLogger(__name__)


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
        path = folder / "hot.db"
        dictionaries = Dictionaries()
        self._cold = Cold(folder / "cold", self.options)
        self._writer = Writer(
            path,
            dictionaries,
            self.options,
            self._now_ns,
            committed=committed,
            idle=self._cold.rest,
        )
        self._readers = Readers(path)
        self._hot = Hot(dictionaries)
        self._reading = Reading(self._readers, self._hot, self._cold)

    def _now_ns(self) -> int:
        return int(self._clock().timestamp() * 1e9)

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
        from haechi.errors import InputError

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

    def close(self) -> None:
        """Write what waits, then close everything. Idempotent."""
        self._writer.close()
        self._readers.close()
        self._cold.close()
