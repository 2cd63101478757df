"""CEL: what an expression's result means, where errors are shown, and what data cannot do to it."""

from __future__ import annotations

import sys
from collections import OrderedDict
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haechi.engines.cel import CelEngine, parse_path
from haechi.engines.cel.data import DEPTH_LIMIT, examine
from haechi.engines.cel.variables import compose
from haechi.errors import RuleError
from haechi.model.location import AttrPath, Location, format_path
from haechi.model.resource import Resource
from haechi.model.review import Review, State, Verdict
from haechi.model.severity import Severity
from haechi.rules.schema import AppliesTo, JudgeKind, Rule, Variable

ENGINE = CelEngine()


def review(data: Any, key: str = "k8s:-/core/Pod/-/a", **more: Any) -> Review:
    def locate(path: AttrPath) -> Location:
        return Location(path="x.yaml")

    return Review(resource=Resource(key=key, kind="Pod", data=data, locate=locate), **more)


def rule(expression: str, **more: Any) -> Rule:
    return Rule(
        id="test-rule",
        title="the title",
        severity=Severity.LOW,
        why="",
        fix="",
        applies_to=AppliesTo(kinds=["pod"]),
        judge=JudgeKind.CEL,
        bad=[],
        good=[],
        expression=expression,
        **more,
    )


def judge(expression: str, data: Any, *, engine: CelEngine = ENGINE, **more: Any) -> Verdict:
    return engine.prepare(rule(expression, **more))(review(data))


@pytest.mark.parametrize(
    ("expression", "state"),
    [
        ("object.a == 1", State.PASS),
        ("object.a == 2", State.FAIL),
        ("object.b == 1", State.ERROR),
        ("object.a", State.ERROR),
        ("object.s", State.ERROR),
        ("object", State.ERROR),
        ("dyn(object.?b)", State.ERROR),
        ("object.a.matches('(')", State.ERROR),
        ("1 / (object.a - 1) == 1", State.ERROR),
        ("object.b == 1 || object.a == 1", State.PASS),
        ("object.b == 1 && object.a == 2", State.FAIL),
        ("object.b == 1 && object.a == 1", State.ERROR),
        ("oldObject == null && params == null && namespaceObject == null", State.PASS),
        ("request == null", State.PASS),
        ("object.?b.orValue(7) == 7", State.PASS),
        ("'a,b'.split(',').size() == 2 && math.greatest(1, 2) == 2", State.PASS),
        ("base64.encode(b'x') == 'eA=='", State.PASS),
        ("cel.bind(x, object.a, x + x == 2)", State.PASS),
    ],
)
def test_only_true_passes(expression: str, state: State) -> None:
    assert judge(expression, {"a": 1, "s": "text"}).state is state


def test_binds_the_variables_of_admission_policies() -> None:
    given_all = review(
        {"a": 1},
        old={"a": 2},
        request=OrderedDict(operation="UPDATE"),
        namespace={"metadata": {"name": "shop"}},
        params={"max": 3},
    )
    expression = (
        "object.a + oldObject.a == params.max && request.operation == 'UPDATE'"
        " && namespaceObject.metadata.name == 'shop'"
    )
    assert ENGINE.prepare(rule(expression))(given_all).state is State.PASS


@pytest.mark.parametrize(
    "expression", ["object.a", "object.l", "object", "[[null], {'a': null}]", "dyn(null)"]
)
def test_a_null_that_is_given_costs_none_of_the_process(expression: str) -> None:
    """The library gives None away without counting it; a process that ran long would die."""
    data = {"a": None, "l": [None, 1], "m": {"k": None}}
    activation = ENGINE.activation(review(data, key="dockerfile"))
    compiled = ENGINE.compile(expression, returns="any")
    activation.value(compiled)
    before = sys.getrefcount(None)
    for _ in range(300):
        activation.evaluate(compiled)
        activation.text(compiled)
        activation.value(compiled)
    assert sys.getrefcount(None) > before - 200


def test_ten_thousand_iterations_are_an_error_verdict() -> None:
    verdict = judge("object.l.all(x, x >= 0)", {"l": list(range(10_001))})
    assert verdict.state is State.ERROR
    assert "Iteration budget" in verdict.message


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({}, "the title"),
        ({"message": "the message"}, "the message"),
        ({"message_expression": "'a is ' + string(object.a)"}, "a is 1"),
        ({"message_expression": "object.nope", "message": "the message"}, "the message"),
        ({"message_expression": "object.a", "message": "the message"}, "the message"),
        ({"message_expression": "object.l.join('')", "message": "the message"}, "the message"),
        ({"message_expression": "'  '"}, "the title"),
        ({"message_expression": "'a\\nb'"}, "the title"),
    ],
)
def test_message_of_a_failure(more: dict[str, Any], message: str) -> None:
    data = {"a": 1, "l": ["x" * 1000] * 10}
    verdict = judge("object.a == 2", data, path="spec.a['b/c'][0]", **more)
    assert (verdict.state, verdict.message) == (State.FAIL, message)
    assert verdict.path == ("spec", "a", "b/c", 0)


