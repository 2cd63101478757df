"""Aliases join records to vulnerabilities; the leading id is the one that people look for."""

from __future__ import annotations

import itertools

import pytest

from haechi.world.advisories.groups import MOST_CVES, grouped, leading, names_in, ordered


def test_aliases_join_across_sources_in_both_directions_and_in_any_order() -> None:
    records = [
        ("PYSEC-1", ("CVE-2024-1",)),
        ("GHSA-a", ("PYSEC-1",)),
        ("GO-9", ("GHSA-a",)),
        ("GHSA-other", ()),
    ]
    for order in itertools.permutations(records):
        found = grouped(order)
        assert {found[one] for one in ("PYSEC-1", "GHSA-a", "GO-9")} == {("CVE-2024-1",)}
        assert found["GHSA-other"] == ("GHSA-other",)


def test_the_lowest_cve_leads_by_number_then_ghsa_then_the_first_in_order() -> None:
    assert leading(["GHSA-x", "CVE-2024-10000", "CVE-2024-9999"]) == "CVE-2024-9999"
    assert leading(["PYSEC-1", "GHSA-x"]) == "GHSA-x"
    assert ordered(["RUSTSEC-2", "PYSEC-1", "PYSEC-1"]) == ("PYSEC-1", "RUSTSEC-2")


BUNDLE = ("GO-9", ("CVE-2024-2", "CVE-2024-1", "GHSA-a", "GHSA-b"))
OF_BUNDLE = [
    BUNDLE,
    ("GHSA-a", ("CVE-2024-1", "GO-9")),
    ("GHSA-b", ("CVE-2024-2", "GO-9")),
    ("PYSEC-1", ("GHSA-b",)),
]


def test_a_record_about_several_cves_is_about_each_and_joins_none() -> None:
    for order in itertools.permutations(OF_BUNDLE):
        assert grouped(order) == {
            "GO-9": ("CVE-2024-1", "CVE-2024-2"),
            "GHSA-a": ("CVE-2024-1",),
            "GHSA-b": ("CVE-2024-2",),
            "PYSEC-1": ("CVE-2024-2",),
        }


@pytest.mark.parametrize(
    "records",
    [
        pytest.param([("A-1", ("CVE-1-1", "X-1")), ("B-1", ("CVE-1-2", "X-1"))], id="unknown-name"),
        pytest.param(
            [("A-1", ("CVE-1-1", "X-1")), ("B-1", ("CVE-1-2", "X-1")), ("X-1", ())], id="known-name"
        ),
        pytest.param([("A-1", ("CVE-1-1",)), ("B-1", ("CVE-1-2", "A-1"))], id="record"),
        pytest.param(
            [("A-1", ("CVE-1-1", "X-1")), ("B-1", ("CVE-1-2", "Y-1")), ("X-1", ("Y-1",))],
            id="chain",
        ),
    ],
)
def test_no_chain_of_aliases_makes_two_cves_one(records: list[tuple[str, tuple[str, ...]]]) -> None:
    for order in itertools.permutations(records):
        found = grouped(order)
        assert found["A-1"] == ("CVE-1-1",)
        assert found["B-1"] == ("CVE-1-2",)


def test_of_a_bundle_only_its_own_name_is_a_name_of_each_vulnerability() -> None:
    assert names_in(*BUNDLE, "CVE-2024-1") == ("GO-9", "CVE-2024-1")
    assert names_in("GHSA-a", ("CVE-2024-1", "GO-9"), "CVE-2024-1") == (
        "GHSA-a",
        "CVE-2024-1",
        "GO-9",
    )
    assert names_in("CVE-2024-1", ("CVE-2024-2",), "CVE-2024-2") == ("CVE-2024-2",)


def test_a_record_of_a_whole_release_stands_for_itself() -> None:
    cves = [f"CVE-2024-{number}" for number in range(1, MOST_CVES + 2)]
    found = grouped([("RELEASE-1", cves), ("GHSA-a", (cves[0],)), ("GHSA-b", (cves[1],))])
    assert found == {"RELEASE-1": ("RELEASE-1",), "GHSA-a": (cves[0],), "GHSA-b": (cves[1],)}
    assert names_in("RELEASE-1", cves, "RELEASE-1") == ("RELEASE-1", "RELEASE-1")


def test_a_long_chain_of_aliases_is_one_group() -> None:
    found = grouped((f"A-{n}", (f"A-{n + 1}",)) for n in range(20_000))
    assert set(found.values()) == {("A-0",)}
