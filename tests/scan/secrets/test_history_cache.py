"""A second run: only what is new is read, what is told stays the same, no value is kept."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from haechi.model.coverage import Gap
from haechi.scan.secrets.history import History, HistoryHit, open_history
from haechi.world.objects import attribution
from haechi.world.objects.scope import Selection
from tests.world.objects.repositories import Repo, WordDetector, git


def scan(
    repo: Repo, selection: Selection | None = None
) -> tuple[list[tuple[str, str | None, bytes, bool]], WordDetector, list[Gap]]:
    detector = WordDetector()
    history = open_history(repo.folder, cache=repo.folder.parent / "cache")
    assert isinstance(history, History)
    hits = [told(hit) for hit in history.scan(detector, selection)]
    return hits, detector, history.gaps


def told(hit: HistoryHit) -> tuple[str, str | None, bytes, bool]:
    return hit.path, hit.commit, hit.candidate.secret, hit.at_head


def fresh(repo: Repo) -> list[tuple[str, str | None, bytes, bool]]:
    history = open_history(repo.folder, cache=repo.folder.parent / "none")
    assert isinstance(history, History)
    (repo.folder.parent / "none").write_bytes(b"")
    hits = [told(hit) for hit in history.scan(WordDetector())]
    (repo.folder.parent / "none").unlink()
    return hits


def test_a_second_run_reads_only_what_tells_something(tmp_path: Path) -> None:
    repo = Repo(tmp_path / "r")
    for number in range(5):
        repo.commit({"a": b"clean %d" % number, "b": b"leak=one # %d" % number})
    first, detector, _ = scan(repo)
    assert len(detector.read) == 10
    again, detector, _ = scan(repo)
    assert again == first
    assert detector.read == [b"leak=one # 0"]


def test_new_commits_are_read_and_old_ones_not(tmp_path: Path) -> None:
    repo = Repo(tmp_path / "r")
    for number in range(4):
        repo.commit({"a": b"clean %d" % number, "b": b"leak=one # %d" % number})
    scan(repo)
    repo.commit({"a": b"clean new", "b": b"leak=one # new", "c": b"leak=two"})
    hits, detector, _ = scan(repo)
    assert hits == fresh(repo)
    assert sorted(detector.read) == sorted(
        [b"clean new", b"leak=one # new", b"leak=two", b"leak=one # 0"]
    )


def test_places_are_remembered_while_nothing_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo = Repo(tmp_path / "r")
    repo.commit({"a": b"leak=one"})
    first, _, _ = scan(repo)
    monkeypatch.setattr(attribution, "walk", None)
    assert scan(repo)[0] == first
    repo.commit({"b": b"x"})
    with pytest.raises(TypeError):
        scan(repo)


CHANGES: dict[str, Callable[[Repo], str]] = {
    "removed from head": lambda repo: repo.commit({"z": b"z"}, remove=["b"]),
    "moved": lambda repo: repo.commit({"moved": b"leak=one # 2"}, remove=["b"]),
    "copied": lambda repo: repo.commit({"copy": b"leak=one # 1"}),
    "back to an old version": lambda repo: repo.commit({"b": b"leak=one # 1"}),
    "an older branch": lambda repo: repo.commit(
        {"old": b"leak=one # 2"}, branch="other", parents=[], date=1_000_000_000
    ),
    "an older commit of the same": lambda repo: repo.commit(
        {"b": b"leak=one # 2", "c": b"leak=new"}, branch="other", parents=[], date=1_000_000_000
    ),
    "rewritten": lambda repo: git(repo.folder, "update-ref", "refs/heads/main", "main~2"),
    "another head": lambda repo: git(repo.folder, "symbolic-ref", "HEAD", "refs/heads/side"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_after_any_change_it_tells_what_a_fresh_run_tells(tmp_path: Path, change: str) -> None:
    repo = Repo(tmp_path / "r")
    base = repo.commit({"b": b"leak=one # 0", "a": b"clean"})
    for number in range(1, 4):
        repo.commit({"b": b"leak=one # %d" % number})
    repo.commit({"b": b"leak=one # 2"}, branch="side", parents=[base])
    scan(repo)
    CHANGES[change](repo)
    assert scan(repo)[0] == fresh(repo)
    assert scan(repo)[0] == fresh(repo)


def test_ranges_use_and_fill_the_cache(tmp_path: Path) -> None:
    repo = Repo(tmp_path / "r")
    repo.commit({"a": b"clean 1"})
    repo.commit({"a": b"clean 2", "b": b"leak=one"})
    _, detector, _ = scan(repo, Selection(since="HEAD~1.."))
    assert sorted(detector.read) == [b"clean 2", b"leak=one"]
    hits, detector, _ = scan(repo)
    assert [hit[2] for hit in hits] == [b"one"]
    assert sorted(detector.read) == [b"clean 1", b"leak=one"]


def test_gaps_are_told_again(tmp_path: Path) -> None:
    repo = Repo(tmp_path / "r")
    repo.commit({"a": b"gone", "b": b"leak=one"})
    repo.loose(git(repo.folder, "rev-parse", "HEAD:a")).unlink()
    first = scan(repo)[2]
    assert [gap.kind for gap in first] == ["missing-objects"]
    assert scan(repo)[2] == first


def test_a_run_cut_short_keeps_what_it_judged(tmp_path: Path) -> None:
    repo = Repo(tmp_path / "r")
    clean: dict[str | bytes, bytes] = {f"f{n}": b"clean %d" % n for n in range(20)}
    repo.commit(clean | {"a": b"leak=a", "b": b"leak=b"})
    history = open_history(repo.folder, cache=tmp_path / "cache")
    assert isinstance(history, History)
    hits = history.scan(WordDetector())
    next(hits)
    hits.close()  # type: ignore[attr-defined]
    found, detector, _ = scan(repo)
    assert sorted(detector.read) == [b"leak=a", b"leak=b"]
    assert len(found) == 2


def test_no_value_reaches_the_cache_or_a_temporary_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    word = "w" + "0123456789abcdef"[::-1]
    repo = Repo(tmp_path / "r")
    repo.commit({"a": b"leak=" + word.encode()})
    assert scan(repo)[0]
    written = [p for p in (tmp_path / "cache").rglob("*") if p.is_file()]
    assert written
    assert all(word.encode() not in path.read_bytes() for path in written)
    assert list((tmp_path / "tmp").iterdir()) == []
