"""The tables of admission: decisions that webhooks told, how many there were, and what policies
say of what already runs.

``decision`` holds details (all that were not plainly allowed, a sample of the rest), the
``admission_`` tables count everything. A recorded request stands once however often it came, since
the next policy's what-if asks each of them once. ``policy_verdict`` holds what does not pass now;
what passes is a number in ``policy_count``.
"""

from __future__ import annotations

from sqlalchemy import Column, ForeignKey, Index, LargeBinary, Table

from haechi.store.state.metadata import Whole, metadata, number, row_number, text

decision = Table(
    "decision",
    metadata,
    row_number(),
    text("id", unique=True),
    text("cluster"),
    text("namespace"),
    number("at"),
    text("uid"),
    text("replica"),
    text("generation"),
    text("operation"),
    text("grp"),
    text("version"),
    text("kind"),
    text("resource"),
    text("subresource"),
    text("name"),
    text("user"),
    text("outcome"),
    number("allowed"),
    number("mutating"),
    number("dry_run"),
    number("sampled"),
    number("code"),
    number("duration_us"),
    text("message"),
    text("policies"),  # JSON: ids of those that did not pass
    text("detail"),  # JSON: groups, warnings, verdicts, how many patches
    text("review"),  # digest of the recorded request; "" none
    text("review_missing"),
    Index("ix_decision_at", "at", "n"),
    Index("ix_decision_place", "cluster", "namespace", "at", "n"),
    Index("ix_decision_outcome", "outcome", "at", "n"),
)

decision_policy = Table(
    "decision_policy",
    metadata,
    text("policy", primary_key=True),
    Column(
        "decision",
        Whole,
        ForeignKey("decision.n", ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
    ),
    Index("ix_decision_policy_decision", "decision"),
)

recorded_review = Table(
    "recorded_review",
    metadata,
    text("cluster", primary_key=True),
    text("digest", primary_key=True),
    text("namespace"),
    text("kind"),
    text("operation"),
    number("first"),
    number("last"),
    number("times"),
    number("size"),
    Column("body", LargeBinary, nullable=False),
    Index("ix_recorded_review_last", "last"),
)

admission_count = Table(
    "admission_count",
    metadata,
    text("cluster", primary_key=True),
    number("minute", primary_key=True, autoincrement=False),  # minutes since 1970
    text("policy", primary_key=True),  # "" counts requests
    text("namespace", primary_key=True),
    text("outcome", primary_key=True),
    number("times"),
    Index("ix_admission_count_minute", "minute", "policy"),
)

admission_latency = Table(
    "admission_latency",
    metadata,
    text("cluster", primary_key=True),
    number("minute", primary_key=True, autoincrement=False),
    text("buckets"),  # JSON, by model.decision_record.LATENCY_BOUNDS_US
    number("sum_us"),
)

webhook = Table(
    "webhook",
    metadata,
    text("cluster", primary_key=True),
    text("replica", primary_key=True),
    text("run"),
    number("number"),  # of its last batch: what comes again counts once
    number("ready"),
    text("why"),
    text("version"),
    text("generation"),
    text("source"),
    number("started"),
    number("heard"),
    number("queue"),
    number("dropped"),
)

policy_info = Table(
    "policy_info",
    metadata,
    text("cluster", primary_key=True),
    text("source", primary_key=True),  # audit, webhook
    text("policy", primary_key=True),
    text("key"),  # of (cluster, policy), for addresses: ids hold slashes
    text("generation"),
    number("told"),
    number("place"),
    text("body"),  # JSON: PolicyInfo
    Index("ix_policy_info_key", "key"),
)

policy_fault = Table(
    "policy_fault",
    metadata,
    row_number(),
    text("cluster"),
    text("source"),
    text("policy"),
    number("told"),
    text("body"),  # JSON: PolicyFault
    Index("ix_policy_fault_source", "cluster", "source"),
)

policy_verdict = Table(
    "policy_verdict",
    metadata,
    row_number(),
    text("id", unique=True),
    text("cluster"),
    text("namespace"),
    text("object"),  # Resource.key
    text("kind"),
    text("name"),
    text("policy"),
    text("rule"),
    text("state"),
    text("outcome"),
    text("waiver"),
    number("since"),
    number("changed"),
    number("digest"),
    text("detail"),  # JSON: message, path, effects, evidence, line, generated
    Index("ix_policy_verdict_policy", "cluster", "policy", "namespace", "state"),
    Index("ix_policy_verdict_object", "cluster", "object"),
)

policy_count = Table(
    "policy_count",
    metadata,
    text("cluster", primary_key=True),
    text("policy", primary_key=True),
    text("namespace", primary_key=True),
    text("state", primary_key=True),  # of an object: pass, fail, waived, error, not_evaluated
    number("times"),
)

audit_coverage = Table(
    "audit_coverage",
    metadata,
    text("cluster", primary_key=True),
    number("at"),
    text("body"),  # JSON: AuditCoverage
)

TABLES = (
    *(decision, decision_policy, recorded_review, admission_count, admission_latency, webhook),
    *(policy_info, policy_fault, policy_verdict, policy_count, audit_coverage),
)
