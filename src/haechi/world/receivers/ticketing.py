"""What all trackers have in common: one ticket for a topic, made once, closed, opened again.

A ticket carries marks of ours in its body: of its topic, by which it is looked for before one is
made (whoever died between making and writing that down finds it), and of the delivery, by which a
message that was sent already is not written twice.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Protocol

import msgspec

from haechi.model.alert import Item, Message, Status
from haechi.world.receivers.sending import Known, Sent, Stood
from haechi.world.receivers.settings import ReceiverSettings

LABEL = "haechi"
_BACK = frozenset({"opened", "raised", "reopened", "not_contained", "remade"})
"""News that open a ticket again which was closed."""


class Ticket(msgspec.Struct, frozen=True, kw_only=True):
    """A ticket as it stands there."""

    remote: str
    url: str
    open: bool


class Tracker(Protocol):
    """The doings of a product."""

    def find(self, mark: str) -> Ticket | None: ...
    def get(self, remote: str) -> Ticket | None: ...
    def create(self, message: Message, marks: tuple[str, ...]) -> Ticket: ...
    def said(self, remote: str, mark: str) -> bool: ...
    def comment(self, remote: str, message: Message, mark: str) -> None: ...
    def turn(self, remote: str, *, open_: bool) -> None: ...


class Tickets:
    """A receiver that keeps a ticket for each topic. ``tracker`` is made for each message: it
    reads the secret anew."""

    def __init__(
        self, settings: ReceiverSettings, tracker: Callable[[ReceiverSettings], Tracker]
    ) -> None:
        self._settings = settings
        self._tracker = tracker

    def send(self, message: Message, known: Mapping[str, Known]) -> Sent:
        """Bring the topic's ticket to where its news are."""
        return told(self._tracker(self._settings), message, known)

    def look(self, remote: str) -> bool | None:
        """Whether the ticket is open there; None when there is none."""
        found = self._tracker(self._settings).get(remote)
        return None if found is None else found.open


def topic_mark(topic: str) -> str:
    """By which a topic's ticket is found."""
    return f"haechi-{hashlib.blake2b(topic.encode('utf-8', 'replace'), digest_size=10).hexdigest()}"


def delivery_mark(message: Message) -> str:
    """By which a message is found."""
    return f"haechi-delivery-{message.id}"


def told(tracker: Tracker, message: Message, known: Mapping[str, Known]) -> Sent:
    """Bring the ticket of the message's topic to where its news are. NotSent."""
    topic, last = next(iter(message.latest.items()))
    was = known.get(topic)
    ticket = tracker.get(was.remote) if was is not None and was.remote else None
    if ticket is None:
        ticket = tracker.find(topic_mark(topic))
    made = ticket is None
    over = last.news.status is Status.RESOLVED
    if ticket is None:
        if last.news.status in (Status.RESOLVED, Status.NOTE) and not message.test:
            return Sent(status="no ticket is needed")
        ticket = tracker.create(message, (topic_mark(topic), delivery_mark(message)))
    else:
        if not over and not ticket.open and _comes_back(message.items):
            tracker.turn(ticket.remote, open_=True)
        if not tracker.said(ticket.remote, delivery_mark(message)):
            tracker.comment(ticket.remote, message, delivery_mark(message))
    if over and ticket.open:
        tracker.turn(ticket.remote, open_=False)
    stood = Stood(remote=ticket.remote, url=ticket.url, made=made)
    return Sent(status="made" if made else "told", detail=ticket.url, stands={topic: stood})


def _comes_back(items: tuple[Item, ...]) -> bool:
    return any(one.news.what in _BACK for one in items)
