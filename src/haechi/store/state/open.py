"""Opening ``state.db``: a fresh one is made, an older one is migrated, a newer one refused.

Whether anything is to be done is one plain read, so that Alembic (0.4 s to import) is loaded
only for a migration. Each migration and its mark are one transaction: one that is interrupted
has not happened. Before the first, a copy of the whole database is laid down.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

from sqlalchemy import Connection, insert, inspect, select
from sqlalchemy.dialects import sqlite
from sqlalchemy.schema import CreateIndex, CreateTable

from haechi.errors import StoreError
from haechi.store.folder import make_private, storage_errors
from haechi.store.state import (
    action_tables,
    admission_tables,
    alert_tables,
    dependency_tables,
    incident_tables,
    object_tables,
    profile_tables,
    runtime_tables,
    schema,
)
from haechi.store.state.access_tables import TABLES
from haechi.store.state.metadata import metadata
from haechi.store.state.sqlite import copy_by_vacuum, explained, writer_engine


def prepare(file: Path, *, backups: Path) -> str:
    """Make the file ready for this code; says what was done: ``made``, ``migrated``, ``none``."""
    make_private(file)
    engine = writer_engine(file)
    try:
        with explained(file):
            with engine.begin() as connection:
                found = revision_of(connection)
                if found is None:
                    _make(connection, file)
                    return "made"
            if found == schema.REVISION:
                return "none"
            from haechi.store.state.migrate import following, upgrade

            steps = following(found, file)
            _copy(file, backups, found)
            upgrade(engine, steps)
            return "migrated"
    finally:
        engine.dispose()


def revision_of(connection: Connection) -> str | None:
    """The schema's revision; None for an empty file."""
    if not inspect(connection).has_table("meta"):
        return None
    ask = select(schema.meta.c.value).where(schema.meta.c.key == "schema")
    return connection.execute(ask).scalar()


def _make(connection: Connection, file: Path) -> None:
    if inspect(connection).get_table_names():
        raise StoreError(
            "this database is not a store of haechi's",
            why=f"{file} has tables but no version",
            do="name another folder",
        )
    for statement in _statements():
        connection.exec_driver_sql(statement)
    connection.execute(insert(schema.meta), {"key": "schema", "value": schema.REVISION})


@cache
def _statements() -> tuple[str, ...]:
    """What makes the tables and their indexes. Compiled once: tests and what-if make many
    stores in a process, and compiling takes most of the time of making one."""
    # TABLES are those of access: imported, they hang on the same MetaData.
    several = (
        *(runtime_tables, incident_tables, action_tables, profile_tables, alert_tables),
        *(admission_tables, dependency_tables),
    )
    tables = {*schema.TABLES, *TABLES, *object_tables.TABLES}
    tables |= {table for one in several for table in one.TABLES}
    made: list[CreateTable | CreateIndex] = []
    for table in metadata.sorted_tables:
        if table in tables:
            indexes = sorted(table.indexes, key=lambda index: str(index.name))
            made += [CreateTable(table), *map(CreateIndex, indexes)]
    return tuple(str(one.compile(dialect=sqlite.dialect())) for one in made)


def _copy(file: Path, backups: Path, found: str) -> None:
    """The copy is written beside and renamed, so a half one is never taken for whole."""
    target = backups / f"state-{found}.db"
    part = target.with_suffix(".part")
    with storage_errors(target):
        part.unlink(missing_ok=True)
        copy_by_vacuum(file, part)
        part.chmod(0o600)
        part.replace(target)
