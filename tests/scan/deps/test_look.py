"""The look at dependencies: what is told, what could not be said, what people accepted."""

from __future__ import annotations

import datetime as dt
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from haechi.errors import ConfigError
from haechi.model.waiver import WaiverOrigin
from haechi.world.advisories.reading import Advisories
from tests.scan.deps.advised import (
    CRITICAL,
    NOW,
    PYPROJECT,
    UV,
    database,
    findings,
    gaps,
    look,
    rated,
)
from tests.world.advisories.records import affected, record

DEMO = record("PYSEC-2024-9", aliases=["CVE-2024-9"], **rated(CRITICAL))
"""About demo from 1.0 to before 2.0."""
PINNED = {"requirements.txt": "demo==1.5\n"}


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Advisories]:
    with database(tmp_path_factory.mktemp("db"), [DEMO]) as opened:
        yield opened


@pytest.mark.parametrize(
    ("pinned", "found"), [("demo==1.5", True), ("demo==2.0", False), ("other==1.5", False)]
)
def test_what_is_affected_is_found(
    tmp_path: Path, held: Advisories, pinned: str, found: bool
) -> None:
    told = look(tmp_path, {"requirements.txt": pinned}, held)
    assert [one.rule for one in findings(told)] == (["CVE-2024-9"] if found else [])
    assert told.part.gaps == ()
    assert told.part.looked == {"lock files": 1, "packages": 1}
    assert "advisories:PyPI" in told.part.evaluated


