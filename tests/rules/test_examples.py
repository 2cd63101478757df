"""Every example of every built-in rule holds: the one test that a new rule needs."""

from __future__ import annotations

import pytest

from haechi.engines.cel import CelEngine
from haechi.rules.catalogue import load_catalogue
from haechi.rules.schema import JudgeKind, Rule
from haechi.scan.examples import audit_examples, example_faults

RULES = load_catalogue().rules
ENGINE = CelEngine()
AUDITS = audit_examples(RULES)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_examples_hold(rule: Rule) -> None:
    assert list(example_faults(rule, ENGINE, AUDITS)) == []


def test_the_catalogue_is_as_large_as_promised() -> None:
    kubernetes = [rule for rule in RULES if rule.id.startswith("k8s-")]
    docker = [rule for rule in RULES if rule.id.startswith("docker-")]
    assert len(kubernetes) >= 90
    assert len(docker) >= 45


def test_pod_rules_are_typed_python() -> None:
    pods = [rule for rule in RULES if rule.applies_to.kinds == ["pod"]]
    assert len(pods) >= 45
    assert {rule.judge for rule in pods} == {JudgeKind.PYTHON}


def test_every_rule_speaks_english_and_korean() -> None:
    missing = [rule.id for rule in RULES if rule.ko is None or not rule.why or not rule.fix]
    assert missing == []
