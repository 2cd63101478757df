"""0006: incidents (the first table of that name was never written to)."""

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
    """Five tables."""
    op.drop_table("incident")
    op.create_table(
        "incident",
        _number("n", autoincrement=False),
        _text("id"),
        _text("cluster"),
        _text("namespace"),
        _text("resource"),
        _text("node"),
        _text("container"),
        _text("cause"),
        _text("title"),
        _text("state"),
        _text("owner"),
        _number("closed_flag"),
        _number("level"),
        _number("rank"),
        _number("opened"),
        _number("changed"),
        _number("closed"),
        _number("first_ns"),
        _number("last_ns"),
        _number("detections"),
        _text("former"),
        _text("folded"),
        _text("detail"),
        _text("memory"),
        sa.PrimaryKeyConstraint("n", name="pk_incident"),
        sa.UniqueConstraint("id", name="uq_incident_id"),
    )
    op.create_index("ix_incident_cause", "incident", ["cause", "closed_flag"])
    op.create_index(
        "ix_incident_facets",
        "incident",
        ["closed_flag", "state", "level", "cluster", "namespace", "owner"],
    )
    op.create_index("ix_incident_opened", "incident", ["closed_flag", "opened", "n"])
    op.create_index("ix_incident_open", "incident", ["closed_flag", "rank", "n"])
    op.create_index("ix_incident_place", "incident", ["cluster", "namespace", "closed_flag"])
    op.create_table(
        "incident_detection",
        _number("n", autoincrement=False),
        _number("incident"),
        _text("signature"),
        _number("count"),
        _number("first_ns"),
        _number("last_ns"),
        _text("event"),
        _text("source"),
        _text("rule"),
        _text("priority"),
        _text("message"),
        _text("evidence"),
        sa.PrimaryKeyConstraint("n", name="pk_incident_detection"),
        sa.UniqueConstraint(
            "incident", "signature", name="uq_incident_detection_incident_signature"
        ),
    )
    op.create_index("ix_incident_detection_rule", "incident_detection", ["rule", "incident"])
    op.create_table(
        "incident_change",
        _number("n", autoincrement=False),
        _number("incident"),
        _number("at"),
        _text("actor"),
        _text("what"),
        _text("was"),
        _text("became"),
        _text("note"),
        sa.PrimaryKeyConstraint("n", name="pk_incident_change"),
    )
    op.create_index("ix_incident_change", "incident_change", ["incident", "n"])
    op.create_table(
        "incident_faint",
        _number("n", autoincrement=False),
        _text("place"),
        _text("signature"),
        _number("count"),
        _number("first_ns"),
        _number("last_ns"),
        _text("detail"),
        sa.PrimaryKeyConstraint("n", name="pk_incident_faint"),
    )
    op.create_index("ix_incident_faint_place", "incident_faint", ["place"])
    op.create_table(
        "incident_cursor",
        _text("name"),
        _text("epoch"),
        _number("seq"),
        _number("at"),
        sa.PrimaryKeyConstraint("name", name="pk_incident_cursor"),
    )
