"""Bringing a store of an older schema forward, by Alembic's operations.

Alembic's own directory of scripts is not used: the migrations are modules of this package, so
the wheel has them and nothing is searched for on disk.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from types import ModuleType

from alembic.migration import MigrationContext
from alembic.operations import Operations
from sqlalchemy import Connection, Engine, text

from haechi.errors import StoreError
from haechi.store.state.migrations import ORDER


def following(found: str, file: Path) -> list[str]:
    """The revisions after ``found``; StoreError for one that is not known here."""
    known = [name.partition("_")[0] for name in ORDER]
    if found not in known:
        raise StoreError(
            "the store was written by a newer haechi",
            why=f"{file} has schema {found[:40]!r}; this program knows up to {known[-1]}",
            do="use the newer program, or restore a backup made by this one",
        )
    return known[known.index(found) + 1 :]


def upgrade(engine: Engine, steps: list[str]) -> None:
    """Run these, each with its mark in one transaction."""
    for revision in steps:
        with engine.begin() as connection:
            run(connection, revision)


def run(connection: Connection, revision: str) -> None:
    """One step, and its mark."""
    step = _module(revision)
    context = MigrationContext.configure(connection)
    with Operations.context(context):
        step.upgrade()
    mark = text("UPDATE meta SET value = :revision WHERE key = 'schema'")
    if not connection.execute(mark, {"revision": revision}).rowcount:
        first = text("INSERT INTO meta (key, value) VALUES ('schema', :revision)")
        connection.execute(first, {"revision": revision})


def _module(revision: str) -> ModuleType:
    name = next(name for name in ORDER if name.startswith(f"{revision}_"))
    return import_module(f"haechi.store.state.migrations.{name}")
