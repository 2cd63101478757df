"""Sending what is due to one receiver: one step at a time, by a clock that is given.

A receiver that fails for now is left alone for a while as a whole (longer each time, with jitter,
and at least as long as it asked for); the message keeps its place. One that says no for good
makes a dead letter at once, one that fails for longer than ``max_age`` as well. A receiver has a
rate; when more waits than it allows, what is due is told in one message a minute that counts the
rest, except where each topic needs a message of its own.
"""

from __future__ import annotations

import datetime as dt
import random
from collections import deque
from collections.abc import Callable

import msgspec

from haechi.model.alert import News, Status
from haechi.respond.alerts.compose import SHOWN, message
from haechi.store.state.alert_rows import OPEN, AlertTicket, Batch, Standing
from haechi.store.state.alerts import Alerts
from haechi.world.receivers.sending import Known, NotSent, Receiver, Sent
from haechi.world.receivers.settings import ReceiverSettings

FIRST_WAIT, LONGEST_WAIT = 5.0, 900.0
WINDOW = dt.timedelta(minutes=1)
STORM = 3
"""Groups that must wait, beyond the rate, for a summary."""
_MOST, _MOST_STORM = 100, 5_000
_WHOLE = frozenset({"alertmanager", "webhook", "otlp", "syslog"})
"""Kinds for programs: they are given all news, and nobody is flooded."""


class How(msgspec.Struct, frozen=True, kw_only=True):
    """What all receivers share."""

    language: str = "en"
    public_url: str = ""
    max_age: dt.timedelta = dt.timedelta(hours=24)


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """What a turn came to: ``nothing``, ``sent``, ``skipped``, ``later``, ``dead``; and when to
    look again (None: when something new waits)."""

    outcome: str
    next_at: dt.datetime | None = None
    error: str = ""
    news: int = 0


class Courier:
    """One receiver's. Used by one thread."""

    def __init__(
        self,
        settings: ReceiverSettings,
        receiver: Receiver,
        alerts: Alerts,
        how: How,
        *,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.settings = settings
        self.receiver = receiver
        self._alerts = alerts
        self._how = how
        self._jitter = jitter
        self._failures = 0
        self._not_before: dt.datetime | None = None
        self._times: deque[dt.datetime] = deque()
        self._storm_since: dt.datetime | None = None

    def turn(self, now: dt.datetime) -> Step:
        """One step. Raises StoreError."""
        if self._not_before is not None and now < self._not_before:
            return Step(outcome="nothing", next_at=self._not_before)
        first, groups = self._alerts.due(self.settings.name, now)
        if first is None or first > now:
            return Step(outcome="nothing", next_at=first)
        wide = self.settings.kind == "alertmanager"
        if (until := self._full(now)) is not None:
            if groups > STORM and not self.settings.keyed and self._storm_since is None:
                self._storm_since = now
            wait = now + WINDOW if self._storm_since == now else until
            self._not_before = wait
            return Step(outcome="nothing", next_at=wait)
        storm = self._storm_since is not None and groups > STORM and not self.settings.keyed
        batch = self._alerts.begin(
            self.settings.name,
            now,
            most=_MOST_STORM if storm else _MOST,
            wide=wide or storm,
        )
        if batch is None:
            return Step(outcome="nothing", next_at=now + dt.timedelta(seconds=1))
        self._storm_since = now if storm else None
        return self._deliver(batch, now)

    def _full(self, now: dt.datetime) -> dt.datetime | None:
        """When the rate allows the next message; None: now."""
        while self._times and self._times[0] <= now - WINDOW:
            self._times.popleft()
        return self._times[0] + WINDOW if len(self._times) >= self.settings.rate else None

    def _deliver(self, batch: Batch, now: dt.datetime) -> Step:
        batch = self._in_order(batch)
        if self._over(batch):
            self._alerts.skipped(batch, now, "it was over before it could be told")
            return Step(outcome="skipped", next_at=now, news=len(batch.news))
        made = message(
            batch.id,
            batch.news,
            language=self._how.language,
            public_url=self._how.public_url,
            # Its times belong to the content: nothing of it may change between tries.
            now=batch.created,
            most=_MOST_STORM if self.settings.kind in _WHOLE else SHOWN,
            minutes=round((batch.until - batch.created).total_seconds() / 60),
        )
        self._times.append(now)
        try:
            sent = self.receiver.send(made, self._known(batch))
        except NotSent as error:
            return self._failed(batch, error, now)
        self._failures, self._not_before = 0, None
        self._alerts.sent(batch, now, self._standing(batch, sent))
        return Step(outcome="sent", next_at=now, news=len(batch.news))

    def _in_order(self, batch: Batch) -> Batch:
        """What is told of a topic is what it is in now, and never older than what was told."""
        order = sorted(range(len(batch.news)), key=lambda place: batch.news[place].at_ns)
        return msgspec.structs.replace(batch, news=tuple(batch.news[place] for place in order))

    def _over(self, batch: Batch) -> bool:
        """All of it ended, and the receiver was never told that it began."""
        last = {one.topic: one for one in batch.news}
        return all(
            one.status is Status.RESOLVED and one.topic not in batch.known for one in last.values()
        )

    def _known(self, batch: Batch) -> dict[str, Known]:
        found = {topic: _as_known(one) for topic, one in batch.known.items()}
        for one in batch.news:
            if one.former and one.topic not in found and self.settings.tickets:
                former = self._alerts.ticket(self.settings.name, f"incident:{one.former}")
                if former is not None and former.remote:
                    found[one.topic] = _as_known(former)
        return found

    def _standing(self, batch: Batch, sent: Sent) -> list[Standing]:
        last: dict[str, News] = {}
        for one in batch.news:
            if one.status is not Status.NOTE or one.topic not in last:
                last[one.topic] = one
        routes = dict(zip((one.topic for one in batch.news), batch.routes, strict=True))
        made: list[Standing] = []
        for topic, one in last.items():
            stood = sent.stands.get(topic)
            made.append(
                Standing(
                    topic=topic,
                    state="closed" if one.status in (Status.RESOLVED, Status.NOTE) else OPEN,
                    level=one.level,
                    cluster=one.cluster,
                    namespace=one.namespace,
                    route=routes[topic],
                    remote=None if stood is None else stood.remote,
                    url=None if stood is None else stood.url,
                    made=stood is not None and stood.made,
                )
            )
        return made

    def _failed(self, batch: Batch, error: NotSent, now: dt.datetime) -> Step:
        said = str(error)
        if error.permanent:
            self._alerts.dead(batch, now, said)
            return Step(outcome="dead", next_at=now, error=said, news=len(batch.news))
        if now - batch.created >= self._how.max_age:
            hours = self._how.max_age.total_seconds() / 3600
            self._alerts.dead(batch, now, f"given up after {hours:g} h: {said}")
            return Step(outcome="dead", next_at=now, error=said, news=len(batch.news))
        self._failures += 1
        wait = max(backoff(self._failures, self._jitter()), error.retry_after)
        at = now + dt.timedelta(seconds=wait)
        self._alerts.later(batch, at, said)
        self._not_before = at
        return Step(outcome="later", next_at=at, error=said, news=len(batch.news))


def backoff(failures: int, jitter: float) -> float:
    """Seconds after so many failures in a row: 5, 10, 20 … 900, less up to a half."""
    whole = min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** min(failures - 1, 20))
    return float(whole * (1.0 - jitter / 2))


def _as_known(one: AlertTicket) -> Known:
    return Known(remote=one.remote, url=one.url, open=one.state == OPEN, level=one.level)
