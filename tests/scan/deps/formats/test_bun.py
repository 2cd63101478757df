"""bun.lock and package.json."""

from __future__ import annotations

import pytest

from haechi.model.package import Source
from tests.scan.deps.formats.written import Written, named, needs, told

LOCK = """\
{
  // a comment with "quotes"
  "lockfileVersion": 1,
  "workspaces": {
    "": {
      "name": "shop",
      "dependencies": {"a": "^1", "alias": "npm:real@2"},
      "devDependencies": {"tool": "1",},
    },
    "packages/mine": {
      "name": "mine",
      "version": "0.1.0",
      "dependencies": {"c": "^1"},
    },
  },
  "packages": {
    "@s/b": ["@s/b@1.0.0", "", {}, "sha512-AA=="],
    "a": ["a@1.0.0", "", { "dependencies": { "@s/b": "^1", "c": "2" } }, "sha512-BB=="],
    "a/c": ["c@2.0.0", "", {"optionalDependencies": {"@s/b": "1"}}, "sha512-CC=="],
    "alias": ["real@2.0.0", "", {}, "sha512-DD=="],
    "c": ["c@1.0.0", "", {}, "sha512-EE=="],
    "fork": ["fork@github:x/fork#abc", {}, "x-fork-abc"],
    "mine": ["mine@workspace:packages/mine"],
    "tool": ["tool@1.0.0", "", {"dependencies": {"fork": "x"}}, "sha512-FF=="], /* end */
  }
}
"""


def test_bun() -> None:
    file = told("bun.lock", LOCK)
    assert (file.name, file.covers) == ("shop", ("packages/mine/package.json",))
    assert needs(file) == {"a": ["@s/b", "c"], "c": ["@s/b"], "tool": ["fork"], "mine": ["c"]}
    inner = file.packages[named(file, "a").needs[1]]
    assert (inner.version, inner.location.line) == ("2.0.0", 19)
    assert {one.name for one in file.packages if one.development} == {"tool", "fork"}
    assert named(file, "real").spelled == "alias"
    assert named(file, "fork").source is Source.GIT
    mine = named(file, "mine")
    assert (mine.source, mine.version, mine.url) == (Source.WORKSPACE, "0.1.0", "packages/mine")


def test_a_scope_is_part_of_a_name_and_no_folder() -> None:
    file = told(
        "bun.lock",
        """\
        {"lockfileVersion": 1,
         "workspaces": {"": {"dependencies": {"@ui/dom": "1", "@ui/react": "1"}}},
         "packages": {
          "@ui/dom": ["@ui/dom@1.0.0", "", {"peerDependencies": {"react": "1"}}, "sha512-A"],
          "@ui/dom/@ui/core": ["@ui/core@1.0.0", "", {"dependencies": {"react": "1"}}, "sha512-B"],
          "@ui/react": ["@ui/react@1.0.0", "", {"dependencies": {"@ui/core": "2"}}, "sha512-C"],
          "@ui/core": ["@ui/core@2.0.0", "", {}, "sha512-D"],
          "react": ["react@1.0.0", "", {}, "sha512-E"]
         }}
        """,
    )
    found = {
        f"{one.name} {one.version}": [
            f"{file.packages[at].name} {file.packages[at].version}" for at in one.needs
        ]
        for one in file.packages
        if one.needs
    }
    assert found == {
        "@ui/dom 1.0.0": ["react 1.0.0"],
        "@ui/core 1.0.0": ["react 1.0.0"],
        "@ui/react 1.0.0": ["@ui/core 2.0.0"],
    }


def test_binary_lock_is_a_gap() -> None:
    tree = Written({})
    tree.files["bun.lockb"] = b"#!/usr/bin/env bun\nbun-lockfile-format-v0\n\0\0"
    (gap,) = tree.told("bun.lockb").gaps
    assert "save-text-lockfile" in gap.do


@pytest.mark.parametrize(
    ("spec", "wanted"),
    [
        ("^1.2.0", ("dep", "", "^1.2.0", Source.REGISTRY, "")),
        ("1.2.0", ("dep", "1.2.0", "1.2.0", Source.REGISTRY, "")),
        ("=1.2.0", ("dep", "1.2.0", "=1.2.0", Source.REGISTRY, "")),
        ("latest", ("dep", "", "latest", Source.REGISTRY, "")),
        ("*", ("dep", "", "*", Source.REGISTRY, "")),
        ("npm:real@^2", ("real", "", "^2", Source.REGISTRY, "")),
        ("npm:@s/real@2.0.0", ("@s/real", "2.0.0", "2.0.0", Source.REGISTRY, "")),
        ("github:x/y", ("dep", "", "", Source.GIT, "github:x/y")),
        ("x/y#v1", ("dep", "", "", Source.GIT, "x/y#v1")),
        ("git+https://u:p@h/y.git", ("dep", "", "", Source.GIT, "git+https://h/y.git")),
        ("https://u:p@h/y.tgz", ("dep", "", "", Source.URL, "https://h/y.tgz")),
        ("file:../y", ("dep", "", "", Source.PATH, "file:../y")),
        ("workspace:^", ("dep", "", "", Source.WORKSPACE, "workspace:^")),
        ("catalog:", ("dep", "", "catalog:", Source.REGISTRY, "")),
    ],
)
def test_package_json(spec: str, wanted: tuple[str, str, str, Source, str]) -> None:
    file = told("package.json", f'{{"name": "x",\n "dependencies": {{\n  "dep": "{spec}"}}}}')
    (one,) = file.packages
    assert (one.name, one.version, one.constraint, one.source, one.url) == wanted
    assert one.location.line == 3
    assert not file.pins


def test_package_json_without_dependencies_tells_nothing() -> None:
    assert Written({"package.json": '{"name": "x", "scripts": {}}'}).all("package.json") == []


def test_members_of_the_own_workspace_are_no_packages_to_fetch() -> None:
    tree = Written(
        {
            "package.json": '{"workspaces": ["p/*"], "dependencies": {"mine": "*", "a": "*"}}',
            "p/mine/package.json": '{"name": "mine"}',
        }
    )
    file = tree.told("package.json")
    assert [one.source for one in file.packages] == [Source.WORKSPACE, Source.REGISTRY]
