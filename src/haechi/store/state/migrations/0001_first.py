"""0001: the tables of the first schema."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

_WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make them."""
    _findings()
    _scans()
    _world()
    _response()
    _records()
    _access()


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text, nullable=False)


def _whole(name: str) -> sa.Column[int]:
    return sa.Column(name, _WHOLE, nullable=False)


def _row(name: str) -> sa.Column[int]:
    return sa.Column(name, _WHOLE, autoincrement=False, nullable=False)


def _findings() -> None:
    op.create_table(
        "finding",
        _row("n"),
        _text("id"),
        _text("cluster"),
        _text("namespace"),
        _text("source"),
        _text("ref"),
        _whole("is_default"),
        _text("fingerprint"),
        _text("rule"),
        _text("domain"),
        _whole("severity"),
        _text("title"),
        _text("message"),
        _text("path"),
        _whole("line"),
        _text("resource"),
        _text("label"),
        _text("attribute"),
        _text("state"),
        _whole("reopened"),
        _text("owner"),
        _text("owner_scan"),
        _text("owner_by"),
        _text("due"),
        _text("due_scan"),
        _text("due_by"),
        _text("waiver"),
        _text("waiver_from"),
        _text("waived_until"),
        _whole("first_seen"),
        _whole("opened"),
        _whole("last_seen"),
        _whole("changed"),
        _whole("fixed_at"),
        _text("commit_id"),
        _text("fix"),
        _text("cwe"),
        _text("tags"),
        _text("secret_id"),
        _text("scan"),
        _whole("digest"),
        sa.PrimaryKeyConstraint("n", name="pk_finding"),
        sa.UniqueConstraint(
            "cluster",
            "source",
            "ref",
            "fingerprint",
            name="uq_finding_cluster_source_ref_fingerprint",
        ),
        sa.UniqueConstraint("id", name="uq_finding_id"),
    )
    op.create_index("ix_finding_fixed_at", "finding", ["fixed_at"])
    op.create_index("ix_finding_rule", "finding", ["rule", "severity"])
    op.create_index("ix_finding_waiver", "finding", ["waiver"])
    op.create_table(
        "finding_text",
        _row("n"),
        _text("evidence"),
        sa.ForeignKeyConstraint(["n"], ["finding.n"], name="fk_finding_text_n", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("n", name="pk_finding_text"),
    )
    op.create_table(
        "finding_change",
        _row("n"),
        _whole("finding"),
        _whole("at"),
        _text("what"),
        _text("was"),
        _text("became"),
        _text("actor"),
        _text("note"),
        sa.ForeignKeyConstraint(
            ["finding"], ["finding.n"], name="fk_finding_change_finding", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("n", name="pk_finding_change"),
    )
    op.create_index("ix_finding_change_at", "finding_change", ["at", "what", "finding"])
    op.create_index("ix_finding_change_finding", "finding_change", ["finding"])


def _scans() -> None:
    op.create_table(
        "scan_run",
        _row("n"),
        _text("id"),
        _text("cluster"),
        _text("source"),
        _text("ref"),
        _whole("is_default"),
        _text("commit_id"),
        _whole("started"),
        _whole("received"),
        _whole("duration_ms"),
        _text("actor"),
        _text("pipeline"),
        _text("scope"),
        _text("coverage"),
        _text("counts"),
        _text("changes"),
        _text("risks"),
        _text("answer"),
        _text("version"),
        sa.PrimaryKeyConstraint("n", name="pk_scan_run"),
        sa.UniqueConstraint("id", name="uq_scan_run_id"),
    )
    op.create_index("ix_scan_run_target", "scan_run", ["cluster", "source", "ref", "n"])
    op.create_table(
        "waiver",
        _row("n"),
        _text("id"),
        _text("cluster"),
        _text("namespace"),
        _text("rule"),
        _text("reason"),
        _text("owner"),
        _text("expires"),
        _whole("created"),
        _text("created_by"),
        _text("source"),
        _text("fingerprints"),
        _text("path"),
        _text("resource"),
        _whole("revoked"),
        _text("revoked_by"),
        _whole("ended"),
        sa.PrimaryKeyConstraint("n", name="pk_waiver"),
        sa.UniqueConstraint("id", name="uq_waiver_id"),
    )
    op.create_index("ix_waiver_expires", "waiver", ["ended", "revoked", "expires"])
    op.create_table(
        "rule_text",
        _text("id"),
        _text("title"),
        _whole("severity"),
        _text("why"),
        _text("fix"),
        _whole("at"),
        sa.PrimaryKeyConstraint("id", name="pk_rule_text"),
    )
    op.create_table(
        "source",
        _text("cluster"),
        _text("id"),
        _text("kind"),
        _text("name"),
        _whole("last_seen"),
        _whole("gaps"),
        _text("detail"),
        sa.PrimaryKeyConstraint("cluster", "id", name="pk_source"),
    )


def _world() -> None:
    op.create_table(
        "resource",
        _row("n"),
        _text("cluster"),
        _text("source"),
        _text("ref"),
        _text("key"),
        _whole("is_default"),
        _text("kind"),
        _text("name"),
        _text("namespace"),
        _text("file"),
        _whole("line"),
        _text("owner"),
        _whole("first_seen"),
        _whole("last_seen"),
        _whole("gone"),
        sa.PrimaryKeyConstraint("n", name="pk_resource"),
        sa.UniqueConstraint(
            "cluster", "source", "ref", "key", name="uq_resource_cluster_source_ref_key"
        ),
    )
    op.create_index("ix_resource_key", "resource", ["key", "cluster"])
    op.create_index("ix_resource_kind", "resource", ["is_default", "gone", "kind", "name"])
    op.create_table(
        "attribute",
        _row("n"),
        _text("cluster"),
        _text("source"),
        _text("ref"),
        _text("resource"),
        _text("key"),
        _text("value"),
        _whole("at"),
        sa.PrimaryKeyConstraint("n", name="pk_attribute"),
        sa.UniqueConstraint(
            "cluster",
            "source",
            "ref",
            "resource",
            "key",
            name="uq_attribute_cluster_source_ref_resource_key",
        ),
    )
    op.create_index("ix_attribute_resource", "attribute", ["resource", "cluster"])
    op.create_table(
        "edge",
        _row("n"),
        _text("cluster"),
        _text("source"),
        _text("ref"),
        _whole("is_default"),
        _text("src"),
        _text("kind"),
        _text("dst"),
        _whole("seen_at"),
        sa.PrimaryKeyConstraint("n", name="pk_edge"),
        sa.UniqueConstraint(
            "cluster",
            "source",
            "ref",
            "src",
            "kind",
            "dst",
            name="uq_edge_cluster_source_ref_src_kind_dst",
        ),
    )
    op.create_index("ix_edge_dst", "edge", ["cluster", "dst"])
    op.create_index("ix_edge_src", "edge", ["cluster", "src"])


def _response() -> None:
    op.create_table(
        "incident",
        _row("n"),
        _text("id"),
        _text("cluster"),
        _text("namespace"),
        _text("rule"),
        _whole("severity"),
        _text("title"),
        _text("state"),
        _text("owner"),
        _text("resource"),
        _whole("opened"),
        _whole("changed"),
        _whole("closed"),
        _text("detail"),
        sa.PrimaryKeyConstraint("n", name="pk_incident"),
        sa.UniqueConstraint("id", name="uq_incident_id"),
    )
    op.create_index("ix_incident_state", "incident", ["state", "severity", "opened"])
    op.create_table(
        "action",
        _row("n"),
        _text("id"),
        _text("cluster"),
        _text("namespace"),
        _text("incident"),
        _text("kind"),
        _text("state"),
        _text("idempotency_key"),
        _text("step"),
        _text("inverse"),
        _text("actor"),
        _whole("created"),
        _whole("applied"),
        _whole("expires"),
        sa.PrimaryKeyConstraint("n", name="pk_action"),
        sa.UniqueConstraint("id", name="uq_action_id"),
        sa.UniqueConstraint("idempotency_key", name="uq_action_idempotency_key"),
    )
    op.create_index("ix_action_incident", "action", ["incident"])


def _records() -> None:
    op.create_table(
        "meta", _text("key"), _text("value"), sa.PrimaryKeyConstraint("key", name="pk_meta")
    )
    op.create_table(
        "audit",
        _row("n"),
        _text("token"),
        _whole("after_seq"),
        sa.Column("seq", _WHOLE, nullable=True),
        _whole("at"),
        _text("actor"),
        _text("action"),
        _text("object"),
        _text("cluster"),
        _text("namespace"),
        _text("detail"),
        _text("private"),
        sa.PrimaryKeyConstraint("n", name="pk_audit"),
        sa.UniqueConstraint("token", name="uq_audit_token"),
    )
    op.create_index("ix_audit_seq", "audit", ["seq"])


def _access() -> None:
    op.create_table(
        "attempt",
        _text("key"),
        _whole("failures"),
        _whole("last"),
        _whole("until"),
        sa.PrimaryKeyConstraint("key", name="pk_attempt"),
    )
    op.create_index("ix_attempt_last", "attempt", ["last"])
    op.create_table(
        "session",
        _text("digest"),
        _text("user"),
        _text("token"),
        _whole("created"),
        _whole("seen"),
        _whole("ends"),
        sa.PrimaryKeyConstraint("digest", name="pk_session"),
    )
    op.create_index("ix_session_ends", "session", ["ends"])
    op.create_index("ix_session_token", "session", ["token"])
    op.create_index("ix_session_user", "session", ["user"])
    op.create_table(
        "sign_in_code",
        _text("digest"),
        _text("user"),
        _whole("expires"),
        sa.PrimaryKeyConstraint("digest", name="pk_sign_in_code"),
    )
    op.create_table(
        "token",
        _text("id"),
        _text("digest"),
        _text("name"),
        _text("prefix"),
        _text("user"),
        _text("grants"),
        _text("permissions"),
        _text("repositories"),
        _whole("created"),
        _text("created_by"),
        _whole("expires"),
        _whole("last_used"),
        _whole("revoked"),
        sa.PrimaryKeyConstraint("id", name="pk_token"),
        sa.UniqueConstraint("digest", name="uq_token_digest"),
    )
    op.create_index("ix_token_created", "token", ["created", "id"])
    op.create_table(
        "user",
        _text("id"),
        _text("name"),
        _text("email"),
        _text("issuer"),
        _text("subject"),
        _text("mapped"),
        _text("granted"),
        _whole("created"),
        _whole("last_seen"),
        _whole("disabled"),
        sa.PrimaryKeyConstraint("id", name="pk_user"),
        sa.UniqueConstraint("issuer", "subject", name="uq_user_issuer_subject"),
    )
