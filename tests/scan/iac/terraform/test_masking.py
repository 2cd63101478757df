"""What is secret is in no message, however many secrets there are."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haechi.model.location import Location
from haechi.model.resource import Resource
from haechi.model.review import State, Verdict
from haechi.model.unknown import Unknown
from haechi.scan.iac.terraform.masking import Hidden, masked

WORDS = st.text("ab", min_size=4, max_size=9)


def shown(
    message: str, hidden: set[str], data: dict[str, Any] | None = None, **evidence: Any
) -> Any:
    resource = Resource(
        key="tf:-/aws_x.a",
        kind="aws_x",
        name="aws_x.a",
        data=data or {},
        file="main.tf",
        locate=lambda path: Location(path="main.tf", line=1),
    )
    verdict = Verdict(rule="r", state=State.FAIL, message=message, evidence=evidence)
    return masked(verdict, resource, Hidden(hidden))


@pytest.mark.parametrize(
    ("message", "hidden", "expected"),
    [
        ("a hunter2 b", {"hunter2"}, "a (secret) b"),
        ("hunter2hunter2", {"hunter2"}, "(secret)(secret)"),
        ("hunter22", {"hunter2", "hunter22"}, "(secret)"),
        ("hunter2x", {"hunter2", "hunter2a", "hunter2w", "hunter2y"}, "(secret)x"),
        ("hunte", {"hunter2", "hunt", "huntaa", "huntzz"}, "(secret)e"),
        ("abc", {"abc"}, "abc"),
        ("", {"hunter2"}, ""),
        ("plain", set(), "plain"),
    ],
)
def test_the_longest_secret_that_stands_there_is_masked(
    message: str, hidden: set[str], expected: str
) -> None:
    assert shown(message, hidden).message == expected


@given(st.text("ab", max_size=30), st.sets(WORDS, max_size=12))
def test_at_every_place_it_is_the_longest(text: str, hidden: set[str]) -> None:
    found = Hidden(hidden)
    for at in range(len(text)):
        standing = [len(one) for one in hidden if text.startswith(one, at)]
        assert found.longest(text, at) == max(standing, default=0)


def test_evidence_and_values_under_names_of_secrets_are_masked() -> None:
    verdict = shown(
        "it is hunter2",
        {"marked"},
        {"admin_password": "hunter2", "tags": {"token": ["deep-one"]}, "secret_name": "shown"},
        value=["hunter2", {"api_key": "any", "at": "deep-one and marked"}, Unknown("u"), None],
        name="shown",
    )
    assert verdict.message == "it is (secret)"
    assert verdict.evidence == {
        "value": [
            "(secret)",
            {"api_key": "(secret)", "at": "(secret) and (secret)"},
            "(unknown)",
            None,
        ],
        "name": "shown",
    }
