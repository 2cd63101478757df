"""What is to be run for each lock file."""

from __future__ import annotations

import pytest

from haechi.model.package import PackageFile
from haechi.scan.deps.fixing.commands import Command, Locking, commands_of
from haechi.scan.deps.fixing.plan import Upgrade
from haechi.scan.deps.fixing.ways import Way
from tests.scan.deps.fixing.worlds import package


def upgrade(name: str, to: str, way: Way = Way.LOCK, *, major: bool = False) -> Upgrade:
    return Upgrade(
        ecosystem="PyPI",
        name=name,
        spelled=name,
        version="1.0.0",
        to=to,
        packages=(0,),
        location=package(name, "1").location,
        clears=("CVE-1",),
        way=way,
        major=major,
    )


def commands(
    format: str, *upgrades: Upgrade, text: str = "", path: str = "", beside: str = ""
) -> list[str]:
    file = PackageFile(path=path or format, format=format, ecosystem="PyPI")
    locking = Locking(
        file=file, upgrades=upgrades, text=text, beside=frozenset(filter(None, [beside]))
    )
    return [str(one) for one in commands_of(locking)]


QUIET = "--ignore-scripts --no-audit --no-fund"


@pytest.mark.parametrize(
    ("format", "way", "expected"),
    [
        ("uv.lock", Way.LOCK, ["uv lock --upgrade-package 'low>=1.2.3,<2'"]),
        ("poetry.lock", Way.MANIFEST, ["poetry update --lock --no-interaction low"]),
        ("package-lock.json", Way.MANIFEST, [f"npm install --package-lock-only {QUIET}"]),
        (
            "package-lock.json",
            Way.LOCK,
            [f"npm update --package-lock-only --no-save {QUIET} low"],
        ),
        ("yarn.lock", Way.MANIFEST, ["yarn install --ignore-scripts --non-interactive"]),
        (
            "yarn.lock",
            Way.LOCK,
            [
                "yarn install --ignore-scripts --non-interactive"
                "  # after deleting the entries of low 1.0.0 from yarn.lock"
            ],
        ),
        ("go.mod", Way.MANIFEST, ["go get low@v1.2.3", "go mod tidy"]),
        ("Cargo.lock", Way.LOCK, ["cargo update --package low@1.0.0 --precise 1.2.3"]),
        ("Gemfile.lock", Way.LOCK, ["bundle lock --conservative --update low"]),
        ("packages.lock.json", Way.LOCK, ["dotnet restore --force-evaluate"]),
        ("pom.xml", Way.MANIFEST, []),
        ("requirements.txt", Way.MANIFEST, []),
    ],
)
def test_tools_by_lock_file(format: str, way: Way, expected: list[str]) -> None:
    assert commands(format, upgrade("low", "1.2.3", way)) == expected


def test_a_major_upgrade_has_no_upper_end() -> None:
    (line,) = commands("uv.lock", upgrade("low", "2.0.0", major=True))
    assert line == "uv lock --upgrade-package 'low>=2.0.0'"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("# pip-compile r.in\nlow==1.0.0 --hash=sha256:0\n",
         "pip-compile --upgrade-package 'low>=1.2.3,<2' --generate-hashes"
         " --output-file r.txt r.in"),
        ("# uv pip compile r.in\nlow==1.0.0\n",
         "uv pip compile --upgrade-package 'low>=1.2.3,<2' r.in --output-file r.txt"),
    ],
    ids=["pip-compile", "uv"],
)  # fmt: skip
def test_compiled_requirements(text: str, expected: str) -> None:
    made = commands(
        "requirements.txt", upgrade("low", "1.2.3"), text=text, path="r.txt", beside="r.in"
    )
    assert made == [expected]


def test_berry_is_told_by_its_lock_file() -> None:
    made = commands("yarn.lock", upgrade("low", "1.2.3"), text="__metadata:\n  version: 8\n")
    assert made == ["yarn up --recursive --mode=update-lockfile low"]


def test_commands_name_their_folder_and_what_they_write() -> None:
    file = PackageFile(path="a b/go.mod", format="go.mod", ecosystem="Go")
    first, _ = commands_of(Locking(file=file, upgrades=(upgrade("x.io/y", "v1.2.3"),)))
    assert str(first) == "(cd 'a b' && go get x.io/y@v1.2.3)"
    assert first.writes == ("a b/go.mod", "a b/go.sum")


@pytest.mark.parametrize("format", ["gradle.lockfile", "Gemfile.lock", "packages.lock.json"])
def test_what_evaluates_the_projects_build_is_told_and_not_run(format: str) -> None:
    file = PackageFile(path=format, format=format, ecosystem="Maven")
    (made,) = commands_of(Locking(file=file, upgrades=(upgrade("g:a", "1.2.3"),)))
    assert not made.runs


@pytest.mark.parametrize(
    ("format", "careful"),
    [
        ("pnpm-lock.yaml", ("--ignore-pnpmfile",)),
        ("pdm.lock", ("--skip", ":all")),
        ("poetry.lock", ("--no-plugins",)),
    ],
)
def test_hooks_of_the_project_are_off_when_nobody_watches(
    format: str, careful: tuple[str, ...]
) -> None:
    file = PackageFile(path=format, format=format, ecosystem="npm")
    (made,) = commands_of(Locking(file=file, upgrades=(upgrade("low", "1.2.3"),)))
    assert made.careful == careful
    assert not set(careful) & set(str(made).split())


@pytest.mark.parametrize("name", ["--global", "-x", "a b", "$(id)", "a;b", ""])
def test_names_that_could_be_options_are_left_out(name: str) -> None:
    assert commands("package-lock.json", upgrade(name, "1.2.3")) == []


@pytest.mark.parametrize("version", ["--precise", "1 2", "$(id)"])
def test_versions_too(version: str) -> None:
    assert commands("Cargo.lock", upgrade("low", version)) == []


def test_uv_builds_nothing_when_it_is_run_for_somebody() -> None:
    file = PackageFile(path="uv.lock", format="uv.lock", ecosystem="PyPI")
    (made,) = commands_of(Locking(file=file, upgrades=(upgrade("low", "1.2.3"),)))
    assert isinstance(made, Command)
    assert made.careful == ("--no-build",)
