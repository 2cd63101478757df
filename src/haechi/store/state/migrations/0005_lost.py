"""0005: what a feed's source says itself that it lost."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

_WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """One column; of what came before nothing is known."""
    op.add_column("feed", sa.Column("lost", _WHOLE, nullable=False, server_default="0"))
