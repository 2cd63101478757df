"""Alerts: the outbox, what stands at receivers, and how far news were taken.

News are written with the place up to which they were read (``take``), so none is lost and none is
taken twice. Which news there are says ``alert_news``; who is to be told is decided above.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, and_, delete, func, insert, select, update

from haechi.errors import Conflict, NotFound
from haechi.model.access import Reach
from haechi.model.alert import News
from haechi.store.records import AuditEntry, Notice, Page
from haechi.store.state import alert_news, alert_outbox
from haechi.store.state.alert_rows import (
    CLOSED,
    DEAD,
    GONE,
    SENT,
    SKIPPED,
    THEIRS,
    WAITING,
    AlertDelivery,
    AlertTicket,
    Batch,
    NewAlert,
    Standing,
    Tally,
    a,
    news_of,
    t,
    to_delivery,
    to_ticket,
)
from haechi.store.state.alert_tables import alert, ticket
from haechi.store.state.bulk import touch_all
from haechi.store.state.cursor import read_cursor, write_cursor
from haechi.store.state.engine import Database, Transaction
from haechi.store.state.plain import clean
from haechi.store.state.reach import reached
from haechi.store.state.schema import meta
from haechi.store.state.times import from_us, maybe_us, to_us

STATES = (WAITING, SENT, DEAD, SKIPPED)
MOST = 1_000
_RETRIED = 2_000
TOPIC = "alert"
"""Of the notices that are told when deliveries change."""


class AlertFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which deliveries to list; empty lists mean all."""

    state: Sequence[str] = ()
    receiver: Sequence[str] = ()
    incident: str = ""
    cluster: Sequence[str] = ()
    namespace: Sequence[str] = ()


