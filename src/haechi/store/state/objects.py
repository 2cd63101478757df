"""What clusters' objects were at any moment: a row for each change, compressed.

Who writes says what is worth a row (times of a node's heartbeat are not); what is the same as
before is not written again. Rows end when the object changes or goes; rows that have ended are
forgotten after their days, the oldest first when there are too many. Since a follower is not
always there, it leaves a *mark* for each type: from when to when it followed. Outside of those a
cluster's past is not known, which is not the same as empty.
"""

from __future__ import annotations

import datetime as dt
import zlib
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, and_, delete, func, insert, select, update

from haechi.store.records import Record
from haechi.store.state.bulk import insert_all, next_number, parts
from haechi.store.state.engine import Database, Transaction
from haechi.store.state.object_tables import kube_object
from haechi.store.state.plain import clean
from haechi.store.state.times import from_us, to_us

STANDS = 1 << 62
"""``until`` of what has not ended."""
MARK = "mark"
SLACK = dt.timedelta(seconds=5)
"""A follower marks every two seconds how far it came."""
LARGEST = 4 << 20
_NAME = 2_000
o = kube_object.c


class ObjectChange(Record, frozen=True, kw_only=True):
    """An object as it is from ``at`` on; ``body`` is its JSON, empty when it is gone."""

    key: str
    type: str
    namespace: str = ""
    uid: str = ""
    version: str = ""
    at: dt.datetime
    body: bytes = b""


class StoredObject(Record, frozen=True, kw_only=True):
    """An object as it was from ``at`` until ``until`` (None: it still is)."""

    key: str
    type: str
    namespace: str
    uid: str
    version: str
    at: dt.datetime
    until: dt.datetime | None
    body: bytes


class Followed(Record, frozen=True, kw_only=True):
    """A time during which a type was followed."""

    type: str
    since: dt.datetime
    until: dt.datetime


