"""What goes: events by age and by room, oldest hours first; counts, remembered ids and names
that nobody needs any more.

An hour goes whole. Its files are marked first and then removed, so a crash in between is
finished at the next open; while hot rows of an hour are being deleted the hour stands in
``meta`` and in the figures.
"""

from __future__ import annotations

import datetime as dt
import logging
import sqlite3
from collections.abc import Callable

from haechi.store.events.cold import Cold
from haechi.store.events.manifest import remember
from haechi.store.events.question import HOUR_NS, to_ns
from haechi.store.events.schema import Readers
from haechi.store.events.sealing import Sealing
from haechi.store.events.shapes import Options
from haechi.store.events.tallies import ALONE, IN_PLACE, PLACE
from haechi.store.events.writer import Writer

log = logging.getLogger(__name__)
_SLICE = 20_000
_NAMES = 200_000
"""Past so many names the unused ones are looked for."""


class Retention:
    """Removes what is too old or too much."""

    def __init__(
        self,
        writer: Writer,
        readers: Readers,
        cold: Cold,
        sealing: Sealing,
        options: Options,
        forget: Callable[[], None],
    ) -> None:
        self._writer, self._readers, self._cold = writer, readers, cold
        self._sealing, self._options, self._forget = sealing, options, forget
        self.removed = 0

    def retain(self, now: dt.datetime, *, days: int, max_bytes: int) -> int:
        """Remove events older than ``days`` and the oldest hours while the store takes more than
        ``max_bytes``; how many events."""
        removed = 0
        with self._sealing.lock:
            self._sealing.clear()
            removed += self._resume()
            oldest = (to_ns(now) - days * 24 * HOUR_NS) // HOUR_NS
            while (hour := self._first_hour()) is not None and (
                hour < oldest or self.size() > max_bytes
            ):
                removed += self._remove(hour)
            self._sealing.shrink()
            self._tallies(now)
            self._seen(now)
            self._names()
        self.removed += removed
        return removed

    def size(self) -> int:
        """Bytes in use: sealed files, and the pages of ``hot.db`` that are not free."""
        with self._readers.snapshot() as connection:
            sealed = connection.execute("SELECT coalesce(sum(bytes), 0) FROM file").fetchone()[0]
            return int(sealed) + used_bytes(connection)

    def _first_hour(self) -> int | None:
        with self._readers.snapshot() as connection:
            hot = connection.execute("SELECT min(ts_ns) FROM at").fetchone()[0]
            cold = connection.execute("SELECT min(hour) FROM file").fetchone()[0]
        hours = [hot // HOUR_NS] if hot is not None else []
        return min(hours + ([cold] if cold is not None else []), default=None)

    def _resume(self) -> int:
        """Finish an hour whose removal was cut short."""
        with self._readers.snapshot() as connection:
            row = connection.execute("SELECT value FROM meta WHERE name='removing'").fetchone()
        return self._remove(int(row[0])) if row else 0

    def _remove(self, hour: int) -> int:
        files, rows = self._writer.run(lambda connection: _mark(connection, hour))
        for name in files:
            (self._cold.folder / name).unlink(missing_ok=True)
            self._cold.lost.discard(name)
        rows += self._sealing.drop(hour * HOUR_NS, (hour + 1) * HOUR_NS)
        self._writer.run(lambda connection: _removed(connection, hour))
        log.info("an hour of events was removed", extra={"hour": hour, "events": rows})
        return rows

    def _tallies(self, now: dt.datetime) -> None:
        second = to_ns(now) // 10**9
        minute = second // 60 - self._options.minute_hours * 60
        hour = second // 3600 - self._options.count_days * 24
        self._sliced("per_minute", "minute", minute)
        self._sliced("per_hour", "hour", hour)
        for dimension in (*ALONE.values(), *(IN_PLACE + one for one in ALONE.values()), PLACE):
            self._sliced("minute_by", "minute", minute, dimension)
            self._sliced("hour_by", "hour", hour, dimension)

    def _seen(self, now: dt.datetime) -> None:
        """Forget ids by age, and by number: the newest files' worth is kept."""
        before = to_ns(now) - self._options.remember_hours * HOUR_NS
        with self._readers.snapshot() as connection:
            rows, total = connection.execute("SELECT hour, rows FROM file ORDER BY hour DESC"), 0
            for hour, n in rows:
                total += n
                if total > self._options.remember_rows:
                    before = max(before, hour * HOUR_NS)
                    break
        self._sliced("seen", "ts_ns", before)

    def _sliced(self, table: str, column: str, before: int, dimension: int = 0) -> None:
        """Delete the oldest rows of a table that is ordered by time (in each dimension)."""
        where = f"{column} < ?" + (f" AND dim = {dimension:d}" if dimension else "")

        def work(connection: sqlite3.Connection) -> bool:
            first = f"SELECT {column} FROM {table} WHERE {where} ORDER BY {column} LIMIT 1 OFFSET ?"  # noqa: S608
            row = connection.execute(first, (before, _SLICE)).fetchone()
            bound = row[0] + 1 if row else before
            deleted = connection.execute(f"DELETE FROM {table} WHERE {where}", (bound,))  # noqa: S608
            return row is not None and deleted.rowcount > 0

        while self._writer.run(work):
            pass

    def _names(self) -> None:
        """Names that no event and no count uses, once there are very many."""
        with self._readers.snapshot() as connection:
            kinds = connection.execute("SELECT count(*) FROM kind").fetchone()[0]
            kinds += connection.execute("SELECT count(*) FROM slice").fetchone()[0]
            resources = connection.execute("SELECT count(*) FROM resource").fetchone()[0]
        if kinds > _NAMES or resources > _NAMES:
            self._writer.run(self._sweep)
            self._forget()

    def _sweep(self, connection: sqlite3.Connection) -> None:
        connection.execute(
            "DELETE FROM kind WHERE id NOT IN (SELECT kind FROM at UNION SELECT kind FROM per_hour"
            " UNION SELECT kind FROM per_minute)"
        )
        connection.execute(
            "DELETE FROM slice WHERE id NOT IN"
            " (SELECT slice FROM hour_by UNION SELECT slice FROM minute_by)"
        )
        connection.execute("DELETE FROM resource WHERE id NOT IN (SELECT resource FROM at)")
        self._writer.inserter.names.forget()
        self._writer.inserter.tallies.forget()


def used_bytes(connection: sqlite3.Connection) -> int:
    """Of ``hot.db``, without free pages."""
    pages = connection.execute("PRAGMA page_count").fetchone()[0]
    free = connection.execute("PRAGMA freelist_count").fetchone()[0]
    size = connection.execute("PRAGMA page_size").fetchone()[0]
    return int((pages - free) * size)


def _mark(connection: sqlite3.Connection, hour: int) -> tuple[list[str], int]:
    connection.execute("INSERT OR REPLACE INTO meta VALUES ('removing', ?)", (str(hour),))
    sql = "SELECT name, rows, seq_sealed FROM file WHERE hour=?"
    files = connection.execute(sql, (hour,)).fetchall()
    connection.execute("UPDATE file SET state='going' WHERE hour=?", (hour,))
    for _, _, sealed in files:
        remember(connection, sealed)
    return [name for name, _, _ in files], sum(rows for _, rows, _ in files)


def _removed(connection: sqlite3.Connection, hour: int) -> None:
    connection.execute("DELETE FROM file WHERE hour=?", (hour,))
    connection.execute("DELETE FROM meta WHERE name='removing'")
