"""VEX out in three formats: what is claimed, valid, and what it suppresses when it is read back."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from haechi.errors import UsageError
from haechi.gate.decide import decide
from haechi.gate.vex import read_vex
from haechi.gate.vex.judge import judge
from haechi.gate.vex.products import Subject
from haechi.model.config import Config
from haechi.model.finding import Finding
from haechi.model.severity import Severity
from haechi.model.vex import Justification, VexStatus
from haechi.model.waiver import Waiver
from haechi.report.material import Material
from haechi.report.sbom_frame import Origin
from haechi.report.vex import FORMATS, render
from haechi.report.vex.claims import Claim, Gone, Product, claims_of
from tests.gate.builders import TODAY, scan, waiver
from tests.gate.test_vex import vulnerable
from tests.report.bills import ORIGIN
from tests.report.test_cyclonedx import check as check_cyclonedx

SHOP = Product(purl="pkg:generic/shop@1.4.0", name="shop", version="1.4.0")
CSAF = Origin(made=ORIGIN.made, version="1.0", author="Shop <https://shop.example>")
NOT_REACHED = Justification.VULNERABLE_CODE_NOT_IN_EXECUTE_PATH


def material(findings: list[Finding], waivers: list[Waiver]) -> Material:
    gated, decision = decide(scan(*findings), config=Config(), today=TODAY, waivers=waivers)
    return Material(scan=gated, decision=decision, rules={}, read=lambda _: None, version="1.0")


def accepted(one: Finding, **more: Any) -> Waiver:
    return waiver(one.rule, fingerprint=one.fingerprint, **more)


def written(claims: list[Claim], format: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(render(claims, SHOP, CSAF, format))
    return document


def suppressed(text: str, findings: list[Finding]) -> set[str]:
    """The fingerprints that a document covers when it is read back."""
    file = read_vex(text.encode(), "out.json")
    judged = judge(findings, [file], Subject(names=frozenset({SHOP.purl})))
    assert file.faults == () and judged.notes == ()
    return {known for each in judged.waivers for known in each.fingerprints}


class TestClaims:
    @pytest.mark.parametrize(
        ("more", "status", "said"),
        [
            ({"justification": NOT_REACHED}, VexStatus.NOT_AFFECTED, "because"),
            ({}, VexStatus.AFFECTED, "Accepted by @kim until 2027-01-01: because"),
        ],
        ids=["justified", "accepted"],
    )
    def test_a_waiver_is_a_claim_of_its_own_kind(
        self, more: dict[str, Any], status: VexStatus, said: str
    ) -> None:
        one = vulnerable()
        (claim,) = claims_of(material([one], [accepted(one, **more)]))
        assert claim.status is status
        assert said in (claim.impact if status is VexStatus.NOT_AFFECTED else claim.action)
        assert claim.justification == more.get("justification", "")

    @pytest.mark.parametrize(
        ("more", "action"),
        [
            ({"fix": "upgrade to 4.17.21"}, "Upgrade to 4.17.21"),
            ({"evidence": {"fixed": ["4.17.21", "5.0.0"]}}, "Upgrade to 4.17.21 or 5.0.0"),
            ({}, "No fixed version is known yet"),
        ],
        ids=["fix", "fixed", "none"],
    )
    def test_an_open_finding_is_affected_with_what_to_do(
        self, more: dict[str, Any], action: str
    ) -> None:
        (claim,) = claims_of(material([vulnerable(**more)], []))
        assert (claim.status, claim.action) == (VexStatus.AFFECTED, action)

    def test_under_investigation_is_asked_for_or_was_said_before(self) -> None:
        plain, told = (
            vulnerable(),
            vulnerable(
                rule="CVE-2020-2222",
                aliases=(),
                evidence={"vex": {"status": "under_investigation"}},
            ),
        )
        claims = claims_of(material([plain, told], []), investigating=True)
        assert {claim.status for claim in claims} == {VexStatus.UNDER_INVESTIGATION}
        claims = claims_of(material([plain, told], []))
        assert {claim.status for claim in claims} == {
            VexStatus.UNDER_INVESTIGATION,
            VexStatus.AFFECTED,
        }

    def test_what_is_gone_is_fixed(self) -> None:
        gone = Gone(vulnerability="CVE-2020-1", aliases=(), package="pkg:npm/x@1", path="l")
        (claim,) = claims_of(material([], []), gone=[gone])
        assert claim.status is VexStatus.FIXED and claim.packages == ("pkg:npm/x@1",)

    def test_only_vulnerabilities_are_claims(self) -> None:
        one = vulnerable()
        others = [
            vulnerable(rule="deps-licence"),
            replace(one, domain="iac"),
            replace(one, resource="k8s:-/core/Pod/shop/cart"),
        ]
        assert claims_of(material(others, [])) == []
        assert len(claims_of(material([one, *others], []))) == 1

    def test_one_package_in_two_files_is_told_apart_only_where_they_differ(self) -> None:
        web, api = vulnerable(path="web/l.json"), vulnerable(path="api/l.json")
        (claim,) = claims_of(material([web, api], []))
        assert claim.path == ""
        justified = accepted(web, justification=NOT_REACHED)
        claims = claims_of(material([web, api], [justified]))
        assert {(c.path, c.status) for c in claims} == {
            ("web/l.json", VexStatus.NOT_AFFECTED),
            ("api/l.json", VexStatus.AFFECTED),
        }


FEW = [
    vulnerable(
        fix="upgrade to 4.17.21",
        evidence={
            "score": 7.2,
            "cvss": ["CVSS:3.1/AV:N/AC:L/PR:H/UI:N/S:U/C:H/I:H/A:H"],
            "url": "https://nvd.nist.gov/x",
        },
    ),
    vulnerable("pkg:pypi/requests@2.31.0", rule="GHSA-9wx4-h78v-vm56", aliases=("CVE-2024-35195",)),
    vulnerable("pkg:golang/golang.org/x/net@v0.17.0", rule="GO-2024-2687", aliases=()),
]
WAIVED = [accepted(FEW[1], justification=NOT_REACHED), accepted(FEW[2])]


class TestOpenVex:
    def test_the_document(self) -> None:
        document = written(claims_of(material(FEW, WAIVED)), "openvex")
        assert document["@context"] == "https://openvex.dev/ns/v0.2.0"
        assert document["timestamp"] == "2026-11-22T12:00:00Z" and document["version"] == 1
        by_name = {each["vulnerability"]["name"]: each for each in document["statements"]}
        reached = by_name["GHSA-9wx4-h78v-vm56"]
        assert reached["status"] == "not_affected" and reached["justification"] == NOT_REACHED
        assert reached["products"] == [
            {
                "@id": SHOP.purl,
                "identifiers": {"purl": SHOP.purl},
                "subcomponents": [
                    {
                        "@id": "pkg:pypi/requests@2.31.0",
                        "identifiers": {"purl": "pkg:pypi/requests@2.31.0"},
                    }
                ],
            }
        ]
        assert all(
            each["action_statement"]
            for each in document["statements"]
            if each["status"] == "affected"
        )

    def test_nobody_in_particular_is_an_author_too(self) -> None:
        text = render([], SHOP, Origin(made=ORIGIN.made, version="1"), "openvex")
        assert json.loads(text)["author"] == "Unknown Author"


class TestCycloneDX:
    def test_valid_by_the_published_schema(self) -> None:
        document = check_cyclonedx(
            render(claims_of(material(FEW, WAIVED)), SHOP, ORIGIN, "cyclonedx")
        )
        by_id = {each["id"]: each for each in document["vulnerabilities"]}
        assert by_id["GHSA-9wx4-h78v-vm56"]["analysis"]["state"] == "not_affected"
        assert by_id["GHSA-9wx4-h78v-vm56"]["analysis"]["justification"] == "code_not_reachable"
        assert by_id["CVE-2021-23337"]["analysis"]["response"] == ["update"]
        assert by_id["CVE-2021-23337"]["ratings"][0]["method"] == "CVSSv31"
        refs = {each["bom-ref"] for each in document["components"]}
        assert {a["ref"] for each in by_id.values() for a in each["affects"]} == refs


class TestCsaf:
    def test_the_mandatory_parts_of_the_profile(self) -> None:
        """CSAF 2.0, 4.5: product tree, status, notes; an impact for not affected, an action for
        affected products (6.1.27.9, 6.1.27.10)."""
        document = written(claims_of(material(FEW, WAIVED)), "csaf")
        about = document["document"]
        assert about["category"] == "csaf_vex" and about["csaf_version"] == "2.0"
        assert about["publisher"] == {
            "category": "vendor",
            "name": "Shop",
            "namespace": "https://shop.example",
        }
        assert about["tracking"]["revision_history"][-1]["number"] == about["tracking"]["version"]
        made = {
            each["full_product_name"]["product_id"]
            for each in document["product_tree"]["relationships"]
        }
        assert len(made) == 3
        for each in document["vulnerabilities"]:
            assert each["notes"] and ("cve" in each or each["ids"])
            for status, products in each["product_status"].items():
                assert set(products) <= made
                reasons = {
                    "known_not_affected": ("flags", "threats"),
                    "known_affected": ("remediations",),
                }.get(status, ())
                covered = {
                    p for key in reasons for r in each.get(key, ()) for p in r["product_ids"]
                }
                assert not reasons or covered == set(products)

    def test_a_publisher_needs_an_address(self) -> None:
        for author in ("", "Shop", "Shop <shop.example>"):
            with pytest.raises(UsageError, match="publisher"):
                render(
                    claims_of(material(FEW, [])),
                    SHOP,
                    Origin(made=ORIGIN.made, version="1", author=author),
                    "csaf",
                )

    def test_nothing_to_state_is_no_document(self) -> None:
        with pytest.raises(UsageError, match="at least one"):
            render([], SHOP, CSAF, "csaf")


@pytest.mark.parametrize("format", FORMATS)
class TestEveryFormat:
    def test_the_same_input_gives_the_same_bytes(self, format: str) -> None:
        one = render(claims_of(material(FEW, WAIVED)), SHOP, CSAF, format)
        assert one == render(claims_of(material(FEW[::-1], WAIVED)), SHOP, CSAF, format)

    def test_what_a_vex_document_suppressed_stays_so(self, format: str) -> None:
        """A vendor's statement that was honoured is passed on as a statement."""
        vendor = {
            "@context": "https://openvex.dev/ns/v0.2.0",
            "author": "Vendor",
            "timestamp": "2026-01-01T00:00:00Z",
            "statements": [
                {
                    "vulnerability": {"name": FEW[0].rule},
                    "products": [{"@id": FEW[0].resource}],
                    "status": "fixed",
                },
                {
                    "vulnerability": {"name": FEW[1].rule},
                    "products": [{"@id": FEW[1].resource}],
                    "status": "not_affected",
                    "impact_statement": "the vendor took it out",
                },
            ],
        }
        file = read_vex(json.dumps(vendor).encode(), "vendor.json")
        judged = judge(FEW, [file], Subject())
        claims = claims_of(material(list(judged.findings), list(judged.waivers)))
        by_rule = {claim.vulnerability: claim.status for claim in claims}
        assert by_rule[FEW[0].rule] is VexStatus.FIXED
        assert by_rule[FEW[1].rule] is VexStatus.NOT_AFFECTED
        expected = {FEW[0].fingerprint, FEW[1].fingerprint}
        assert suppressed(render(claims, SHOP, CSAF, format), FEW) == expected