class Alerts:
    """Thread-safe."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # News ------------------------------------------------------------------------------------

    def news(self, *, limit: int) -> alert_news.Found:
        """Changes of incidents and actions that were not taken yet, oldest first."""
        with self._database.read() as connection:
            return alert_news.found(connection, _places(connection), limit=limit)

    def current(self, incident: str, *, what: str) -> News | None:
        """An incident as it is now, as a piece of news; None when there is none."""
        with self._database.read() as connection:
            return alert_news.current(connection, incident, what=what)

    def take(self, rows: Sequence[NewAlert], places: Mapping[str, int]) -> int:
        """Write rows and how far news were read, in one transaction; how many rows were new."""

        def work(transaction: Transaction) -> int:
            connection = transaction.connection
            added = alert_outbox.add(connection, rows, transaction.now)
            for name, place in places.items():
                _set_place(connection, name, place)
            for cluster, namespace in {(one.news.cluster, one.news.namespace) for one in rows}:
                _tell(transaction, cluster, namespace)
            return added

        return self._database.write(work)

    def told_to(self, topics: Sequence[str]) -> dict[str, set[str]]:
        """Receivers by topic that heard, or will hear, of it."""
        found: dict[str, set[str]] = {}
        with self._database.read() as connection:
            for start in range(0, len(topics), 400):
                ask = select(a.topic, a.receiver).distinct()
                ask = ask.where(a.topic.in_(topics[start : start + 400]))
                for topic, receiver in connection.execute(ask):
                    found.setdefault(topic, set()).add(receiver)
        return found

    # Sending ---------------------------------------------------------------------------------

    def begin(
        self, receiver: str, now: dt.datetime, *, most: int = 100, wide: bool = False
    ) -> Batch | None:
        """The next message that is due, with its id and content fixed for good."""

        def work(transaction: Transaction) -> Batch | None:
            connection = transaction.connection
            return alert_outbox.begin(connection, receiver, now, most=most, wide=wide)

        with self._database.read() as connection:  # most looks find nothing: no write for them
            ask = select(func.min(a.next_at)).where(a.receiver == receiver, a.state == WAITING)
            first = connection.execute(ask).scalar()
        return self._database.write(work) if first is not None and first <= to_us(now) else None

    def due(self, receiver: str, now: dt.datetime) -> tuple[dt.datetime | None, int]:
        """When the next message is due (None: nothing waits), and how many groups are now."""
        mine = (a.receiver == receiver) & (a.state == WAITING)
        with self._database.read() as connection:
            first = connection.execute(select(func.min(a.next_at)).where(mine)).scalar()
            ready = select(func.count(func.distinct(a.grp)))
            ready = ready.where(mine, a.next_at <= to_us(now), a.delivery == "")
            groups = 0 if first is None else connection.execute(ready).scalar_one()
        return (None if first is None else from_us(first)), int(groups)

    def sent(self, batch: Batch, now: dt.datetime, standing: Sequence[Standing]) -> None:
        """The receiver took it."""
        self._ended(batch, SENT, now, "", standing)

    def skipped(self, batch: Batch, now: dt.datetime, why: str) -> None:
        """It need not be told any more."""
        self._ended(batch, SKIPPED, now, why, ())

    def dead(self, batch: Batch, now: dt.datetime, error: str) -> None:
        """It is given up."""
        self._ended(batch, DEAD, now, error, ())

    def _ended(
        self,
        batch: Batch,
        state: str,
        now: dt.datetime,
        error: str,
        standing: Sequence[Standing],
    ) -> None:
        def work(transaction: Transaction) -> None:
            connection = transaction.connection
            alert_outbox.end(connection, batch, state, now, error=error)
            alert_outbox.stand(connection, batch.receiver, batch.group, now, standing)
            _tell_of(transaction, batch)

        self._database.write(work)

    def later(self, batch: Batch, at: dt.datetime, error: str) -> None:
        """It is tried again then."""

        def work(transaction: Transaction) -> None:
            alert_outbox.again(transaction.connection, batch, at, error)
            _tell_of(transaction, batch)

        self._database.write(work)

    # What stands elsewhere -------------------------------------------------------------------

    def open_tickets(self, receiver: str, *, limit: int = 10_000) -> list[AlertTicket]:
        """What is open there, the longest untold first."""
        with self._database.read() as connection:
            rows = alert_outbox.open_tickets(connection, receiver, limit=limit)
            return [to_ticket(row) for row in rows]

    def unchecked(self, receiver: str, before: dt.datetime, *, limit: int) -> list[AlertTicket]:
        """Tickets that are not closed and whose state there was not asked since."""
        with self._database.read() as connection:
            rows = alert_outbox.unchecked(connection, receiver, to_us(before), limit=limit)
            return [to_ticket(row) for row in rows]

    def ticket(self, receiver: str, topic: str) -> AlertTicket | None:
        """What stands there about the topic."""
        ask = select(ticket).where(t.receiver == receiver, t.topic == topic)
        with self._database.read() as connection:
            row = connection.execute(ask).one_or_none()
        return None if row is None else to_ticket(row)

    def checked(
        self,
        one: AlertTicket,
        now: dt.datetime,
        *,
        state: str = "",
        forget: bool = False,
        again: NewAlert | None = None,
    ) -> None:
        """Its state there was asked. ``forget``: it is no more; ``again`` is told in its place."""
        mine = (t.receiver == one.receiver) & (t.topic == one.topic)
        values: dict[str, Any] = {"checked": to_us(now)}
        values |= {"state": state} if state else {}
        values |= {"remote": "", "url": ""} if forget else {}

        def work(transaction: Transaction) -> None:
            transaction.connection.execute(update(ticket).where(mine).values(**values))
            if again is not None:
                alert_outbox.add(transaction.connection, [again], now)

        self._database.write(work)

    def tickets(
        self, *, within: tuple[Reach, ...], incident: str = "", limit: int = 100
    ) -> list[AlertTicket]:
        """Tickets with an address or id elsewhere, newest first."""
        ask = select(ticket).where(reached(within, t.cluster, t.namespace))
        ask = ask.where((t.url != "") | (t.remote != ""))
        if incident:
            ask = ask.where(t.topic == f"incident:{incident}")
        order = (t.changed.desc(), t.receiver, t.topic)
        with self._database.read() as connection:
            return [to_ticket(row) for row in connection.execute(ask.order_by(*order).limit(limit))]

    # Lists -----------------------------------------------------------------------------------

    def page(
        self,
        ask: AlertFilter,
        *,
        within: tuple[Reach, ...],
        limit: int = 100,
        cursor: str | None = None,
    ) -> Page[AlertDelivery]:
        """Deliveries, newest first. UsageError for a wrong cursor."""
        question = ["alerts", within, ask]
        where = _where(ask, within)
        query = select(alert).where(where)
        if cursor is not None:
            (after,) = read_cursor(question, cursor, [int])
            query = query.where(a.n < after)
        limit = max(1, min(limit, MOST))
        with self._database.read() as connection:
            rows = connection.execute(query.order_by(a.n.desc()).limit(limit + 1)).all()
            total = None
            if cursor is None:
                count = select(func.count()).select_from(alert).where(where)
                total = int(connection.execute(count).scalar_one())
        following = write_cursor(question, [rows[limit - 1].n]) if len(rows) > limit else None
        return Page(items=[to_delivery(row) for row in rows[:limit]], next=following, total=total)

    def show(self, id: str, *, within: tuple[Reach, ...]) -> tuple[AlertDelivery, News]:
        """One delivery with its news. NotFound."""
        ask = select(alert).where(a.id == id, reached(within, a.cluster, a.namespace))
        with self._database.read() as connection:
            row = connection.execute(ask).one_or_none()
        if row is None:
            raise NotFound("there is no such delivery", do="GET /alerts/deliveries")
        return to_delivery(row), news_of(row)

    def retry(self, id: str, *, within: tuple[Reach, ...], by: str) -> AlertDelivery:
        """A dead letter waits again. NotFound; Conflict for one that is not dead."""

        def work(transaction: Transaction) -> AlertDelivery:
            connection = transaction.connection
            ask = select(alert).where(a.id == id, reached(within, a.cluster, a.namespace))
            row = connection.execute(ask).one_or_none()
            if row is None:
                raise NotFound("there is no such delivery", do="GET /alerts/deliveries?state=dead")
            if row.state != DEAD:
                raise Conflict(f"it is {row.state}, not dead", do="only dead letters are retried")
            _revive(transaction, [row], by)
            return to_delivery(connection.execute(select(alert).where(a.id == id)).one())

        return self._database.write(work)

    def retry_all(self, receiver: str, *, within: tuple[Reach, ...], by: str) -> int:
        """All dead letters (of one receiver, unless it is empty) wait again; how many."""

        def work(transaction: Transaction) -> int:
            ask = select(alert).where(a.state == DEAD, reached(within, a.cluster, a.namespace))
            if receiver:
                ask = ask.where(a.receiver == receiver)
            rows = transaction.connection.execute(ask.order_by(a.n).limit(_RETRIED)).all()
            _revive(transaction, rows, by)
            return len(rows)

        return self._database.write(work)

    def tallies(self) -> dict[str, Tally]:
        """Of all receivers that have rows."""
        ask = select(a.receiver, a.state, func.count(), func.max(a.ended)).group_by(
            a.receiver, a.state
        )
        found: dict[str, dict[str, Any]] = {}
        with self._database.read() as connection:
            for receiver, state, count, ended in connection.execute(ask):
                mine = found.setdefault(receiver, {})
                if state in (WAITING, SENT, DEAD):
                    mine[state] = int(count)
                if state == SENT:
                    mine["last_sent"] = maybe_us(int(ended or 0))
        return {name: Tally(**values) for name, values in found.items()}

    def orphans(self, known: Sequence[str], now: dt.datetime) -> int:
        """Rows that wait for receivers which are not configured any more become dead letters."""
        lost = and_(a.state == WAITING, a.receiver.not_in(list(known)))
        with self._database.read() as connection:
            if connection.execute(select(a.n).where(lost).limit(1)).scalar() is None:
                return 0
        why = "the receiver is not in the configuration any more"
        change = update(alert).where(lost).values(state=DEAD, ended=to_us(now), error=why)

        def work(transaction: Transaction) -> int:
            return int(transaction.connection.execute(change).rowcount)

        return self._database.write(work)

    def forget(self, before: dt.datetime) -> int:
        """Take away what ended before, and closed tickets that old."""
        old = delete(alert).where(a.state != WAITING, a.ended < to_us(before))
        over = delete(ticket).where(t.state.in_((CLOSED, GONE, THEIRS)), t.changed < to_us(before))

        def work(transaction: Transaction) -> int:
            connection = transaction.connection
            connection.execute(over)
            return int(connection.execute(old).rowcount)

        return self._database.write(work)


def _where(ask: AlertFilter, within: tuple[Reach, ...]) -> Any:
    parts: list[Any] = [reached(within, a.cluster, a.namespace)]
    for name in ("state", "receiver", "cluster", "namespace"):
        values = list(getattr(ask, name))
        if values:
            parts.append(a[name].in_(values))
    if ask.incident:
        parts.append(a.topic == f"incident:{ask.incident}")
    return and_(*parts)


def _revive(transaction: Transaction, rows: Sequence[Any], by: str) -> None:
    now = to_us(transaction.now)
    # A message of its own: what it died with may have been taken apart.
    touch_all(
        transaction.connection,
        alert,
        [row.n for row in rows],
        state=WAITING,
        delivery="",
        attempts=0,
        next_at=now,
        created=now,
        ended=0,
    )
    for row in rows:
        entry = AuditEntry(
            at=transaction.now,
            actor=by,
            action="alert.retry",
            object=row.id,
            cluster=row.cluster,
            namespace=row.namespace,
            detail={"receiver": row.receiver, "topic": row.topic},
        )
        transaction.audit(entry)
        _tell(transaction, row.cluster, row.namespace)


def _tell_of(transaction: Transaction, batch: Batch) -> None:
    for cluster, namespace in {(one.cluster, one.namespace) for one in batch.news}:
        _tell(transaction, cluster, namespace)


def _tell(transaction: Transaction, cluster: str, namespace: str) -> None:
    transaction.tell(Notice(topic=TOPIC, cluster=cluster, namespace=namespace))


def _places(connection: Connection) -> dict[str, int]:
    ask = select(meta.c.key, meta.c.value).where(meta.c.key.in_(list(alert_news.PLACES)))
    return {row.key: int(row.value) for row in connection.execute(ask)}


def _set_place(connection: Connection, name: str, place: int) -> None:
    mine = meta.c.key == name
    value = clean(str(place), 40)
    if not connection.execute(update(meta).where(mine).values(value=value)).rowcount:
        connection.execute(insert(meta), {"key": name, "value": value})
