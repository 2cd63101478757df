"""From changes of incidents and actions to rows of the outbox, each exactly once.

Rows and the place up to which news were read are one transaction. A crash before it leaves both
as they were, one after it neither loses nor repeats.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import msgspec

from haechi.model.alert import News
from haechi.respond.alerts.plain import safe
from haechi.respond.alerts.routing import rows
from haechi.respond.alerts.settings import Route
from haechi.store.state.alert_rows import NewAlert
from haechi.store.state.alerts import Alerts
from haechi.world.receivers.settings import ReceiverSettings

_PART = 500


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """What one turn came to."""

    news: int = 0
    rows: int = 0
    unrouted: int = 0
    more: bool = False


class Intake:
    """One per server."""

    def __init__(
        self,
        alerts: Alerts,
        routes: Sequence[Route],
        receivers: Sequence[ReceiverSettings],
        *,
        max_age: dt.timedelta,
    ) -> None:
        self._alerts = alerts
        self._seen: set[str] = set()
        self._max_age_ns = int(max_age.total_seconds() * 1e9)
        self._routes = routes
        self._receivers = {one.name: one for one in receivers}

    def turn(self, now: dt.datetime) -> Taken:
        """Take what is new. What is older than a message may become is passed over: whoever sets
        up the first route is not told of last month. Raises StoreError; then nothing was taken."""
        found = self._alerts.news(limit=_PART)
        # Actions are read again for a while; what was seen in the last turn is not new.
        news_ = [one for one in found.news if one[0] not in self._seen]
        if not news_ and not found.places:
            return Taken()
        told = self._alerts.told_to(sorted({one.topic for _, one in news_}))
        made: list[NewAlert] = []
        unrouted = 0
        oldest_ns = int(now.timestamp() * 1e9) - self._max_age_ns
        for id_, raw in news_:
            if raw.at_ns < oldest_ns:
                continue
            news = safe(raw)
            mine = rows(id_, news, self._routes, self._receivers, told.get(raw.topic, set()))
            told.setdefault(raw.topic, set()).update(one.receiver for one in mine)
            unrouted += not mine
            made += mine
        added = self._alerts.take(made, found.places)
        self._seen = {id_ for id_, _ in found.news}
        return Taken(news=len(news_), rows=added, unrouted=unrouted, more=found.more)

    def tell(self, id: str, news: News) -> int:
        """Take one piece of news that comes from elsewhere; how many rows were new."""
        fit = safe(news)
        told = self._alerts.told_to([news.topic]).get(news.topic, set())
        made = rows(id, fit, self._routes, self._receivers, told)
        return self._alerts.take(made, {}) if made else 0