def test_without_a_lock_file_nothing_is_imported(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("import demo\n")
    code = (
        "import sys; from pathlib import Path; from haechi.scan.setup import Setup;"
        "from haechi.model.config import Config; from haechi.world.files import Tree;"
        "from haechi.scan.deps.look import look_at_dependencies as look;"
        "setup = Setup(config=Config(), rules=(), expressions=list);"
        f"print(look(Tree(root=Path({str(tmp_path)!r})), setup).part.looked);"
        "print([name for name in sys.modules if 'advisories' in name or 'sqlite3' in name])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["{'lock files': 0}", "[]"]


# --- what could not be said ----------------------------------------------------------------------


def test_ecosystem_without_data_is_a_gap_and_not_evaluated(
    tmp_path: Path, held: Advisories
) -> None:
    lock = {"lockfileVersion": 3, "packages": {"node_modules/a": {"version": "1.0.0"}}}
    told = look(tmp_path, {"package-lock.json": json.dumps(lock), **PINNED}, held)
    (gap,) = gaps(told, "no-advisories")
    assert (gap.path, "npm" in gap.reason) == ("package-lock.json", True)
    assert gap.do.startswith("haechi db import npm")
    assert "advisories:npm" not in told.part.evaluated
    assert len(findings(told)) == 1


def test_without_a_database_packages_are_read_and_named_as_not_judged(tmp_path: Path) -> None:
    told = look(tmp_path, PINNED)
    assert [gap.kind for gap in told.part.gaps] == ["no-advisories"]
    assert [one.name for file in told.files for one in file.packages] == ["demo"]
    assert told.data == {}


@pytest.mark.parametrize(
    ("days", "kinds", "warned"),
    [(10, [], False), (31, [], True), (90, [], True), (91, ["stale-advisories"], False)],
)
def test_age_of_the_data(
    tmp_path: Path, held: Advisories, days: int, kinds: list[str], warned: bool
) -> None:
    # The newest record is of 2026-11-01.
    told = look(tmp_path, PINNED, held, now=NOW.replace(day=1) + dt.timedelta(days=days))
    assert [gap.kind for gap in told.part.gaps] == kinds
    assert bool(told.part.warnings) is warned
    assert ("advisories:PyPI" in told.part.evaluated) is not bool(kinds)
    assert findings(told), "what is known is told, however old"
    assert told.data == {"PyPI": dt.date(2026, 11, 1)}


def test_age_that_is_allowed_is_configured(tmp_path: Path, held: Advisories) -> None:
    told = look(tmp_path, PINNED, held, deps={"max_age_days": 5})
    assert [gap.kind for gap in told.part.gaps] == ["stale-advisories"]


def test_packages_that_cannot_be_judged_are_counted_by_file_and_reason(
    tmp_path: Path, held: Advisories
) -> None:
    lines = [
        "demo>=1.0",
        "a>=1", "b", "c",
        "git+https://example.org/x/y.git@abc#egg=y",
        "./own",
    ]  # fmt: skip
    told = look(tmp_path, {"requirements.txt": "\n".join(lines), "own/setup.py": ""}, held)
    (unpinned,) = gaps(told, "unpinned-package")
    assert unpinned.reason == "4 packages have no version: demo >=1.0, a >=1, b and 1 more"
    (foreign,) = gaps(told, "package-source")
    assert foreign.reason.startswith("1 package comes from git, a URL or an archive")
    assert not [gap for gap in told.part.gaps if "own" in gap.reason]


@pytest.mark.parametrize(
    ("path", "text", "count"),
    [
        ("requirements.txt", "./wheels/demo-1.5-py3-none-any.whl\n./own\n", 1),
        (
            "package-lock.json",
            json.dumps(
                {
                    "lockfileVersion": 3,
                    "packages": {
                        "": {"dependencies": {"demo": "file:demo-1.5.tgz", "own": "file:own"}},
                        "node_modules/demo": {"version": "1.5", "resolved": "file:demo-1.5.tgz"},
                        "node_modules/own": {"resolved": "own", "link": True},
                        "own": {"version": "1.0.0"},
                    },
                }
            ),
            1,
        ),
        (
            "pom.xml",
            "<project><artifactId>a</artifactId><dependencies><dependency><groupId>g</groupId>"
            "<artifactId>demo</artifactId><version>1.5</version><scope>system</scope>"
            "<systemPath>${basedir}/lib/demo.jar</systemPath></dependency></dependencies></project>",
            1,
        ),
    ],
    ids=["wheel", "tarball", "jar"],
)
def test_an_archive_in_the_tree_is_told_and_a_folder_is_not(
    tmp_path: Path, path: str, text: str, count: int
) -> None:
    (foreign,) = gaps(look(tmp_path, {path: text}), "package-source")
    assert "demo" in foreign.reason and foreign.reason.startswith(f"{count} package ")


def test_range_that_cannot_be_compared_is_told_by_its_id(tmp_path: Path) -> None:
    odd = record("PYSEC-2024-3", affected("demo", ("introduced", "0"), ("fixed", "not a version")))
    with database(tmp_path / "db", [odd]) as opened:
        told = look(tmp_path / "t", PINNED, opened)
    (gap,) = gaps(told, "undecided-version")
    assert "demo 1.5 (PYSEC-2024-3)" in gap.reason
    assert findings(told) == []


# --- a repository's own advisories ----------------------------------------------------------------


def test_own_advisories_come_besides_and_cover_nothing(tmp_path: Path) -> None:
    told = look(tmp_path, PINNED, own=[record("SHOP-2026-1")])
    assert [one.rule for one in findings(told)] == ["SHOP-2026-1"]
    assert [gap.kind for gap in told.part.gaps] == ["no-advisories"]
    assert told.known["SHOP-2026-1"].own
    assert "SHOP-2026-1" in told.part.evaluated


def test_own_advisory_about_a_known_vulnerability_adds_its_id(
    tmp_path: Path, held: Advisories
) -> None:
    told = look(tmp_path, PINNED, held, own=[record("SHOP-1", aliases=["CVE-2024-9"])])
    (finding,) = findings(told)
    assert (finding.rule, set(finding.aliases)) == ("CVE-2024-9", {"PYSEC-2024-9", "SHOP-1"})


def test_broken_own_advisory_is_a_gap(tmp_path: Path) -> None:
    files = {**PINNED, "own/a.json": "{"}
    told = look(tmp_path, files, own=[record("SHOP-1")])
    (gap,) = gaps(told, "advisory-syntax")
    assert gap.path == "own/a.json"


@pytest.mark.parametrize("place", ["nowhere", "..", "/etc"])
def test_own_advisories_lie_in_the_repository(tmp_path: Path, place: str) -> None:
    with pytest.raises(ConfigError, match=r"deps\.advisories"):
        look(tmp_path / "t", PINNED, deps={"advisories": [place]})


# --- what people accepted -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "files",
    [
        {"requirements.txt": "demo==1.5  # haechi:allow CVE-2024-9 not called\n"},
        {"requirements.txt": "# haechi:allow PYSEC-2024-9, a-b not called\n# so\n\ndemo==1.5\n"},
        {"requirements.txt": "demo==1.5\n# haechi:allow-file CVE-2024-9 not called\n"},
        {"uv.lock": UV, "pyproject.toml": PYPROJECT},
        {**PINNED, ".trivyignore": "# not called\nCVE-2024-9 exp:2027-01-01\n"},
        {**PINNED, "osv-scanner.toml": '[[IgnoredVulns]]\nid = "CVE-2024-9"\n'
            'ignoreUntil = 2027-01-01\nreason = "not called"\n'},
    ],
    ids=["behind", "above", "file", "manifest of what brings it in", "Trivy", "osv-scanner"],
)  # fmt: skip
def test_waivers_beside_a_dependency(
    tmp_path: Path, held: Advisories, files: dict[str, str]
) -> None:
    told = look(tmp_path, files, held)
    (finding,) = findings(told)
    (waiver,) = told.part.waivers
    assert waiver.fingerprint == finding.fingerprint
    peer = ".trivyignore" in files or "osv-scanner.toml" in files
    assert waiver.origin is (WaiverOrigin.PEER if peer else WaiverOrigin.INLINE)
    assert (waiver.expires == dt.date(2027, 1, 1)) is peer
    assert waiver.reason in ("not called", "nobody calls that")


@pytest.mark.parametrize(
    "text",
    [
        "demo==1.5\n\nother==1  # haechi:allow CVE-2024-9\n",
        "demo==1.5  # haechi:allow CVE-2024-99\n",
        "# haechi:allow CVE-2024-9\nother==1\ndemo==1.5\n",
        "demo==1.5  # haechi:allow-file CVE-2024-9\n",
    ],
    ids=["another line", "another id", "another line below", "a file's must stand alone"],
)
def test_what_waives_nothing(tmp_path: Path, held: Advisories, text: str) -> None:
    assert look(tmp_path, {"requirements.txt": text}, held).part.waivers == ()


@pytest.mark.parametrize(
    ("name", "judged"),
    [("CVE-2024-9", True), ("PYSEC-2024-9", True), ("CVE-1999-1", False)],
)
def test_vulnerabilities_that_waivers_name_were_judged_when_the_data_knows_them(
    tmp_path: Path, held: Advisories, name: str, judged: bool
) -> None:
    files = {"requirements.txt": "demo==2.0\n"}
    told = look(tmp_path, files, held, vulnerabilities=frozenset({name}))
    assert (name in told.part.evaluated) is judged


def test_vulnerability_of_old_data_was_not_judged(tmp_path: Path, held: Advisories) -> None:
    late = NOW + dt.timedelta(days=365)
    asked = frozenset({"CVE-2024-9"})
    told = look(tmp_path, {"requirements.txt": "demo==2.0"}, held, now=late, vulnerabilities=asked)
    assert "CVE-2024-9" not in told.part.evaluated
