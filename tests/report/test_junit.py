"""JUnit XML: well-formed whatever the input, and its figures are those of its cases."""

from __future__ import annotations

from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import HealthCheck, given, settings
from msgspec.structs import replace

from haechi.model.finding import FindingState
from haechi.report import junit
from haechi.report.material import Material
from tests.report.fixture import at as place
from tests.report.fixture import clean, empty, finding, shop
from tests.report.strategies import materials


def parsed(material: Material) -> ElementTree.Element:
    """The report as CI servers read it, with its figures checked."""
    root = ElementTree.fromstring(junit.render(material).encode())  # noqa: S314 - our own text
    for element in (root, *root.findall("testsuite")):
        cases = list(element.iter("testcase"))
        for key, tag in (("failures", "failure"), ("errors", "error"), ("skipped", "skipped")):
            assert int(element.attrib[key]) == sum(case.find(tag) is not None for case in cases)
        assert int(element.attrib["tests"]) == len(cases)
    return root


def outcomes(root: ElementTree.Element, tag: str) -> list[str]:
    """Names of the cases with that outcome."""
    return [case.attrib["name"] for case in root.iter("testcase") if case.find(tag) is not None]


def test_open_findings_fail_accepted_ones_are_skipped_and_gaps_are_errors() -> None:
    root = parsed(shop())
    states = [item.state for item in shop().scan.findings]
    assert len(outcomes(root, "failure")) == states.count(FindingState.OPEN) > 0
    accepted_gaps = 1
    assert len(outcomes(root, "skipped")) == accepted_gaps + sum(
        state is not FindingState.OPEN for state in states
    )
    assert [name.split()[0] for name in outcomes(root, "error")] == ["helm-chart", "syntax"]


def test_rules_without_findings_are_passed_cases() -> None:
    suite = parsed(shop()).find("testsuite[@name='rules without findings']")
    assert suite is not None
    assert [case.attrib["name"] for case in suite] == ["docker-sudo", "k8s-run-as-root"]


@pytest.mark.parametrize(("make", "tests"), [(clean, "1"), (empty, "0")])
def test_clean_run_is_no_empty_report_but_a_run_over_nothing_is(make: Any, tests: str) -> None:
    assert parsed(make()).attrib["tests"] == tests


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        ("docker-curl-shell", "known in the baseline"),
        ("k8s-host-pid", "not in haechi.lock yet"),
        ("k8s-docker-socket", "waived (the build runner needs it"),
    ],
)
def test_skipped_case_says_why(rule: str, says: str) -> None:
    root = parsed(shop())
    cases = [case for case in root.iter("testcase") if case.attrib["name"].startswith(rule)]
    skipped = cases[0].find("skipped")
    assert skipped is not None
    assert says in skipped.attrib["message"]


def test_failure_holds_place_reason_fix_owner_and_date() -> None:
    case = next(
        case
        for case in parsed(shop()).iter("testcase")
        if case.attrib["name"].startswith("k8s-privileged")
    )
    assert (case.attrib["file"], case.attrib["line"]) == ("k8s/cart.yaml", "14")
    text = case.findtext("failure") or ""
    for part in ("critical", "Fix: Take `privileged", "owner @shop/cart", "due 2026-03-09"):
        assert part in text


def test_control_characters_are_written_out() -> None:
    base = shop()
    item = finding("k8s-privileged", "a\x00\x1b\ud800\ufffe<&\"'\u202eb", place("a\x07.yaml", 1))
    root = parsed(replace(base, scan=replace(base.scan, findings=(item,))))
    failure = next(root.iter("failure"))
    assert failure.attrib["message"] == "a<U+0000><U+001B><U+D800>\ufffd<&\"'<U+202E>b"


@given(materials())
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_hostile_material_stays_well_formed(material: Material) -> None:
    root = parsed(material)
    cases = sum("file" in case.attrib for case in root.iter("testcase"))
    assert cases == len(material.scan.findings)
