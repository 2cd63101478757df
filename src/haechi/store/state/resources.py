"""Resources: what there is, how it hangs together, what was found in it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from msgspec.structs import replace
from sqlalchemy import Connection, func, or_, select, tuple_

from haechi.errors import NotFound
from haechi.model.access import Reach
from haechi.store.records import (
    Attribute,
    Bucket,
    Edge,
    Life,
    Page,
    ResourceDetail,
    StoredResource,
)
from haechi.store.state.bulk import parts
from haechi.store.state.cursor import beyond, read_cursor, write_cursor
from haechi.store.state.engine import Database
from haechi.store.state.lineage import lineage
from haechi.store.state.plain import clean, from_json
from haechi.store.state.reach import reached
from haechi.store.state.rows import SEVERITIES
from haechi.store.state.schema import attribute, edge, resource
from haechi.store.state.schema import finding as f
from haechi.store.state.times import from_us

r = resource.c
_MOST = 1_000
_MOST_EDGES = 500
_MOST_FACTS = 500


class Resources:
    """Of the branches that count. All methods narrow to ``within``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def page(
        self,
        *,
        within: tuple[Reach, ...],
        kind: str = "",
        text: str = "",
        source: str = "",
        limit: int = 100,
        cursor: str | None = None,
        skip: int = 0,
    ) -> Page[StoredResource]:
        """By kind and name; what is gone is left out. ``text`` is part of a name or key.
        ``skip`` rows after the cursor or the beginning are left out."""
        limit = max(1, min(limit, _MOST))
        question = ["resources", within, kind, text, source]
        where = [r.is_default == 1, r.gone == 0, reached(within, r.cluster, r.namespace)]
        if kind:
            where.append(r.kind == kind)
        if source:
            where.append(r.source == source)
        if text.strip():
            words = clean(text.strip(), 1_000).lower()
            where.append(
                or_(*(func.lower(c).contains(words, autoescape=True) for c in (r.name, r.key)))
            )
        columns = (r.kind, r.name, r.n)
        ask = select(resource).where(*where)
        if cursor is not None:
            after = read_cursor(question, cursor, (str, str, int))
            ask = ask.where(beyond(columns, after, backwards=False))
        with self._database.read() as connection:
            rows = connection.execute(ask.order_by(*columns).limit(limit + 1).offset(skip)).all()
            items = _records(connection, rows[:limit])
            total = None
            if cursor is None:
                count = select(func.count()).select_from(resource).where(*where)
                total = connection.execute(count).scalar_one()
        following = None
        if len(rows) > limit:
            last = rows[limit - 1]
            following = write_cursor(question, [last.kind, last.name, last.n])
        return Page(items=items, next=following, total=total)

    def kinds(self, *, within: tuple[Reach, ...]) -> list[Bucket]:
        """How many there are of each kind, the most first."""
        ask = (
            select(r.kind, func.count())
            .where(r.is_default == 1, r.gone == 0, reached(within, r.cluster, r.namespace))
            .group_by(r.kind)
            .order_by(func.count().desc(), r.kind)
            .limit(_MOST)
        )
        with self._database.read() as connection:
            return [Bucket(value=kind, count=count) for kind, count in connection.execute(ask)]

    def detail(self, key: str, cluster: str, *, within: tuple[Reach, ...]) -> ResourceDetail:
        """Everything known of one. Where several repositories declare it, the latest word."""
        mine = (r.key == key) & (r.cluster == cluster) & reached(within, r.cluster, r.namespace)
        newest = (r.is_default.desc(), r.gone, r.last_seen.desc(), r.n)
        with self._database.read() as connection:
            row = connection.execute(
                select(resource).where(mine).order_by(*newest).limit(1)
            ).one_or_none()
            if row is None:
                raise NotFound(f"there is no resource {clean(key, 200)!r}", do="list the resources")
            out = _edges(connection, edge.c.src == key, cluster)
            into = _edges(connection, edge.c.dst == key, cluster)
            ends = {e.dst for e in out} | {e.src for e in into}
            around = _by_keys(connection, ends, cluster, within)
            seen = {one.key for one in around}
            return ResourceDetail(
                resource=_records(connection, [row])[0],
                attributes=_facts(connection, key, cluster),
                out=_labelled([e for e in out if e.dst in seen], around, lambda e: e.dst),
                into=_labelled([e for e in into if e.src in seen], around, lambda e: e.src),
                around=around,
                lineage=_within_reach(
                    connection, lineage(connection, key, cluster, row.source), cluster, within
                ),
            )


