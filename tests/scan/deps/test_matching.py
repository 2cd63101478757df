"""What two sources say of one package: one vulnerability once, each package asked once."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from msgspec.structs import replace

from haechi.model.advisory import Advisory, Vulnerability
from haechi.model.location import Location
from haechi.model.package import Package, Source
from haechi.model.severity import Severity
from haechi.scan.deps.matching import Sources, joined, judged, match
from haechi.world.advisories.shapes import Matched, Undecided
from tests.scan.deps.advised import database, file_of, package
from tests.world.advisories.records import affected, record

Rated = tuple[Severity, float] | None


def vulnerability(*ids: str, fixed: Sequence[str] = ()) -> Vulnerability:
    return Vulnerability(id=ids[0], ids=ids, advisory=Advisory(id=ids[0]), fixed=tuple(fixed))


def test_what_both_know_is_told_once_with_all_ids_and_fixes() -> None:
    first = Matched(vulnerabilities=(vulnerability("CVE-1", "GHSA-1", fixed=["2.0"]),))
    second = Matched(vulnerabilities=(vulnerability("GHSA-1", "OWN-1", fixed=["1.9"]),))
    (one,) = joined(first, second).vulnerabilities
    assert (one.id, one.ids, one.fixed) == ("CVE-1", ("CVE-1", "GHSA-1", "OWN-1"), ("2.0", "1.9"))


HIGH, CRITICAL = (Severity.HIGH, 7.5), (Severity.CRITICAL, 9.8)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (None, CRITICAL, CRITICAL),
        (CRITICAL, None, CRITICAL),
        (HIGH, CRITICAL, CRITICAL),
        (CRITICAL, HIGH, CRITICAL),
        (None, None, None),
    ],
    ids=["only second", "only first", "second worse", "first worse", "neither"],
)
def test_the_worse_rating_counts_and_the_words_of_the_first(
    first: Rated, second: Rated, expected: Rated
) -> None:
    (one,) = joined(
        Matched(vulnerabilities=(rated("CVE-1", first, "first"),)),
        Matched(vulnerabilities=(rated("CVE-1", second, "second"),)),
    ).vulnerabilities
    severity, score = expected or (None, None)
    assert (one.advisory.severity, one.advisory.score) == (severity, score)
    assert one.advisory.summary == "first"


def rated(id_: str, rating: Rated, summary: str) -> Vulnerability:
    severity, score = rating or (None, None)
    advisory = Advisory(id=id_, severity=severity, score=score, summary=summary)
    return Vulnerability(id=id_, ids=(id_,), advisory=advisory)


def test_different_ones_stand_side_by_side() -> None:
    both = joined(
        Matched(vulnerabilities=(vulnerability("CVE-1"),)),
        Matched(vulnerabilities=(vulnerability("CVE-2"),)),
    )
    assert [one.id for one in both.vulnerabilities] == ["CVE-1", "CVE-2"]


def test_what_one_source_is_sure_of_is_not_undecided() -> None:
    about = Advisory(id="CVE-1")
    unsure = Undecided(id="CVE-1", ids=("CVE-1",), why="no version", advisory=about)
    sure = Matched(vulnerabilities=(vulnerability("OWN-1", "CVE-1"),))
    assert joined(Matched(undecided=(unsure,)), sure).undecided == ()
    assert joined(Matched(undecided=(unsure,)), Matched()).undecided == (unsure,)


@pytest.mark.parametrize(
    ("one", "asked"),
    [
        (package("a"), True),
        (package("a", source=Source.STDLIB), True),
        (package("a", source=Source.STDLIB, constraint=">=1.5"), False),
        (package("a", ""), False),
        (package("a", source=Source.GIT), False),
        (package("a", source=Source.WORKSPACE), False),
    ],
    ids=["registry", "stdlib", "least stdlib", "no version", "git", "workspace"],
)
def test_only_packages_with_a_name_and_a_version_are_asked_for(one: Package, asked: bool) -> None:
    assert judged(one) is asked


def test_each_place_of_a_package_gets_the_answer(tmp_path: Path) -> None:
    files = [file_of(package("demo"), package("other")), file_of(package("demo"), path="b")]
    with database(tmp_path, [record()]) as held:
        found = match(files, Sources(held))
    assert sorted(found.found) == [(0, 0), (1, 0)]
    assert found.own == frozenset()


def test_ids_of_a_name_are_those_of_the_whole_vulnerability(tmp_path: Path) -> None:
    with database(tmp_path, [record(aliases=["CVE-2024-1"])]) as held:
        ids = Sources(held).ids_of("CVE-2024-1")
    assert ids == {"PyPI": frozenset({"PYSEC-2024-1", "CVE-2024-1"})}
    assert Sources().ids_of("CVE-2024-1") == {}


def test_two_cves_that_one_record_is_about_stay_two() -> None:
    first = Matched(
        vulnerabilities=(vulnerability("CVE-2024-1", "GO-9"), vulnerability("CVE-2024-2", "GO-9"))
    )
    second = Matched(vulnerabilities=(vulnerability("CVE-2024-2", "GO-9", fixed=["3"]),))
    told = joined(first, second).vulnerabilities
    assert [(one.id, one.fixed) for one in told] == [("CVE-2024-1", ()), ("CVE-2024-2", ("3",))]
    other = Matched(vulnerabilities=(vulnerability("CVE-2024-3", "GO-9"),))
    assert len(joined(first, other).vulnerabilities) == 3


def test_a_release_that_the_data_never_speaks_of_is_not_covered(tmp_path: Path) -> None:
    """An answer of "nothing" about it would be no answer."""
    about = affected("openssl", ("introduced", "0"), ("fixed", "3.0.12"), ecosystem="Debian:12")
    with database(tmp_path, [record("DSA-1", about)], "Debian") as advisories:
        states = Sources(advisories).states(["Debian:12", "Debian:12.5", "Debian", "npm"])
        assert {name for name, state in states.items() if state} == {"Debian:12"}


def test_packages_of_distributions_are_asked_by_their_source_package(tmp_path: Path) -> None:
    about = affected("openssl", ("introduced", "0"), ("fixed", "3.0.12"), ecosystem="Debian:12")
    with database(tmp_path, [record("DSA-1", about)], "Debian") as advisories:
        binary = Package(
            ecosystem="Debian:12",
            name="libssl3",
            version="3.0.11",
            location=Location(path="bom.json"),
            source_package="openssl",
        )
        assert advisories.bulk([binary])[0].vulnerabilities
        assert not advisories.bulk([replace(binary, source_package="")])[0].vulnerabilities
