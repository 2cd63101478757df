"""What is written reads as the same tree, and OPA takes it and finds the same."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from haechi.engines.rego.parser import parse
from haechi.engines.rego.tree import (
    Array,
    ArrayComprehension,
    Assign,
    Call,
    Else,
    Every,
    Expression,
    Literal,
    Module,
    Object,
    ObjectComprehension,
    Place,
    Ref,
    Rule,
    RuleKind,
    Scalar,
    Set,
    SetComprehension,
    Some,
    SomeIn,
    Term,
    Unify,
    Var,
    Version,
    With,
)
from haechi.engines.rego.writer import write
from tests.engines.rego.texts import V0, V1, rules_of
from tests.oracles.opa import OpaError, require_opa

AT = Place(1, 1)
MODULES = [*((Version.V0, name) for name in V0), *((Version.V1, name) for name in V1)]


def _module(version: Version, name: str) -> Module:
    return parse((V0 if version is Version.V0 else V1)[name], version=version)


@pytest.mark.parametrize(("version", "name"), MODULES, ids=[name for _, name in MODULES])
def test_own_modules_read_back_and_opa_takes_them(version: Version, name: str) -> None:
    text = write(_module(version, name))
    again = write(parse(text, version=Version.V1))  # functions that were added become rules
    assert write(parse(again, version=Version.V1)) == again
    require_opa().parse(text)


WRITTEN = {
    "sets and chains": (
        "p[x] { x := 1 } { x := 2 }",
        "p contains x if {\n    x := 1\n}\n\np contains x if {\n    x := 2\n}",
    ),
    "else": (
        "f(_) = 1 { a } else { b }",
        "f(_) := 1 if {\n    a\n} else := true if {\n    b\n}",
    ),
    "unions stay unions": ("p { a | b }", "p := true if {\n    (a | b)\n}"),
    "a line that begins with a minus": ("p { a\n -1 == b }", None),
    "a line with a minus after ';'": ("p { a; -1 == b }", "p := true if {\n    a;\n    -1 == b\n}"),
    "text": ('p = "é\\n\\u0000"', 'p := "\\u00e9\\n\\u0000"'),
    "keys": ('p = a["b"]["c d"]["not"][e]', 'p := a.b["c d"]["not"][e]'),
    "renamed": ("p { in := 1; in > 0 }", "p := true if {\n    in__v0 := 1\n    in__v0 > 0\n}"),
    "deprecated": ('p { re_match("a", b) }', 'p := true if {\n    regex.match("a", b)\n}'),
}


@pytest.mark.parametrize("name", WRITTEN)
def test_written_as(name: str) -> None:
    old, new = WRITTEN[name]
    written = write(parse(f"package t\n{old}", version=Version.V0))
    if new is None:  # one statement over two lines
        new = "p := true if {\n    (a - 1) == b\n}"
    assert written == f"package t\n\n{new}\n"


def test_a_wildcard_that_is_used_twice_has_a_name() -> None:
    twice = Array(place=AT, items=(Var(place=AT, name="$0"), Var(place=AT, name="$0")))
    assert _written(twice) == "p := [wildcard0__v0, wildcard0__v0]"


@pytest.mark.parametrize(
    ("term", "text"),
    [
        (
            Ref(
                place=AT,
                head=Ref(place=AT, head=Var(place=AT, name="a"), path=(Scalar(place=AT, value=1),)),
                path=(Scalar(place=AT, value="b"),),
            ),
            "p := a[1].b",
        ),
        (
            Ref(place=AT, head=Scalar(place=AT, value="x"), path=(Scalar(place=AT, value="b"),)),
            'p := ["x"][0].b',
        ),
    ],
    ids=["reference of a reference", "reference of a text"],
)
def test_trees_no_text_gives(term: Term, text: str) -> None:
    assert _written(term) == text


def _written(value: Term) -> str:
    rule = Rule(place=AT, kind=RuleKind.COMPLETE, name="p", value=value)
    module = Module(file="", package=("t",), imports=(), rules=(rule,), version=Version.V1)
    return write(module).split("\n\n")[1].strip()


DEPRECATED: dict[str, list[Any]] = {
    "any([false, true])": [True],
    "any([false])": [False],
    "any([])": [False],
    "any({true, false})": [True],
    "all([true, true])": [True],
    "all([true, false])": [False],
    "all([])": [True],
    "all({true})": [True],
    'cast_array({"b", "a"})': [["a", "b"]],
    "cast_array([2, 1])": [[2, 1]],
    "count(cast_set([1, 1]))": [1],
    'cast_string("a")': ["a"],
    "cast_string(input.number)": [],
    "cast_boolean(false)": [False],
    "cast_null(null)": [None],
    'cast_object({"a": 1})': [{"a": 1}],
    "set_diff({1, 2}, {2})": [[1]],
    'net.cidr_overlap("10.0.0.0/8", "10.1.0.0/16")': [True],
    're_match("^a+$", "aa")': [True],
}


@pytest.mark.parametrize("call", DEPRECATED)
def test_deprecated_builtins_mean_the_same(call: str) -> None:
    opa = require_opa()
    text = write(parse(f"package t\np = {call}", version=Version.V0))
    assert opa.evaluate([text], "data.t.p", {"number": 1}) == DEPRECATED[call]


def test_an_own_function_is_not_the_deprecated_builtin() -> None:
    text = write(parse('package t\nany(x) = "own" { x }\np = any(1)', version=Version.V0))
    assert require_opa().evaluate([text], "data.t.p") == ["own"]


def test_v0_means_the_same_to_opa() -> None:
    """The set of v0, its functions with chains and ``else``, its objects."""
    opa = require_opa()
    numbers = write(_module(Version.V0, "functions"))
    wanted = {"h(1)": "small", "h(5)": "middle", "h(10)": "large", "g(3)": False, "f(3)": 6}
    for call, value in wanted.items():
        assert opa.evaluate([numbers], f"data.lib.numbers.{call}") == [value]
    objects = write(_module(Version.V0, "objects"))
    given_input = {"items": [{"name": "a"}, {"name": "b"}], "a": True, "b": False, "c": []}
    assert opa.evaluate([objects], "data.objects.by_name", given_input) == [
        {"a": {"name": "a"}, "b": {"name": "b"}}
    ]
    assert opa.evaluate([objects], "data.objects.names") == [["x"]]
    assert opa.evaluate([objects], "data.objects.flags", given_input) == [True]


_NAMES = st.sampled_from(["x", "y", "input", "data", "r", "$0"])
_TEXTS = st.sampled_from(["a", "b-c", "if", "not", "", 'q"\n', "é", "\x00"])
_SCALARS = st.builds(
    lambda value: Scalar(place=AT, value=value),
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.sampled_from([0.5, -1e-9])
    | _TEXTS,
)
_VARS = st.builds(lambda name: Var(place=AT, name=name), _NAMES)
_LOCALS = st.sampled_from([Var(place=AT, name="x"), Var(place=AT, name="y")])
_FUNCTIONS = st.sampled_from(
    [
        ("plus",),
        ("or",),
        ("and",),
        ("minus",),
        ("lt",),
        ("internal", "member_2"),
        ("f",),
        ("a", "b"),
    ]
)


def _grown(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    terms = st.lists(inner, max_size=3).map(tuple)
    some = st.lists(inner, min_size=1, max_size=3).map(tuple)
    literals = st.lists(_literals(inner), min_size=1, max_size=3).map(tuple)
    heads = _VARS | st.builds(lambda t: Array(place=AT, items=t), terms)
    return st.one_of(
        st.builds(lambda head, path: Ref(place=AT, head=head, path=path), heads, some),
        st.builds(lambda items: Array(place=AT, items=items), terms),
        st.builds(lambda items: Set(place=AT, items=items), terms),
        st.builds(
            lambda pairs: Object(place=AT, pairs=pairs),
            st.lists(st.tuples(inner, inner), max_size=2).map(tuple),
        ),
        st.builds(lambda h, b: ArrayComprehension(place=AT, head=h, body=b), inner, literals),
        st.builds(lambda h, b: SetComprehension(place=AT, head=h, body=b), inner, literals),
        st.builds(
            lambda k, v, b: ObjectComprehension(place=AT, key=k, value=v, body=b),
            inner,
            inner,
            literals,
        ),
        st.builds(
            lambda f, a, b: Call(place=AT, function=f, arguments=(a, b)), _FUNCTIONS, inner, inner
        ),
    )


def _literals(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Literal]:
    true = Literal(place=AT, statement=Expression(place=AT, term=Scalar(place=AT, value=True)))
    plain = st.one_of(
        st.builds(lambda term: Expression(place=AT, term=term), inner),
        st.builds(lambda a, b: Unify(place=AT, left=a, right=b), inner, inner),
        st.builds(lambda a, b: Assign(place=AT, target=a, value=b), _VARS, inner),
    )
    scoped = st.one_of(
        st.builds(
            lambda k, v, c: SomeIn(place=AT, key=k, value=v, collection=c),
            st.none() | _VARS,
            inner,
            inner,
        ),
        st.builds(
            lambda k, v, d: Every(place=AT, key=k, value=v, domain=d, body=(true,)),
            st.none() | _LOCALS,
            _LOCALS,
            inner,
        ),
    )
    targets = st.just(
        Ref(place=AT, head=Var(place=AT, name="input"), path=(Scalar(place=AT, value="a"),))
    )
    modifiers = st.lists(
        st.builds(lambda t, v: With(place=AT, target=t, value=v), targets, inner), max_size=2
    ).map(tuple)
    return st.one_of(
        st.builds(
            lambda s, n, m: Literal(place=AT, statement=s, negated=n, modifiers=m),
            plain,
            st.booleans(),
            modifiers,
        ),
        st.builds(lambda s, m: Literal(place=AT, statement=s, modifiers=m), scoped, modifiers),
        st.just(Literal(place=AT, statement=Some(place=AT, names=("x", "$1")))),
    )


_TERMS = st.recursive(_SCALARS | _VARS, _grown, max_leaves=8)
_BODIES = st.lists(_literals(_TERMS), min_size=1, max_size=3).map(tuple)
_RULES = st.one_of(
    st.builds(
        lambda v, b: Rule(place=AT, kind=RuleKind.COMPLETE, name="p", value=v, body=b),
        _TERMS,
        _BODIES,
    ),
    st.builds(
        lambda v, b: Rule(place=AT, kind=RuleKind.PARTIAL_SET, name="q", value=v, body=b),
        _TERMS,
        st.just(()) | _BODIES,
    ),
    st.builds(
        lambda k, v, b: Rule(
            place=AT, kind=RuleKind.PARTIAL_OBJECT, name="r", path=(k,), value=v, body=b
        ),
        _TERMS,
        _TERMS,
        st.just(()) | _BODIES,
    ),
    st.builds(
        lambda a, v, b, e: Rule(
            place=AT, kind=RuleKind.FUNCTION, name="f", arguments=a, value=v, body=b, otherwise=e
        ),
        st.lists(_TERMS, min_size=1, max_size=2).map(tuple),
        _TERMS,
        _BODIES,
        st.lists(
            st.builds(lambda v, b: Else(place=AT, value=v, body=b), _TERMS, _BODIES), max_size=2
        ).map(tuple),
    ),
)


@given(st.lists(_RULES, min_size=1, max_size=3).map(tuple))
@settings(max_examples=50, deadline=None)
def test_any_tree_reads_back_as_itself(rules: tuple[Rule, ...]) -> None:
    module = Module(file="", package=("t", "if"), imports=(), rules=rules, version=Version.V1)
    text = write(module)
    again = parse(text, version=Version.V1)
    named = write(again)  # a wildcard that is used twice got a name the first time
    assert rules_of(parse(named, version=Version.V1)) == rules_of(again)
    assert named == text
    if "wildcard" not in text:
        assert rules_of(again) == rules_of(module)
    try:
        require_opa().parse(text)
    except OpaError as error:
        pytest.fail(f"{error}\n{text}")
