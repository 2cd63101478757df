"""Builtins where OPA's recorded answers do not reach: limits, the evaluation's clock and chance,
relations, deprecated names, formats in detail."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haechi.engines.rego.builtins import BUILTINS, REFUSED, Context
from haechi.engines.rego.builtins.graphs import values_within
from haechi.engines.rego.values import (
    UNDEFINED,
    BuiltinError,
    RegoFailure,
    RegoSet,
    equal,
    make_object,
    to_json,
)


def call(name: str, *arguments: Any) -> Any:
    return BUILTINS[name].call(*arguments)


def test_names_are_their_own_and_none_is_both_here_and_refused() -> None:
    assert all(name == builtin.name for name, builtin in BUILTINS.items())
    assert not set(BUILTINS) & set(REFUSED)
    assert {"http.send", "net.lookup_ip_addr", "providers.aws.sign_req"} <= set(REFUSED)
    assert "assign" not in BUILTINS


@pytest.mark.parametrize(
    ("form", "arguments", "made"),
    [
        ("%d|%s|%v|%q|%x|%5d|%-5d|%05d|%+d", [1, 2, 3, 4, 255, 6, 7, 8, 9], None),
        ("%d %d", [1], "1 %!d(MISSING)"),
        ("%d", [1, 2, "x", [1]], "1%!(EXTRA int64=2, string=x, string=[1])"),
        ("%!", [], "%!!(MISSING)"),
        ("%z", ["a"], "%!z(string=a)"),
        ("%", [], "%!(NOVERB)"),
        ("%[2]d %[1]d", [1, 2], "2 1"),
        ("%[3]d", [1, 2], "%!d(BADINDEX)"),
        ("%*d", [5, 2], "    2"),
        ("%.2f", [3], "%!f(int64=03)"),
        ("%s", [1.5], "%!s(float64=1.5)"),
        ("%v", [1234567.5], "1.2345675e+06"),
        ("%c", [2**70], "%!c(big.Int=1180591620717411303424)"),
        ("%t", [True], "%!t(string=true)"),
        ("%v", [RegoSet({})], "set()"),
        ("%v %v", [{"b": 1, "a": [None, "x\né"]}, RegoSet.of([2, 1])], None),
        ("%x %X % x %#x", ["hi", "hi", "hi", "hi"], "6869 6869 68 69 0x6869"),
        ("%6.2f|%-8.3f|%+.1e", [3.14159, 2.5, 12345.678], "  3.14|2.500   |+1.2e+04"),
        ("%%|%5s|%-5s|%05s", ["a", "b", "c"], "%|    a|b    |0000c"),
    ],
)
def test_sprintf(form: str, arguments: list[Any], made: str | None) -> None:
    expected = {
        "%d|%s|%v|%q|%x|%5d|%-5d|%05d|%+d": "1|%!s(int64=2)|3|'\\x04'|ff|    6|7    |00008|+9",
        "%v %v": '{"a": [null, "x\\né"], "b": 1} {1, 2}',
    }
    assert call("sprintf", form, arguments) == (made or expected[form])


@pytest.mark.parametrize(
    ("layout", "value", "nanoseconds"),
    [
        ("RFC1123", "Mon, 02 Jan 2006 15:04:05 MST", 1136214245000000000),
        ("2006-01-02 15:04:05 -0700", "2023-11-14 22:13:20 -0530", 1700019800000000000),
        ("Monday, January 2, 2006", "Tuesday, November 14, 2023", 1699920000000000000),
        ("2006 002", "2023 318", 1699920000000000000),
        ("RFC850", "Monday, 02-Jan-06 15:04:05 CEST", 1136214245000000000),
        ("Jan _2 2006 3:04PM", "Feb  3 2013 3:04AM", 1359860640000000000),
        ("02/01/06 15:04:05.000", "14/11/23 22:13:20.123", 1700000000123000000),
        ("2006-01-02T15:04:05MST", "2023-01-01T00:00:00GMT+3", 1672531200000000000),
        ("2006-01-02T15:04:05.00Z07", "2023-01-01T00:00:00.12+05", 1672513200120000000),
    ],
)
def test_layouts_of_time(layout: str, value: str, nanoseconds: int) -> None:
    assert call("time.parse_ns", layout, value) == nanoseconds


@pytest.mark.parametrize(
    ("layout", "value"),
    [
        ("2006-01-02", "2023-02-30"),
        ("15:04", "10:20"),
        ("2006-01-02 3PM", "2023-01-01 13PM"),
        ("RFC3339", "2023-01-01"),
        ("2006", "2023x"),
    ],
)
def test_what_is_no_time_of_a_layout(layout: str, value: str) -> None:
    with pytest.raises(BuiltinError):
        call("time.parse_ns", layout, value)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("numbers.range", (0, 10**9)),
        ("numbers.range_step", (0, 10**9, 2)),
        ("bits.lsh", (1, 2**40)),
        ("mul", (10**3000, 10**3000)),
        ("product", ([10**3000, 10**3000],)),
        ("net.cidr_expand", ("10.0.0.0/8",)),
        ("net.cidr_expand", ("::/0",)),
        ("replace", ("a" * 10_000, "a", "b" * 10_000)),
        ("replace", ("a" * 10_000, "", "b" * 10_000)),
        ("strings.replace_n", ({"a": "b" * 10_000}, "a" * 10_000)),
        ("regex.replace", ("a" * 10_000, "a", "b" * 10_000)),
        ("concat", ("x" * 10_000, ["a"] * 10_000)),
        ("sprintf", ("%1000000d" * 20, [1] * 20)),
        ("sprintf", ("%999999d%999999d" * 20, [1] * 40)),
        ("units.parse", ("1e9999",)),
        ("regex.match", ("a" * 70_000, "a")),
        ("regex.globs_match", ("[\u0001-\U0010ffff]", "a")),
        (
            "graph.reachable_paths",
            ({str(n): [str(m) for m in range(14)] for n in range(14)}, ["0"]),
        ),
        (
            "yaml.unmarshal",
            (
                "a: &a [1,1,1,1,1,1,1,1,1,1]\n"
                + "\n".join(
                    f"{y}: &{y} [{','.join([f'*{x}'] * 10)}]"
                    for x, y in zip("abcde", "bcdef", strict=True)
                ),
            ),
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_would_be_too_large_ends_the_evaluation(name: str, arguments: tuple[Any, ...]) -> None:
    with pytest.raises(RegoFailure) as failure:
        call(name, *arguments)
    assert failure.value.code == "too_large"
    assert failure.value.do


def test_a_hostile_pattern_takes_linear_time() -> None:
    # A matcher that backtracks would not come back.
    assert call("regex.match", "(a|aa)+$", "a" * 50_000 + "b") is False
    assert call("glob.match", "*a" * 40 + "x", [], "a" * 5_000) is False


def test_deep_json_and_yaml_are_errors() -> None:
    for name in ("json.unmarshal", "yaml.unmarshal"):
        with pytest.raises(BuiltinError):
            call(name, "[" * 100_000 + "]" * 100_000)


def test_clock_and_chance_stand_still_within_one_evaluation() -> None:
    one, other = Context(now_ns=5, seed=1), Context(now_ns=6, seed=2)
    assert call("time.now_ns", one) == call("time.now_ns", one) == 5
    drawn = [call("rand.intn", one, name, 10**9) for name in "aab"]
    assert drawn[0] == drawn[1] != drawn[2]
    assert drawn[0] != call("rand.intn", other, "a", 10**9)
    assert call("rand.intn", one, "a", 0) == 0
    assert 0 <= call("rand.intn", one, "x", -3) < 3
    made = [call("uuid.rfc4122", one, name) for name in ("a", "a", ["a"])]
    assert made[0] == made[1] != made[2]
    assert call("uuid.parse", made[0]) == {"version": 4, "variant": "RFC4122"}
    assert BUILTINS["time.now_ns"].contextual
    assert BUILTINS["rand.intn"].contextual


def test_walk_goes_through_everything_in_order() -> None:
    value = {"b": [1, {"c": 2}], "a": RegoSet.of(["y", "x"])}
    assert [[path, to_json(item)] for path, item in call("walk", value)] == [
        [[], {"b": [1, {"c": 2}], "a": ["x", "y"]}],
        [["a"], ["x", "y"]],
        [["a", "x"], "x"],
        [["a", "y"], "y"],
        [["b"], [1, {"c": 2}]],
        [["b", 0], 1],
        [["b", 1], {"c": 2}],
        [["b", 1, "c"], 2],
    ]
    assert list(values_within(value)) == [item for _, item in call("walk", value)]
    assert list(call("walk", 1)) == [[[], 1]]
    assert BUILTINS["walk"].relation


def test_walk_does_not_mind_depth() -> None:
    deep: Any = 1
    for _ in range(5000):
        deep = [deep]
    assert sum(1 for _ in values_within(deep)) == 5001


@pytest.mark.parametrize(
    ("name", "arguments", "made"),
    [
        ("any", ([False, True],), True),
        ("all", ([True, 1],), False),
        ("all", (RegoSet({}),), True),
        ("set_diff", (RegoSet.of([1, 2]), RegoSet.of([2])), [1]),
        ("re_match", ("a+", "xaax"), True),
        ("net.cidr_overlap", ("10.0.0.0/8", "10.1.1.1"), True),
        ("cast_array", (RegoSet.of([2, 1]),), [1, 2]),
        ("cast_set", ([2, 1, 1],), [1, 2]),
        ("cast_string", ("a",), "a"),
        ("cast_null", (None,), None),
        ("cast_boolean", (False,), False),
        ("cast_object", ({"a": 1},), {"a": 1}),
        ("internal.member_2", (1, [1.0]), True),
        ("internal.member_2", (1, [True]), False),
        ("internal.member_2", ("a", {"x": "a"}), True),
        ("internal.member_2", ("x", {"x": "a"}), False),
        ("internal.member_2", ([1], RegoSet.of([[1]])), True),
        ("internal.member_2", ("a", "abc"), False),
        ("internal.member_3", (0, "a", ["a"]), True),
        ("internal.member_3", ("k", "a", {"k": "b"}), False),
        (
            "internal.template_string",
            (["a ", RegoSet.of([1]), " ", RegoSet({})],),
            "a 1 <undefined>",
        ),
        ("print", ("x", UNDEFINED), True),
        ("trace", ("x",), True),
        ("opa.runtime", (), {}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_opa_v1_has_no_longer_or_does_itself(
    name: str, arguments: tuple[Any, ...], made: Any
) -> None:
    assert equal(to_json(call(name, *arguments)), made)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("cast_array", ("a",)),
        ("cast_set", (1,)),
        ("cast_string", (1,)),
        ("cast_boolean", (None,)),
        ("any", ({},)),
        ("trace", (1,)),
        ("count", (1,)),
        ("sum", ([True],)),
        ("plus", (True, 1)),
        ("minus", (RegoSet({}), 1)),
        ("bits.and", (1.5, 1)),
        ("div", (1, 0.0)),
        ("rem", (1, 0)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_wrong_arguments_are_errors(name: str, arguments: tuple[Any, ...]) -> None:
    with pytest.raises(BuiltinError):
        call(name, *arguments)


def test_objects_with_keys_that_are_not_text() -> None:
    held = make_object([(1, "a"), ("b", {"c": 2})])
    assert call("object.get", held, 1.0, "no") == "a"
    assert call("object.get", held, ["b", "c"], 0) == 2
    assert to_json(call("object.keys", held)) == [1, "b"]
    assert call("object.remove", held, [1]) == {"b": {"c": 2}}
    assert call("object.filter", held, RegoSet.of(["b"])) == {"b": {"c": 2}}
    assert to_json(call("object.union", held, {"b": {"d": 3}})) == {"1": "a", "b": {"c": 2, "d": 3}}
    assert call("object.subset", held, {"b": {"c": 2}}) is True
    assert call("json.remove", held, ["b/c"]).get("b") == {}
    assert call("json.marshal", held) == '{"1":"a","b":{"c":2}}'


def test_no_argument_is_changed() -> None:
    held = {"a": {"b": [1, 2]}}
    before = to_json(held)
    call("object.union", held, {"a": {"c": 1}})
    call("json.patch", held, [{"op": "add", "path": "/a/b/-", "value": 3}])
    call("json.remove", held, ["a/b"])
    assert held == before


@given(st.text(max_size=12), st.text("%[]*.0123456789+-# vsdqxtfeg", max_size=10))
def test_sprintf_never_breaks(word: str, form: str) -> None:
    made = call("sprintf", form, [word, 1, 1.5, [word]])
    assert type(made) is str


@given(st.text("*?[]{},!-\\ab.^", max_size=10), st.text("ab.-^", max_size=6))
def test_globs_match_or_are_errors(pattern: str, word: str) -> None:
    try:
        assert call("glob.match", pattern, ["."], word) in (True, False)
    except BuiltinError as error:
        assert str(error)  # an error is an answer; anything else is not


@given(st.text("*?[]{},!-\\ab.^é", max_size=10))
def test_a_quoted_glob_matches_itself(word: str) -> None:
    assert call("glob.match", call("glob.quote_meta", word), [], word) is True


@given(st.floats(allow_nan=False, allow_infinity=False, width=32), st.integers(-99, 99))
def test_arithmetic_is_near_to_that_of_floats(value: float, other: int) -> None:
    for name, expected in (("plus", value + other), ("minus", value - other)):
        assert call(name, value, other) == pytest.approx(expected, rel=1e-9, abs=1e-300)


_ODD: list[Any] = [
    None,
    True,
    0,
    -1,
    1.5,
    1e300,
    -1e-300,
    10**40,
    "",
    "a",
    "\ud800",
    "\x00",
    "%d",
    "[",
    "10.0.0.0/8",
    [],
    [[]],
    [None, "a", 1],
    ["a", {"b": []}],
    {},
    {"a": {"b": [1]}},
    {"": None, "op": "add"},
    RegoSet({}),
    RegoSet.of([1, "a", [2]]),
    RegoSet.of([RegoSet({}), {"a": 1}]),
    make_object([(1, "a"), (None, [])]),
]


@pytest.mark.parametrize("name", sorted(BUILTINS))
def test_nothing_but_an_answer_or_an_error_comes_of_odd_arguments(name: str) -> None:
    builtin = BUILTINS[name]
    chance = random.Random(name)  # noqa: S311 - cases, not secrets
    context = [Context(now_ns=1)] if builtin.contextual else []
    for _ in range(80):
        try:
            made = builtin.call(*context, *(chance.choice(_ODD) for _ in range(builtin.arity)))
            answers = list(made) if builtin.relation else [made]
        except (BuiltinError, RegoFailure):
            continue
        for answer in answers:
            assert answer is UNDEFINED or to_json(answer) is not UNDEFINED
