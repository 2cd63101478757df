"""0011: decisions at the door, recorded requests, and what policies say of what is there."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic import op

_WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _number(name: str, **options: Any) -> sa.Column[int]:
    return sa.Column(name, _WHOLE, nullable=False, **options)


def _text(name: str, **options: Any) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False, **options)


def upgrade() -> None:
    """Eleven tables."""
    op.create_table(
        "decision",
        _number("n", autoincrement=False),
        _text("id"),
        _text("cluster"),
        _text("namespace"),
        _number("at"),
        _text("uid"),
        _text("replica"),
        _text("generation"),
        _text("operation"),
        _text("grp"),
        _text("version"),
        _text("kind"),
        _text("resource"),
        _text("subresource"),
        _text("name"),
        _text("user"),
        _text("outcome"),
        _number("allowed"),
        _number("mutating"),
        _number("dry_run"),
        _number("sampled"),
        _number("code"),
        _number("duration_us"),
        _text("message"),
        _text("policies"),
        _text("detail"),
        _text("review"),
        _text("review_missing"),
        sa.PrimaryKeyConstraint("n", name="pk_decision"),
        sa.UniqueConstraint("id", name="uq_decision_id"),
    )
    op.create_index("ix_decision_at", "decision", ["at", "n"])
    op.create_index("ix_decision_outcome", "decision", ["outcome", "at", "n"])
    op.create_index("ix_decision_place", "decision", ["cluster", "namespace", "at", "n"])
    op.create_table(
        "decision_policy",
        _text("policy"),
        _number("decision", autoincrement=False),
        sa.PrimaryKeyConstraint("policy", "decision", name="pk_decision_policy"),
        sa.ForeignKeyConstraint(
            ["decision"], ["decision.n"], name="fk_decision_policy_decision", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_decision_policy_decision", "decision_policy", ["decision"])
    op.create_table(
        "recorded_review",
        _text("cluster"),
        _text("digest"),
        _text("namespace"),
        _text("kind"),
        _text("operation"),
        _number("first"),
        _number("last"),
        _number("times"),
        _number("size"),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("cluster", "digest", name="pk_recorded_review"),
    )
    op.create_index("ix_recorded_review_last", "recorded_review", ["last"])
    op.create_table(
        "admission_count",
        _text("cluster"),
        _number("minute", autoincrement=False),
        _text("policy"),
        _text("namespace"),
        _text("outcome"),
        _number("times"),
        sa.PrimaryKeyConstraint(
            "cluster", "minute", "policy", "namespace", "outcome", name="pk_admission_count"
        ),
    )
    op.create_index("ix_admission_count_minute", "admission_count", ["minute", "policy"])
    op.create_table(
        "admission_latency",
        _text("cluster"),
        _number("minute", autoincrement=False),
        _text("buckets"),
        _number("sum_us"),
        sa.PrimaryKeyConstraint("cluster", "minute", name="pk_admission_latency"),
    )
    op.create_table(
        "webhook",
        _text("cluster"),
        _text("replica"),
        _text("run"),
        _number("number"),
        _number("ready"),
        _text("why"),
        _text("version"),
        _text("generation"),
        _text("source"),
        _number("started"),
        _number("heard"),
        _number("queue"),
        _number("dropped"),
        sa.PrimaryKeyConstraint("cluster", "replica", name="pk_webhook"),
    )
    op.create_table(
        "policy_info",
        _text("cluster"),
        _text("source"),
        _text("policy"),
        _text("key"),
        _text("generation"),
        _number("told"),
        _number("place"),
        _text("body"),
        sa.PrimaryKeyConstraint("cluster", "source", "policy", name="pk_policy_info"),
    )
    op.create_index("ix_policy_info_key", "policy_info", ["key"])
    op.create_table(
        "policy_fault",
        _number("n", autoincrement=False),
        _text("cluster"),
        _text("source"),
        _text("policy"),
        _number("told"),
        _text("body"),
        sa.PrimaryKeyConstraint("n", name="pk_policy_fault"),
    )
    op.create_index("ix_policy_fault_source", "policy_fault", ["cluster", "source"])
    op.create_table(
        "policy_verdict",
        _number("n", autoincrement=False),
        _text("id"),
        _text("cluster"),
        _text("namespace"),
        _text("object"),
        _text("kind"),
        _text("name"),
        _text("policy"),
        _text("rule"),
        _text("state"),
        _text("outcome"),
        _text("waiver"),
        _number("since"),
        _number("changed"),
        _number("digest"),
        _text("detail"),
        sa.PrimaryKeyConstraint("n", name="pk_policy_verdict"),
        sa.UniqueConstraint("id", name="uq_policy_verdict_id"),
    )
    op.create_index("ix_policy_verdict_object", "policy_verdict", ["cluster", "object"])
    op.create_index(
        "ix_policy_verdict_policy", "policy_verdict", ["cluster", "policy", "namespace", "state"]
    )
    op.create_table(
        "policy_count",
        _text("cluster"),
        _text("policy"),
        _text("namespace"),
        _text("state"),
        _number("times"),
        sa.PrimaryKeyConstraint("cluster", "policy", "namespace", "state", name="pk_policy_count"),
    )
    op.create_table(
        "audit_coverage",
        _text("cluster"),
        _number("at"),
        _text("body"),
        sa.PrimaryKeyConstraint("cluster", name="pk_audit_coverage"),
    )
