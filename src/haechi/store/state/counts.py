"""Counts over findings: totals, facets, groups.

Each facet ignores its own part of the filter, which by SQL alone means a walk for each. Instead
one walk over an index groups by all facets at once, and the facets are sums over that cube. It
is kept until the next commit, so turning filters on and off costs no database at all.
"""

from __future__ import annotations

import datetime as dt
import threading
from collections import Counter, OrderedDict
from typing import Any, NamedTuple

from sqlalchemy import case, func, select

from haechi.errors import UsageError
from haechi.model.access import Reach
from haechi.store.records import Bucket, FindingFilter, Life, Page
from haechi.store.state.cursor import beyond, read_cursor, write_cursor
from haechi.store.state.engine import Database
from haechi.store.state.filters import FACETS, condition, facet_values, overdue
from haechi.store.state.plain import clean, to_json
from haechi.store.state.rows import SEVERITIES
from haechi.store.state.schema import finding as f

GROUPS = {
    "rule": f.c.title,
    "resource": f.c.label,
    "path": f.c.path,
    "owner": f.c.owner,
    "source": f.c.source,
    "namespace": f.c.namespace,
}
"""What findings are grouped by, and where the group's label is taken from."""

_KEPT_CUBES = 6
_LARGEST_KEPT = 20_000
_MOST_BUCKETS = 500


class _Cell(NamedTuple):
    values: tuple[Any, ...]  # in the order of FACETS
    number: int
    late: int


class Counts:
    """Of one database; thread-safe."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._cubes: OrderedDict[str, tuple[int, list[_Cell]]] = OrderedDict()

    def total(self, ask: FindingFilter, within: tuple[Reach, ...], today: dt.date) -> int:
        """How many match."""
        query = select(func.count()).select_from(f).where(condition(ask, within, today))
        with self._database.read() as connection:
            return int(connection.execute(query).scalar_one())

    def facets(
        self, ask: FindingFilter, within: tuple[Reach, ...], today: dt.date
    ) -> tuple[int, int, dict[str, list[Bucket]]]:
        """Total, overdue, buckets by facet."""
        narrowed = [facet_values(ask, name) for name in FACETS]
        sums: list[Counter[Any]] = [Counter() for _ in FACETS]
        total = late = 0
        for values, count, overdue_ in self._cube(ask, within, today):
            missed = [
                place
                for place, allowed in enumerate(narrowed)
                if allowed is not None and values[place] not in allowed
            ]
            if not missed:
                total += count
                late += overdue_
                for place, value in enumerate(values):
                    sums[place][value] += count
            elif len(missed) == 1:
                sums[missed[0]][values[missed[0]]] += count
        return total, late, {name: _buckets(name, sums[i]) for i, name in enumerate(FACETS)}

    def groups(
        self,
        by: str,
        ask: FindingFilter,
        within: tuple[Reach, ...],
        limit: int,
        cursor: str | None,
        today: dt.date,
    ) -> Page[Bucket]:
        """One part of the groups, worst and largest first."""
        if by not in GROUPS:
            raise UsageError(
                f"findings cannot be grouped by {clean(by, 40)!r}",
                do=f"use one of {', '.join(GROUPS)}",
                where="query.by",
            )
        question = ["groups", by, ask, within]
        grouped = (
            select(
                func.min(f.c.severity).label("worst"),
                (-func.count()).label("fewer"),
                f.c[by].label("value"),
                func.max(GROUPS[by]).label("label"),
            )
            .where(condition(ask, within, today))
            .group_by(f.c[by])
            .subquery()
        )
        columns = [grouped.c.worst, grouped.c.fewer, grouped.c.value]
        query = select(*columns, grouped.c.label).order_by(*columns).limit(limit + 1)
        if cursor is not None:
            after = read_cursor(question, cursor, (int, int, str))
            query = query.where(beyond(columns, after, backwards=False))
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        items = [
            Bucket(value=row.value, count=-row.fewer, worst=SEVERITIES[row.worst], label=row.label)
            for row in rows[:limit]
        ]
        following = write_cursor(question, rows[limit - 1][:3]) if len(rows) > limit else None
        return Page(items=items, next=following)

    def _cube(self, ask: FindingFilter, within: tuple[Reach, ...], today: dt.date) -> list[_Cell]:
        """Counts by all facets together, of what the rest of the filter lets through."""
        rest = FindingFilter(
            resource=ask.resource,
            tag=ask.tag,
            fingerprint=ask.fingerprint,
            path=ask.path,
            text=ask.text,
            overdue=ask.overdue,
            other_refs=ask.other_refs,
        )
        key = to_json([rest, within, today])
        generation = self._database.generation
        with self._lock:
            kept = self._cubes.get(key)
            if kept is not None and kept[0] == generation:
                self._cubes.move_to_end(key)
                return kept[1]
        columns = [f.c[name] for name in FACETS]
        query = (
            select(*columns, func.count(), func.sum(case((overdue(today), 1), else_=0)))
            .where(condition(rest, within, today, without=FACETS))
            .group_by(*columns)
        )
        with self._database.read() as connection:
            rows = connection.execute(query).all()
        cells = [_Cell(tuple(row[:-2]), row[-2], row[-1]) for row in rows]
        if len(cells) > _LARGEST_KEPT:
            return cells
        with self._lock:
            self._cubes[key] = (generation, cells)
            self._cubes.move_to_end(key)
            while len(self._cubes) > _KEPT_CUBES:
                self._cubes.popitem(last=False)
        return cells


def _buckets(name: str, sums: Counter[Any]) -> list[Bucket]:
    """Severities and states in their own order, else the largest first."""
    if name == "severity":
        return [Bucket(value=SEVERITIES[rank].value, count=sums[rank]) for rank in sorted(sums)]
    if name == "state":
        return [Bucket(value=state.value, count=sums[state]) for state in Life if sums[state]]
    largest = sorted(sums.items(), key=lambda pair: (-pair[1], pair[0]))
    return [Bucket(value=value, count=count) for value, count in largest[:_MOST_BUCKETS]]
