"""Logs followed through whatever happens to logs."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haechi.world.feeds.follow import Follower
from haechi.world.feeds.lines import Checkpoint


class Reader:
    """A follower whose clock stands where the test puts it, and what it has read."""

    def __init__(self, path: Path, start: Checkpoint | None = None, **more: int | bool) -> None:
        self.now = 2_000_000_000.0
        self.follower = Follower(path, start=start, clock=lambda: self.now, **more)  # type: ignore[arg-type]
        self.checkpoint = start
        self.overlong: list[bytes] = []
        self.places: list[str] = []

    def read(self) -> list[str]:
        """Everything there is, now."""
        found: list[str] = []
        while (batch := self.follower.poll()) is not None:
            found += [line.data.decode() for line in batch.lines]
            self.places += [line.place for line in batch.lines]
            self.overlong += [one.sample for one in batch.overlong]
            self.checkpoint = batch.checkpoint
        return found


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "audit.log"


@pytest.fixture
def readers() -> Iterator[list[Reader]]:
    made: list[Reader] = []
    yield made
    for reader in made:
        reader.follower.close()


def _append(path: Path, *lines: str, end: str = "\n") -> None:
    with path.open("a") as file:
        file.write("".join(f"{line}\n" for line in lines[:-1]) + lines[-1] + end)


def _reader(readers: list[Reader], path: Path, start: Checkpoint | None = None) -> Reader:
    readers.append(Reader(path, start))
    return readers[-1]


def test_lines_come_as_they_are_written(log: Path, readers: list[Reader]) -> None:
    _append(log, "a", "b")
    reader = _reader(readers, log)
    assert reader.read() == ["a", "b"]
    assert reader.read() == []
    _append(log, "c")
    assert reader.read() == ["c"]


def test_a_file_that_is_not_there_yet_is_waited_for(log: Path, readers: list[Reader]) -> None:
    reader = _reader(readers, log)
    assert reader.read() == []
    assert reader.follower.error == ""
    _append(log, "a")
    assert reader.read() == ["a"]


def test_half_a_line_is_waited_for(log: Path, readers: list[Reader]) -> None:
    _append(log, "a", "b", end="")
    reader = _reader(readers, log)
    assert reader.read() == ["a"]
    _append(log, "c")
    assert reader.read() == ["bc"]


def test_empty_lines_and_carriage_returns_are_nothing(log: Path, readers: list[Reader]) -> None:
    log.write_bytes(b"a\r\n\n\nb\n")
    assert _reader(readers, log).read() == ["a", "b"]


def test_renamed_and_made_anew(log: Path, readers: list[Reader]) -> None:
    _append(log, "a")
    reader = _reader(readers, log)
    assert reader.read() == ["a"]
    _append(log, "b")
    log.rename(log.with_name("audit.log.1"))
    _append(log, "c")
    assert reader.read() == ["b", "c"]
    assert reader.follower.rotations == 1


def test_a_writer_may_go_on_in_the_renamed_file(log: Path, readers: list[Reader]) -> None:
    _append(log, "a")
    reader = _reader(readers, log)
    reader.now = log.stat().st_mtime
    assert reader.read() == ["a"]
    old = log.rename(log.with_name("audit.log.1"))
    _append(log, "c")
    assert reader.read() == []
    _append(old, "b")
    assert reader.read() == ["b"]
    reader.now += 60
    assert reader.read() == ["c"]


def test_a_renamed_file_that_is_written_to_for_ever_is_left_in_the_end(
    log: Path, readers: list[Reader]
) -> None:
    _append(log, "a")
    reader = _reader(readers, log)
    reader.now = log.stat().st_mtime
    old = log.rename(log.with_name("audit.log.1"))
    _append(log, "new")
    found = []
    for number in range(40):
        _append(old, f"old-{number}")
        reader.now += 2
        os.utime(old, (reader.now, reader.now))
        found += reader.read()
    assert "new" in found


def test_the_last_line_of_a_file_that_is_left_needs_no_end(
    log: Path, readers: list[Reader]
) -> None:
    _append(log, "a", "b", end="")
    reader = _reader(readers, log)
    assert reader.read() == ["a"]
    log.rename(log.with_name("audit.log.1"))
    _append(log, "c")
    assert reader.read() == ["b", "c"]


def test_several_rotations_between_two_looks(log: Path, readers: list[Reader]) -> None:
    _append(log, "a")
    reader = _reader(readers, log)
    assert reader.read() == ["a"]
    for number, line in enumerate(["b", "c", "d"]):
        for older in range(number, 0, -1):
            log.with_name(f"audit.log.{older}").rename(log.with_name(f"audit.log.{older + 1}"))
        log.rename(log.with_name("audit.log.1"))
        _append(log, line)
    assert reader.read() == ["b", "c", "d"]


def test_names_with_times_are_rotations_and_packed_files_are_not(
    log: Path, readers: list[Reader]
) -> None:
    _append(log, "a")
    reader = _reader(readers, log)
    assert reader.read() == ["a"]
    log.rename(log.with_name("audit-2026-11-01T18-00-00.000.log"))
    _append(log, "b")
    log.rename(log.with_name("audit-2026-11-01T19-00-00.000.log"))
    for other in ("audit.log.3.gz", "audit.log.bak", "other.log.1", "audit-notes.log"):
        _append(log.with_name(other), "not ours")
    _append(log, "c")
    assert reader.read() == ["b", "c"]


def test_copied_and_cut(log: Path, readers: list[Reader]) -> None:
    _append(log, "a")
    reader = _reader(readers, log)
    assert reader.read() == ["a"]
    _append(log, "b")
    shutil.copyfile(log, log.with_name("audit.log.1"))
    os.truncate(log, 0)
    _append(log, "c")
    assert reader.read() == ["b", "c"]
    assert (reader.follower.truncations, reader.follower.gaps) == (1, 0)


def test_copied_and_cut_twice_where_the_first_copy_was_read_already(
    log: Path, readers: list[Reader]
) -> None:
    _append(log, *(f"a{number}" for number in range(5)))
    reader = _reader(readers, log)
    assert len(reader.read()) == 5
    for number in (1, 2):
        copy = log.with_name(f"audit.log.{number}")
        shutil.copy(log, copy)
        os.utime(copy, (1_000_000_000 + number, 1_000_000_000 + number))
        os.truncate(log, 0)
        _append(log, f"b{number}")
    assert reader.read() == ["b1", "b2"]
    assert reader.follower.gaps == 0


def test_cut_and_grown_past_where_it_was(log: Path, readers: list[Reader]) -> None:
    _append(log, "first line")
    reader = _reader(readers, log)
    assert reader.read() == ["first line"]
    shutil.copyfile(log, log.with_name("audit.log.1"))
    os.truncate(log, 0)
    _append(log, "another line that is longer", "x")
    assert reader.read() == ["another line that is longer", "x"]


def test_cut_without_a_copy_is_a_gap_that_is_told(log: Path, readers: list[Reader]) -> None:
    _append(log, "a", "b")
    reader = _reader(readers, log)
    assert reader.read() == ["a", "b"]
    os.truncate(log, 0)
    _append(log, "c")
    assert reader.read() == ["c"]
    assert reader.follower.gaps == 1


def test_deleted_and_made_anew(log: Path, readers: list[Reader]) -> None:
    _append(log, "a")
    reader = _reader(readers, log)
    assert reader.read() == ["a"]
    log.unlink()
    assert reader.read() == []
    _append(log, "b")
    assert reader.read() == ["b"]


def test_a_restart_goes_on_where_it_was(log: Path, readers: list[Reader]) -> None:
    _append(log, "a", "b")
    first = _reader(readers, log)
    assert first.read() == ["a", "b"]
    _append(log, "c")
    assert _reader(readers, log, first.checkpoint).read() == ["c"]


def test_the_place_is_told_before_anything_is_read(log: Path, readers: list[Reader]) -> None:
    _append(log, "a")
    first = _reader(readers, log).follower.poll()
    assert first is not None
    assert first.lines == ()
    log.rename(log.with_name("audit.log.1"))
    _append(log, "b")
    assert _reader(readers, log, first.checkpoint).read() == ["a", "b"]


@pytest.mark.parametrize("way", ["renamed", "copied", "twice"])
def test_what_was_rotated_while_nobody_read_is_read(
    log: Path, readers: list[Reader], way: str
) -> None:
    _append(log, "a")
    first = _reader(readers, log)
    assert first.read() == ["a"]
    _append(log, "b")
    if way == "copied":
        shutil.copyfile(log, log.with_name("audit.log.1"))
        os.truncate(log, 0)
    else:
        log.rename(log.with_name("audit.log.1"))
    if way == "twice":
        _append(log, "b2")
        log.with_name("audit.log.1").rename(log.with_name("audit.log.2"))
        log.rename(log.with_name("audit.log.1"))
    _append(log, "c")
    again = _reader(readers, log, first.checkpoint)
    assert again.read() == ["b", *(["b2"] if way == "twice" else []), "c"]
    assert again.follower.gaps == 0


def test_an_inode_that_is_used_again_is_another_file(log: Path, readers: list[Reader]) -> None:
    _append(log, "a", "b")
    first = _reader(readers, log)
    first.read()
    assert first.checkpoint is not None
    log.write_text("x\ny\nz\n")
    assert log.stat().st_ino == first.checkpoint.inode
    again = _reader(readers, log, first.checkpoint)
    assert again.read() == ["x", "y", "z"]
    assert again.follower.gaps == 1


def test_places_are_the_same_after_a_restart(log: Path, readers: list[Reader]) -> None:
    _append(log, "a", "b")
    first, second = _reader(readers, log), _reader(readers, log)
    first.read()
    log.rename(log.with_name("audit.log.1"))
    _append(log, "c")
    first.read()
    assert second.read() == ["c"]  # it opens the log of now
    assert len(set(first.places)) == 3
    assert second.places == first.places[2:]


def test_a_line_over_the_limit_is_passed_over(log: Path, readers: list[Reader]) -> None:
    readers.append(Reader(log, most_line=100))
    log.write_bytes(b"a\n" + b"x" * 3_000_000 + b"\nb\n" + b"y" * 101 + b"\n" + b"z" * 100 + b"\n")
    assert readers[0].read() == ["a", "b", "z" * 100]
    assert [sample[:1] for sample in readers[0].overlong] == [b"x", b"y"]
    assert max(map(len, readers[0].overlong)) <= 4_096


def test_an_overlong_line_is_still_passed_over_after_a_restart(
    log: Path, readers: list[Reader]
) -> None:
    log.write_bytes(b"a\n" + b"x" * 3_000_000)
    readers.append(Reader(log, most_line=100))
    assert readers[0].read() == ["a"]
    _append(log, "x" * 50, "b")
    readers.append(Reader(log, readers[0].checkpoint, most_line=100))
    assert readers[1].read() == ["b"]
    assert len(readers[0].overlong) == 1
    assert readers[1].overlong == []


def test_a_batch_is_bounded_and_goes_on(log: Path, readers: list[Reader]) -> None:
    _append(log, *[str(number) for number in range(25)])
    readers.append(Reader(log, most_lines=10))
    sizes = []
    while (batch := readers[0].follower.poll()) is not None:
        sizes.append(len(batch.lines))
    assert sizes == [0, 10, 10, 5]


@pytest.mark.parametrize(("text", "wanted"), [("a\nb\n", ["new"]), ("a\nhalf", ["new"])])
def test_from_the_end_only_what_is_new(
    log: Path, readers: list[Reader], text: str, wanted: list[str]
) -> None:
    log.write_text(text)
    readers.append(Reader(log, from_end=True))
    assert readers[0].read() == []
    _append(log, *([" of a line"] if "half" in text else []), "new")
    assert readers[0].read() == wanted


@pytest.mark.parametrize("kind", ["folder", "pipe"])
def test_what_is_no_file_is_told_and_never_waited_on(
    log: Path, readers: list[Reader], kind: str
) -> None:
    log.mkdir() if kind == "folder" else os.mkfifo(log)
    reader = _reader(readers, log)
    assert reader.read() == []
    assert "no regular file" in reader.follower.error


def test_links_are_followed_as_kubelets_are(log: Path, readers: list[Reader]) -> None:
    first, second = log.with_name("0.log"), log.with_name("1.log")
    _append(first, "a")
    log.symlink_to(first)
    reader = _reader(readers, log)
    assert reader.read() == ["a"]
    _append(second, "b")
    log.unlink()
    log.symlink_to(second)
    assert reader.read() == ["b"]


@pytest.mark.parametrize(
    "kept", [None, {}, {"device": 1}, {"device": 1, "inode": 1, "offset": -1}, "x", [1]]
)
def test_a_checkpoint_that_is_none_begins_again(kept: object) -> None:
    assert Checkpoint.of(kept) is None


_actions = st.lists(
    st.sampled_from(["line", "line", "half", "end", "rename", "cut", "look", "look", "restart"]),
    max_size=40,
)


@settings(max_examples=120, deadline=None)
@given(actions=_actions)
def test_every_line_is_read_whatever_happens(
    actions: list[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("log")
    log, number, wanted, half = folder / "x.log", 0, list[str](), ""
    reader, found = Reader(log), list[str]()

    def shift() -> None:
        for older in range(30, 0, -1):
            if (folder / f"x.log.{older}").exists():
                (folder / f"x.log.{older}").rename(folder / f"x.log.{older + 1}")

    try:
        for action in ["line", "look", *actions, "end", "line", "look"]:
            number += 1
            if action == "line" and not half:
                _append(log, f"line-{number}")
                wanted.append(f"line-{number}")
            elif action == "half" and not half:
                half = f"half-{number}-"
                _append(log, half, end="")
            elif action == "end" and half:
                _append(log, "end")
                wanted.append(half + "end")
                half = ""
            elif action == "rename" and log.exists() and not half:
                shift()
                log.rename(folder / "x.log.1")
            elif action == "cut" and log.exists() and not half and log.stat().st_size:
                found += reader.read()  # unread parts of copies that were cut twice are not found
                shift()
                shutil.copyfile(log, folder / "x.log.1")
                os.truncate(log, 0)
            elif action == "look":
                found += reader.read()
            elif action == "restart":
                reader.follower.close()
                reader = Reader(log, reader.checkpoint)
        found += reader.read()
    finally:
        reader.follower.close()
    assert list(dict.fromkeys(found)) == wanted  # nothing is lost, nothing comes out of order
    if not {"cut", "restart"} & set(actions):
        assert found == wanted
