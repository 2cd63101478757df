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
from collections import defaultdict
from collections.abc import Mapping

from haechi.store.events.encoding import Kind
from haechi.store.events.names import Names
from haechi.store.events.rows import Rows
from haechi.store.events.shapes import OTHER, Options

MINUTE_NS = 60 * 10**9
ALONE = {"rule": 1, "priority": 2, "source": 3, "type": 4}
"""Dimensions of a name alone; in a place they are ten more."""
IN_PLACE = 10
PLACE = 20
_PERIODS_KEPT = 2_048
_KINDS_KEPT = 50_000
_ALL_OTHER: Kind = (OTHER, OTHER, OTHER, OTHER, OTHER, "")
_KINDS = 0
"""Among the dimensions: full kinds, which are counted in tables of their own."""
_IN_MINUTES = (PLACE, *ALONE.values())
_IN_HOURS = (*_IN_MINUTES, *(dimension + IN_PLACE for dimension in ALONE.values()))
_Slice = tuple[int, str, str, str]
"""(dimension, name, cluster, namespace)."""
_Counts = dict[int, int]
"""By the number of a kind or a slice."""
_Sums = list[_Counts]
_PER = {
    period: Rows(
        f"INSERT INTO per_{period} ({period}, kind, n) VALUES",
        3,
        f"ON CONFLICT ({period}, kind) DO UPDATE SET n = n + excluded.n",
    )
    for period in ("minute", "hour")
}
_BY = {
    period: Rows(
        f"INSERT INTO {period}_by (dim, {period}, slice, n) VALUES",
        4,
        f"ON CONFLICT (dim, {period}, slice) DO UPDATE SET n = n + excluded.n",
    )
    for period in ("minute", "hour")
}


class Tallies:
    """The writer's side."""

    def __init__(self, connection: sqlite3.Connection, names: Names, options: Options) -> None:
        self._connection, self._names = connection, names
        self._most = {"minute": options.kinds_a_minute, "hour": options.kinds_an_hour}
        self._known: dict[tuple[str, int, int], set[int]] = {}
        self._kinds: dict[int, Kind] = {}
        self._slices: dict[int, tuple[int, ...]] = {}
        """The slices of a kind, in the order of _IN_HOURS."""
        self._others: dict[tuple[int, int], tuple[int, int]] = {}
        self.overflowed = 0
        """Events whose kind was counted under "(other)" in its minute, since the start."""

    def forget(self) -> None:
        """After names were swept away."""
        for kept in (self._known, self._kinds, self._slices, self._others):
            kept.clear()

    def add(self, counts: Mapping[tuple[int, int], int], kinds: Mapping[int, Kind]) -> None:
        """Add counts by (minute, kind's number); ``kinds`` has the kinds of those numbers."""
        if len(self._kinds) >= _KINDS_KEPT:
            self.forget()
        self._kinds |= kinds
        minutes: defaultdict[int, _Counts] = defaultdict(dict)
        for (minute, kind), n in counts.items():
            minutes[minute][kind] = n
        hours: defaultdict[int, list[_Sums]] = defaultdict(list)
        for minute, some in minutes.items():
            sums = [some, *self._sliced(some)]
            hours[minute // 60].append(sums)
            self._write("minute", minute, sums[: 1 + len(_IN_MINUTES)])
        for hour, its in hours.items():
            self._write("hour", hour, its[0] if len(its) == 1 else list(map(_sum, *its)))

    def _sliced(self, counts: _Counts) -> _Sums:
        """The same counts by slice, for each of _IN_HOURS."""
        sums: _Sums = [{} for _ in _IN_HOURS]
        known = self._slices
        for kind, n in counts.items():
            slices = known.get(kind) or self._slices_of(kind)
            for sum_, slice_ in zip(sums, slices, strict=True):
                sum_[slice_] = sum_.get(slice_, 0) + n
        return sums

    def _slices_of(self, number: int) -> tuple[int, ...]:
        source, type_, cluster, namespace, rule, priority = self._kinds[number]
        names = dict(zip(ALONE.values(), (rule, priority, source, type_), strict=True))
        found = self._slices[number] = (
            self._names.slice((PLACE, "", cluster, namespace)),
            *(self._names.slice((dim, name, "", "")) for dim, name in names.items()),
            *(
                self._names.slice((dim + IN_PLACE, name, cluster, namespace))
                for dim, name in names.items()
            ),
        )
        return found

    def _write(self, period: str, when: int, sums: _Sums) -> None:
        """Add the counts by kind (the first of them) and by slice."""
        counts = sums[0]
        kinds = self._bounded(period, _KINDS, when, counts)
        if period == "minute" and kinds is not counts:
            self.overflowed += sum(n for kind, n in counts.items() if kind not in kinds)
        rows = [(when, kind, n) for kind, n in sorted(kinds.items())]
        _PER[period].insert(self._connection, rows)
        slices = [
            (dimension, when, slice_, n)
            for dimension, some in zip(_IN_HOURS, sums[1:], strict=False)
            for slice_, n in self._bounded(period, dimension, when, some).items()
        ]
        _BY[period].insert(self._connection, sorted(slices))

    def _bounded(self, period: str, dimension: int, when: int, counts: _Counts) -> _Counts:
        """The counts, with what is too much for this minute or hour under "(other)"."""
        known, most = self._in(period, dimension, when), self._most[period]
        if len(known) + len(counts) <= most or len(known | counts.keys()) <= most:
            known |= counts.keys()
            return counts
        found: _Counts = {}
        for number, n in counts.items():
            if number not in known:
                if len(known) >= most:
                    number, last = self._other(dimension, number)
                    if number not in known and len(known) >= 2 * most:
                        number = last
                known.add(number)
            found[number] = found.get(number, 0) + n
        return found

    def _other(self, dimension: int, number: int) -> tuple[int, int]:
        """Where a kind or slice goes that is one too many, and where if those are too many."""
        found = self._others.get((dimension, number))
        if found is None:
            made = self._other_kinds if dimension == _KINDS else self._other_slices
            found = self._others[dimension, number] = made(number)
        return found

    def _other_kinds(self, number: int) -> tuple[int, int]:
        source, _, cluster, namespace, _, priority = self._kinds[number]
        other = (source, OTHER, cluster, namespace, OTHER, priority)
        return self._names.kind(other), self._names.kind(_ALL_OTHER)

    def _other_slices(self, number: int) -> tuple[int, int]:
        dimension, name, cluster, namespace = self._names.slice_of(number)
        place = OTHER if cluster else ""
        return (
            self._names.slice((dimension, name and OTHER, cluster, namespace)),
            self._names.slice((dimension, name and OTHER, place, place)),
        )

    def _in(self, period: str, dimension: int, when: int) -> set[int]:
        """What is counted apart already in a minute or hour."""
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


def _sum(*parts: _Counts) -> _Counts:
    found = dict(parts[0])
    for part in parts[1:]:
        for number, n in part.items():
            found[number] = found.get(number, 0) + n
    return found
