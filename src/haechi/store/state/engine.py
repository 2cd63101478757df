"""The database behind the state: one thread writes for all, readers see snapshots.

Works that wait at the same time share a commit, because a commit's price is the disk's flush.
Each stands in its own savepoint: one that fails takes nobody along. A work may be run twice
(once in a group that could not be committed, then alone), so it must not change anything but
the database. The answer is given after the commit: whoever has it has it for good.
"""

from __future__ import annotations

import datetime as dt
import logging
import queue
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Generic, TypeVar

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from haechi.errors import StoreError
from haechi.store.records import AuditEntry, Notice
from haechi.store.state.outbox import AuditSink, Outbox
from haechi.store.state.sqlite import reader_engine, translate, writer_engine

T = TypeVar("T")
Clock = Callable[[], dt.datetime]
Listener = Callable[[Notice], None]

_log = logging.getLogger(__name__)
_GROUP_WORKS = 500
_GROUP_SECONDS = 0.02
_WAITING = 10_000
_IDLE_SECONDS = 1.0
NOTED = 0.25
"""Seconds that a note is waited for; most are durable long before."""


class Transaction:
    """What a work is given. ``audit`` and ``tell`` take effect only with the commit."""

    def __init__(self, connection: Connection, now: dt.datetime, outbox: Outbox) -> None:
        self.connection = connection
        self.now = now
        self._outbox = outbox
        self.notices: list[Notice] = []
        self.audited = 0

    def audit(self, entry: AuditEntry) -> None:
        """Record for the signed log, in this transaction."""
        self._outbox.put(self.connection, entry)
        self.audited += 1

    def tell(self, notice: Notice) -> None:
        """Tell listeners after the commit."""
        self.notices.append(notice)


class _Job(Generic[T]):
    def __init__(self, work: Callable[[Transaction], T]) -> None:
        self.work = work
        self.future: Future[T] = Future()


class _Done:
    """Works of a group that went well, to be answered after the commit."""

    def __init__(self) -> None:
        self.answers: list[tuple[Future[Any], Any]] = []
        self.notices: list[Notice] = []
        self.audited = 0

    def add(self, job: _Job[Any], answer: Any, transaction: Transaction) -> None:
        self.answers.append((job.future, answer))
        self.notices += transaction.notices
        self.audited += transaction.audited


class _Broken(Exception):
    """The transaction is gone: the disk is full or fails."""


def _told_late(future: Future[Any]) -> None:
    if error := future.exception():
        _log.warning("a note was not kept: %s", error)


