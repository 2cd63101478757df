"""The values that the store gives and takes. They are the API's answers, too, so a name means
the same in the database, in JSON and on the page.

Times are aware datetimes in UTC unless a name ends in ``_ns``. ``cluster`` and ``namespace``
are ``-`` for what has none.
"""

from __future__ import annotations

import datetime as dt
from enum import StrEnum
from typing import Any, Generic, TypeVar

import msgspec

from haechi.model.access import EVERYWHERE, Grant, Reach
from haechi.model.event import Event
from haechi.model.severity import Severity

T = TypeVar("T")


class Record(msgspec.Struct, frozen=True, kw_only=True):
    """Base of the values here."""


class Page(Record, Generic[T], frozen=True, kw_only=True):
    """Part of a list. ``next`` is the cursor of the following part (absent at the end);
    ``total`` counts all rows that match, where counting is cheap."""

    items: list[T]
    next: str | None = None
    total: int | None = None


class Life(StrEnum):
    """The life of a finding. ``waived`` is open and accepted until its waiver ends."""

    OPEN = "open"
    REOPENED = "reopened"  # was fixed, came back; counts as open
    WAIVED = "waived"
    FIXED = "fixed"


class StoredFinding(Record, frozen=True, kw_only=True):
    """A finding as it lives on. ``id`` is stable over its life. ``source`` is what was looked
    at (``repo:https://github.com/acme/shop``), ``ref`` the branch, ``default`` tells whether
    that branch counts. ``overdue`` is judged at the time of asking. ``waiver`` is the id of the
    store's waiver or the words of the file's. ``aliases`` are other ids of the vulnerability
    ``rule``."""

    id: str
    source: str
    ref: str
    default: bool
    cluster: str
    namespace: str
    fingerprint: str
    rule: str
    domain: str
    severity: Severity
    title: str
    message: str
    path: str
    line: int
    resource: str
    label: str
    attribute: str
    state: Life
    owner: str | None
    due: dt.date | None
    overdue: bool
    waiver: str | None
    waived_until: dt.date | None
    first_seen: dt.datetime
    last_seen: dt.datetime
    changed: dt.datetime
    fixed_at: dt.datetime | None
    commit: str | None
    fix: str | None
    cwe: list[str]
    tags: list[str]
    aliases: list[str] = []


class FindingChange(Record, frozen=True, kw_only=True):
    """One step in a finding's life. ``what``: seen, fixed, reopened, waived, unwaived, owner,
    due, severity. ``by`` is a principal's id or ``scan:<id>`` or ``clock`` (an expiry)."""

    at: dt.datetime
    what: str
    before: str
    after: str
    by: str
    note: str = ""


class FindingDetail(Record, frozen=True, kw_only=True):
    """A finding with its history, newest last, evidence, and the scan that saw it last.
    ``waiver`` is the one of the store that covers it, where the asker may see that."""

    finding: StoredFinding
    history: list[FindingChange]
    evidence: dict[str, Any]
    scan: str
    waiver: StoredWaiver | None = None


class FindingFilter(Record, frozen=True, kw_only=True):
    """What to list. Lists are "any of". ``state`` empty means open, reopened and waived;
    ``text`` searches title, message, path, label and rule, case-insensitively; ``waiver`` are ids
    of the store's waivers, and what they cover now; ``other_refs`` includes branches whose
    findings do not count."""

    state: list[Life] = []
    severity: list[Severity] = []
    rule: list[str] = []
    domain: list[str] = []
    owner: list[str] = []  # "" is: nobody
    source: list[str] = []
    cluster: list[str] = []
    namespace: list[str] = []
    resource: list[str] = []
    tag: list[str] = []
    fingerprint: list[str] = []
    waiver: list[str] = []
    path: str = ""  # a prefix
    text: str = ""
    overdue: bool | None = None
    other_refs: bool = False


class Bucket(Record, frozen=True, kw_only=True):
    """One value of a facet or group and how many rows have it. ``worst`` is the worst
    severity among them (groups only)."""

    value: str
    count: int
    worst: Severity | None = None
    label: str = ""


class ScanRun(Record, frozen=True, kw_only=True):
    """One look that was pushed. ``scope`` and ``coverage`` are as in the push; ``counts`` has
    findings by severity (open ones); ``risks`` the ranked sentences of ``haechi.scan/1``;
    ``changes`` counts new, fixed, reopened, unchanged, out_of_scope."""

    id: str
    source: str
    ref: str
    default: bool
    cluster: str
    commit: str
    started: dt.datetime
    received: dt.datetime
    duration_s: float
    by: str
    pipeline: str
    scope: dict[str, Any]
    coverage: dict[str, Any]
    counts: dict[str, int]
    changes: dict[str, int]
    risks: list[dict[str, Any]]
    answer: str
    version: str


class StoredWaiver(Record, frozen=True, kw_only=True):
    """An acceptance that lives in the store (origin ``store``). Matches by rule (``*`` any) and
    by ``fingerprints`` or path glob or resource glob, within its reach. ``state``: active,
    expired, revoked. ``count`` is how many findings it covers now."""

    id: str
    rule: str
    reason: str
    owner: str
    expires: dt.date
    created: dt.datetime
    created_by: str
    reach: Reach = EVERYWHERE
    source: str = ""  # "" is any repository
    fingerprints: list[str] = []
    path: str = ""
    resource: str = ""
    revoked: dt.datetime | None = None
    revoked_by: str = ""
    state: str = "active"
    count: int = 0


