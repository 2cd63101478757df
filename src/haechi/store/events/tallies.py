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
from collections import Counter, defaultdict
from collections.abc import Mapping

from haechi.store.events.encoding import Kind
from haechi.store.events.names import Names
from haechi.store.events.shapes import OTHER, Options

MINUTE_NS = 60 * 10**9
ALONE = {"rule": 1, "priority": 2, "source": 3, "type": 4}
"""Dimensions of a name alone; in a place they are ten more."""
IN_PLACE = 10
PLACE = 20
_DIMENSIONS = (PLACE, *ALONE.values())
_Places = dict[tuple[str, str], list[defaultdict[str, int]]]
"""Counts of each (cluster, namespace): as a whole under "", then by the names of ALONE."""
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
        by_minute: dict[int, _Places] = {}
        for (minute, number), n in counts.items():
            hours[minute // 60, number] += n
            places = by_minute.get(minute)
            if places is None:
                places = by_minute[minute] = {}
            source, type_, cluster, namespace, rule, priority = kinds[number]
            place = places.get((cluster, namespace))
            if place is None:
                place = places[cluster, namespace] = [defaultdict(int) for _ in _DIMENSIONS]
            place[0][""] += n
            place[1][rule] += n
            place[2][priority] += n
            place[3][source] += n
            place[4][type_] += n
        self._add_kinds("minute", counts, kinds)
        self._add_kinds("hour", hours, kinds)
        for minute, places in by_minute.items():
            self._add_slices("minute", minute, places)
        for hour, some in _by_hour(by_minute).items():
            self._add_slices("hour", hour, some)

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

    def _add_slices(self, period: str, when: int, places: _Places) -> None:
        found: Counter[tuple[int, int, int]] = Counter()
        alone: list[defaultdict[str, int]] = [defaultdict(int) for _ in _DIMENSIONS]
        for (cluster, namespace), parts in places.items():
            slice_ = (PLACE, "", cluster, namespace)
            found[PLACE, when, self._bounded_slice(period, when, slice_)] += parts[0][""]
            for dimension in (1, 2, 3, 4):
                for value, n in parts[dimension].items():
                    alone[dimension][value] += n
                    if period == "hour":
                        slice_ = (dimension + IN_PLACE, value, cluster, namespace)
                        number = self._bounded_slice(period, when, slice_)
                        found[slice_[0], when, number] += n
        for dimension in (1, 2, 3, 4):
            for value, n in alone[dimension].items():
                number = self._bounded_slice(period, when, (dimension, value, "", ""))
                found[dimension, when, number] += n
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


def _by_hour(minutes: dict[int, _Places]) -> dict[int, _Places]:
    """The same counts by hours."""
    found: dict[int, _Places] = {}
    for minute, places in minutes.items():
        if len(minutes) == 1:
            return {minute // 60: places}
        hour = found.setdefault(minute // 60, {})
        for place, parts in places.items():
            sums = hour.setdefault(place, [defaultdict(int) for _ in _DIMENSIONS])
            for sum_, part in zip(sums, parts, strict=True):
                for value, n in part.items():
                    sum_[value] += n
    return found
