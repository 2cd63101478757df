"""A store of any schema opens with its data; a fresh one never loads Alembic."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect

from haechi.errors import StoreError
from haechi.store.records import FindingFilter, Life
from haechi.store.state import migrate
from haechi.store.state.access_tables import TABLES
from haechi.store.state.metadata import metadata
from haechi.store.state.migrations import ORDER
from haechi.store.state.schema import REVISION
from haechi.store.state.sqlite import writer_engine
from tests.store.state.made import ALL, TODAY, open_state


def _older_schema(file: Path, *, last: str = "0001") -> None:
    """A store as an older schema made it, with rows written by plain SQL."""
    file.touch(0o600)
    engine = writer_engine(file)
    for name in ORDER:
        revision = name.partition("_")[0]
        if revision <= last:
            with engine.begin() as connection:
                migrate.run(connection, revision)
    engine.dispose()
    plain = sqlite3.connect(file)
    for n, (life, title) in enumerate(
        [("open", "Straße OFFEN"), ("waived", "Two"), ("fixed", "Three")], 1
    ):
        _insert(plain, "finding", _old_finding(plain, n, life, title))
        _insert(plain, "finding_text", {"n": n, "evidence": '{"why":"old"}'})
        step = {"n": n, "finding": n, "at": 5, "what": "seen", "was": "", "became": "open"}
        _insert(plain, "finding_change", {**step, "actor": "scan:1", "note": ""})
    plain.commit()
    plain.close()


def _old_finding(plain: sqlite3.Connection, n: int, life: str, title: str) -> dict[str, Any]:
    columns = plain.execute("SELECT name, type FROM pragma_table_info('finding')").fetchall()
    row: dict[str, Any] = {name: "" if kind == "TEXT" else 0 for name, kind in columns}
    row |= {"n": n, "id": f"id-{n}", "cluster": "-", "namespace": "-", "source": "repo:x"}
    row |= {"ref": "main", "is_default": 1, "fingerprint": f"f{n}", "rule": "r", "title": title}
    row |= {"state": life, "due": "9999-12-31", "waived_until": "9999-12-31"}
    return row | {"cwe": "[]", "tags": "[]", "first_seen": n, "last_seen": n, "changed": n}


def _insert(plain: sqlite3.Connection, table: str, row: dict[str, Any]) -> None:
    names, marks = ", ".join(row), ", ".join("?" * len(row))
    plain.execute(f"INSERT INTO {table} ({names}) VALUES ({marks})", list(row.values()))  # noqa: S608


def _differences(file: Path) -> list[Any]:
    engine = writer_engine(file)
    try:
        with engine.connect() as connection:
            context = MigrationContext.configure(connection, opts={"compare_type": True})
            return list(compare_metadata(context, metadata))
    finally:
        engine.dispose()


def _shape(file: Path) -> dict[str, Any]:
    """What ``compare_metadata`` does not look at: keys, and the columns of every index."""
    engine = writer_engine(file)
    found = inspect(engine)
    shape = {
        table: (
            found.get_pk_constraint(table),
            sorted(map(str, found.get_foreign_keys(table))),
            sorted(map(str, found.get_unique_constraints(table))),
            sorted(map(_index, found.get_indexes(table))),
            sorted((c["name"], str(c["type"]), c["nullable"]) for c in found.get_columns(table)),
        )
        for table in found.get_table_names()
    }
    engine.dispose()
    return shape


def _index(index: Any) -> str:
    only = str(index.get("dialect_options", {}).get("sqlite_where", ""))
    return f"{index['name']} {index['column_names']} {index['unique']} {only}"


def test_migrations_make_what_a_fresh_store_has(tmp_path: Path) -> None:
    migrated = tmp_path / "migrated.db"
    engine = writer_engine(migrated)
    for name in ORDER:
        with engine.begin() as connection:
            migrate.run(connection, name.partition("_")[0])
    engine.dispose()
    fresh = open_state(tmp_path)
    fresh.close()
    assert len(metadata.tables) >= 14 + len(TABLES)
    assert _differences(migrated) == []
    assert _differences(tmp_path / "state.db") == []
    assert _shape(migrated) == _shape(tmp_path / "state.db")
    assert ORDER[-1].startswith(REVISION)


def test_a_store_of_the_older_schema_opens_with_its_data(tmp_path: Path) -> None:
    _older_schema(tmp_path / "state.db")
    state = open_state(tmp_path)
    assert state.opened == "migrated"
    every = FindingFilter(state=list(Life))
    page = state.findings.page(every, within=ALL, today=TODAY)
    assert {one.id for one in page.items} == {"id-1", "id-2", "id-3"}
    live = state.findings.page(FindingFilter(), within=ALL, today=TODAY)
    assert {one.id for one in live.items} == {"id-1", "id-2"}
    by_text = FindingFilter(text="strasse offen")
    hits = state.findings.page(by_text, within=ALL, today=TODAY)
    assert [one.title for one in hits.items] == ["Straße OFFEN"]
    detail = state.findings.detail("id-1", within=ALL, today=TODAY)
    assert detail.evidence == {"why": "old"}
    assert [step.what for step in detail.history] == ["seen"]
    state.close()
    again = open_state(tmp_path)
    assert again.opened == "none"
    again.close()


@pytest.mark.parametrize("last", [name.partition("_")[0] for name in ORDER[1:-1]])
def test_a_store_of_each_released_schema_opens_with_its_data(tmp_path: Path, last: str) -> None:
    _older_schema(tmp_path / "state.db", last=last)
    state = open_state(tmp_path)
    assert state.opened == "migrated"
    page = state.findings.page(FindingFilter(state=list(Life)), within=ALL, today=TODAY)
    assert {(one.id, *one.aliases) for one in page.items} == {("id-1",), ("id-2",), ("id-3",)}
    assert state.findings.detail("id-1", within=ALL, today=TODAY).evidence == {"why": "old"}
    state.close()


def test_a_copy_of_the_old_store_is_laid_down_first(tmp_path: Path) -> None:
    _older_schema(tmp_path / "state.db")
    open_state(tmp_path).close()
    copy = tmp_path / "backup" / "state-0001.db"
    assert copy.stat().st_mode & 0o777 == 0o600
    plain = sqlite3.connect(copy)
    assert plain.execute("SELECT value FROM meta WHERE key = 'schema'").fetchone() == ("0001",)
    assert plain.execute("SELECT count(*) FROM finding").fetchone() == (3,)
    plain.close()


def test_an_interrupted_migration_leaves_a_store_that_opens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _older_schema(tmp_path / "state.db")
    before = _shape(tmp_path / "state.db")
    step = migrate._module("0002")
    with monkeypatch.context() as patch:
        patch.setattr(step, "_INDEXES", {"worst": ("no_such_column",)})
        with pytest.raises(Exception, match="no_such_column"):
            open_state(tmp_path)
    assert _shape(tmp_path / "state.db") == before
    state = open_state(tmp_path)
    assert state.opened == "migrated"
    assert len(state.findings.page(FindingFilter(), within=ALL, today=TODAY).items) == 2
    state.close()


def test_a_store_of_a_newer_haechi_is_refused_and_untouched(tmp_path: Path) -> None:
    open_state(tmp_path).close()
    plain = sqlite3.connect(tmp_path / "state.db")
    plain.execute("UPDATE meta SET value = '9999' WHERE key = 'schema'")
    plain.commit()
    plain.close()
    with pytest.raises(StoreError, match="newer haechi"):
        open_state(tmp_path)
    assert list((tmp_path / "backup").iterdir()) == []


def test_a_foreign_database_is_refused(tmp_path: Path) -> None:
    plain = sqlite3.connect(tmp_path / "state.db")
    plain.execute("CREATE TABLE theirs (x)")
    plain.close()
    with pytest.raises(StoreError, match="not a store"):
        open_state(tmp_path)


def test_what_is_no_database_is_told_as_damaged(tmp_path: Path) -> None:
    (tmp_path / "state.db").write_bytes(b"no database at all" * 100)
    with pytest.raises(StoreError, match="damaged"):
        open_state(tmp_path)


def test_alembic_is_not_loaded_for_a_store_of_this_schema(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from haechi.store.state.state import State\n"
        "folder = Path(sys.argv[1]); state = State(folder / 'state.db', backups=folder)\n"
        "state.close(); print('alembic' in sys.modules)"
    )
    for _ in ("made", "opened again"):
        run = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True
        )
        assert run.stdout.strip() == "False"