class Objects:
    """Thread-safe. A cluster is known by its name."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def keep(self, cluster: str, changes: Sequence[ObjectChange]) -> int:
        """Write what is new; how many rows that made or ended. Of several changes of one object
        give them in their order."""
        if not changes:
            return 0
        return self._database.write(lambda transaction: _keep(transaction, cluster, changes))

    def settle(
        self,
        cluster: str,
        type_: str,
        there: Iterable[str],
        at: dt.datetime,
        *,
        namespace: str | None = None,
        key: str | None = None,
    ) -> int:
        """All of a type was read (in a namespace, or one key): what is not among ``there`` (keys)
        ended by ``at``. How many did."""
        present = set(there)

        def work(transaction: Transaction) -> int:
            standing = (o.cluster == cluster) & (o.kind == type_) & (o.until == STANDS)
            if namespace is not None:
                standing &= o.namespace == namespace
            if key is not None:
                standing &= o.key == key
            rows = transaction.connection.execute(select(o.n, o.key).where(standing)).all()
            gone = [row.n for row in rows if row.key not in present]
            _end(transaction.connection, gone, to_us(at))
            return len(gone)

        return self._database.write(work)

    def mark(self, cluster: str, times: Sequence[Followed]) -> None:
        """These types were followed, so far. A mark with the same ``since`` is made longer."""
        if times:
            self._database.write(lambda transaction: _mark(transaction, cluster, times))

    def at(
        self, cluster: str, when: dt.datetime, *types: str, namespace: str | None = None
    ) -> list[StoredObject]:
        """What there was then, by type and key."""
        moment = to_us(when)
        then = (o.cluster == cluster) & (o.at <= moment) & (o.until > moment) & (o.kind != MARK)
        if types:
            then &= o.kind.in_(types)
        if namespace is not None:
            then &= o.namespace == namespace
        ask = select(kube_object).where(then).order_by(o.kind, o.key, o.n)
        with self._database.read() as connection:
            return [_stored(row) for row in connection.execute(ask)]

    def history(self, cluster: str, key: str, *, limit: int = 100) -> list[StoredObject]:
        """What one object was, the newest first."""
        mine = (o.cluster == cluster) & (o.key == key) & (o.kind != MARK)
        ask = select(kube_object).where(mine).order_by(o.n.desc()).limit(limit)
        with self._database.read() as connection:
            return [_stored(row) for row in connection.execute(ask)]

    def followed(self, cluster: str, when: dt.datetime) -> frozenset[str]:
        """The types that were followed then, give or take the time between two marks."""
        since, until = to_us(when), to_us(when - SLACK)
        then = (o.cluster == cluster) & (o.kind == MARK) & (o.at <= since) & (o.until >= until)
        with self._database.read() as connection:
            return frozenset(connection.execute(select(o.key).where(then)).scalars())

    def since(self, cluster: str) -> dt.datetime | None:
        """How far back the past is known; None: not at all."""
        ask = select(func.min(o.at)).where(o.cluster == cluster, o.kind == MARK)
        with self._database.read() as connection:
            found = connection.execute(ask).scalar()
        return None if found is None else from_us(found)

    def rows(self, cluster: str) -> int:
        """How many rows are kept."""
        ask = select(func.count()).where(o.cluster == cluster).select_from(kube_object)
        with self._database.read() as connection:
            return int(connection.execute(ask).scalar_one())

    def tidy(self, now: dt.datetime, *, days: int, most: int, followed: Iterable[str]) -> int:
        """Forget what ended longer ago, or is too much for a cluster (``most`` rows; what stands
        is never forgotten). What clusters had that are followed no more has ended. How many rows
        went."""
        wanted = set(followed)

        def work(transaction: Transaction) -> int:
            connection = transaction.connection
            known = set(connection.execute(select(o.cluster).distinct()).scalars())
            for cluster in known - wanted:
                standing = (o.cluster == cluster) & (o.until == STANDS)
                connection.execute(
                    update(kube_object).where(standing).values(until=to_us(transaction.now))
                )
            old = o.until < to_us(now - dt.timedelta(days=days))
            gone = connection.execute(delete(kube_object).where(old)).rowcount
            return gone + sum(_surplus(connection, cluster, most) for cluster in known)

        return self._database.write(work)


def _keep(transaction: Transaction, cluster: str, changes: Sequence[ObjectChange]) -> int:
    connection = transaction.connection
    cluster = clean(cluster, _NAME)
    standing: dict[str, Any] = {}
    for keys in parts({change.key for change in changes}, 400):
        ask = select(o.n, o.key, o.uid, o.at, o.body).where(
            o.cluster == cluster, o.key.in_(keys), o.until == STANDS, o.kind != MARK
        )
        for row in connection.execute(ask):
            standing[row.key] = (row.n, row.uid, row.at, row.body)
    number = first = next_number(connection, kube_object)
    new: dict[int, dict[str, Any]] = {}
    ended = 0
    for change in changes:
        body = zlib.compress(change.body, 6) if change.body else b""
        known = standing.get(change.key)
        if known is not None and known[1] == change.uid and known[3] == body:
            continue
        at = to_us(change.at)
        if known is not None:
            until = max(at, known[2])
            if known[0] in new:
                new[known[0]]["until"] = until
            else:
                _end(connection, [known[0]], until)
            ended += 1
            at = until
            del standing[change.key]
        if not change.body or len(change.body) > LARGEST:
            continue
        new[number] = _row(number, cluster, change, at, body)
        standing[change.key] = (number, change.uid, at, body)
        number += 1
    insert_all(connection, kube_object, new.values())
    return ended + number - first


def _row(number: int, cluster: str, change: ObjectChange, at: int, body: bytes) -> dict[str, Any]:
    return {
        "n": number,
        "cluster": cluster,
        "key": change.key,
        "kind": change.type,
        "namespace": clean(change.namespace, _NAME),
        "uid": clean(change.uid, _NAME),
        "version": clean(change.version, _NAME),
        "at": at,
        "until": STANDS,
        "body": body,
    }


def _mark(transaction: Transaction, cluster: str, times: Sequence[Followed]) -> None:
    connection = transaction.connection
    for one in times:
        mine = and_(
            o.cluster == cluster, o.kind == MARK, o.key == one.type, o.at == to_us(one.since)
        )
        values = {"until": to_us(one.until)}
        if connection.execute(update(kube_object).where(mine).values(**values)).rowcount:
            continue
        row = {"n": next_number(connection, kube_object), "cluster": cluster, "key": one.type}
        row |= {"kind": MARK, "namespace": "", "uid": "", "version": "", "body": b""}
        connection.execute(insert(kube_object), row | {"at": to_us(one.since)} | values)


def _end(connection: Connection, numbers: Sequence[int], until: int) -> None:
    for some in parts(numbers, 500):
        connection.execute(update(kube_object).where(o.n.in_(some)).values(until=until))


def _surplus(connection: Connection, cluster: str, most: int) -> int:
    mine = o.cluster == cluster
    count = connection.execute(
        select(func.count()).select_from(kube_object).where(mine)
    ).scalar_one()
    if count <= most:
        return 0
    ended = mine & (o.until != STANDS) & (o.kind != MARK)
    oldest = select(o.n).where(ended).order_by(o.until).limit(count - most)
    return connection.execute(delete(kube_object).where(o.n.in_(oldest))).rowcount


def _stored(row: Any) -> StoredObject:
    unpack = zlib.decompressobj()
    return StoredObject(
        key=row.key,
        type=row.kind,
        namespace=row.namespace,
        uid=row.uid,
        version=row.version,
        at=from_us(row.at),
        until=None if row.until == STANDS else from_us(row.until),
        body=unpack.decompress(row.body, LARGEST) if row.body else b"",
    )
