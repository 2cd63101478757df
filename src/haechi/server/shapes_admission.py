"""Admission and policies as the API shows them; rows that the store gives as they are stand in
``store.state.admission_records``."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Literal

import msgspec

from haechi.model.admission import PolicyInfo
from haechi.model.decision_record import RecordedVerdict
from haechi.store.records import Record
from haechi.store.state.admission_records import (
    AuditCoverage,
    PolicyOrigin,
    StateCounts,
    StoredDecision,
    WebhookRow,
)


class DecisionsAnswer(Record, frozen=True, kw_only=True):
    """What became of a batch. ``again``: it came before, and nothing of it counts twice.
    ``refused``: why single records were not taken, by their index."""

    taken: int
    again: bool = False
    refused: dict[int, str] = {}


class PolicyWords(Record, frozen=True, kw_only=True):
    """What a policy is, beside a verdict of it."""

    id: str
    key: str
    title: str
    description: str = ""
    fix: str = ""
    severity: str = ""
    file: str = ""
    line: int = 0
    object: str = ""


class DecisionShown(Record, frozen=True, kw_only=True):
    """One decision explained: what each policy said, what the request was. ``request`` is
    redacted; where it is None, ``request_missing`` says why. ``policies`` explains those that the
    verdicts name, as far as they are known (still)."""

    decision: StoredDecision
    groups: list[str]
    warnings: list[str]
    patches: int
    verdicts: list[RecordedVerdict]
    verdicts_left_out: int
    policies: list[PolicyWords]
    request: dict[str, Any] | None
    request_missing: str


class AdmissionPoint(Record, frozen=True, kw_only=True):
    """Requests of one step of time by outcome."""

    at: dt.datetime
    total: int
    outcomes: dict[str, int]


class AdmissionLatency(Record, frozen=True, kw_only=True):
    """How long answers took, from a histogram: a percentile is the upper bound of its bucket,
    None where it lies past the last. ``bounds_us`` and one more ``buckets`` for all beyond."""

    count: int
    mean_ms: float | None
    p50_ms: float | None
    p90_ms: float | None
    p99_ms: float | None
    bounds_us: list[int]
    buckets: list[int]


class PolicyTally(Record, frozen=True, kw_only=True):
    """How often a policy spoke up, by outcome. ``key`` where the policy is known."""

    policy: str
    cluster: str
    key: str
    title: str
    total: int
    outcomes: dict[str, int]


class NamespaceTally(Record, frozen=True, kw_only=True):
    """Requests of a namespace by outcome."""

    cluster: str
    namespace: str
    total: int
    outcomes: dict[str, int]


class AdmissionSummary(Record, frozen=True, kw_only=True):
    """What happened at the door. ``latency`` and ``webhooks`` tell of whole clusters: those that
    the asker sees all of. ``recorded`` counts the requests that a what-if could ask again."""

    since: dt.datetime
    until: dt.datetime
    step_s: int
    total: int
    outcomes: dict[str, int]
    points: list[AdmissionPoint]
    latency: AdmissionLatency
    policies: list[PolicyTally]
    namespaces: list[NamespaceTally]
    webhooks: list[WebhookRow]
    recorded: int


class CoverageList(Record, frozen=True, kw_only=True):
    """The background audit of each cluster that the asker sees all of."""

    items: list[AuditCoverage]


class PolicyRow(Record, frozen=True, kw_only=True):
    """A policy of a cluster. ``counts`` are objects now, within the asker's reach; ``decisions``
    are outcomes at the door in the last day. ``since``: of its oldest violation. ``faults``:
    how many things about it do not work as they look. ``at_door`` and ``audited`` say where it is
    in force."""

    key: str
    cluster: str
    info: PolicyInfo
    at_door: bool
    audited: bool
    origins: list[PolicyOrigin]
    counts: StateCounts
    decisions: dict[str, int]
    faults: int
    since: dt.datetime | None


class PolicyNamespace(Record, frozen=True, kw_only=True):
    """What a policy says of one namespace's objects."""

    namespace: str
    counts: StateCounts


