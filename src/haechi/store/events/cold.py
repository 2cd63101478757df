"""Sealed events: Parquet files, written and read by DuckDB inside of this process.

DuckDB is only an engine here, never a store of record: it gets one folder, nothing else of the
disk or the network, no extensions, a limit of memory and one thread. It is opened when it is
first needed and closed when it was idle for a while, since its memory counts.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from haechi.errors import StoreError, StoreFull
from haechi.store.events.encoding import Kind
from haechi.store.events.question import Found, Position, Question, Slice, event_of
from haechi.store.events.shapes import Options

if TYPE_CHECKING:
    import duckdb

log = logging.getLogger(__name__)
COLUMNS = {
    "seq": "BIGINT",
    "ts_ns": "BIGINT",
    "source": "VARCHAR",
    "type": "VARCHAR",
    "cluster": "VARCHAR",
    "namespace": "VARCHAR",
    "rule": "VARCHAR",
    "priority": "VARCHAR",
    "resource": "VARCHAR",
    "id": "VARCHAR",
    "payload": "VARCHAR",
}
"""Of a file. ``payload`` is the JSON array [node, container_id, message, fields]."""
_SEARCHED = ("id", "source", "type", "cluster", "namespace", "rule", "priority", "resource")
_FEWEST = 16
ROW_GROUP = 8_192
"""Small, since DuckDB holds whole groups in memory while it writes."""


class _TooLarge(StoreError):
    """The engine's memory does not hold so many events at once."""


class Gone(Exception):
    """A file is not there (any more)."""


