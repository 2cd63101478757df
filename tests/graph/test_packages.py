"""Risks of vulnerable packages: one sentence a package, one change, and who reaches it."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from haechi.graph.packages import MOST
from haechi.graph.risks import rank_risks
from haechi.model.finding import Finding, FindingState
from haechi.model.scan import Risk
from haechi.model.severity import Severity
from tests.gate.builders import finding
from tests.trees import scope

OPEN = """\
apiVersion: v1
kind: Service
metadata: {name: cart, namespace: shop}
spec: {type: LoadBalancer, selector: {app: cart}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: cart, namespace: shop}
spec:
  selector: {matchLabels: {app: cart}}
  template:
    metadata: {labels: {app: cart}}
    spec: {containers: [{name: cart, image: registry.shop.example/cart:1.0}]}
"""
CLOSED = OPEN.replace("type: LoadBalancer", "type: ClusterIP")
LOCK, DOCKERFILE = "services/cart/uv.lock", "services/cart/Dockerfile"


def vulnerable(
    rule: str = "CVE-2024-1",
    *,
    name: str = "demo",
    severity: Severity = Severity.CRITICAL,
    upgrade: str = "2.0",
    path: str = LOCK,
    tags: tuple[str, ...] = (),
    state: FindingState = FindingState.OPEN,
    **evidence: Any,
) -> Finding:
    return finding(
        name,
        rule=rule,
        severity=severity,
        path=path,
        line=int(evidence.pop("line", 1)),
        domain="deps",
        resource=f"pkg:pypi/{name}@1.5",
        label=f"{name} 1.5",
        fix=f"upgrade to {upgrade}" if upgrade else None,
        tags=tags,
        state=state,
        evidence={"ecosystem": "PyPI", "version": "1.5", **evidence},
    )


def risks(
    *findings: Finding, objects: str = CLOSED, dockerfiles: tuple[str, ...] = (DOCKERFILE,)
) -> list[Risk]:
    return list(rank_risks(findings, scope(objects), {}, dockerfiles=dockerfiles))


def test_all_of_a_package_is_one_risk_with_the_upgrade_that_ends_it() -> None:
    (risk,) = risks(
        vulnerable(severity=Severity.HIGH, upgrade="1.10"),
        vulnerable("CVE-2024-2", upgrade="1.9"),
    )
    assert risk.sentence == (
        "demo 1.5 has 2 known vulnerabilities, the worst: a title (CVE-2024-2)"
    )
    assert risk.change == "Upgrade demo to 1.10 (fixes 2)"
    assert len(risk.findings) == 2


def test_what_has_no_fix_is_not_promised_to_end() -> None:
    (risk,) = risks(vulnerable(), vulnerable("CVE-2024-2", upgrade=""))
    assert risk.change == "Upgrade demo to 2.0 (fixes 1 of 2)"


def test_change_names_what_brings_a_package_in() -> None:
    found = vulnerable()
    found = replace(found, evidence={**found.evidence, "path": ["shop", "web", "demo"]})
    (risk,) = risks(found)
    assert risk.change == "Upgrade demo to 2.0, which web brings in"


def test_the_internet_reaches_what_is_built_beside_the_lock_file() -> None:
    (risk,) = risks(vulnerable(), objects=OPEN)
    assert risk.sentence.startswith("The internet reaches cart, built from services/cart: demo 1.5")
    assert [step.text for step in risk.steps][-2] == f"image of {DOCKERFILE}, by its name"
    (closed,) = risks(vulnerable())
    assert risk.score > closed.score


@pytest.mark.parametrize(
    ("found", "dockerfiles"),
    [
        (vulnerable(tags=("development",)), (DOCKERFILE,)),
        (vulnerable(), ()),
        (vulnerable(), ("Dockerfile",)),
        (vulnerable(), ("services/other/Dockerfile",)),
        (vulnerable(), (DOCKERFILE, "old/cart/Dockerfile")),
    ],
    ids=["development", "no Dockerfile", "no name", "another folder", "two of a name"],
)
def test_nobody_is_said_to_reach_what_may_be_something_else(
    found: Finding, dockerfiles: tuple[str, ...]
) -> None:
    (risk,) = risks(found, objects=OPEN, dockerfiles=dockerfiles)
    assert "internet" not in risk.sentence


def test_known_exploits_come_first_and_development_last() -> None:
    found = risks(
        vulnerable("CVE-1", name="plain", line=1),
        vulnerable("CVE-2", name="dev", tags=("development",), line=2),
        vulnerable("CVE-3", name="hit", tags=("exploited",), line=3),
        vulnerable("CVE-4", name="likely", epss=0.9, line=4),
    )
    assert [risk.sentence.split()[0] for risk in found] == ["hit", "likely", "plain", "dev"]


def test_malicious_package_is_to_be_taken_out() -> None:
    (risk,) = risks(vulnerable("MAL-2024-1", tags=("malicious",)))
    assert risk.sentence == "demo 1.5 is a malicious package"
    assert "Upgrade" not in risk.change


def test_waived_and_mild_ones_take_no_part_and_many_do_not_hide_the_rest() -> None:
    assert risks(vulnerable(state=FindingState.WAIVED)) == []
    assert risks(vulnerable(severity=Severity.LOW)) == []
    many = [vulnerable(f"CVE-{n}", name=f"p{n}", line=n) for n in range(1, 40)]
    other = finding(severity=Severity.MEDIUM)
    found = risks(*many, other)
    assert len(found) == MOST + 1
    assert found[-1].findings == (other.fingerprint,)


def test_one_package_of_two_files_in_the_same_words_is_one_risk() -> None:
    pair = [vulnerable(), vulnerable(path="services/cart/requirements.txt", line=3)]
    (risk,) = rank_risks(pair, scope(), {})
    assert risk.sentence.endswith("; also in services/cart/requirements.txt:3")
    assert set(risk.findings) == {one.fingerprint for one in pair}
    (several,) = rank_risks([*pair, vulnerable(path="b.lock", line=4)], scope(), {})
    assert several.sentence.endswith("; also in 2 more places")
    assert [str(step.location) for step in several.steps[1:]] == [
        "services/cart/requirements.txt:3",
        "b.lock:4",
    ]


def test_the_least_release_of_go_ranks_below_packages_that_are_there() -> None:
    least = vulnerable("GO-2026-1", name="stdlib", path="go.mod", least=True, reach="called")
    there = vulnerable("GO-2026-2", name="other", path="go.mod", line=9)
    first, second = rank_risks([least, there], scope(), {})
    assert first.findings == (there.fingerprint,)
    assert second.sentence.startswith("go.mod allows to build with Go 1.5, whose standard library")
    assert second.change == "Raise the go or toolchain line to 2.0"
