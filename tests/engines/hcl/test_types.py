"""Type constraints and what values become by them."""

from __future__ import annotations

from typing import Any

import pytest

from haechi.engines.hcl.evaluate import Budget, EvalFault
from haechi.engines.hcl.parse import parse_expression
from haechi.engines.hcl.tree import Literal, Node
from haechi.engines.hcl.types import Type, convert, read_type
from haechi.engines.hcl.values import Open
from haechi.model.unknown import Unknown
from tests.engines.hcl.values import Scope, unset


def read(text: str) -> Type:
    node, faults = parse_expression(text)
    assert not faults

    def value(default: Node) -> Any:
        from haechi.engines.hcl.evaluate import evaluate

        return evaluate(default, Scope(), Budget())

    return read_type(node, value)


CASES: list[tuple[str, Any, Any]] = [
    ("any", [1, "a"], [1, "a"]),
    ("string", 1.0, "1"),
    ("string", True, "true"),
    ("number", "2.5", 2.5),
    ("bool", "true", True),
    ('"string"', 1, "1"),
    ('"list(string)"', [1], ["1"]),
    ("list", ["a", 1], ["a", "1"]),
    ("list(string)", [1, None, True], ["1", None, "true"]),
    ("list(any)", [1, "a"], ["1", "a"]),
    ("set(string)", ["b", "a", "b"], ["a", "b"]),
    ("map(number)", {"a": "1"}, {"a": 1}),
    ("map(any)", {"a": 1, "b": "x"}, {"a": "1", "b": "x"}),
    ("tuple([string, number])", [1, "2"], ["1", 2]),
    ("object({a = string})", {"a": 1, "z": 2}, {"a": "1"}),
    ("object({a = optional(string)})", {}, {"a": None}),
    ("object({a = optional(number, 3)})", {}, {"a": 3}),
    ("object({a = optional(number, 3)})", {"a": None}, {"a": 3}),
    ("object({a = optional(string, 3)})", {}, {"a": "3"}),
    (
        "list(object({a = string, b = optional(object({c = optional(bool, true)}), {})}))",
        [{"a": "x"}],
        [{"a": "x", "b": {"c": True}}],
    ),
    ("string", None, None),
]


@pytest.mark.parametrize(
    ("type_", "value", "wanted"), CASES, ids=[f"{case[0]}-{case[1]}" for case in CASES]
)
def test_converts(type_: str, value: Any, wanted: Any) -> None:
    got = convert(value, read(type_), Budget())
    assert got == wanted
    assert isinstance(got, type(wanted))


def test_unknown_passes() -> None:
    inside = unset()
    assert convert(inside, read("list(string)"), Budget()) is inside
    assert convert({"a": inside}, read("object({a = number})"), Budget())["a"] is inside
    got = convert([inside], read("set(string)"), Budget())
    assert isinstance(got[0], Unknown)


MISFITS = [
    ("list(string)", "a", "a list is needed, not a string"),
    ("number", "x", "a number is needed, not a string that is none"),
    ("list(object({a = number}))", [{"a": []}], "[0].a: a number is needed, not a list"),
    ("object({a = string})", {}, "the attribute 'a' is missing"),
    ("map(string)", {"k": [1]}, "k: a string is needed, not a list"),
    ("tuple([string])", [], "a tuple of 1 elements is needed"),
]


@pytest.mark.parametrize(
    ("type_", "value", "what"), MISFITS, ids=[f"{case[0]}-{case[1]}" for case in MISFITS]
)
def test_misfits_name_the_path(type_: str, value: Any, what: str) -> None:
    with pytest.raises(EvalFault) as caught:
        convert(value, read(type_), Budget())
    assert caught.value.what == what


@pytest.mark.parametrize("text", ["strin", "list(string, number)", "tuple(string)", "1", "list(x)"])
def test_what_is_no_type(text: str) -> None:
    with pytest.raises(EvalFault) as caught:
        read(text)
    assert caught.value.span is not None


def test_no_type_is_any() -> None:
    assert read_type(None, lambda node: node).kind == "any"
    assert read_type(Literal((1, 1, 1, 1), "any"), lambda node: node).kind == "any"


def test_what_a_provider_may_add_is_not_missing() -> None:
    type_ = read("object({a = string, b = string, c = optional(string, 1)})")
    made = convert(Open({"a": 1}, lambda name: Unknown(name, cause=name)), type_, Budget())
    assert made["a"] == "1"
    assert [made[name].cause for name in "bc"] == ["b", "c"]
