"""poetry.lock in its versions, and pdm.lock."""

from __future__ import annotations

import pytest

from haechi.model.package import Source
from tests.scan.deps.formats.written import Written, named, needs, told, versions

OLD = """\
[[package]]
name = "Requests"
version = "2.20.0"
category = "main"
optional = false

[package.dependencies]
urllib3 = ">=1.21"
PySocks = {version = ">=1.5", optional = true, markers = "extra == \\"socks\\""}

[package.extras]
socks = ["PySocks (>=1.5)"]

[[package]]
name = "pysocks"
version = "1.7.1"
category = "main"
optional = true

[[package]]
name = "pytest"
version = "5.0"
category = "dev"
optional = false

[[package]]
name = "urllib3"
version = "1.24"
category = "main"
optional = false

[metadata]
lock-version = "1.1"

[metadata.files]
Requests = [{file = "r.whl", hash = "sha256:aa"}]
pysocks = []
"""
NEW = """\
[[package]]
name = "anyio"
version = "4.0"
groups = ["main", "dev"]
files = [{file = "a.whl", hash = "sha256:cc"}]

[[package]]
name = "black"
version = "24.1"
groups = ["dev"]

[[package]]
name = "lib"
version = "0.1"
groups = ["main"]
[package.source]
type = "git"
url = "https://token@example.org/lib.git"
reference = "main"
resolved_reference = "abc"

[metadata]
lock-version = "2.1"
"""
BARE = """\
[[package]]
name = "flask"
version = "2.0"
optional = false
[package.dependencies]
jinja2 = "*"

[[package]]
name = "jinja2"
version = "3.0"
optional = false

[[package]]
name = "pytest"
version = "7.0"
optional = false
[package.dependencies]
jinja2 = "*"
pluggy = "*"

[[package]]
name = "pluggy"
version = "1.0"
optional = false

[metadata]
lock-version = "2.0"
"""
PROJECT = """\
[tool.poetry]
name = "shop"
version = "1.2"
[tool.poetry.dependencies]
python = "^3.11"
Flask = "^2"
[tool.poetry.group.test.dependencies]
pytest = "*"
"""


def test_categories_and_extras_of_old_locks() -> None:
    file = told("poetry.lock", OLD)
    assert versions(file) == {
        "requests": "2.20.0",
        "pysocks": "1.7.1",
        "pytest": "5.0",
        "urllib3": "1.24",
    }
    assert [one.name for one in file.packages if one.development] == ["pytest"]
    assert [one.name for one in file.packages if one.optional] == ["pysocks"]
    assert needs(file) == {"requests": ["urllib3", "pysocks"]}
    assert named(file, "requests").digests == ("sha256:aa",)
    assert {one.direct for one in file.packages} == {None}


def test_groups_of_new_locks() -> None:
    file = told("poetry.lock", NEW)
    assert [one.name for one in file.packages if one.development] == ["black"]
    lib = named(file, "lib")
    assert (lib.source, lib.url) == (Source.GIT, "https://example.org/lib.git")
    assert lib.location.line == 12


def test_roots_of_the_project_beside_decide_where_the_lock_is_silent() -> None:
    tree = Written({"a/poetry.lock": BARE, "a/pyproject.toml": PROJECT})
    file = tree.told("a/poetry.lock")
    assert (file.name, file.version) == ("shop", "1.2")
    assert [one.name for one in file.packages if one.development] == ["pytest", "pluggy"]
    assert [file.packages[at].name for at in file.requires] == ["flask", "pytest"]


def test_a_broken_project_beside_costs_only_the_roots() -> None:
    tree = Written({"poetry.lock": BARE, "pyproject.toml": "[tool"})
    assert {one.direct for one in tree.told("poetry.lock").packages} == {None}


def test_pdm() -> None:
    file = told(
        "pdm.lock",
        """\
        [metadata]
        groups = ["default", "test"]
        lock_version = "4.4"

        [[package]]
        name = "requests"
        version = "2.31.0"
        extras = ["socks"]
        groups = ["default"]
        dependencies = ["PySocks!=1.5.7,>=1.5.6", "requests==2.31.0"]

        [[package]]
        name = "pysocks"
        version = "1.7.1"
        groups = ["default"]

        [[package]]
        name = "ours"
        version = "1"
        groups = ["test"]
        git = "https://example.org/ours.git"
        """,
    )
    assert needs(file) == {"requests": ["pysocks"]}
    assert named(file, "ours").development
    assert named(file, "ours").source is Source.GIT


def test_groups_of_pdm_that_are_extras_of_the_project_are_shipped() -> None:
    lock = "[metadata]\ngroups = []\n" + "".join(
        f'[[package]]\nname = "{name}"\nversion = "1"\ngroups = {groups}\n'
        for name, groups in {
            "always": ["default", "Key_Ring"],
            "extra": ["all", "Key_Ring"],
            "both": ["Key_Ring", "doc"],
            "tool": ["doc"],
        }.items()
    )
    project = (
        '[project]\nname = "x"\n[project.optional-dependencies]\nkey-ring = ["extra"]\n'
        'all = []\n[dependency-groups]\ndoc = ["tool"]\n'
    )
    file = Written({"pdm.lock": lock, "pyproject.toml": project}).told("pdm.lock")
    assert {one.name: (one.development, one.optional) for one in file.packages} == {
        "always": (False, False),
        "extra": (False, True),
        "both": (False, True),
        "tool": (True, False),
    }


@pytest.mark.parametrize("name", ["poetry.lock", "pdm.lock"])
def test_empty_lock_is_an_empty_project(name: str) -> None:
    assert told(name, "").packages == ()
