"""Sealing: hot events of whole hours become Parquet files, and only then leave the hot tables.

The order is what makes it safe at every step: a temporary file, fsync, rename, fsync of the
folder, then the manifest's row (the moment it counts), then the rows are deleted in slices so
that the writer is never held up for long. Events of a sealed hour that come late become a
further file of that hour.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import msgspec
import zstandard

from haechi.errors import StoreError, StoreFull
from haechi.store.durable import sync
from haechi.store.events.cold import Cold
from haechi.store.events.manifest import Unit, enter, remember, unfinished
from haechi.store.events.payloads import Dictionaries
from haechi.store.events.question import HOUR_NS
from haechi.store.events.schema import Readers
from haechi.store.events.shapes import Options
from haechi.store.events.writer import Writer

log = logging.getLogger(__name__)
SLICE = 4_000
_PAGES = 500
_LINES = 500
_MARK = "\x1f"
_HEAVY, _LARGE = 8 << 20, 2_500
_SELECT = """SELECT a.ts_ns, a.seq, k.source, k.type, k.cluster, k.namespace, k.rule, k.priority,
    coalesce(r.key, ''), e.version, e.payload
  FROM at a CROSS JOIN kind k ON k.id = a.kind CROSS JOIN event e ON e.seq = a.seq
  LEFT JOIN resource r ON r.id = a.resource
  WHERE a.ts_ns >= ? AND a.ts_ns < ? ORDER BY a.ts_ns, a.seq"""


class Sealing:
    """One at a time; whoever asks meanwhile waits."""

    def __init__(
        self,
        writer: Writer,
        readers: Readers,
        dictionaries: Dictionaries,
        cold: Cold,
        options: Options,
        now_ns: Callable[[], int],
    ) -> None:
        self._writer, self._readers, self._dictionaries = writer, readers, dictionaries
        self._cold, self._options, self._now_ns = cold, options, now_ns
        self.lock = threading.RLock()
        self.last: dict[str, int] = {}
        self.failure = ""

    def seal(self, before_ns: int) -> int:
        """Seal every hot event older than ``before_ns``; how many. StoreFull when the disk does
        not take the files: then they stay hot."""
        sealed = 0
        with self.lock:
            try:
                self.clear()
                while (hour := self._oldest(before_ns)) is not None:
                    sealed += self._hour(hour, min(before_ns, (hour + 1) * HOUR_NS))
            except StoreError as error:
                self.failure = error.explain()
                raise
            self.failure = ""
            if sealed:
                self.last = {"at_ns": self._now_ns(), "events": sealed}
        return sealed

    def _oldest(self, before_ns: int) -> int | None:
        with self._readers.snapshot() as connection:
            oldest = connection.execute("SELECT min(ts_ns) FROM at").fetchone()[0]
        return oldest // HOUR_NS if oldest is not None and oldest < before_ns else None

    def _hour(self, hour: int, until_ns: int) -> int:
        """Seal what is hot of an hour, in files of at most about ``file_rows`` rows."""
        sealed, from_ns = 0, hour * HOUR_NS
        while from_ns < until_ns:
            unit = self._file(from_ns, until_ns)
            if unit is None:
                break
            sealed += unit.rows
            from_ns = unit.to_ns
        return sealed

    def _file(self, from_ns: int, until_ns: int) -> Unit | None:
        folder = self._cold.temporary
        lines, parquet = folder / "lines.csv.zst", folder / "sealed.parquet"
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            unit = self._export(lines, from_ns, until_ns)
            if unit is None:
                return None
            self._cold.write(lines, parquet)
            self._place(parquet, unit)
        except OSError as error:
            raise StoreFull(
                "events could not be sealed: the disk is full or read-only",
                why=str(error),
                do="make room or shorten the retention; sealing goes on by itself",
            ) from error
        finally:
            lines.unlink(missing_ok=True)
            parquet.unlink(missing_ok=True)
        self.clear()
        return unit

    def _export(self, target: Path, from_ns: int, until_ns: int) -> Unit | None:
        """Write the lines that DuckDB reads. One snapshot: ``seq_sealed`` is its highest number."""
        with self._readers.snapshot() as connection:
            self._dictionaries.load(connection)
            sealed = connection.execute("SELECT coalesce(max(seq), 0) FROM event").fetchone()[0]
            rows = _Rows(connection.execute(_SELECT, (from_ns, until_ns)), self._options.file_rows)
            handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            tool = zstandard.ZstdCompressor(level=1)
            with open(handle, "wb") as file, tool.stream_writer(file) as out:  # noqa: PTH123
                chunk: list[bytes] = []
                for row in rows:
                    chunk.append(line := self._line(row))
                    rows.bytes += len(line)
                    if len(chunk) >= _LINES:
                        out.write(b"".join(chunk))
                        chunk.clear()
                out.write(b"".join(chunk))
        if rows.count == 0:
            return None
        return Unit(
            from_ns=rows.first_ns,
            to_ns=until_ns if rows.next_ns is None else rows.next_ns,
            seq_min=rows.lowest,
            seq_max=rows.highest,
            seq_sealed=sealed,
            rows=rows.count,
        )

    def _line(self, row: tuple[int, int, str, str, str, str, str, str, str, int, bytes]) -> bytes:
        ts_ns, seq, *names, version, payload = row
        plain = self._dictionaries.decompress(version, payload)
        id, rest = split_id(plain)
        return _MARK.join((str(seq), str(ts_ns), *names, id, "")).encode() + rest + b"\n"

    def _place(self, parquet: Path, unit: Unit) -> None:
        found = self._cold.count(parquet)
        if found != unit.rows:
            raise StoreError(
                "a sealed file does not hold what was written",
                why=f"{found} of {unit.rows} events; they stay hot",
            )
        target = self._cold.folder / unit.name
        parquet.chmod(0o600)
        sync(parquet)
        if not target.parent.is_dir():
            target.parent.mkdir(mode=0o700)
            sync(self._cold.folder)
        if target.exists():
            raise StoreError(
                "a file that is not on the list stands where events should be sealed",
                do="look what it is and move it away",
                where=str(target),
            )
        size = parquet.stat().st_size
        parquet.rename(target)
        sync(target.parent)
        try:
            self._writer.run(lambda connection: self._enter(connection, unit, size))
        except StoreError:
            with self._readers.snapshot() as connection:
                known = connection.execute("SELECT 1 FROM file WHERE name=?", (unit.name,))
                if known.fetchone() is None:
                    target.unlink(missing_ok=True)
            raise

    def _enter(self, connection: sqlite3.Connection, unit: Unit, size: int) -> None:
        enter(connection, unit, size, self._now_ns())
        self._writer.inserter.refresh()

    def clear(self) -> None:
        """Delete from the hot tables what is sealed, in slices; also what a crash left."""
        with self.lock:
            with self._readers.snapshot() as connection:
                units = unfinished(connection)
            for name, *bounds in units:
                self._delete((bounds[0], bounds[1], bounds[2]), remember_ids=True)
                self._writer.run(partial(_done, name=name))
            if units:
                self.shrink()

    def drop(self, from_ns: int, to_ns: int) -> int:
        """Delete hot events that nobody keeps (retention), in slices; how many."""
        return self._delete((from_ns, to_ns, 2**62), remember_ids=False)

    def _delete(self, bounds: tuple[int, int, int], *, remember_ids: bool) -> int:
        work = partial(self._slice, bounds=bounds, remember_ids=remember_ids)
        deleted = 0
        while n := self._writer.run(work):
            deleted += n
        return deleted

    def _slice(
        self, connection: sqlite3.Connection, *, bounds: tuple[int, int, int], remember_ids: bool
    ) -> int:
        sql = "SELECT ts_ns, ident, seq FROM at WHERE ts_ns >= ? AND ts_ns < ? AND seq <= ? LIMIT ?"
        rows = connection.execute(sql, (*bounds, SLICE)).fetchall()
        keys = [(ts_ns, ident) for ts_ns, ident, _ in rows]
        if remember_ids:
            connection.executemany("INSERT OR IGNORE INTO seen VALUES (?, ?)", keys)
        elif rows:
            remember(connection, max(seq for *_, seq in rows))
        connection.executemany("DELETE FROM at WHERE ts_ns=? AND ident=?", keys)
        connection.executemany("DELETE FROM event WHERE seq=?", [(seq,) for *_, seq in rows])
        self._writer.inserter.hot_rows -= len(rows)
        return len(rows)

    def shrink(self) -> None:
        """Give free pages back to the disk when they are many, a few at a time."""
        while self._writer.run(_shrink):
            pass


class _Rows:
    """The rows of one file: stops after ``most`` where the time changes, so that a file's range
    has no event of another's."""

    def __init__(self, cursor: sqlite3.Cursor, most: int) -> None:
        self._cursor, self._most = cursor, most
        self.count = self.highest = self.bytes = 0
        self.lowest = 2**62
        self.first_ns = 0
        self.next_ns: int | None = None

    def _heavy(self) -> bool:
        """Large events make small files: DuckDB holds a group of rows in memory."""
        return self.bytes > _HEAVY and self.bytes > _LARGE * self.count

    def __iter__(
        self,
    ) -> Iterator[tuple[int, int, str, str, str, str, str, str, str, int, bytes]]:
        last = -1
        for row in self._cursor:
            if row[0] != last and (self.count >= self._most or self._heavy()):
                self.next_ns = row[0]
                return
            last = row[0]
            self.first_ns = self.first_ns or last
            self.count += 1
            self.lowest, self.highest = min(self.lowest, row[1]), max(self.highest, row[1])
            yield row


def split_id(payload: bytes) -> tuple[str, bytes]:
    """The id of a stored payload and the array without it."""
    end = payload.index(b'"', 1 + 1)
    while _escaped(payload, end):
        end = payload.index(b'"', end + 1)
    return msgspec.json.decode(payload[1 : end + 1], type=str), b"[" + payload[end + 2 :]


def _escaped(payload: bytes, place: int) -> bool:
    before = payload[:place]
    return (len(before) - len(before.rstrip(b"\\"))) % 2 == 1


def _done(connection: sqlite3.Connection, *, name: str) -> None:
    connection.execute("UPDATE file SET state='there' WHERE name=?", (name,))


def _shrink(connection: sqlite3.Connection) -> bool:
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    free = connection.execute("PRAGMA freelist_count").fetchone()[0]
    if free < 1000 or free * 4 < pages:
        return False
    connection.execute(f"PRAGMA incremental_vacuum({_PAGES})").fetchall()
    return True
