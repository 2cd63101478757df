"""What a clock does beside sending: tickets are compared with what stands there, what lasts is
told again, and an Alertmanager hears of it before it would call it over.

Tickets are worked on by people, so theirs wins: one that is closed there while its incident is
open is noted and left (the incident is acknowledged, as somebody looked at it); one that was
deleted is made anew, once.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from typing import cast

import msgspec

from haechi.model.alert import News, Status
from haechi.respond.alerts.compose import message
from haechi.respond.alerts.delivery import How
from haechi.respond.alerts.plain import safe
from haechi.respond.alerts.settings import Route
from haechi.store.state.alert_rows import CLOSED, GONE, THEIRS, AlertTicket, NewAlert
from haechi.store.state.alerts import Alerts
from haechi.world.receivers.sending import Known, Receiver, TicketReceiver
from haechi.world.receivers.settings import ReceiverSettings

EVERY = dt.timedelta(minutes=5)
"""How often the state of a ticket is asked."""
_AT_ONCE = 20
Note = Callable[[str, str, str], None]
"""Told (incident, receiver, address) of a ticket that a person closed."""


class Reconciler:
    """One receiver's. Used by the thread of its courier."""

    def __init__(
        self,
        settings: ReceiverSettings,
        receiver: Receiver,
        alerts: Alerts,
        routes: Sequence[Route],
        how: How,
        *,
        note: Note | None = None,
    ) -> None:
        self._settings, self._receiver = settings, receiver
        self._alerts, self._how = alerts, how
        self._routes = {one.name: one for one in routes}
        self._note = note
        self._next = dt.datetime.min.replace(tzinfo=dt.UTC)

    def turn(self, now: dt.datetime) -> dt.datetime:
        """What is due now; when to look again. Raises NotSent, StoreError."""
        if now < self._next:
            return self._next
        every = EVERY
        if self._settings.kind == "alertmanager":
            every = dt.timedelta(seconds=self._settings.resend)
        elif not self._settings.keyed:
            every = dt.timedelta(minutes=1)
        self._next = now + every
        if self._settings.tickets:
            self._compare(now)
        elif self._settings.kind == "alertmanager":
            self._refresh(now)
        elif not self._settings.keyed:
            self._repeat(now)
        return self._next

    def _compare(self, now: dt.datetime) -> None:
        receiver = cast("TicketReceiver", self._receiver)
        for one in self._alerts.unchecked(self._settings.name, now - EVERY, limit=_AT_ONCE):
            self._looked(one, receiver.look(one.remote), now)

    def _looked(self, one: AlertTicket, there: bool | None, now: dt.datetime) -> None:
        news = self._alerts.current(one.incident, what="remade") if one.incident else None
        over = news is None or news.status is Status.RESOLVED
        if there is None:
            if over or one.made >= 2:
                self._alerts.checked(one, now, state=CLOSED if over else GONE, forget=True)
            elif news is not None:
                again = self._again(one, news, f"remade:{one.topic}:{one.made}")
                self._alerts.checked(one, now, forget=True, again=again)
        elif not there and not over and one.state != THEIRS:
            self._alerts.checked(one, now, state=THEIRS)
            if self._note is not None:
                self._note(one.incident, one.receiver, one.url)
        else:
            self._alerts.checked(one, now)

    def _again(self, one: AlertTicket, news: News, id_: str) -> NewAlert:
        return NewAlert(
            id=f"{one.receiver}:{id_}",
            news=safe(news),
            route=one.route,
            receiver=one.receiver,
            group=one.group,
            urgent=True,
        )

    def _repeat(self, now: dt.datetime) -> None:
        """What is open and was not told of for its route's interval."""
        made: list[NewAlert] = []
        for one in self._alerts.open_tickets(self._settings.name, limit=500):
            route = self._routes.get(one.route)
            if route is None or not route.repeat_interval:
                continue
            if now - one.changed < dt.timedelta(seconds=route.repeat_interval):
                continue
            news = self._alerts.current(one.incident, what="repeat") if one.incident else None
            if news is None or news.status is not Status.FIRING:
                continue
            told = msgspec.structs.replace(news, at_ns=int(now.timestamp() * 1e9))
            since = int(one.changed.timestamp() * 1e6)
            made.append(self._again(one, told, f"repeat:{one.topic}:{since}"))
        if made:
            self._alerts.take(made, {})

    def _refresh(self, now: dt.datetime) -> None:
        """An Alertmanager calls over what it is not told of any more."""
        lasting = self._alerts.open_tickets(self._settings.name)
        news: list[News] = []
        known: dict[str, Known] = {}
        for one in lasting:
            found = self._alerts.current(one.incident, what="repeat") if one.incident else None
            if found is None:
                continue
            news.append(safe(found))
            known[one.topic] = Known(remote=one.remote, level=one.level)
        for start in range(0, len(news), 500):
            part = news[start : start + 500]
            made = message(
                f"refresh-{start}",
                part,
                language=self._how.language,
                public_url=self._how.public_url,
                now=now,
                most=len(part),
            )
            self._receiver.send(made, known)
