"""What the formats share: order, counts, the answer, and the waiver of a finding."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from haechi.model.coverage import Coverage
from haechi.model.finding import FindingState
from haechi.model.scan import Decision
from haechi.model.severity import Severity
from haechi.report.outline import (
    Answer,
    WaiverLookup,
    answer_sentence,
    beside_code,
    further_reasons,
    outline,
)
from tests.report.fixture import at, clean, empty, finding, findings, replace_scan, shop, waivers


def test_order_does_not_depend_on_the_order_of_the_scan() -> None:
    mixed = list(reversed(findings()))
    base = shop()
    again = outline(replace(base, scan=replace(base.scan, findings=tuple(mixed))))
    assert [item.fingerprint for item in again.findings] == [
        item.fingerprint for item in outline(base).findings
    ]


def test_worst_comes_first_and_accepted_after_open_of_the_same_severity() -> None:
    ranked = [(item.severity.rank, item.state) for item in outline(shop()).findings]
    order = list(FindingState)
    assert ranked == sorted(ranked, key=lambda pair: (pair[0], order.index(pair[1])))


def test_waived_findings_count_neither_as_fixable_nor_as_dead() -> None:
    base = shop()
    view = outline(base)
    assert (view.fixable, len(view.dead)) == (6, 2)
    waived = tuple(replace(item, state=FindingState.WAIVED) for item in findings())
    after = outline(replace(base, scan=replace(base.scan, findings=waived)))
    assert (after.fixable, len(after.dead)) == (0, 0)


@pytest.mark.parametrize(
    ("make", "change", "answer", "says"),
    [
        (shop, {}, Answer.BLOCKED, "blocks: 4 open findings at high or above"),
        (shop, {"blocking": frozenset()}, Answer.BLOCKED, "blocks"),
        (shop, {"exit_code": 2}, Answer.INVALID, "cannot decide"),
        (shop, {"exit_code": 3, "blocks": False}, Answer.INCOMPLETE, "2 parts of the asked scope"),
        (clean, {}, Answer.PASS, "no open finding at high or above"),
        (clean, {"fail_on": Severity.CRITICAL}, Answer.PASS, "no open finding at critical"),
        (empty, {}, Answer.NOTHING, "nothing in this scope was looked at"),
    ],
)
def test_answer_follows_the_decision(
    make: Any, change: dict[str, Any], answer: Answer, says: str
) -> None:
    base = make()
    material = replace(base, decision=replace(base.decision, **change))
    view = outline(material)
    assert view.answer is answer
    assert says in answer_sentence(material, view)


def test_rules_alone_are_nothing_looked_at() -> None:
    counts = {"files": 0, "rules": 187}
    material = replace_scan(shop(), Coverage(looked=counts))
    assert outline(material).answer is Answer.NOTHING
    material = replace_scan(shop(), Coverage(looked=counts | {"files": 1}))
    assert outline(material).answer is Answer.PASS


def test_reason_that_the_answer_already_is_does_not_come_twice() -> None:
    material = shop()
    assert material.decision.reasons[0].startswith("4 open findings")
    assert further_reasons(material, outline(material)) == list(material.decision.reasons[1:])


@pytest.mark.parametrize(
    ("named", "rule", "found"),
    [
        ("haechi.waivers.yaml:3", "k8s-docker-socket", "k8s-docker-socket"),
        ("haechi.waivers.yaml:3", "another", "k8s-docker-socket"),
        ("haechi.waivers.yaml:33", "k8s-docker-socket", None),
        (None, "k8s-docker-socket", None),
    ],
)
def test_waiver_is_found_by_its_place(named: str | None, rule: str, found: str | None) -> None:
    decision = Decision(blocks=False, exit_code=0, fail_on=Severity.HIGH, waivers=waivers())
    use = WaiverLookup(decision).of(finding(rule, "m", at("a", 1), waiver=named))
    assert (use.waiver.rule if use else None) == found


def test_of_two_waivers_in_one_place_the_one_of_the_rule_is_meant() -> None:
    first = waivers()[0]
    second = replace(first, waiver=replace(first.waiver, rule="other", reason="because"))
    decision = Decision(blocks=False, exit_code=0, fail_on=Severity.HIGH, waivers=(first, second))
    item = finding("other", "m", at("a", 1), waiver=str(first.waiver.location))
    assert WaiverLookup(decision).reason(item) == "because"


def test_inline_waivers_stand_beside_the_code() -> None:
    assert [beside_code(use) for use in waivers()] == [False, True, False]
