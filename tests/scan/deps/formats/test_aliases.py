"""Packages of npm under another name: the alias is told where a package has no other name."""

from __future__ import annotations

import pytest

from tests.scan.deps.formats.written import Written

_NPM_3 = """\
{"lockfileVersion": 3, "packages": {"": {"dependencies": {"b": "1", "w-cjs": "npm:w@1"}},
 "node_modules/b": {"version": "1.0.0", "dependencies": {"w": "1"}},
 "node_modules/b/node_modules/w": {"version": "1.0.0"},
 "node_modules/w-cjs": {"name": "w", "version": "1.0.0"},
 "node_modules/x-old": {"name": "x", "version": "2.0.0"}}}
"""
_NPM_1 = """\
{"lockfileVersion": 1, "dependencies": {
 "b": {"version": "1.0.0", "dependencies": {"w": {"version": "1.0.0"}}},
 "w-cjs": {"version": "npm:w@1.0.0"},
 "x-old": {"version": "npm:x@2.0.0"}}}
"""
_YARN = """\
# yarn lockfile v1


"w-cjs@npm:w@^1.0.0":
  version "1.0.0"

w@^1.0.0:
  version "1.0.0"

"x-old@npm:x@^2.0.0":
  version "2.0.0"
"""
_BERRY = """\
__metadata:
  version: 8

"w-cjs@npm:w@^1.0.0, w@npm:^1.0.0":
  version: 1.0.0
  resolution: "w@npm:1.0.0"

"x-old@npm:x@^2.0.0":
  version: 2.0.0
  resolution: "x@npm:2.0.0"
"""
_PNPM = """\
lockfileVersion: '9.0'
importers:
  .:
    dependencies:
      w-cjs: {specifier: 'npm:w@1', version: w@1.0.0}
      x-old: {specifier: 'npm:x@2', version: x@2.0.0}
      b: {specifier: '1', version: 1.0.0}
packages:
  b@1.0.0: {resolution: {integrity: sha512-A}}
  w@1.0.0: {resolution: {integrity: sha512-B}}
  x@2.0.0: {resolution: {integrity: sha512-C}}
snapshots:
  b@1.0.0:
    dependencies:
      w: 1.0.0
  w@1.0.0: {}
  x@2.0.0: {}
"""
_BUN = """\
{"lockfileVersion": 1, "workspaces": {"": {}}, "packages": {
 "w": ["w@1.0.0", "", {}, "sha512-A"],
 "w-cjs": ["w@1.0.0", "", {}, "sha512-A"],
 "x-old": ["x@2.0.0", "", {}, "sha512-B"]}}
"""
LOCKS = {
    "npm-3": ("package-lock.json", _NPM_3),
    "npm-1": ("package-lock.json", _NPM_1),
    "yarn": ("yarn.lock", _YARN),
    "berry": ("yarn.lock", _BERRY),
    "pnpm": ("pnpm-lock.yaml", _PNPM),
    "bun": ("bun.lock", _BUN),
}


@pytest.mark.parametrize("format", LOCKS)
def test_an_alias_is_told_where_there_is_no_other_name(format: str) -> None:
    path, text = LOCKS[format]
    file = Written({path: text}).told(path)
    found = {(one.name, one.version): one.spelled for one in file.packages if one.name != "b"}
    assert found == {("w", "1.0.0"): "", ("x", "2.0.0"): "x-old"}
