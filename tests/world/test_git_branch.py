"""Commits made of contents, in repositories in every state."""

from __future__ import annotations

from pathlib import Path

import pytest

from haechi.errors import UsageError
from haechi.world.git_branch import Commits, Step, free_branch, head_of
from tests.cli.fixable import committed, git


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    root = tmp_path / "shop"
    root.mkdir()
    (root / "a.txt").write_bytes(b"one\r\n")
    committed(root)
    return root


def commit(top: Path, name: str) -> None:
    """A branch with one changed file."""
    commits = Commits(top, head_of(top))
    commits.add([Step(message="Change it \u2192 two\n", contents={"a.txt": b"two\r\n"})])
    commits.branch(free_branch(top, name))


@pytest.mark.parametrize(
    ("name", "mail"),
    [("<>", ""), ("", "<"), (" . ", "ada@example.org")],
    ids=["signs", "nothing", "a-dot"],
)
def test_who_cannot_be_named_is_haechi(shop: Path, name: str, mail: str) -> None:
    git(shop, "config", "user.name", name)
    git(shop, "config", "user.email", mail)
    commit(shop, "new")
    author = f"haechi <{mail.strip('<') or 'haechi@localhost'}>"
    assert git(shop, "log", "-1", "--format=%an <%ae>", "new") == author


def test_a_message_is_utf8_whatever_the_repository_says(shop: Path) -> None:
    git(shop, "config", "i18n.commitEncoding", "UTF-16")
    commit(shop, "new")
    head = git(shop, "cat-file", "-p", "new").partition("\n\n")
    assert "encoding" not in head[0]
    assert head[2] == "Change it \u2192 two"


def test_line_ends_stay_whatever_the_repository_says(shop: Path) -> None:
    git(shop, "config", "core.autocrlf", "true")
    (shop / ".gitattributes").write_text("* text=auto eol=lf\n")
    commit(shop, "new")
    assert git(shop, "cat-file", "-s", "new:a.txt") == "5"


def test_branches_that_stand_in_the_way(shop: Path) -> None:
    git(shop, "branch", "fix")
    git(shop, "branch", "new/one")
    with pytest.raises(UsageError, match="there is a branch called fix"):
        free_branch(shop, "fix/today")
    assert free_branch(shop, "new") == "new-2"
    assert free_branch(shop, "new/two") == "new/two"


def test_a_detached_head_and_a_second_work_tree_are_no_hindrance(
    shop: Path, tmp_path: Path
) -> None:
    git(shop, "checkout", "-q", "--detach")
    commit(shop, "loose")
    assert git(shop, "branch", "--show-current") == ""
    git(shop, "worktree", "add", "-q", str(tmp_path / "second"), "main")
    commit(tmp_path / "second", "second")
    assert git(shop, "rev-parse", "second^{tree}") == git(shop, "rev-parse", "loose^{tree}")
    assert git(tmp_path / "second", "status", "--porcelain") == ""


def test_a_shallow_clone_gets_a_branch(shop: Path, tmp_path: Path) -> None:
    git(shop, "commit", "-q", "--allow-empty", "-m", "second")
    git(tmp_path, "clone", "-q", "--depth", "1", f"file://{shop}", "shallow")
    commit(tmp_path / "shallow", "new")
    assert git(tmp_path / "shallow", "rev-list", "--count", "new") == "2"
    git(tmp_path / "shallow", "fsck", "--strict")


def test_a_submodule_stays_as_it_is(shop: Path, tmp_path: Path) -> None:
    allow = ("-c", "protocol.file.allow=always")
    git(shop, *allow, "submodule", "--quiet", "add", f"file://{shop}", "lib")
    git(shop, "commit", "-qm", "sub")
    commit(shop, "new")
    assert git(shop, "diff", "--name-only", "main", "new") == "a.txt"
    assert git(shop, "ls-tree", "new", "lib").startswith("160000 commit")
    commit(shop / "lib", "inner")
    assert git(shop / "lib", "diff", "--name-only", "HEAD", "inner") == "a.txt"
    assert git(shop, "status", "--porcelain") == ""
