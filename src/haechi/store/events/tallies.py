"""Counts kept at ingest, in the events' own transaction, by minute and by hour.

Panels are answered from them alone, so they cost the same with ten million events as with ten.
Three kinds of counts, since what is combined freely multiplies: by each *name* alone (a rule, a
priority, a source, a type), by each name in each *place* (cluster and namespace; hours only), and
by each full *kind* for questions that combine names.

A sender cannot make them grow without bound. Past a number of distinct values in a minute or an
hour, a name goes on as "(other)", and past twice as many the place does, too (which only those
who may see everything see).
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Mapping

from haechi.store.events.encoding import Kind
from haechi.store.events.names import Names
from haechi.store.events.shapes import OTHER, Options

MINUTE_NS = 60 * 10**9
ALONE = {"rule": 1, "priority": 2, "source": 3, "type": 4}
"""Dimensions of a name alone; in a place they are ten more."""
IN_PLACE = 10
PLACE = 20
_PART = {"rule": 4, "priority": 5, "source": 0, "type": 1}
"""Where a name stands in a kind."""
_PERIODS_KEPT = 2_048
_ALL_OTHER: Kind = (OTHER, OTHER, OTHER, OTHER, OTHER, "")
_Slice = tuple[int, str, str, str]
"""(dimension, name, cluster, namespace)."""


class Tallies:
    """The writer's side."""

    def __init__(self, connection: sqlite3.Connection, names: Names, options: Options) -> None:
        self._connection, self._names = connection, names
        self._most = {"minute": options.kinds_a_minute, "hour": options.kinds_an_hour}
        self._known: dict[tuple[str, int, int], set[int]] = {}
        self.overflowed = 0
        """Events whose kind was counted under "(other)" in its minute, since the start."""

    def forget(self) -> None:
        """After names were swept away."""
        self._known.clear()

    def add(self, counts: Mapping[tuple[int, int], int], kinds: Mapping[int, Kind]) -> None:
        """Add counts by (minute, kind's number); ``kinds`` has the kinds of those numbers."""
        hours: Counter[tuple[int, int]] = Counter()
        for (minute, kind), n in counts.items():
            hours[minute // 60, kind] += n
        self._add_kinds("minute", counts, kinds)
        self._add_kinds("hour", hours, kinds)
        self._add_slices("minute", counts, kinds, in_place=False)
        self._add_slices("hour", hours, kinds, in_place=True)

    def _add_kinds(
        self, period: str, counts: Mapping[tuple[int, int], int], kinds: Mapping[int, Kind]
    ) -> None:
        found: Counter[tuple[int, int]] = Counter()
        for (when, kind), n in counts.items():
            number = self._bounded_kind(period, when, kind, kinds)
            found[when, number] += n
            if number != kind and period == "minute":
                self.overflowed += n
        self._connection.executemany(
            f"INSERT INTO per_{period} ({period}, kind, n) VALUES (?, ?, ?)"  # noqa: S608
            f" ON CONFLICT ({period}, kind) DO UPDATE SET n = n + excluded.n",
            [(when, kind, n) for (when, kind), n in sorted(found.items())],
        )

    def _bounded_kind(self, period: str, when: int, kind: int, kinds: Mapping[int, Kind]) -> int:
        known, most = self._in(period, 0, when), self._most[period]
        if kind not in known and len(known) >= most:
            source, _, cluster, namespace, _, priority = kinds[kind]
            kind = self._names.kind((source, OTHER, cluster, namespace, OTHER, priority))
            if kind not in known and len(known) >= 2 * most:
                kind = self._names.kind(_ALL_OTHER)
        known.add(kind)
        return kind

    def _add_slices(
        self,
        period: str,
        counts: Mapping[tuple[int, int], int],
        kinds: Mapping[int, Kind],
        *,
        in_place: bool,
    ) -> None:
        parts: Counter[tuple[int, _Slice]] = Counter()
        for (when, number), n in counts.items():
            kind = kinds[number]
            cluster, namespace = kind[2], kind[3]
            parts[when, (PLACE, "", cluster, namespace)] += n
            for name, dimension in ALONE.items():
                value = kind[_PART[name]]
                parts[when, (dimension, value, "", "")] += n
                if in_place:
                    parts[when, (dimension + IN_PLACE, value, cluster, namespace)] += n
        found: Counter[tuple[int, int, int]] = Counter()
        for (when, slice_), n in parts.items():
            found[slice_[0], when, self._bounded_slice(period, when, slice_)] += n
        self._connection.executemany(
            f"INSERT INTO {period}_by (dim, {period}, slice, n) VALUES (?, ?, ?, ?)"  # noqa: S608
            f" ON CONFLICT (dim, {period}, slice) DO UPDATE SET n = n + excluded.n",
            [(*place, n) for place, n in sorted(found.items())],
        )

    def _bounded_slice(self, period: str, when: int, slice_: _Slice) -> int:
        dimension, name, cluster, namespace = slice_
        known, most = self._in(period, dimension, when), self._most[period]
        number = self._names.slice(slice_)
        if number not in known and len(known) >= most:
            number = self._names.slice((dimension, name and OTHER, cluster, namespace))
            if number not in known and len(known) >= 2 * most:
                place = OTHER if cluster else ""
                number = self._names.slice((dimension, name and OTHER, place, place))
        known.add(number)
        return number

    def _in(self, period: str, dimension: int, when: int) -> set[int]:
        """What is counted apart already in a minute or hour; dimension 0 is kinds."""
        known = self._known.get((period, dimension, when))
        if known is None:
            sql, values = f"SELECT kind FROM per_{period} WHERE {period}=?", [when]  # noqa: S608
            if dimension:
                sql = f"SELECT slice FROM {period}_by WHERE {period}=? AND dim=?"  # noqa: S608
                values.append(dimension)
            known = {number for (number,) in self._connection.execute(sql, values)}
            if len(self._known) >= _PERIODS_KEPT:
                self._known.clear()
            self._known[period, dimension, when] = known
        return known
