"""The oracle answers, refuses, and keeps sets of modules apart."""

from __future__ import annotations

import pytest

from tests.oracles.opa import ENGINES_LIMIT, OpaError, require_opa

ALLOW = "package t\nallow if input.user == data.owner"


def test_values_undefined_and_several() -> None:
    opa = require_opa()
    assert opa.evaluate([ALLOW], "data.t.allow", {"user": "a"}, {"owner": "a"}) == [True]
    assert opa.evaluate([ALLOW], "data.t.allow", {"user": "b"}, {"owner": "a"}) == []
    assert opa.evaluate([ALLOW], "[1, 2][_]") == [1, 2]


@pytest.mark.parametrize(
    ("module", "code"),
    [("package t\nallow {", "parse_error"), ("package t\nallow if x == 1", "prepare_error")],
    ids=["syntax", "safety"],
)
def test_refusals_say_at_which_step(module: str, code: str) -> None:
    opa = require_opa()
    with pytest.raises(OpaError) as caught:
        opa.compile([module])
    assert caught.value.code == code
    opa.parse(ALLOW)


def test_more_sets_of_modules_than_are_kept() -> None:
    opa = require_opa()
    for _ in range(2):
        for number in range(ENGINES_LIMIT + 2):
            assert opa.evaluate([f"package t\nx := {number}"], "data.t.x") == [number]
