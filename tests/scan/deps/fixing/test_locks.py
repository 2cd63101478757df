"""Lock files renewed: what a tool may not do, and what Yarn 1 has to be made to forget."""

from __future__ import annotations

from pathlib import Path

import pytest

from haechi.scan.deps.fixing.commands import Command
from haechi.scan.deps.fixing.locks import forgotten
from haechi.scan.deps.fixing.own_code import own_code

YARN = """\
# yarn lockfile v1


"@a/low@^1.0.0":
  version "1.0.0"

low@1.0.0, low@^1.0.0:
  version "1.0.0"
  resolved "https://registry.example/low-1.0.0.tgz"

low@^2.0.0:
  version "2.0.0"

lower@^1.0.0:
  version "1.0.0"
"""


def test_entries_of_one_version_are_forgotten() -> None:
    step = Command(argv=("yarn", "install"), forgets=(("low", "1.0.0"),))
    left = forgotten(YARN.encode(), step).decode()
    gone = YARN[YARN.index("low@1.0.0,") : YARN.index("low@^2.0.0")]
    assert left == YARN.replace(gone, "")


def test_a_scoped_name_is_forgotten_too() -> None:
    step = Command(argv=("yarn", "install"), forgets=(("@a/low", "1.0.0"),))
    left = forgotten(YARN.encode(), step).decode()
    assert "@a/low" not in left
    assert "low@1.0.0, low@^1.0.0" in left


@pytest.mark.parametrize(
    ("tool", "name", "text", "stops"),
    [
        ("yarn", ".yarnrc.yml", "plugins:\n  - ./evil.cjs\n", True),
        ("yarn", ".yarnrc.yml", '"plugins": [./evil.cjs]\n', True),
        ("yarn", ".yarnrc.yml", "npmRegistryServer: https://r.example\n", False),
        ("cargo", ".cargo/config.toml", "[build]\nrustc = './evil'\n", True),
        ("cargo", ".cargo/config", "[registry]\nglobal-credential-providers = ['x']\n", True),
        ("cargo", ".cargo/config.toml", "[source.crates-io]\nreplace-with = 'm'\n", False),
        ("poetry", "pyproject.toml", "[tool.poetry.requires-plugins]\nx = '1'\n", True),
        ("poetry", "pyproject.toml", "[tool.poetry.dependencies]\nx = {path = '../x'}\n", True),
        ("poetry", "pyproject.toml", "[tool.poetry.dependencies]\nx = '^1'\n", False),
        ("pip-compile", "requirements.in", "-e .\n", True),
        ("pip-compile", "requirements.in", "x\n./local\n", True),
        ("pip-compile", "requirements.in", "x @ git+https://h.example/x\n", True),
        ("pip-compile", "requirements.in", "x>=1  # from ./here\n-r other.in\n", False),
        ("pdm", "pyproject.toml", "dependencies = ['x @ file:///x']\n", True),
        ("pipenv", "Pipfile", "x = {path = '.', editable = true}\n", True),
        ("pipenv", "Pipfile", "x = '*'\n", False),
        ("npm", ".npmrc", "anything\n", False),
    ],
)
def test_a_tool_that_would_run_code_of_the_project_is_not_started(
    tmp_path: Path, tool: str, name: str, text: str, stops: bool
) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    (tmp_path / "inner").mkdir()
    for folder in ("", "inner"):
        assert bool(own_code(Command(argv=(tool, "lock"), folder=folder), tmp_path)) is stops
