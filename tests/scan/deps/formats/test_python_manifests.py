"""pyproject.toml, setup.cfg and setup.py: what is asked for, never run."""

from __future__ import annotations

import pytest

from haechi.errors import InputError
from haechi.model.package import PackageFile, Source
from tests.scan.deps.formats.written import Written, told

PYPROJECT = """\
[project]
name = "shop"
version = "1"
dependencies = [
    "Flask>=2",
    "requests[socks]==2.31.0",
    "lib @ git+https://u:p@example.org/lib.git",
]
[project.optional-dependencies]
fast = ["numpy"]
[dependency-groups]
test = ["pytest", {include-group = "lint"}]
[tool.uv]
dev-dependencies = ["ruff==0.1"]
[tool.poetry.dependencies]
python = "^3.11"
django = "^4.2"
pinned = "4.2.1"
extra = {version = "*", optional = true}
local = {path = "../local"}
several = [{version = "1.0", python = "<3.9"}, {version = ">=2"}]
[tool.poetry.group.docs.dependencies]
sphinx = "*"
"""


def _view(file: PackageFile) -> list[tuple[str, str, str, str, int]]:
    return [
        (
            one.name,
            one.version,
            one.constraint,
            "dev" if one.development else "optional" if one.optional else "",
            one.location.line,
        )
        for one in file.packages
    ]


def test_pyproject() -> None:
    file = told("pyproject.toml", PYPROJECT)
    assert not file.pins
    assert file.name == "shop"
    assert {one.direct for one in file.packages} == {True}
    assert _view(file) == [
        ("flask", "", ">=2", "", 5),
        ("requests", "2.31.0", "==2.31.0", "", 6),
        ("lib", "", "", "", 7),
        ("numpy", "", "", "optional", 10),
        ("pytest", "", "", "dev", 12),
        ("ruff", "0.1", "==0.1", "dev", 14),
        ("django", "", "^4.2", "", 17),
        ("pinned", "4.2.1", "4.2.1", "", 18),
        ("extra", "", "", "optional", 19),
        ("local", "", "", "", 20),
        ("several", "1.0", "1.0", "", 21),
        ("several", "", ">=2", "", 21),
        ("sphinx", "", "", "dev", 23),
    ]
    assert file.packages[2].source is Source.GIT
    assert file.packages[2].url == "git+https://example.org/lib.git"
    assert file.packages[9].source is Source.PATH


def test_a_file_that_only_configures_tools_tells_nothing() -> None:
    tree = Written({"pyproject.toml": "[tool.ruff]\nline-length = 100\n"})
    assert tree.all("pyproject.toml") == []


def test_setup_cfg() -> None:
    file = told(
        "setup.cfg",
        """\
        [metadata]
        name = shop
        [options]
        install_requires =
            flask>=2
            tomli; python_version < "3.11"
        [options.extras_require]
        dev = pytest
        """,
    )
    assert _view(file) == [
        ("flask", "", ">=2", "", 5),
        ("tomli", "", "", "", 6),
        ("pytest", "", "", "optional", 1),
    ]


def test_setup_py_is_read_not_run() -> None:
    file = told(
        "setup.py",
        """\
        import os
        from setuptools import setup
        raise SystemExit(os.environ["HOME"])
        BASE = ["flask>=2", "attrs==21.1"]
        setup(
            name="shop",
            install_requires=BASE + ["click"],
            extras_require={"x": ["numpy"]},
        )
        """,
    )
    assert _view(file) == [
        ("flask", "", ">=2", "", 4),
        ("attrs", "21.1", "==21.1", "", 4),
        ("click", "", "", "", 7),
        ("numpy", "", "", "optional", 8),
    ]
    assert file.gaps == ()


@pytest.mark.parametrize(
    "value",
    ["read('requirements.txt')", "[x for x in y]", "A", "B + ['c']", "open('f').read()"],
)
def test_what_setup_py_computes_is_a_gap(value: str) -> None:
    text = f"B = ['a']\nB += ['b']\nsetup(install_requires={value})\n"
    (gap,) = told("setup.py", text).gaps
    assert (gap.kind, gap.path) == ("computed", "setup.py:3")


def test_lists_that_name_each_other_end() -> None:
    names = "".join(f"A{n} = [{', '.join([f'A{n + 1}'] * 50)}]\n" for n in range(9))
    file = told("setup.py", names + "A9 = ['x']\nsetup(install_requires=A0)\n")
    assert [gap.kind for gap in file.gaps] == ["computed"]


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("setup.py", "setup(\n"),
        ("setup.py", "x = " + "(" * 5000),
        ("setup.cfg", "no section\n"),
        ("pyproject.toml", "[project\n"),
    ],
    ids=["syntax", "deep", "cfg", "toml"],
)
def test_broken_manifests(path: str, text: str) -> None:
    with pytest.raises(InputError):
        Written({path: text}).all(path)
