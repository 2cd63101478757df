"""pnpm-lock.yaml, versions 5 to 9, and the YAML that pnpm does not write itself."""

from __future__ import annotations

import pytest

from haechi.errors import InputError
from haechi.model.package import Source
from tests.scan.deps.formats.written import Written, named, needs, told

V9 = """\
lockfileVersion: '9.0'

settings:
  autoInstallPeers: true

importers:

  .:
    dependencies:
      '@s/a':
        specifier: ^1.0.0
        version: 1.0.0(react@18.0.0)
      alias:
        specifier: npm:real@^2
        version: real@2.0.0
    devDependencies:
      tool:
        specifier: ^1
        version: 1.0.0
  packages/mine:
    dependencies:
      sibling:
        specifier: workspace:*
        version: link:../sibling
      fork:
        specifier: github:x/fork
        version: https://codeload.github.com/x/fork/tar.gz/abc
    optionalDependencies:
      maybe:
        specifier: 1
        version: 1.0.0
  packages/sibling: {}

packages:

  '@s/a@1.0.0':
    resolution: {integrity: sha512-AA==}
    peerDependencies:
      react: '>=17'

  fork@https://codeload.github.com/x/fork/tar.gz/abc:
    resolution: {tarball: https://codeload.github.com/x/fork/tar.gz/abc}
    version: 0.1.0

  maybe@1.0.0:
    resolution: {integrity: sha512-BB==}
    cpu: [x64]
    deprecated: 'Use something else: it''s old'

  react@18.0.0:
    resolution: {integrity: sha512-CC==}
    engines: {node: '>=18', npm: ^9.0.0 || >=10}

  real@2.0.0:
    resolution: {integrity: sha512-DD==}

  tool@1.0.0:
    resolution: {integrity: sha512-EE==}

snapshots:

  '@s/a@1.0.0(react@18.0.0)':
    dependencies:
      react: 18.0.0
    transitivePeerDependencies:
      - supports-color

  fork@https://codeload.github.com/x/fork/tar.gz/abc: {}

  maybe@1.0.0:
    optional: true

  react@18.0.0: {}

  real@2.0.0: {}

  tool@1.0.0:
    dependencies:
      react: 18.0.0
"""


def test_version_9() -> None:
    tree = Written(
        {
            "pnpm-lock.yaml": V9,
            "package.json": '{"name": "shop", "version": "1.0.0"}',
            "packages/mine/package.json": '{"name": "@s/mine", "version": "0.1.0"}',
        }
    )
    file = tree.told("pnpm-lock.yaml")
    assert file.name == "shop"
    assert needs(file) == {
        "@s/a": ["react"],
        "tool": ["react"],
        "@s/mine": ["packages/sibling", "fork", "maybe"],
    }
    assert [one.name for one in file.packages if one.development] == ["tool"]
    assert [one.name for one in file.packages if one.optional] == ["maybe"]
    assert [file.packages[at].name for at in file.requires] == [
        "@s/a",
        "real",
        "tool",
        "@s/mine",
        "packages/sibling",
    ]
    fork = named(file, "fork")
    assert (fork.source, fork.version) == (Source.GIT, "0.1.0")
    assert named(file, "maybe").yanked == "Use something else: it's old"
    assert named(file, "react").location.line == 50
    assert file.covers == ("packages/mine/package.json", "packages/sibling/package.json")


