"""What people are told: a piece of news as it is kept, and a message as a receiver is given it.

``News`` is what happened, without words of any language and without secrets (the texts of events
in it are masked and bounded when it is made). ``Message`` is news put into words; it is plain
text only: a receiver escapes for its own form.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec


class Status(StrEnum):
    """What a topic is in, as receivers with a memory know it."""

    FIRING = "firing"
    ACKNOWLEDGED = "acknowledged"
    RESOLVED = "resolved"
    NOTE = "note"  # says something of a topic without changing it


class News(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One piece of news. ``topic`` is ``incident:<id>``, ``action:<id>``, ``halt:<scope>`` or
    ``test:<receiver>``; ``what`` is what happened, ``state`` what the topic is in now, ``former``
    the closed incident of the same cause. Times are nanoseconds since 1970 in UTC. ``by`` is who
    did it, ``note`` what they wrote."""

    topic: str
    what: str
    level: str
    at_ns: int
    status: Status = Status.FIRING
    cluster: str = "-"
    namespace: str = "-"
    resource: str = ""
    node: str = ""
    owner: str = ""
    title: str = ""
    incident: str = ""
    former: str = ""
    state: str = ""
    was: str = ""
    by: str = ""
    note: str = ""
    score: float = 0.0
    detections: int = 0
    opened_ns: int = 0
    first_ns: int = 0
    last_ns: int = 0
    reasons: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    tactics: tuple[str, ...] = ()
    techniques: tuple[str, ...] = ()
    source_ips: tuple[str, ...] = ()
    evidence: tuple[str, ...] = ()
    action: str = ""
    action_kind: str = ""
    says: str = ""
    outcome: str = ""
    why: str = ""
    expires_ns: int = 0


class Fact(msgspec.Struct, frozen=True, kw_only=True):
    """A line of a message: ``label`` in the message's language, ``value`` as it is."""

    label: str
    value: str


class Item(msgspec.Struct, frozen=True, kw_only=True):
    """A piece of news in words. ``heading`` is one line, ``next_step`` what to do now, ``link``
    the page about it (empty where the server's own address is not known)."""

    news: News
    heading: str
    facts: tuple[Fact, ...] = ()
    evidence: tuple[str, ...] = ()
    next_step: str = ""
    link: str = ""


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """What one receiver is sent at once. ``id`` stays the same however often it is sent. ``more``
    counts news of a storm that are only counted; ``test`` marks what somebody sends to try.
    ``labels`` are words of the message's language for what receivers name themselves."""

    id: str
    at_ns: int
    subject: str
    items: tuple[Item, ...]
    more: int = 0
    more_says: str = ""
    test: bool = False
    language: str = "en"
    evidence_label: str = "Evidence"
    next_label: str = "Next"
    link_label: str = "Open in haechi"

    @property
    def level(self) -> str:
        """The worst of its items."""
        order = ("info", "low", "medium", "high", "critical")
        return max((one.news.level for one in self.items), key=order.index, default="info")

    @property
    def latest(self) -> dict[str, Item]:
        """The newest item of each topic: what it is in now."""
        found: dict[str, Item] = {}
        for one in self.items:
            was = found.get(one.news.topic)
            if was is None or one.news.at_ns >= was.news.at_ns:
                found[one.news.topic] = one
        return found

    @property
    def status(self) -> Status:
        """Firing while anything of it is; else the first that holds."""
        found = {one.news.status for one in self.items}
        for status in (Status.FIRING, Status.ACKNOWLEDGED, Status.NOTE):
            if status in found:
                return status
        return Status.RESOLVED
