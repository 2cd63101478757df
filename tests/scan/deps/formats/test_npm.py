"""package-lock.json, versions 1 to 3."""

from __future__ import annotations

import json
from typing import Any

import pytest

from haechi.errors import InputError
from haechi.model.package import Source
from tests.scan.deps.formats.written import Written, named, needs, told

V3: dict[str, Any] = {
    "name": "shop",
    "version": "1.0.0",
    "lockfileVersion": 3,
    "packages": {
        "": {
            "name": "shop",
            "version": "1.0.0",
            "workspaces": ["packages/*"],
            "dependencies": {"a": "^1", "alias": "npm:real@^2", "fork": "github:x/fork"},
            "devDependencies": {"tool": "*"},
        },
        "node_modules/@s/mine": {"resolved": "packages/mine", "link": True},
        "node_modules/a": {
            "version": "1.0.0",
            "resolved": "https://user:pass@npm.example.org/a/-/a-1.0.0.tgz",
            "integrity": "sha512-AA==",
            "license": "MIT",
            "hasInstallScript": True,
            "dependencies": {"b": "^1"},
            "optionalDependencies": {"maybe": "1"},
        },
        "node_modules/a/node_modules/b": {"version": "1.9.0", "deprecated": "use c"},
        "node_modules/alias": {"name": "real", "version": "2.0.0"},
        "node_modules/b": {"version": "2.0.0", "dev": True},
        "node_modules/fork": {
            "version": "0.1.0",
            "resolved": "git+ssh://git@github.com/x/fork.git#abc",
        },
        "node_modules/maybe": {"version": "1.0.0", "optional": True},
        "node_modules/tool": {"version": "3.0.0", "dev": True, "dependencies": {"b": "2"}},
        "packages/mine": {
            "name": "@s/mine",
            "version": "0.5.0",
            "dependencies": {"c": "1"},
            "devDependencies": {"tool": "*"},
        },
        "packages/mine/node_modules/c": {"version": "1.0.0", "license": {"type": "ISC"}},
        "node_modules/deep/node_modules/c": {"version": "1.0.0", "dev": True},
    },
}
V1: dict[str, Any] = {
    "name": "old",
    "version": "0.1.0",
    "lockfileVersion": 1,
    "requires": True,
    "dependencies": {
        "a": {
            "version": "1.0.0",
            "requires": {"b": "^1", "c": "^1"},
            "dependencies": {"b": {"version": "1.0.0", "requires": {"c": "1"}}},
        },
        "alias": {"version": "npm:real@2.0.0"},
        "b": {"version": "2.0.0", "dev": True},
        "c": {"version": "1.1.0", "integrity": "sha1-AA="},
        "fork": {"version": "git+https://u:p@example.org/fork.git#abc", "from": "x"},
    },
}


def _lock(value: dict[str, Any]) -> str:
    return json.dumps(value, indent=2)


def test_folders() -> None:
    file = told("package-lock.json", _lock(V3))
    assert (file.name, file.version) == ("shop", "1.0.0")
    assert file.covers == ("packages/mine/package.json",)
    assert needs(file) == {
        "a": ["b", "maybe"],
        "tool": ["b"],
        "@s/mine": ["c", "tool"],
    }
    versions = [(one.name, one.version) for one in file.packages]
    assert versions.count(("c", "1.0.0")) == 1
    inner = file.packages[file.packages[0].needs[0]]
    assert (inner.name, inner.version, inner.yanked) == ("b", "1.9.0", "use c")


def test_scopes_of_npm_itself() -> None:
    file = told("package-lock.json", _lock(V3))
    assert {(one.name, one.version) for one in file.packages if one.development} == {
        ("b", "2.0.0"),
        ("tool", "3.0.0"),
    }
    assert [one.name for one in file.packages if one.optional] == ["maybe"]
    assert {one.name for one in file.packages if one.direct} == {
        "a", "real", "fork", "tool", "c", "@s/mine",
    } - {"@s/mine"}  # fmt: skip