VARIABLES = [
    Variable(name="items", expression="object.l // the list"),
    Variable(name="first", expression="variables.items[0]"),
    Variable(name="broken", expression="object.nope.deeper"),
]


@pytest.mark.parametrize(
    ("expression", "state"),
    [
        ("variables.first == 5 && variables.items.size() == 2", State.PASS),
        ("variables . first\n== 5", State.PASS),
        ("variables.first == 6", State.FAIL),
        ("variables.broken == 1", State.ERROR),
        ("variables.first == 5 || variables.broken == 1", State.PASS),
        ("variables.first == 5 ? true : variables.broken == 1", State.PASS),
        ("variables.items.all(variable, variable == 5 || variable == 6)", State.PASS),
        ("object.variables.first == 1 && 'variables.nope' != \"variables.x\" // fine", State.PASS),
        ("r'\\d' != '''variables.nope ' ''' // variables.nope", State.PASS),
    ],
)
def test_variables_are_lazy_and_may_use_earlier_ones(expression: str, state: State) -> None:
    data = {"l": [5, 6], "variables": {"first": 1}}
    assert judge(expression, data, variables=VARIABLES).state is state


def test_variables_serve_the_message_too() -> None:
    more: dict[str, Any] = {
        "variables": VARIABLES,
        "message_expression": "'first: ' + string(variables.first)",
    }
    assert judge("variables.first == 0", {"l": [5]}, **more).message == "first: 5"


@pytest.mark.parametrize(
    ("fields", "fault"),
    [
        ({"expression": "object.a =="}, "expression: line 1, column 12"),
        ({"expression": "object.a &&\n  nope(1)"}, "expression: line 2, column 7: undeclared"),
        ({"expression": "objekt.a == 1"}, "expression: line 1, column 7: undeclared"),
        ({"expression": "1 + 1"}, "must give bool"),
        ({"expression": "'a' == 1"}, "expression: line 1, column 5"),
        ({"expression": " \n"}, "expression is empty"),
        ({"expression": "(" * 50 + "true" + ")" * 50}, "recursion"),
        ({"expression": "true", "message_expression": "1"}, "message_expression: the expression"),
        ({"expression": "true", "path": "spec..a"}, "path 'spec..a'"),
        ({"expression": "object.l.findNone('a') == ''"}, "undeclared reference to 'findNone'"),
        ({"expression": "variables.a"}, "column 1: variables.a is not defined"),
        ({"expression": "variables == null"}, "only be used as variables.<name>"),
        ({"expression": "variables['a']"}, "only be used as variables.<name>"),
        ({"expression": "object.a) || (true"}, "column 9: ')' closes nothing"),
        ({"expression": "object.a || (true"}, "')' is missing"),
        ({"expression": "object.a || [true)"}, "')' closes nothing"),
        ({"expression": "'\ud800' == object.a"}, "expression"),
        (
            {
                "expression": "variables.a",
                "variables": [Variable(name="a", expression="true &&\n nope")],
            },
            "variables.a: line 2, column 2: undeclared",
        ),
        (
            {
                "expression": "variables.a &&\n variables.a && nope",
                "variables": [Variable(name="a", expression="true\n||\nfalse")],
            },
            "expression: line 2, column 17: undeclared",
        ),
        (
            {
                "expression": "variables.a &&",
                "variables": [Variable(name="a", expression="true")],
            },
            "expression: line 1, column 15: Syntax error",
        ),
        (
            {"expression": "true", "variables": [Variable(name="a b", expression="true")]},
            "'a b' is not a name",
        ),
        (
            {"expression": "true", "variables": [Variable(name="a", expression="variables.a")]},
            "variables.a is not defined before its use",
        ),
        (
            {"expression": "true", "variables": [Variable(name="a", expression="true")] * 2},
            "defined twice",
        ),
        (
            {
                "expression": "true",
                "variables": [Variable(name=f"a{i}", expression="1") for i in range(40)],
            },
            "may have 24 variables",
        ),
    ],
)
def test_a_wrong_rule_says_field_line_and_column(fields: dict[str, Any], fault: str) -> None:
    with pytest.raises(RuleError) as raised:
        ENGINE.prepare(rule(**fields))
    assert raised.value.what.startswith("rule test-rule: ")
    assert fault in raised.value.what


