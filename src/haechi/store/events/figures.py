"""How the store is, in figures: for the health page and for metrics."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

from haechi.store.events.cold import Cold
from haechi.store.events.inserting import Inserter
from haechi.store.events.question import HOUR_NS, from_ns
from haechi.store.events.retention import used_bytes


def stored(
    connection: sqlite3.Connection, inserter: Inserter, cold: Cold, path: Path
) -> dict[str, Any]:
    """Numbers and bytes of both tiers, oldest and newest event, dictionary."""
    # Each alone is the end of an index; together they would be a walk over all.
    ends = "SELECT (SELECT min(ts_ns) FROM at), (SELECT max(ts_ns) FROM at)"
    low, high = connection.execute(ends).fetchone()
    sql = """SELECT count(*), coalesce(sum(rows), 0), coalesce(sum(bytes), 0), min(from_ns),
      max(to_ns) FROM file"""
    files, rows, size, cold_low, cold_high = connection.execute(sql).fetchone()
    clearing = connection.execute("SELECT count(*) FROM file WHERE state='clearing'").fetchone()[0]
    removing = connection.execute("SELECT value FROM meta WHERE name='removing'").fetchone()
    hot = inserter.hot_rows
    used = used_bytes(connection)
    oldest = min((one for one in (low, cold_low) if one is not None), default=None)
    newest = max((one for one in (high, cold_high) if one is not None), default=None)
    log = path.with_name(path.name + "-wal")
    return {
        "hot_events": hot,
        "hot_bytes": used,
        "hot_file_bytes": path.stat().st_size + (log.stat().st_size if log.exists() else 0),
        "hot_bytes_per_event": round(used / hot, 1) if hot else None,
        "cold_events": rows,
        "cold_bytes": size,
        "cold_files": files,
        "cold_bytes_per_event": round(size / rows, 1) if rows else None,
        "clearing_files": clearing,
        "lost_files": sorted(cold.lost),
        "oldest": from_ns(oldest) if oldest is not None else None,
        "newest": from_ns(newest) if newest is not None else None,
        "partly_removed_hour": from_ns(int(removing[0]) * HOUR_NS) if removing else None,
        "dictionary_version": inserter.press.version,
        "dictionary_ratio": round(inserter.press.ratio, 2),
        "ratio_now": round(inserter.press.now, 2),
        "counted_as_other": inserter.tallies.overflowed,
    }