def test_aliases_sources_licences() -> None:
    file = told("package-lock.json", _lock(V3))
    first = named(file, "a")
    assert first.url == "https://npm.example.org/a/-/a-1.0.0.tgz"
    assert (first.licence, first.install_script, first.digests) == ("MIT", True, ("sha512-AA==",))
    assert named(file, "real").spelled == "alias"
    fork = named(file, "fork")
    assert (fork.source, fork.url) == (Source.GIT, "git+ssh://git@github.com/x/fork.git#abc")
    assert named(file, "c").licence == "ISC"
    mine = named(file, "@s/mine")
    assert (mine.source, mine.version) == (Source.WORKSPACE, "0.5.0")


def test_lines_of_folders() -> None:
    text = _lock(V3)
    file = told("package-lock.json", text)
    rows = text.split("\n")
    for name, key in (("a", "node_modules/a"), ("tool", "node_modules/tool")):
        assert rows[named(file, name).location.line - 1] == f'    "{key}": {{'


def test_everything_on_one_line() -> None:
    file = told("package-lock.json", json.dumps(V3))
    assert {one.location.line for one in file.packages} == {1}


def test_nested_of_version_1() -> None:
    text = _lock(V1)
    tree = Written(
        {
            "package-lock.json": text,
            "package.json": '{"name": "old", "dependencies": {"a": "1"}, '
            '"devDependencies": {"b": "2"}}',
        }
    )
    file = tree.told("package-lock.json")
    assert [(one.name, one.version) for one in file.packages] == [
        ("a", "1.0.0"),
        ("b", "1.0.0"),
        ("real", "2.0.0"),
        ("b", "2.0.0"),
        ("c", "1.1.0"),
        ("fork", ""),
    ]
    assert [file.packages[at].version for at in file.packages[0].needs] == ["1.0.0", "1.1.0"]
    assert [file.packages[at].name for at in file.packages[1].needs] == ["c"]
    assert [(file.packages[at].name, file.packages[at].version) for at in file.requires] == [
        ("a", "1.0.0"),
        ("b", "2.0.0"),
    ]
    fork = named(file, "fork")
    assert (fork.source, fork.url) == (Source.GIT, "git+https://example.org/fork.git#abc")
    rows = text.split("\n")
    assert rows[named(file, "c").location.line - 1] == '    "c": {'


def test_nobody_knows_what_is_direct_in_version_1_alone() -> None:
    assert {one.direct for one in told("package-lock.json", _lock(V1)).packages} == {None}


def test_installed_tree_has_no_project() -> None:
    packages = {key: one for key, one in V3["packages"].items() if key}
    text = _lock({"lockfileVersion": 3, "packages": packages})
    file = told("node_modules/.package-lock.json", text)
    assert file.format == "node_modules"
    assert named(file, "a").direct is None


def test_merge_conflict_says_so() -> None:
    text = "{\n<<<<<<< HEAD\n  1\n=======\n"
    with pytest.raises(InputError, match="merge conflict") as raised:
        told("package-lock.json", text)
    assert raised.value.where == "package-lock.json:2"


def test_broken_json_has_a_line() -> None:
    with pytest.raises(InputError) as raised:
        told("package-lock.json", '{\n "a": 1,\n "b": }\n')
    assert raised.value.where == "package-lock.json:3"


def test_version_1_that_names_the_tarball_of_a_registry() -> None:
    text = _lock(
        {
            "lockfileVersion": 1,
            "dependencies": {
                "@s/a": {"version": "https://u:p@registry.npmjs.org/@s/a/-/a-3.3.0-rc.1.tgz"},
                "b": {"version": "https://example.org/b.tgz"},
            },
        }
    )
    file = told("package-lock.json", text)
    assert [(one.name, one.version, one.source) for one in file.packages] == [
        ("@s/a", "3.3.0-rc.1", Source.REGISTRY),
        ("b", "", Source.URL),
    ]
    assert "u:p" not in repr(file)