def test_all_variables_that_are_allowed_compile() -> None:
    chain = [Variable(name="v0", expression="object.a")]
    chain += [Variable(name=f"v{i}", expression=f"variables.v{i - 1} + 1") for i in range(1, 24)]
    assert judge("variables.v23 == 24", {"a": 1}, variables=chain).state is State.PASS


def nested(levels: int) -> Any:
    data: Any = 1
    for _ in range(levels):
        data = {"x": data}
    return data


def cyclic() -> Any:
    data: dict[str, Any] = {}
    data["self"] = [data, data]
    return data


class Hostile:
    """A value whose text cannot be had: the library would crash on it."""

    def __repr__(self) -> str:
        raise ValueError("no text")


@pytest.mark.parametrize(
    ("value", "fault"),
    [
        (2**63, "of more than 64 bits"),
        (-(2**63) - 1, "of more than 64 bits"),
        (10**5000, "of more than 64 bits"),
        ("\ud800", "not valid Unicode"),
        ({"\ud800": 1}, "not valid Unicode"),
        ({None: 1}, "key of type NoneType"),
        ({10**5000: 1}, "key of type int"),
        ({1: Hostile()}, "key of type int"),
        (Hostile(), "of type Hostile"),
        ({"x": [Hostile()]}, "a.x[0] is of type Hostile"),
        (OrderedDict(x=1), "of type OrderedDict"),
        ((1, 2), "of type tuple"),
        (b"x", "of type bytes"),
        (nested(100_000), "nested deeper than 256 levels"),
        (cyclic(), "holds"),
        ([[[0] * 1000] * 1000] * 1000, "more than 1,000,000 values"),
    ],
    ids=lambda value: type(value).__name__ if not isinstance(value, str) else None,
)
def test_data_that_cel_cannot_hold_is_an_error_of_what_uses_it(value: Any, fault: str) -> None:
    data = {"a": value, "b": 1}
    verdict = judge("object.b == 1", data)
    assert verdict.state is State.ERROR
    assert "CEL cannot hold object" in verdict.message
    if fault != "holds":
        assert fault in verdict.message
    assert judge("request == null", data).state is State.PASS


@pytest.mark.parametrize(
    "value",
    [2**63 - 1, -(2**63), float("nan"), float("inf"), "\0", "해치", "", True, [None], [], {}],
)
def test_odd_but_plain_values_do_no_harm(value: Any) -> None:
    assert judge("object.b == 1 && has(object.a)", {"a": value, "b": 1}).state is State.PASS


@pytest.mark.parametrize(
    ("data", "expression"),
    [
        ({"spec": {"a": None}}, "!has(object.spec.a) && object.spec == {}"),
        ({"spec": {"a": None}}, "object.?spec.?a.orValue('absent') == 'absent'"),
        ({"spec": None}, "!has(object.spec)"),
        ({"a": [None, {"b": None}]}, "object.a == [null, {}]"),
        ({"labels": {"a": None, "b": "c"}}, "object.labels == {'a': '', 'b': 'c'}"),
        ({"data": None}, "!has(object.data)"),
        ({"selector": {"matchLabels": {"a": None}}}, "object.selector.matchLabels.a == ''"),
        ({"selector": {"matchLabels": None}}, "object.selector == {}"),
    ],
)
def test_a_field_that_is_null_is_absent_as_in_the_api_server(data: Any, expression: str) -> None:
    assert judge(expression, data).state is State.PASS
    elsewhere = review(data, "file:-/module")
    assert ENGINE.prepare(rule(expression))(elsewhere).state is not State.PASS


def test_depth_up_to_the_limit_is_judged() -> None:
    data = {"a": nested(DEPTH_LIMIT - 2)}
    assert judge("object.a == object.a", data).state is State.PASS


def test_an_object_that_is_no_map_is_an_error() -> None:
    for data in (None, 1, "text", [1], True):
        assert judge("object.a == 1", data).state is State.ERROR


def test_activation_is_shared_by_the_rules_of_a_review() -> None:
    one = review({"a": 1})
    first = ENGINE.activation(one)
    assert ENGINE.prepare(rule("object.a == 1"))(one).state is State.PASS
    assert ENGINE.activation(one) is first
    assert CelEngine().activation(one) is first


