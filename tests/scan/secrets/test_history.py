"""Hits of a history: what is found, where it is said to come from, and what is asked for."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest

from haechi.checks.secrets.detect import Candidates
from haechi.errors import UsageError
from haechi.model.coverage import Gap
from haechi.scan.secrets import history_detect, history_hits
from haechi.scan.secrets.history import History, HistoryHit, open_history
from haechi.world.objects import reader
from haechi.world.objects.scope import Selection
from tests.world.objects.repositories import Repo, WordDetector, git


def opened(folder: Path) -> History:
    history = open_history(folder, cache=folder.parent / "cache")
    assert isinstance(history, History)
    return history


def scan(
    folder: Path, *, since: str = "", branch: str = "", staged: bool = False, within: str = ""
) -> tuple[list[HistoryHit], list[Gap]]:
    history = opened(folder)
    selection = Selection(since=since, branch=branch, staged=staged)
    hits = list(history.scan(WordDetector(), selection, within))
    return hits, history.gaps


def words(hits: list[HistoryHit]) -> list[str]:
    return sorted(hit.candidate.secret.decode() for hit in hits)


def test_a_value_is_told_once_with_its_first_commit(tmp_path: Path) -> None:
    repo = Repo(tmp_path / "r")
    repo.commit({"a.env": b"nothing\n"})
    first = repo.commit({"a.env": b"\nleak=one\n"}, date=1_600_000_000)
    for number in range(5):
        repo.commit({"a.env": b"\nleak=one\n# %d\n" % number})
    hits, gaps = scan(repo.folder)
    assert [(h.path, h.commit, h.candidate.line) for h in hits] == [("a.env", first, 2)]
    assert hits[0].author_date == dt.datetime.fromtimestamp(
        1_600_000_000, dt.timezone(dt.timedelta(hours=9))
    )
    assert not hits[0].at_head
    assert gaps == []


def test_what_is_still_at_head_is_said(tmp_path: Path) -> None:
    repo = Repo(tmp_path / "r")
    first = repo.commit({"kept": b"leak=kept", "gone": b"leak=gone"})
    repo.commit({"other": b"x"}, remove=["gone"])
    hits, _ = scan(repo.folder)
    found = {h.path: (h.commit, h.at_head) for h in hits}
    assert found == {"kept": (first, True), "gone": (first, False)}


def test_a_renamed_file_is_told_at_both_paths(tmp_path: Path) -> None:
    repo = Repo(tmp_path / "r")
    first = repo.commit({"old": b"leak=moved"})
    repo.commit({"new": b"leak=moved"}, remove=["old"])
    hits, _ = scan(repo.folder)
    assert [(h.path, h.commit, h.at_head) for h in hits] == [
        ("old", first, False),
        ("new", first, True),
    ]


def test_a_path_that_is_not_kept_does_not_hide_another_one(tmp_path: Path) -> None:
    repo = Repo(tmp_path / "r")
    repo.commit({"fixtures/a": b"leak=twice", "fixtures/only": b"leak=fixture"})
    moved = repo.commit({"src/a": b"leak=twice"}, remove=["fixtures/a"])
    repo.commit({"z": b"z"}, remove=["src/a"])
    hits, _ = scan(repo.folder)
    assert [(h.path, h.commit) for h in hits] == [("src/a", moved)]
    again, _ = scan(repo.folder)
    assert [(h.path, h.commit) for h in again] == [("src/a", moved)]


def test_content_that_only_a_merge_brings_in(tmp_path: Path) -> None:
    repo = Repo(tmp_path / "r")
    base = repo.commit({"a": b"base"})
    left = repo.commit({"a": b"left"})
    right = repo.commit({"a": b"right"}, branch="side", parents=[base])
    merge = repo.commit({"a": b"leak=evil"}, parents=[left, right])
    repo.commit({"a": b"clean"})
    hits, _ = scan(repo.folder)
    assert [(h.path, h.commit) for h in hits] == [("a", merge)]


def test_what_a_force_push_left_behind(tmp_path: Path) -> None:
    repo = Repo(tmp_path / "r")
    repo.commit({"a": b"ok"})
    lost = repo.commit({"a": b"leak=pushed"})
    repo.commit({"a": b"rewritten"}, parents=[git(repo.folder, "rev-parse", f"{lost}^")])
    git(repo.folder, "reflog", "expire", "--expire=now", "--all")
    blob = repo.blob(b"leak=loose")
    hits, gaps = scan(repo.folder)
    found = {h.candidate.secret: (h.path, h.commit, h.blob == blob) for h in hits}
    assert found == {b"pushed": ("a", lost, False), b"loose": ("", None, True)}
    assert gaps == []


def test_objects_in_packs_are_read_like_loose_ones(tmp_path: Path) -> None:
    repo = Repo(tmp_path / "r")
    text = b"".join(b"line %d\n" % n for n in range(200))
    for number in range(30):
        repo.commit({"a": text + b"leak=v%d\n" % number})
    git(repo.folder, "repack", "-a", "-d", "-q")
    repo.commit({"a": b"leak=loose"})
    hits, gaps = scan(repo.folder)
    assert words(hits) == sorted(["loose", *(f"v{n}" for n in range(30))])
    assert gaps == []


@pytest.mark.parametrize(
    ("since", "expected"),
    [("{b}..{d}", ["three", "two"]), ("{c}..", ["three"]), ("{c}", ["three"]),
     ("{a}...{c}", ["one", "two"]), ("{d}..{d}", [])],
)  # fmt: skip
def test_a_range_of_commits(tmp_path: Path, since: str, expected: list[str]) -> None:
    repo = Repo(tmp_path / "r")
    names = {
        "a": repo.commit({"a": b"leak=zero"}),
        "b": repo.commit({"b": b"leak=one"}),
        "c": repo.commit({"c": b"leak=two"}),
        "d": repo.commit({"a": b"leak=three"}),
    }
    hits, gaps = scan(repo.folder, since=since.format(**names))
    assert words(hits) == expected
    assert gaps == []


def test_a_branch_is_what_can_be_reached_from_it(tmp_path: Path) -> None:
    repo = Repo(tmp_path / "r")
    base = repo.commit({"a": b"leak=base"})
    repo.commit({"b": b"leak=main"})
    repo.commit({"c": b"leak=side"}, branch="side", parents=[base])
    assert words(scan(repo.folder, branch="side")[0]) == ["base", "side"]


@pytest.mark.parametrize("name", ["--all", "-x", "no-such", "", "HEAD:a", "--output=x"])
def test_names_that_are_no_commits_are_refused(tmp_path: Path, name: str) -> None:
    repo = Repo(tmp_path / "r")
    repo.commit({"a": b"x"})
    if name:
        with pytest.raises(UsageError):
            scan(repo.folder, branch=name)
    with pytest.raises(UsageError):
        scan(repo.folder, since=f"{name or 'none'}..HEAD")
    with pytest.raises(UsageError):
        scan(repo.folder, since="HEAD", staged=True)


def test_the_index_where_it_differs_from_head(tmp_path: Path) -> None:
    repo = Repo(tmp_path / "r")
    repo.commit({"old": b"leak=committed", "both": b"x"})
    git(repo.folder, "reset", "-q", "--hard")
    (repo.folder / "sub").mkdir()
    (repo.folder / "sub/new").write_bytes(b"leak=staged")
    (repo.folder / "both").write_bytes(b"leak=changed")
    (repo.folder / "untracked").write_bytes(b"leak=untracked")
    git(repo.folder, "add", "sub", "both")
    hits, gaps = scan(repo.folder, staged=True)
    assert {(h.path, h.commit, h.at_head) for h in hits} == {
        ("sub/new", None, False),
        ("both", None, False),
    }
    assert gaps == []
    assert words(scan(repo.folder, staged=True, within="sub")[0]) == ["staged"]


def test_the_index_before_the_first_commit(tmp_path: Path) -> None:
    repo = Repo(tmp_path / "r")
    (repo.folder / "a").write_bytes(b"leak=first")
    git(repo.folder, "add", "a")
    assert [h.path for h in scan(repo.folder, staged=True)[0]] == ["a"]
    assert [(h.path, h.commit) for h in scan(repo.folder)[0]] == [("a", None)]


def test_sides_of_an_unfinished_merge_are_staged(tmp_path: Path) -> None:
    repo = Repo(tmp_path / "r")
    base = repo.commit({"a": b"base\n"})
    repo.commit({"a": b"ours\n"})
    repo.commit({"a": b"leak=theirs\n"}, branch="side", parents=[base])
    git(repo.folder, "reset", "-q", "--hard")
    git(repo.folder, "read-tree", "-m", base, "main", "side")
    assert words(scan(repo.folder, staged=True)[0]) == ["theirs"]


def test_the_index_that_git_tells_its_hook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repo = Repo(tmp_path / "r")
    repo.commit({"a": b"x"})
    git(repo.folder, "reset", "-q", "--hard")
    (repo.folder / "part").write_bytes(b"leak=partial")
    index = repo.folder / ".git/next-index"
    index.write_bytes((repo.folder / ".git/index").read_bytes())
    monkeypatch.setenv("GIT_INDEX_FILE", str(index))
    git(repo.folder, "add", "part")
    assert words(scan(repo.folder, staged=True)[0]) == ["partial"]
    elsewhere = tmp_path / "index"
    elsewhere.write_bytes(index.read_bytes())
    monkeypatch.setenv("GIT_INDEX_FILE", str(elsewhere))
    assert scan(repo.folder, staged=True)[0] == []


def test_within_means_what_ever_lived_there(tmp_path: Path) -> None:
    repo = Repo(tmp_path / "r")
    repo.commit({"app/a": b"leak=inside", "application": b"leak=beside", "b": b"leak=root"})
    repo.commit({"app/later": b"leak=root"}, remove=["app/a"])
    side = repo.commit({"app/lost": b"leak=dangling"}, branch="gone")
    git(repo.folder, "update-ref", "-d", "refs/heads/gone")
    git(repo.folder, "reflog", "expire", "--expire=now", "--all")
    hits, _ = scan(repo.folder, within="app")
    assert sorted((h.path, h.candidate.secret, h.at_head) for h in hits) == [
        ("app/a", b"inside", False),
        ("app/later", b"root", True),
        ("app/lost", b"dangling", False),
    ]
    assert {h.commit for h in hits if h.path == "app/lost"} == {side}
    assert words(scan(repo.folder, within="app", since="HEAD~1..HEAD")[0]) == ["root"]


def test_paths_are_relative_to_a_root_below_the_top(tmp_path: Path) -> None:
    repo = Repo(tmp_path / "r")
    repo.commit({"app/deep/a": b"leak=inside", "b": b"leak=outside"})
    git(repo.folder, "reset", "-q", "--hard")
    history = open_history(repo.folder / "app", cache=tmp_path / "cache")
    assert isinstance(history, History)
    assert [h.path for h in history.scan(WordDetector())] == ["deep/a"]
    assert [h.path for h in history.scan(WordDetector(), within="deep")] == ["deep/a"]


def test_odd_names_are_shown_escaped(tmp_path: Path) -> None:
    repo = Repo(tmp_path / "r")
    repo.commit({b"a\nb": b"leak=line", b"\xff\x1b[2J": b"leak=raw", "글": b"leak=text"})
    shown = {h.candidate.secret: h.path for h in scan(repo.folder)[0]}
    assert shown == {b"line": r"a\nb", b"raw": r"\xff\x1b[2J", b"text": "글"}


def test_submodules_are_not_followed(tmp_path: Path) -> None:
    repo = Repo(tmp_path / "r")
    first = repo.commit({"a": b"leak=here"})
    modules = b'[submodule "self"]\n\tpath = self\n\turl = ./\n'
    repo.commit({".gitmodules": modules}, submodule={"self": first, "other": "1" * 40})
    hits, gaps = scan(repo.folder)
    assert words(hits) == ["here"]
    assert gaps == []


def test_a_worktree_is_the_same_history(tmp_path: Path) -> None:
    repo = Repo(tmp_path / "r")
    repo.commit({"a": b"leak=shared"})
    git(repo.folder, "worktree", "add", "-q", "--detach", str(tmp_path / "w"))
    hits, gaps = scan(tmp_path / "w")
    assert words(hits) == ["shared"]
    assert gaps == []


def test_sha256_repositories(tmp_path: Path) -> None:
    repo = Repo(tmp_path / "r", form="sha256")
    first = repo.commit({"a": b"leak=long"})
    repo.commit({"a": b"clean"})
    for _ in range(2):
        hits, gaps = scan(repo.folder)
        assert [(h.path, h.commit) for h in hits] == [("a", first)]
        assert gaps == []
    (repo.folder / "b").write_bytes(b"leak=staged")
    git(repo.folder, "add", "b")
    assert words(scan(repo.folder, staged=True)[0]) == ["staged"]


def test_an_empty_repository_and_none_at_all(tmp_path: Path) -> None:
    repo = Repo(tmp_path / "r")
    assert scan(repo.folder) == ([], [])
    assert open_history(tmp_path) is None


def test_large_contents_are_read_in_windows(tmp_path: Path) -> None:
    repo = Repo(tmp_path / "r")
    filler = b"x" * 99 + b"\n"
    size = reader.WINDOW // 100
    text = [filler] * (3 * size)
    lines = [1, size - 1, size, size + 1, 2 * size, 3 * size]
    for line in lines:
        text[line - 1] = b"leak=at%d\n" % line
    repo.commit({"big": b"".join(text)})
    hits, gaps = scan(repo.folder)
    assert {(h.candidate.secret, h.candidate.line) for h in hits} == {
        (b"at%d" % line, line) for line in lines
    }
    assert len(hits) == len(lines)
    assert {h.candidate.column for h in hits} == {6}
    data = b"".join(text)
    assert all(data[h.candidate.start : h.candidate.end] == h.candidate.secret for h in hits)
    assert gaps == []


def test_hits_of_a_rule_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history_hits, "MAX_HITS_PER_RULE", 10)
    repo = Repo(tmp_path / "r")
    repo.commit({"a": b"".join(b"leak=w%d\n" % n for n in range(25))})
    for _ in range(2):
        hits, gaps = scan(repo.folder)
        assert len(hits) == 10
        assert [gap.kind for gap in gaps] == ["too-many-findings"]
        assert "15 further hits" in gaps[0].reason


def test_hits_that_are_not_held_are_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo = Repo(tmp_path / "r")
    ids = [repo.commit({"a": b"leak=w%d\n" % n}) for n in range(9)]
    monkeypatch.setattr(history_detect, "HELD", 4)
    hits, _ = scan(repo.folder)
    assert [(h.candidate.secret, h.commit) for h in hits] == [
        (b"w%d" % n, id_) for n, id_ in enumerate(ids)
    ]


def test_a_detector_that_fails_is_not_a_clean_history(tmp_path: Path) -> None:
    class Broken(WordDetector):
        key = "broken"

        def find(self, data: bytes) -> Candidates:
            raise ZeroDivisionError

    repo = Repo(tmp_path / "r")
    repo.commit({f"f{n}": b"%d" % n for n in range(history_detect.BATCH_BLOBS + 10)})
    history = opened(repo.folder)
    with pytest.raises(ZeroDivisionError):
        list(history.scan(Broken()))
    assert words(scan(repo.folder)[0]) == []
