"""A statement about another product, part or version never takes a finding away."""

from __future__ import annotations

import json
from typing import Any

import pytest

from haechi.gate.vex import VexFile, embedded_vex, read_vex
from haechi.gate.vex.products import Subject
from haechi.model.finding import FindingState
from tests.gate.test_vex import (
    CVE,
    JUSTIFIED,
    LODASH,
    SHOP,
    chain,
    cyclonedx,
    held,
    openvex,
    said,
    suppressed,
    vulnerable,
)

FREE = "pkg:npm/lodash"


def branches(
    category: str, name: str, purl: str, status: str = "fixed", inner: str = ""
) -> VexFile:
    """A CSAF document with one branch (and one within it) that holds one product."""
    product = {
        "name": "it",
        "product_id": "IT",
        "product_identification_helper": {"purl": purl},
    }
    branch: dict[str, Any] = {"category": category, "name": name}
    if inner:
        branch["branches"] = [{"category": inner, "name": "x86_64", "product": product}]
    else:
        branch["product"] = product
    reason = {"flags": [{"label": JUSTIFIED}]}
    return read_vex(
        json.dumps(
            {
                "document": {
                    "csaf_version": "2.0",
                    "tracking": {"current_release_date": "2026-06-01T00:00:00Z"},
                },
                "product_tree": {"branches": [branch]},
                "vulnerabilities": [{"cve": CVE, "product_status": {status: ["IT"]}, **reason}],
            }
        ).encode(),
        "csaf.json",
    )


@pytest.mark.parametrize(
    ("category", "name", "purl", "fits"),
    [
        ("product_version", "4.17.20", FREE, True),
        ("product_version", "4.17.21", FREE, False),
        ("product_version", "v4.17", FREE, False),
        ("product_version", "lodash", FREE, True),
        ("product_version", "lodash-4.17.20-1.el9", LODASH, True),
        ("product_version", "4.17.20-1.el9", LODASH, True),
        ("product_version_range", ">=4.17.21", FREE, False),
        ("product_version_range", "<4.17.21", FREE, True),
        ("product_version_range", "vers:npm/>=4.17.21", LODASH, False),
        ("product_version_range", "4.17.21 and newer", FREE, False),
        ("product_version_range", "vers:all/*", FREE, True),
        ("product_family", "4.17.21", FREE, True),
    ],
)
@pytest.mark.parametrize("inner", ["", "architecture"], ids=["directly", "within"])
def test_a_branch_of_csaf_narrows_what_is_below_it(
    category: str, name: str, purl: str, fits: bool, inner: str
) -> None:
    file = branches(category, name, purl, inner=inner)
    assert bool(suppressed(held([vulnerable()], file))) is fits


@pytest.mark.parametrize(
    ("status", "kept"), [("known_affected", True), ("known_not_affected", False)]
)
def test_a_range_that_nobody_understands_keeps_a_finding_and_hides_none(
    status: str, kept: bool
) -> None:
    """An older statement takes it away, a newer one speaks of versions in words."""
    older = openvex(said(timestamp="1999-01-01T00:00:00Z"))
    newer = branches("product_version_range", "before the next one", FREE, status)
    assert bool(suppressed(held([vulnerable()], older, newer))) is not kept


def related(*steps: tuple[str, str, str]) -> VexFile:
    """lodash in kit in shop: (part, whole, id) of each relationship; the last is spoken of."""
    purls = {"LODASH": "pkg:npm/lodash@1.0.0", "KIT": "pkg:npm/kit@1.0.0", "SHOP": SHOP}
    return read_vex(
        json.dumps(
            {
                "document": {"csaf_version": "2.0"},
                "product_tree": {
                    "full_product_names": [
                        {
                            "name": id_,
                            "product_id": id_,
                            "product_identification_helper": {"purl": purl},
                        }
                        for id_, purl in purls.items()
                    ],
                    "relationships": [
                        {
                            "category": "default_component_of",
                            "product_reference": part,
                            "relates_to_product_reference": whole,
                            "full_product_name": {"name": made, "product_id": made},
                        }
                        for part, whole, made in steps
                    ],
                },
                "vulnerabilities": [
                    {
                        "cve": CVE,
                        "product_status": {"known_not_affected": [steps[-1][2]]},
                        "flags": [{"label": JUSTIFIED}],
                    }
                ],
            }
        ).encode(),
        "csaf.json",
    )