def test_stored_forms_are_used_and_bad_ones_compiled_again() -> None:
    fields: dict[str, Any] = {
        "variables": VARIABLES,
        "message_expression": "string(variables.first)",
    }
    source = CelEngine()
    assert judge("variables.first == 5", {"l": [5]}, engine=source, **fields).state is State.PASS
    assert len(source.compiled) == 2

    again = CelEngine(source.compiled)
    assert judge("variables.first == 5", {"l": [6]}, engine=again, **fields).message == "6"
    assert again.compiled == source.compiled

    keys = sorted(source.compiled)
    swapped = dict(zip(keys, reversed([source.compiled[key] for key in keys]), strict=True))
    damaged = {key: blob[:-3] for key, blob in source.compiled.items()}
    for stored in (swapped, damaged, dict.fromkeys(keys, b""), dict.fromkeys(keys, b"x" * 99)):
        engine = CelEngine(stored)
        assert judge("variables.first == 5", {"l": [6]}, engine=engine, **fields).message == "6"
        assert CelEngine(engine.compiled).compile("true").dump()
        assert sorted(engine.compiled) == keys


def test_dump_and_load() -> None:
    compiled = ENGINE.compile("object.a == 1")
    loaded = ENGINE.load(compiled.dump())
    assert ENGINE.activation(review({"a": 1})).evaluate(loaded) is True
    with pytest.raises(RuleError):
        ENGINE.load(b"not a compiled expression")


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("", ()),
        ("spec.externalIPs", ("spec", "externalIPs")),
        ("spec.rules[0].host", ("spec", "rules", 0, "host")),
        ("metadata.annotations['a/b']", ("metadata", "annotations", "a/b")),
        ('data["it\'s"]', ("data", "it's")),
        (r"data['it\'s \\']", ("data", "it's \\")),
        ("[1]['a']", (1, "a")),
    ],
)
def test_path_of_a_finding(text: str, path: AttrPath) -> None:
    assert parse_path(text) == path


@pytest.mark.parametrize(
    "text", [".a", "a.", "a..b", "a[", "a[]", "a[x]", "a['b", "a['b'", "a b", "a[-1]", "x" * 3000]
)
def test_wrong_path_is_a_rule_error(text: str) -> None:
    with pytest.raises(RuleError):
        parse_path(text)


PARTS = st.lists(
    st.one_of(
        st.from_regex(r"[A-Za-z_][A-Za-z0-9_-]{0,9}", fullmatch=True), st.integers(0, 99)
    ).map(lambda part: part),
    max_size=6,
).filter(lambda parts: not parts or isinstance(parts[0], str))


@given(PARTS)
def test_paths_are_read_as_they_are_written(parts: list[str | int]) -> None:
    assert parse_path(format_path(tuple(parts))) == tuple(parts)


@given(st.text(alphabet="ab.[]'\"\\01 \n", max_size=30))
def test_any_path_is_parsed_or_refused(text: str) -> None:
    try:
        parse_path(text)
    except RuleError:
        return


JSON = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.text(st.characters(), max_size=5),
        st.binary(max_size=2),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.one_of(st.sampled_from("abc"), st.text(max_size=2)), inner, max_size=3),
    ),
    max_leaves=12,
)
FUZZED = [
    ENGINE.prepare(rule(expression, message_expression="string(object.a)"))
    for expression in (
        "object.a == object.b",
        "object.all(x, has(object.a))",
        "object.a.b.matches('a+')",
        "object in [object]",
        "string(object.a) == '' || object.?b.c.orValue(1) < object.a",
        "quantity(object.a).isLessThan(quantity('1Gi'))",
    )
]


@settings(max_examples=150)
@given(JSON)
def test_any_data_gets_a_verdict(data: Any) -> None:
    one = review({"a": data, "b": data})
    states = {judgement(one).state for judgement in FUZZED}
    assert states <= {State.PASS, State.FAIL, State.ERROR}
    if examine(one.resource.data).fault:
        assert states == {State.ERROR}


TOKENS = st.sampled_from(
    ["variables.a", "variables", ".", "a", "(", ")", "'", '"', "'''", "r'", "\\", "//", "\n", " "]
)


@settings(max_examples=200)
@given(st.lists(TOKENS, max_size=12).map("".join))
def test_any_expression_is_composed_in_place_or_refused(source: str) -> None:
    known = [Variable(name="a", expression="1")]
    try:
        composed = compose("expression", source, known)
    except RuleError:
        return
    lines = composed.text.split("\n")[composed.fragments[-1].line - 1 :]
    assert [len(line) for line in source.split("\n")] == [
        len(line) for line in lines[: source.count("\n") + 1]
    ]


@settings(max_examples=200)
@given(st.lists(st.one_of(TOKENS, st.sampled_from(["object.a", "&&", "==", "1"])), max_size=8))
def test_any_expression_compiles_or_is_refused(parts: list[str]) -> None:
    variables = [Variable(name="a", expression="object.a")]
    try:
        judgement = ENGINE.prepare(rule(" ".join(parts), variables=variables))
    except RuleError:
        return
    assert judgement(review({"a": 1})).state in (State.PASS, State.FAIL, State.ERROR)
