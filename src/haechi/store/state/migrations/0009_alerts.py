"""0009: alerts and tickets."""

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
    """Two tables."""
    op.create_table(
        "alert",
        _number("n", autoincrement=False),
        _text("id"),
        _text("cluster"),
        _text("namespace"),
        _text("route"),
        _text("receiver"),
        _text("topic"),
        _text("grp"),
        _text("delivery"),
        _text("what"),
        _text("level"),
        _text("state"),
        _number("attempts"),
        _number("next_at"),
        _number("created"),
        _number("ended"),
        _text("payload"),
        _text("error"),
        sa.PrimaryKeyConstraint("n", name="pk_alert"),
        sa.UniqueConstraint("id", name="uq_alert_id"),
    )
    op.create_index("ix_alert_state", "alert", ["state", "next_at"])
    op.create_index("ix_alert_topic", "alert", ["topic", "receiver"])
    op.create_index("ix_alert_receiver", "alert", ["receiver", "state", "n"])
    op.create_index("ix_alert_group", "alert", ["receiver", "grp", "ended"])
    op.create_table(
        "ticket",
        _text("receiver"),
        _text("topic"),
        _text("cluster"),
        _text("namespace"),
        _text("route"),
        _text("grp"),
        _text("remote"),
        _text("url"),
        _text("state"),
        _text("level"),
        _number("made"),
        _number("opened"),
        _number("changed"),
        _number("checked"),
        sa.PrimaryKeyConstraint("receiver", "topic", name="pk_ticket"),
    )
    op.create_index("ix_ticket_state", "ticket", ["receiver", "state", "changed"])