@st.composite
def cases(draw: st.DrawFn) -> tuple[list[Finding], list[Waiver]]:
    """Findings over few vulnerabilities, packages and files, so that they meet, each open,
    accepted or justified."""
    seen: dict[str, Finding] = {}
    waivers: list[Waiver] = []
    for _ in range(draw(st.integers(1, 8))):
        rule = draw(st.sampled_from(["CVE-2020-0001", "GHSA-aaaa-bbbb-cccc"]))
        one = vulnerable(
            draw(st.sampled_from(["pkg:npm/a@1.0.0", "pkg:npm/%40s/b@2.0.0-rc.1", "pkg:pypi/c@3"])),
            rule=rule,
            # Ids that share an alias are one finding, so no two of a scan do.
            aliases=draw(st.sampled_from([(), (f"OSV-{rule}",)])),
            path=draw(st.sampled_from(["l.json", "web dir/l.json", "로그/l.json"])),
            severity=Severity.HIGH,
        )
        one = replace(one, title=draw(st.text(max_size=20)))
        if one.fingerprint in seen:
            continue
        seen[one.fingerprint] = one
        kind = draw(st.sampled_from(["open", "accepted", *Justification]))
        if kind != "open":
            waivers.append(
                accepted(
                    one,
                    line=len(waivers) + 1,
                    justification="" if kind == "accepted" else kind,
                    reason=draw(st.text(min_size=1, max_size=30)),
                )
            )
    return list(seen.values()), waivers


@pytest.mark.parametrize("format", FORMATS)
@settings(max_examples=100, deadline=None)
@given(cases())
def test_read_back_it_suppresses_exactly_what_was_justified(
    format: str, case: tuple[list[Finding], list[Waiver]]
) -> None:
    findings, waivers = case
    text = render(claims_of(material(findings, waivers)), SHOP, CSAF, format)
    justified = {each.fingerprint for each in waivers if each.justification}
    assert suppressed(text, findings) == justified
    if format == "cyclonedx":
        check_cyclonedx(text)
