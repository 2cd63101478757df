"""Which expressions occur and where: both matchers, spans, kept databases, bounds."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haechi.engines.patterns import Expression, JoinedMatcher, Matcher, Source, keyword_matcher
from haechi.engines.patterns.expression import MOST
from haechi.engines.patterns.hyperscan import (
    DatabaseError,
    HyperscanMatcher,
    compile_matcher,
    load_matcher,
)
from haechi.errors import RuleError

SOURCES = [
    Source(r"\b(?P<secret>tok_[0-9a-z]{6})\b", ("tok_",)),
    Source(r'(?i)pass\w{0,4}\s{0,3}=\s{0,3}"(?P<secret>[^"\n]{4,20})"', ("pass",)),
    Source(r"-----BEGIN [A-Z ]{0,20}KEY-----", ("-----begin",)),
]
TEXTS = st.lists(
    st.sampled_from(
        ["tok_abc123", "tok_", 'Password = "hunter22"', "pass=", "-----BEGIN X KEY-----", "é", "\0"]
    )
    | st.text(max_size=8),
    max_size=12,
).map(lambda parts: " ".join(parts).encode("utf-8", "surrogatepass"))


@pytest.fixture(scope="module")
def hyperscan() -> HyperscanMatcher:
    return compile_matcher(SOURCES)


def occurs(source: Source, data: bytes) -> bool:
    return next(Expression(source.expression).spans(data), None) is not None


def confirmed(matcher: Matcher, data: bytes) -> list[int]:
    return [n for n in matcher.matching(data) if occurs(SOURCES[n], data)]


@given(TEXTS)
def test_both_matchers_let_through_whatever_re2_finds(data: bytes) -> None:
    wanted = [n for n, s in enumerate(SOURCES) if occurs(s, data)]
    assert confirmed(keyword_matcher(SOURCES), data) == wanted
    assert confirmed(compile_matcher(SOURCES), data) == wanted


def test_a_span_is_that_of_the_group_where_there_is_one() -> None:
    data = b'x PASSWD = "abcd1234" y'
    (span,) = Expression(SOURCES[1].expression).spans(data)
    assert data[span.start : span.end] == b'PASSWD = "abcd1234"'
    assert data[span.first : span.last] == b"abcd1234"


def test_bytes_that_are_no_text_are_searched_all_the_same(hyperscan: HyperscanMatcher) -> None:
    data = b"\xff\xfe\x00 tok_abc123 \x80"
    assert list(hyperscan.matching(data)) == [0]
    (span,) = Expression(SOURCES[0].expression).spans(data)
    assert data[span.first : span.last] == b"tok_abc123"


def test_spans_are_bounded() -> None:
    assert len(list(Expression("a").spans(b"a" * (MOST + 50)))) == MOST


@pytest.mark.parametrize("text", ["(?=a)b", "(a", r"(a)\1", "a{2000000}"])
def test_what_re2_does_not_take_is_a_fault_of_the_rule(text: str) -> None:
    with pytest.raises(RuleError, match="not RE2's"):
        Expression(text)


def test_what_hyperscan_does_not_take_is_a_fault_of_the_rule() -> None:
    with pytest.raises(RuleError, match="Hyperscan"):
        compile_matcher([Source("(a")])


def test_a_kept_database_answers_as_the_compiled_one(hyperscan: HyperscanMatcher) -> None:
    kept = load_matcher(hyperscan.serialised())
    for data in (b"", b"tok_abc123", b'pass = "12345"', b"nothing"):
        assert list(kept.matching(data)) == list(hyperscan.matching(data))


@pytest.mark.parametrize("data", [b"", b"abc", b"\0" * 4096])
def test_a_broken_database_is_refused(data: bytes) -> None:
    with pytest.raises(DatabaseError):
        load_matcher(data)


def test_one_matcher_serves_several_threads(hyperscan: HyperscanMatcher) -> None:
    data = [b"tok_abc123" if n % 3 else b"nothing" for n in range(600)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda text: list(hyperscan.matching(text)), data))
    assert found == [[0] if n % 3 else [] for n in range(600)]


def test_sources_without_keywords_are_always_tried() -> None:
    matcher = keyword_matcher([Source("a+"), Source("bb", ("bb",))])
    assert list(matcher.matching(b"zzz")) == [0]
    assert list(matcher.matching(b"xBBx")) == [0, 1]


def test_joined_matchers_number_their_sources_as_one_list() -> None:
    builtin = [Source("aaa", ("aaa",)), Source("ccc", ("ccc",))]
    own = [Source("bbb", ("bbb",))]
    joined = JoinedMatcher(keyword_matcher(builtin), keyword_matcher(own), 1, 1)
    assert list(joined.matching(b"aaa bbb ccc")) == [0, 1, 2]
    assert list(joined.matching(b"ccc")) == [2]
    assert list(joined.matching(b"bbb")) == [1]
