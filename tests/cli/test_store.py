"""``haechi store`` looks after a folder: checks, copies, brings back, lets an owner in again."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from haechi.cli.store import command
from haechi.errors import StoreError

pytest.importorskip("sqlalchemy", reason="the server's extra is not installed")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    from haechi.server.auth import ensure_admin
    from haechi.store.store import Store

    store = Store.open(tmp_path / "store")
    ensure_admin(store.state)
    store.close()
    return tmp_path / "store"


def _run(*words: str) -> Result:
    return CliRunner().invoke(command, list(words))


def test_a_well_store_is_well(folder: Path) -> None:
    done = _run("check", "--store", str(folder))
    assert (done.exit_code, "is well" in done.output) == (0, True)


def test_damage_is_named_and_gives_1(folder: Path) -> None:
    data = bytearray((folder / "state.db").read_bytes())
    data[4096:8192] = b"\xff" * 4096
    (folder / "state.db").write_bytes(data)
    done = _run("check", "--store", str(folder))
    assert done.exit_code == 1
    assert "state" in done.output


def test_a_backup_comes_back(folder: Path, tmp_path: Path) -> None:
    assert _run("backup", str(tmp_path / "copy"), "--store", str(folder)).exit_code == 0
    again = tmp_path / "again"
    assert _run("restore", str(tmp_path / "copy"), "--store", str(again)).exit_code == 0
    assert _run("check", "--store", str(again)).exit_code == 0
    # A store in use is never written over.
    done = _run("restore", str(tmp_path / "copy"), "--store", str(again))
    assert isinstance(done.exception, StoreError)


def test_rows_are_exported_without_tokens(folder: Path, tmp_path: Path) -> None:
    done = _run("export", str(tmp_path / "rows.ndjson"), "--store", str(folder))
    assert done.exit_code == 0
    assert "haechi_api_" not in (tmp_path / "rows.ndjson").read_text(encoding="utf-8")


def test_an_owner_gets_in_again(folder: Path) -> None:
    done = _run("admin", "--store", str(folder))
    assert done.exit_code == 0
    assert done.output.startswith("haechi_api_")


@pytest.mark.parametrize("verb", ["check", "export", "admin"])
def test_a_folder_that_is_no_store_is_told(verb: str, tmp_path: Path) -> None:
    words = [verb, str(tmp_path / "x")] if verb == "export" else [verb]
    done = _run(*words, "--store", str(tmp_path))
    assert isinstance(done.exception, StoreError)
    assert not (tmp_path / "state.db").exists()
