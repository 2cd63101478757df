"""Counts over findings: totals, facets, groups.

Each facet ignores its own part of the filter. Facets that are not narrowed see the same rows, so
those that lie together at the beginning of an index are counted in one walk; every other one is a
walk of its own over an index that has all facets (measured: a group over all eight columns at
once costs six times as much).
Answers are kept until the next commit.
"""

from __future__ import annotations

import datetime as dt
import threading
from collections import Counter, OrderedDict
from typing import Any

from sqlalchemy import ColumnElement, Connection, case, func, select

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
_IN_NO_INDEX = frozenset({"resource", "path"})

_KEPT = 64
_FEW_ROWS = 2_000
_WALKS = (("severity", "owner"), ("source", "cluster"))
"""Facets that follow the state in an index: counted in its order, nothing is sorted."""
_MOST_BUCKETS = 500

Facets = tuple[int, int, dict[str, list[Bucket]]]


class Counts:
    """Of one database; thread-safe."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, tuple[int, Facets]] = OrderedDict()

    def total(self, ask: FindingFilter, within: tuple[Reach, ...], today: dt.date) -> int:
        """How many match."""
        query = select(func.count()).select_from(f).where(condition(ask, within, today))
        with self._database.read() as connection:
            return int(connection.execute(query).scalar_one())

    def facets(self, ask: FindingFilter, within: tuple[Reach, ...], today: dt.date) -> Facets:
        """Total, overdue, buckets by facet."""
        key, generation = to_json([ask, within, today]), self._database.generation
        with self._lock:
            kept = self._kept.get(key)
            if kept is not None and kept[0] == generation:
                self._kept.move_to_end(key)
                return kept[1]
        with self._database.read() as connection:
            found = _count(connection, ask, within, today)
        with self._lock:
            self._kept[key] = (generation, found)
            self._kept.move_to_end(key)
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return found

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
        whole = by in _IN_NO_INDEX
        value = f.c[by].concat("") if whole else f.c[by]
        grouped = (
            select(
                func.min(f.c.severity).label("worst"),
                (-func.count()).label("fewer"),
                value.label("value"),
                func.max(f.c.n).label("newest"),
            )
            .where(condition(ask, within, today, whole=whole))
            .group_by(value)
            .subquery()
        )
        columns = [grouped.c.worst, grouped.c.fewer, grouped.c.value]
        query = select(*columns, grouped.c.newest).order_by(*columns).limit(limit + 1)
        if cursor is not None:
            after = read_cursor(question, cursor, (int, int, str))
            query = query.where(beyond(columns, after, backwards=False))
        with self._database.read() as connection:
            rows = connection.execute(query).all()
            shown = select(f.c.n, GROUPS[by]).where(f.c.n.in_([row.newest for row in rows[:limit]]))
            labels: dict[int, str] = dict(connection.execute(shown).all())
        items = [
            Bucket(
                value=row.value,
                count=-row.fewer,
                worst=SEVERITIES[row.worst],
                label=labels[row.newest],
            )
            for row in rows[:limit]
        ]
        following = write_cursor(question, rows[limit - 1][:3]) if len(rows) > limit else None
        return Page(items=items, next=following)


def _count(
    connection: Connection, ask: FindingFilter, within: tuple[Reach, ...], today: dt.date
) -> Facets:
    narrowed = [name for name in FACETS if facet_values(ask, name) is not None]
    held = _holding(connection, ask, within, today) if ask.text.strip() else None
    every = condition(ask, within, today, holding=held)
    sums: dict[str, Counter[Any]] = {
        name: _by(connection, name, condition(ask, within, today, without=(name,), holding=held))
        for name in narrowed
    }
    total = late = 0
    for names in _WALKS:
        few = [name for name in names if name not in narrowed]
        if few or not total:
            total, late = _together(connection, few, every, today, sums)
    for name in FACETS:
        if name not in sums:
            sums[name] = _by(connection, name, every)
    return total, late, {name: _buckets(name, sums[name]) for name in FACETS}


def _holding(
    connection: Connection, ask: FindingFilter, within: tuple[Reach, ...], today: dt.date
) -> list[int] | None:
    """The rows that hold the text, when they are few: it is searched once then, not for each
    facet."""
    query = select(f.c.n).where(condition(ask, within, today, without=FACETS))
    found = connection.execute(query.limit(_FEW_ROWS + 1)).scalars().all()
    return list(found) if len(found) <= _FEW_ROWS else None


def _by(connection: Connection, name: str, where: ColumnElement[bool]) -> Counter[Any]:
    # Live ones and fixed ones lie apart in the index: with both, states come in its order.
    by = (f.c.live, f.c.state) if name == "state" else (f.c[name],)
    query = select(f.c[name], func.count()).where(where).group_by(*by)
    return Counter(dict(connection.execute(query).all()))


def _together(
    connection: Connection,
    names: list[str],
    where: ColumnElement[bool],
    today: dt.date,
    sums: dict[str, Counter[Any]],
) -> tuple[int, int]:
    """Count these facets in one walk, and all rows, and the overdue ones. By state, too, because
    the index begins with it."""
    columns = [f.c[name] for name in names]
    late = func.sum(case((overdue(today), 1), else_=0))
    query = select(*columns, func.count(), func.coalesce(late, 0)).where(where)
    query = query.group_by(f.c.state, *columns)
    sums |= {name: Counter() for name in names}
    total = overdue_ = 0
    for *values, number, late_number in connection.execute(query):
        total += number
        overdue_ += late_number
        for name, value in zip(names, values, strict=True):
            sums[name][value] += number
    return total, overdue_


def _buckets(name: str, sums: Counter[Any]) -> list[Bucket]:
    """Severities and states in their own order, else the largest first."""
    if name == "severity":
        return [Bucket(value=SEVERITIES[rank].value, count=sums[rank]) for rank in sorted(sums)]
    if name == "state":
        return [Bucket(value=state.value, count=sums[state]) for state in Life if sums[state]]
    largest = sorted(sums.items(), key=lambda pair: (-pair[1], pair[0]))
    return [Bucket(value=value, count=count) for value, count in largest[:_MOST_BUCKETS]]
