"""Which routes take a piece of news, and why the others do not. Pure."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from haechi.model.access import matches
from haechi.model.alert import News
from haechi.respond.alerts.settings import Route
from haechi.store.state.alert_rows import LEVELS, NewAlert
from haechi.world.receivers.settings import ReceiverSettings

URGENT = frozenset(
    ("raised", "reopened", "not_contained", "approval", "failed", "stuck", "halted", "test")
)
"""What does not wait for the interval of its group."""


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """A route's word. ``because``: what did not hold, empty when it takes the news."""

    route: Route
    because: str
    reached: bool

    @property
    def takes(self) -> bool:
        """True when the news go to its receivers."""
        return self.reached and not self.because


def steps(news: News, routes: Sequence[Route]) -> list[Step]:
    """All routes in order. Behaviour never pages alone: an incident that no rule is in is taken
    by none."""
    alone = bool(news.incident) and not news.rules
    reached, made = True, []
    for route in routes:
        because = "no rule is in it: behaviour alone is not told" if alone else lacks(news, route)
        made.append(Step(route=route, because=because, reached=reached))
        if reached and not because and not route.continue_:
            reached = False
    return made


def lacks(news: News, route: Route) -> str:
    """What of the route's match does not hold; empty when all does."""
    match = route.match
    if LEVELS.index(news.level) < LEVELS.index(match.level):
        return f"its level is {news.level}, below {match.level}"
    for name, globs, values in (
        ("cluster", match.clusters, (news.cluster,)),
        ("namespace", match.namespaces, (news.namespace,)),
        ("owner", match.owners, (news.owner,)),
        ("rule", match.rules, news.rules),
        ("tag", match.tags, (*news.tactics, *news.techniques)),
    ):
        if globs and not any(matches(one, globs) for one in values):
            shown = ", ".join(one or "none" for one in values) or "none"
            return f"its {name} is {shown[:200]}"
    if match.events and news.what not in match.events:
        return f"what happened is {news.what}"
    return ""


def rows(
    id: str,
    news: News,
    routes: Sequence[Route],
    receivers: dict[str, ReceiverSettings],
    told: set[str],
) -> list[NewAlert]:
    """The rows of the outbox for a piece of news: for each receiver of the routes that take it
    once, and for those that heard of the topic before (they must hear of its end, too)."""
    made: dict[str, NewAlert] = {}
    for step in steps(news, routes):
        if step.takes:
            for name in step.route.receivers:
                made.setdefault(name, _row(id, news, step.route, receivers[name]))
    by_name = {name: route for route in reversed(routes) for name in route.receivers}
    for name in sorted(told - set(made)):
        route = by_name.get(name)
        events = route.match.events if route is not None else []
        if name in receivers and route is not None and (not events or news.what in events):
            made[name] = _row(id, news, route, receivers[name])
    return list(made.values())


def _row(id: str, news: News, route: Route, receiver: ReceiverSettings) -> NewAlert:
    return NewAlert(
        id=f"{receiver.name}:{id}",
        news=news,
        route=route.name,
        receiver=receiver.name,
        group=group(news, route, receiver),
        wait_s=route.group_wait,
        interval_s=route.group_interval,
        urgent=news.what in URGENT,
    )


def group(news: News, route: Route, receiver: ReceiverSettings | None) -> str:
    """What news are told together. A receiver that keeps something for each topic has a group for
    each topic."""
    if receiver is not None and receiver.keyed:
        return news.topic
    words = {
        "incident": news.topic,
        "cluster": news.cluster,
        "namespace": news.namespace,
        "owner": news.owner,
        "resource": news.resource,
        "level": news.level,
    }
    return "\x1f".join([route.name, *(f"{name}={words[name]}" for name in route.group_by)])
