"""A scanned repository cannot have its own programs run, nor carry files of the machine along."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from haechi.errors import InputError
from haechi.world import render
from haechi.world.files import Tree
from haechi.world.links import refuse_links_out
from haechi.world.objects.command import environment
from haechi.world.programs import program, search_path


def executable(path: Path, text: str = "#!/bin/sh\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(0o755)
    return path


@pytest.mark.parametrize(
    "entry", [".", "", "bin", "{tree}", "{tree}/bin", "{link}", "{tree}/../tree"]
)
def test_programs_of_the_tree_are_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, entry: str
) -> None:
    tree, outside, link = tmp_path / "tree", tmp_path / "outside", tmp_path / "link"
    executable(tree / "tool")
    executable(tree / "bin" / "tool")
    wanted = executable(outside / "tool")
    link.symlink_to(tree / "bin")
    monkeypatch.chdir(tree)
    named = entry.format(tree=tree, link=link)
    monkeypatch.setenv("PATH", named)
    assert program("tool", tree) is None
    monkeypatch.setenv("PATH", os.pathsep.join((named, str(outside))))
    assert program("tool", tree) == str(wanted)
    assert search_path(tree) == str(outside)
    assert environment(tree)["PATH"] == str(outside)


def test_a_link_from_outside_to_a_program_of_the_tree_counts_as_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tool = executable(tmp_path / "tree" / "tool")
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "tool").symlink_to(tool)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    assert program("tool", tmp_path / "tree") is None


def test_the_git_of_the_tree_is_not_asked_what_it_ignores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".git").mkdir()
    executable(tmp_path / "git", f"#!/bin/sh\ntouch {tmp_path}/pwned\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", f".{os.pathsep}{os.environ['PATH']}")
    assert [entry.path for entry in Tree(root=tmp_path).walk()] == ["git"]
    assert not (tmp_path / "pwned").exists()


def test_git_may_fetch_nothing(tmp_path: Path) -> None:
    assert environment(tmp_path)["GIT_ALLOW_PROTOCOL"] == "none"


@pytest.mark.parametrize(
    ("links", "refused"),
    [
        ({"files/key": "{out}/key"}, True),
        ({"files": "{out}"}, True),
        ({"shared": "{tree}/shared"}, True),  # and shared/key leads on
        ({"a": "{tree}/chart/b"}, False),
        ({"up": "{tree}"}, True),
        ({"round": "{tree}/chart"}, False),
    ],
)
def test_links_out_of_the_tree_are_refused(
    tmp_path: Path, links: dict[str, str], refused: bool
) -> None:
    tree, out = tmp_path / "tree", tmp_path / "out"
    for folder in (tree / "chart", tree / "shared", out):
        folder.mkdir(parents=True)
    (out / "key").write_text("secret")
    (tree / "shared" / "key").symlink_to(out / "key")
    for name, target in links.items():
        link = tree / "chart" / name
        link.parent.mkdir(exist_ok=True)
        link.symlink_to(target.format(tree=tree, out=out))
    if refused:
        with pytest.raises(InputError, match="leads out of the scanned folder"):
            refuse_links_out(tree / "chart", tree)
    else:
        refuse_links_out(tree / "chart", tree)


def test_helm_is_not_given_a_chart_with_a_link_out(tmp_path: Path) -> None:
    chart = tmp_path / "tree" / "chart"
    chart.mkdir(parents=True)
    (chart / "key").symlink_to(tmp_path)
    helm = executable(tmp_path / "helm", f"#!/bin/sh\ntouch {tmp_path}/ran\n")
    with pytest.raises(InputError, match="leads out"):
        render.helm_template(str(helm), chart, tree=tmp_path / "tree")
    assert not (tmp_path / "ran").exists()
