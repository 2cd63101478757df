"""``SecurityAlertManager``: the whole of alerts over one store, and the guide's name for it."""

from __future__ import annotations

import datetime as dt
import hashlib
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import msgspec

from haechi.errors import NotFound
from haechi.model.alert import Message, News, Status
from haechi.model.event import Event, tags_of
from haechi.model.threat import ThreatLevel
from haechi.respond.alerts.compose import message
from haechi.respond.alerts.delivery import Courier, How
from haechi.respond.alerts.intake import Intake, Taken
from haechi.respond.alerts.plain import safe
from haechi.respond.alerts.routing import Step, group, steps
from haechi.respond.alerts.settings import Route
from haechi.respond.alerts.tickets import Note, Reconciler
from haechi.store.state.alerts import Alerts
from haechi.world.receivers.open import opened
from haechi.world.receivers.sending import NotSent, Receiver, Sent
from haechi.world.receivers.settings import ReceiverSettings

if TYPE_CHECKING:
    from haechi.model.incident import Incident
    from haechi.runtime.threat import Judged
    from haechi.store.state.action_records import StoredAction


class Tried(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a test message."""

    ok: bool
    status: str
    detail: str
    seconds: float


class SecurityAlertManager:
    """Routes, writes down and sends. ``send_alert`` is durable when it returns; sending is done
    by the couriers (``courier`` for each receiver), whose threads are the server's."""

    def __init__(
        self,
        alerts: Alerts,
        *,
        receivers: Sequence[ReceiverSettings],
        routes: Sequence[Route],
        how: How | None = None,
        open_: Callable[[ReceiverSettings], Receiver] = opened,
        note: Note | None = None,
    ) -> None:
        self.alerts = alerts
        self.receivers = {one.name: one for one in receivers}
        self.routes = tuple(routes)
        self.how = how or How()
        self._open = open_
        self._note = note
        self._intake = Intake(alerts, routes, receivers, max_age=self.how.max_age)

    def send_alert(self, event: Event | Judged, level: ThreatLevel) -> int:
        """Tell of one event (or the guide's view of one) at this level, by the routes; to how many
        receivers. An event is told once, however often this is called."""
        raw = event if isinstance(event, Event) else event.event
        return self._intake.tell(f"event:{_event_id(raw)}", safe(_of_event(raw, level)))

    def told(self, incident: Incident, change: str) -> int:
        """Take what changed now instead of at the next turn; both are only wake-ups, as the
        changes themselves stand in the store."""
        return self.take().rows

    def told_action(self, action: StoredAction) -> int:
        """As ``told``, for an action."""
        return self.take().rows

    def take(self, now: dt.datetime | None = None) -> Taken:
        """Write down for whom the changes since the last turn are. StoreError."""
        return self._intake.turn(now or dt.datetime.now(dt.UTC))

    def courier(self, name: str) -> tuple[Courier, Reconciler]:
        """What sends to a receiver, and what keeps its tickets."""
        settings = self.receivers[name]
        receiver = self._open(settings)
        return (
            Courier(settings, receiver, self.alerts, self.how),
            Reconciler(settings, receiver, self.alerts, self.routes, self.how, note=self._note),
        )

    def explain(self, news: News) -> list[tuple[Step, str]]:
        """What each route says of the news, and the group it would be in."""
        return [(step, group(news, step.route, None)) for step in steps(news, self.routes)]

    def words(self, news: News, id: str, now: dt.datetime) -> Message:
        """How a piece of news reads."""
        how = self.how
        return message(id, [news], language=how.language, public_url=how.public_url, now=now)

    def test(self, name: str, now: dt.datetime, by: str) -> Tried:
        """Send a marked message to a receiver and tell its answer. It leaves no ticket open and
        no row. NotFound."""
        settings = self.receivers.get(name)
        if settings is None:
            raise NotFound(f"there is no receiver {name[:60]!r}", do="GET /alerts/setup")
        started = time.monotonic()
        try:
            sent = self._tried(settings, now, by)
        except NotSent as error:
            seconds = round(time.monotonic() - started, 3)
            return Tried(ok=False, status=error.status, detail=str(error), seconds=seconds)
        seconds = round(time.monotonic() - started, 3)
        return Tried(ok=True, status=sent.status, detail=sent.detail, seconds=seconds)

    def _tried(self, settings: ReceiverSettings, now: dt.datetime, by: str) -> Sent:
        from haechi.respond.alerts.words import BY_LANGUAGE

        words = BY_LANGUAGE[self.how.language]
        stamp = int(now.timestamp() * 1e9)
        news = News(
            topic=f"test:{settings.name}:{stamp}",
            what="test",
            level="info",
            at_ns=stamp,
            # Over when it comes: an Alertmanager keeps nothing of it, a ticket is closed at once.
            status=Status.RESOLVED,
            title=words.test.format(name=settings.name),
            by=by,
        )
        id_ = hashlib.blake2b(news.topic.encode(), digest_size=16).hexdigest()
        made = message(
            id_,
            [news],
            language=self.how.language,
            public_url=self.how.public_url,
            now=now,
            test=True,
        )
        return self._open(settings).send(made, {})


def _event_id(event: Event) -> str:
    words = "\0".join((event.cluster, event.source, event.id))
    return hashlib.blake2b(words.encode("utf-8", "replace"), digest_size=16).hexdigest()


def _of_event(event: Event, level: ThreatLevel) -> News:
    return News(
        topic=f"event:{_event_id(event)}",
        what="opened",
        level=level.word,
        at_ns=event.ts_ns,
        status=Status.NOTE,
        cluster=event.cluster,
        namespace=event.namespace,
        resource=event.resource,
        node=event.node,
        title=event.rule or event.type,
        first_ns=event.ts_ns,
        last_ns=event.ts_ns,
        detections=1,
        rules=(event.rule,) if event.rule else (),
        techniques=tags_of(event.fields),
        evidence=(event.message,) if event.message else (),
    )
