"""Counts kept at ingest, in the events' own transaction: by minute and by hour of each kind.

Panels are answered from them alone, so they cost the same with ten million events as with ten.
A sender cannot make them grow without bound: past a number of kinds a minute, rule and type go
on as "(other)"; past twice as many, everything does (which only those who may see everything
see).
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Mapping

from haechi.store.events.encoding import Kind
from haechi.store.events.names import Names
from haechi.store.events.shapes import OTHER, Options

MINUTE_NS = 60 * 10**9
HOUR_S = 3600
_MINUTES_KEPT = 512
_ALL_OTHER: Kind = (OTHER, OTHER, OTHER, OTHER, OTHER, "")


class Tallies:
    """The writer's side."""

    def __init__(self, connection: sqlite3.Connection, names: Names, options: Options) -> None:
        self._connection, self._names = connection, names
        self._most = options.kinds_a_minute
        self._minutes: dict[int, set[int]] = {}
        self.overflowed = 0
        """Events counted under "(other)" since the start."""

    def forget(self) -> None:
        """After a transaction that was taken back."""
        self._minutes.clear()

    def add(self, counts: Mapping[tuple[int, int], int], kinds: Mapping[int, Kind]) -> None:
        """Add counts by (minute, kind's number); ``kinds`` has the kinds of those numbers."""
        minutes: Counter[tuple[int, int]] = Counter()
        hours: Counter[tuple[int, int]] = Counter()
        for (minute, kind), n in counts.items():
            number = self._bounded(minute, kind, kinds, n)
            minutes[minute, number] += n
            hours[minute // 60, number] += n
        for table, column, found in (
            ("per_minute", "minute", minutes),
            ("per_hour", "hour", hours),
        ):
            self._connection.executemany(
                f"INSERT INTO {table} ({column}, kind, n) VALUES (?, ?, ?)"  # noqa: S608
                f" ON CONFLICT ({column}, kind) DO UPDATE SET n = n + excluded.n",
                [(when, kind, n) for (when, kind), n in found.items()],
            )

    def _bounded(self, minute: int, kind: int, kinds: Mapping[int, Kind], n: int) -> int:
        known = self._known(minute)
        if kind in known:
            return kind
        if len(known) >= self._most:
            self.overflowed += n
            source, _, cluster, namespace, _, priority = kinds[kind]
            some = (source, OTHER, cluster, namespace, OTHER, priority)
            kind = self._names.kind(some)
            if kind not in known and len(known) >= 2 * self._most:
                kind = self._names.kind(_ALL_OTHER)
        known.add(kind)
        return kind

    def _known(self, minute: int) -> set[int]:
        known = self._minutes.get(minute)
        if known is None:
            rows = self._connection.execute("SELECT kind FROM per_minute WHERE minute=?", (minute,))
            known = {kind for (kind,) in rows}
            if len(self._minutes) >= _MINUTES_KEPT:
                del self._minutes[min(self._minutes)]
            self._minutes[minute] = known
        return known
