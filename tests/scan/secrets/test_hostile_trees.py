"""Trees of any size out of a few objects, and an index that cannot be read: bounded, told."""

from __future__ import annotations

from pathlib import Path

import pytest

from haechi.checks.secrets.forms import Forge
from haechi.cli.pipeline import Options, Outcome, run
from haechi.errors import UsageError
from haechi.world import git as git_module
from haechi.world.git import extract
from haechi.world.objects import walk
from tests.trees import gaps
from tests.world.objects.repositories import Repo, git

TOKEN = Forge("trees").make("ghp_<<base62 30>><<crc32>>")


def bomb(repo: Repo, levels: int) -> str:
    """A commit whose tree has ten to the power of ``levels`` paths."""
    tree = git(repo.folder, "mktree", stdin=b"100644 blob %s\tf\n" % repo.blob(b"x").encode())
    for _ in range(levels):
        lines = "".join(f"040000 tree {tree}\td{number}\n" for number in range(10))
        tree = git(repo.folder, "mktree", stdin=lines.encode())
    return git(repo.folder, "commit-tree", tree, "-p", "HEAD", "-m", "bomb")


def secrets(folder: Path, **options: object) -> Outcome:
    return run(Options(**{"path": folder, "only": ("secrets",), **options}))  # type: ignore[arg-type]


def test_an_endless_tree_at_head_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(walk, "MOST_PATHS", 500)
    repo = Repo(tmp_path / "r")
    repo.commit({"old": TOKEN.encode()})
    git(repo.folder, "reset", "--soft", bomb(repo, 3))
    outcome = secrets(repo.folder)
    assert [f.location.path for f in outcome.material.scan.findings] == ["old"]
    assert [(gap.kind, "endless" in gap.reason) for gap in gaps(outcome)] == [
        ("corrupt-objects", True)
    ]


def test_an_endless_tree_is_no_baseline(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repo = Repo(tmp_path / "r")
    repo.commit({"a": b"x"})
    commit = bomb(repo, 3)
    monkeypatch.setattr(git_module, "MAX_FILES", 999)
    with pytest.raises(UsageError, match="more than 999 files"):
        extract(repo.folder, commit, tmp_path / "out")
    monkeypatch.setattr(git_module, "MAX_LISTING", 10_000)
    with pytest.raises(UsageError, match="more files than can be listed"):
        extract(repo.folder, commit, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_damaged_index_is_not_an_empty_one(tmp_path: Path) -> None:
    repo = Repo(tmp_path / "r")
    repo.commit({"a": b"x"})
    (repo.folder / ".git/index").write_bytes(b"garbage")
    outcome = secrets(repo.folder, staged=True)
    assert [gap.kind for gap in gaps(outcome)] == ["git"]
    assert outcome.material.decision.exit_code == 3


def test_a_damaged_index_takes_no_path_away(tmp_path: Path) -> None:
    repo = Repo(tmp_path / "r")
    repo.commit({"a/b": TOKEN.encode()})
    repo.commit({"a/b": b"gone"})
    (repo.folder / ".git/index").write_bytes(b"garbage")
    (finding,) = secrets(repo.folder).material.scan.findings
    assert finding.location.path == "a/b"


def test_a_file_with_the_name_of_a_tools_folder_is_read(tmp_path: Path) -> None:
    (tmp_path / "node_modules").write_text(TOKEN)
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "a").write_text(TOKEN)
    found = secrets(tmp_path).material.scan.findings
    assert [finding.location.path for finding in found] == ["node_modules"]


def test_refs_that_are_folders_by_links_are_not_followed(tmp_path: Path) -> None:
    repo = Repo(tmp_path / "r")
    repo.commit({"a": TOKEN.encode()})
    heads = repo.folder / ".git/refs/heads"
    (heads / "one").symlink_to("main")
    assert gaps(secrets(repo.folder)) == []
    for name in ("loop", "other"):
        (heads / name).symlink_to(".")
    (gap,) = gaps(secrets(repo.folder))
    assert (gap.kind, "links among its refs" in gap.reason) == ("git", True)


def test_a_file_with_an_odd_name_is_one_finding(tmp_path: Path) -> None:
    repo = Repo(tmp_path / "r")
    repo.commit({"a\nb": TOKEN.encode()})
    (repo.folder / "a\nb").write_text(TOKEN)
    (finding,) = secrets(repo.folder).material.scan.findings
    assert finding.location.path == "a\nb"
    assert finding.evidence["first_commit"]
