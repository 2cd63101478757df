"""What file functions read: relative to the root module, never outside of the tree."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from haechi.model.unknown import Unknown
from haechi.scan.iac.terraform.filesets import Entries, matching
from haechi.scan.iac.terraform.tree_files import Data, TreeFiles
from haechi.world.files import Tree
from tests.scan.iac.terraform.declared import data, names, read

FILES = ["a.txt", "b.tmpl", ".dot", "x/a.txt", "x/y/a.txt", "x/y/c.json", "z/q.txt"]


def entries(folder: str) -> Entries | None:
    """What stands in a folder of ``FILES``; ``z`` holds a link, too."""
    prefix = f"{folder}/" if folder else ""
    below = [path.removeprefix(prefix) for path in FILES if path.startswith(prefix)]
    folders = sorted({path.partition("/")[0] for path in below if "/" in path})
    others = ["link.txt"] if folder == "z" else []
    return Entries([one for one in below if "/" not in one], folders, others) if below else None


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*.txt", ["a.txt"]),
        ("*", [".dot", "a.txt", "b.tmpl"]),
        ("?.{txt,tmpl}", ["a.txt", "b.tmpl"]),
        ("{a,b}.{txt,tmpl}", ["a.txt", "b.tmpl"]),
        ("x", []),
        ("x/*", ["x/a.txt"]),
        ("x/**", ["x/a.txt", "x/y/a.txt", "x/y/c.json"]),
        ("x/**/a.txt", ["x/a.txt", "x/y/a.txt"]),
        ("**/c.json", ["x/y/c.json"]),
        ("/".join(["**"] * 40) + "/c.json", ["x/y/c.json"]),
        ("**", None),
        ("z/q*", ["z/q.txt"]),
        ("z/*.txt", None),
        ("gone/*", []),
        ("x/../*", None),
        ("[", None),
        ("[ab].txt", ["a.txt"]),
        ("{a", None),
        ("{a,b}" * 12, None),
    ],
)
def test_patterns_of_fileset(pattern: str, expected: list[str] | None) -> None:
    assert matching("", pattern, entries) == expected


def test_a_link_that_a_pattern_fits_makes_a_set_uncertain() -> None:
    assert matching("", "**/*.txt", entries) is None
    assert matching("", "**/*.json", entries) == ["x/y/c.json"]
    assert matching("gone", "*", entries) is None


def test_paths_are_those_of_the_root_module() -> None:
    main = 'module "m" { source = "../../m" }\nresource "aws_x" "a" {\n'
    main += '  v = [file("x.txt"), file("${path.module}/x.txt"), path.module, path.root]\n}'
    module = 'resource "aws_x" "a" {\n  v = [file("x.txt"), file("${path.module}/x.txt"),'
    module += ' path.module, path.root, fileset(path.module, "*.txt")]\n}'
    found = read(
        x_dot_txt="top",
        infra__prod__main_dot_tf=main,
        infra__prod__x_dot_txt="root",
        m__main_dot_tf=module,
        m__x_dot_txt="module",
    )
    assert data(found, "aws_x.a")["v"] == ["root", "root", ".", "."]
    assert data(found, "module.m.aws_x.a")["v"] == ["root", "module", "../../m", ".", ["x.txt"]]


@pytest.mark.parametrize(
    "call",
    [
        'file("/etc/hostname")',
        'file("../../../../../../../../etc/hostname")',
        'file("${path.module}/../../etc/hostname")',
        'file("link")',
        'file("out/hostname")',
        'templatefile("../outside.txt", {})',
        'filebase64("\\u0000/etc/hostname")',
        'fileset("/etc", "*")',
        'fileset("..", "*")',
        'fileset("out", "*")',
        'fileset(".", "../*")',
        'fileset(".", "li*")',
    ],
)
def test_nothing_outside_is_read(call: str, tmp_path: Path) -> None:
    inside = tmp_path / "tree"
    inside.mkdir()
    (tmp_path / "outside.txt").write_text("secret")
    (inside / "link").symlink_to(tmp_path / "outside.txt")
    (inside / "out").symlink_to("/etc")
    (inside / "main.tf").write_text(f'resource "aws_x" "a" {{\n  v = {call}\n}}')
    assert isinstance(_value(inside), Unknown)


def test_a_walked_folder_has_more_than_terraform_files(tmp_path: Path) -> None:
    (tmp_path / "p").mkdir()
    (tmp_path / "p" / "one.json").write_text("{}")
    (tmp_path / "two.json").write_text("{}")
    (tmp_path / "main.tf").write_text(
        'resource "aws_x" "a" {\n  v = fileset(path.module, "**/*.json")\n}'
    )
    assert _value(tmp_path) == ["p/one.json", "two.json"]


def test_how_much_is_read_is_bounded(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a")
    data_ = Data(TreeFiles(Tree(root=tmp_path), {}), "")
    data_._left = 1
    assert (data_.read("a.txt"), data_.read("a.txt")) == (b"a", None)
    assert data_.glob(".", "*") is None


@pytest.mark.parametrize("name", ["._a.tf", ".a.tf", "#a.tf"])
def test_hidden_files_declare_nothing(name: str) -> None:
    found = read('resource "aws_x" "a" {}', **{name: 'resource "aws_x" "b" {}'})
    assert names(found) == ["aws_x.a"]


def _value(root: Path) -> Any:
    from haechi.scan.iac.terraform.read import read_terraform

    found = read_terraform(TreeFiles(Tree(root=root), {"": ["main.tf"]}), [""])
    return data(found, "aws_x.a")["v"]
