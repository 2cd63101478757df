"""A policy that takes too long, makes too much or is nested too deeply is stopped."""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from haechi.engines.rego.parser import parse
from haechi.engines.rego.program import Program, compile_modules
from haechi.engines.rego.tree import Version
from haechi.engines.rego.values import UNDEFINED, RegoFailure
from haechi.errors import RuleError


def program(text: str) -> Program:
    return compile_modules([parse(f"package t\n\n{text}\n", file="t.rego", version=Version.V1)])


def chain(first: str, step: str, length: int = 40) -> str:
    """Rules x0, x1 … each of which is made of the one before it."""
    rules = [f"x0 := {first}", *(f"x{n + 1} := {step.format(f'x{n}')}" for n in range(length))]
    return "\n\n".join([*rules, f"p := x{length}"])


STOPPED = {
    "nested loops": (
        "xs := numbers.range(1, 200)\n\np if xs[_] + xs[_] + xs[_] < 0",
        "out_of_fuel",
    ),
    "loops in a comprehension": (
        "xs := numbers.range(1, 200)\n\np := count([1 | xs[_]; xs[_]; xs[_]])",
        "out_of_fuel",
    ),
    "calls that double": (
        "f0(x) := x + 1\n\n"
        + "\n\n".join(f"f{n + 1}(x) := f{n}(x) + f{n}(x + 1)" for n in range(60))
        + "\n\np := [f60(y) | some y in numbers.range(1, 1000)]",
        "out_of_fuel",
    ),
    "a text that doubles": (chain('"ab"', 'concat("", [{0}, {0}])'), "too_large"),
    "an array that doubles": (chain("[1]", "array.concat({0}, {0})"), "too_large"),
    "a value of shared parts": (chain("[1]", "[{0}, {0}]"), "too_large"),
    "an object of shared parts": (chain("[1]", '{{"a": {0}, "b": {0}}}'), "too_large"),
    "a set of shared parts": (chain("{{1}}", "{{{{[{0}, {0}]}}}}"), "too_large"),
    "shared parts by a function": (
        "\n\n".join(f"f{n}(x) := f{n + 1}([x, x])" for n in range(40))
        + "\n\nf40(x) := x\n\np := f0([1])",
        "too_large",
    ),
    "a number that squares": (chain("3", "{0} * {0}"), "too_large"),
}


@pytest.mark.parametrize(("text", "code"), STOPPED.values(), ids=STOPPED)
def test_stopped(text: str, code: str) -> None:
    with pytest.raises(RegoFailure) as caught:
        program(text).evaluate(("t", "p"), fuel=300_000)
    assert caught.value.code == code
    assert caught.value.do


def test_the_fuel_is_the_callers() -> None:
    loop = program("p := count([x | some x in numbers.range(1, 100)])")
    assert loop.evaluate(("t", "p"), fuel=200) == 100
    with pytest.raises(RegoFailure) as caught:
        loop.evaluate(("t", "p"), fuel=50)
    assert caught.value.code == "out_of_fuel"


def test_with_has_no_fuel_of_its_own() -> None:
    text = "q := count([x | some x in numbers.range(1, 100)])\n\np := r if {\n"
    text += "".join(f"\tv{n} := q with input as {n}\n\tv{n} == 100\n" for n in range(9))
    with pytest.raises(RegoFailure, match="out_of_fuel"):
        program(text + "\tr := 1\n}").evaluate(("t", "p"), fuel=500)


def nested(depth: int) -> Any:
    value: Any = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize("text", ["p := {input.x}", "p if input.x == input.y"])
def test_values_that_are_nested_too_deeply(text: str) -> None:
    depth = sys.getrecursionlimit() * 2
    document = {"x": nested(depth), "y": nested(depth)}
    with pytest.raises(RegoFailure) as caught:
        program(text).evaluate(("t", "p"), input=document)
    assert caught.value.code == "too_deep"


@pytest.mark.parametrize("depth", [5, 20, 40])
def test_nested_comprehensions(depth: int) -> None:
    text = "p := " + "[x | x := " * depth + "1" + "]" * depth
    value = program(text).evaluate(("t", "p"))
    for _ in range(depth):
        [value] = value
    assert value == 1


