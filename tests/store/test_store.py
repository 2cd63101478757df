"""The whole store: opened, checked, backed up while it is in use, restored, exported."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from haechi.errors import HaechiError, StoreError, StoreFull
from haechi.model.event import Event
from haechi.store.backup import backup, read_manifest, restore
from haechi.store.check import check
from haechi.store.export import export
from haechi.store.records import FindingFilter, Notice
from haechi.store.store import Store
from tests.store.state.made import ALL, TODAY, found, push, receive, waiver


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(tmp_path / "store")
    yield opened
    opened.close()


def fill(store: Store) -> None:
    receive(store.state, push([found("a"), found("b")]))
    store.state.waivers.add(
        waiver(), by="user:ana", within=ALL, matches=lambda f: f.fingerprint == "a", today=TODAY
    )
    event = Event(id="1", ts_ns=1_790_000_000 * 10**9, source="falco", type="alert")
    store.events.append([event, replace(event, id="2")]).result(30)


def fingerprints(store: Store) -> set[str]:
    page = store.state.findings.page(FindingFilter(), within=ALL, today=TODAY)
    return {one.fingerprint for one in page.items}


def test_changes_are_told_and_logged(store: Store) -> None:
    heard: list[Notice] = []
    stop = store.subscribe(heard.append)
    fill(store)
    stop()
    assert {notice.topic for notice in heard} == {"scan", "finding", "waiver"}
    actions = [row.action for row in store.audit.rows(limit=10)]
    assert actions == ["scan.push", "waiver.create"]


def test_everything_is_there_after_opening_again(tmp_path: Path) -> None:
    first = Store.open(tmp_path / "store")
    fill(first)
    first.close()
    first.close()
    again = Store.open(tmp_path / "store")
    assert fingerprints(again) == {"a", "b"}
    assert len(again.audit.rows(limit=10)) == 2
    again.close()
    for path in (tmp_path / "store").rglob("*"):
        assert path.stat().st_mode & 0o077 == 0, path


def test_a_failed_opening_gives_the_folder_up(tmp_path: Path) -> None:
    Store.open(tmp_path / "store").close()
    state = tmp_path / "store" / "state.db"
    good = state.read_bytes()
    state.write_bytes(b"no database" * 1000)
    with pytest.raises(StoreError, match="damaged"):
        Store.open(tmp_path / "store")
    state.write_bytes(good)
    Store.open(tmp_path / "store").close()


def _older_log(folder: Path) -> None:
    shutil.rmtree(folder / "audit")
    shutil.copytree(folder.with_name("younger") / "audit", folder / "audit")


def _no_state(folder: Path) -> None:
    for path in folder.glob("state.db*"):
        path.unlink()


@pytest.mark.parametrize(
    ("harm", "words"),
    [
        (lambda folder: shutil.rmtree(folder / "audit"), "the audit log is gone"),
        (lambda folder: (folder / "audit/heads.log").write_bytes(b""), "gone"),
        (_older_log, "but the database knows of"),
        (_no_state, "the database is gone"),
        (lambda folder: (folder / "state.db").write_bytes(b""), "the database is gone"),
    ],
)
def test_no_part_of_a_store_begins_anew_in_silence(
    tmp_path: Path, harm: Callable[[Path], object], words: str
) -> None:
    folder = tmp_path / "store"
    opened = Store.open(folder)
    receive(opened.state, push([found("a")]))
    opened.close()
    shutil.copytree(folder, tmp_path / "younger")
    opened = Store.open(folder)
    fill(opened)
    opened.close()
    harm(folder)
    keys = sorted((folder / "keys").iterdir())
    for _ in range(2):
        with pytest.raises(HaechiError, match=words):
            Store.open(folder).close()
    assert sorted((folder / "keys").iterdir()) == keys


def test_a_store_in_use_is_checked(store: Store) -> None:
    fill(store)
    assert check(store.folder.path) == []


def test_the_check_finds_damage(tmp_path: Path) -> None:
    store = Store.open(tmp_path / "store")
    fill(store)
    for n in range(30):
        receive(store.state, push([found(f"f{n}-{i}", message="x" * 900) for i in range(20)]))
    store.close()
    state = tmp_path / "store" / "state.db"
    content = bytearray(state.read_bytes())
    middle = len(content) // 2 // 4096 * 4096
    content[middle : middle + 40_960] = b"\xa5" * 40_960
    state.write_bytes(content)
    (tmp_path / "store").chmod(0o755)
    problems = check(tmp_path / "store")
    assert any("others may read" in problem for problem in problems)
    assert any("state.db" in problem for problem in problems)


def test_a_backup_of_a_store_in_use_is_a_store(store: Store, tmp_path: Path) -> None:
    fill(store)
    made = backup(store.folder.path, tmp_path / "copies" / "one")
    receive(store.state, push([found("later")]))
    restore(made, tmp_path / "again")
    assert made.stat().st_mode & 0o777 == 0o700
    other = Store.open(tmp_path / "again")
    assert fingerprints(other) == {"a", "b"}
    assert [row.action for row in other.audit.rows(limit=10)] == ["scan.push", "waiver.create"]
    assert other.events.figures()["hot_events"] == 2
    receive(other.state, push([found("c")]))
    other.close()
    assert check(tmp_path / "again") == []


@pytest.mark.parametrize("how", ["changed", "missing", "no manifest", "climbing", "odd place"])
def test_a_damaged_backup_is_refused_and_leaves_nothing(
    store: Store, tmp_path: Path, how: str
) -> None:
    made = backup(store.folder.path, tmp_path / "copy")
    manifest = json.loads((made / "manifest.json").read_text())
    match how:
        case "changed":
            content = bytearray((made / "state.db").read_bytes())
            content[5000] ^= 1
            (made / "state.db").write_bytes(content)
        case "missing":
            (made / "hot.db").unlink()
        case "no manifest":
            (made / "manifest.json").unlink()
        case "climbing":
            manifest["files"][0]["path"] = "cold/../../x"
        case _:
            manifest["files"][0]["path"] = "lock"
    if how in ("climbing", "odd place"):
        (made / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(StoreError, match=r"damaged|not a whole backup"):
        restore(made, tmp_path / "again")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["copy", "store"]


def test_what_is_there_is_not_written_over(store: Store, tmp_path: Path) -> None:
    made = backup(store.folder.path, tmp_path / "copy")
    with pytest.raises(StoreError, match="not empty"):
        backup(store.folder.path, made)
    with pytest.raises(StoreError, match="not empty"):
        restore(made, store.folder.path)
    (tmp_path / "empty").mkdir()
    restore(made, tmp_path / "empty")
    assert {one.path for one in read_manifest(made).files} >= {"state.db", "hot.db"}
    shutil.rmtree(tmp_path / "empty")


def test_the_export_has_every_row_and_no_secrets(store: Store, tmp_path: Path) -> None:
    fill(store)
    receive(store.state, push([found("x")], ref="feature", default=False))
    count = export(store.folder.path, tmp_path / "all.ndjson")
    lines = [json.loads(line) for line in (tmp_path / "all.ndjson").read_text().splitlines()]
    assert len(lines) == count
    kinds = [next(iter(line)) for line in lines]
    assert {kind: kinds.count(kind) for kind in kinds} == {"finding": 3, "waiver": 1, "scan": 2}
    assert (tmp_path / "all.ndjson").stat().st_mode & 0o777 == 0o600
    with pytest.raises(StoreError):
        export(store.folder.path, tmp_path / "all.ndjson")


def test_a_backup_that_fails_leaves_no_part_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(folder: Path, to: Path) -> None:
        raise StoreFull("no room")

    Store.open(tmp_path / "store").close()
    monkeypatch.setattr("haechi.store.backup._events", full)
    with pytest.raises(StoreFull):
        backup(tmp_path / "store", tmp_path / "copy")
    assert not (tmp_path / "copy").exists()
