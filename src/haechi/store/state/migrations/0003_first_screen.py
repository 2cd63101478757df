"""0003: what the first screen counts and lists, without reading the findings themselves."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op


def upgrade() -> None:
    """Two indexes."""
    standing = (
        *("is_default", "live", "state", "severity", "owner"),
        *("cluster", "namespace", "due"),
    )
    op.create_index("ix_finding_standing", "finding", list(standing))
    op.create_index(
        "ix_finding_dead",
        "finding",
        ["rule", "severity", "n"],
        sqlite_where=sa.text("instr(tags, '\"dead-control\"') > 0"),
    )
