"""A tree's lock files and manifests: each told once, broken ones apart, nothing left out unsaid."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from textwrap import dedent

import pytest

from haechi.scan.deps.collect import Dependencies, collect
from haechi.world.files import Tree

UV = 'version = 1\n[[package]]\nname = "a"\nversion = "1"\nsource = {registry = "x"}\n'
NPM = '{"lockfileVersion": 3, "packages": {"": {}, "node_modules/a": {"version": "1.0.0"}}}'
MANIFEST = '{"name": "x", "dependencies": {"a": "^1"}}'
PROJECT = '[project]\nname = "x"\ndependencies = ["a>=1"]\n'


def _tree(root: Path, files: dict[str, str]) -> Tree:
    for path, text in files.items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(dedent(text), encoding="utf-8")
    return Tree(root=root)


def _told(root: Path, files: dict[str, str]) -> Dependencies:
    return collect(_tree(root, files))


def _paths(found: Dependencies) -> list[str]:
    return [file.path for file in found.files]


def _gaps(found: Dependencies) -> list[tuple[str, str]]:
    return [(gap.kind, gap.path) for gap in found.gaps]


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({"uv.lock": UV, "pyproject.toml": PROJECT, "setup.py": "setup()"}, ["uv.lock"]),
        ({"package-lock.json": NPM, "package.json": MANIFEST}, ["package-lock.json"]),
        (
            {"npm-shrinkwrap.json": NPM, "package-lock.json": NPM, "package.json": MANIFEST},
            ["npm-shrinkwrap.json"],
        ),
        ({"package-lock.json": NPM, "sub/package.json": MANIFEST},
         ["package-lock.json", "sub/package.json"]),
        ({"pyproject.toml": PROJECT, "setup.py": "setup(install_requires=['b'])"},
         ["pyproject.toml"]),
        ({"pyproject.toml": "[tool.x]\n", "setup.py": "setup(install_requires=['b'])"},
         ["setup.py"]),
        ({"requirements.txt": "-r base.txt\n-c constraints.txt\na\n", "base.txt": "b==1\n",
          "constraints.txt": "a==2\n"}, ["base.txt", "requirements.txt"]),
        ({"requirements-dev.txt": "-r requirements.txt\nx==1\n", "requirements.txt": "a==1\n"},
         ["requirements-dev.txt", "requirements.txt"]),
    ],
    ids=["uv", "npm", "shrinkwrap", "other-folder", "pyproject", "tools-only", "includes",
         "included-once"],
)  # fmt: skip
def test_each_is_told_once(tmp_path: Path, files: dict[str, str], told: list[str]) -> None:
    assert _paths(_told(tmp_path, files)) == told


def test_members_of_a_workspace_are_covered(tmp_path: Path) -> None:
    found = _told(
        tmp_path,
        {
            "uv.lock": UV
            + '[manifest]\nmembers = ["m", "x"]\n[[package]]\nname = "m"\nversion = "1"\n'
            'source = {editable = "libs/m"}\n',
            "libs/m/pyproject.toml": PROJECT,
            "other/pyproject.toml": PROJECT,
        },
    )
    assert _paths(found) == ["other/pyproject.toml", "uv.lock"]


def test_a_broken_file_is_a_gap_with_its_line_and_costs_its_neighbours_nothing(
    tmp_path: Path,
) -> None:
    found = _told(
        tmp_path,
        {"a/package-lock.json": '{\n "packages": \n', "a/package.json": MANIFEST, "uv.lock": UV},
    )
    assert _paths(found) == ["uv.lock"]
    (gap,) = found.gaps
    assert (gap.kind, gap.path) == ("lockfile", "a/package-lock.json:3")
    assert gap.do
    assert found.seen == {"a/package-lock.json", "uv.lock"}


def test_a_manifest_without_a_lock_file_says_so(tmp_path: Path) -> None:
    found = _told(tmp_path, {"package.json": MANIFEST, "pinned/package.json": '{"dependencies": '
                             '{"a": "1.0.0"}}'})  # fmt: skip
    (gap,) = found.gaps
    assert (gap.kind, gap.path) == ("no-lock-file", "package.json")
    assert "a ^1" in gap.reason
    assert "package-lock.json" in gap.do
    assert found.files[0].gaps == (gap,)


def test_a_lock_file_that_git_ignores_is_said(tmp_path: Path) -> None:
    tree = _tree(tmp_path, {".gitignore": "uv.lock\n", "uv.lock": UV, "pyproject.toml": PROJECT})
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    found = collect(tree)
    assert _gaps(found) == [("ignored-lock-file", "uv.lock")]
    assert "--no-ignore" in found.gaps[0].do
    whole = collect(Tree(root=tmp_path, ignored=True))
    assert _paths(whole) == ["uv.lock"]


def test_what_haechi_yaml_excludes_was_left_out_on_purpose(tmp_path: Path) -> None:
    _tree(tmp_path, {"uv.lock": UV, "pyproject.toml": PROJECT})
    found = collect(Tree(root=tmp_path, exclude=[re.compile("uv.lock")]))
    assert _gaps(found) == [("no-lock-file", "pyproject.toml")]


def test_vendored_files_are_left_out_and_counted(tmp_path: Path) -> None:
    files = {
        "uv.lock": UV,
        "vendor/x/requirements.txt": "b==1\n",
        "vendor/y/package.json": MANIFEST,
    }
    found = _told(tmp_path, files)
    assert _paths(found) == ["uv.lock"]
    assert found.vendored == ("vendor/x/requirements.txt", "vendor/y/package.json")
    asked = collect(Tree(root=tmp_path, within="vendor/x"))
    assert _paths(asked) == ["vendor/x/requirements.txt"]


def test_what_is_installed_counts_where_nothing_else_tells(tmp_path: Path) -> None:
    site = ".venv/lib/python3.11/site-packages"
    found = _told(
        tmp_path,
        {
            "web/package.json": MANIFEST,
            "web/node_modules/.package-lock.json": NPM,
            "pyproject.toml": PROJECT,
            ".venv/pyvenv.cfg": "",
            f"{site}/a-1.5.dist-info/METADATA": "Name: a\nVersion: 1.5\n",
        },
    )
    assert _paths(found) == [site, "web/node_modules/.package-lock.json"]
    assert [file.packages[0].version for file in found.files] == ["1.5", "1.0.0"]
    assert found.gaps == ()


def test_an_environment_is_read_once(tmp_path: Path) -> None:
    files = {
        f"site-packages/{name}-1.dist-info/METADATA": f"Name: {name}\nVersion: 1\n"
        for name in ("a", "b", "c")
    }
    _tree(tmp_path, files)
    found = collect(Tree(root=tmp_path, within="site-packages"))
    assert _paths(found) == ["site-packages"]
    assert [one.name for one in found.files[0].packages] == ["a", "b", "c"]


def test_a_reader_that_fails_is_a_gap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        raise KeyError("x")

    monkeypatch.setattr("haechi.scan.deps.collect.load_reader", lambda format: fails)
    found = _told(tmp_path, {"uv.lock": UV})
    assert _gaps(found) == [("lockfile", "uv.lock")]


def test_too_many_packages_in_all_files_are_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("haechi.scan.deps.collect.MAX_PACKAGES", 1)
    found = _told(tmp_path, {"a/uv.lock": UV, "b/uv.lock": UV, "c/uv.lock": UV})
    assert _paths(found) == ["a/uv.lock"]
    assert _gaps(found) == [("too-large", "b/uv.lock")]


def test_links_and_names_out_of_the_tree_are_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.txt").write_text("secret==1\n")
    root = tmp_path / "root"
    tree = _tree(root, {"requirements.txt": "-r ../outside/secret.txt\na==1\n"})
    (root / "uv.lock").symlink_to(outside / "secret.txt")
    found = collect(tree)
    assert [one.name for file in found.files for one in file.packages] == ["a"]
    assert sorted(_gaps(found)) == [("link", "uv.lock"), ("lockfile", "requirements.txt:1")]


def test_progress_is_told(tmp_path: Path) -> None:
    steps: list[tuple[int, int, str]] = []
    collect(
        _tree(tmp_path, {"a/uv.lock": UV, "b/uv.lock": UV}),
        lambda done, of, path: steps.append((done, of, path)),
    )
    assert steps == [(0, 2, "a/uv.lock"), (1, 2, "b/uv.lock")]
