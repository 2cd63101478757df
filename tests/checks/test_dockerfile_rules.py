"""Every Dockerfile rule finds its bad examples and leaves its good ones alone."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import msgspec
import pytest

from haechi.engines.dockerfile import resource_of
from haechi.errors import NotEvaluated
from haechi.model.review import Hit, Review
from haechi.rules.schema import JudgeKind, Rule, RuleFile
from tests.checks.object_reviews import document

DATA = Path(__file__).parents[2] / "src/haechi/rules/data/dockerfile"
MODULES = Path(__file__).parents[2] / "src/haechi/checks/dockerfile"
Judge = Callable[[Review], Iterator[Hit]]


def _load() -> list[Rule]:
    rules: list[Rule] = []
    for path in sorted(DATA.glob("*.yaml")):
        rules += msgspec.convert(document(path.read_text("utf-8")), RuleFile).rules
    return rules


RULES = _load()


def _judge(rule: Rule) -> Judge:
    module, _, name = rule.function.partition(":")
    function: Judge = getattr(importlib.import_module(f"haechi.checks.{module}"), name)
    return function


def _hits(rule: Rule, text: str) -> list[Hit]:
    resource, faults = resource_of(text, "Dockerfile")
    assert not faults, f"{rule.id}: {faults}"
    try:
        return list(_judge(rule)(Review(resource=resource)))
    except NotEvaluated:
        return []


def test_there_are_enough_rules() -> None:
    assert len(RULES) >= 50
    assert len({rule.id for rule in RULES}) == len(RULES)


BAD = [
    pytest.param(rule, text, id=f"{rule.id}-{i}")
    for rule in RULES
    for i, text in enumerate(rule.bad)
]
GOOD = [
    pytest.param(rule, text, id=f"{rule.id}-{i}")
    for rule in RULES
    for i, text in enumerate(rule.good)
]


@pytest.mark.parametrize(("rule", "text"), BAD)
def test_finds_bad_example(rule: Rule, text: str) -> None:
    hits = _hits(rule, text)
    assert hits
    for hit in hits:
        assert hit.message
        assert not hit.message.endswith(".")
        assert hit.path[0] == "instructions"


@pytest.mark.parametrize(("rule", "text"), GOOD)
def test_leaves_good_example_alone(rule: Rule, text: str) -> None:
    assert _hits(rule, text) == []


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_rule_is_complete(rule: Rule) -> None:
    assert rule.id.startswith("docker-")
    assert rule.judge is JudgeKind.PYTHON
    assert rule.applies_to.kinds == ["dockerfile"]
    assert rule.snippet
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
        and "Iterator" in str(member.__annotations__["return"])
    }


def test_every_judge_has_a_rule() -> None:
    named = {rule.function for rule in RULES}
    judges = set()
    for path in MODULES.glob("*.py"):
        if path.stem not in ("__init__", "view"):
            module = importlib.import_module(f"haechi.checks.dockerfile.{path.stem}")
            judges |= {f"dockerfile.{path.stem}:{name}" for name in _judges(module)}
    assert judges == named
