"""Random programs: what we give is what OPA gives, and what we refuse is what it refuses.

Left out is what is known to differ: OPA checks types when it compiles, which we do when the
value is there, and the oracle counts an error of a builtin as an error.
"""

from __future__ import annotations

import json
from random import Random
from typing import Any

import pytest

from haechi.engines.rego.parser import parse
from haechi.engines.rego.program import compile_modules
from haechi.engines.rego.tree import Version
from haechi.engines.rego.values import RegoFailure, to_json
from haechi.errors import RuleError
from tests.engines.rego.programs import NAMES, Generator, random_input
from tests.oracles.opa import Opa, OpaError, require_opa

_STRICT = ("eval_builtin_error", "eval_type_error")


def canonical(value: Any) -> str:
    """As text, with 2 and 2.0 as one number."""

    def plain(inner: Any) -> Any:
        if isinstance(inner, float) and inner.is_integer():
            return int(inner)
        if isinstance(inner, list):
            return [plain(item) for item in inner]
        if isinstance(inner, dict):
            return {name: plain(item) for name, item in inner.items()}
        return inner

    return json.dumps(plain(value), sort_keys=True)


def ours(text: str, document: Any) -> str:
    try:
        program = compile_modules([parse(text, version=Version.V1)])
    except RuleError:
        return "refused"
    try:
        return canonical(to_json(program.evaluate(("t",), input=document)))
    except RegoFailure:
        return "failed"


def theirs(opa: Opa, text: str, document: Any) -> str | None:
    """None where the two are known to differ."""
    try:
        [found] = opa.evaluate([text], "data.t", document)
    except OpaError as error:
        if "rego_type_error" in error.message or any(code in error.message for code in _STRICT):
            return None
        return "failed" if "eval_conflict" in error.message else "refused"
    return canonical(found)


@pytest.mark.parametrize("start", range(0, 160, 40))
def test_random_programs(start: int) -> None:
    opa = require_opa()
    compared = 0
    for seed in range(start, start + 40):
        random = Random(seed)  # noqa: S311 - a test's programs
        text = Generator(random).module()
        document = {name: random_input(random) for name in (*NAMES, "name", "items")}
        want = theirs(opa, text, document)
        if want is not None:
            assert ours(text, document) == want, f"seed {seed}\n{text}\n{json.dumps(document)}"
            compared += 1
    assert compared > 10
