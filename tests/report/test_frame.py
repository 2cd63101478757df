"""Code frames: the right lines and columns, bounded, and without secrets."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haechi.model.location import Location
from haechi.report.frame import LINE_LIMIT, MASK, Frames, holds_secret
from haechi.report.text import unseen
from tests.report.fixture import at, finding
from tests.report.strategies import locations, text

TEN = "\n".join(f"line {number}" for number in range(1, 11))


def frames(source: str | None, *found: Any) -> Frames:
    """Frames over one text, whatever the path."""
    return Frames(lambda _: source, found)


@pytest.mark.parametrize(
    ("line", "numbers"),
    [
        (1, [1, 2, 3]),
        (5, [3, 4, 5, 6, 7]),
        (10, [8, 9, 10]),
        (11, []),
        (0, []),
        (-1, []),
    ],
)
def test_frame_holds_the_lines_around(line: int, numbers: list[int]) -> None:
    cut = frames(TEN).around(at("a", line), before=2, after=2)
    assert [row.number for row in cut] == numbers
    assert [row.number for row in cut if row.hit] == ([line] if numbers else [])
    assert all(row.text == f"line {row.number}" for row in cut)


def test_file_that_cannot_be_read_has_no_frame() -> None:
    assert frames(None).around(at("a", 2), before=1, after=1) == ()
    assert frames("").around(at("a", 1), before=1, after=1) == ()


@pytest.mark.parametrize("break_", ["\n", "\r\n", "\r"])
def test_lines_end_as_editors_end_them(break_: str) -> None:
    source = break_.join(["a", "b\u2028c", "d", ""])
    cut = frames(source).around(at("a", 2), before=9, after=9)
    assert [row.text for row in cut] == ["a", "b<U+2028>c", "d"]


@pytest.mark.parametrize(
    ("source", "where", "fault"),
    [
        ("image: cart:latest", Location(path="a", column=8, end_column=19), "cart:latest"),
        ("\ta: \x1bb", Location(path="a", column=5, end_column=7), "<U+001B>b"),
        ("a: b   ", Location(path="a", column=4, end_line=3, end_column=1), "b"),
        ("short", Location(path="a", column=90, end_column=95), ""),
        ("short", Location(path="a", column=0, end_column=0), ""),
    ],
)
def test_columns_follow_the_text_as_it_is_shown(source: str, where: Location, fault: str) -> None:
    (row,) = frames(source).around(where, before=0, after=0)
    assert row.text[row.start : row.end] == fault


def test_column_far_to_the_right_stays_in_view() -> None:
    source = "x" * 5_000 + "FAULT" + "y" * 5_000
    where = Location(path="a", column=5_001, end_column=5_006)
    (row,) = frames(source).around(where, before=0, after=0)
    assert row.text[row.start : row.end] == "FAULT"
    assert len(row.text) <= LINE_LIMIT
    assert row.text.startswith("…")


@given(st.lists(text, max_size=6).map("\n".join), locations)
def test_frame_is_bounded_whatever_the_file(source: str, where: Location) -> None:
    for row in frames(source).around(where, before=3, after=3):
        assert len(row.text) <= LINE_LIMIT
        assert not any(map(unseen, row.text))
        assert not row.hit or 0 <= row.start <= row.end <= len(row.text)


def test_lines_of_a_secret_are_masked_in_every_frame() -> None:
    secret = finding(
        "docker-secret-in-env", "m", Location(path="a", line=3, column=1, end_line=4, end_column=2)
    )
    cut = frames(TEN, secret).around(at("a", 5), before=3, after=0)
    assert [row.text for row in cut] == ["line 2", MASK, MASK, "line 5"]
    elsewhere = frames(TEN, secret).around(at("b", 5), before=3, after=0)
    assert MASK not in [row.text for row in elsewhere]


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({}, False),
        ({"domain": "secrets"}, True),
        ({"tags": ("secret",)}, True),
        ({"cwe": ("CWE-798",)}, True),
        ({"tags": ("secrets",)}, False),
    ],
)
def test_findings_of_secrets_are_known_by_domain_tag_or_weakness(
    more: dict[str, Any], expected: bool
) -> None:
    assert (
        holds_secret(finding("k8s-privileged", "m", at("a", 1), **({"cwe": ()} | more))) is expected
    )
