"""Aliases join records to vulnerabilities; the leading id is the one that people look for."""

from __future__ import annotations

import itertools

from haechi.world.advisories.groups import MOST_CVES, grouped, leading, ordered


def test_aliases_join_across_sources_in_both_directions_and_in_any_order() -> None:
    records = [
        ("PYSEC-1", ("CVE-2024-1",)),
        ("GHSA-a", ("PYSEC-1",)),
        ("GO-9", ("GHSA-a",)),
        ("GHSA-other", ()),
    ]
    for order in itertools.permutations(records):
        found = grouped(order)
        assert {found[one] for one in ("PYSEC-1", "GHSA-a", "GO-9")} == {"CVE-2024-1"}
        assert found["GHSA-other"] == "GHSA-other"


def test_the_lowest_cve_leads_by_number_then_ghsa_then_the_first_in_order() -> None:
    assert leading(["GHSA-x", "CVE-2024-10000", "CVE-2024-9999"]) == "CVE-2024-9999"
    assert leading(["PYSEC-1", "GHSA-x"]) == "GHSA-x"
    assert ordered(["RUSTSEC-2", "PYSEC-1", "PYSEC-1"]) == ("PYSEC-1", "RUSTSEC-2")


def test_a_record_of_a_whole_release_joins_nothing() -> None:
    cves = [f"CVE-2024-{number}" for number in range(1, MOST_CVES + 2)]
    found = grouped([("RELEASE-1", cves), ("GHSA-a", (cves[0],)), ("GHSA-b", (cves[1],))])
    assert found["RELEASE-1"] == "RELEASE-1"
    assert found["GHSA-a"] != found["GHSA-b"]


def test_a_long_chain_of_aliases_is_one_group() -> None:
    found = grouped((f"A-{n}", (f"A-{n + 1}",)) for n in range(20_000))
    assert set(found.values()) == {"A-0"}
