"""What the API says of alerts: receivers and routes as configured, deliveries, tickets.

No secret is in any of these: of one it is only said whether a place for it is named, and whether
it can be read there.
"""

from __future__ import annotations

import datetime as dt
from typing import Literal

from haechi.model.alert import News
from haechi.store.records import Record
from haechi.store.state.alert_rows import AlertDelivery, AlertTicket

Level = Literal["info", "low", "medium", "high", "critical"]


class AlertReceiver(Record, frozen=True, kw_only=True):
    """A receiver and how it does. ``address`` is scheme and host alone (empty: it stands where
    secrets do); ``target`` what it writes to there (project, repository, addresses of mail).
    ``secret``: ``set``, ``not set``, or ``missing`` (named, but not there). ``state``: ``idle``,
    ``well``, ``failing``, ``busy``."""

    name: str
    kind: str
    address: str
    target: str
    secret: str
    tickets: bool
    rate: int
    state: str
    error: str = ""
    waiting: int = 0
    dead: int = 0
    sent: int = 0
    last_sent: dt.datetime | None = None


class AlertRoute(Record, frozen=True, kw_only=True):
    """A route as configured. ``match`` lists are globs; times are seconds."""

    name: str
    receivers: list[str]
    level: str
    clusters: list[str]
    namespaces: list[str]
    owners: list[str]
    rules: list[str]
    tags: list[str]
    events: list[str]
    goes_on: bool
    group_by: list[str]
    group_wait: int
    group_interval: int
    repeat_interval: int


class AlertSetup(Record, frozen=True, kw_only=True):
    """Who is told of what. ``silent``: nobody is told anything, and ``why``. ``unrouted`` counts
    news since the start that no route took."""

    language: str
    silent: bool
    why: str
    receivers: list[AlertReceiver]
    routes: list[AlertRoute]
    unrouted: int
    public_url: str


class AlertDeliveryDetail(Record, frozen=True, kw_only=True):
    """A delivery with its news, and how it reads."""

    delivery: AlertDelivery
    news: News
    subject: str
    text: str
    ticket: AlertTicket | None = None


class AlertRetried(Record, frozen=True, kw_only=True):
    """How many dead letters wait again."""

    retried: int


class AlertTested(Record, frozen=True, kw_only=True):
    """What the receiver answered to a test. ``status`` is the product's own (an HTTP status, an
    SMTP reply, ``sent`` for what is never answered)."""

    ok: bool
    status: str
    detail: str
    seconds: float


class AlertStep(Record, frozen=True, kw_only=True):
    """One route's word about an incident. ``because`` says what did not hold (empty: it takes
    it); ``reached``: an earlier route ended the list."""

    route: str
    takes: bool
    reached: bool
    because: str
    receivers: list[str]
    group: str


class AlertPreview(Record, frozen=True, kw_only=True):
    """Where news would go. ``steps`` are all routes in order; who is bound to a place sees those
    that take it only."""

    receivers: list[str]
    steps: list[AlertStep]
    says: str
