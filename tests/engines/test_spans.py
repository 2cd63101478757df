"""Spans of time as people write them."""

from __future__ import annotations

import pytest

from haechi.engines.spans import span_seconds


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("0s", 0), ("90s", 90), ("30m", 1_800), ("2h", 7_200), ("7d", 604_800), ("2w", 1_209_600)],
)
def test_a_number_and_a_unit_are_seconds(text: str, seconds: int) -> None:
    assert span_seconds(text) == seconds


@pytest.mark.parametrize(
    "text", ["", "30", "m", "-1h", "1.5h", "1h30m", " 1h", "1h\n", "1H", "12345678s", "١h"]
)
def test_what_is_no_span_is_none(text: str) -> None:
    assert span_seconds(text) is None
