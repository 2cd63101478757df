"""0008: learnt behaviour."""

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
    """One table."""
    op.create_table(
        "profile",
        _text("cluster"),
        _text("id"),
        _text("namespace"),
        _text("resource"),
        _text("image"),
        _text("command"),
        _text("state"),
        _number("since"),
        _number("changed"),
        _number("events"),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("cluster", "id", name="pk_profile"),
    )
    op.create_index("ix_profile_resource", "profile", ["resource"])