@pytest.mark.parametrize(
    "steps",
    [
        pytest.param((("LODASH", "KIT", "IN-KIT"), ("IN-KIT", "SHOP", "ALL")), id="part-first"),
        pytest.param(
            (("KIT", "SHOP", "KIT-SHOP"), ("LODASH", "KIT-SHOP", "ALL")), id="whole-first"
        ),
    ],
)
def test_a_part_of_a_part_is_meant_only_where_it_comes_through_that_part(
    steps: tuple[tuple[str, str, str], ...],
) -> None:
    file = related(*steps)
    through = chain(("kit", "lodash"), requires=("kit",))
    beside = chain(("kit", "lodash"), ("other", "lodash"), requires=("kit", "other"))
    finding = vulnerable("pkg:npm/lodash@1.0.0")
    for lock, silent in ((through, True), (beside, False)):
        subject = Subject(names=frozenset({SHOP}), files={lock.path: lock})
        assert bool(suppressed(held([finding], file, subject=subject))) is silent


def test_parts_of_a_document_about_something_without_a_url_are_parts_of_that_alone() -> None:
    document = json.loads(cyclonedx())
    del document["metadata"]["component"]["purl"]
    document["metadata"]["component"] |= {"name": "bank", "version": "2"}
    text = json.dumps(document).encode()
    judged = held([vulnerable()], read_vex(text, "vex.cdx.json"))
    assert not suppressed(judged)
    assert "pkg:generic/bank@2, which is not what was scanned" in judged.notes[0]
    bank = Subject(names=frozenset({"pkg:generic/bank@2"}))
    assert suppressed(held([vulnerable()], read_vex(text, "vex.cdx.json"), subject=bank))
    own = embedded_vex(text, "package-lock.json")
    assert own is not None
    assert not suppressed(held([vulnerable(path="other-lock.json")], own))


def test_a_link_into_an_sbom_that_is_not_known_speaks_of_that_sbom_alone() -> None:
    link = "urn:cdx:3e671687-395b-41f5-a30f-a58921a69b79/1"
    document = json.loads(cyclonedx(ref=f"{link}#{LODASH}"))
    del document["metadata"]["component"]
    text = json.dumps(document).encode()
    judged = held([vulnerable()], read_vex(text, "vex.cdx.json"))
    assert not suppressed(judged)
    assert judged.notes[0].endswith("say so by naming that SBOM")
    known = read_vex(text, "vex.cdx.json", links={f"{link}#{LODASH}": LODASH})
    assert suppressed(held([vulnerable()], known))


@pytest.mark.parametrize(("status", "fits"), [("affected", True), ("unknown", False)])
def test_of_versions_that_are_listed_as_unknown_nothing_good_is_said(
    status: str, fits: bool
) -> None:
    versions = [{"version": "4.17.20", "status": status}]
    file = read_vex(cyclonedx("resolved", versions=versions), "vex.cdx.json")
    assert bool(suppressed(held([vulnerable()], file))) is fits


def test_notes_are_no_reason_for_not_affected() -> None:
    statement = {**said(), "status_notes": "looked at by us"}
    del statement["justification"]
    file = openvex(statement)
    assert not file.statements
    assert "without a justification" in file.faults[0]
    assert openvex({**statement, "impact_statement": "unused"}).statements


def test_versions_that_a_long_finding_does_not_list_have_to_be_spoken_of_too() -> None:
    from haechi.model.location import Location
    from haechi.model.package import Package, PackageFile

    at = Location(path="package-lock.json")
    versions = [f"1.0.{n}" for n in range(60)]
    lock = PackageFile(
        path=at.path,
        format="package-lock.json",
        ecosystem="npm",
        packages=tuple(
            Package(ecosystem="npm", name="lodash", version=one, location=at) for one in versions
        ),
    )
    finding = vulnerable(
        "pkg:npm/lodash@1.0.0",
        evidence={"versions": [{"version": one} for one in versions[:50]]},
    )
    subject = Subject(names=frozenset({SHOP}), files={lock.path: lock})
    told = openvex(said(SHOP, [f"pkg:npm/lodash@{one}" for one in versions[:50]]))
    judged = held([finding], told, subject=subject)
    assert not suppressed(judged)
    assert judged.findings[0].state is FindingState.OPEN
    assert suppressed(held([finding], openvex(said(SHOP, ["pkg:npm/lodash"])), subject=subject))


@pytest.mark.parametrize(
    ("pattern", "fits"),
    [
        ("pkg:golang/github.com/Azure/sdk/core@v1.2.0", True),
        ("pkg:golang/github.com/azure/sdk/core@1.2.0", True),
        ("pkg:golang/github.com/Azure/sdk@v1.2.0#core", True),
        ("pkg:golang/github.com/Azure/sdk@v1.2.0", False),
        ("pkg:golang/github.com/Azure/sdk/core/v2@v1.2.0", False),
        ("pkg:golang/github.com/Azure/sdk@v1.2.0#other", False),
    ],
)
def test_go_modules_are_the_same_however_they_are_spelled(pattern: str, fits: bool) -> None:
    finding = vulnerable("pkg:golang/github.com/Azure/sdk/core@v1.2.0")
    assert bool(suppressed(held([finding], openvex(said(SHOP, [pattern]))))) is fits