@pytest.mark.parametrize(
    ("version", "a", "b"),
    [
        ("5.4", "/a/1.0.0_b@2.0.0", "/b/2.0.0"),
        ("6.0", "/a@1.0.0(b@2.0.0)", "/b@2.0.0"),
    ],
)
def test_older_versions(version: str, a: str, b: str) -> None:
    ref = a.replace("/a/", "").replace("/a@", "")
    file = told(
        "pnpm-lock.yaml",
        f"""\
lockfileVersion: {version}
specifiers:
  a: ^1
dependencies:
  a: {ref}
devDependencies:
  other: {"/b/2.0.0" if version == "5.4" else "/b@2.0.0"}
packages:
  {a}:
    resolution: {{integrity: sha512-AA==}}
    dependencies:
      b: 2.0.0
    requiresBuild: true
    dev: false
  {b}:
    resolution: {{integrity: sha512-BB==}}
    dev: false
  github.com/x/fork/abc:
    resolution: {{tarball: https://codeload.github.com/x/fork/tar.gz/abc}}
    name: fork
    version: 3.0.0
    dev: true
""",
    )
    assert [(one.name, one.version, one.development) for one in file.packages] == [
        ("a", "1.0.0", False),
        ("b", "2.0.0", False),
        ("fork", "3.0.0", True),
    ]
    assert needs(file) == {"a": ["b"]}
    assert {one.name for one in file.packages if one.direct} == {"a", "b"}
    assert named(file, "a").install_script
    assert named(file, "fork").source is Source.GIT


def test_first_document_holds_tools_of_development() -> None:
    first = """\
---
lockfileVersion: '9.0'
importers:
  .:
    packageManagerDependencies:
      pnpm:
        specifier: 12.0.0
        version: 12.0.0
packages:
  pnpm@12.0.0:
    resolution: {integrity: sha512-AA==}
snapshots:
  pnpm@12.0.0: {}
---
"""
    file = told("pnpm-lock.yaml", first + V9)
    assert {one.name for one in file.packages if one.development} == {"pnpm", "tool"}


@pytest.mark.parametrize(
    "text",
    [
        "lockfileVersion: &v '9.0'\npackages:\n  a@1.0.0: {resolution: {integrity: sha512-A}}\n",
        "lockfileVersion: '9.0'\npackages: {a@1.0.0: {}}\n",
        '{"lockfileVersion": "9.0", "packages": {"a@1.0.0": {}}}\n',
        "lockfileVersion: '9.0'\npackages:\n  a@1.0.0:\n    deprecated: >-\n      long\n      x\n",
    ],
    ids=["anchor", "flow", "json", "folded"],
)
def test_yaml_that_pnpm_does_not_write(text: str) -> None:
    file = told("pnpm-lock.yaml", text)
    assert [(one.name, one.version) for one in file.packages] == [("a", "1.0.0")]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("packages: {}\n", "lockfileVersion"),
        ("just a text\n", "no mapping"),
        ("a: [\n", "not valid YAML"),
        ("", "lockfileVersion"),
    ],
    ids=["no-version", "list", "broken", "empty"],
)
def test_no_lock_of_pnpm(text: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        told("pnpm-lock.yaml", text)


def test_what_a_project_asks_for_counts_though_its_entry_is_missing() -> None:
    text = "lockfileVersion: 5.4\ndependencies:\n  nanoid: 3.3.4_x@1.0.0\npackages: {}\n"
    assert [(one.name, one.version) for one in told("pnpm-lock.yaml", text).packages] == [
        ("nanoid", "3.3.4")
    ]


def test_mappings_in_lists_are_passed_over() -> None:
    text = V9.replace(
        "  real@2.0.0:\n    resolution: {integrity: sha512-DD==}\n",
        "  real@2.0.0:\n    resolution:\n      type: variations\n      variants:\n"
        "        - resolution:\n            archive: tarball\n          targets:\n"
        "            - cpu: x64\n              os: linux\n    hasBin: true\n",
    )
    assert text != V9
    assert len(told("pnpm-lock.yaml", text).packages) == len(told("pnpm-lock.yaml", V9).packages)


def test_every_document_is_read_by_the_general_parser_too() -> None:
    first = "---\nlockfileVersion: &v '9.0'\npackages:\n  pnpm@1.0.0: {}\n---\n"
    names = {one.name for one in told("pnpm-lock.yaml", first + V9).packages}
    assert {"pnpm", "@s/a", "tool"} <= names
