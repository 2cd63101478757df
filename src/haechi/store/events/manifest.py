"""The list of sealed files in ``hot.db`` and the folder, kept in agreement.

A file counts from the moment its row is committed, so what a crash leaves is one of these: a
temporary file (removed), a file without a row whose events are still hot (removed, sealed again
later), a row that is being cleared or removed (finished). What cannot come from a crash, a row
without its file or a file that belongs to nobody, is reported and never tidied away.
"""

from __future__ import annotations

import logging
import shutil
import sqlite3
from pathlib import Path

from haechi.errors import HaechiError
from haechi.store.events.cold import Cold, Gone
from haechi.store.events.question import HOUR_NS
from haechi.store.records import Record

log = logging.getLogger(__name__)


class Unit(Record, frozen=True, kw_only=True):
    """What one file holds: the events from ``from_ns`` to ``to_ns`` (excluded) that were there
    when number ``seq_sealed`` was the highest."""

    from_ns: int
    to_ns: int
    seq_min: int
    seq_max: int
    seq_sealed: int
    rows: int

    @property
    def hour(self) -> int:
        return self.from_ns // HOUR_NS

    @property
    def name(self) -> str:
        """``<day since 1970>/<from_ns>-<seq_sealed>.parquet``; never the same twice."""
        return f"{self.hour // 24}/{self.from_ns}-{self.seq_sealed}.parquet"


def enter(connection: sqlite3.Connection, unit: Unit, size: int, now_ns: int) -> None:
    """Make a file count; from here on its events are not read from the hot tables."""
    connection.execute(
        "INSERT INTO file VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 'clearing')",
        (
            unit.name,
            unit.hour,
            unit.from_ns,
            unit.to_ns,
            unit.seq_min,
            unit.seq_max,
            unit.seq_sealed,
            unit.rows,
            size,
            now_ns,
        ),
    )


def remember(connection: sqlite3.Connection, seq: int) -> None:
    """Numbers are never given twice, even when their events are gone."""
    connection.execute(
        "INSERT INTO meta VALUES ('last_seq', ?) ON CONFLICT (name) DO UPDATE"
        " SET value = max(CAST(value AS INTEGER), CAST(excluded.value AS INTEGER))",
        (str(seq),),
    )


def unfinished(connection: sqlite3.Connection) -> list[tuple[str, int, int, int]]:
    """(name, from_ns, to_ns, seq_sealed) of what is not cleared out of the hot tables yet."""
    sql = "SELECT name, from_ns, to_ns, seq_sealed FROM file WHERE state='clearing' ORDER BY name"
    return connection.execute(sql).fetchall()


def reconcile(connection: sqlite3.Connection, cold: Cold) -> list[str]:
    """At open: tidy what a crash left. Returns the names of files that belong to nobody; fills
    ``cold.lost`` with rows whose file is missing."""
    if not cold.folder.is_dir():
        cold.lost = {name for (name,) in connection.execute("SELECT name FROM file")}
        return []
    shutil.rmtree(cold.temporary, ignore_errors=True)
    for (name,) in connection.execute("SELECT name FROM file WHERE state='going'").fetchall():
        (cold.folder / name).unlink(missing_ok=True)
        connection.execute("DELETE FROM file WHERE name=?", (name,))
    listed = {name for (name,) in connection.execute("SELECT name FROM file")}
    there = {str(path.relative_to(cold.folder)) for path in cold.folder.glob("*/*.parquet")}
    cold.lost = listed - there
    for name in sorted(cold.lost):
        log.error("a file of sealed events is missing", extra={"file": name})
    return [name for name in sorted(there - listed) if not _removed(connection, cold, name)]


def _removed(connection: sqlite3.Connection, cold: Cold, name: str) -> bool:
    """Remove a file without a row if all its events are still hot."""
    try:
        from_ns, sealed = map(int, Path(name).stem.split("-"))
        rows = cold.count(cold.folder / name)
    except (ValueError, HaechiError, Gone):
        log.exception("a file among the sealed events belongs to nobody", extra={"file": name})
        return False
    sql = "SELECT count(*) FROM at WHERE ts_ns >= ? AND ts_ns < ? AND seq <= ?"
    until = (from_ns // HOUR_NS + 1) * HOUR_NS
    hot = connection.execute(sql, (from_ns, until, sealed)).fetchone()[0]
    if hot < rows:
        log.error("a file among the sealed events belongs to nobody", extra={"file": name})
        return False
    (cold.folder / name).unlink()
    return True
