"""Lists of the store's waivers: narrowed, ordered, counted by state."""

from __future__ import annotations

import datetime as dt
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, and_, case, func, or_, select

from haechi.errors import InputError, UsageError
from haechi.model.access import ANY, Reach
from haechi.store.records import Bucket, Page, StoredWaiver
from haechi.store.state.cursor import beyond, read_cursor, write_cursor
from haechi.store.state.plain import clean
from haechi.store.state.reach import reached
from haechi.store.state.schema import waiver
from haechi.store.state.waiver_rows import counts_of, to_waiver, w

MOST = 1_000
STATES = ("active", "expired", "revoked")
SORTS: dict[str, tuple[Any, ...]] = {"created": (w.n,), "expires": (w.expires, w.n)}
"""Orders, ascending: oldest, soonest first. ``-`` turns one round."""


class Narrowed(msgspec.Struct, frozen=True, kw_only=True):
    """Which waivers to list: with this text in what a person wrote or chose, and whose reach
    touches these clusters and namespaces (none: all)."""

    text: str = ""
    clusters: tuple[str, ...] = ()
    namespaces: tuple[str, ...] = ()


EVERY = Narrowed()


def waiver_page(
    connection: Connection,
    *,
    within: tuple[Reach, ...],
    state: str,
    narrowed: Narrowed,
    sort: str,
    limit: int,
    cursor: str | None,
    today: dt.date,
) -> Page[StoredWaiver]:
    """One part of the list; ``total`` comes with the first."""
    columns, backwards = _order(sort)
    question = ["waivers", within, state, narrowed, sort]
    where = and_(_listed(within, narrowed), _in_state(state, today))
    ask = select(waiver).where(where)
    if cursor is not None:
        after = read_cursor(question, cursor, [one.type.python_type for one in columns])
        ask = ask.where(beyond(columns, after, backwards=backwards))
    order = [one.desc() if backwards else one.asc() for one in columns]
    rows = connection.execute(ask.order_by(*order).limit(limit + 1)).all()
    counts = counts_of(connection, [row.id for row in rows])
    total = None
    if cursor is None:
        count = select(func.count()).select_from(waiver).where(where)
        total = connection.execute(count).scalar_one()
    following = None
    if len(rows) > limit:
        last = rows[limit - 1]
        following = write_cursor(question, [getattr(last, one.name) for one in columns])
    items = [to_waiver(row, today, counts.get(row.id, 0)) for row in rows[:limit]]
    return Page(items=items, next=following, total=total)


def waiver_states(
    connection: Connection, within: tuple[Reach, ...], narrowed: Narrowed, today: dt.date
) -> list[Bucket]:
    """How many are active, expired and revoked."""
    sums = [
        func.coalesce(func.sum(case((_in_state(state, today), 1), else_=0)), 0) for state in STATES
    ]
    ask = select(*sums).select_from(waiver).where(_listed(within, narrowed))
    counts = connection.execute(ask).one()
    return [Bucket(value=state, count=n) for state, n in zip(STATES, counts, strict=True)]


def _order(sort: str) -> tuple[tuple[Any, ...], bool]:
    name = sort.removeprefix("-")
    if not sort:
        return SORTS["created"], True
    if name not in SORTS:
        raise UsageError(
            f"there is no order {clean(name, 40)!r}",
            do=f"use one of {', '.join(SORTS)}, with '-' in front to turn it round",
            where="query.sort",
        )
    return SORTS[name], sort.startswith("-")


def _listed(within: tuple[Reach, ...], narrowed: Narrowed) -> ColumnElement[bool]:
    parts = [reached(within, w.cluster, w.namespace)]
    for column, names in ((w.cluster, narrowed.clusters), (w.namespace, narrowed.namespaces)):
        if names:
            parts.append(column.in_((ANY, *names)))
    words = clean(narrowed.text.strip(), 1_000).lower()
    if words:
        written = (w.id, w.rule, w.reason, w.owner, w.source, w.path, w.resource, w.created_by)
        holds = (func.lower(one).contains(words, autoescape=True) for one in written)
        parts.append(or_(*holds))
    return and_(*parts)


def _in_state(state: str, today: dt.date) -> Any:
    day = today.isoformat()
    conditions: dict[str, Any] = {
        "": w.n >= 0,
        "active": (w.revoked == 0) & (w.expires >= day),
        "expired": (w.revoked == 0) & (w.expires < day),
        "revoked": w.revoked > 0,
    }
    if state not in conditions:
        raise InputError(
            f"there is no state {clean(state, 40)!r} of a waiver",
            do="use active, expired or revoked",
            where="query.state",
        )
    return conditions[state]