class PolicyShown(Record, frozen=True, kw_only=True):
    """A policy with its counts by namespace; violations are asked for in pages."""

    policy: PolicyRow
    namespaces: list[PolicyNamespace]
    waivers: list[str]
    """Ids of the store's waivers (or words of files) by which failures do not count."""


# What a change of policies would do: the shapes of POST /policies/what-if.

_Document = Annotated[str, msgspec.Meta(max_length=1 << 20)]


class WhatIfDocument(Record, frozen=True, kw_only=True):
    """One text of YAML documents; ``name`` is how faults call it."""

    name: Annotated[str, msgspec.Meta(max_length=400)] = "policies.yaml"
    text: _Document


class WhatIfAsk(Record, frozen=True, kw_only=True):
    """Policies to try in place of those that are in force. ``replace`` False adds them. ``over``:
    what they are judged on: what is there ``now``, requests of the last ``days`` (``history``),
    or both."""

    cluster: str
    policies: Annotated[list[WhatIfDocument], msgspec.Meta(min_length=1, max_length=100)]
    packs: list[str] = []
    replace: bool = True
    over: Literal["now", "history", "both"] = "now"
    days: Annotated[int, msgspec.Meta(ge=1, le=90)] = 30
    namespace: list[str] = []


class WhatIfCounts(Record, frozen=True, kw_only=True):
    """Objects (or requests) by what the two sets come to; of one policy: failures by what it does
    about them. ``judged`` is how many were asked."""

    judged: int
    denied_before: int
    denied_after: int
    warned_before: int
    warned_after: int
    not_evaluated: int


class WhatIfChange(Record, frozen=True, kw_only=True):
    """An object or a recorded request of which the sets say different things. ``before`` and
    ``after`` are outcomes (denied, unjudged, warned, allowed); of what makes pods, denied also
    where its pods would be. ``policy`` is the first of those whose words differ, ``message`` its
    words; ``appeared`` and ``disappeared`` have all of them. ``count``: how often such a request
    came; ``at`` and ``user`` are of the last."""

    cluster: str
    namespace: str
    object: str
    kind: str
    name: str
    policy: str
    rule: str
    before: str
    after: str
    message: str
    path: str
    request: bool = False
    count: int = 1
    operation: str = ""
    appeared: list[str] = []
    disappeared: list[str] = []
    policies: list[str] = []
    at: dt.datetime | None = None
    user: str = ""


class ForecastRow(Record, frozen=True, kw_only=True):
    """A policy in one namespace, by its rollout: the stage it is in, the ``next`` one and the day
    that ``begins``. The counts say what it would do to what is there now (and to the recorded
    requests that were asked about) in full force; ``examples`` are some that it would refuse.
    ``ready``: it would refuse nothing, and judge everything."""

    policy: str
    rollout: str
    namespace: str
    stage: str
    next: str
    begins: dt.date | None
    refused: int
    warned: int
    unjudged: int
    examples: list[str]
    ready: bool


class Forecasts(Record, frozen=True, kw_only=True):
    """Every policy of a cluster that has a stage before it, by namespace: what is not ready first.
    ``judged`` objects were asked about; ``gaps`` says which were not, and why."""

    judged: int
    today: dt.date
    items: list[ForecastRow]
    gaps: list[str]


class WhatIf(Record, frozen=True, kw_only=True):
    """What would be different. ``appeared``: a worse answer than today's; ``disappeared``: a
    better one; ``changed``: the same answer for other reasons. Lists are cut at 500 each;
    ``left_out`` says how many changes are not listed. ``faults`` are what is wrong with the
    policies that were tried, ``gaps`` what was not asked, and why. ``forecast``: of the new
    policies that have a rollout, what their next stages would do to what is there now."""

    counts: WhatIfCounts
    by_policy: dict[str, WhatIfCounts]
    appeared: list[WhatIfChange]
    disappeared: list[WhatIfChange]
    changed: list[WhatIfChange]
    left_out: int
    faults: list[str]
    gaps: list[str]
    forecast: list[ForecastRow] = []
