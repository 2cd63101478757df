"""Builtins against OPA: its recorded answers always, OPA itself where it is here."""

from __future__ import annotations

import json
from itertools import groupby
from typing import Any

import pytest

from haechi.engines.rego.builtins import BUILTINS
from haechi.engines.rego.values import equal
from tests.engines.rego.builtin_arguments import DECLARED
from tests.engines.rego.builtin_oracle import CASES, Case, cases, ours, theirs
from tests.oracles.opa import require_opa

_RECORDED = [Case(*fields) for fields in json.loads(CASES.read_text(encoding="utf-8"))]
_BY_NAME = {name: list(group) for name, group in groupby(_RECORDED, key=lambda case: case.name)}
_COUNT = 8


def _differs(case: Case, answer: Any) -> bool:
    # OPA keeps a compiled template by its text alone, and a plain expression of the same text, too.
    if case.name == "regex.template_match" and case.arguments[0] == "":
        return False
    return not equal(answer, ours(case))


def test_every_declared_builtin_is_here_and_was_recorded() -> None:
    assert set(DECLARED) <= set(BUILTINS)
    assert set(DECLARED) == set(_BY_NAME)


@pytest.mark.parametrize("name", sorted(DECLARED))
def test_answers_as_opa_did(name: str) -> None:
    wrong = [(case, ours(case)) for case in _BY_NAME[name] if _differs(case, case.answer)]
    assert wrong == []


@pytest.mark.parametrize("name", sorted(DECLARED))
def test_answers_as_opa_does(name: str) -> None:
    opa = require_opa()
    asked = [(case, theirs(opa, case)) for case in cases(name, 1, _COUNT)]
    wrong = [
        (case, answer, ours(case))
        for case, answer in asked
        if answer is not None and _differs(case, answer)
    ]
    assert wrong == []
