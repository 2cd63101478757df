"""What the API says of learnt behaviour."""

from __future__ import annotations

import datetime as dt
from typing import Literal

from haechi.store.records import Record

ProfileStateName = Literal["learning", "active", "frozen"]


class ProfileValue(Record, frozen=True, kw_only=True):
    """Something that a workload does: a program, ``parent → child``, ``reads /etc/hosts``, a peer
    ``10.2.0.0/16:443``, a port it listens on, a call. ``share`` is of its family, 0 to 1;
    ``count`` is how often it was seen."""

    value: str
    count: int
    share: float
    first: dt.datetime
    last: dt.datetime


class ProfileFamily(Record, frozen=True, kw_only=True):
    """One kind of behaviour: ``program``, ``lineage``, ``file``, ``peer``, ``port``, ``call``.

    ``known`` values are kept of ``most`` at most, ``values`` are the most frequent of them;
    ``fresh`` came lately and is not learnt yet. ``count`` is of all observations."""

    name: str
    count: int
    known: int
    most: int
    values: list[ProfileValue]
    fresh: list[ProfileValue] = []


class ProfileRow(Record, frozen=True, kw_only=True):
    """One workload's profile. ``resource`` is empty where no workload is known (a host's program,
    a container by itself); ``image`` is empty on a host. ``since`` is when this state began,
    ``started`` when learning did. ``progress`` of learning is 0 to 1. ``held``: an incident that
    is open for the workload froze it; ``frozen_by_hand``: somebody did. ``cold_start``: it began
    with what a profile of the same image knew. ``bytes`` is the memory it takes, about."""

    id: str
    cluster: str
    namespace: str
    resource: str
    image: str
    command: str
    name: str
    state: ProfileStateName
    since: dt.datetime
    started: dt.datetime
    last_seen: dt.datetime
    events: int
    progress: float
    held: bool = False
    frozen_by_hand: bool = False
    cold_start: bool = False
    bytes: int = 0
    top: list[str] = []


class ProfileScores(Record, frozen=True, kw_only=True):
    """Scores below which a half, 99 % and 99.9 % of a workload's events of one kind lie (``exec``,
    ``file``, ``network``, ``other``), of ``count`` (fading) events."""

    kind: str
    count: float
    half: float
    p99: float
    p999: float


class ProfileDetail(Record, frozen=True, kw_only=True):
    """What is normal for a workload."""

    profile: ProfileRow
    families: list[ProfileFamily]
    scores: list[ProfileScores]
    nodes: list[str]
    """Nodes that a host's program was seen on."""


class ProfileChange(Record, frozen=True, kw_only=True):
    """``learn``: start learning again over what is known. ``freeze``: learn nothing until
    ``unfreeze``. ``forget``: throw the profile away; the workload is learnt anew."""

    to: Literal["learn", "freeze", "unfreeze", "forget"]


class ScorePart(Record, frozen=True, kw_only=True):
    """What one family adds to a score: ``rarity`` in nats, of ``most`` at most."""

    family: str
    value: str
    rarity: float
    most: float


class Explanation(Record, frozen=True, kw_only=True):
    """How usual an event is for its workload. ``behaviour`` is the part of the workload's own
    events of this kind that are more usual, 0 to 1; absent while its profile learns. ``told``:
    this is what was told when the event came (of a detection), else it is against the profile of
    now. ``profile`` is absent where none fits the event."""

    event: str
    behaviour: float | None
    score: float
    why: list[str]
    parts: list[ScorePart]
    told: bool = False
    profile: ProfileRow | None = None
