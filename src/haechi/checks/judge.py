"""The one evaluator: a Review goes in, a Verdict for every rule that applies comes out.

Files, admission, audit and what-if all call ``Judge.review`` (invariant 1). Which rules apply
is decided once per resource type. A judge that fails is an ``error`` verdict of its rule, never
a pass and never the end of the run.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

from haechi.checks.audits import audit_judge
from haechi.checks.pods.view import TEMPLATES
from haechi.errors import NotEvaluated, RuleError
from haechi.model.location import AttrPath
from haechi.model.resource import Resource
from haechi.model.review import Hit, Review, State, Verdict
from haechi.rules.schema import JudgeKind, Rule

Judgement = Callable[[Review], Sequence[Verdict]]
PythonJudge = Callable[[Review], Iterable[Hit]]


class Expressions(Protocol):
    """What the evaluator needs of an expression engine (CEL)."""

    def prepare(self, rule: Rule) -> Callable[[Review], Verdict]:
        """A function that judges a review by ``rule``. Raises RuleError."""


class Judge:
    """Judges by a fixed set of rules. ``templates`` adds kinds that carry a pod template."""

    def __init__(
        self,
        rules: Iterable[Rule],
        expressions: Expressions,
        *,
        templates: Mapping[str, AttrPath] | None = None,
    ) -> None:
        self.rules = tuple(rules)
        self.templates = {**TEMPLATES, **(templates or {})}
        self._expressions = expressions
        self._prepared: dict[str, Judgement] = {}
        self._by_type: dict[tuple[str, bool], tuple[tuple[Rule, Judgement], ...]] = {}
        self._named: dict[str, dict[int, Rule]] | None = None

    def rules_for(self, resource: Resource) -> tuple[tuple[Rule, Judgement], ...]:
        """The rules that apply to a resource of this type, with their prepared judges."""
        kubernetes = resource.key.startswith("k8s:")
        found = self._by_type.get((resource.type, kubernetes))
        if found is None:
            found = tuple(
                (rule, self._prepare(rule))
                for rule in (self.rules if kubernetes else self._naming(resource.type))
                if applies(rule, resource, self.templates)
            )
            self._by_type[resource.type, kubernetes] = found
        return found

    def _naming(self, kind: str) -> Iterable[Rule]:
        """The rules that name a kind, in their order. Terraform knows hundreds of kinds: asking
        every rule about each of them would cost more than judging does."""
        if self._named is None:
            self._named = {}
            for place, rule in enumerate(self.rules):
                for name in rule.applies_to.kinds:
                    self._named.setdefault(name, {})[place] = rule
        return self._named.get(kind, {}).values()

    def review(self, review: Review) -> list[Verdict]:
        """All verdicts about one resource: one per rule, or several where it fails in places."""
        review.memo.setdefault("templates", self.templates)
        verdicts: list[Verdict] = []
        for _, judgement in self.rules_for(review.resource):
            verdicts.extend(judgement(review))
        return verdicts

    def _prepare(self, rule: Rule) -> Judgement:
        judgement = self._prepared.get(rule.id)
        if judgement is None:
            match rule.judge:
                case JudgeKind.PYTHON:
                    judgement = self._python(rule, resolve(rule))
                case JudgeKind.ZIZMOR:
                    judgement = self._python(rule, audit_judge(rule))
                case _:
                    judgement = self._cel(rule)
            self._prepared[rule.id] = judgement
        return judgement

    def _python(self, rule: Rule, function: PythonJudge) -> Judgement:
        passed = (Verdict(rule.id, State.PASS),)

        def judge(review: Review) -> Sequence[Verdict]:
            hits: list[Hit] = []
            try:
                hits.extend(function(review))
            except NotEvaluated as reason:
                if not hits:  # what was found before stands whatever the rest is
                    told = {"cause": reason.cause} if reason.cause else {}
                    return (Verdict(rule.id, State.NOT_EVALUATED, str(reason), evidence=told),)
            except Exception as error:  # noqa: BLE001 - the boundary of one judge: one rule's fault must not end the scan
                return (Verdict(rule.id, State.ERROR, f"{type(error).__name__}: {error}"),)
            if not hits:
                return passed
            return [
                Verdict(rule.id, State.FAIL, hit.message, hit.path, hit.evidence, hit.since)
                for hit in hits
            ]

        return judge

    def _cel(self, rule: Rule) -> Judgement:
        try:
            function = self._expressions.prepare(rule)
        except RuleError as error:
            broken = (Verdict(rule.id, State.ERROR, error.what),)
            return lambda review: broken
        return lambda review: (function(review),)


def applies(rule: Rule, resource: Resource, templates: Mapping[str, AttrPath]) -> bool:
    """Whether ``rule.applies_to`` names this type of resource."""
    if not resource.key.startswith("k8s:"):
        return resource.type in rule.applies_to.kinds
    type_ = resource.type
    for kind in rule.applies_to.kinds:
        if kind in ("kubernetes", type_) or (kind == "pod" and type_ in templates):
            return True
        if kind.startswith("*/") and kind[2:] == resource.kind:
            return True
    return False


def resolve(rule: Rule) -> PythonJudge:
    """The Python judge that a built-in rule names, ``module:function`` under haechi.checks."""
    module, _, name = rule.function.partition(":")
    try:
        function: Any = getattr(importlib.import_module(f"haechi.checks.{module}"), name)
    except (ImportError, AttributeError) as error:
        raise RuleError(
            f"rule {rule.id}: no function {rule.function!r} in haechi.checks"
        ) from error
    judge: PythonJudge = function
    return judge
