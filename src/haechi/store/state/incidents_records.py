"""What the store gives and takes of incidents.

The first part is for those who read (times are datetimes, levels are words); ``Fold`` and what
belongs to it is between the correlator and the store: one fold is one transaction.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

import msgspec

from haechi.model.incident import Incident, IncidentState
from haechi.model.threat import Reason, ThreatLevel
from haechi.store.records import Record

MOST_RULES_SHOWN = 50


class StoredIncident(Record, frozen=True, kw_only=True):
    """An incident as it is listed. ``level`` is a word of ThreatLevel; ``rules`` counts detections
    by rule, the most frequent ones; ``former`` is the closed incident of the same cause."""

    id: str
    cluster: str
    namespace: str
    resource: str
    node: str
    container: str
    title: str
    level: str
    score: float
    state: IncidentState
    owner: str | None
    opened: dt.datetime
    changed: dt.datetime
    closed: dt.datetime | None
    first_seen: dt.datetime
    last_seen: dt.datetime
    detections: int
    rules: dict[str, int]
    tactics: list[str]
    techniques: list[str]
    source_ips: list[str]
    former: str | None


class IncidentFilter(Record, frozen=True, kw_only=True):
    """What to list. Lists are "any of"; ``state`` empty means all that are not closed. ``owner``
    "" is: nobody. ``text`` is words, each of which stands in title, workload, rules, techniques,
    node, container, addresses or owner."""

    state: list[IncidentState] = []  # noqa: RUF012 -- a Struct copies it
    level: list[str] = []  # noqa: RUF012 -- a Struct copies it
    cluster: list[str] = []  # noqa: RUF012 -- a Struct copies it
    namespace: list[str] = []  # noqa: RUF012 -- a Struct copies it
    resource: list[str] = []  # noqa: RUF012 -- a Struct copies it
    rule: list[str] = []  # noqa: RUF012 -- a Struct copies it
    owner: list[str] = []  # noqa: RUF012 -- a Struct copies it
    text: str = ""


class IncidentStep(Record, frozen=True, kw_only=True):
    """One step in an incident's life. ``n`` counts up over all incidents for who follows all, and
    within the incident in its history. ``what``: opened,
    raised (a higher level), rule (a rule that was not in it yet), goes_on (something happened
    after it was contained), spread (to another namespace), state, owner, note. ``by`` is a
    principal's id, ``respond``, ``correlator`` or ``clock``."""

    n: int
    incident: str
    cluster: str
    namespace: str
    at: dt.datetime
    what: str
    before: str
    after: str
    by: str
    note: str = ""


class Evidence(Record, frozen=True, kw_only=True):
    """Detections that are alike, counted. ``id`` is unique in its incident; ``event`` is the id of
    the first one in the event store. ``fields`` are those that matter, credentials masked."""

    id: str
    at: dt.datetime
    last: dt.datetime
    count: int
    event: str
    source: str
    rule: str
    priority: str
    level: str
    message: str
    cluster: str
    namespace: str
    resource: str
    node: str
    container: str
    tactics: list[str]
    techniques: list[str]
    fields: dict[str, Any]


class ProcessNode(Record, frozen=True, kw_only=True):
    """A process of an incident's tree. ``parent`` is the pid of one that is in the tree, too, or
    None for a root; ``rules`` are what it set off itself."""

    node: str
    pid: int
    parent: int | None
    name: str
    exe: str
    command: str
    container: str
    user: str
    rules: dict[str, int]
    first_seen: dt.datetime | None
    last_seen: dt.datetime | None


class Part(msgspec.Struct, frozen=True, array_like=True):
    """A process that belongs to an incident: where, and when it was seen last."""

    node: str
    pid: int
    name: str
    seen_ns: int


class Memory(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the correlator wants to know again after a restart. ``base_*`` are those of the worst
    detection; ``places`` and ``causes`` are what later detections are found by."""

    base_level: int = 0
    base_score: float = 0.0
    base_reasons: tuple[Reason, ...] = ()
    places: tuple[str, ...] = ()
    causes: tuple[str, ...] = ()
    families: tuple[str, ...] = ()
    parts: tuple[Part, ...] = ()
    told: bool = False
    """That it goes on after it was contained was told already."""


class Counted(msgspec.Struct, frozen=True):
    """A row of detections that are alike: its number, how many, from when to when."""

    n: int
    count: int
    first_ns: int
    last_ns: int


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """An incident that is not closed, as the correlator has it in memory."""

    n: int
    incident: Incident
    cause: str
    memory: Memory


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """Detections that are alike, to be written. Of a known row only counts and times change."""

    incident: int
    signature: str
    counted: Counted
    new: bool = True
    event: str = ""
    source: str = ""
    rule: str = ""
    priority: str = ""
    message: str = ""
    evidence: str = "{}"


class Faint(msgspec.Struct, frozen=True, kw_only=True):
    """Detections that are alike and too faint to open an incident alone. ``detail`` is JSON."""

    place: str
    signature: str
    counted: Counted
    detail: str


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """A step that the correlator took."""

    incident: int
    what: str
    before: str = ""
    after: str = ""
    note: str = ""


class Fold(msgspec.Struct, frozen=True, kw_only=True):
    """One fold, up to ``seq`` of ``epoch``. ``place`` is where the last one ended, and ``seen`` the
    last step that the correlator knows of: when either is another in the store, nothing is
    written (``Misplaced``, ``Moved``)."""

    place: tuple[str, int]
    epoch: str
    seq: int
    seen: int
    opened: list[Kept] = []
    changed: list[Kept] = []
    rows: list[Row] = []
    faint: list[tuple[Faint, bool]] = []
    """With whether it is new."""
    gone: list[int] = []
    """Numbers of faint rows that are over, or found their incident."""
    steps: list[Told] = []


class Loaded(msgspec.Struct, frozen=True, kw_only=True):
    """All that the correlator goes on with."""

    epoch: str
    seq: int
    seen: int
    next_incident: int
    next_row: int
    next_faint: int
    kept: list[Kept]
    rows: list[tuple[int, str, Counted]]
    """(incident, signature, …) of those."""
    faint: list[Faint]


class Moved(Exception):
    """Somebody changed an incident since the correlator looked."""


class Misplaced(Exception):
    """These detections were folded already, or others before them were not."""


LEVELS = {level.word: level for level in ThreatLevel}
