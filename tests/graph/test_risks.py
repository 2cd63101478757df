"""Risks: what comes first, how it reads, and what takes no part."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import pytest
from msgspec import structs

from haechi.graph.risks import MOST, rank_risks
from haechi.model.finding import Finding, FindingState
from haechi.model.location import Location
from haechi.model.scan import Risk
from haechi.model.severity import Severity
from tests.trees import scan, scope

CART = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: cart, namespace: shop}
spec:
  selector: {matchLabels: {app: cart}}
  template:
    metadata: {labels: {app: cart}}
    spec:
      serviceAccountName: cart
      containers:
        - name: cart
          image: registry.example/cart:1.0
          securityContext: {privileged: PRIVILEGED}
---
apiVersion: v1
kind: Service
metadata: {name: cart, namespace: shop}
spec: {selector: {app: cart}, ports: [{port: 80}]}
"""
INGRESS = """\
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata: {name: shop, namespace: shop}
spec: {rules: [{http: {paths: [{path: /, backend: {service: {name: cart}}}]}}]}
"""
RBAC = """\
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: reader}
rules:
  - apiGroups: [""]
    resources: [secrets]
    verbs: [get, list]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata: {name: reader}
subjects: [{kind: ServiceAccount, name: cart, namespace: shop}]
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: reader}
"""
REACHED = "The internet reaches cart"
SHOP = {"cart.yaml": CART.replace("PRIVILEGED", "true"), "ingress.yaml": INGRESS, "rbac.yaml": RBAC}


def risks(tmp_path: Path, files: dict[str, str]) -> tuple[Risk, ...]:
    return scan(tmp_path, files).material.scan.risks


def test_the_internet_reaches_what_can_read_every_secret(tmp_path: Path) -> None:
    first = risks(tmp_path, SHOP)[0]
    assert first.sentence == (
        "The internet reaches cart, which can read every Secret in the cluster "
        "(by ClusterRole reader)"
    )
    assert first.severity is Severity.CRITICAL
    assert str(first.location) == "rbac.yaml:5"
    assert "reader" in first.change
    assert [str(step.location) for step in first.steps] == [
        "ingress.yaml:4",
        "cart.yaml:18",
        "cart.yaml:1",
        "rbac.yaml:12",
        "rbac.yaml:5",
    ]
    assert [step.text for step in first.steps][:3] == [
        "Ingress shop/shop",
        "Service shop/cart",
        "Deployment shop/cart",
    ]
    assert first.findings


def test_a_weakness_that_the_internet_reaches_outranks_one_that_it_does_not(
    tmp_path: Path,
) -> None:
    alone = CART.replace("PRIVILEGED", "true").replace("cart", "jobs")
    found = risks(tmp_path, {**SHOP, "jobs.yaml": alone})
    sentences = [risk.sentence for risk in found]
    reached = next(
        i for i, text in enumerate(sentences) if text.startswith("The internet reaches cart: ")
    )
    other = next(i for i, text in enumerate(sentences) if "jobs" in text)
    assert reached < other
    assert [risk.score for risk in found] == sorted((r.score for r in found), reverse=True)
    assert str(found[reached].location) == "cart.yaml:13"


@pytest.mark.parametrize(
    ("missing", "first", "severity"),
    [
        ("ingress.yaml", "Whoever takes over Deployment shop/cart can read every Secret", "high"),
        ("rbac.yaml", "The internet reaches cart: ", "critical"),
    ],
)
def test_without_a_way_in_or_a_right_the_sentence_says_less(
    tmp_path: Path, missing: str, first: str, severity: str
) -> None:
    found = risks(tmp_path, {k: v for k, v in SHOP.items() if k != missing})
    said = next(risk for risk in found if risk.sentence.startswith(first))
    assert said.severity == severity
    from_outside = [risk for risk in found if "internet" in risk.sentence]
    assert bool(from_outside) is (missing != "ingress.yaml")


def test_every_risk_speaks_english_and_korean_and_names_one_change(tmp_path: Path) -> None:
    found = risks(tmp_path, SHOP)
    assert 3 <= len(found) <= MOST
    for risk in found:
        assert risk.sentence and risk.change
        assert not risk.sentence.endswith(".")
        assert any("가" <= letter <= "힣" for letter in risk.sentence_ko), risk.sentence_ko
        assert any("가" <= letter <= "힣" for letter in risk.change_ko), risk.change_ko
        assert risk.steps
    assert len({risk.location for risk in found}) == len(found)


WAIVE = """\
waivers:
  - rule: k8s-rbac-secrets-cluster-wide
    path: rbac.yaml
    reason: replaced in the next release
    owner: team-shop
    expires: 2027-01-31
  - {rule: k8s-privileged, path: cart.yaml, reason: for a week, owner: a, expires: 2026-11-30}
"""


def test_what_somebody_accepted_takes_no_part(tmp_path: Path) -> None:
    before = risks(tmp_path, SHOP)
    assert "Secret" in before[0].sentence
    after = risks(tmp_path, {**SHOP, "haechi.waivers.yaml": WAIVE})
    assert not [risk for risk in after if "every Secret" in risk.sentence]
    assert not [risk for risk in after if "privileged" in risk.sentence]
    assert after


def test_known_findings_take_no_part_and_new_ones_do() -> None:
    found = scope(cart=SHOP["cart.yaml"], ingress=INGRESS)
    finding = Finding(
        rule="a-rule",
        severity=Severity.HIGH,
        title="A fault",
        message="it is so",
        location=Location(path="cart.yaml", line=3),
        resource="k8s:-/apps/Deployment/shop/cart",
        label="Deployment shop/cart",
        fingerprint="1",
        due=dt.date(2027, 1, 1),
    )
    shown = {
        state: len(rank_risks([structs.replace(finding, state=state)], found, {}))
        for state in FindingState
    }
    assert shown == {
        FindingState.OPEN: 1,
        FindingState.NEW: 1,
        FindingState.KNOWN: 0,
        FindingState.WAIVED: 0,
    }
    (risk,) = rank_risks([finding], found, {})
    assert risk.sentence == "The internet reaches cart: a fault"


def test_findings_of_another_file_are_not_this_workloads() -> None:
    found = scope(prod__cart=SHOP["cart.yaml"], dev__cart=SHOP["cart.yaml"], prod__in=INGRESS)
    finding = Finding(
        rule="a-rule",
        severity=Severity.HIGH,
        title="A fault",
        message="it is so",
        location=Location(path="dev/cart.yaml", line=3),
        resource="k8s:-/apps/Deployment/shop/cart",
        fingerprint="1",
    )
    (risk,) = rank_risks([finding], found, {})
    assert "internet" not in risk.sentence
    moved = structs.replace(finding, location=Location(path="overlay/kustomization.yaml"))
    (risk,) = rank_risks([moved], found, {})
    assert risk.sentence.startswith("The internet reaches cart")


def test_there_are_at_most_twenty(tmp_path: Path) -> None:
    files = {
        f"{n}.yaml": CART.replace("PRIVILEGED", "true").replace("cart", f"app{n}")
        + "---\n"
        + INGRESS.replace("cart", f"app{n}")
        for n in range(MOST + 5)
    }
    assert len(risks(tmp_path, files)) == MOST


def test_nothing_found_no_risk() -> None:
    assert rank_risks([], scope(), {}) == ()
