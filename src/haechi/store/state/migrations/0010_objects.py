"""0010: objects of clusters over time."""

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
        "kube_object",
        _number("n", autoincrement=False),
        _text("cluster"),
        _text("key"),
        _text("kind"),
        _text("namespace"),
        _text("uid"),
        _text("version"),
        _number("at"),
        _number("until"),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("n", name="pk_kube_object"),
    )
    op.create_index("ix_kube_object_at", "kube_object", ["cluster", "kind", "until"])
    op.create_index("ix_kube_object_key", "kube_object", ["cluster", "key", "until"])
