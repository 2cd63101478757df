"""Rows of alerts and tickets as the values that the API answers with."""

from __future__ import annotations

import datetime as dt
from typing import Any

import msgspec
from sqlalchemy import case

from haechi.model.alert import News
from haechi.store.records import Record
from haechi.store.state.alert_tables import alert, ticket
from haechi.store.state.times import from_us, maybe_us

WAITING, SENT, DEAD, SKIPPED = "waiting", "sent", "dead", "skipped"
OPEN, CLOSED, THEIRS, GONE = "open", "closed", "theirs", "gone"
LEVELS = ("info", "low", "medium", "high", "critical")
a, t = alert.c, ticket.c
worst_first = case({word: -place for place, word in enumerate(LEVELS)}, value=a.level, else_=0)
_news = msgspec.json.Decoder(News).decode


class AlertDelivery(Record, frozen=True, kw_only=True):
    """A piece of news for one receiver. ``state``: waiting, sent, dead, skipped (it was over
    before it could be told). ``delivery`` is the message that it went out with; ``error`` what
    the last try came to. ``incident`` is empty where the topic is none."""

    id: str
    cluster: str
    namespace: str
    route: str
    receiver: str
    topic: str
    incident: str
    what: str
    level: str
    title: str
    state: str
    attempts: int
    next_at: dt.datetime | None
    created: dt.datetime
    ended: dt.datetime | None
    delivery: str
    error: str


class AlertTicket(Record, frozen=True, kw_only=True):
    """What stands at a receiver about a topic. ``state``: open, closed, theirs (closed there by a
    person while the incident is open here), gone (deleted there twice: left alone)."""

    receiver: str
    topic: str
    incident: str
    cluster: str
    namespace: str
    route: str
    group: str
    remote: str
    url: str
    state: str
    level: str
    made: int
    opened: dt.datetime
    changed: dt.datetime
    checked: dt.datetime | None


class NewAlert(msgspec.Struct, frozen=True, kw_only=True):
    """A row to be added. ``wait_s`` and ``interval_s`` are the group's; ``urgent`` news do not
    wait for the interval. ``group`` is used where the topic was not told in another before."""

    id: str
    news: News
    route: str
    receiver: str
    group: str
    wait_s: int = 0
    interval_s: int = 0
    urgent: bool = False


class Batch(msgspec.Struct, frozen=True, kw_only=True):
    """What goes out in one message. ``created`` and ``until`` are the times of its
    oldest and newest row; ``known`` are the tickets of its topics, as they are."""

    id: str
    receiver: str
    group: str
    numbers: tuple[int, ...]
    news: tuple[News, ...]
    routes: tuple[str, ...]
    attempts: int
    created: dt.datetime
    until: dt.datetime
    known: dict[str, AlertTicket]


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """What a receiver knows of a topic after a message. None leaves a word as it was."""

    topic: str
    state: str
    level: str
    cluster: str
    namespace: str
    route: str
    remote: str | None = None
    url: str | None = None
    made: bool = False


class Tally(msgspec.Struct, frozen=True, kw_only=True):
    """How many deliveries of a receiver are in which state, and when one was last sent."""

    waiting: int = 0
    sent: int = 0
    dead: int = 0
    last_sent: dt.datetime | None = None


def incident_of(topic: str) -> str:
    """The id of the incident that a topic is about; empty for others."""
    return topic.removeprefix("incident:") if topic.startswith("incident:") else ""


def news_of(row: Any) -> News:
    """The piece of news of a row of ``alert``."""
    return _news(row.payload)


def to_delivery(row: Any) -> AlertDelivery:
    """A row of ``alert``."""
    return AlertDelivery(
        id=row.id,
        cluster=row.cluster,
        namespace=row.namespace,
        route=row.route,
        receiver=row.receiver,
        topic=row.topic,
        incident=incident_of(row.topic),
        what=row.what,
        level=row.level,
        title=news_of(row).title,
        state=row.state,
        attempts=row.attempts,
        next_at=maybe_us(row.next_at) if row.state == WAITING else None,
        created=from_us(row.created),
        ended=maybe_us(row.ended),
        delivery=row.delivery,
        error=row.error,
    )


def to_ticket(row: Any) -> AlertTicket:
    """A row of ``ticket``."""
    return AlertTicket(
        receiver=row.receiver,
        topic=row.topic,
        incident=incident_of(row.topic),
        cluster=row.cluster,
        namespace=row.namespace,
        route=row.route,
        group=row.grp,
        remote=row.remote,
        url=row.url,
        state=row.state,
        level=row.level,
        made=row.made,
        opened=from_us(row.opened),
        changed=from_us(row.changed),
        checked=maybe_us(row.checked),
    )
