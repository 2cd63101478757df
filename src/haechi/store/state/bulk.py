"""Many rows at a time, in parts that bound the memory of a statement."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, TypeVar

from sqlalchemy import Connection, Table, bindparam, delete, func, insert, select, update

T = TypeVar("T")
PART = 2_000
_AT_ONCE = 500


def parts(items: Iterable[T], size: int = PART) -> Iterator[list[T]]:
    """The items in lists of at most ``size``."""
    rest = iter(items)
    while part := list(islice(rest, size)):
        yield part


def next_number(connection: Connection, table: Table) -> int:
    """The number of the next row: the one writer gives them out."""
    newest: Any = connection.execute(select(func.max(table.c.n))).scalar()
    return int(newest or 0) + 1


def insert_all(connection: Connection, table: Table, rows: Iterable[dict[str, Any]]) -> None:
    """Insert rows that have all columns."""
    for part in parts(rows):
        connection.execute(insert(table), part)


def update_all(
    connection: Connection, table: Table, columns: Iterable[str], rows: Iterable[dict[str, Any]]
) -> None:
    """Set these columns in the rows named by ``row_n``."""
    change = (
        update(table)
        .where(table.c.n == bindparam("row_n"))
        .values({name: bindparam(name) for name in columns})
    )
    for part in parts(rows):
        connection.execute(change, part)


def touch_all(connection: Connection, table: Table, numbers: Iterable[int], **values: Any) -> None:
    """Set the same values in all of these rows."""
    for part in parts(numbers, _AT_ONCE):
        connection.execute(update(table).where(table.c.n.in_(part)).values(**values))


def delete_all(connection: Connection, table: Table, numbers: Iterable[int]) -> None:
    """Delete these rows."""
    for part in parts(numbers, _AT_ONCE):
        connection.execute(delete(table).where(table.c.n.in_(part)))