class Database:
    """Reads and writes of one file. ``generation`` goes up with every commit."""

    def __init__(self, file: Path, *, clock: Clock) -> None:
        self.file = file
        self.clock = clock
        self.generation = 0
        self.outbox = Outbox()
        self._listeners: tuple[Listener, ...] = ()
        self._jobs: queue.Queue[_Job[Any] | None] = queue.Queue(_WAITING)
        self._writer: Engine = writer_engine(file)
        self._reader: Engine = reader_engine(file)
        self._closing = threading.Lock()
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="haechi-state", daemon=True)
        self._thread.start()

    @property
    def closed(self) -> bool:
        """True after ``close``."""
        return self._closed

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A connection that sees one moment; it cannot write."""
        try:
            with self._reader.begin() as connection:
                yield connection
        except DBAPIError as error:
            meant = translate(error, self.file)
            if meant is None:
                raise
            raise meant from error

    def write(self, work: Callable[[Transaction], T]) -> T:
        """Run the work in the writer's thread; its answer comes when it is durable."""
        return self._asked(work).result()

    def note(self, work: Callable[[Transaction], object], *, seconds: float = NOTED) -> None:
        """As ``write``, but wait only so long: for what a request leaves on its way (a token's
        use, a source that was heard). A large push holds the writer for seconds, and readers
        must not wait behind it. Raises what ``write`` raises while it waits; logs it after."""
        future = self._asked(work)
        try:
            future.result(timeout=seconds)
        except TimeoutError:
            future.add_done_callback(_told_late)

    def _asked(self, work: Callable[[Transaction], T]) -> Future[T]:
        if threading.current_thread() is self._thread:
            raise RuntimeError("a work must not wait for another work: it would wait for ever")
        job = _Job(work)
        with self._closing:
            if self._closed:
                raise StoreError("the store is closed", do="open it again")
            self._jobs.put(job)
        return job.future

    def subscribe(self, listener: Listener) -> Callable[[], None]:
        """Listeners are called from the writer's thread and must be quick."""
        self._listeners = (*self._listeners, listener)

        def stop() -> None:
            self._listeners = tuple(one for one in self._listeners if one is not listener)

        return stop

    def attach(self, sink: AuditSink) -> None:
        """Deliver to this log from now on; first what a crash left behind."""

        def recover(transaction: Transaction) -> None:
            self.outbox.attach(transaction.connection, sink)

        self.write(recover)
        self.deliver()

    def deliver(self) -> None:
        """Have what waits for the log appended now."""
        self.write(lambda _: None)

    def close(self) -> None:
        """Finish what was asked for and close; idempotent."""
        with self._closing:
            if self._closed:
                return
            self._closed = True
            self._jobs.put(None)
        self._thread.join()
        self._reader.dispose()
        self._writer.dispose()

    def _run(self) -> None:
        """The writer's life: groups of works until ``None`` comes."""
        open_ = True
        while open_:
            try:
                first = self._jobs.get(timeout=_IDLE_SECONDS)
            except queue.Empty:
                if self.outbox.waiting:
                    self._deliver()
                continue
            if first is None:
                break
            open_ = self._group(first)
        self._deliver()

    def _group(self, first: _Job[Any]) -> bool:
        """One commit for all that wait. False when the end was asked for."""
        jobs: list[_Job[Any]] = []
        open_ = True

        def waiting() -> Iterator[_Job[Any]]:
            nonlocal open_
            end = time.monotonic() + _GROUP_SECONDS
            following: _Job[Any] | None = first
            while following is not None:
                jobs.append(following)
                yield following
                if len(jobs) >= _GROUP_WORKS or time.monotonic() > end:
                    return
                try:
                    following = self._jobs.get_nowait()
                except queue.Empty:
                    return
            open_ = False

        try:
            self._commit(waiting())
        except Exception as error:  # noqa: BLE001  the writer's boundary: each asker is answered
            _log.warning("%d works could not be kept together: %s", len(jobs), error)
            for job in jobs:
                self._alone(job)
        return open_

    def _alone(self, job: _Job[Any]) -> None:
        """After a group could not be kept, each work is judged by itself."""
        if job.future.done():
            return
        try:
            self._commit(iter((job,)))
        except Exception as error:  # noqa: BLE001  the writer's boundary: the asker gets it
            cause = error.__cause__ or error if isinstance(error, _Broken) else error
            if not job.future.done():
                job.future.set_exception(translate(cause, self.file) or cause)

    def _commit(self, jobs: Iterator[_Job[Any]]) -> None:
        done = _Done()
        connection = self._writer.connect()
        try:
            transaction = connection.begin()
            try:
                for job in jobs:
                    self._work(connection, job, done)
                transaction.commit()
            except BaseException as error:
                self._forget(connection, error)
                raise
        finally:
            connection.close()
        self.generation += 1
        if done.audited or self.outbox.waiting:
            self._deliver()
        self._answer(done)

    def _forget(self, connection: Connection, error: BaseException) -> None:
        """Leave a failed transaction behind; after a fault of the disk, the connection, too."""
        cause = error.__cause__ if isinstance(error, _Broken) else error
        try:
            if cause is not None and translate(cause, self.file) is not None:
                connection.invalidate()
            else:
                connection.rollback()
        except DBAPIError as again:
            _log.warning("rolling back: %s", again)
            connection.invalidate()

    def _work(self, connection: Connection, job: _Job[Any], done: _Done) -> None:
        transaction = Transaction(connection, self.clock(), self.outbox)
        savepoint = connection.begin_nested()
        try:
            answer = job.work(transaction)
            savepoint.commit()
        except Exception as error:
            if translate(error, self.file) is not None:
                # SQLite may have rolled back everything by itself: there is no savepoint left.
                raise _Broken from error
            savepoint.rollback()
            job.future.set_exception(error)
        else:
            done.add(job, answer, transaction)

    def _answer(self, done: _Done) -> None:
        """Listeners first: whoever has an answer knows that its notice went out."""
        for notice in done.notices:
            for listener in self._listeners:
                try:
                    listener(notice)
                except Exception as error:  # noqa: BLE001  a listener's fault is its own
                    _log.warning("a listener failed on %s: %r", notice.topic, error)
        for future, answer in done.answers:
            future.set_result(answer)

    def _deliver(self) -> None:
        """Append to the log what waits. A log that fails is tried again: nothing is lost."""
        try:
            with self._writer.begin() as connection:
                self.outbox.deliver(connection)
            self.outbox.settled()
        except Exception as error:  # noqa: BLE001  a task's boundary: the works are kept already
            self.outbox.waiting = True
            _log.warning("the audit log did not take its records; trying again: %s", error)
