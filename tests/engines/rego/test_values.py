"""How values of Rego are held: what is equal to what, what comes before what, what is written."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haechi.engines.rego.values import (
    UNDEFINED,
    RegoFailure,
    RegoObject,
    RegoSet,
    compare,
    entries,
    equal,
    holds,
    key,
    lookup,
    make_object,
    ordered,
    show,
    sort_key,
    to_json,
    type_name,
)
from haechi.errors import NotEvaluated

# One of each, in OPA's order.
IN_ORDER: list[Any] = [
    None,
    False,
    True,
    -3,
    0,
    0.5,
    1,
    2**70,
    "",
    "A",
    "a",
    "aa",
    "é",
    "日",
    "😀",
    [],
    [1],
    [1, 2],
    [2],
    ["a"],
    {},
    {"a": 1},
    {"a": 1, "b": 0},
    {"a": 2},
    {"b": 0},
    RegoSet({}),
    RegoSet.of([1]),
    RegoSet.of([1, 2]),
    RegoSet.of([2]),
]

_SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.sampled_from([0.0, 1.0, 1.5, -2.0]),
    st.text("ab😀", max_size=2),
)


def _grown(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.text("ab", max_size=1), inner, max_size=3),
        st.lists(inner, max_size=3).map(RegoSet.of),
        st.lists(st.tuples(inner, inner), max_size=3).map(make_object),
    )


VALUES = st.recursive(_SCALARS, _grown, max_leaves=8)


@pytest.mark.parametrize("at", range(len(IN_ORDER)))
def test_total_order(at: int) -> None:
    for other in range(len(IN_ORDER)):
        assert compare(IN_ORDER[at], IN_ORDER[other]) == (at > other) - (at < other)
        assert equal(IN_ORDER[at], IN_ORDER[other]) is (at == other)
        assert (key(IN_ORDER[at]) == key(IN_ORDER[other])) is (at == other)


@pytest.mark.parametrize(
    ("left", "right", "same"),
    [
        (True, 1, False),
        (False, 0, False),
        (1, 1.0, True),
        ([True], [1], False),
        ([1], [1.0], True),
        ({"a": True}, {"a": 1}, False),
        ({"a": 1}, {"a": 1.0}, True),
        ({"a": None}, {}, False),
        ({"a": None}, {"b": None}, False),
        ({}, [], False),
        ({}, RegoSet({}), False),
        ("1", 1, False),
        (None, False, False),
        (RegoSet.of([1, 2]), RegoSet.of([2.0, 1, 1]), True),
        (RegoSet.of([True]), RegoSet.of([1]), False),
        (make_object([(1, "a")]), make_object([(1.0, "a")]), True),
        (make_object([(1, "a")]), {"1": "a"}, False),
        (["a", RegoSet.of([("b")])], ["a", ["b"]], False),
        (UNDEFINED, None, False),
    ],
)
def test_equality(left: Any, right: Any, same: bool) -> None:
    assert equal(left, right) is same
    assert equal(right, left) is same
    assert (key(left) == key(right)) is same


@given(VALUES, VALUES)
def test_equal_key_and_order_agree(left: Any, right: Any) -> None:
    same = equal(left, right)
    assert same is (key(left) == key(right))
    assert same is (compare(left, right) == 0)
    assert compare(left, right) == -compare(right, left)
    assert not same or hash(key(left)) == hash(key(right))


@given(st.lists(VALUES, max_size=5))
def test_sorting_agrees_with_comparing(values: list[Any]) -> None:
    made = ordered(values)
    assert all(compare(a, b) <= 0 for a, b in itertools.pairwise(made))
    assert len(made) == len(values)
    assert made == sorted(made, key=sort_key)


@given(VALUES)
def test_json_is_plain_and_entries_find_what_lookup_finds(value: Any) -> None:
    json.dumps(to_json(value))
    for name, item in entries(value):
        assert lookup(value, name) is item


@given(st.recursive(_SCALARS, lambda inner: st.lists(inner, max_size=3), max_leaves=6))
def test_json_of_plain_values_is_themselves(value: Any) -> None:
    assert equal(to_json(value), value)


@pytest.mark.parametrize(
    ("value", "name", "found"),
    [
        ({"a": 1}, "a", 1),
        ({"a": 1}, "b", UNDEFINED),
        ({"a": 1}, 1, UNDEFINED),
        ({"a": 1}, ["a"], UNDEFINED),
        ([5, 6], 1, 6),
        ([5, 6], 1.0, 6),
        ([5, 6], True, UNDEFINED),
        ([5, 6], -1, UNDEFINED),
        ([5, 6], 2, UNDEFINED),
        ([5, 6], "0", UNDEFINED),
        ([5, 6], 0.5, UNDEFINED),
        (RegoSet.of(["a", [1]]), [1.0], [1]),
        (RegoSet.of([1]), True, UNDEFINED),
        (make_object([(1, "x"), ("1", "y")]), 1.0, "x"),
        (make_object([(1, "x"), ("1", "y")]), "1", "y"),
        ("abc", 0, UNDEFINED),
        (None, "a", UNDEFINED),
    ],
)
def test_lookup(value: Any, name: Any, found: Any) -> None:
    assert lookup(value, name) is found or equal(lookup(value, name), found)


def test_an_object_has_one_form() -> None:
    assert make_object([("a", 1)]) == {"a": 1}
    assert make_object([]) == {}
    held = make_object([(2, "b"), ("a", 1), (None, 0)])
    assert isinstance(held, RegoObject)
    assert list(held) == [None, 2, "a"]
    assert len(held) == 3
    assert 2.0 in held
    assert "2" not in held
    assert held == make_object([("a", 1), (None, 0), (2.0, "b")])


def test_a_set_lists_its_members_in_order() -> None:
    held = RegoSet.of(["b", 2, "a", 1.0, 1, True, None])
    assert to_json(held) == [None, True, 1, 2, "a", "b"]
    assert len(held) == 6
    assert "a" in held
    assert "c" not in held
    assert [item for item, _ in entries(held)] == held.ordered()
    assert hash(held) == hash(RegoSet.of(held.ordered()))


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ([1, 1.5, True, None, "x"], '[1, 1.5, true, null, "x"]'),
        ({"b": 1, "a": {}}, '{"a": {}, "b": 1}'),
        (RegoSet.of([3, 1]), "{1, 3}"),
        (RegoSet({}), "set()"),
        (make_object([([1], "x")]), '{[1]: "x"}'),
        ('a"\\\n\té\x7f\x01', '"a\\"\\\\\\n\\té\\x7f\\x01"'),
        ("\u200b😀\U000e0001", '"\\u200b😀\\U000e0001"'),
        (1.0, "1.0"),
        (2**70, "1180591620717411303424"),
    ],
)
def test_written_as_rego(value: Any, shown: str) -> None:
    assert show(value) == shown


def test_keys_that_are_not_text_become_their_json() -> None:
    held = make_object([(1, "a"), ([1, 2], 3), (RegoSet.of([7]), 2), (None, 2), (True, 1)])
    assert to_json(held) == {"1": "a", "[1,2]": 3, "[7]": 2, "null": 2, "true": 1}


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (None, "null"),
        (True, "boolean"),
        (1, "number"),
        (1.5, "number"),
        ("", "string"),
        ([], "array"),
        ({}, "object"),
        (make_object([(1, 1)]), "object"),
        (RegoSet({}), "set"),
    ],
)
def test_names_of_types(value: Any, name: str) -> None:
    assert type_name(value) == name


def test_what_holds() -> None:
    true: list[Any] = [True, None, 0, "", [], {}]
    assert [holds(value) for value in true] == [True] * 6
    assert [holds(value) for value in (False, UNDEFINED)] == [False, False]


def test_a_failure_is_no_verdict_and_says_where() -> None:
    failure = RegoFailure("eval_conflict_error", "two outputs", file="t.rego", line=3)
    assert isinstance(failure, NotEvaluated)
    assert failure.explain() == "t.rego:3: eval_conflict_error: two outputs"
