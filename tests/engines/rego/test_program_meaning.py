"""What programs mean: each case is also put before OPA, which must say the same.

``want`` is the value of ``data.t.p`` as JSON (sets as sorted arrays), ``...`` for undefined.
"""

from __future__ import annotations

from typing import Any

import pytest

from haechi.engines.rego.parser import parse
from haechi.engines.rego.program import compile_modules
from haechi.engines.rego.tree import Version
from haechi.engines.rego.values import UNDEFINED, to_json
from tests.oracles.opa import require_opa

INPUT = {"l": ["a", "b"], "x": {"y": 1}, "a": 5, "no": False, "deep": [{"k": [1, 2]}, {"k": [2]}]}
DATA = {"base": {"k": "given", "list": [1, 2]}}
LIBRARY = "package u\n\nv := 3\n\nq := 4\n\ntwice(x) := x * 2\n"

UNDEFINED_ARGUMENTS = {
    "not of a call with an undefined argument ends the body": ("p if not is_text(input.z)", ...),
    "not of an equation with an undefined side holds": ("p if not input.z == 1", True),
    "not of a comparison with an undefined side ends the body": ("p if not input.z != 1", ...),
    "not of an undefined path holds": ("p if not input.z.y", True),
    "not of a call in a call": ("p if not is_text(same(input.z))", ...),
    "not of false": ("p if not input.no", True),
    "an undefined element makes the array undefined": ("p := [input.z]", ...),
    "an undefined value in a comprehension is left out": ("p := [y | y := [input.z][_]]", []),
    "null and empty values hold": ('p if {\n\tnull\n\t0\n\t""\n\t[]\n}', True),
}

PATHS = {
    "index of an array": ("p := input.l[0]", "a"),
    "index past the end": ("p := input.l[2]", ...),
    "index as text": ('p := input.l["0"]', ...),
    "keys of an array": ("p contains i if input.l[i]", [0, 1]),
    "two variables": ("p contains [i, j] if input.deep[i].k[j] == 2", [[0, 1], [1, 0]]),
    "one variable twice": ("p contains i if input.deep[i].k[i]", [0]),
    "bound key of a set": ("p if q[1]\n\nq contains 1", True),
    "pattern as key of a set": ('p := m if q[{"m": m}]\n\nq contains {"m": 1}', 1),
    "array as key of a set": ("p := m if q[[2, m]]\n\nq contains [2, 1]", 1),
    "literal as head": ("p := [1, 2, 3][count([1])]", 2),
    "objects are walked in the order of their keys": (
        'p := [v | v := {"b": 1, "a": 2}[_]]',
        [2, 1],
    ),
    "sets are walked in order": ('p := [v | some v in {3, "a", null, 1}]', [None, 1, 3, "a"]),
    "a rule of another package": ("p := data.u.v", 3),
    "a package as a whole": ("p := data.u", {"v": 3, "q": 4}),
    "a package by a variable": ("p contains k if data.u[k] == 4", ["q"]),
    "given data": ("p := data.base.list[1]", 2),
    "given data by a variable": ('p contains k if data.base[k] == "given"', ["k"]),
    "an imported rule": ("import data.u.v\n\np := v", 3),
    "an imported package under another name": ("import data.u as w\n\np := w.twice(w.v)", 6),
    "an import of the input": ("import input.l as ll\n\np := ll[0]", "a"),
    "a rule of a path in the package": ("a.b.c contains 1\n\np := a", {"b": {"c": [1]}}),
    "a neighbour by a path that is not known": (
        'p := data[name].q if name := "u"',
        4,
    ),
}

UNIFICATION = {
    "both sides": ("p := [x, y] if [x, 2] = [1, y]", [1, 2]),
    "objects": ('p := [x, y] if {"a": x, "b": [y]} = {"a": 1, "b": [2]}', [1, 2]),
    "objects of different keys": ('p := x if {"x": x} = input', ...),
    "arrays of different length": ("p := x if [x] = input.l", ...),
    "a variable through another": ("p if {\n\tx == 1\n\t[x, y] = [y, 1]\n}", True),
    "the order of lines does not matter": ("p if {\n\tx = y\n\ty = 1\n\tx == 1\n}", True),
    "a path on the left": ('p := x if input.x = {"y": x}', 1),
    "1 and 1.0 are equal": ("p if 1 == 1.0", True),
    "true and 1 are different members": ("p := count({1, 1.0, true})", 2),
    "several wildcards": ("p if [_, _] = [1, 2]", True),
    "an output of a call": ("p := n if count([1], n)", 1),
    "an output that differs": ("p if count([1], 2)", ...),
}

