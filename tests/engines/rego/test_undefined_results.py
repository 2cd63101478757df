"""A builtin without a result makes undefined whatever it stands in, and never gets inside."""

from __future__ import annotations

import pytest

from haechi.engines.rego.parser import parse
from haechi.engines.rego.program import compile_modules
from haechi.engines.rego.tree import Version
from haechi.engines.rego.values import UNDEFINED


@pytest.mark.parametrize("call", ["max([])", "min(set())", "max(input.none)", "to_number([])"])
@pytest.mark.parametrize(
    "rule",
    [
        "p := CALL",
        "p := [1, CALL]",
        'p := {"a": CALL}',
        "p := {CALL}",
        "p if { x := [CALL]; count(x) == 1 }",
        'p := sprintf("%v", [CALL])',
        "p contains CALL",
    ],
)
def test_no_result_is_undefined_where_it_stands(rule: str, call: str) -> None:
    text = f"package x\n\n{rule.replace('CALL', call)}\n"
    program = compile_modules([parse(text, version=Version.V1)])
    found = program.evaluate(("x", "p"), input={"none": []})
    assert found is UNDEFINED or not found
