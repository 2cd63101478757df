"""VEX documents in: three formats, which findings a statement is about, and who wins."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haechi.errors import HaechiError, InputError
from haechi.gate.decide import decide
from haechi.gate.vex import VexFile, embedded_vex, read_vex
from haechi.gate.vex.judge import Judged, judge
from haechi.gate.vex.products import Fit, Fitter, Subject
from haechi.gate.vex.ranges import in_range
from haechi.model.config import Config, GateSection
from haechi.model.coverage import Coverage
from haechi.model.finding import Finding, FindingState
from haechi.model.location import Location
from haechi.model.package import Package, PackageFile
from haechi.model.scan import WaiverStatus
from haechi.model.severity import Severity
from haechi.model.vex import Identity, Product
from haechi.model.waiver import WaiverOrigin
from tests.gate.builders import TODAY, finding, scan

SHOP = "pkg:generic/shop"
LODASH = "pkg:npm/lodash@4.17.20"
CVE = "CVE-2021-23337"
JUSTIFIED = "vulnerable_code_not_in_execute_path"


def vulnerable(
    purl: str = LODASH,
    *,
    rule: str = CVE,
    aliases: tuple[str, ...] = ("GHSA-35jh-r3h4-6jhm",),
    path: str = "package-lock.json",
    **more: Any,
) -> Finding:
    return finding(
        purl,
        rule=rule,
        path=path,
        resource=purl,
        label=purl,
        aliases=aliases,
        domain="deps",
        **more,
    )


def openvex(*statements: dict[str, Any], **more: Any) -> VexFile:
    document = {
        "@context": "https://openvex.dev/ns/v0.2.0",
        "@id": "https://example.org/vex",
        "author": "Shop",
        "timestamp": "2026-01-01T00:00:00Z",
        "version": 1,
        "statements": list(statements),
        **more,
    }
    return read_vex(json.dumps(document, indent=1).encode(), "shop.openvex.json")


def said(
    product: Any = SHOP,
    parts: list[Any] | None = None,
    *,
    status: str = "not_affected",
    name: str = CVE,
    **more: Any,
) -> dict[str, Any]:
    whole = {
        "@id": product,
        **({"subcomponents": [{"@id": each} for each in parts]} if parts else {}),
    }
    reason = {"justification": JUSTIFIED} if status == "not_affected" else {}
    return {
        "vulnerability": {"name": name},
        "products": [whole],
        "status": status,
        **reason,
        **more,
    }


def held(
    findings: list[Finding],
    *files: VexFile,
    subject: Subject | None = None,
) -> Judged:
    return judge(findings, files, subject or Subject(names=frozenset({SHOP})))


def suppressed(judged: Judged) -> set[str]:
    return {known for waiver in judged.waivers for known in waiver.fingerprints}


def chain(*edges: tuple[str, str], requires: tuple[str, ...]) -> PackageFile:
    names = sorted({name for edge in edges for name in edge} | set(requires))
    at = Location(path="package-lock.json")
    return PackageFile(
        path="package-lock.json",
        format="package-lock.json",
        ecosystem="npm",
        packages=tuple(
            Package(
                ecosystem="npm",
                name=name,
                version="1.0.0",
                location=at,
                needs=tuple(names.index(b) for a, b in edges if a == name),
            )
            for name in names
        ),
        requires=tuple(names.index(name) for name in requires),
        name="shop",
        version="1.0.0",
    )


class TestProducts:
    @pytest.mark.parametrize(
        ("product", "parts", "fits"),
        [
            (LODASH, None, True),
            ("pkg:npm/lodash", None, True),
            ("pkg:npm/lodash@4.17.21", None, False),
            ("pkg:npm/lodash@4.17.20?arch=x86", None, False),
            ("pkg:npm/lodash-es", None, False),
            ("pkg:pypi/lodash@4.17.20", None, False),
            (SHOP, None, True),
            (SHOP, [LODASH], True),
            (SHOP, ["pkg:npm/lodash"], True),
            (SHOP, ["pkg:npm/underscore"], False),
            ("pkg:generic/other", [LODASH], False),
            ("pkg:generic/shop@1.0", [LODASH], False),
            (f"{SHOP}#package-lock.json", [LODASH], True),
            (f"{SHOP}#web/package-lock.json", [LODASH], False),
            ("https://example.org/shop", [LODASH], False),
        ],
        ids=lambda value: str(value).replace("pkg:", "").replace("/", "-"),
    )
    def test_a_statement_means_what_its_package_urls_say(
        self, product: str, parts: list[str] | None, fits: bool
    ) -> None:
        judged = held([vulnerable()], openvex(said(product, parts)))
        assert bool(suppressed(judged)) is fits

    def test_qualifiers_of_the_finding_are_no_hindrance(self) -> None:
        one = vulnerable("pkg:deb/debian/curl@7.88.1?arch=amd64&distro=debian-12")
        assert suppressed(held([one], openvex(said("pkg:deb/debian/curl@7.88.1?arch=amd64"))))
        assert not suppressed(held([one], openvex(said("pkg:deb/debian/curl?arch=arm64"))))

    @pytest.mark.parametrize("version", ["v0.17.0", "0.17.0"])
    def test_gos_versions_with_and_without_v(self, version: str) -> None:
        one = vulnerable("pkg:golang/golang.org/x/net@v0.17.0")
        assert suppressed(held([one], openvex(said(f"pkg:golang/golang.org/x/net@{version}"))))

    def test_any_name_of_the_vulnerability_will_do(self) -> None:
        one = vulnerable()
        assert suppressed(held([one], openvex(said(name="GHSA-35jh-r3h4-6jhm"))))
        assert suppressed(held([one], openvex(said(name=CVE.lower()))))
        other = said(name="GO-2021-0001")
        other["vulnerability"]["aliases"] = [CVE]
        assert suppressed(held([one], openvex(other)))
        assert not suppressed(held([one], openvex(said(name="CVE-2021-0001"))))

    def test_the_project_is_known_by_the_name_in_its_own_files(self) -> None:
        subject = Subject(files={"package-lock.json": chain(requires=("lodash",))})
        statement = said("pkg:npm/shop@1.0.0", [LODASH])
        assert suppressed(held([vulnerable()], openvex(statement), subject=subject))

    def test_of_another_product_it_is_said_what_to_do(self) -> None:
        judged = held([vulnerable()], openvex(said("pkg:oci/shop@sha256:00", [LODASH])))
        assert not suppressed(judged)
        assert len(judged.notes) == 1 and "--product" in judged.notes[0]

    def test_a_part_of_a_package_through_which_alone_it_comes(self) -> None:
        vendor = openvex(said("pkg:npm/express", ["pkg:npm/qs"]))
        one = vulnerable("pkg:npm/qs@1.0.0")
        only = chain(("express", "body"), ("body", "qs"), requires=("express",))
        also = chain(("express", "qs"), ("other", "qs"), requires=("express", "other"))
        direct = chain(("express", "qs"), requires=("express", "qs"))
        for file, expected in ((only, True), (also, False), (direct, False)):
            subject = Subject(files={file.path: file})
            assert bool(suppressed(held([one], vendor, subject=subject))) is expected

    def test_a_finding_about_two_versions_needs_both_covered(self) -> None:
        both = [{"version": "4.17.20"}, {"version": "3.0.0"}]
        one = vulnerable(evidence={"versions": both})
        assert not suppressed(held([one], openvex(said(LODASH))))
        old = said("pkg:npm/lodash@3.0.0")
        judged = held([one], openvex(said(LODASH), old))
        assert suppressed(judged) == {one.fingerprint} and len(judged.waivers) == 2


class TestOpenVex:
    @pytest.mark.parametrize(
        ("status", "suppresses"),
        [
            ("not_affected", True),
            ("fixed", True),
            ("affected", False),
            ("under_investigation", False),
        ],
    )
    def test_statuses(self, status: str, suppresses: bool) -> None:
        judged = held([vulnerable()], openvex(said(LODASH, status=status)))
        assert bool(suppressed(judged)) is suppresses
        evidence = judged.findings[0].evidence["vex"]
        assert evidence["status"] == status
        assert evidence["at"].startswith("shop.openvex.json:")

    def test_not_affected_without_a_reason_is_told_and_not_applied(self) -> None:
        bare = said(LODASH)
        del bare["justification"]
        file = openvex(bare)
        judged = held([vulnerable()], file)
        assert not suppressed(judged)
        assert "not applied" in judged.notes[0] and CVE in judged.notes[0]
        assert suppressed(held([vulnerable()], openvex({**bare, "impact_statement": "unused"})))

    @pytest.mark.parametrize(
        ("statement", "fault"),
        [
            (said(status="harmless"), "none of OpenVEX's"),
            ({**said(), "products": []}, "no product"),
            ({**said(), "products": [{"@id": SHOP, "subcomponents": [{}]}]}, "subcomponents"),
            ({**said(), "subcomponents": {"@id": "pkg:npm/x"}}, "subcomponents"),
            ({**said(), "vulnerability": {}}, "without a vulnerability"),
        ],
        ids=["status", "product", "part", "parts", "vulnerability"],
    )
    def test_statements_that_make_no_sense_are_told(
        self, statement: dict[str, Any], fault: str
    ) -> None:
        file = openvex(statement, said(LODASH))
        assert len(file.statements) == 1 and fault in file.faults[0]

    def test_the_older_form_with_texts(self) -> None:
        old = {
            "vulnerability": CVE,
            "products": [SHOP],
            "subcomponents": [LODASH],
            "status": "not_affected",
            "justification": JUSTIFIED,
        }
        assert suppressed(held([vulnerable()], openvex(old)))

    def test_the_waiver_says_who_why_when_and_where(self) -> None:
        text = "our build leaves template() out"
        judged = held([vulnerable()], openvex(said(LODASH, impact_statement=text)))
        (waiver,) = judged.waivers
        assert waiver.origin is WaiverOrigin.VEX and waiver.owner == "Shop"
        assert waiver.source == "openvex:not_affected" and waiver.justification == JUSTIFIED
        assert text in waiver.reason and "2026-01-01" in waiver.reason
        assert waiver.location.path == "shop.openvex.json" and waiver.location.line > 1


def cyclonedx(
    state: str = "not_affected",
    *,
    ref: str = "lodash",
    root: str = SHOP,
    analysis: dict[str, Any] | None = None,
    **affects: Any,
) -> bytes:
    component = {"type": "application", "name": "shop", "bom-ref": "root"}
    return json.dumps(
        {
            "bomFormat": "CycloneDX",
            "specVersion": "1.6",
            "metadata": {
                "timestamp": "2026-01-01T00:00:00Z",
                "component": {**component, **({"purl": root} if root else {})},
            },
            "components": [
                {"type": "library", "name": "lodash", "bom-ref": "lodash", "purl": LODASH}
            ],
            "vulnerabilities": [
                {
                    "id": CVE,
                    "analysis": {"state": state, **(analysis or {"detail": "unused"})},
                    "affects": [{"ref": ref, **affects}],
                }
            ],
        }
    ).encode()


class TestCycloneDX:
    @pytest.mark.parametrize(
        ("state", "suppresses"),
        [
            ("not_affected", True),
            ("false_positive", True),
            ("resolved", True),
            ("resolved_with_pedigree", True),
            ("exploitable", False),
            ("in_triage", False),
        ],
    )
    def test_states(self, state: str, suppresses: bool) -> None:
        file = read_vex(cyclonedx(state), "vex.cdx.json")
        assert bool(suppressed(held([vulnerable()], file))) is suppresses

    @pytest.mark.parametrize(
        ("ref", "fits"),
        [
            ("lodash", True),
            ("root", True),
            (LODASH, True),
            ("urn:cdx:3e671687-395b-41f5-a30f-a58921a69b79/1#pkg%3Anpm%2Flodash%404.17.20", True),
            ("urn:cdx:3e671687-395b-41f5-a30f-a58921a69b79/1#library-7", False),
            ("unknown", False),
        ],
    )
    def test_what_it_affects(self, ref: str, fits: bool) -> None:
        file = read_vex(cyclonedx(ref=ref), "vex.cdx.json")
        assert bool(suppressed(held([vulnerable()], file))) is fits
        assert fits or file.faults

    def test_a_bom_link_is_followed_into_the_sbom(self) -> None:
        link = "urn:cdx:3e671687-395b-41f5-a30f-a58921a69b79/1#library-7"
        file = read_vex(cyclonedx(ref=link), "vex.cdx.json", links={link: LODASH})
        assert suppressed(held([vulnerable()], file))

    def test_justifications_come_in_the_words_of_the_others(self) -> None:
        why = {"justification": "code_not_reachable"}
        file = read_vex(cyclonedx(analysis=why), "vex.cdx.json")
        assert file.statements[0].justification == JUSTIFIED

    @pytest.mark.parametrize(
        ("versions", "fits"),
        [
            ([{"version": "4.17.20"}], True),
            ([{"version": "4.17.19"}], False),
            ([{"range": "vers:npm/>=4.0.0|<4.17.21"}], True),
            ([{"range": "vers:npm/<4.17.20"}], False),
            ([{"version": "4.17.20", "status": "unaffected"}], False),
        ],
        ids=["version", "other", "range", "out-of-range", "unaffected"],
    )
    def test_versions_narrow_it(self, versions: list[dict[str, str]], fits: bool) -> None:
        file = read_vex(cyclonedx(versions=versions), "vex.cdx.json")
        assert bool(suppressed(held([vulnerable()], file))) is fits

    def test_what_an_sbom_says_itself_is_about_its_own_packages_alone(self) -> None:
        own = embedded_vex(cyclonedx(root=""), "app.cdx.json")
        assert own is not None and own.within == "app.cdx.json"
        inside, outside = vulnerable(path="app.cdx.json"), vulnerable()
        assert suppressed(held([inside, outside], own)) == {inside.fingerprint}

    def test_a_list_of_vulnerabilities_without_analysis_is_no_vex(self) -> None:
        document = json.loads(cyclonedx())
        del document["vulnerabilities"][0]["analysis"]
        data = json.dumps(document).encode()
        assert embedded_vex(data, "bom.json") is None
        with pytest.raises(InputError, match="no VEX statements"):
            read_vex(data, "bom.json")


def csaf(status: str = "known_not_affected", **more: Any) -> bytes:
    reason = {"flags": [{"label": JUSTIFIED, "product_ids": ["SHOP:LODASH"]}]}
    return json.dumps(
        {
            "document": {
                "category": "csaf_vex",
                "csaf_version": "2.0",
                "publisher": {"name": "Shop"},
                "tracking": {"current_release_date": "2026-01-01T00:00:00Z"},
            },
            "product_tree": {
                "branches": [
                    {
                        "category": "vendor",
                        "name": "Shop",
                        "branches": [
                            {
                                "category": "product_version",
                                "name": "1",
                                "product": {
                                    "name": "Shop 1",
                                    "product_id": "SHOP",
                                    "product_identification_helper": {"purl": SHOP},
                                },
                            }
                        ],
                    }
                ],
                "full_product_names": [
                    {
                        "name": "lodash",
                        "product_id": "LODASH",
                        "product_identification_helper": {"purl": "pkg:npm/lodash"},
                    }
                ],
                "relationships": [
                    {
                        "category": "default_component_of",
                        "product_reference": "LODASH",
                        "relates_to_product_reference": "SHOP",
                        "full_product_name": {"name": "x", "product_id": "SHOP:LODASH"},
                    }
                ],
                "product_groups": [{"group_id": "G", "product_ids": ["SHOP:LODASH"]}],
            },
            "vulnerabilities": [
                {"cve": CVE, "product_status": {status: ["SHOP:LODASH"]}, **(more or reason)}
            ],
        }
    ).encode()


class TestCsaf:
    @pytest.mark.parametrize(
        ("status", "suppresses"),
        [
            ("known_not_affected", True),
            ("fixed", True),
            ("first_fixed", True),
            ("known_affected", False),
            ("under_investigation", False),
        ],
    )
    def test_statuses_of_a_part_of_a_product(self, status: str, suppresses: bool) -> None:
        file = read_vex(csaf(status), "csaf.json")
        assert bool(suppressed(held([vulnerable()], file))) is suppresses

    def test_of_another_product_nothing_follows(self) -> None:
        file = read_vex(csaf(), "csaf.json")
        other = Subject(names=frozenset({"pkg:generic/other"}))
        assert not suppressed(held([vulnerable()], file, subject=other))

    @pytest.mark.parametrize(
        ("more", "applied"),
        [
            ({"flags": [{"label": JUSTIFIED, "group_ids": ["G"]}]}, True),
            ({"threats": [{"category": "impact", "details": "unused"}]}, True),
            ({"threats": [{"category": "exploit_status", "details": "none"}]}, False),
            ({"flags": [{"label": JUSTIFIED, "product_ids": ["SHOP"]}]}, False),
        ],
        ids=["flag-of-group", "impact", "other-threat", "flag-of-another"],
    )
    def test_not_affected_needs_a_flag_or_an_impact(
        self, more: dict[str, Any], applied: bool
    ) -> None:
        file = read_vex(csaf(**more), "csaf.json")
        assert bool(file.statements) is applied and bool(file.faults) is not applied

    def test_ranges_of_versions_in_the_tree(self) -> None:
        document = json.loads(csaf("fixed"))
        document["product_tree"] = {
            "branches": [
                {
                    "category": "product_version_range",
                    "name": "vers:npm/<4.17.21",
                    "product": {
                        "name": "old",
                        "product_id": "SHOP:LODASH",
                        "product_identification_helper": {"purl": "pkg:npm/lodash"},
                    },
                }
            ]
        }
        file = read_vex(json.dumps(document).encode(), "csaf.json")
        new = vulnerable("pkg:npm/lodash@4.17.21")
        old = vulnerable()
        assert suppressed(held([old, new], file)) == {old.fingerprint}

    def test_products_without_a_package_url_are_told(self) -> None:
        document = json.loads(csaf())
        del document["product_tree"]["full_product_names"]
        file = read_vex(json.dumps(document).encode(), "csaf.json")
        assert "SHOP:LODASH" in file.faults[0]


class TestWhoWins:
    OLD, NEW = "2025-01-01T00:00:00Z", "2026-06-01T00:00:00Z"

    @pytest.mark.parametrize("order", [1, -1])
    @pytest.mark.parametrize(
        ("older", "newer", "suppresses"),
        [
            ("affected", "not_affected", True),
            ("not_affected", "affected", False),
            ("under_investigation", "fixed", True),
            ("fixed", "under_investigation", False),
        ],
    )
    def test_the_latest_statement(
        self, older: str, newer: str, suppresses: bool, order: int
    ) -> None:
        statements = [
            said(LODASH, status=older, timestamp=self.OLD),
            said(LODASH, status=newer, timestamp=self.NEW),
        ][::order]
        judged = held([vulnerable()], openvex(*statements))
        assert bool(suppressed(judged)) is suppresses
        assert judged.notes == ()

    def test_of_equal_age_the_stricter_and_it_is_told(self) -> None:
        judged = held([vulnerable()], openvex(said(LODASH), said(LODASH, status="affected")))
        assert not suppressed(judged)
        assert "contradicts itself" in judged.notes[0]

    def test_a_statement_without_a_time_is_the_oldest(self) -> None:
        timeless = openvex(said(LODASH, status="affected"), timestamp=None)
        judged = held([vulnerable()], timeless, openvex(said(LODASH)))
        assert suppressed(judged)


class TestGate:
    def decided(self, policy: str = "allow", *statements: dict[str, Any]) -> Any:
        one = vulnerable(severity=Severity.HIGH)
        judged = held([one], openvex(*(statements or (said(LODASH),))))
        looked = scan(*judged.findings)
        return decide(
            looked,
            config=Config(gate=GateSection(vex=policy)),
            today=TODAY,
            waivers=judged.waivers,
            notes=judged.notes,
        )

    @pytest.mark.parametrize(
        ("policy", "holds"),
        [("allow", True), ("max-high", True), ("max-medium", False), ("deny", False), ("x", False)],
    )
    def test_gate_vex_says_up_to_which_severity(self, policy: str, holds: bool) -> None:
        found, decision = self.decided(policy)
        state = FindingState.WAIVED if holds else FindingState.OPEN
        assert found.findings[0].state is state and decision.blocks is not holds
        status = WaiverStatus.MATCHED if holds else WaiverStatus.DENIED
        assert [use.status for use in decision.waivers] == [status]
        told = "because VEX says so" if holds else f"gate.vex: {policy}"
        assert any(told in reason for reason in decision.reasons)

    def test_a_statement_that_fits_nothing_is_unused_where_that_was_judged(self) -> None:
        from haechi.gate.extent import Extent

        judged = held([vulnerable()], openvex(said("pkg:npm/other", name="CVE-2020-1111")))
        coverage = Coverage(looked={"packages": 1}, evaluated=frozenset({"CVE-2020-1111"}))
        looked = scan(*judged.findings)
        for evaluated, status in (
            (coverage, WaiverStatus.UNUSED),
            (Coverage(looked={"packages": 1}), WaiverStatus.NOT_JUDGED),
        ):
            import msgspec

            _, decision = decide(
                msgspec.structs.replace(looked, coverage=evaluated),
                config=Config(),
                today=TODAY,
                waivers=judged.waivers,
                extent=Extent(whole=True),
            )
            assert [use.status for use in decision.waivers] == [status]

    def test_what_a_vendor_says_of_everything_else_is_not_listed(self) -> None:
        many = [said("pkg:npm/x", name=f"CVE-2020-{n:04}") for n in range(500)]
        assert len(held([vulnerable()], openvex(*many)).waivers) == 50


@pytest.mark.parametrize(
    ("span", "version", "holds"),
    [
        ("vers:npm/*", "1.0.0", True),
        ("vers:npm/1.0.0", "1.0.0", True),
        ("vers:npm/1.0.0|2.0.0", "1.5.0", False),
        ("vers:npm/>=1.0.0|<2.0.0", "1.5.0", True),
        ("vers:npm/>=1.0.0|<2.0.0", "2.0.0", False),
        ("vers:npm/>=1.0.0|<=2.0.0", "2.0.0", True),
        ("vers:npm/>1.0.0|<2.0.0", "1.0.0", False),
        ("vers:npm/<1.0.0|>=2.0.0", "1.5.0", False),
        ("vers:npm/<1.0.0|>=2.0.0", "0.5.0", True),
        ("vers:npm/<1.0.0|>=2.0.0", "3.0.0", True),
        ("vers:npm/>=1.0.0|!=1.5.0|<2.0.0", "1.5.0", False),
        ("vers:intdot/>=1.0.0", "1.5.0", None),
        ("vers:pypi/>=1.0.0", "1.5.0", None),
        ("vers:all/*", "1.5.0", True),
        ("<2.0.0", "1.5.0", True),
        (">=1.0.0|<1.5.0", "1.5.0", False),
        ("vers:/4.17-lts", "1.5.0", False),
        ("All versions", "1.5.0", None),
        ("<2.0.0", "", None),
        ("vers:npm/>=1.0.0||<2", "1.5.0", None),
        ("vers:npm/>=not a version", "1.5.0", None),
        ("1.0.0", "1.0.0", None),
        ("vers:npm/!=1.0.0", "1.0.0", False),
        ("vers:npm/!=1.0.0", "1.5.0", None),
    ],
)
def test_version_ranges(span: str, version: str, holds: bool | None) -> None:
    assert in_range(span, "npm", version) is holds


@pytest.mark.parametrize(
    ("span", "holds"),
    [("vers:rpm/<1:2.0-1", False), ("vers:rpm/<1:4.0-1", True), ("vers:rpm/3.0-1", True)],
    ids=["below", "above", "named-without-it"],
)
def test_an_epoch_counts_in_ranges(span: str, holds: bool) -> None:
    """It stands in a qualifier of the package URL: left out, 1:3.0 would lie below 1:2.0."""
    (one,) = map(vulnerable, ["pkg:rpm/redhat/openssl@3.0-1?epoch=1"])
    product = Product((Identity("pkg:rpm/redhat/openssl", span),))
    fit = Fitter(Subject()).fit(product, one.resource, one.location.path)
    assert (fit is Fit.FITS) is holds


@settings(max_examples=150, deadline=None)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=10) | st.just(LODASH),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    [
                        "statements",
                        "vulnerability",
                        "name",
                        "aliases",
                        "products",
                        "subcomponents",
                        "@id",
                        "identifiers",
                        "status",
                        "justification",
                        "timestamp",
                        "document",
                        "csaf_version",
                        "tracking",
                        "product_tree",
                        "branches",
                        "relationships",
                        "full_product_names",
                        "vulnerabilities",
                        "cve",
                        "ids",
                        "product_status",
                        "flags",
                        "threats",
                        "analysis",
                        "state",
                        "affects",
                        "ref",
                        "versions",
                        "metadata",
                        "component",
                        "components",
                    ]
                ),
                inner,
                max_size=4,
            )
        ),
        max_leaves=20,
    )
)
def test_any_values_in_any_place_are_read_or_refused(value: Any) -> None:
    inner = value if isinstance(value, dict) else {"statements": value, "vulnerabilities": value}
    for head in (
        {"@context": "https://openvex.dev/ns/v0.2.0"},
        {"bomFormat": "CycloneDX"},
        {"document": {"csaf_version": "2.0", "tracking": value, "publisher": value}},
    ):
        try:
            file = read_vex(json.dumps({**inner, **head}).encode(), "x.json")
        except HaechiError:
            continue
        held([vulnerable()], file)


def test_times_are_compared_whatever_their_zone() -> None:
    from haechi.gate.vex.times import time_of

    assert time_of("2026-01-01T00:00:00.123456789Z") == dt.datetime(
        2026, 1, 1, 0, 0, 0, 123456, tzinfo=dt.UTC
    )
    assert time_of("2026-01-01T09:00:00+09:00") == dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    assert time_of("2026-01-01") == dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    assert [time_of(each) for each in ("", "soon", 7, None, "9" * 100)] == [None] * 5
