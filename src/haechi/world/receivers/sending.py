"""What is between whoever sends messages and the receivers: what a receiver knew, what it answers,
and how a failure says whether trying again makes sense.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import msgspec

from haechi.errors import HaechiError
from haechi.model.alert import Message


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """What stands at the receiver about a topic: its id and address there, whether it is open,
    and the level that was told."""

    remote: str = ""
    url: str = ""
    open: bool = True
    level: str = ""


class Stood(msgspec.Struct, frozen=True, kw_only=True):
    """What stands there about a topic after a message; ``made``: it was made now."""

    remote: str
    url: str = ""
    made: bool = False


class Sent(msgspec.Struct, frozen=True, kw_only=True):
    """The receiver took it. ``status`` is the product's own word: an HTTP status, an SMTP reply,
    ``sent`` for what is never answered. ``stands`` by topic, where the receiver keeps things."""

    status: str
    detail: str = ""
    stands: Mapping[str, Stood] = {}


class NotSent(HaechiError):
    """The receiver did not take it. ``permanent``: the same message will never be taken.
    ``retry_after``: seconds that the receiver asked for; 0: it did not say."""

    def __init__(
        self, what: str, *, permanent: bool = False, retry_after: float = 0.0, status: str = ""
    ) -> None:
        super().__init__(what)
        self.permanent = permanent
        self.retry_after = retry_after
        self.status = status


class Receiver(Protocol):
    """One receiver, opened. Used by one thread at a time."""

    def send(self, message: Message, known: Mapping[str, Known]) -> Sent:
        """Send it. ``known`` is by topic. Raises NotSent."""


class TicketReceiver(Receiver, Protocol):
    """One that keeps a ticket for each topic."""

    def look(self, remote: str) -> bool | None:
        """True when the ticket is open there, False when closed, None when there is none."""