RULES = {
    "a default": ("default p := 1\n\np := 2 if input.z", 1),
    "else in order": ("p := 1 if input.z else := 2 if input.a else := 3", 2),
    "else of all that fail": ("p := 1 if input.z else := 2 if false", ...),
    "else of a function": ("f(x) := 1 if x > 5 else := 2\n\np := [f(6), f(1)]", [1, 2]),
    "bodies that agree": ("f(x) if x == 1\n\nf(x) if x > 0\n\np := f(1)", True),
    "a default function": ("default f(_) := 1\n\nf(x) := 2 if x == 3\n\np := [f(1), f(3)]", [1, 2]),
    "constants as arguments": ('f(1) := "a"\n\nf(2) := "b"\n\np := [f(1), f(2)]', ["a", "b"]),
    "texts as arguments": ('f("a") := 1\n\nf("b") := 2\n\np := [f("b"), f("a")]', [2, 1]),
    "no constant fits": ('f("a") := 1\n\nf("b") := 2\n\np := f(input.l)', ...),
    "an object as argument": ('f({"a": x}) := x\n\np := f({"a": 3})', 3),
    "an array as argument": ("f([x, _]) := x\n\np := f([3, 4])", 3),
    "an argument twice": ("f(x, x) := 1\n\np := [f(1, 1)]", [1]),
    "a function of a path": ("q.r.f(x) := x\n\np := q.r.f(1)", 1),
    "a partial object": ('p[k] := v if some k, v in {"a": 1}', {"a": 1}),
    "a partial object of two levels": (
        "p[x].n[i] := 1 if {\n\tx := input.l[i]\n}\n\np.z.d := 2",
        {"a": {"n": {"0": 1}}, "b": {"n": {"1": 1}}, "z": {"d": 2}},
    ),
    "sets under keys": (
        'p[x] contains y if {\n\tsome x in ["a", "b"]\n\tsome y in [1, 2]\n}',
        {"a": [1, 2], "b": [1, 2]},
    ),
    "an empty partial set": ("p contains x if x := input.z", []),
    "an empty partial object": ("p[x] := 1 if x := input.z", {}),
    "a false result of a function": ("p := f(1)\n\nf(x) := x == 2", False),
}

CLOSURES = {
    "an outer variable": ("p := [x | some x in [1, 2, 3]; x > y] if y := 1", [2, 3]),
    "a name that is declared inside": (
        "p if {\n\tx := 1\n\ty := [x | x := 2]\n\ty == [2]\n}",
        True,
    ),
    "a name that is declared later": (
        "p := x if {\n\ty := {x | q[x]}\n\tx := count(y)\n}\n\nq contains 1",
        1,
    ),
    "nested": (
        "p := {x: [y | some y in v; y > 1] | some x, v in [[1, 2], [3]]}",
        {"0": [2], "1": [3]},
    ),
    "every": ("p if every x in [1, 2] { x > 0 }", True),
    "every with a failure": ("p if every x in [1, 0] { x > 0 }", ...),
    "every of nothing": ("p if every x in [] { x == 1 }", True),
    "every of no collection": ("p if every x in input.a { x == 1 }", ...),
    "every of undefined": ("p if every x in input.z { x == 1 }", ...),
    "every with keys": ('p if every k, v in {"a": "a"} { k == v }', True),
    "every with a loop inside": ("p if every d in input.deep { d.k[_] == 2 }", True),
    "some with key and value": ("p contains [i, x] if some i, x in input.l", [[0, "a"], [1, "b"]]),
    "some with a pattern": ('p contains x if some {"k": [_, x]} in input.deep', [2]),
    "membership": ('p if "a" in input.l', True),
    "membership with a key": ('p if 1, "b" in input.l', True),
}

