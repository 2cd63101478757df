"""The MetaData that all tables of ``state.db`` hang on, and the column types they share.

Text everywhere, numbers for what is compared much: times are microseconds since 1970 in UTC,
severities their rank, flags 0 or 1. NULL is avoided (``""`` and ``NEVER`` mean nothing): a NULL
sorts differently in every engine and would break cursors.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Column, Integer, MetaData, Text

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

NEVER = "9999-12-31"
"""A date that is none: sorts last."""

Whole = BigInteger().with_variant(Integer(), "sqlite")
"""64 bits; SQLite gives its row number to INTEGER keys alone."""


def number(name: str, **options: Any) -> Column[int]:
    """A count, flag, rank or time."""
    return Column(name, Whole, nullable=False, **options)


def text(name: str, **options: Any) -> Column[str]:
    """Words; JSON where the name says so."""
    return Column(name, Text, nullable=False, **options)


def row_number() -> Column[int]:
    """The key of a row. The one writer gives the numbers out, so bulk inserts know them."""
    return Column("n", Whole, primary_key=True, autoincrement=False)
