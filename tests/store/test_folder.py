"""The folder: private, ours, one owner at a time."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from haechi.errors import StoreError, StoreFull
from haechi.store.folder import Folder, make_private, storage_error


def test_a_new_folder_is_private_and_ignored_by_git(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "a" / "store")
    for path in (folder.path, folder.cold, folder.audit, folder.keys, folder.backup):
        assert path.stat().st_mode & 0o777 == 0o700
    assert (folder.path / ".gitignore").read_text() == "*\n"
    for path in folder.path.iterdir():
        if path.is_file():
            assert path.stat().st_mode & 0o777 == 0o600
    assert folder.state_db.parent == folder.hot_db.parent == folder.path
    folder.close()
    folder.close()


def test_an_open_folder_is_made_private(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir(mode=0o755)
    Folder(tmp_path / "store").close()
    assert (tmp_path / "store").stat().st_mode & 0o777 == 0o700


def test_a_second_owner_is_refused_and_told_who_owns_it(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "store")
    code = (
        "import sys; from pathlib import Path; from haechi.store.folder import Folder\n"
        "from haechi.errors import StoreError\n"
        "try: Folder(Path(sys.argv[1]))\n"
        "except StoreError as error: print(error.what, '|', error.why)\n"
    )
    run = subprocess.run(
        [sys.executable, "-c", code, str(folder.path)], capture_output=True, text=True, check=True
    )
    assert "in use" in run.stdout
    assert f"process {os.getpid()} " in run.stdout
    folder.close()
    Folder(tmp_path / "store").close()


@pytest.mark.parametrize("what", ["store", "store/audit"])
def test_links_are_refused(tmp_path: Path, what: str) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    link = tmp_path / what
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(elsewhere)
    with pytest.raises(StoreError, match="symbolic link"):
        Folder(tmp_path / "store")
    assert list(elsewhere.iterdir()) == []


def test_a_link_in_place_of_the_lock_is_not_followed(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("keep me")
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "lock").symlink_to(victim)
    with pytest.raises(StoreError):
        Folder(tmp_path / "store")
    assert victim.read_text() == "keep me"
    with pytest.raises(StoreError):
        make_private(tmp_path / "store" / "lock")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_another_users_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "store").mkdir()
    os.chown(tmp_path / "store", 12345, 12345)
    with pytest.raises(StoreError, match="another user") as refused:
        Folder(tmp_path / "store")
    assert "12345" in refused.value.why


def test_a_file_in_its_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "store").write_text("")
    with pytest.raises(StoreError):
        Folder(tmp_path / "store")


@pytest.mark.parametrize(
    ("number", "kind"), [(28, StoreFull), (30, StoreFull), (122, StoreFull), (13, StoreError)]
)
def test_the_systems_errors_get_their_meaning(number: int, kind: type[StoreError]) -> None:
    meant = storage_error(OSError(number, os.strerror(number), "/srv/x"), Path("/srv"))
    assert type(meant) is kind
    assert "/srv/x" in meant.why
    assert meant.do


def test_a_store_that_others_can_read_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "store"
    folder.mkdir()
    (folder / "state.db").touch(mode=0o644)
    with pytest.raises(StoreError, match="read by others"):
        Folder(folder)
    (folder / "state.db").chmod(0o600)
    Folder(folder).close()
