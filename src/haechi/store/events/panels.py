"""Counts over time, from the tallies alone: what panels and dials ask for.

A question about one name (and places) is answered from the counts of that name, which are few;
one that combines names from the counts by kind, which are exact as long as a minute or hour had
no more kinds than are counted apart.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Sequence
from typing import NamedTuple

from haechi.errors import UsageError
from haechi.model.access import EVERYWHERE, Reach
from haechi.store.events.names import Condition, condition, narrowed
from haechi.store.events.shapes import OTHER, EventFilter
from haechi.store.events.tallies import ALONE, IN_PLACE, PLACE
from haechi.store.records import Series

PLACES = ("cluster", "namespace")
BY = (*ALONE, *PLACES)
_POINTS = 5_000
_MINUTE, _HOUR = 60, 3600


class _Table(NamedTuple):
    """Which counts answer a question: table, its condition, and where the names stand."""

    counts: str
    only: str
    key: str
    names: str
    column: str
    narrow: Condition


def series(
    connection: sqlite3.Connection,
    *,
    since_s: int,
    until_s: int,
    step_s: int,
    by: str,
    ask: EventFilter,
    within: Sequence[Reach],
    minutes_from_s: int,
    lines: int,
) -> Series:
    """Counts for each step from the one that holds ``since_s`` to the one before ``until_s``.

    A step is a whole number of minutes, or of hours where only hours are kept (then the answer's
    ``step_s`` says so). The largest ``lines`` names have a line each, the rest is "(other)".
    """
    _check(ask, by)
    period = "hour" if step_s % _HOUR == 0 or since_s < minutes_from_s else "minute"
    unit = _HOUR if period == "hour" else _MINUTE
    step = -(-max(step_s, 1) // unit) * unit
    first = since_s // step
    points = max(0, -(-until_s // step) - first)
    if points > _POINTS:
        raise UsageError(f"{points} steps are more than {_POINTS}", do="ask for longer steps")
    found: dict[str, list[int]] = defaultdict(lambda: [0] * points)
    table = _table(period, by, ask, within)
    if table is not None:
        bounds = (step // unit, first * (step // unit), (first + points) * (step // unit))
        for place, name, n in connection.execute(_sql(period, table), (*bounds, *table.narrow[1])):
            found[name][place - first] += n
    return Series(
        step_s=step,
        start_s=[(first + place) * step for place in range(points)],
        lines=_largest(found, lines),
    )


def _table(period: str, by: str, ask: EventFilter, within: Sequence[Reach]) -> _Table | None:
    """The smallest counts that can tell."""
    combined = any(getattr(ask, name) for name in ALONE if name != by)
    everywhere = EVERYWHERE in within and not ask.cluster and not ask.namespace
    wanted = {place: getattr(ask, place) for place in PLACES}
    if combined or (by in ALONE and period == "minute" and not everywhere):
        narrow = narrowed(ask, within)
        return narrow and _Table(f"per_{period}", "1=1", "kind", "kind", by, narrow)
    if by in PLACES:
        dimension, column = PLACE, by
    else:
        dimension, column = ALONE[by] + (0 if everywhere else IN_PLACE), "value"
        wanted["value"] = getattr(ask, by)
    narrow = condition(wanted, within)
    return narrow and _Table(
        f"{period}_by", f"t.dim={dimension:d}", "slice", "slice", column, narrow
    )


def _sql(period: str, table: _Table) -> str:
    counts, only, key, names, column, (narrow, _) = table
    some = f"AND t.{key} IN (SELECT id FROM {names} WHERE {narrow})" if narrow != "1=1" else ""  # noqa: S608
    # summed by number first: names are looked up once a group, not once a row
    return f"""SELECT place, k.{column}, n FROM (
        SELECT t.{period} / ? AS place, t.{key} AS number, sum(t.n) AS n FROM {counts} t
        WHERE {only} AND t.{period} >= ? AND t.{period} < ? {some} GROUP BY 1, 2)
      JOIN {names} k ON k.id = number"""  # noqa: S608


def counts(
    connection: sqlite3.Connection,
    since_s: int,
    until_s: int,
    *,
    within: Sequence[Reach],
    minutes_from_s: int,
) -> int:
    """Events from ``since_s`` to ``until_s`` (whole minutes; whole hours where only those are
    kept)."""
    narrow = condition({}, within)
    if narrow is None or since_s >= until_s:
        return 0
    old = since_s < minutes_from_s
    low = since_s // _HOUR if old else -(-since_s // _HOUR)
    high = until_s // _HOUR
    parts = [("hour", low, high)]
    if not old:
        parts.append(("minute", since_s // _MINUTE, -(-min(low * _HOUR, until_s) // _MINUTE)))
    if low <= high:
        parts.append(("minute", high * 60, -(-until_s // _MINUTE)))
    total = 0
    for period, start, end in parts:
        sql = f"""SELECT coalesce(sum(n), 0) FROM {period}_by WHERE dim = {PLACE:d}
          AND {period} >= ? AND {period} < ?
          AND slice IN (SELECT id FROM slice WHERE dim = {PLACE:d} AND {narrow[0]})"""  # noqa: S608
        total += connection.execute(sql, (start, end, *narrow[1])).fetchone()[0]
    return total


def hours(
    connection: sqlite3.Connection,
    first: int,
    last: int,
    ask: EventFilter,
    within: Sequence[Reach],
) -> dict[int, int]:
    """The hours from ``first`` to ``last`` in which there may be events that match, with at most
    how many. Each part of the question is looked up by itself."""
    found: dict[int, int] | None = None
    places = condition({place: _or_other(getattr(ask, place)) for place in PLACES}, _wider(within))
    asks = [(PLACE, places)]
    asks += [
        (dimension, condition({"value": _or_other(getattr(ask, name))}, (EVERYWHERE,)))
        for name, dimension in ALONE.items()
        if getattr(ask, name)
    ]
    for dimension, narrow in asks:
        if narrow is None:
            return {}
        some = f"AND slice IN (SELECT id FROM slice WHERE {narrow[0]})" if narrow[1] else ""  # noqa: S608
        sql = f"""SELECT hour, sum(n) FROM hour_by WHERE dim = {dimension:d}
          AND hour BETWEEN ? AND ? {some} GROUP BY hour"""  # noqa: S608
        part = dict(connection.execute(sql, (first, last, *narrow[1])).fetchall())
        found = (
            part if found is None else {h: min(n, part[h]) for h, n in found.items() if h in part}
        )
    return found or {}


def _or_other(names: list[str]) -> list[str]:
    return [*names, OTHER] if names else []


def _wider(within: Sequence[Reach]) -> Sequence[Reach]:
    """With the place of what is counted under "(other)": there may be something of theirs."""
    return [*within, Reach(cluster=OTHER)] if within else []


def _check(ask: EventFilter, by: str) -> None:
    if by not in BY:
        raise UsageError(f"`by` is none of {', '.join(BY)}")
    if ask.text or ask.resource:
        raise UsageError(
            "counts are not kept by text or resource", do="search the events for these"
        )


def _largest(found: dict[str, list[int]], lines: int) -> dict[str, list[int]]:
    order = sorted(found, key=lambda name: (-sum(found[name]), name))
    kept = {name: found[name] for name in order[:lines]}
    rest = [found[name] for name in order[lines:]]
    if rest:
        rest += [kept[OTHER]] if OTHER in kept else []
        kept[OTHER] = [sum(column) for column in zip(*rest, strict=True)]
    return kept
