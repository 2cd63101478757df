"""Prometheus Alertmanager: ``POST /api/v2/alerts``. Its labels are what it knows an alert by.

An alert that lasts has to be told again before ``endsAt``, or it counts as over; so each is told
for some resends ahead (``respond``'s ``tickets`` does that). The level is a label, as routes there
match on it: when it changes, the alert under the old one is ended in the same request. A request
that comes twice is the same alert.
"""

from __future__ import annotations

import base64
import datetime as dt
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from haechi.model.alert import Item, Message, Status
from haechi.world.receivers.http import Http
from haechi.world.receivers.secret import secret_of, url_of
from haechi.world.receivers.sending import Known, Sent, Stood
from haechi.world.receivers.settings import ReceiverSettings

AHEAD = 4
"""Resends that an alert outlasts: as Prometheus does it."""
_PART = 500
_LONGEST = 1_000


def utc_now() -> dt.datetime:
    """The clock on the wall."""
    return dt.datetime.now(dt.UTC)


class Alertmanager:
    """See the module."""

    def __init__(
        self, settings: ReceiverSettings, *, clock: Callable[[], dt.datetime] = utc_now
    ) -> None:
        self._settings = settings
        self._clock = clock

    def send(self, message: Message, known: Mapping[str, Known]) -> Sent:
        """All of the message's topics, in parts."""
        now = self._clock()
        until = now + dt.timedelta(seconds=AHEAD * self._settings.resend)
        latest = message.latest
        made: list[dict[str, Any]] = []
        for topic, one in latest.items():
            was = known.get(topic)
            if was is not None and was.remote and was.remote != one.news.level:
                old = msgspec.structs.replace(
                    one, news=msgspec.structs.replace(one.news, level=was.remote)
                )
                made.append(alert(old, now, now))
            over = one.news.status is Status.RESOLVED
            made.append(alert(one, now, now if over else until))
        secret = secret_of(self._settings)
        url = f"{url_of(self._settings)}/api/v2/alerts"
        http = Http(self._settings, secret, url)
        status = "200"
        for start in range(0, len(made), _PART):
            body = msgspec.json.encode(made[start : start + _PART])
            reply = http.take("POST", url, body=body, headers=self._headers(secret))
            status = str(reply.status)
        stands = {topic: Stood(remote=one.news.level) for topic, one in latest.items()}
        return Sent(status=status, stands=stands)

    def _headers(self, secret: str) -> dict[str, str]:
        headers = {"Content-Type": "application/json"}
        if secret and self._settings.user:
            login = base64.b64encode(f"{self._settings.user}:{secret}".encode()).decode()
            headers["Authorization"] = f"Basic {login}"
        elif secret:
            headers["Authorization"] = f"Bearer {secret}"
        return headers


def alert(one: Item, now: dt.datetime, until: dt.datetime) -> dict[str, Any]:
    """An alert as its API has it. Empty labels are left out, as they mean the same there."""
    news = one.news
    labels = {
        "alertname": "HaechiIncident" if news.incident else "HaechiNews",
        "severity": news.level,
        "topic": news.topic,
        "incident": news.incident,
        "cluster": "" if news.cluster == "-" else news.cluster,
        "namespace": "" if news.namespace == "-" else news.namespace,
        "resource": news.resource,
        "node": news.node,
    }
    annotations = {
        "summary": one.heading,
        "description": "\n".join(f"{fact.label}: {fact.value}" for fact in one.facts),
        "evidence": "\n".join(one.evidence),
        "next": one.next_step,
        "owner": news.owner,
        "state": news.state,
    }
    begun = news.opened_ns or news.first_ns or news.at_ns
    starts = min(now, dt.datetime.fromtimestamp(max(0, begun) // 10**9, dt.UTC))
    made: dict[str, Any] = {
        "labels": {name: value[:_LONGEST] for name, value in labels.items() if value},
        "annotations": {name: value for name, value in annotations.items() if value},
        "startsAt": starts.isoformat(),
        "endsAt": until.isoformat(),
    }
    if one.link:
        made["generatorURL"] = one.link
    return made
