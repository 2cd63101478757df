"""Comments beside a value: which count, what they name, and what is none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haechi.checks.secrets.remarks import Remark, remark_at

VALUE = "VALUE"


def at(text: str) -> Remark | None:
    start = text.encode().index(VALUE.encode())
    return remark_at(text.encode(), start, start + len(VALUE))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "k=VALUE # haechi:allow secret-a - a test",
            Remark("haechi:allow", ("secret-a",), "a test"),
        ),
        (
            "k=VALUE // haechi:allow secret-a,secret-b",
            Remark("haechi:allow", ("secret-a", "secret-b")),
        ),
        ("# haechi:allow * because\nk=VALUE", Remark("haechi:allow", ("*",), "because")),
        ("k=VALUE # gitleaks:allow", Remark("gitleaks:allow")),
        ("k=VALUE # pragma: allowlist secret", Remark("pragma: allowlist secret")),
        ("-- trufflehog:ignore\nk=VALUE", Remark("trufflehog:ignore")),
    ],
)
def test_a_remark_in_the_line_or_alone_above_it_counts(text: str, expected: Remark) -> None:
    assert at(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "k=VALUE",
        "k=VALUE # haechi:allow",
        "other=1 # gitleaks:allow\nk=VALUE",
        "k=VALUE\n# gitleaks:allow",
        "# gitleaks:allow\n\nk=VALUE",
    ],
)
def test_what_names_no_rule_or_stands_elsewhere_does_not(text: str) -> None:
    assert at(text) is None


@given(st.text(max_size=200), st.text(max_size=200))
def test_no_text_makes_it_fail(before: str, after: str) -> None:
    data = f"{before}VALUE haechi:allow {after}".encode("utf-8", "replace")
    start = data.index(b"VALUE")
    remark_at(data, start, start + 5)
