"""What a lock file holds besides entries is counted and told: an entry that is no entry would else
be a package that nobody looked at."""

from __future__ import annotations

import json

import pytest

from haechi.errors import InputError
from haechi.scan.deps.formats import reader_of
from tests.scan.deps.formats.written import Written

NPM3 = {"lockfileVersion": 3, "packages": {"": {}, "node_modules/a": 5, "node_modules/b": {}}}
NPM1 = {"lockfileVersion": 1, "dependencies": {"a": 5, "b": {"dependencies": [1]}, "c": {}}}
BUN = {"lockfileVersion": 1, "workspaces": {"": {}}, "packages": {"a": 5, "b": [1], "c": ["c@1"]}}
COMPOSER = {"packages": [5, {"name": "a/b", "version": "1"}], "packages-dev": [{"name": 5}]}
PIPENV = {"_meta": {}, "default": {"a": 5, "b": {"version": "==1.0"}}, "develop": []}
BERRY = """__metadata:
  version: 8

"a@npm:1":
  version: 1
  resolution: "a@npm:1"

"b@npm:1": 5
"""
CASES = {
    "package-lock.json": (NPM3, 1),
    "old/package-lock.json": (NPM1, 2),
    "bun.lock": (BUN, 2),
    "composer.lock": (COMPOSER, 2),
    "Pipfile.lock": (PIPENV, 2),
}


@pytest.mark.parametrize("path", CASES)
def test_entries_that_are_none_are_counted(path: str) -> None:
    value, count = CASES[path]
    assert _gaps(path, json.dumps(value)) == [
        ("syntax", f"entries that are not as the tool writes them: {count}")
    ]


def test_entries_of_yarn_that_are_none_are_counted() -> None:
    assert _gaps("yarn.lock", BERRY) == [
        ("syntax", "entries that are not as the tool writes them: 1")
    ]


@pytest.mark.parametrize("told", [{"packages": [1]}, {"dependencies": "x"}], ids=str)
def test_a_list_of_packages_that_is_none_is_a_fault(told: dict[str, object]) -> None:
    with pytest.raises(InputError, match="no object"):
        _gaps("package-lock.json", json.dumps({"lockfileVersion": 3, **told}))


def _gaps(path: str, text: str) -> list[tuple[str, str]]:
    reader = reader_of(path)
    assert reader is not None
    (file,) = reader(text.encode(), path, Written({}))
    return [(gap.kind, gap.reason) for gap in file.gaps]
