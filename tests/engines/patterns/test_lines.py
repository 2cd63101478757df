"""Matches that lie within a line: the ends that a matcher tells lead to the same spans."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haechi.engines.patterns import Expression, Source, keyword_matcher
from haechi.engines.patterns.expression import lines_at
from haechi.engines.patterns.hyperscan import compile_matcher

SOURCES = [
    Source(r"(?i)pass[\w.-]*[ \t]*[=:][ \t]*(?P<secret>[^\s\"']{3,})", ("pass",), in_line=True),
    Source(r"(?im)^token[ \t]+(?P<secret>\w+)[ \t]*\r?$", ("token",), in_line=True),
    Source(r"(?i)\bkey(?P<secret>[0-9a-z]{4,})\b", ("key",), in_line=True),
    Source(r"begin\s+end", ("begin",)),
]
PIECES = st.sampled_from(
    ["pass", "word=", ": ", "abc", "token ", "Key", "\n", "\r\n", " ", "'", "x9", "begin", "end"]
)


@given(st.lists(PIECES, max_size=60))
def test_lines_of_the_ends_give_the_spans_of_the_whole(pieces: list[str]) -> None:
    data = "".join(pieces).encode()
    matching = compile_matcher(SOURCES).matching(data)
    for number, source in enumerate(SOURCES):
        expression = Expression(source.expression)
        whole = list(expression.spans(data))
        ends = matching.get(number, ()) if source.in_line else ()
        assert (number in matching) == bool(whole)
        if ends:
            lines = lines_at(data, ends)
            assert [s for line in lines for s in expression.spans(data, within=line)] == whole


def test_a_matcher_tells_every_line_in_which_a_match_ends() -> None:
    data = b"pass=one1\nno\npassword: two2 pass=three3\n"
    ends = compile_matcher(SOURCES).matching(data)[0]
    assert {data.count(b"\n", 0, end) for end in ends} == {0, 2}


def test_long_matches_are_told_once() -> None:
    ends = compile_matcher(SOURCES).matching(b"pass=" + b"a" * 100_000)[0]
    assert len(ends) == 1


@pytest.mark.parametrize("data", [b"", b"pass=abc"])
def test_keywords_tell_no_ends(data: bytes) -> None:
    assert all(not ends for ends in keyword_matcher(SOURCES).matching(data).values())
