"""0007: response (the first table ``action`` was never written to)."""

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
    """Three tables."""
    op.drop_table("action")
    op.create_table(
        "action",
        _number("n", autoincrement=False),
        _text("id"),
        _text("cluster"),
        _text("namespace"),
        _text("resource"),
        _text("incident"),
        _text("kind"),
        _text("stage"),
        _text("state"),
        _text("idempotency_key"),
        _text("plan"),
        _text("checks"),
        _text("outcome"),
        _text("why"),
        _text("ask"),
        _text("because"),
        _text("actor"),
        _text("approver"),
        _number("automatic"),
        _number("level"),
        _number("ttl"),
        _number("created"),
        _number("changed"),
        _number("approved"),
        _number("applied"),
        _number("verified"),
        _number("expires"),
        _number("ended"),
        _number("due"),
        _number("failures"),
        sa.PrimaryKeyConstraint("n", name="pk_action"),
        sa.UniqueConstraint("id", name="uq_action_id"),
        sa.UniqueConstraint("idempotency_key", name="uq_action_idempotency_key"),
    )
    op.create_index("ix_action_incident", "action", ["incident"])
    op.create_index("ix_action_state", "action", ["state", "due"])
    op.create_index("ix_action_place", "action", ["cluster", "namespace", "n"])
    op.create_table(
        "action_step",
        _number("n", autoincrement=False),
        _number("action"),
        _number("place"),
        _text("id"),
        _text("kind"),
        _text("target"),
        _text("body"),
        _text("inverse"),
        _text("state"),
        _number("attempts"),
        _number("changed"),
        _text("error"),
        sa.PrimaryKeyConstraint("n", name="pk_action_step"),
        sa.UniqueConstraint("action", "place", name="uq_action_step_action_place"),
        sa.UniqueConstraint("id", name="uq_action_step_id"),
    )
    op.create_table(
        "halt",
        _text("scope"),
        _number("stopped"),
        _number("at"),
        _text("actor"),
        _text("why"),
        sa.PrimaryKeyConstraint("scope", name="pk_halt"),
    )
