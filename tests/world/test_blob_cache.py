"""The cache of blob ids: kept, shared, aged; anything odd about a file makes it not there."""

from __future__ import annotations

import os
import stat
import threading
import time
from pathlib import Path

import pytest

from haechi.model.coverage import Gap
from haechi.rules.private_files import KEEP_SECONDS
from haechi.world.blob_cache import BlobCache, Known, Places
from haechi.world.objects.attribution import Place


def ids(*numbers: int, width: int = 40) -> list[bytes]:
    return [b"%0*x" % (width, number) for number in numbers]


def raw(*numbers: int, width: int = 40) -> bytes:
    return bytes.fromhex(b"".join(ids(*numbers, width=width)).decode())


def cache(tmp_path: Path, *, key: str = "k", width: int = 40) -> BlobCache:
    return BlobCache(tmp_path / "cache", tmp_path / "objects", key, width)


def file_of(tmp_path: Path) -> Path:
    (path,) = (tmp_path / "cache/blobs").iterdir()
    return path


@pytest.mark.parametrize("width", [40, 64])
def test_what_is_added_is_known(tmp_path: Path, width: int) -> None:
    one = cache(tmp_path, width=width)
    places = Places(
        stamp="s",
        places={ids(9)[0]: [Place(b"a\xff\nb", "c" * 40, True, 1, -540)]},
        gaps=[Gap(kind="k", path="p", reason="r")],
        commits=3,
        wide={b"x"},
        telling={b"y"},
    )
    one.add(one.load(), raw(1, 2, width=width), frozenset(ids(9, width=width)), places)
    known = cache(tmp_path, width=width).load()
    assert known.clean == set(ids(1, 2, width=width))
    assert known.hits == set(ids(9, width=width))
    assert known.places == places


def test_runs_add_to_each_other(tmp_path: Path) -> None:
    first, second = cache(tmp_path), cache(tmp_path)
    seen = first.load()
    also = second.load()
    first.add(seen, raw(1, 2), frozenset(ids(7)), None)
    second.add(also, raw(2, 3), frozenset(ids(7, 8)), None)
    third = cache(tmp_path)
    known = third.load()
    assert known.clean == set(ids(1, 2, 3))
    assert known.hits == set(ids(7, 8))
    third.add(known, raw(4), frozenset(), None)
    assert cache(tmp_path).load().clean == set(ids(1, 2, 3, 4))
    assert file_of(tmp_path).stat().st_size < 400


def test_two_at_once_leave_a_whole_file(tmp_path: Path) -> None:
    def work(start: int) -> None:
        for number in range(20):
            one = cache(tmp_path)
            one.add(one.load(), raw(start + number), frozenset(), None)

    threads = [threading.Thread(target=work, args=(n * 100,)) for n in (1, 2, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    known = cache(tmp_path).load()
    assert known.clean & set(ids(119, 219, 319))
    assert [p.suffix for p in (tmp_path / "cache/blobs").iterdir()] == [".ids"]


def test_other_detectors_and_repositories_have_their_own(tmp_path: Path) -> None:
    one = cache(tmp_path)
    one.add(one.load(), raw(1), frozenset(), None)
    assert cache(tmp_path, key="other").load() == Known()
    assert BlobCache(tmp_path / "cache", tmp_path / "else", "k", 40).load() == Known()


def test_only_the_owner_can_read_and_write(tmp_path: Path) -> None:
    one = cache(tmp_path)
    one.add(one.load(), raw(1), frozenset(), None)
    path = file_of(tmp_path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


@pytest.mark.parametrize(
    "change",
    [
        lambda p: p.write_bytes(p.read_bytes()[:-1]),
        lambda p: p.write_bytes(b""),
        lambda p: p.write_bytes(p.read_bytes()[:20] + b"\xff" + p.read_bytes()[21:]),
        lambda p: p.chmod(0o666),
        lambda p: p.parent.chmod(0o777),
        lambda p: (p.rename(p.with_suffix(".moved")), p.symlink_to(p.with_suffix(".moved"))),
    ],
    ids=["truncated", "empty", "flipped", "writable", "folder", "link"],
)
def test_an_odd_file_is_not_there(tmp_path: Path, change) -> None:  # type: ignore[no-untyped-def]
    one = cache(tmp_path)
    one.add(one.load(), raw(1, 2, 3), frozenset(), None)
    change(file_of(tmp_path))
    assert cache(tmp_path).load() == Known()


def test_a_broken_file_is_rebuilt(tmp_path: Path) -> None:
    one = cache(tmp_path)
    one.add(one.load(), raw(1), frozenset(), None)
    file_of(tmp_path).write_bytes(b"broken")
    again = cache(tmp_path)
    again.add(again.load(), raw(2), frozenset(), None)
    assert cache(tmp_path).load().clean == set(ids(2))


def test_a_folder_of_somebody_else_is_not_used(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache/blobs").symlink_to(elsewhere)
    one = cache(tmp_path)
    one.add(one.load(), raw(1), frozenset(), None)
    assert list(elsewhere.iterdir()) == []
    assert cache(tmp_path).load() == Known()


def test_old_files_go(tmp_path: Path) -> None:
    one = cache(tmp_path)
    one.add(one.load(), raw(1), frozenset(), None)
    folder = tmp_path / "cache/blobs"
    old = time.time() - KEEP_SECONDS - 60
    for name in ("old.ids", ".unfinished-left"):
        (folder / name).write_bytes(b"")
        os.utime(folder / name, (old, old))
    (folder / "other").write_bytes(b"")
    os.utime(folder / "other", (old, old))
    two = cache(tmp_path, key="two")
    two.add(two.load(), raw(2), frozenset(), None)
    names = {path.name for path in folder.iterdir()}
    assert {"old.ids", ".unfinished-left"}.isdisjoint(names)
    assert "other" in names
    assert len(names) == 3


def test_a_file_in_use_does_not_age(tmp_path: Path) -> None:
    one = cache(tmp_path)
    one.add(one.load(), raw(1), frozenset(), None)
    path = file_of(tmp_path)
    os.utime(path, (1, 1))
    again = cache(tmp_path)
    again.add(again.load(), b"", frozenset(), None)
    assert path.stat().st_mtime > 1


def test_without_a_place_nothing_is_kept(tmp_path: Path) -> None:
    none = BlobCache(None, tmp_path, "k", 40)
    none.add(none.load(), raw(1), frozenset(), None)
    assert none.load() == Known()
    blocked = BlobCache(tmp_path / "file", tmp_path, "k", 40)
    (tmp_path / "file").write_bytes(b"")
    blocked.add(blocked.load(), raw(1), frozenset(), None)
    assert blocked.load() == Known()