@pytest.mark.parametrize("length", [10, 30, 60])
def test_more_loops_than_python_nests(length: int) -> None:
    body = "\n\t".join(f"x{n} := input.l[_]" for n in range(length))
    made = program(
        f"p contains x{length - 1} if {{\n\t{body}\n}}\n\nq if {{\n\t{body}\n\tx0 == 1\n}}"
    )
    assert list(made.evaluate(("t", "p"), input={"l": [1]})) == [1]
    assert made.evaluate(("t", "q"), input={"l": [1]}) is True
    assert made.evaluate(("t", "q"), input={"l": [2]}) is UNDEFINED


def test_more_than_can_be_nested_is_refused() -> None:
    body = "\n\t".join(f"x{n} := input.l[_]" for n in range(200))
    with pytest.raises(RuleError, match="nested too deeply"):
        program(f"p if {{\n\t{body}\n}}")


@pytest.mark.parametrize("length", [30, 200])
def test_many_else(length: int) -> None:
    chain = " ".join(f"else := {n} if input.x == {n}" for n in range(1, length))
    assert program(f"p := 0 if input.x == 0 {chain}").evaluate(("t", "p"), input={"x": 20}) == 20


@pytest.mark.parametrize(("length", "works"), [(200, True), (3000, False)])
def test_a_body_in_reverse(length: int, works: bool) -> None:
    lines = [f"x{n + 1} = x{n} + 1" for n in range(length)]
    body = "\n\t".join([*reversed(lines), "x0 = 1"])
    text = f"p := x{length} if {{\n\t{body}\n}}"
    if works:
        assert program(text).evaluate(("t", "p")) == length + 1
    else:
        with pytest.raises(RuleError, match="too many statements"):
            program(text)


def test_a_pattern_that_is_a_long_chain() -> None:
    names = [f"x{n}" for n in range(3000)]
    text = f"[{', '.join(names[:-1])}] = [{', '.join(names[1:])}]"
    with pytest.raises(RuleError, match="nested too deeply"):
        program(f"p if {{\n\t{text}\n\tx2999 = 1\n}}\n\nq if {{\n\t[x0, 1] = [1, x0]\n\t{text}\n}}")


def test_texts_of_a_policy_never_are_code() -> None:
    hostile = '\\"); import os; os._exit(1)  #'
    made = program(f'p["{hostile}"] := "{hostile}" if input["{hostile}"] != "{hostile}"')
    assert "os" not in made.source
    assert "import" not in made.source


def test_one_program_in_several_threads() -> None:
    made = program("p := {x: n | some x, n in input.l; n > q}\n\nq := input.q")

    def ask(number: int) -> Any:
        return made.evaluate(("t", "p"), input={"l": {"a": 5, "b": number}, "q": 4})

    with ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(ask, range(200)))
    assert answers == [{"a": 5} if n <= 4 else {"a": 5, "b": n} for n in range(200)]


def test_a_conflict_names_its_place() -> None:
    made = program("q := 1\n\np := x if some x in [1, 2]")
    with pytest.raises(RegoFailure) as caught:
        made.evaluate(("t", "p"))
    assert (caught.value.code, caught.value.file, caught.value.line) == (
        "eval_conflict_error",
        "t.rego",
        5,
    )


CONFLICTS = {
    "bodies": "p := 1\n\np := 2",
    "one body": "p := x if some x in [1, 2]",
    "a function": "f(x) := y if some y in x\n\np := f([1, 2])",
    "an object's key": "p[k] := v if {\n\tk := 1\n\tsome v in [1, 2]\n}",
    "a comprehension's key": "p := {1: v | some v in [1, 2]}",
    "below a key": 'p[x].a := 1 if x := "b"\n\np[x] := 1 if x := "b"',
}


@pytest.mark.parametrize("text", CONFLICTS.values(), ids=CONFLICTS)
def test_two_values_are_a_conflict(text: str) -> None:
    with pytest.raises(RegoFailure) as caught:
        program(text).evaluate(("t", "p"))
    assert caught.value.code == "eval_conflict_error"


def test_who_gave_a_member() -> None:
    made = program(
        'deny contains "a" if input.a\n\ndeny contains x if {\n\tsome x in input.l\n}\n\n'
        'deny contains "b" if input.b'
    )
    found = made.explain(("t", "deny"), input={"a": True, "l": ["a", "c"]})
    assert [(item.value, item.file, item.line) for item in found] == [
        ("a", "t.rego", 3),
        ("a", "t.rego", 5),
        ("c", "t.rego", 5),
    ]
    assert made.explain(("t", "nothing")) == ()
