"""Lists of incidents as SQL: the filter, the orders, the counts by facet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, func, or_, select

from haechi.errors import UsageError
from haechi.model.access import Reach
from haechi.model.incident import IncidentState
from haechi.store.records import Bucket
from haechi.store.state.incident_tables import incident as table
from haechi.store.state.incident_tables import incident_detection
from haechi.store.state.incidents_records import LEVELS, IncidentFilter
from haechi.store.state.plain import clean
from haechi.store.state.reach import reached

i, d = table.c, incident_detection.c
SORTS: dict[str, tuple[Any, ...]] = {
    "rank": (i.rank, i.n),
    "opened": (i.opened, i.n),
    "changed": (i.changed, i.n),
    "last_seen": (i.last_ns, i.n),
    "detections": (i.detections, i.n),
}
"""Orders, ascending; ``-`` turns one round. Without a word: the worst first."""
FACETS = ("state", "level", "cluster", "namespace", "owner")
_MOST_BUCKETS, _MOST_VALUES, _LONGEST = 200, 1_000, 1_000


def order_of(sort: str) -> tuple[tuple[Any, ...], bool]:
    if not sort:
        return SORTS["rank"], True
    name, backwards = sort.removeprefix("-"), sort.startswith("-")
    if name not in SORTS:
        raise UsageError(
            f"{clean(sort, 40)!r} is no order of incidents",
            do=f"one of {', '.join(SORTS)}, with - before it the other way round",
            where="query.sort",
        )
    return SORTS[name], backwards


def condition(
    ask: IncidentFilter, within: tuple[Reach, ...], without: str = ""
) -> ColumnElement[bool]:
    parts: list[ColumnElement[bool]] = [reached(within, i.cluster, i.namespace)]
    if without != "state":
        parts.append(_states(ask.state))
    if ask.level and without != "level":
        parts.append(i.level.in_([int(LEVELS[_level(one)]) for one in ask.level]))
    for name in ("cluster", "namespace", "owner"):
        values = getattr(ask, name)
        if values and name != without:
            parts.append(i[name].in_(_values(values)))
    if ask.resource:
        parts.append(i.resource.in_(_values(ask.resource)))
    if ask.rule:
        having = select(d.incident).where(d.rule.in_(_values(ask.rule)))
        parts.append(i.n.in_(having))
    for word in clean(ask.text, _LONGEST).casefold().split()[:20]:
        # Not LIKE: it costs twice as much, and its signs would have to be escaped.
        held = func.instr(i.folded, word) > 0
        parts.append(or_(held, func.instr(func.lower(i.owner), word) > 0))
    return and_(*parts)


def _states(states: list[IncidentState]) -> ColumnElement[bool]:
    if not states:
        return i.closed_flag == 0
    named = i.state.in_(sorted({one.value for one in states}))
    if not any(one.closed for one in states):
        return and_(i.closed_flag == 0, named)
    return named


def _level(word: str) -> str:
    if word not in LEVELS:
        raise UsageError(
            f"{clean(word, 40)!r} is no level",
            do=f"one of {', '.join(LEVELS)}",
            where="query.level",
        )
    return word


def _values(values: list[str]) -> list[str]:
    if len(values) > _MOST_VALUES:
        raise UsageError(f"more than {_MOST_VALUES} values", do="ask in parts", where="query")
    return [clean(one, _LONGEST) for one in values]


def shared(
    connection: Connection, ask: IncidentFilter, within: tuple[Reach, ...]
) -> tuple[int, dict[str, list[Bucket]]]:
    """How many match, and the facets that the filter does not narrow: they see the same rows, so
    those are counted in one walk over the index that has them all."""
    columns = [i[name] for name in FACETS]
    number = func.count()
    query = select(*columns, number).where(condition(ask, within)).group_by(*columns)
    counts: dict[str, Counter[Any]] = {name: Counter() for name in FACETS}
    total = 0
    for *values, count in connection.execute(query):
        total += count
        for name, value in zip(FACETS, values, strict=True):
            counts[name][value] += count
    free = [name for name in FACETS if name != "state" and not getattr(ask, name)]
    return total, {name: _buckets(name, counts[name].items()) for name in free}


def facet(
    connection: Connection, ask: IncidentFilter, within: tuple[Reach, ...], name: str
) -> list[Bucket]:
    column, number = i[name], func.count()
    query = select(column, number).where(condition(ask, within, without=name)).group_by(column)
    return _buckets(name, [(value, count) for value, count in connection.execute(query)])


def _buckets(name: str, pairs: Iterable[tuple[Any, int]]) -> list[Bucket]:
    words = {int(level): word for word, level in LEVELS.items()}
    ranked = sorted(pairs, key=lambda pair: (-pair[1], str(pair[0])))
    return [
        Bucket(value=words[value] if name == "level" else value, count=count)
        for value, count in ranked[:_MOST_BUCKETS]
    ]
