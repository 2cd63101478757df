"""The one thread that writes ``hot.db``: what waits is committed together, and told durable only
after the commit's fsync.

Batches come through a queue bounded by events and bytes; whoever comes when it is full is told
so at once (StoreBusy) and nothing of theirs is kept. Other changes of the file (seals, deletions
in slices, roll-ups) go through the same queue as works, each a transaction of its own, so they
take turns with the batches.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any, TypeVar

from haechi.errors import HaechiError, StoreError, StoreFull
from haechi.store.events.encoding import EncodedBatch
from haechi.store.events.inserting import Inserter
from haechi.store.events.payloads import Dictionaries
from haechi.store.events.schema import connect, prepare, translate
from haechi.store.events.shapes import Appended, Options, StoreBusy

T = TypeVar("T")
log = logging.getLogger(__name__)
_CACHE_KIB = 16 * 1024
_Batch = tuple[EncodedBatch, "Future[Appended]"]
_Work = tuple[Callable[[sqlite3.Connection], Any], "Future[Any]"]


class Writer:
    """Owns the writing connection. ``state`` is ok, degraded (``why`` says what for) or failed."""

    def __init__(
        self,
        path: Path,
        dictionaries: Dictionaries,
        options: Options,
        now_ns: Callable[[], int],
        *,
        committed: Callable[[EncodedBatch, Appended], None],
        idle: Callable[[], None],
    ) -> None:
        self._path, self._dictionaries, self._options = path, dictionaries, options
        self._now_ns, self._committed, self._idle = now_ns, committed, idle
        self._waiting: deque[_Batch | _Work] = deque()
        self._changed = threading.Condition()
        self._events = self._bytes = 0
        self._closing = False
        self.state, self.why = "ok", ""
        self.refused_busy = 0
        self._connection: sqlite3.Connection | None = None
        self._hot_rows: int | None = None
        """As of the last commit: counted once, at open."""
        self.inserter = self._open()
        self._thread = threading.Thread(target=self._run, name="haechi-events", daemon=True)
        self._thread.start()

    def submit(self, batch: EncodedBatch) -> Future[Appended]:
        """Queue a batch. StoreBusy when too much waits already."""
        future: Future[Appended] = Future()
        with self._changed:
            self._open_for_more()
            events, size = self._events + batch.events, self._bytes + batch.size
            over = events > self._options.queue_events or size > self._options.queue_bytes
            if over and self._events:
                self.refused_busy += batch.events
                raise StoreBusy(
                    "too many events wait to be written",
                    why=f"{self._events} events, {self._bytes >> 20} MiB",
                    do="send this batch again in a second",
                )
            self._events, self._bytes = events, size
            self._waiting.append((batch, future))
            self._changed.notify()
        return future

    def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Do ``work`` in a transaction of the writer's thread; returns after its commit."""
        future: Future[T] = Future()
        with self._changed:
            self._open_for_more()
            self._waiting.append((work, future))
            self._changed.notify()
        return future.result()

    def waiting(self) -> tuple[int, int]:
        """(events, bytes) in the queue."""
        return self._events, self._bytes

    def close(self) -> None:
        """Write what waits, then stop. Idempotent."""
        with self._changed:
            self._closing = True
            self._changed.notify()
        self._thread.join()
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _open_for_more(self) -> None:
        if self._closing or not self._thread.is_alive():
            raise StoreError("the event store is closed")

    def _open(self) -> Inserter:
        try:
            self._connection = connect(self._path, cache_kib=_CACHE_KIB)
            prepare(self._connection)
            return Inserter(self._connection, self._dictionaries, self._options, self._hot_rows)
        except sqlite3.Error as error:
            self._drop()
            raise translate(error, self._path) from error
        except OSError as error:
            raise StoreFull(
                "hot.db cannot be written",
                why=str(error),
                do="make room, or make the folder writable",
                where=str(self._path),
            ) from error
        except StoreError:
            self._drop()
            raise

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _run(self) -> None:
        while True:
            with self._changed:
                quiet = not self._waiting and not self._changed.wait_for(
                    lambda: bool(self._waiting) or self._closing, timeout=15.0
                )
                if not self._waiting and self._closing:
                    return
            if quiet:
                self._idle()
                continue
            if self._options.linger_s:
                time.sleep(self._options.linger_s)
            self._turn()

    def _turn(self) -> None:
        """One transaction: a group of batches, or one work."""
        batches, work = self._take()
        if work is not None:
            self._finish(work[1], lambda: self._transaction(work[0]))
            return
        outcome = self._group(batches)
        with self._changed:
            self._events -= sum(batch.events for batch, _ in batches)
            self._bytes -= sum(batch.size for batch, _ in batches)
        for (batch, future), found in zip(batches, outcome, strict=True):
            if isinstance(found, Appended):
                future.set_result(found)
                self._tell(batch, found)
            else:
                future.set_exception(found)

    def _take(self) -> tuple[list[_Batch], _Work | None]:
        batches: list[_Batch] = []
        events = 0
        with self._changed:
            while self._waiting:
                first, future = self._waiting[0]
                if not isinstance(first, EncodedBatch):
                    if not batches:
                        self._waiting.popleft()
                        return [], (first, future)
                    break
                if batches and events + first.events > self._options.group_events:
                    break
                self._waiting.popleft()
                batches.append((first, future))
                events += first.events
        return batches, None

    def _group(self, batches: list[_Batch]) -> list[Appended | HaechiError]:
        """Write all in one transaction; each apart when that fails for another reason than the
        disk, so that one cannot cost the others."""
        try:
            return list(
                self._transaction(lambda _: [self.inserter.insert(one) for one, _f in batches])
            )
        except StoreFull as error:
            return [error] * len(batches)
        except HaechiError as error:
            if len(batches) == 1:
                return [error]
            return [found for one in batches for found in self._group([one])]

    def _transaction(self, work: Callable[[sqlite3.Connection], T]) -> T:
        try:
            if self._connection is None:
                self.inserter = self._open()
            connection = self._connection
            assert connection is not None  # noqa: S101 - just opened
            connection.execute("BEGIN IMMEDIATE")
            found = work(connection)
            self.inserter.count()
            if self.inserter.press.due:
                self.inserter.press.train(connection, self._now_ns())
            connection.execute("COMMIT")
        except BaseException as error:
            self._take_back()
            if isinstance(error, sqlite3.Error):
                failure = translate(error, self._path)
                self.state, self.why = "degraded", failure.explain()
                raise failure from error
            if isinstance(error, StoreFull):
                self.state, self.why = "degraded", error.explain()
            raise
        self._hot_rows = self.inserter.hot_rows
        if self.state != "ok":
            log.info("events are written again", extra={"path": str(self._path)})
            self.state, self.why = "ok", ""
        return found

    def _take_back(self) -> None:
        """After a failure nothing of the transaction may stay, in the file or in memory; what
        state the connection is in is not worth guessing."""
        self._drop()

    def _finish(self, future: Future[Any], work: Callable[[], Any]) -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # noqa: BLE001 - goes to whoever waits for the future
            future.set_exception(error)

    def _tell(self, batch: EncodedBatch, found: Appended) -> None:
        try:
            self._committed(batch, found)
        except Exception:  # a listener's fault must not stop the writer
            log.exception("a listener of the event store failed")
