"""``hot.db``: its tables, how connections to it are opened, what its errors mean.

An event is two rows. ``at`` is narrow and ordered by time: it finds events (by time, kind,
resource), and its key is what makes an event that comes twice count once. ``event`` holds the
compressed payload under the number of arrival, so both tables grow at their ends: no index has
its pages all over, which would multiply what a commit writes.

``kind`` holds each distinct (source, type, cluster, namespace, rule, priority) once; rows and
counts carry its number.
"""

from __future__ import annotations

import os
import queue
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from haechi.errors import StoreError, StoreFull

VERSION = 2
TABLES = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE kind (id INTEGER PRIMARY KEY AUTOINCREMENT, source TEXT NOT NULL, type TEXT NOT NULL,
  cluster TEXT NOT NULL, namespace TEXT NOT NULL, rule TEXT NOT NULL, priority TEXT NOT NULL,
  UNIQUE (cluster, namespace, source, type, rule, priority));
CREATE TABLE slice (id INTEGER PRIMARY KEY AUTOINCREMENT, dim INTEGER NOT NULL,
  value TEXT NOT NULL, cluster TEXT NOT NULL, namespace TEXT NOT NULL,
  UNIQUE (dim, value, cluster, namespace));
CREATE TABLE resource (id INTEGER PRIMARY KEY AUTOINCREMENT, key TEXT NOT NULL UNIQUE);
CREATE TABLE dictionary (version INTEGER PRIMARY KEY, made_ns INTEGER NOT NULL,
  events INTEGER NOT NULL, ratio REAL NOT NULL, data BLOB NOT NULL);
CREATE TABLE at (ts_ns INTEGER NOT NULL, ident INTEGER NOT NULL, seq INTEGER NOT NULL,
  kind INTEGER NOT NULL, resource INTEGER NOT NULL,
  PRIMARY KEY (ts_ns, ident)) WITHOUT ROWID;
CREATE TABLE event (seq INTEGER PRIMARY KEY, ts_ns INTEGER NOT NULL, version INTEGER NOT NULL,
  payload BLOB NOT NULL);
CREATE TABLE seen (ts_ns INTEGER NOT NULL, ident INTEGER NOT NULL,
  PRIMARY KEY (ts_ns, ident)) WITHOUT ROWID;
CREATE TABLE per_minute (minute INTEGER NOT NULL, kind INTEGER NOT NULL, n INTEGER NOT NULL,
  PRIMARY KEY (minute, kind)) WITHOUT ROWID;
CREATE TABLE per_hour (hour INTEGER NOT NULL, kind INTEGER NOT NULL, n INTEGER NOT NULL,
  PRIMARY KEY (hour, kind)) WITHOUT ROWID;
CREATE TABLE minute_by (dim INTEGER NOT NULL, minute INTEGER NOT NULL, slice INTEGER NOT NULL,
  n INTEGER NOT NULL, PRIMARY KEY (dim, minute, slice)) WITHOUT ROWID;
CREATE TABLE hour_by (dim INTEGER NOT NULL, hour INTEGER NOT NULL, slice INTEGER NOT NULL,
  n INTEGER NOT NULL, PRIMARY KEY (dim, hour, slice)) WITHOUT ROWID;
CREATE TABLE file (name TEXT PRIMARY KEY, hour INTEGER NOT NULL, from_ns INTEGER NOT NULL,
  to_ns INTEGER NOT NULL, seq_min INTEGER NOT NULL, seq_max INTEGER NOT NULL,
  seq_sealed INTEGER NOT NULL, rows INTEGER NOT NULL, bytes INTEGER NOT NULL,
  sealed_ns INTEGER NOT NULL, state TEXT NOT NULL) WITHOUT ROWID;
CREATE INDEX file_hour ON file (hour);
"""
_WAITING = """
CREATE TABLE waiting (seq INTEGER PRIMARY KEY, ts_ns INTEGER NOT NULL, last_ns INTEGER NOT NULL,
  n INTEGER NOT NULL, kind BLOB NOT NULL, resource TEXT NOT NULL, version INTEGER NOT NULL,
  payload BLOB NOT NULL);
