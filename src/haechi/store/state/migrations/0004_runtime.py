"""0004: rules that are saved here, feeds and their dead letters."""

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
    """Four tables."""
    op.create_table(
        "rule_file",
        _number("n", autoincrement=False),
        *(_text("name"), _number("version"), _text("text"), _number("at")),
        *(_text("actor"), _text("note"), _number("removed")),
        sa.PrimaryKeyConstraint("n", name="pk_rule_file"),
        sa.UniqueConstraint("name", "version", name="uq_rule_file_name_version"),
    )
    op.create_table(
        "rule_switch",
        *(_text("source"), _text("name"), _number("enabled"), _number("at"), _text("actor")),
        sa.PrimaryKeyConstraint("source", "name", name="pk_rule_switch"),
    )
    op.create_table(
        "feed",
        *(_text("cluster"), _text("id"), _text("kind"), _text("way"), _text("place")),
        *(_number("accepted"), _number("duplicates"), _number("refused"), _number("skipped")),
        *(_number("last_seen"), _number("last_event"), _number("lag")),
        *(_text("checkpoint"), _text("error")),
        sa.PrimaryKeyConstraint("cluster", "id", name="pk_feed"),
    )
    op.create_table(
        "dead_letter",
        _number("n", autoincrement=False),
        *(_text("cluster"), _text("feed"), _number("at"), _text("why"), _text("sample")),
        sa.PrimaryKeyConstraint("n", name="pk_dead_letter"),
    )
    op.create_index("ix_dead_letter_feed", "dead_letter", ["cluster", "feed", "n"])
