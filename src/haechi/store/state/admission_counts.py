"""How many decisions there were: by minute, policy, namespace and outcome, and how long they took.

Minutes are merged to hours after two days: a month of a busy cluster stays small.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, bindparam, delete, func, insert, select, update

from haechi.model.access import Reach
from haechi.model.decision_record import LATENCY_BOUNDS_US, Latency, Tally
from haechi.store.state.admission_records import WebhookRow
from haechi.store.state.admission_tables import admission_count, admission_latency, webhook
from haechi.store.state.bulk import parts
from haechi.store.state.engine import Database
from haechi.store.state.plain import clean, from_json, to_json
from haechi.store.state.reach import reached
from haechi.store.state.times import from_us, maybe_us

FINE = dt.timedelta(days=2)
"""For how long minutes are told apart."""
SILENT = dt.timedelta(minutes=3)
BUCKETS = len(LATENCY_BOUNDS_US) + 1
_NAME, _PART, _MOST_NAMED = 400, 500, 200
_MERGED = 50_000
_COUNT, _SUM_US = 10**10, 10**16
"""Of one row at most: more is no truth, and sums of such rows would not fit a column's number."""
c, y, w = admission_count.c, admission_latency.c, webhook.c


class Counted(msgspec.Struct, frozen=True, kw_only=True):
    """Sums over a time. ``points`` by (step's beginning in minutes, outcome)."""

    points: dict[tuple[int, str], int]
    policies: dict[tuple[str, str], dict[str, int]]
    namespaces: dict[tuple[str, str], dict[str, int]]


