"""Which expressions may match a buffer: the seam, and the matcher by keywords.

Every match of an expression holds one of its keywords (a test sees to it), so an expression none
of whose keywords occurs need not be tried. Expressions without keywords always are.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Protocol

import ahocorasick_rs
import msgspec


class Source(msgspec.Struct, frozen=True):
    """An expression as text with its keywords (lower-case ASCII).

    ``in_line`` promises that no match holds a line break, so that only the lines in which a match
    ends need to be looked at again.
    """

    expression: str
    keywords: tuple[str, ...] = ()
    in_line: bool = False


Matching = Mapping[int, Sequence[int]]
"""Indices of sources in ascending order, with offsets where matches end: all of them for a source
``in_line``, or none when the matcher does not know."""


class Matcher(Protocol):
    """Finds candidates. ``key`` names the engine and its version for caches of results."""

    @property
    def key(self) -> str: ...

    def matching(self, data: bytes) -> Matching:
        """The sources that may match; from several threads at once."""


class KeywordMatcher:
    """Candidates by one Aho-Corasick pass over the lower-case text."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self._always = [n for n, source in enumerate(sources) if not source.keywords]
        by_word: dict[bytes, list[int]] = {}
        for number, source in enumerate(sources):
            for word in source.keywords:
                by_word.setdefault(word.encode(), []).append(number)
        self._words = [tuple(numbers) for numbers in by_word.values()]
        self._automaton = (
            ahocorasick_rs.BytesAhoCorasick(
                list(by_word),
                matchkind=ahocorasick_rs.MatchKind.Standard,
                implementation=ahocorasick_rs.Implementation.DFA,
            )
            if by_word
            else None
        )

    @property
    def key(self) -> str:
        return "keywords"

    def matching(self, data: bytes) -> Matching:
        found = set(self._always)
        if self._automaton is not None:
            hits = self._automaton.find_matches_as_indexes(data.lower(), overlapping=True)
            for word in {hit[0] for hit in hits}:
                found.update(self._words[word])
        return dict.fromkeys(sorted(found), ())


class JoinedMatcher:
    """``first`` for most sources and ``second`` for those at ``place`` … ``place + count``.

    Users' expressions come with a repository: compiling them for Hyperscan could be made to take
    minutes, so they go by keywords and RE2 beside the built-in database.
    """

    def __init__(self, first: Matcher, second: Matcher, place: int, count: int) -> None:
        self._first = first
        self._second = second
        self._place = place
        self._count = count

    @property
    def key(self) -> str:
        return f"{self._first.key}, {self._second.key}"

    def matching(self, data: bytes) -> Matching:
        place, count = self._place, self._count
        first = self._first.matching(data)
        found = {n if n < place else n + count: ends for n, ends in first.items()}
        found |= {n + place: ends for n, ends in self._second.matching(data).items()}
        return dict(sorted(found.items()))


def keyword_matcher(sources: Sequence[Source]) -> Matcher:
    """The matcher for platforms without a Hyperscan wheel."""
    return KeywordMatcher(sources)


def digest_of(sources: Sequence[Source]) -> str:
    """A key for what is compiled from these expressions, in this order."""
    digest = hashlib.sha256()
    for source in sources:
        digest.update(source.expression.encode() + b"\0" + ",".join(source.keywords).encode())
        digest.update(b" line\n" if source.in_line else b"\n")
    return digest.hexdigest()[:24]