class Cold:
    """The folder of sealed files and the engine over it. Thread-safe."""

    def __init__(self, folder: Path, options: Options) -> None:
        self.folder, self._options = folder, options
        self.temporary = folder / ".tmp"
        self._lock = threading.Lock()
        self._engine: duckdb.DuckDBPyConnection | None = None
        self._users = 0
        self._used = 0.0
        self.lost: set[str] = set()
        """Listed files that are missing or cannot be read; reported, and left out of answers."""

    def files(self, connection: sqlite3.Connection, low_ns: int, high_ns: int) -> list[Path]:
        """The files that may have events of a window, by the manifest."""
        sql = """SELECT name FROM file WHERE hour BETWEEN ? AND ? AND from_ns <= ? AND to_ns > ?
          AND state IN ('clearing', 'there')"""
        hours = (low_ns // (3600 * 10**9), high_ns // (3600 * 10**9))
        rows = connection.execute(sql, (*hours, high_ns, low_ns))
        return [self.folder / name for (name,) in rows if name not in self.lost]

    def find_lost(self, files: Sequence[Path]) -> bool:
        """After a failure: which of the files cannot be read. True when there are any."""
        before = len(self.lost)
        for file in files:
            try:
                self.count(file)
            except (Gone, StoreError) as error:
                name = str(file.relative_to(self.folder))
                log.exception(
                    "sealed events cannot be read", extra={"file": name, "why": str(error)}
                )
                self.lost.add(name)
        return len(self.lost) > before

    def take(
        self,
        files: Sequence[Path],
        ask: Question,
        low_ns: int,
        before: Position,
        want: int,
        deadline: float,
    ) -> Slice:
        """As ``Hot.take``. Gone when a file has vanished. Time up means: nothing was searched."""
        where, values = _where(ask, low_ns, before)
        names = [str(one) for one in files]
        # places first, payloads then: to sort whole events would read every payload
        sql = (
            f"SELECT ts_ns, seq FROM read_parquet(?) WHERE {where}"  # noqa: S608
            " ORDER BY ts_ns DESC, seq DESC LIMIT ?"
        )
        places = self._rows(sql, [names, *values, want], deadline)
        if places is None:
            return Slice([], before)
        if not places:
            return Slice([], Position(low_ns, 0))
        last = Position(*places[-1])
        try:
            found = self._found_from(names, where, values, last, deadline)
        except _TooLarge:
            if want <= _FEWEST:
                raise
            return self.take(files, ask, low_ns, before, max(_FEWEST, want // 8), deadline)
        if found is None:
            return Slice([], before)
        found = [one for one in found if ask.mentions(one.event)]
        return Slice(found, Position(low_ns, 0) if len(places) < want else last)

    def _found_from(
        self, names: list[str], where: str, values: list[object], last: Position, deadline: float
    ) -> list[Found] | None:
        """The events of a condition that do not lie before a place, newest first."""
        sql = (
            f"SELECT {', '.join(COLUMNS)} FROM read_parquet(?)"  # noqa: S608
            f" WHERE ts_ns >= ? AND (ts_ns > ? OR seq >= ?) AND {where}"
        )
        bounds = (last.ts_ns, last.ts_ns, last.seq)
        rows = self._rows(sql, [names, *bounds, *values], deadline)
        if rows is None:
            return None
        return sorted(map(_found, rows), key=lambda one: one.at, reverse=True)

    def raw(
        self, name: str, ask: Question, low_ns: int, before: Position, some: int
    ) -> Iterator[list[tuple[int, int, Kind, str, bytes]]]:
        """The rows of one file in its order, undecoded, ``some`` at a time: (seq, ts_ns, kind,
        resource, payload). Gone, StoreError."""
        import duckdb

        where, values = _where(ask, low_ns, before)
        sql = f"SELECT {', '.join(COLUMNS)} FROM read_parquet(?) WHERE {where}"  # noqa: S608
        with self._session() as session:
            try:
                session.execute(sql, [[str(self.folder / name)], *values])
                while rows := session.fetchmany(some):
                    yield [_raw(row) for row in rows]
            except duckdb.Error as error:
                raise _translate(error) from error

    def by(self, files: Sequence[Path], column: str, value: object) -> list[Found]:
        """Events by number or id."""
        sql = (
            f"SELECT {', '.join(COLUMNS)} FROM read_parquet(?) WHERE {column} = ?"  # noqa: S608
            " ORDER BY ts_ns DESC, seq DESC LIMIT 100"
        )
        rows = self._rows(sql, [[str(one) for one in files], value], float("inf"))
        return [_found(row) for row in rows or ()]

    def count(self, file: Path) -> int:
        """Rows of a file, by its footer. StoreError when it cannot be read."""
        rows = self._rows(
            "SELECT count(*), max(ts_ns) FROM read_parquet(?)", [[str(file)]], float("inf")
        )
        return int(rows[0][0]) if rows else 0

    def write(self, source: Path, target: Path) -> None:
        """A Parquet file of lines that ``sealing`` wrote, in their order."""
        columns = ", ".join(f"'{name}': '{kind}'" for name, kind in COLUMNS.items())
        sql = (
            f"COPY (SELECT * FROM read_csv('{_quoted(source)}', columns={{{columns}}},"  # noqa: S608
            " delim='\x1f', quote='', escape='', header=false, auto_detect=false,"
            " compression='zstd', nullstr='\x02', max_line_size=1048576, buffer_size=2097152,"
            f" new_line='\\n', parallel=false)) TO '{_quoted(target)}' (FORMAT parquet,"
            f" COMPRESSION zstd, COMPRESSION_LEVEL {self._options.file_level:d},"
            f" ROW_GROUP_SIZE {ROW_GROUP:d})"
        )
        self._rows(sql, [], float("inf"))

    def _rows(self, sql: str, values: list[Any], deadline: float) -> list[Any] | None:
        """The rows; None when the deadline passed first."""
        import duckdb

        left = deadline - time.monotonic()
        if left <= 0:
            return None
        with self._session() as session:
            timer = None
            if left < threading.TIMEOUT_MAX:
                timer = threading.Timer(left, _interrupt, (session,))
                timer.start()
            try:
                return session.execute(sql, values).fetchall()
            except duckdb.InterruptException:
                return None
            except duckdb.Error as error:
                raise _translate(error) from error
            finally:
                if timer is not None:
                    timer.cancel()

    @contextmanager
    def _session(self) -> Iterator[duckdb.DuckDBPyConnection]:
        with self._lock:
            if self._engine is None:
                self._engine = self._open()
            self._users += 1
            session = self._engine.cursor()
        try:
            yield session
        finally:
            session.close()
            with self._lock:
                self._users -= 1
                self._used = time.monotonic()

    def _open(self) -> duckdb.DuckDBPyConnection:
        import duckdb

        self.folder.mkdir(mode=0o700, exist_ok=True)
        self.temporary.mkdir(mode=0o700, exist_ok=True)
        engine = duckdb.connect(
            ":memory:",
            config={
                "threads": "1",
                "memory_limit": f"{self._options.cold_memory_mb}MB",
                "temp_directory": str(self.temporary / "spill"),
                "autoinstall_known_extensions": "false",
                "autoload_known_extensions": "false",
                "allow_unsigned_extensions": "false",
            },
        )
        engine.execute("SET enable_progress_bar=false")
        engine.execute("SET allocator_background_threads=false")
        engine.execute(f"SET allowed_directories=['{_quoted(self.folder)}']")
        engine.execute("SET enable_external_access=false")
        engine.execute("SET lock_configuration=true")
        return engine

    def rest(self) -> None:
        """Close the engine when it was idle for a while."""
        with self._lock:
            idle = time.monotonic() - self._used > self._options.cold_idle_s
            if self._engine is not None and self._users == 0 and idle:
                self._engine.close()
                self._engine = None

    def close(self) -> None:
        """Close the engine."""
        with self._lock:
            if self._engine is not None:
                self._engine.close()
                self._engine = None


def _interrupt(session: duckdb.DuckDBPyConnection) -> None:
    """From the timer's thread; the query may just have ended."""
    import duckdb

    with suppress(duckdb.Error):
        session.interrupt()


def _quoted(path: Path) -> str:
    """For the few places where DuckDB takes no bound parameter; the folder is the owner's."""
    return str(path.absolute()).replace("'", "''")


def _where(ask: Question, low_ns: int, before: Position) -> tuple[str, list[object]]:
    parts = ["ts_ns >= ?", "ts_ns <= ?", "(ts_ns < ? OR seq < ?)"]
    values: list[object] = [low_ns, before.ts_ns, before.ts_ns, before.seq]
    if ask.kinds is not None and not ask.anything:
        parts.append(f"({ask.kinds[0]})")
        values += ask.kinds[1]
    if ask.ask.resource:
        parts.append(f"resource IN ({', '.join('?' * len(ask.ask.resource))})")
        values += ask.ask.resource
    if ask.needle:
        final_sigma = "\u03c3" in ask.needle
        terms = []
        for column in (*_SEARCHED, "payload"):
            small = f"lower({column})"
            small = f"replace({small}, '\u03c2', '\u03c3')" if final_sigma else small
            terms.append(f"contains({small}, ?)")
            values.append(ask.packed_needle if column == "payload" else ask.needle)
        parts.append(f"({' OR '.join(terms)})")
    return " AND ".join(parts), values


def _found(row: tuple[Any, ...]) -> Found:
    seq, ts_ns, kind, resource, payload = _raw(row)
    return Found(Position(ts_ns, seq), event_of(ts_ns, kind, resource, payload))


def _raw(row: tuple[Any, ...]) -> tuple[int, int, Kind, str, bytes]:
    seq, ts_ns, source, type_, cluster, namespace, rule, priority, resource, id, payload = row
    kind: Kind = (source, type_, cluster, namespace, rule, priority)
    whole = b"[" + msgspec.json.encode(id) + b"," + payload.encode()[1:]
    return seq, ts_ns, kind, resource, whole


def _translate(error: Exception) -> Exception:
    text = str(error)
    if "No files found" in text or "No such file" in text:
        return Gone(text)
    if "Out of Memory" in text or "could not allocate" in text:
        return _TooLarge("sealed events are too large to be handled", why=text.splitlines()[0])
    if "No space left" in text or "File too large" in text or "Read-only" in text:
        return StoreFull(
            "events could not be sealed: the disk is full or read-only",
            why=text.splitlines()[0],
            do="make room or shorten the retention; sealing goes on by itself",
        )
    return StoreError("sealed events could not be read or written", why=text.splitlines()[0])
