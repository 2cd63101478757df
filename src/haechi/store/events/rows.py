"""Many rows by few statements.

``executemany`` runs a statement for each row and gives Python's lock away and takes it back
around each: a thread that computes meanwhile gets it in between, and the writer waits thousands
of times a batch. One statement with some hundred rows costs half the CPU and waits once.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from itertools import chain
from typing import Any

_MANY = 200


class Rows:
    """An INSERT of ``width`` columns; ``start`` ends with VALUES, ``end`` is what follows."""

    def __init__(self, start: str, width: int, end: str = "") -> None:
        row = f"({', '.join('?' * width)})"
        self.one = f"{start} {row} {end}"
        self._many = f"{start} {', '.join([row] * _MANY)} {end}"

    def insert(self, connection: sqlite3.Connection, rows: Sequence[tuple[Any, ...]]) -> int:
        """Insert all; how many were really inserted or changed."""
        done = 0
        whole = len(rows) - len(rows) % _MANY
        for place in range(0, whole, _MANY):
            values = list(chain.from_iterable(rows[place : place + _MANY]))
            done += connection.execute(self._many, values).rowcount
        if whole < len(rows):
            done += connection.executemany(self.one, rows[whole:]).rowcount
        return done