INSERT INTO meta (name, value) VALUES ('epoch', lower(hex(randomblob(8))));
"""
"""Since version 2: detections that are not in any incident yet, and the name of this file."""
"""``file`` is the manifest. A file claims the events from ``from_ns`` to ``to_ns`` (excluded)
with numbers up to ``seq_sealed``. State ``clearing``: some of them still lie in the hot tables
and are not to be read there; ``there``: done; ``going``: being removed by retention."""

_READ_ONLY = {sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM}


def connect(path: Path, *, cache_kib: int, readonly: bool = False) -> sqlite3.Connection:
    """A connection without implicit transactions. Durable: a commit returns after fsync."""
    if not readonly:
        # SQLite gives its log and index the rights of the file
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    uri = f"{path.absolute().as_uri()}?mode={'ro' if readonly else 'rwc'}"
    connection = sqlite3.connect(
        uri, uri=True, isolation_level=None, check_same_thread=False, timeout=5.0
    )
    try:
        if not readonly:
            connection.execute("PRAGMA auto_vacuum=INCREMENTAL")
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute("PRAGMA wal_autocheckpoint=4000")
            connection.execute("PRAGMA journal_size_limit=33554432")
            connection.execute("PRAGMA secure_delete=FAST")
        connection.execute(f"PRAGMA cache_size=-{cache_kib}")
        connection.execute("PRAGMA temp_store=MEMORY")
    except sqlite3.Error:
        connection.close()
        raise
    return connection


def prepare(connection: sqlite3.Connection) -> None:
    """Make the tables in a new file, and what a file of an older version lacks; refuse one of a
    newer version."""
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > VERSION:
        raise StoreError(
            f"hot.db is of version {version}, this haechi knows {VERSION}",
            do="run the haechi that made it, or a newer one",
        )
    if version < VERSION:
        missing = f"{TABLES if version == 0 else ''};{_WAITING}"
        connection.executescript(f"BEGIN;{missing};PRAGMA user_version={VERSION};COMMIT;")


def translate(error: sqlite3.Error, path: Path) -> StoreError:
    """The error of ours for one of SQLite's."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    name = getattr(error, "sqlite_errorname", "")
    if code == sqlite3.SQLITE_FULL or (code == sqlite3.SQLITE_IOERR and "READ" not in name):
        return StoreFull(
            "the events could not be written: the disk is full",
            why=f"{error} ({name})",
            do="make room or shorten the retention; writing goes on by itself",
            where=str(path),
        )
    if code in _READ_ONLY:
        return StoreFull(
            "the events could not be written: the folder is read-only",
            why=f"{error} ({name})",
            do="make it writable again; writing goes on by itself",
            where=str(path),
        )
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return StoreError(
            "hot.db is damaged",
            why=f"{error} ({name})",
            do="stop the server and restore hot.db from a backup; sealed files are not affected",
            where=str(path),
        )
    return StoreError("hot.db could not be used", why=f"{error} ({name})", where=str(path))


class Readers:
    """A few read-only connections that threads borrow; bounded, so their caches are, too."""

    def __init__(self, path: Path, *, most: int = 4, cache_kib: int = 2048) -> None:
        self._path, self._cache_kib = path, cache_kib
        self._idle: queue.LifoQueue[sqlite3.Connection | None] = queue.LifoQueue()
        for _ in range(most):
            self._idle.put(None)
        self._closed = False

    @contextmanager
    def snapshot(self) -> Iterator[sqlite3.Connection]:
        """A connection in a read transaction: all it reads is of one moment. Keep it short, the
        log of changes cannot be folded in meanwhile."""
        connection = self._idle.get()
        try:
            if self._closed:
                raise StoreError("the event store is closed")
            try:
                if connection is None:
                    connection = connect(self._path, cache_kib=self._cache_kib, readonly=True)
                connection.execute("BEGIN")
                try:
                    yield connection
                finally:
                    connection.execute("ROLLBACK")
            except sqlite3.Error as error:
                raise translate(error, self._path) from error
        finally:
            if self._closed and connection is not None:
                connection.close()
                connection = None
            self._idle.put(connection)

    def close(self) -> None:
        """Close what is idle now and the others when they come back."""
        self._closed = True
        waiting: list[sqlite3.Connection | None] = []
        while not self._idle.empty():
            waiting.append(self._idle.get())
        for connection in waiting:
            if connection is not None:
                connection.close()
            self._idle.put(None)