class StoredResource(Record, frozen=True, kw_only=True):
    """One thing of the world. ``counts`` are open findings by severity."""

    key: str
    kind: str
    name: str
    namespace: str
    cluster: str
    source: str
    file: str
    line: int
    owner: str
    first_seen: dt.datetime
    last_seen: dt.datetime
    gone: bool
    counts: dict[str, int]


class Edge(Record, frozen=True, kw_only=True):
    """How two things hang together; ``label`` is the other end's kind and name."""

    src: str
    kind: str
    dst: str
    source: str
    seen_at: dt.datetime
    label: str = ""


class Attribute(Record, frozen=True, kw_only=True):
    """One fact about a resource, who says so, and since when it was last seen."""

    key: str
    value: Any
    source: str
    at: dt.datetime


class ResourceDetail(Record, frozen=True, kw_only=True):
    """Everything known of one resource. Edges both ways; ``around`` are the resources at their
    other ends; ``lineage`` leads from the repository to it by keys."""

    resource: StoredResource
    attributes: list[Attribute]
    out: list[Edge]
    into: list[Edge]
    around: list[StoredResource]
    lineage: list[str]


class SourceStatus(Record, frozen=True, kw_only=True):
    """A place that haechi looks at or hears from. ``state``: fresh, stale, silent, gaps, never.
    ``gaps`` is how many things in its scope were not evaluated."""

    id: str
    kind: str  # repository, events
    name: str
    state: str
    last_seen: dt.datetime | None
    gaps: int
    detail: dict[str, Any] = {}


class TokenRecord(Record, frozen=True, kw_only=True):
    """A token without its secret; ``prefix`` are its first characters, for people."""

    id: str
    name: str
    prefix: str
    user: str
    grants: list[Grant]
    permissions: list[str] | None
    repositories: list[str] | None
    created: dt.datetime
    created_by: str
    expires: dt.datetime | None
    last_used: dt.datetime | None
    revoked: dt.datetime | None


class UserRecord(Record, frozen=True, kw_only=True):
    """A person. ``issuer``/``subject`` are set for those who come by OpenID Connect."""

    id: str
    name: str
    email: str
    grants: list[Grant]
    issuer: str
    subject: str
    created: dt.datetime
    last_seen: dt.datetime | None
    disabled: bool


class StoredEvent(Record, frozen=True, kw_only=True):
    """An event with the number that the store gave it (ascending by arrival)."""

    seq: int
    event: Event


class RuleFile(Record, frozen=True, kw_only=True):
    """A file of runtime rules that was saved here, in one of its versions (from 1). ``removed``:
    the version that says that it is gone."""

    name: str
    version: int
    text: str
    at: dt.datetime
    by: str
    note: str = ""
    removed: bool = False


class RuleSwitch(Record, frozen=True, kw_only=True):
    """Somebody's word about one runtime rule, over what its file says."""

    source: str
    name: str
    enabled: bool
    at: dt.datetime
    by: str


class FeedCounts(Record, frozen=True, kw_only=True):
    """What became of the records of a feed. ``skipped`` are well-formed ones that are no event
    (heartbeats, stages that are not judged); ``refused`` went to the dead letters; ``lost`` are
    events that the source says itself it could not send."""

    accepted: int = 0
    duplicates: int = 0
    refused: int = 0
    skipped: int = 0
    lost: int = 0


class FeedStatus(Record, frozen=True, kw_only=True):
    """A feed: who sends what, how much came, when last. ``way``: http, file, stdin. ``lag_s`` is
    the age that the newest event had when it came; ``state``: fresh, silent, failed, never."""

    id: str
    kind: str
    way: str
    cluster: str
    place: str
    state: str
    counts: FeedCounts
    last_seen: dt.datetime | None
    last_event: dt.datetime | None
    lag_s: float | None
    error: str = ""


class DeadLetter(Record, frozen=True, kw_only=True):
    """A record that a feed could not take: why, and its beginning, escaped."""

    feed: str
    cluster: str
    at: dt.datetime
    why: str
    sample: str


class Series(Record, frozen=True, kw_only=True):
    """Counts over time from the aggregates. ``start_s`` are Unix seconds, one for each step;
    ``lines`` maps a name to as many counts."""

    step_s: int
    start_s: list[int]
    lines: dict[str, list[int]]


class Notice(Record, frozen=True, kw_only=True):
    """Told to listeners after a commit, for the live stream. ``topic``: finding, scan, waiver,
    event, audit, source, token. ``data`` is small and goes to whoever may see the place."""

    topic: str
    cluster: str = "-"
    namespace: str = "-"
    data: dict[str, Any] = {}


class AuditEntry(Record, frozen=True, kw_only=True):
    """What is written to the signed log. ``actor`` is a principal's id, ``scan:…`` or ``clock``;
    ``action`` is ``<object>.<verb>`` (``waiver.create``, ``token.create``, ``session.start``);
    ``object`` an id or key. ``private`` holds what may have to be erased later (names, mail and
    network addresses): it is logged as salted hashes with the plain text kept apart."""

    at: dt.datetime
    actor: str
    action: str
    object: str
    cluster: str = "-"
    namespace: str = "-"
    detail: dict[str, Any] = {}
    private: dict[str, str] = {}


class AuditRow(Record, frozen=True, kw_only=True):
    """An entry as it stands in the log under its number (from 0, without holes). A value of
    ``private`` is None once it was redacted."""

    seq: int
    at: dt.datetime
    actor: str
    action: str
    object: str
    cluster: str
    namespace: str
    detail: dict[str, Any]
    private: dict[str, str | None]
