"""The outbox of alerts inside a transaction: rows in, messages out, what became of them.

A message is put together once (``begin``) and keeps its id and content until it was sent or given
up; only then does the next one of its group follow. So what a receiver is told of a topic comes
in order, and the same message twice can be told by its id.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, and_, exists, func, insert, select, update

from haechi.store.state.alert_rows import (
    CLOSED,
    OPEN,
    SENT,
    WAITING,
    Batch,
    NewAlert,
    Standing,
    a,
    news_of,
    t,
    to_ticket,
    worst_first,
)
from haechi.store.state.alert_tables import alert, ticket
from haechi.store.state.bulk import next_number, touch_all
from haechi.store.state.plain import clean, to_json
from haechi.store.state.times import from_us, to_us

_PART = 400
_PAYLOAD = 64_000
_SECOND = 1_000_000


def add(connection: Connection, rows: Sequence[NewAlert], now: dt.datetime) -> int:
    """Write down what is not there yet; how many that were."""
    known = _known(connection, [row.id for row in rows])
    number, added = next_number(connection, alert), 0
    for row in rows:
        if row.id in known:
            continue
        known.add(row.id)
        group = _group(connection, row)
        values = _values(row, group, _due(connection, row, group, to_us(now)), to_us(now))
        connection.execute(insert(alert), {"n": number + added, **values})
        added += 1
    return added


def _known(connection: Connection, ids: Sequence[str]) -> set[str]:
    found: set[str] = set()
    for start in range(0, len(ids), _PART):
        ask = select(a.id).where(a.id.in_(ids[start : start + _PART]))
        found |= set(connection.execute(ask).scalars())
    return found


def _group(connection: Connection, row: NewAlert) -> str:
    """A topic stays in the group in which it was told, whatever its owner is now: what is told of
    it must come in order."""
    mine = (a.topic == row.news.topic) & (a.receiver == row.receiver)
    found = connection.execute(select(a.grp).where(mine).order_by(a.n.desc()).limit(1)).scalar()
    return found if found is not None else clean(row.group, 1_000)


def _due(connection: Connection, row: NewAlert, group: str, now: int) -> int:
    mine = (a.receiver == row.receiver) & (a.grp == group)
    soon = now + row.wait_s * _SECOND
    if row.urgent:
        return soon
    waits = select(func.min(a.next_at)).where(mine, a.state == WAITING, a.delivery == "")
    first = connection.execute(waits).scalar()
    if first is not None:
        return int(first)
    last = connection.execute(select(func.max(a.ended)).where(mine, a.state == SENT)).scalar()
    return max(soon, int(last or 0) + row.interval_s * _SECOND)


def _values(row: NewAlert, group: str, due: int, now: int) -> dict[str, Any]:
    news = row.news
    payload = to_json(news)
    if len(payload) > _PAYLOAD:  # a bound for what should be bounded already
        news = msgspec.structs.replace(news, evidence=(), reasons=(), note="", why="", says="")
        payload = to_json(news)
    return {
        "id": clean(row.id, 200),
        "cluster": clean(news.cluster, 400),
        "namespace": clean(news.namespace, 400),
        "route": row.route,
        "receiver": row.receiver,
        "topic": clean(news.topic, 400),
        "grp": group,
        "delivery": "",
        "what": news.what,
        "level": news.level,
        "state": WAITING,
        "attempts": 0,
        "next_at": due,
        "created": now,
        "ended": 0,
        "payload": payload,
        "error": "",
    }


def begin(
    connection: Connection, receiver: str, now: dt.datetime, *, most: int, wide: bool
) -> Batch | None:
    """The next message that is due: one begun before, or the worst group that waits with all its
    news (``wide``: of all groups that are due, as one message)."""
    mine = (a.receiver == receiver) & (a.state == WAITING)
    due = a.next_at <= to_us(now)
    begun = select(a.delivery).where(mine, due, a.delivery != "").order_by(a.next_at, a.n).limit(1)
    delivery = connection.execute(begun).scalar()
    if delivery is None:
        numbers = _chosen(connection, receiver, mine & due, mine, most, wide)
        if not numbers:
            return None
        delivery = _sealed(connection, numbers)
    rows = connection.execute(select(alert).where(mine, a.delivery == delivery).order_by(a.n)).all()
    return _batch(connection, receiver, delivery, rows)


def _chosen(
    connection: Connection, receiver: str, due: Any, waits: Any, most: int, wide: bool
) -> list[int]:
    """Numbers of the rows of the next message."""
    other = alert.alias()
    flying = exists().where(
        other.c.receiver == receiver,
        other.c.state == WAITING,
        other.c.grp == a.grp,
        other.c.delivery != "",
    )
    free = and_(due, a.delivery == "", ~flying)
    if wide:
        ask = select(a.n).where(free).order_by(a.n).limit(most)
        return list(connection.execute(ask).scalars())
    group = connection.execute(
        select(a.grp).where(free).order_by(worst_first, a.n).limit(1)
    ).scalar()
    if group is None:
        return []
    ask = select(a.n).where(waits, a.grp == group, a.delivery == "").order_by(a.n).limit(most)
    return list(connection.execute(ask).scalars())


def _sealed(connection: Connection, numbers: Sequence[int]) -> str:
    ids: list[str] = []
    for start in range(0, len(numbers), _PART):
        part = numbers[start : start + _PART]
        ids += connection.execute(select(a.id).where(a.n.in_(part)).order_by(a.n)).scalars()
    delivery = hashlib.blake2b("\n".join(ids).encode(), digest_size=16).hexdigest()
    touch_all(connection, alert, numbers, delivery=delivery)
    return delivery


def _batch(connection: Connection, receiver: str, delivery: str, rows: Sequence[Any]) -> Batch:
    topics = {row.topic for row in rows}
    known: dict[str, Any] = {}
    listed = sorted(topics)
    for start in range(0, len(listed), _PART):
        part = listed[start : start + _PART]
        ask = select(ticket).where(t.receiver == receiver, t.topic.in_(part))
        known |= {row.topic: to_ticket(row) for row in connection.execute(ask)}
    return Batch(
        id=delivery,
        receiver=receiver,
        group=rows[0].grp,
        numbers=tuple(row.n for row in rows),
        news=tuple(news_of(row) for row in rows),
        routes=tuple(row.route for row in rows),
        attempts=max(row.attempts for row in rows),
        created=from_us(min(row.created for row in rows)),
        until=from_us(max(row.created for row in rows)),
        known=known,
    )


def end(
    connection: Connection, batch: Batch, state: str, now: dt.datetime, *, error: str = ""
) -> None:
    """The message was sent, or is given up. A person may have taken rows out meanwhile."""
    touch_all(
        connection,
        alert,
        batch.numbers,
        state=state,
        ended=to_us(now),
        attempts=batch.attempts + 1,
        error=clean(error, 1_000),
    )


def again(connection: Connection, batch: Batch, at: dt.datetime, error: str) -> None:
    """The message could not be sent and is tried again then."""
    touch_all(
        connection,
        alert,
        batch.numbers,
        next_at=to_us(at),
        attempts=batch.attempts + 1,
        error=clean(error, 1_000),
    )


def stand(
    connection: Connection, receiver: str, group: str, now: dt.datetime, all_: Iterable[Standing]
) -> None:
    """Write down what the receiver knows now."""
    for one in all_:
        mine = (t.receiver == receiver) & (t.topic == one.topic)
        values: dict[str, Any] = {
            "state": one.state,
            "level": one.level,
            "changed": to_us(now),
            "cluster": one.cluster,
            "namespace": one.namespace,
        }
        values |= {} if one.remote is None else {"remote": clean(one.remote, 400)}
        values |= {} if one.url is None else {"url": clean(one.url, 1_000)}
        made = {"made": t.made + 1} if one.made else {}
        if connection.execute(update(ticket).where(mine).values(**values, **made)).rowcount:
            continue
        row: dict[str, Any] = {"receiver": receiver, "topic": one.topic}
        row |= {"route": one.route, "grp": group}
        row |= {"remote": "", "url": "", "made": int(one.made), "opened": to_us(now)}
        connection.execute(insert(ticket), row | {"checked": 0} | values)


def open_tickets(connection: Connection, receiver: str, *, limit: int) -> Sequence[Any]:
    """Rows of what is open there, the longest untold first."""
    ask = select(ticket).where(t.receiver == receiver, t.state == OPEN)
    return connection.execute(ask.order_by(t.changed).limit(limit)).all()


def unchecked(connection: Connection, receiver: str, before: int, *, limit: int) -> Sequence[Any]:
    """Rows of tickets whose state there was not asked since ``before``."""
    ask = select(ticket).where(
        t.receiver == receiver, t.remote != "", t.state != CLOSED, t.checked < before
    )
    return connection.execute(ask.order_by(t.checked).limit(limit)).all()
