"""Pipfile.lock and pylock.toml."""

from __future__ import annotations

from haechi.model.package import Source
from tests.scan.deps.formats.written import Written, named, needs, told

PIPFILE_LOCK = """\
{
    "_meta": {"hash": {"sha256": "x"}, "sources": [{"url": "https://u:p@pypi.org/simple"}]},
    "default": {
        "Django_Rest": {
            "hashes": ["sha256:aa", "sha256:bb"],
            "index": "pypi",
            "version": "==3.0"
        },
        "urllib3": {"version": "==1.26"},
        "ours": {"git": "https://u:p@example.org/ours.git", "ref": "abc"}
    },
    "develop": {
        "urllib3": {"version": "==1.26"},
        "pytest": {
            "version": "==7.0"
        }
    }
}
"""
PIPFILE = """\
[packages]
django-rest = "*"
[dev-packages]
pytest = {version = ">=7", extras = ["x"]}
"""


def test_categories_of_pipenv() -> None:
    file = told("Pipfile.lock", PIPFILE_LOCK)
    assert [(one.name, one.version, one.development) for one in file.packages] == [
        ("django-rest", "3.0", False),
        ("urllib3", "1.26", False),
        ("ours", "", False),
        ("pytest", "7.0", True),
    ]
    assert named(file, "django-rest").spelled == "Django_Rest"
    assert named(file, "django-rest").digests == ("sha256:aa", "sha256:bb")
    assert [one.location.line for one in file.packages] == [4, 9, 10, 14]
    assert named(file, "ours").source is Source.GIT
    assert named(file, "ours").url == "https://example.org/ours.git"
    assert {one.direct for one in file.packages} == {None}


def test_pipfile_beside_tells_what_is_direct() -> None:
    tree = Written({"Pipfile.lock": PIPFILE_LOCK, "Pipfile": PIPFILE})
    file = tree.told("Pipfile.lock")
    assert [file.packages[at].name for at in file.requires] == ["django-rest", "pytest"]


def test_pipfile_alone() -> None:
    file = told("Pipfile", PIPFILE)
    assert not file.pins
    assert [(one.name, one.constraint, one.development) for one in file.packages] == [
        ("django-rest", "", False),
        ("pytest", ">=7", True),
    ]
    assert [one.location.line for one in file.packages] == [2, 4]


PYLOCK = """\
lock-version = "1.0"
created-by = "test"
default-groups = ["base"]

[[packages]]
name = "Attrs"
version = "25.1.0"
wheels = [{name = "attrs.whl", hashes = {sha256 = "c7", md5 = "a"}}]

[[packages]]
name = "cattrs"
version = "24.1.2"
dependencies = [{name = "attrs"}]

[[packages]]
name = "numpy"
version = "2.0"
marker = "'dev' in dependency_groups"

[[packages]]
name = "based"
version = "1"
marker = "'base' in dependency_groups"

[[packages]]
name = "both"
version = "1"
marker = "'dev' in dependency_groups or 'x' in extras"

[[packages]]
name = "plain"
version = "1"
marker = "'dev' in dependency_groups or python_version < '3.12'"

[[packages]]
name = "ours"
vcs = {type = "git", url = "https://u:p@example.org/o.git", commit-id = "a"}

[[packages]]
name = "here"
directory = {path = "."}

[[packages]]
name = "thing"
archive = {url = "https://example.org/t.zip", hashes = {sha256 = "d"}}
"""


def test_pylock() -> None:
    file = told("pylock.dev.toml", PYLOCK)
    assert needs(file) == {"cattrs": ["attrs"]}
    assert named(file, "attrs").digests == ("sha256:c7", "md5:a")
    assert [one.name for one in file.packages if one.development] == ["numpy"]
    assert [one.name for one in file.packages if one.optional] == ["both"]
    assert [(one.name, one.source, one.url) for one in file.packages[-3:]] == [
        ("ours", Source.GIT, "https://example.org/o.git"),
        ("here", Source.PATH, "."),
        ("thing", Source.URL, "https://example.org/t.zip"),
    ]
    assert named(file, "cattrs").location.line == 10
