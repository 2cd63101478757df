"""What may stand under ``alerts``: routes, and the checks over routes and receivers together.

Routes are a list, not a tree: the first that matches takes a piece of news, and the following
ones, too, where it says ``continue``. One that nothing matches is told to nobody.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from haechi.errors import ConfigError
from haechi.world.receivers.settings import NAME, ReceiverSettings

MOST_RECEIVERS, MOST_ROUTES, MOST_GLOBS = 30, 200, 200
What = Literal[
    "opened",
    "raised",
    "acknowledged",
    "contained",
    "not_contained",
    "resolved",
    "reopened",
    "approval",
    "applied",
    "undone",
    "failed",
    "stuck",
    "halted",
]
GroupBy = Literal["incident", "cluster", "namespace", "owner", "resource", "level"]
_Seconds = Annotated[int, Meta(ge=0, le=30 * 86_400)]


class Match(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a route takes: every part that is set must hold, any value of a list will do.
    ``level`` is the least one. Lists are globs (``*`` any text); ``rules`` and ``tags`` hold when
    any rule or tag of the incident fits. ``events`` are what happened."""

    level: Literal["info", "low", "medium", "high", "critical"] = "info"
    clusters: list[str] = []
    namespaces: list[str] = []
    owners: list[str] = []
    rules: list[str] = []
    tags: list[str] = []
    events: list[What] = []


class Route(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where news go. Times are seconds. ``group_wait`` is how long the first piece of news of a
    group waits for others, ``group_interval`` the least time between two messages of a group;
    after ``repeat_interval`` without a message, what is still open is told again (0: never)."""

    name: str
    receivers: list[str]
    match: Match = Match()
    continue_: bool = msgspec.field(default=False, name="continue")
    group_by: list[GroupBy] = msgspec.field(default_factory=lambda: ["incident"])
    group_wait: _Seconds = 5
    group_interval: _Seconds = 60
    repeat_interval: _Seconds = 4 * 3600


def check(receivers: Sequence[ReceiverSettings], routes: Sequence[Route]) -> None:
    """Raises ConfigError for what the types cannot say."""
    if len(receivers) > MOST_RECEIVERS:
        raise ConfigError(f"more than {MOST_RECEIVERS} receivers", where="alerts.receivers")
    if len(routes) > MOST_ROUTES:
        raise ConfigError(f"more than {MOST_ROUTES} routes", where="alerts.routes")
    for index, receiver in enumerate(receivers):
        receiver.check(f"alerts.receivers[{index}]")
    known = _unique([one.name for one in receivers], "alerts.receivers")
    _unique([one.name for one in routes], "alerts.routes")
    for index, route in enumerate(routes):
        _route(route, known, f"alerts.routes[{index}]")


def _unique(names: list[str], where: str) -> set[str]:
    for name in names:
        if names.count(name) > 1:
            raise ConfigError(f"two are named {name[:60]!r}", where=where)
    return set(names)


def _route(route: Route, known: set[str], where: str) -> None:
    if not NAME.fullmatch(route.name):
        raise ConfigError(f"{route.name[:60]!r} is no name", where=where, do="use a-z, 0-9 and -")
    if not route.receivers:
        raise ConfigError("no receiver is named", where=where, do="receivers: [oncall]")
    _unique(route.receivers, f"{where}.receivers")
    for name in route.receivers:
        if name not in known:
            raise ConfigError(
                f"there is no receiver {name[:60]!r}",
                do=f"declared are: {', '.join(sorted(known)) or 'none'}",
                where=where,
            )
    for part in ("clusters", "namespaces", "owners", "rules", "tags"):
        globs: list[str] = getattr(route.match, part)
        if len(globs) > MOST_GLOBS or any(not 0 < len(one) <= 400 for one in globs):
            raise ConfigError(
                f"`{part}` has more than {MOST_GLOBS} globs, an empty or a very long one",
                where=f"{where}.match",
            )
