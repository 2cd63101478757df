"""Tools run in a copy: what they get, what they may not do, what comes back."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from haechi.world.package_tools import Failed, Run, tool_path, workshop


def program(folder: Path, name: str, *lines: str) -> None:
    """A tool that is a shell script."""
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text("\n".join(("#!/bin/sh", *lines, "")))
    path.chmod(0o755)


@pytest.fixture
def tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}{os.environ['PATH']}")
    return folder


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    (root / "web").mkdir(parents=True)
    (root / "web/package.json").write_text("{}")
    (root / "web/lock").write_text("old")
    return root


def test_runs_in_a_copy_and_gives_back_by_name(tools: Path, tree: Path) -> None:
    program(tools, "tool", 'echo "new $1" > lock', "echo x > other")
    with workshop(tree) as shop:
        shop.put({"web/package.json": b"edited"})
        shop.run(Run(argv=("tool", "a b"), folder="web"))
        assert shop.take(["web/lock", "web/none"], limit=100) == {"web/lock": b"new a b\n"}
        kept = shop.copy
    assert (tree / "web/lock").read_text() == "old"
    assert (tree / "web/package.json").read_text() == "{}"
    assert not (tree / "web/other").exists()
    assert not kept.exists()


def test_gets_no_token_no_home_and_no_scripts(
    tools: Path, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NPM_TOKEN", "secret")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("HTTPS_PROXY", "http://user:secret@proxy:3128")
    monkeypatch.setenv("HTTP_PROXY", "http://proxy:3128")
    program(tools, "tool", "env > lock")
    with workshop(tree) as shop:
        shop.run(Run(argv=("tool",), folder="web"))
        said = shop.take(["web/lock"], limit=100_000)["web/lock"].decode()
    assert "secret" not in said
    assert "HTTP_PROXY=http://proxy:3128" in said
    assert "npm_config_ignore_scripts=true" in said
    assert f"HOME={Path.home()}\n" not in said


def test_gets_the_whole_environment_when_asked(
    tools: Path, tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NPM_TOKEN", "secret")
    program(tools, "tool", "env > lock")
    with workshop(tree, whole_environment=True) as shop:
        shop.run(Run(argv=("tool",), folder="web"))
        said = shop.take(["web/lock"], limit=100_000)["web/lock"].decode()
    assert "NPM_TOKEN=secret" in said
    assert "npm_config_ignore_scripts=true" in said


def test_a_failure_is_told_in_the_tools_last_words(tools: Path, tree: Path) -> None:
    program(tools, "tool", "echo fetching", "echo 'no such version' >&2", "exit 3")
    with workshop(tree) as shop, pytest.raises(Failed, match="tool: fetching no such version"):
        shop.run(Run(argv=("tool",)))


def test_a_tool_that_hangs_is_ended_with_its_children(tools: Path, tree: Path) -> None:
    code = "import time; open('alive', 'w').close(); time.sleep(600)"
    program(tools, "tool", f'{sys.executable} -c "{code}" &', "wait")
    with workshop(tree) as shop, pytest.raises(Failed, match="took longer"):
        shop.run(Run(argv=("tool",)), deadline=0.3)


def test_a_program_of_the_project_is_never_the_tool(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program(tree / "bin", "tool", "true")
    monkeypatch.setenv("PATH", f"{tree / 'bin'}{os.pathsep}/usr/bin")
    assert tool_path("tool", tree) is None
    with workshop(tree) as shop, pytest.raises(Failed, match="not installed"):
        shop.run(Run(argv=("tool",)))


def test_links_out_and_what_tools_installed_are_not_copied(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    (tree / "out").symlink_to("../secret")
    (tree / "absolute").symlink_to(tmp_path / "secret")
    (tree / "inside").symlink_to("web/lock")
    for name in ("node_modules", ".git", ".venv"):
        (tree / name).mkdir()
        (tree / name / "x").write_text("x")
    with workshop(tree) as shop:
        there = sorted(path.name for path in shop.copy.iterdir())
    assert there == ["inside", "web"]


def test_a_lock_file_that_became_a_link_does_not_come_back(
    tools: Path, tree: Path, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text("secret")
    program(tools, "tool", f"ln -sf {tmp_path / 'secret'} lock")
    with workshop(tree) as shop:
        shop.run(Run(argv=("tool",), folder="web"))
        assert shop.take(["web/lock"], limit=100) == {}


def test_what_is_too_large_does_not_come_back(tools: Path, tree: Path) -> None:
    program(tools, "tool", "head -c 200 /dev/zero > lock")
    with workshop(tree) as shop:
        shop.run(Run(argv=("tool",), folder="web"))
        with pytest.raises(Failed, match="more than 100 bytes"):
            shop.take(["web/lock"], limit=100)
