"""Questions to an open database: SQLite's errors while reading it are errors of the store."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

from haechi.errors import StoreError


class damage_told:
    """A context in which they are."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, sqlite3.Error):
            raise StoreError("the database of advisories is damaged", why=str(error)) from error


class Tables:
    """An open database as rows."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def all(self, query: str, values: Sequence[str | int] = ()) -> list[tuple[Any, ...]]:
        """All rows of an answer. Raises StoreError."""
        with damage_told():
            return self._connection.execute(query, values).fetchall()
