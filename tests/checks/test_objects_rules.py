"""Every example of the rules about Kubernetes objects, and hostile input for every judge."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
import pytest
from cel_expr_python import cel
from cel_expr_python.ext.ext_bindings import ExtBindings
from cel_expr_python.ext.ext_encoders import ExtEncoders
from cel_expr_python.ext.ext_math import ExtMath
from cel_expr_python.ext.ext_optional import ExtOptional
from cel_expr_python.ext.ext_strings import ExtStrings
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import haechi.rules.schema
from haechi.checks.pods.view import TEMPLATES
from haechi.model.location import format_path
from haechi.model.resource import Resource
from haechi.model.review import Hit, Review
from haechi.rules.schema import JudgeKind, Rule, RuleFile
from tests.checks.object_reviews import ListScope, document, documents, resource_of, reviews

DATA = Path(haechi.rules.schema.__file__).with_name("data") / "kubernetes"
FAMILIES = (
    "rbac",
    "network",
    "exposure",
    "secrets",
    "namespaces",
    "accounts",
    "availability",
    "apis",
    "annotations",
    "admission",
    "mesh",
    "cluster",
)


def _load() -> dict[str, Rule]:
    rules: dict[str, Rule] = {}
    for family in FAMILIES:
        raw = document((DATA / f"{family}.yaml").read_text(encoding="utf-8"))
        for rule in msgspec.convert(raw, RuleFile).rules:
            assert rule.id not in rules, f"{rule.id} stands twice"
            rules[rule.id] = rule
    return rules


RULES = _load()
PYTHON = {k: v for k, v in RULES.items() if v.judge is JudgeKind.PYTHON}
CEL = {k: v for k, v in RULES.items() if v.judge is JudgeKind.CEL}


@cache
def _environment() -> Any:
    return cel.NewEnv(
        variables={"object": cel.Type.DYN},
        extensions=[ExtStrings(), ExtOptional(), ExtMath(), ExtEncoders(), ExtBindings()],
    )


@cache
def _expression(text: str) -> Any:
    return _environment().compile(text)


def _python(rule: Rule) -> Callable[[Review], Iterator[Hit]]:
    module, _, name = rule.function.partition(":")
    judge: Callable[[Review], Iterator[Hit]] = getattr(
        importlib.import_module(f"haechi.checks.{module}"), name
    )
    return judge


def _applies(rule: Rule, resource: Resource) -> bool:
    return any(
        kind in ("kubernetes", resource.type)
        or (kind == "pod" and resource.type in TEMPLATES)
        or (kind.startswith("*/") and kind[2:] == resource.kind)
        for kind in rule.applies_to.kinds
    )


def _findings(rule: Rule, text: str) -> list[str]:
    found: list[str] = []
    judged = 0
    for review in reviews(documents(text)):
        if not _applies(rule, review.resource):
            continue
        judged += 1
        if rule.judge is JudgeKind.PYTHON:
            found += [f"{format_path(hit.path)}: {hit.message}" for hit in _python(rule)(review)]
        else:
            found += _cel_findings(rule, review.resource.data)
    assert judged or text in rule.good, (
        f"{rule.id}: the example has no object that the rule applies to"
    )
    return found


def _cel_findings(rule: Rule, data: Any) -> list[str]:
    activation = _environment().Activation({"object": data})
    value = _expression(rule.expression).eval(activation).plain_value()
    assert isinstance(value, bool), f"{rule.id}: {value!r}"
    if value:
        return []
    if rule.message_expression:
        message = _expression(rule.message_expression).eval(activation).plain_value()
        assert isinstance(message, str), f"{rule.id}: {message!r}"
        return [message]
    return [rule.message or rule.title]


EXAMPLES = [
    pytest.param(rule, text, bad, id=f"{rule.id}-{'bad' if bad else 'good'}-{index}")
    for rule in RULES.values()
    for bad in (True, False)
    for index, text in enumerate(rule.bad if bad else rule.good)
]


@pytest.mark.parametrize(("rule", "text", "bad"), EXAMPLES)
def test_example_is_judged_as_it_says(rule: Rule, text: str, bad: bool) -> None:
    found = _findings(rule, text)
    assert bool(found) == bad, found


def test_there_are_enough_rules_of_both_kinds() -> None:
    assert len(RULES) >= 50
    assert len(CEL) >= 15


@pytest.mark.parametrize("rule", RULES.values(), ids=lambda rule: rule.id)
def test_rule_is_complete(rule: Rule) -> None:
    assert rule.id.startswith("k8s-")
    assert rule.ko is not None
    assert all((rule.ko.title, rule.ko.why, rule.ko.fix, rule.snippet, rule.cwe))
    assert all(one.startswith("CWE-") for one in rule.cwe)
    assert not rule.title.endswith(".")
    assert rule.why.endswith(".") and rule.fix.endswith(".")
    if rule.judge is JudgeKind.CEL:
        assert rule.path and (rule.message or rule.message_expression)


@pytest.mark.parametrize("rule", CEL.values(), ids=lambda rule: rule.id)
def test_expression_is_fine_with_an_empty_object(rule: Rule) -> None:
    objects: tuple[dict[str, Any], ...] = ({}, {"metadata": {"name": "x"}}, {"spec": {}})
    for data in objects:
        _cel_findings(rule, data)


@pytest.mark.parametrize("rule", PYTHON.values(), ids=lambda rule: rule.id)
def test_message_is_one_sentence_without_full_stop(rule: Rule) -> None:
    for text in rule.bad:
        lines = _findings(rule, text)
        assert lines
        for line in lines:
            assert not line.endswith("."), line
            assert "{" not in line or "'" in line, line


SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-10, 70000),
    st.floats(allow_nan=True),
    st.sampled_from(
        ["", "*", "get", "pods", "secrets", "0.0.0.0/0", "10.0.0.0/8", "::/0", "dns", "1h", "x"]
    ),
    st.text(max_size=6),
)


@cache
def _keys() -> list[str]:
    """Every key that an example uses, so that random data gets past the first look-up."""
    found: set[str] = set()

    def walk(value: Any) -> None:
        if isinstance(value, dict):
            found.update(value)
            for one in value.values():
                walk(one)
        elif isinstance(value, list):
            for one in value:
                walk(one)

    for rule in RULES.values():
        for text in (*rule.bad, *rule.good):
            walk(documents(text))
    return sorted(found)


HOSTILE = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(_keys()), inner, max_size=5)
    ),
    max_leaves=12,
)


def _broken(data: Any, path: tuple[Any, ...], value: Any) -> Any:
    """A copy of ``data`` in which the value at ``path`` is another one."""
    if not path:
        return value
    head, *tail = path
    if isinstance(data, dict):
        return {**data, head: _broken(data[head], tuple(tail), value)}
    return [_broken(one, tuple(tail), value) if i == head else one for i, one in enumerate(data)]


def _paths(data: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield path
    if isinstance(data, dict):
        for key, value in data.items():
            yield from _paths(value, (*path, key))
    elif isinstance(data, list):
        for index, value in enumerate(data):
            yield from _paths(value, (*path, index))


def _judge_all(data: list[Any], rule: Rule) -> None:
    for review in reviews(data):
        if "pod" in rule.applies_to.kinds and review.resource.type not in TEMPLATES:
            continue
        for hit in _python(rule)(review):
            assert isinstance(hit.message, str)
            format_path(hit.path)


@settings(max_examples=250, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_no_judge_raises_on_an_example_with_a_hostile_value(data: st.DataObject) -> None:
    rule = data.draw(st.sampled_from(list(PYTHON.values())))
    objects = documents(data.draw(st.sampled_from([*rule.bad, *rule.good])))
    for _ in range(data.draw(st.integers(1, 3))):
        path = data.draw(st.sampled_from(list(_paths(objects))))
        if path:
            objects = _broken(objects, path, data.draw(HOSTILE))
    _judge_all(objects, rule)


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(bodies=st.lists(HOSTILE, min_size=1, max_size=3), data=st.data())
def test_no_judge_raises_on_any_value_of_its_kind(bodies: list[Any], data: st.DataObject) -> None:
    rule = data.draw(st.sampled_from(list(PYTHON.values())))
    kind = rule.applies_to.kinds[0].replace("*/", "x/").replace("core/", "/")
    group, _, name = kind.rpartition("/") if "/" in kind else ("apps", "", "Deployment")
    version = f"{group}/v1" if group else "v1"
    objects = [
        {
            **(body if isinstance(body, dict) else {"spec": body}),
            "apiVersion": version,
            "kind": name,
        }
        for body in bodies
    ]
    _judge_all(objects, rule)


def test_scope_dependent_rules_are_silent_about_an_object_alone() -> None:
    """Judged alone, nothing can be concluded from absent neighbours."""
    judged = 0
    for rule in PYTHON.values():
        for text in rule.bad:
            for data in documents(text):
                resource = resource_of(data)
                if _applies(rule, resource):
                    hits = [h.message for h in _python(rule)(Review(resource=resource))]
                    assert not [message for message in hits if "these files" in message], rule.id
                    judged += 1
    assert judged > 100


def test_list_scope_sees_what_it_was_given() -> None:
    made = [resource_of(d) for d in documents("{apiVersion: v1, kind: Pod, metadata: {name: a}}")]
    assert ListScope(made).workloads() == made
