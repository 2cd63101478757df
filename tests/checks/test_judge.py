"""The one evaluator: which rules apply to what, and what becomes of a judge that fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from haechi.checks import judge as judge_module
from haechi.checks.judge import Judge, applies, resolve
from haechi.engines.cel import CelEngine
from haechi.engines.dockerfile import resource_of
from haechi.errors import NotEvaluated, RuleError
from haechi.model.resource import Resource
from haechi.model.review import Hit, Review, State
from haechi.model.severity import Severity
from haechi.rules.schema import AppliesTo, JudgeKind, Rule
from tests.trees import POD, gaps, places, resources, scan

TEMPLATES = {"core/Pod": (), "argoproj.io/Rollout": ("spec", "template")}


def rule(name: str = "a-rule", *kinds: str, **more: Any) -> Rule:
    values: dict[str, Any] = {"judge": JudgeKind.CEL, "expression": "true", **more}
    return Rule(
        id=name,
        title="A fault",
        severity=Severity.HIGH,
        why="",
        fix="",
        applies_to=AppliesTo(kinds=list(kinds or ("kubernetes",))),
        bad=[],
        good=[],
        **values,
    )


def thing(type_: str) -> Resource:
    if type_ == "dockerfile":
        return resource_of("FROM a\n", "Dockerfile")[0]
    group, _, kind = type_.rpartition("/")
    version = "v1" if group == "core" else f"{group}/v1"
    return resources(f"{{apiVersion: {version}, kind: {kind}, metadata: {{name: a}}}}")[0]


@pytest.mark.parametrize(
    ("kind", "yes", "no"),
    [
        ("kubernetes", ["core/Pod", "x.dev/Thing"], ["dockerfile"]),
        ("core/Service", ["core/Service"], ["serving.knative.dev/Service", "core/Pod"]),
        ("*/Service", ["core/Service", "serving.knative.dev/Service"], ["core/Services"]),
        ("apps/Deployment", ["apps/Deployment"], ["extensions/Deployment"]),
        ("pod", ["core/Pod", "argoproj.io/Rollout"], ["core/Service", "dockerfile"]),
        ("dockerfile", ["dockerfile"], ["core/Pod"]),
        ("*/Dockerfile", [], ["dockerfile"]),
        ("Pod", [], ["core/Pod"]),
    ],
)
def test_which_resources_a_rule_judges(kind: str, yes: list[str], no: list[str]) -> None:
    each = rule("a-rule", kind)
    assert [type_ for type_ in yes + no if applies(each, thing(type_), TEMPLATES)] == yes
    several = rule("a-rule", "core/Node", kind)
    assert all(applies(several, thing(type_), TEMPLATES) for type_ in yes)


def test_rules_of_a_type_are_prepared_once() -> None:
    asked: list[str] = []

    class Engine:
        def prepare(self, rule: Rule) -> Callable[[Review], Any]:
            asked.append(rule.id)
            return CelEngine().prepare(rule)

    judge = Judge([rule("a-rule", "pod"), rule("b-rule", "core/Service")], Engine())
    for _ in range(3):
        verdicts = judge.review(Review(resource=thing("core/Pod")))
        assert [(v.rule, v.state) for v in verdicts] == [("a-rule", State.PASS)]
    assert asked == ["a-rule"]
    assert judge.review(Review(resource=thing("core/Node"))) == []


def one(review: Review) -> Iterator[Hit]:
    yield Hit("one", ("spec",), since=2)
    yield Hit("two")


def raises(review: Review) -> Iterator[Hit]:
    yield Hit("a violation before the fault")
    raise ValueError("unexpected")


def endless(review: Review) -> Iterator[Hit]:
    return endless(review)


def cannot_tell(review: Review) -> Iterator[Hit]:
    raise NotEvaluated("the tool is missing")


def none(review: Review) -> Iterator[Hit]:
    return iter(())


@pytest.mark.parametrize(
    ("function", "states", "message"),
    [
        (one, [State.FAIL, State.FAIL], "one"),
        (none, [State.PASS], ""),
        (raises, [State.ERROR], "ValueError: unexpected"),
        (endless, [State.ERROR], "RecursionError"),
        (cannot_tell, [State.NOT_EVALUATED], "the tool is missing"),
    ],
)
def test_what_becomes_of_a_python_judge(
    monkeypatch: pytest.MonkeyPatch, function: Any, states: list[State], message: str
) -> None:
    monkeypatch.setattr(judge_module, "resolve", lambda rule: function)
    judge = Judge([rule(judge=JudgeKind.PYTHON), rule("b-rule")], CelEngine())
    verdicts = judge.review(Review(resource=thing("core/Pod")))
    assert [v.state for v in verdicts] == [*states, State.PASS]  # the others go on
    assert message in verdicts[0].message


@pytest.mark.parametrize(
    ("expression", "state"),
    [
        ("true", State.PASS),
        ("false", State.FAIL),
        ("object.spec.x == 1", State.ERROR),
        ("object.", State.ERROR),
        ("1", State.ERROR),
    ],
)
def test_what_becomes_of_an_expression(expression: str, state: State) -> None:
    judge = Judge([rule(expression=expression), rule("b-rule")], CelEngine())
    verdicts = judge.review(Review(resource=thing("core/Pod")))
    assert [v.state for v in verdicts] == [state, State.PASS]


@pytest.mark.parametrize("function", ["nowhere:x", "pods.security:nothing", "", ":", "os"])
def test_a_function_that_is_not_there_is_an_error(function: str) -> None:
    with pytest.raises(RuleError):
        resolve(rule(judge=JudgeKind.PYTHON, function=function))


def test_a_judge_that_fails_is_a_gap_and_the_others_judge(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = judge_module.resolve
    monkeypatch.setattr(
        judge_module, "resolve", lambda r: raises if r.id == "k8s-host-pid" else real(r)
    )
    safe = POD.replace("privileged: true", "privileged: false")
    outcome = scan(tmp_path, {"a.yaml": safe, "b.yaml": safe})
    (gap,) = gaps(outcome)
    assert (gap.kind, gap.path) == ("rule-error", "a.yaml:1")
    assert gap.reason == ("rule k8s-host-pid could not judge: ValueError: unexpected (and 1 more)")
    assert outcome.material.decision.exit_code == 3
    assert places(outcome, "k8s-seccomp-missing")
    assert "k8s-host-pid" not in outcome.material.scan.coverage.evaluated


def test_a_judge_that_cannot_tell_is_a_gap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = judge_module.resolve
    monkeypatch.setattr(
        judge_module, "resolve", lambda r: cannot_tell if r.id == "k8s-host-pid" else real(r)
    )
    outcome = scan(tmp_path, {"a.yaml": POD.replace("privileged: true", "privileged: false")})
    assert [gap.kind for gap in gaps(outcome)] == ["not-evaluated"]
    assert outcome.material.decision.exit_code == 3


def test_every_review_shares_its_memo_with_the_judges(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []

    def look(review: Review) -> Iterator[Hit]:
        seen.append(review.memo["templates"])
        return iter(())

    monkeypatch.setattr(judge_module, "resolve", lambda rule: look)
    rules = [rule(name, judge=JudgeKind.PYTHON) for name in ("a-rule", "b-rule")]
    Judge(rules, CelEngine(), templates={"x.dev/Thing": ("spec",)}).review(
        Review(resource=thing("x.dev/Thing"))
    )
    assert len(seen) == 2
    assert seen[0]["x.dev/Thing"] == ("spec",)
    assert seen[0]["core/Pod"] == ()