class AdmissionCounts:
    """Thread-safe."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def counted(
        self,
        since: dt.datetime,
        until: dt.datetime,
        *,
        step: int,
        within: tuple[Reach, ...],
        cluster: Sequence[str] = (),
        namespace: Sequence[str] = (),
    ) -> Counted:
        """What happened in ``[since, until)``; ``step`` in minutes."""
        where = _between(c, since, until) & reached(within, c.cluster, c.namespace)
        if cluster:
            where &= c.cluster.in_(list(cluster))
        if namespace:
            where &= c.namespace.in_(list(namespace))
        total = func.sum(c.times)
        bucket = c.minute - c.minute % step
        with self._database.read() as connection:
            points = connection.execute(
                select(bucket, c.outcome, total)
                .where(where, c.policy == "")
                .group_by(bucket, c.outcome)
            ).all()
            policies = connection.execute(
                select(c.cluster, c.policy, c.outcome, total)
                .where(where, c.policy != "")
                .group_by(c.cluster, c.policy, c.outcome)
            ).all()
            places = connection.execute(
                select(c.cluster, c.namespace, c.outcome, total)
                .where(where, c.policy == "")
                .group_by(c.cluster, c.namespace, c.outcome)
            ).all()
        return Counted(
            points={(int(at), word): int(count) for at, word, count in points},
            policies=_most(((a, b), word, count) for a, b, word, count in policies),
            namespaces=_most(((a, b), word, count) for a, b, word, count in places),
        )

    def of_policies(
        self, since: dt.datetime, *, within: tuple[Reach, ...]
    ) -> dict[tuple[str, str], dict[str, int]]:
        """Outcomes by (cluster, policy) since then."""
        ask = (
            select(c.cluster, c.policy, c.outcome, func.sum(c.times))
            .where(c.minute >= minute_of(since), c.policy != "")
            .where(reached(within, c.cluster, c.namespace))
            .group_by(c.cluster, c.policy, c.outcome)
        )
        found: dict[tuple[str, str], dict[str, int]] = {}
        with self._database.read() as connection:
            for cluster, policy, word, count in connection.execute(ask):
                found.setdefault((cluster, policy), {})[word] = int(count)
        return found

    def latency(
        self,
        since: dt.datetime,
        until: dt.datetime,
        *,
        within: tuple[Reach, ...],
        cluster: Sequence[str] = (),
    ) -> tuple[list[int], int]:
        """The histogram and the sum in microseconds, of clusters that are reached whole."""
        where = _between(y, since, until) & reached(within, y.cluster)
        if cluster:
            where &= y.cluster.in_(list(cluster))
        buckets, total = [0] * BUCKETS, 0
        with self._database.read() as connection:
            for row in connection.execute(select(y.buckets, y.sum_us).where(where)):
                buckets = [a + b for a, b in zip(buckets, from_json(row.buckets), strict=True)]
                total += row.sum_us
        return buckets, total

    def webhooks(self, now: dt.datetime, *, within: tuple[Reach, ...]) -> list[WebhookRow]:
        """Replicas, by cluster and name, of clusters that are reached whole."""
        ask = select(webhook).where(reached(within, w.cluster)).order_by(w.cluster, w.replica)
        with self._database.read() as connection:
            return [_webhook(row, now) for row in connection.execute(ask)]


def minute_of(at: dt.datetime) -> int:
    """Minutes since 1970."""
    return int(at.timestamp()) // 60


def add(
    connection: Connection, cluster: str, tallies: Iterable[Tally], latencies: Iterable[Latency]
) -> None:
    """Add to what is counted, in the transaction of the batch that told it."""
    sums: Counter[tuple[int, str, str, str]] = Counter()
    for one in tallies:
        name = clean(one.namespace, _NAME) or "-"
        sums[one.minute, clean(one.policy, _NAME), name, one.outcome.value] += one.count
    known: dict[tuple[int, str, str, str], int] = {}
    for minutes in parts({minute for minute, *_ in sums}, _PART):
        ask = select(c.minute, c.policy, c.namespace, c.outcome, c.times)
        ask = ask.where(c.cluster == cluster, c.minute.in_(minutes))
        for minute, policy, namespace, word, count in connection.execute(ask):
            known[minute, policy, namespace, word] = count
    rows = [
        dict(zip(_KEY, (cluster, *key), strict=True))
        | {"total": min(known.get(key, 0) + count, _COUNT), "new": key not in known}
        for key, count in sums.items()
    ]
    new = [{**_keyed(one), "times": one["total"]} for one in rows if one["new"]]
    again = [
        {**{f"k_{k}": v for k, v in _keyed(one).items()}, "total": one["total"]}
        for one in rows
        if not one["new"]
    ]
    for some in parts(new, _PART):
        connection.execute(insert(admission_count), some)
    for some in parts(again, _PART):
        connection.execute(_AGAIN, some)
    for latency in latencies:
        _add_latency(connection, cluster, latency.minute, list(latency.buckets), latency.sum_us)


_KEY = ("cluster", "minute", "policy", "namespace", "outcome")
_AGAIN = (
    update(admission_count)
    .where(*(c[name] == bindparam(f"k_{name}") for name in _KEY))
    .values(times=bindparam("total"))
)


def _keyed(row: dict[str, Any]) -> dict[str, Any]:
    return {name: row[name] for name in _KEY}


def _add_latency(
    connection: Connection, cluster: str, minute: int, buckets: list[int], sum_us: int
) -> None:
    mine = (y.cluster == cluster) & (y.minute == minute)
    known = connection.execute(select(y.buckets, y.sum_us).where(mine)).one_or_none()
    buckets, sum_us = [min(one, _COUNT) for one in buckets], min(sum_us, _SUM_US)
    if known is None:
        row = {"cluster": cluster, "minute": minute}
        connection.execute(
            insert(admission_latency), {**row, "buckets": to_json(buckets), "sum_us": sum_us}
        )
        return
    both = [min(a + b, _COUNT) for a, b in zip(buckets, from_json(known.buckets), strict=True)]
    values = {"buckets": to_json(both), "sum_us": min(known.sum_us + sum_us, _SUM_US)}
    connection.execute(update(admission_latency).where(mine).values(**values))


def tidy(connection: Connection, now: dt.datetime, *, days: int) -> int:
    """Merge minutes to hours, forget what is older; how many rows went."""
    old = minute_of(now - dt.timedelta(days=days))
    gone = connection.execute(delete(admission_count).where(c.minute < old)).rowcount
    gone += connection.execute(delete(admission_latency).where(y.minute < old)).rowcount
    edge = minute_of(now - FINE) // 60 * 60
    ask = select(admission_count).where(c.minute < edge, c.minute % 60 != 0).limit(_MERGED)
    rows = connection.execute(ask).all()
    sums: dict[str, list[Tally]] = {}
    for row in rows:
        tally = {"policy": row.policy, "namespace": row.namespace, "outcome": row.outcome}
        tally |= {"minute": row.minute - row.minute % 60, "count": row.times}
        sums.setdefault(row.cluster, []).append(msgspec.convert(tally, Tally))
        _drop(connection, row)
    for cluster, tallies in sums.items():
        add(connection, cluster, tallies, ())
    late = select(admission_latency).where(y.minute < edge, y.minute % 60 != 0).limit(_MERGED)
    for row in connection.execute(late).all():
        mine = (y.cluster == row.cluster) & (y.minute == row.minute)
        connection.execute(delete(admission_latency).where(mine))
        hour = row.minute - row.minute % 60
        _add_latency(connection, row.cluster, hour, from_json(row.buckets), row.sum_us)
    return gone


def _drop(connection: Connection, row: Any) -> None:
    mine = (c[name] == getattr(row, name) for name in _KEY)
    connection.execute(delete(admission_count).where(*mine))


def _between(columns: Any, since: dt.datetime, until: dt.datetime) -> ColumnElement[bool]:
    found: ColumnElement[bool] = (columns.minute >= minute_of(since)) & (
        columns.minute < minute_of(until)
    )
    return found


def _most(
    rows: Iterable[tuple[tuple[str, str], str, int]],
) -> dict[tuple[str, str], dict[str, int]]:
    """Those that were counted most."""
    found: dict[tuple[str, str], dict[str, int]] = {}
    for name, word, count in rows:
        found.setdefault(name, {})[word] = int(count)
    ranked = sorted(found.items(), key=lambda pair: (-sum(pair[1].values()), pair[0]))
    return dict(ranked[:_MOST_NAMED])


def _webhook(row: Any, now: dt.datetime) -> WebhookRow:
    heard = from_us(row.heard)
    return WebhookRow(
        cluster=row.cluster,
        replica=row.replica,
        ready=bool(row.ready),
        why=row.why,
        silent=now - heard > SILENT,
        version=row.version,
        generation=row.generation,
        source=row.source,
        started=maybe_us(row.started),
        heard=heard,
        queue=row.queue,
        dropped=row.dropped,
    )
