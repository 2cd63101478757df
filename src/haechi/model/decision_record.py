"""``haechi.decisions/1``: what a webhook tells the server about its decisions.

A webhook answers hundreds of requests a second and waits for nobody, so it counts everything
(``Tally``, ``Latency``) and tells the details of some: every request that was refused, warned
about or could not be judged, and a sample of those that were let through. Everything here is
bounded and redacted where it is made (``admit.recording``, ``admit.redact``); the server checks
the bounds again, since a stolen token may send anything.

``DecisionBatch.number`` rises by one within a ``run`` (one life of a replica): a batch that is
sent again after a lost answer counts once.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any

import msgspec

from haechi.model.admission import PolicyFault, PolicyInfo

SCHEMA = "haechi.decisions/1"
MOST_RECORDS, MOST_TALLIES, MOST_LATENCIES, MOST_POLICIES = 500, 20_000, 200, 2_000
MOST_VERDICTS, MOST_WARNINGS, MOST_GROUPS = 50, 20, 20
TEXT, LONG, EVIDENCE = 400, 2_000, 2_000
"""Characters of a name, of a message, of one verdict's evidence as JSON."""
REVIEW_BYTES, REVIEW_PLAIN_BYTES = 64 << 10, 1 << 20
"""A recorded request: compressed (zstd), and what it may decompress to."""

LATENCY_BOUNDS_US = (
    *(250, 500, 1_000, 2_000, 3_000, 5_000, 7_500, 10_000, 15_000, 25_000),
    *(50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000, 5_000_000, 10_000_000),
)
"""Upper bounds of the histogram of answers, in microseconds; one bucket more for all beyond."""

Name = Annotated[str, msgspec.Meta(max_length=TEXT)]
Long = Annotated[str, msgspec.Meta(max_length=LONG)]
Whole = Annotated[int, msgspec.Meta(ge=0, le=2**53)]
Nanos = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]


class Outcome(StrEnum):
    """What came of a request, or of one policy's word about it; the strongest counts.

    For a request: ``denied`` (a policy refused it), ``error`` (refused, because a policy that
    fails closed could not be evaluated), ``warned``, ``audited`` (a failure that is only written
    down), ``waived`` (failures that all are waived), ``unjudged`` (let through, although a policy
    could not be evaluated), ``allowed``. ``shed``: answered without judging, at overload.
    """

    DENIED = "denied"
    ERROR = "error"
    SHED = "shed"
    WARNED = "warned"
    UNJUDGED = "unjudged"
    AUDITED = "audited"
    WAIVED = "waived"
    ALLOWED = "allowed"


class RecordedVerdict(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A verdict that is not ``pass``. ``path`` is its place in the object as text
    (``spec.containers[0].image``); ``evidence`` is bounded and redacted."""

    policy: Name
    rule: Name = ""
    state: Name
    effects: Annotated[tuple[Name, ...], msgspec.Meta(max_length=3)] = ()
    failure: Name = "Ignore"
    action: Name = ""
    message: Long = ""
    path: Name = ""
    line: int = 0
    evidence: Mapping[str, Any] = msgspec.field(default_factory=dict)
    waiver: Name | None = None
    generated: bool = False


class DecisionRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One decision. ``uid`` is the request's. ``code`` is HTTP's (200, 403, 500). ``outcome`` is
    that of the whole request. ``namespace`` is empty for objects of the whole cluster.

    ``review`` is the redacted ``AdmissionReview.request`` as JSON, compressed by zstd; where it
    is absent, ``review_missing`` says why (``off``, ``too-large``, ``sampled``, ``secret``).
    ``sampled``: one of many that were let through; their number is in the tallies.
    """

    uid: Name
    at_ns: Nanos
    generation: Name = ""
    operation: Name
    group: Name = ""
    version: Name = ""
    kind: Name
    resource: Name = ""
    subresource: Name = ""
    namespace: Name = ""
    name: Name = ""
    user: Name = ""
    groups: Annotated[tuple[Name, ...], msgspec.Meta(max_length=MOST_GROUPS)] = ()
    dry_run: bool = False
    mutating: bool = False
    allowed: bool
    outcome: Outcome
    code: int = 200
    message: Annotated[str, msgspec.Meta(max_length=8_192)] = ""
    warnings: Annotated[tuple[Long, ...], msgspec.Meta(max_length=MOST_WARNINGS)] = ()
    patches: Whole = 0
    duration_us: Whole = 0
    verdicts: Annotated[tuple[RecordedVerdict, ...], msgspec.Meta(max_length=MOST_VERDICTS)] = ()
    verdicts_left_out: Whole = 0
    sampled: bool = False
    review: Annotated[bytes, msgspec.Meta(max_length=REVIEW_BYTES)] = b""
    review_missing: Name = ""


class Tally(msgspec.Struct, frozen=True, kw_only=True):
    """How many in a minute. ``minute`` is seconds since 1970 divided by 60; ``policy`` "" counts
    requests, else the words of one policy."""

    minute: Whole
    policy: Name = ""
    namespace: Name = ""
    outcome: Outcome
    count: Whole


class Latency(msgspec.Struct, frozen=True, kw_only=True):
    """How long answers of a minute took. ``buckets`` by LATENCY_BOUNDS_US, and one for the rest."""

    minute: Whole
    buckets: Annotated[
        tuple[Whole, ...],
        msgspec.Meta(min_length=len(LATENCY_BOUNDS_US) + 1, max_length=len(LATENCY_BOUNDS_US) + 1),
    ]
    sum_us: Whole


class WebhookState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """How a replica does. ``ready`` is its own readiness, ``why`` what is missing. ``policies``
    and ``faults`` are told when they changed and every few minutes; None otherwise. ``dropped``
    are records that it had to forget because the server could not be reached."""

    ready: bool
    why: Long = ""
    version: Name = ""
    generation: Name = ""
    source: Name = ""
    started_ns: Nanos = 0
    queue: Whole = 0
    dropped: Whole = 0
    policies: Annotated[tuple[PolicyInfo, ...], msgspec.Meta(max_length=MOST_POLICIES)] | None = (
        None
    )
    faults: Annotated[tuple[PolicyFault, ...], msgspec.Meta(max_length=MOST_POLICIES)] | None = None


class DecisionBatch(msgspec.Struct, frozen=True, kw_only=True):
    """The document. ``cluster`` may be left out by a sender whose token is for one cluster."""

    schema: str
    cluster: Name = ""
    replica: Name
    run: Name
    number: Whole
    state: WebhookState
    records: Annotated[tuple[DecisionRecord, ...], msgspec.Meta(max_length=MOST_RECORDS)] = ()
    tallies: Annotated[tuple[Tally, ...], msgspec.Meta(max_length=MOST_TALLIES)] = ()
    latencies: Annotated[tuple[Latency, ...], msgspec.Meta(max_length=MOST_LATENCIES)] = ()