WITH = {
    "input": ('p := r if r := q with input as {"a": 7}\n\nq := input.a', 7),
    "a part of the input": (
        "p := r if r := q with input.x.y as 7\n\nq := input",
        {**INPUT, "x": {"y": 7}},
    ),
    "data": ("p := r if r := q with data.base.k as 7\n\nq := data.base.k", 7),
    "data in a package": ("p := r if r := q with data.base as 7\n\nq := data.base", 7),
    "a rule": ("p := r if r := q with q as 9\n\nq := 1", 9),
    "a package": ('p := r if r := data.u.v with data.u as {"v": 9}', 9),
    "a function by a value": ("p := r if r := f(1) with f as 9\n\nf(x) := x", 9),
    "a builtin by a value": ("p := r if r := count([1]) with count as 9", 9),
    "a builtin by a function": ('p := r if r := count([1]) with count as g\n\ng(_) := "m"', "m"),
    "a mock that calls the original": (
        "p := r if r := count([1]) with count as g\n\ng(x) := count(x) + 1",
        2,
    ),
    "two of them": (
        "p := r if r := q with input.a as 1 with input.x as 2\n\nq := [input.a, input.x]",
        [1, 2],
    ),
    "what was asked before is asked again": (
        "p := [a, b, c] if {\n\ta := q\n\tb := q with input.a as 1\n\tc := q\n}\n\nq := input.a",
        [5, 1, 5],
    ),
    "not under with": ("p if not q with input.a as 1\n\nq if input.a == 5", True),
}

V0 = {
    "a partial set and chained bodies": ("p[x] { x := 1 } { x := 2 }", [1, 2]),
    "a function without arguments": ('p = f()\n\nf() = "x" { true }', "x"),
    "a rule that is never declared as variable": ("p { x = 1; x == 1 }", True),
    "all and any": ("p { all([true]); any([false, true]) }", True),
    "equality by =": ('p = y { input.x = {"y": y} }', 1),
}

HELPERS = "\n\nis_text(x) if is_string(x)\n\nsame(x) := x\n"
TABLES = {
    "undefined": UNDEFINED_ARGUMENTS,
    "paths": PATHS,
    "unification": UNIFICATION,
    "rules": RULES,
    "closures": CLOSURES,
    "with": WITH,
}
CASES = [
    pytest.param(text, want, id=f"{table}: {name}")
    for table, cases in TABLES.items()
    for name, (text, want) in cases.items()
]


def evaluate(text: str, *, version: Version = Version.V1) -> Any:
    modules = [parse(f"package t\n\n{text}\n", file="t.rego", version=version)]
    modules.append(parse(LIBRARY, file="u.rego", version=Version.V1))
    value = compile_modules(modules).evaluate(("t", "p"), input=INPUT, data=DATA)
    return ... if value is UNDEFINED else to_json(value)


def same(got: Any, want: Any) -> bool:
    """Equal, and not by Python's ``True == 1``."""
    return bool(got == want) and repr(got).count("True") == repr(want).count("True")


@pytest.mark.parametrize(("text", "want"), CASES)
def test_meaning(text: str, want: Any) -> None:
    assert same(evaluate(text + HELPERS), want)


@pytest.mark.parametrize(("text", "want"), CASES)
def test_opa_says_the_same(text: str, want: Any) -> None:
    opa = require_opa()
    modules = [f"package t\n\n{text}{HELPERS}", LIBRARY]
    found = opa.evaluate(modules, "data.t.p", INPUT, DATA)
    assert found == ([] if want is ... else [want])


@pytest.mark.parametrize(("text", "want"), V0.values(), ids=V0)
def test_meaning_of_the_older_dialect(text: str, want: Any) -> None:
    assert same(evaluate(text, version=Version.V0), want)


def test_a_number_is_no_truth_value() -> None:
    text = "p := [x | some x in [input.one, input.yes]; x == 1]"
    program = compile_modules([parse(f"package t\n\n{text}", version=Version.V1)])
    assert program.evaluate(("t", "p"), input={"one": 1, "yes": True}) == [1]
    assert repr(program.evaluate(("t", "p"), input={"one": 1, "yes": True})) == "[1]"


def test_errors_of_builtins_are_undefined() -> None:
    text = "p contains 1 if {0}\n\np contains 2 if not {0}".format('to_number("x")')
    assert evaluate(text) == [2]
