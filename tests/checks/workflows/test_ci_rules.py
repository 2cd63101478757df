"""Every rule about CI files finds its bad examples and leaves its good ones alone."""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path
from types import ModuleType

import pytest

import haechi.checks.workflows
from haechi.model.location import value_at
from haechi.model.review import Hit
from haechi.rules.schema import JudgeKind, Rule
from haechi.scan.iac.workflows import may_be_action
from tests.checks.workflows.ci_reviews import judge_of, own_rules, review_of

RULES = own_rules()
PACKAGE = Path(haechi.checks.workflows.__file__).parent
BAD = [pytest.param(r, text, id=f"{r.id}-{i}") for r in RULES for i, text in enumerate(r.bad)]
GOOD = [pytest.param(r, text, id=f"{r.id}-{i}") for r in RULES for i, text in enumerate(r.good)]


def _hits(rule: Rule, text: str) -> list[Hit]:
    kind = rule.applies_to.kinds[0]
    if "action" in rule.applies_to.kinds and may_be_action(text.encode()):
        kind = "action"
    return list(judge_of(rule.function)(review_of(text, kind)))


def test_there_are_enough_rules() -> None:
    assert len(RULES) >= 50
    assert len({rule.id for rule in RULES}) == len(RULES)


@pytest.mark.parametrize(("rule", "text"), BAD)
def test_finds_bad_example(rule: Rule, text: str) -> None:
    hits = _hits(rule, text)
    assert hits
    review = review_of(text, "gitlab-ci" if rule.id.startswith("gitlab-") else "workflow")
    for hit in hits:
        assert hit.message
        assert not hit.message.endswith(".")
        assert hit.path
        if "runs:" not in text:
            assert value_at(review.resource.data, hit.path[:1]) is not None


@pytest.mark.parametrize(("rule", "text"), GOOD)
def test_leaves_good_example_alone(rule: Rule, text: str) -> None:
    assert _hits(rule, text) == []


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_rule_is_complete(rule: Rule) -> None:
    gitlab = rule.applies_to.kinds == ["gitlab-ci"]
    assert rule.id.startswith("gitlab-" if gitlab else "workflow-")
    assert rule.judge is JudgeKind.PYTHON
    assert rule.snippet
    assert rule.cwe
    assert rule.bad
    assert rule.good
    assert rule.ko is not None
    assert not rule.title.endswith(".")


def _judges(module: ModuleType) -> set[str]:
    return {
        name
        for name, member in inspect.getmembers(module, inspect.isfunction)
        if member.__module__ == module.__name__
        and not name.startswith("_")
        and list(inspect.signature(member).parameters) == ["review"]
        and "Iterator[Hit]" in str(member.__annotations__["return"])
    }


def test_every_judge_has_a_rule() -> None:
    judges = set()
    for path in PACKAGE.rglob("*.py"):
        name = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
        if path.stem != "__init__":
            module = importlib.import_module(f"haechi.checks.workflows.{name}")
            judges |= {f"workflows.{name}:{judge}" for judge in _judges(module)}
    assert judges == {rule.function for rule in RULES}
