"""A review on its way, how much is taken at once, and the words for what was not judged."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec

from haechi.server.webhook.frames import Route

if TYPE_CHECKING:
    from haechi.server.webhook.generation import Evaluator

Reply = tuple[int, bytes]
"""HTTP status and body."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """How much at once, and how long. ``spares`` wait for an evaluator to be lost. One that has
    grown by ``grown_bytes`` or judged ``most_reviews`` is replaced: the CEL library keeps a little
    of every call of a function of ours, and cannot be closed."""

    workers: int = 2
    spares: int = 1
    ahead: int = 2
    queue: int = 256
    policy_s: float = 1.0
    review_s: float = 2.0
    starved_s: float = 5.0
    grown_bytes: int = 96 << 20
    most_reviews: int = 500_000


class Job:
    """A review on its way."""

    __slots__ = (
        "began",
        "body",
        "deadline",
        "deaths",
        "future",
        "holder",
        "number",
        "off",
        "route",
        "since",
    )

    def __init__(
        self,
        number: int,
        route: Route,
        body: bytes,
        deadline: float,
        began: float,
        future: asyncio.Future[Reply],
    ) -> None:
        self.number, self.route, self.body = number, route, body
        self.deadline, self.began, self.future = deadline, began, future
        self.off: dict[str, str] = {}
        self.deaths = 0
        self.holder: Evaluator | None = None
        self.since = began


WHY = {
    "overload": "it is overloaded",
    "deadline": "there was no time left",
    "crash": "judging it ended its process",
    "unreadable": "it cannot be read",
    "not-ready": "no policies are loaded yet",
    "stopping": "it is about to stop",
}
"""Why a review was answered by group, for people; the keys are labels of a metric."""
