"""The walk over a hostile tree: what is read, what is named as unread."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from haechi.engines.globs import compile_glob
from haechi.errors import InputError
from haechi.world.files import Tree


def make(root: Path, *names: str) -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")


def paths(tree: Tree) -> list[str]:
    return [entry.path for entry in tree.walk()]


def test_files_come_in_a_stable_order_without_tool_folders(tmp_path: Path) -> None:
    make(tmp_path, "b.yaml", "a/c.yaml", "a.yaml", ".git/config", "node_modules/x/y.yaml")
    assert paths(Tree(root=tmp_path)) == ["a.yaml", "b.yaml", "a/c.yaml"]


def test_excluded_and_narrowed(tmp_path: Path) -> None:
    make(tmp_path, "a/x.yaml", "a/y.yaml", "b/z.yaml")
    tree = Tree(root=tmp_path, exclude=[compile_glob("a/x*")], within="a")
    assert paths(tree) == ["a/y.yaml"]
    assert paths(Tree(root=tmp_path, within="b/z.yaml")) == ["b/z.yaml"]


def test_what_git_ignores_is_left_out_unless_asked_for(tmp_path: Path) -> None:
    make(tmp_path, "kept.yaml", "out/built.yaml", "note.log")
    (tmp_path / ".gitignore").write_text("out/\n*.log\n")
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    assert paths(Tree(root=tmp_path)) == [".gitignore", "kept.yaml"]
    assert paths(Tree(root=tmp_path, within="out")) == ["out/built.yaml"]
    assert paths(Tree(root=tmp_path / "out")) == ["built.yaml"]


def test_links_that_git_ignores_or_tools_made_are_no_concern(tmp_path: Path) -> None:
    inside = tmp_path / "tree"
    make(inside, "a.yaml")
    (inside / ".gitignore").write_text("bazel-*\n")
    for name in ("bazel-out", "node_modules", "kept"):
        (inside / name).symlink_to(tmp_path)
    subprocess.run(["git", "init", "-q", str(inside)], check=True)
    tree = Tree(root=inside)
    assert paths(tree) == [".gitignore", "a.yaml"]
    assert [unread.path for unread in tree.unread] == ["kept"]


def test_a_repository_cannot_run_code_through_git(tmp_path: Path) -> None:
    make(tmp_path, "a.yaml")
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    hook = tmp_path / "hook.sh"
    hook.write_text(f"#!/bin/sh\ntouch {tmp_path}/pwned\n")
    hook.chmod(0o755)
    subprocess.run(["git", "-C", str(tmp_path), "config", "core.fsmonitor", str(hook)], check=True)
    assert "a.yaml" in paths(Tree(root=tmp_path))
    assert not (tmp_path / "pwned").exists()


def test_links_are_not_followed_and_said(tmp_path: Path) -> None:
    inside = tmp_path / "tree"
    make(inside, "real.yaml")
    make(tmp_path, "outside.yaml")
    (inside / "again.yaml").symlink_to("real.yaml")
    (inside / "out.yaml").symlink_to("../outside.yaml")
    (inside / "up").symlink_to("..")
    (inside / "loop").symlink_to("loop")
    (inside / "gone.yaml").symlink_to("nowhere")
    tree = Tree(root=inside)
    assert paths(tree) == ["real.yaml"]
    said = {unread.path: unread.reason for unread in tree.unread}
    assert set(said) == {"out.yaml", "up", "loop", "gone.yaml"}
    assert "circle" in said["loop"]
    assert "outside" in said["out.yaml"]


def test_reading_refuses_links_pipes_and_size(tmp_path: Path) -> None:
    make(tmp_path, "a")
    (tmp_path / "link").symlink_to("a")
    os.mkfifo(tmp_path / "pipe")
    tree = Tree(root=tmp_path)
    assert tree.read("a", limit=1) == b"x"
    for name, limit in (("link", 9), ("pipe", 9), ("a", 0), ("missing", 9)):
        with pytest.raises(InputError):
            tree.read(name, limit=limit)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_unreadable_folders_are_named(tmp_path: Path) -> None:
    make(tmp_path, "secret/a.yaml")
    (tmp_path / "secret").chmod(0)
    tree = Tree(root=tmp_path)
    try:
        assert paths(tree) == []
    finally:
        (tmp_path / "secret").chmod(0o700)
    assert [unread.path for unread in tree.unread] == ["secret"]


def test_names_that_are_not_text_are_named(tmp_path: Path) -> None:
    (tmp_path / os.fsdecode(b"bad\xff.yaml")).write_text("x")
    tree = Tree(root=tmp_path)
    assert paths(tree) == []
    assert [unread.kind for unread in tree.unread] == ["name"]


def test_needles_are_found_across_blocks(tmp_path: Path) -> None:
    data = b"x" * ((1 << 20) - 3) + b"apiVersion" + b"y" * 10 + b"kind"
    (tmp_path / "big").write_bytes(data)
    tree = Tree(root=tmp_path)
    assert tree.contains("big", (b"apiVersion", b"kind"), limit=1 << 22)
    assert not tree.contains("big", (b"apiVersion", b"absent"), limit=1 << 22)
