"""CEL: evaluation with a shared and a fresh activation, loading against compiling, isolation.

Figures are CPU microseconds, the lowest of five rounds; isolation is wall time, as it waits.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from haechi.engines.cel import CelEngine, examine
from haechi.model.location import AttrPath, Location
from haechi.model.resource import Resource
from haechi.model.review import Review
from haechi.model.severity import Severity
from haechi.model.unknown import Unknown
from haechi.rules.schema import AppliesTo, JudgeKind, Rule, Variable
from haechi.world.isolated import IsolatedRules

EXPRESSION = (
    "object.spec.template.spec.containers.all(c, "
    "has(c.securityContext) && c.securityContext.?privileged.orValue(false) != true)"
)
RULES = 20
RESOURCES = 500


def deployment() -> dict[str, Any]:
    """Four containers with twenty variables each: some 4 KB as JSON."""
    containers = [
        {
            "name": f"app-{number}",
            "image": "registry.example/shop/app:1.2.3",
            "env": [{"name": f"KEY_{n}", "value": "value"} for n in range(20)],
            "securityContext": {"privileged": False, "runAsNonRoot": True},
        }
        for number in range(4)
    ]
    labels = {f"label-{number}": "value" for number in range(8)}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "app", "namespace": "shop", "labels": labels},
        "spec": {"replicas": 2, "template": {"spec": {"containers": containers}}},
    }


def review(data: Any) -> Review:
    """A review of one object."""

    def locate(path: AttrPath) -> Location:
        return Location(path="x.yaml")

    resource = Resource(key="k8s:-/apps/Deployment/shop/app", kind="", data=data, locate=locate)
    return Review(resource=resource)


def rule(number: int, expression: str = EXPRESSION) -> Rule:
    """A rule without words; ``number`` makes its source, and so its compiled form, its own."""
    return Rule(
        id=f"bench-{number}",
        title="bench",
        severity=Severity.LOW,
        why="",
        fix="",
        applies_to=AppliesTo(kinds=["pod"]),
        judge=JudgeKind.CEL,
        bad=[],
        good=[],
        expression=f"{expression} && {number} == {number}",
    )


def microseconds(work: Callable[[], object], times: int) -> float:
    """CPU time of one call: the best of five rounds."""
    rounds = []
    for _ in range(5):
        start = time.process_time()
        for _ in range(times):
            work()
        rounds.append((time.process_time() - start) / times * 1e6)
    return min(rounds)


def show(name: str, value: float, unit: str = "µs") -> None:
    """One line of figures."""
    print(f"{name:<58} {value:>9.1f} {unit}")


def evaluation() -> None:
    """What one rule on one resource costs."""
    engine = CelEngine()
    data = deployment()
    prepared = engine.prepare(rule(0))
    shared = review(data)
    show("judge, activation of the review shared", microseconds(lambda: prepared(shared), 5000))
    show("judge, fresh activation", microseconds(lambda: prepared(review(data)), 300))
    show("  of which: examine the data", microseconds(lambda: examine(data), 500))
    named = Rule(
        **{name: getattr(rule(0), name) for name in Rule.__struct_fields__}
        | {
            "variables": [
                Variable(name="containers", expression="object.spec.template.spec.containers")
            ],
            "expression": EXPRESSION.replace(
                "object.spec.template.spec.containers", "variables.containers"
            ),
        }
    )
    with_variables = engine.prepare(named)
    show("judge with a variable, shared", microseconds(lambda: with_variables(shared), 5000))
    unknown = review({**data, "status": Unknown()})
    show("judge beside an unknown value, shared", microseconds(lambda: prepared(unknown), 5000))


def compiling() -> None:
    """What preparing a rule costs with and without the stored form."""
    engine = CelEngine()
    engine.version  # noqa: B018 - read once here, as every run does
    expressions = [rule(number).expression for number in range(200)]
    start = time.process_time()
    for expression in expressions:
        engine.compile(expression)
    compiled = (time.process_time() - start) / len(expressions) * 1e6
    stored = CelEngine(engine.compiled)
    stored.compile("true")  # loads the library
    start = time.process_time()
    for expression in expressions:
        stored.compile(expression)
    loaded = (time.process_time() - start) / len(expressions) * 1e6
    show("compile an expression, and seal it", compiled)
    show("load the sealed form", loaded)
    show("  ratio", compiled / loaded, "x")


def isolation() -> None:
    """What the process of its own adds."""
    rules = [rule(number) for number in range(RULES)]
    reviews = [review(deployment()) for _ in range(RESOURCES)]
    start = time.perf_counter()
    with IsolatedRules(rules) as isolated:
        isolated.errors()
        show(f"start a worker and compile {RULES} rules", (time.perf_counter() - start) * 1e3, "ms")
        start = time.perf_counter()
        count = sum(len(row) for row in isolated.judge(reviews))
        apart = (time.perf_counter() - start) * 1e6 / count
    engine = CelEngine()
    judgements = [engine.prepare(one) for one in rules]
    start = time.perf_counter()
    for one in [review(deployment()) for _ in range(RESOURCES)]:
        for judgement in judgements:
            judgement(one)
    here = (time.perf_counter() - start) * 1e6 / count
    show(f"{RULES} rules on {RESOURCES} resources in this process, per verdict", here)
    show("the same in the worker, per verdict", apart)


def main(argv: list[str]) -> None:
    """Print the figures."""
    evaluation()
    compiling()
    isolation()
