"""Policies that are refused when they are compiled, with OPA's name of the fault and the line."""

from __future__ import annotations

import pytest

from haechi.engines.rego.parser import parse
from haechi.engines.rego.program import compile_modules
from haechi.engines.rego.tree import Version
from haechi.errors import RuleError
from tests.oracles.opa import OpaError, require_opa

CASES = {
    "an unsafe variable": ("p if x > 1", "rego_unsafe_var_error", 3),
    "an unsafe variable in the head": ("p := x", "rego_unsafe_var_error", 3),
    "an unsafe variable in a negation": ("p if not input.a[x]", "rego_unsafe_var_error", 3),
    "a wildcard in a negation": ("p if not input.a[_] == 1", "rego_unsafe_var_error", 3),
    "two variables that wait for each other": (
        "p if {\n\tx = y + 1\n\ty = x + 1\n}",
        "rego_unsafe_var_error",
        4,
    ),
    "an assignment from what comes from it": (
        "p if {\n\tz := x\n\tinput.k[z]\n}",
        "rego_unsafe_var_error",
        4,
    ),
    "an unsafe variable in a comprehension": (
        "p := [x | x := y]",
        "rego_unsafe_var_error",
        3,
    ),
    "an unknown function": ("p if nothing(1)", "rego_type_error", 3),
    "an unknown builtin": ("p if regex.nothing(1)", "rego_type_error", 3),
    "too many arguments": ("f(x) := x\n\np := f(1, 2, 3)", "rego_type_error", 5),
    "too few arguments": ("p := startswith()", "rego_type_error", 3),
    "a function that is read": ("f(x) := x\n\np := f", "rego_type_error", 5),
    "an assignment twice": ("p if {\n\tx := 1\n\tx := 2\n}", "rego_compile_error", 5),
    "an assignment after a use": ("p if {\n\tx = 1\n\tx := 1\n}", "rego_compile_error", 5),
    "a declaration after a use": ("p if {\n\ty := x\n\tx := 1\n}", "rego_compile_error", 5),
    "an assignment of an argument": ("f(x) if x := 1\n\np := f(1)", "rego_compile_error", 3),
    "a declaration that is not used": ("p if {\n\tsome x\n\ttrue\n}", "rego_compile_error", 4),
    "every without its variable": ("p if every x in [1] { true }", "rego_compile_error", 3),
    "a variable named input": ("p if input := 1", "rego_compile_error", 3),
    "a rule named data": ("data := 1", "rego_compile_error", 3),
    "a rule that asks itself": ("p if p", "rego_recursion_error", 3),
    "a circle over a negation": ("p if not q\n\nq if not p", "rego_recursion_error", 3),
    "a function that calls itself": ("f(x) := f(x)\n\np := f(1)", "rego_recursion_error", 3),
    "a rule that asks its package": ("p := data.t", "rego_recursion_error", 3),
    "rules of different kinds": ("p := 1\n\np contains 2", "rego_type_error", 5),
    "a set beside an object": ("p contains 1\n\np[x] := 2 if x := 3", "rego_type_error", 3),
    "functions of different arity": ("f(1) := 1\n\nf(1, 2) := 2", "rego_type_error", 5),
    "two defaults": ("default p := 1\n\ndefault p := 2", "rego_type_error", 5),
    "a rule below a rule": ("p := 1\n\np.a := 2", "rego_type_error", 3),
    "with for a local": ("p if {\n\tx := 1\n\tx == 1 with x as 2\n}", "rego_type_error", 5),
}


@pytest.mark.parametrize(("text", "code", "line"), CASES.values(), ids=CASES)
def test_the_fault_and_its_line(text: str, code: str, line: int) -> None:
    with pytest.raises(RuleError) as caught:
        compile_modules([parse(f"package t\n\n{text}\n", file="t.rego", version=Version.V1)])
    assert caught.value.what.startswith(code)
    assert caught.value.where.startswith("t.rego:")
    if code != "rego_recursion_error" and "conflict" not in caught.value.what:
        assert caught.value.where.startswith(f"t.rego:{line}:")


@pytest.mark.parametrize("text", [text for text, *_ in CASES.values()], ids=CASES)
def test_opa_refuses_it_too(text: str) -> None:
    opa = require_opa()
    with pytest.raises(OpaError):
        opa.compile([f"package t\n\n{text}\n"])


def test_what_is_refused_for_a_reason_says_it() -> None:
    with pytest.raises(RuleError) as caught:
        compile_modules([parse('package t\n\np := http.send({"url": "x"})')])
    assert "network" in caught.value.do


def test_the_circle_is_shown() -> None:
    with pytest.raises(RuleError, match=r"data\.t\.a -> data\.t\.b -> data\.t\.a"):
        compile_modules([parse("package t\n\na := b\n\nb := a")])