def _records(connection: Connection, rows: Sequence[Any]) -> list[StoredResource]:
    counts = _counts(connection, rows)
    return [
        StoredResource(
            key=row.key,
            kind=row.kind,
            name=row.name,
            namespace=row.namespace,
            cluster=row.cluster,
            source=row.source,
            file=row.file,
            line=row.line,
            owner=row.owner,
            first_seen=from_us(row.first_seen),
            last_seen=from_us(row.last_seen),
            gone=bool(row.gone),
            counts=counts[row.cluster, row.source, row.key],
        )
        for row in rows
    ]


def _counts(connection: Connection, rows: Sequence[Any]) -> Any:
    """Open findings by severity, of these resources."""
    counts: dict[tuple[str, str, str], dict[str, int]] = defaultdict(dict)
    for part in parts(rows, 400):
        ask = (
            select(f.c.cluster, f.c.source, f.c.resource, f.c.severity, func.count())
            .where(f.c.resource.in_({row.key for row in part}), f.c.live == 1)
            .where(f.c.is_default == 1, f.c.state != Life.WAIVED.value)
            .group_by(f.c.cluster, f.c.source, f.c.resource, f.c.severity)
            .order_by(f.c.severity)
        )
        for cluster, source, key, severity, count in connection.execute(ask):
            counts[cluster, source, key][SEVERITIES[severity].value] = count
    return counts


def _edges(connection: Connection, end: Any, cluster: str) -> list[Edge]:
    ask = (
        select(edge)
        .where(end, edge.c.cluster == cluster, edge.c.is_default == 1)
        .order_by(edge.c.kind, edge.c.src, edge.c.dst)
        .limit(_MOST_EDGES)
    )
    return [
        Edge(
            src=row.src,
            kind=row.kind,
            dst=row.dst,
            source=row.source,
            seen_at=from_us(row.seen_at),
        )
        for row in connection.execute(ask)
    ]


def _by_keys(
    connection: Connection, keys: Iterable[str], cluster: str, within: tuple[Reach, ...]
) -> list[StoredResource]:
    """One for each key, the latest word; those within reach alone."""
    latest: dict[str, Any] = {}
    for part in parts(sorted(keys), 400):
        ask = (
            select(resource)
            .where(r.key.in_(part), r.cluster == cluster, r.is_default == 1)
            .where(reached(within, r.cluster, r.namespace))
            .order_by(r.gone, r.last_seen.desc(), r.n)
        )
        for row in connection.execute(ask):
            latest.setdefault(row.key, row)
    return _records(connection, [latest[key] for key in sorted(latest)])


def _labelled(edges: list[Edge], around: list[StoredResource], end: Any) -> list[Edge]:
    labels = {one.key: f"{one.kind} {one.name}" for one in around}
    return [replace(each, label=labels[end(each)]) for each in edges]


def _within_reach(
    connection: Connection, keys: list[str], cluster: str, within: tuple[Reach, ...]
) -> list[str]:
    """The steps that the asker may know of."""
    ask = select(r.key).where(
        tuple_(r.cluster, r.key).in_([(cluster, key) for key in keys]),
        reached(within, r.cluster, r.namespace),
    )
    seen = set(connection.execute(ask).scalars()) if keys else set()
    return [key for key in keys if key in seen]


def _facts(connection: Connection, key: str, cluster: str) -> list[Attribute]:
    c = attribute.c
    ask = (
        select(c.key, c.value, c.source, c.at)
        .where(c.resource == key, c.cluster == cluster)
        .order_by(c.key, c.source, c.at.desc())
        .limit(_MOST_FACTS)
    )
    return [
        Attribute(key=name, value=from_json(value), source=source, at=from_us(at))
        for name, value, source, at in connection.execute(ask)
    ]
