"""All that is SQLite's own: connections and pragmas, what its errors mean, copies of the file.

Another engine brings a module like this one; tables and queries stay.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import QueuePool, StaticPool

from haechi.errors import StoreError, StoreFull

_BUSY_MS = 10_000
_WRITER_KIB, _READER_KIB = 16_384, 4_096
_READERS = 8
_MORE_READERS = 56
"""Beyond the pool for a moment: more than the server has threads, so nobody waits for one."""
_FULL = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY})
_DAMAGED = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})
_BUSY = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED})


def writer_engine(file: Path) -> Engine:
    """One connection that writes; a transaction begins by taking the write lock."""
    return _engine(file, begin="BEGIN IMMEDIATE", reading=False)


def reader_engine(file: Path) -> Engine:
    """A small pool of connections that cannot write; a transaction is one snapshot."""
    return _engine(file, begin="BEGIN", reading=True)


def _engine(file: Path, *, begin: str, reading: bool) -> Engine:
    def connect() -> sqlite3.Connection:
        return _connect(file, reading=reading)

    pool: dict[str, Any] = {"poolclass": StaticPool}
    if reading:
        pool = {"poolclass": QueuePool, "pool_size": _READERS, "max_overflow": _MORE_READERS}
    # Parameters are findings, digests of tokens, people's names: not for logs and messages.
    engine = create_engine("sqlite://", creator=connect, hide_parameters=True, **pool)

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # The driver would begin only before the first change: no snapshot for readers, and
        # CREATE TABLE outside of the transaction.
        connection.exec_driver_sql(begin)

    return engine


def _connect(file: Path, *, reading: bool) -> sqlite3.Connection:
    connection = sqlite3.connect(
        file,
        timeout=_BUSY_MS / 1000,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=256,
    )
    try:
        if not reading:
            connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")
        # Names and addresses pass through the outbox; builds differ in what they leave behind.
        connection.execute("PRAGMA secure_delete=ON")
        if reading:
            # The writer's temporary data are the pages that a savepoint may have to give back:
            # those of a large push do not belong into memory.
            connection.execute("PRAGMA temp_store=MEMORY")
        connection.execute(f"PRAGMA cache_size=-{_READER_KIB if reading else _WRITER_KIB}")
        connection.execute("PRAGMA journal_size_limit=67108864")
        if reading:
            connection.execute("PRAGMA query_only=ON")
    except BaseException:
        connection.close()
        raise
    return connection


def translate(error: BaseException, file: Path) -> StoreError | None:
    """What a driver's error means for people; None when it is not about the file's state."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    if isinstance(cause, sqlite3.Error):
        return _by_code(cause, file)
    return None


def _by_code(cause: sqlite3.Error, file: Path) -> StoreError | None:
    code = getattr(cause, "sqlite_errorcode", 0) & 0xFF
    if code in _FULL or code == sqlite3.SQLITE_CANTOPEN:
        return StoreFull(
            "the store cannot be written",
            why=f"{file}: {cause}",
            do="make room on the disk or make it writable; what was stored can still be read",
        )
    if code in _DAMAGED:
        return StoreError(
            "the store's database is damaged",
            why=f"{file}: {cause}",
            do="run `haechi store check`, then `haechi store restore` from the last backup",
        )
    if code in _BUSY:
        return StoreError(
            "the store is held by another program",
            why=f"{file}: {cause}",
            do="close what has the database open",
        )
    return None


@contextmanager
def explained(file: Path) -> Iterator[None]:
    """Errors of the driver come out as StoreErrors."""
    try:
        yield
    except (DBAPIError, sqlite3.Error) as error:
        meant = translate(error, file)
        if meant is None:
            raise
        raise meant from error


def copy_by_vacuum(file: Path, to: Path) -> None:
    """A consistent, compact copy of a database at rest."""
    connection = sqlite3.connect(file, isolation_level=None)
    try:
        connection.execute("VACUUM INTO ?", (str(to),))
    finally:
        connection.close()


def copy_online(file: Path, to: Path, *, pages: int = 2_000) -> None:
    """A consistent copy while others write (SQLite's backup API, some pages at a time)."""
    source = sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)
    try:
        target = sqlite3.connect(to)
        try:
            source.backup(target, pages=pages)
            target.execute("PRAGMA journal_mode=DELETE")
        finally:
            target.close()
    finally:
        source.close()


def faults(connection: Connection, most: int = 20) -> list[str]:
    """What SQLite's own checks find; empty when all is well."""
    rows = connection.exec_driver_sql(f"PRAGMA quick_check({most})").scalars().all()
    found = [f"quick_check: {row}" for row in rows if row != "ok"]
    orphans = connection.exec_driver_sql("PRAGMA foreign_key_check").fetchmany(most)
    return found + [f"foreign key: row {row[1]} of {row[0]} lacks its {row[2]}" for row in orphans]


def refresh_statistics(connection: Connection) -> None:
    """Figures for the planner; bounded, cheap."""
    connection.exec_driver_sql("PRAGMA analysis_limit=1000")
    connection.exec_driver_sql("PRAGMA optimize")
