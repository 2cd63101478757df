"""What the store says about admission and policies; the API answers with the same values."""

# ruff: noqa: RUF012 -- ruff cannot see that these are Structs, which copy such defaults

from __future__ import annotations

import datetime as dt
from typing import Any

import msgspec

from haechi.model.admission import PolicyFault, PolicyInfo
from haechi.model.decision_record import RecordedVerdict
from haechi.store.records import Record

AUDIT, WEBHOOK = "audit", "webhook"


class StoredDecision(Record, frozen=True, kw_only=True):
    """One decision of a webhook. ``outcome``: denied, error (refused, since a policy that fails
    closed could not be evaluated), shed (overload), warned, unjudged (let through although a
    policy could not be evaluated), audited, waived, allowed. ``policies`` are those that did not
    simply pass. ``sampled``: one of many that were let through; all are counted."""

    id: str
    cluster: str
    namespace: str
    at: dt.datetime
    uid: str
    replica: str
    generation: str
    operation: str
    group: str
    version: str
    kind: str
    resource: str
    subresource: str
    name: str
    user: str
    outcome: str
    allowed: bool
    mutating: bool
    dry_run: bool
    sampled: bool
    code: int
    duration_us: int
    message: str
    policies: list[str]
    recorded: bool
    """Whether the request itself is kept."""


class DecisionWords(Record, frozen=True, kw_only=True):
    """The rest of a decision."""

    groups: list[str] = []
    warnings: list[str] = []
    verdicts: list[RecordedVerdict] = []
    verdicts_left_out: int = 0
    patches: int = 0


class DecisionFilter(Record, frozen=True, kw_only=True):
    """Which decisions. Lists are "any of"; ``text`` is looked for in name, user, message."""

    cluster: list[str] = []
    namespace: list[str] = []
    policy: list[str] = []
    outcome: list[str] = []
    operation: list[str] = []
    kind: list[str] = []
    allowed: bool | None = None
    user: str = ""
    text: str = ""
    since: dt.datetime | None = None
    until: dt.datetime | None = None


class WebhookRow(Record, frozen=True, kw_only=True):
    """A replica of a webhook. ``silent``: it was not heard for a while. ``dropped`` are records
    that it could not deliver since its start."""

    cluster: str
    replica: str
    ready: bool
    why: str
    silent: bool
    version: str
    generation: str
    source: str
    started: dt.datetime | None
    heard: dt.datetime
    queue: int
    dropped: int


class KeptReview(msgspec.Struct, frozen=True, kw_only=True):
    """A recorded request, as often as it came."""

    cluster: str
    namespace: str
    digest: str
    first: dt.datetime
    last: dt.datetime
    count: int
    body: bytes


class PolicyOrigin(Record, frozen=True, kw_only=True):
    """Who has a policy in force: the audit, the webhook; of which generation."""

    source: str
    generation: str
    told: dt.datetime


class StoredPolicy(Record, frozen=True, kw_only=True):
    """A policy of a cluster."""

    key: str
    cluster: str
    info: PolicyInfo
    origins: list[PolicyOrigin]


class StoredFault(Record, frozen=True, kw_only=True):
    """Something among a cluster's policies that does not do what it looks like."""

    cluster: str
    source: str
    told: dt.datetime
    fault: PolicyFault


class Violation(Record, frozen=True, kw_only=True):
    """What a policy says of an object that is there now, when it is not ``pass``. ``state``:
    fail, error, not_evaluated. ``outcome`` is what the same verdict would come to at the door.
    ``since``: since when it is so."""

    id: str
    cluster: str
    namespace: str
    object: str
    kind: str
    name: str
    policy: str
    rule: str
    state: str
    outcome: str
    waiver: str
    message: str
    path: str
    effects: list[str]
    evidence: dict[str, Any]
    line: int
    generated: bool
    since: dt.datetime
    changed: dt.datetime


class StateCounts(Record, frozen=True, kw_only=True):
    """Objects by what a policy says of them; the worst word about an object counts."""

    passed: int = 0
    failed: int = 0
    waived: int = 0
    error: int = 0
    not_evaluated: int = 0


class AuditedKind(Record, frozen=True, kw_only=True):
    """A kind that policies want to see. ``state``: judged, partial (not all of its objects are
    known), absent (the cluster has no such kind), not_evaluated (it may not be read, or is not
    known) with the reason."""

    type: str
    state: str
    objects: int = 0
    why: str = ""


class AuditCoverage(Record, frozen=True, kw_only=True):
    """How the background audit of a cluster does. ``state``: waiting (the cluster was not read
    yet), auditing, idle, failed, off. ``lag_s``: for how long the oldest change has been waiting
    to be judged; ``oldest`` the time of the oldest verdict in force. ``left_out``: verdicts that
    are counted and not listed, since there are too many."""

    cluster: str
    state: str
    why: str = ""
    generation: str = ""
    policies: int = 0
    faults: int = 0
    objects: int = 0
    """Objects that were judged."""
    waiting: int = 0
    kinds: list[AuditedKind] = []
    gaps: list[str] = []
    off: list[str] = []
    """Policies that were stopped (they ran too long, or took too much memory), with the reason."""
    left_out: int = 0
    started: dt.datetime | None = None
    finished: dt.datetime | None = None
    oldest: dt.datetime | None = None
    lag_s: float | None = None
    took_s: float | None = None
    cpu_s: float | None = None
