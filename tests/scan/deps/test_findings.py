"""Vulnerable packages as findings: how bad, how told, and what stays the same over time."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from haechi.model.advisory import Advisory, Affected, Range, Risk, Symbols, Vulnerability
from haechi.model.config import Config, DepsSection, Development
from haechi.model.finding import Finding
from haechi.model.location import Location
from haechi.model.package import Package, PackageFile, Source
from haechi.model.severity import Severity
from haechi.scan.deps.findings import Told, findings_of, severity_of
from haechi.scan.deps.matching import Matching
from haechi.scan.deps.versions import upgrade_of
from haechi.scan.deps.words import title_of, url_of
from tests.scan.deps.advised import (
    CRITICAL,
    PYPROJECT,
    UV,
    database,
    file_of,
    findings,
    look,
    package,
    rated,
)
from tests.world.advisories.records import affected, record

DAY = dt.date(2026, 1, 2)
EXPLOITED = Risk(cve="CVE-2024-1", exploited_since=DAY)


def vulnerability(
    severity: Severity | None = Severity.MEDIUM,
    *,
    risk: Risk | None = None,
    fixed: tuple[str, ...] = ("2.0",),
    **more: Any,
) -> Vulnerability:
    """CVE-2024-1 of demo below 2.0."""
    advisory = Advisory(
        id="CVE-2024-1",
        summary="demo runs what it reads",
        severity=severity,
        affected=(Affected(ecosystem="PyPI", name="demo", ranges=(Range("1.0", "2.0"),)),),
        **more,
    )
    return Vulnerability(
        id="CVE-2024-1", ids=("CVE-2024-1", "GHSA-1"), advisory=advisory, fixed=fixed, risk=risk
    )


def told(
    *packages: Package,
    known: Vulnerability | None = None,
    config: Config | None = None,
    **more: Any,
) -> Told:
    """Findings of a file in which every package called demo is vulnerable."""
    file = file_of(*packages, **more)
    hit = {
        (0, index): (known or vulnerability(),)
        for index, one in enumerate(packages)
        if one.name == "demo"
    }
    return findings_of([file], Matching(hit, {}), config or Config())


def one(*packages: Package, **more: Any) -> Finding:
    (finding,) = told(*packages, **more).findings
    return finding


def deps(development: Development) -> Config:
    return Config(deps=DepsSection(development=development))


@pytest.mark.parametrize(
    ("known", "config", "development", "expected"),
    [
        (vulnerability(Severity.LOW), Config(), False, Severity.LOW),
        (vulnerability(None), Config(), False, Severity.MEDIUM),
        (vulnerability(Severity.LOW, risk=EXPLOITED), Config(), False, Severity.HIGH),
        (vulnerability(Severity.CRITICAL, risk=EXPLOITED), Config(), False, Severity.CRITICAL),
        (vulnerability(None, malicious=True), Config(), True, Severity.CRITICAL),
        (vulnerability(Severity.HIGH), Config(), True, Severity.HIGH),
        (vulnerability(Severity.HIGH), deps(Development.LOWER), True, Severity.MEDIUM),
        (vulnerability(Severity.HIGH), deps(Development.LOWER), False, Severity.HIGH),
        (vulnerability(Severity.INFO), deps(Development.LOWER), True, Severity.INFO),
        (vulnerability(), Config(severity={"GHSA-1": Severity.INFO}), False, Severity.INFO),
    ],
    ids=[
        "rated", "unrated", "exploited", "exploited and critical", "malicious",
        "development as any other", "development lowered", "shipped is not lowered",
        "nothing below info", "haechi.yaml by an alias",
    ],
)  # fmt: skip
def test_severity(
    known: Vulnerability, config: Config, development: bool, expected: Severity
) -> None:
    assert severity_of(known, config, development=development) is expected


def test_message_says_package_range_fix_and_way() -> None:
    web = package("web", "3.0", needs=(1,))
    finding = one(web, package("demo"), requires=(0,), name="shop")
    assert finding.message == (
        "demo 1.5: demo runs what it reads (affects >=1.0, <2.0); fixed in 2.0; "
        "comes in by shop → web → demo"
    )
    assert finding.evidence["path"] == ["shop", "web", "demo"]
    assert (finding.rule, finding.aliases) == ("CVE-2024-1", ("GHSA-1",))
    assert (finding.domain, finding.resource) == ("deps", "pkg:pypi/demo@1.5")
    assert finding.upgrade == "2.0"
    assert not finding.fixable


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"known": vulnerability(None)}, "not rated"),
        ({"known": vulnerability(risk=EXPLOITED)}, "known to be exploited since 2026-01-02"),
        ({"known": vulnerability(fixed=())}, "no fixed version is known"),
        ({"known": vulnerability(fixed=("1.4",))}, "see the advisory for a fix"),
        ({"known": vulnerability(malicious=True)}, "demo 1.5 is malicious"),
    ],
    ids=["not rated", "exploited", "no fix", "no fix above", "malicious"],
)
def test_message_says_what_else_matters(more: dict[str, Any], words: str) -> None:
    assert words in one(package("demo"), **more).message


def test_development_is_tagged_and_said() -> None:
    finding = one(package("demo", development=True))
    assert "development" in finding.tags
    assert "for development only" in finding.message


def test_development_left_out_is_counted_and_malicious_is_not_left_out() -> None:
    ignoring = deps(Development.IGNORE)
    found = told(package("demo", development=True), config=ignoring)
    assert (found.findings, found.ignored) == ([], 1)
    kept = told(package("demo"), package("demo", "1.6", development=True), config=ignoring)
    assert len(kept.findings) == 1
    bad = vulnerability(malicious=True)
    assert told(package("demo", development=True), config=ignoring, known=bad).findings


def test_several_versions_are_one_finding_that_lists_them() -> None:
    deep = replace(package("demo", "1.2"), location=Location(path="lock", line=1))
    finding = one(deep, package("demo", "1.5"), requires=(1,))
    assert finding.label == "demo 1.2, 1.5"
    assert finding.location.line == 3, "the one that the project itself asks for"
    assert finding.evidence["versions"] == [
        {"version": "1.2", "line": 1, "upgrade": "2.0"},
        {"version": "1.5", "line": 3, "upgrade": "2.0"},
    ]


def test_each_of_several_versions_has_its_own_ends_and_symbols() -> None:
    new, old = Symbols("demo", ("b",)), Symbols("demo", ("a",))
    answers = {
        (0, 0): (replace(vulnerability(fixed=("2.0",)), symbols=(new,)),),
        (0, 1): (replace(vulnerability(fixed=("1.3", "2.0")), symbols=(old,)),),
    }
    file = file_of(package("demo", "1.5"), package("demo", "1.2"))
    (finding,) = findings_of([file], Matching(found=answers, undecided={}), Config()).findings
    assert [one["upgrade"] for one in finding.evidence["versions"]] == ["2.0", "1.3"]
    assert [one["symbols"] for one in finding.evidence["symbols"]] == [["b"], ["a"]]


def test_no_version_and_no_line_is_part_of_the_fingerprint() -> None:
    moved = replace(package("demo", "1.9"), location=Location(path="lock", line=99))
    assert one(package("demo")).fingerprint == one(moved).fingerprint
    assert one(package("demo")).fingerprint != one(package("demo"), path="b").fingerprint


@pytest.mark.parametrize("name", ["CVE-2024-1", "GHSA-1"])
def test_rule_is_switched_off_by_any_id(name: str) -> None:
    assert told(package("demo"), config=Config(disable=[name])).findings == []


def test_lowest_fix_above_the_version_is_named_and_releases_come_first() -> None:
    known = vulnerability(fixed=("1.1", "1.6rc1", "1.6", "2.0"))
    assert one(package("demo"), known=known).upgrade == "1.6"


def test_without_a_fix_for_every_version_nothing_is_promised() -> None:
    known = vulnerability(fixed=("1.3",))
    finding = one(package("demo", "1.2"), package("demo", "1.5"), known=known)
    assert finding.upgrade is None


def test_standard_library_is_called_by_its_language() -> None:
    stdlib = package("stdlib", "1.22.0", ecosystem="Go", source=Source.STDLIB)
    file = PackageFile(path="go.mod", format="go.mod", ecosystem="Go", packages=(stdlib,))
    found = findings_of([file], Matching({(0, 0): (vulnerability(),)}, {}), Config())
    assert found.findings[0].label == "Go stdlib 1.22.0"


def test_rule_has_words_in_both_languages_and_a_page() -> None:
    rule = told(package("demo")).rules["CVE-2024-1"]
    assert rule.ko is not None
    assert rule.fix == "Upgrade to demo 2.0 or later."
    assert rule.ko.fix == "demo 2.0 이상으로 올리세요"
    assert rule.refs["url"] == ["https://nvd.nist.gov/vuln/detail/CVE-2024-1"]


@pytest.mark.parametrize(
    ("summary", "details", "expected"),
    [
        ("One thing.", "x", "One thing"),
        ("", "Demo is a library. It allows `full_load` to run code. More.",
         "Allows full_load to run code"),
        ("", "Demo is a tool. However, users may leak a cookie, i.e. all of it. More.",
         "Users may leak a cookie, i.e. all of it"),
        ("", "Demo is a small tool. When it starts, all is read by others. It is a pity.",
         "When it starts, all is read by others"),
        ("", "There is no workaround that does not allow it. `a.b`(https://x.example/a) crashes.",
         "a.b crashes"),
        ("", "This allows much. Demo before 2 allows to run code.",
         "Demo before 2 allows to run code"),
        ("", "Demo is a library.", "Demo is a library"),
        ("", "## Impact\n[The parser](https://x.example) leaks *all* of it.",
         "The parser leaks all of it"),
        ("", "", "Known vulnerability in demo"),
        ("a" * 300, "", "a" * 159 + "…"),
    ],
    ids=["summary", "told without its subject", "without what joins it",
         "no definition", "no remedy", "that stands alone", "first sentence", "markdown",
         "nothing", "long"],
)  # fmt: skip
def test_title(summary: str, details: str, expected: str) -> None:
    advisory = Advisory(id="X-1", summary=summary, details=details)
    assert title_of(Vulnerability(id="X-1", ids=("X-1",), advisory=advisory), "demo") == expected


@pytest.mark.parametrize(
    ("ids", "references", "expected"),
    [
        (("CVE-2024-1", "GHSA-a-b-c"), (), "https://github.com/advisories/GHSA-a-b-c"),
        (("CVE-2024-1", "GO-2024-1"), (), "https://pkg.go.dev/vuln/GO-2024-1"),
        (("CVE-2024-1/../x",), (), ""),
        (("OWN-1",), ("http://a.example", "https://b.example"), "https://b.example"),
        (("OWN-1",), ("javascript:x",), ""),
    ],
    ids=["GitHub", "Go", "no id", "reference", "no page"],
)
def test_page(ids: tuple[str, ...], references: tuple[str, ...], expected: str) -> None:
    known = Vulnerability(id=ids[0], ids=ids, advisory=Advisory(id=ids[0], references=references))
    assert url_of(known) == expected


def test_from_lock_file_to_finding(tmp_path: Path) -> None:
    known = record(
        "PYSEC-2024-1",
        affected("demo", ("introduced", "1.0"), ("fixed", "2.0")),
        aliases=["CVE-2024-1"],
        published="2024-02-03T00:00:00Z",
        **rated(CRITICAL),
    )
    with database(tmp_path / "db", [known]) as held:
        found = look(tmp_path / "t", {"uv.lock": UV, "pyproject.toml": PYPROJECT}, held)
    (finding,) = findings(found)
    assert (finding.rule, finding.severity) == ("CVE-2024-1", Severity.CRITICAL)
    assert finding.location.path == "uv.lock"
    assert finding.evidence["manifest"] == "pyproject.toml:4"
    assert finding.evidence["path"] == ["shop", "web", "demo"]
    assert (finding.evidence["score"], finding.evidence["published"]) == (9.8, dt.date(2024, 2, 3))
    assert found.known["CVE-2024-1"].since == dt.date(2024, 2, 3)
    assert not found.known["CVE-2024-1"].own


def test_an_upgrade_is_written_as_the_file_writes_versions() -> None:
    module = replace(package("demo", "v1.5.0"), ecosystem="Go")
    assert upgrade_of(module, vulnerability(fixed=("1.4.0", "1.6.0"))) == "v1.6.0"
    assert upgrade_of(replace(module, version="1.5.0"), vulnerability(fixed=("1.6.0",))) == "1.6.0"
