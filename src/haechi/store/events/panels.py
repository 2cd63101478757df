"""Counts over time, from the tallies alone: what panels and dials ask for."""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Sequence

from haechi.errors import UsageError
from haechi.model.access import Reach
from haechi.store.events.names import narrowed
from haechi.store.events.shapes import OTHER, EventFilter
from haechi.store.records import Series

BY = ("rule", "priority", "source", "namespace", "type", "cluster")
_POINTS = 5_000
_MINUTE, _HOUR = 60, 3600


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
    hourly = step_s % _HOUR == 0 or since_s < minutes_from_s
    unit = _HOUR if hourly else _MINUTE
    step = -(-max(step_s, 1) // unit) * unit
    first = since_s // step
    points = max(0, -(-until_s // step) - first)
    if points > _POINTS:
        raise UsageError(f"{points} steps are more than {_POINTS}", do="ask for longer steps")
    found: dict[str, list[int]] = defaultdict(lambda: [0] * points)
    for place, name, n in _rows(connection, hourly, by, ask, within, first, points, step, unit):
        found[name][place - first] += n
    return Series(
        step_s=step,
        start_s=[(first + place) * step for place in range(points)],
        lines=_largest(found, lines),
    )


def _rows(
    connection: sqlite3.Connection,
    hourly: bool,
    by: str,
    ask: EventFilter,
    within: Sequence[Reach],
    first: int,
    points: int,
    step: int,
    unit: int,
) -> list[tuple[int, str, int]]:
    kinds = narrowed(ask, within)
    if kinds is None:
        return []
    table, column = ("per_hour", "hour") if hourly else ("per_minute", "minute")
    width = step // unit
    narrowing = f"AND t.kind IN (SELECT id FROM kind WHERE {kinds[0]})"  # noqa: S608
    # summed by number first: names are looked up once a group, not once a row
    sql = f"""SELECT place, k.{by}, n FROM (
        SELECT t.{column} / ? AS place, t.kind AS kind, sum(t.n) AS n FROM {table} t
        WHERE t.{column} >= ? AND t.{column} < ? {narrowing if kinds[0] != "1=1" else ""}
        GROUP BY 1, 2) JOIN kind k ON k.id = kind"""  # noqa: S608
    bounds = (width, first * width, (first + points) * width)
    return connection.execute(sql, (*bounds, *kinds[1])).fetchall()


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
    kinds = narrowed(EventFilter(), within)
    if kinds is None or since_s >= until_s:
        return 0
    seam = -(-max(since_s, minutes_from_s) // _HOUR)
    last = until_s // _HOUR
    parts = [("per_hour", "hour", since_s // _HOUR if since_s < minutes_from_s else seam, last)]
    if since_s >= minutes_from_s:
        early = min(seam * _HOUR, until_s)
        parts.append(("per_minute", "minute", since_s // _MINUTE, -(-early // _MINUTE)))
    late = max(last * _HOUR, since_s if since_s >= minutes_from_s else 0)
    if late < until_s and seam <= last:
        parts.append(("per_minute", "minute", late // _MINUTE, -(-until_s // _MINUTE)))
    total = 0
    for table, column, low, high in parts:
        sql = f"""SELECT coalesce(sum(n), 0) FROM {table} WHERE {column} >= ? AND {column} < ?
          AND ({int(kinds[0] == "1=1")} OR kind IN (SELECT id FROM kind WHERE {kinds[0]}))"""  # noqa: S608
        total += connection.execute(sql, (low, high, *kinds[1])).fetchone()[0]
    return total


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
