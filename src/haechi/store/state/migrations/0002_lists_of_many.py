"""0002: lists, counts and search over 50,000 findings.

A flag for what is not fixed, indexes that give the usual orders without sorting and the facets
without the rows, and the searched text, folded once when it is written, in a table of its own.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

_PART = 1_000
_INDEXES = {
    "worst": ("live", "is_default", "severity", "due", "n"),
    "due": ("live", "is_default", "due", "severity", "n"),
    "changed": ("live", "is_default", "changed", "n"),
    "on_resource": ("resource", "live", "is_default", "cluster", "source"),
    "facets": (
        "is_default",
        "live",
        "state",
        "source",
        "cluster",
        "severity",
        "domain",
        "rule",
        "owner",
        "namespace",
        "due",
    ),
}


def upgrade() -> None:
    """Add the columns, fill them, then the indexes."""
    whole = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.add_column("finding", sa.Column("live", whole, nullable=False, server_default="1"))
    op.create_table(
        "finding_search",
        sa.Column("n", whole, nullable=False, autoincrement=False),
        sa.Column("folded", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("n", name="pk_finding_search"),
        sa.ForeignKeyConstraint(
            ["n"], ["finding.n"], name="fk_finding_search_n", ondelete="CASCADE"
        ),
    )
    op.execute("UPDATE finding SET live = 0 WHERE state = 'fixed'")
    _fold(op.get_bind())
    for name, columns in _INDEXES.items():
        op.create_index(f"ix_finding_{name}", "finding", list(columns))


def _fold(connection: sa.Connection) -> None:
    """In parts, by number: a large store is not held in memory."""
    ask = sa.text(
        "SELECT n, title, message, path, label, rule FROM finding"
        " WHERE n > :last ORDER BY n LIMIT :part"
    )
    write = sa.text("INSERT INTO finding_search (n, folded) VALUES (:n, :folded)")
    last = -1
    while rows := connection.execute(ask, {"last": last, "part": _PART}).all():
        values = [{"n": row.n, "folded": "\n".join(row[1:]).casefold()} for row in rows]
        connection.execute(write, values)
        last = rows[-1].n
