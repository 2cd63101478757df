"""Versions of RubyGems (Gem::Version): parts between dots, changes between digits and letters part
as well, letters are a pre-release, zeros at the end of the numbers and of the rest do not count.

Two versions are compared as if the shorter went on with zeros for ever: a letter is below zero, a
number above. A run of zeros is therefore told by what follows it.
"""

from __future__ import annotations

import functools
import re

from haechi.engines.versions.keys import (
    MAX_LENGTH,
    NUMBERS,
    checked,
    refuse,
    refuse_constraint,
    text,
)
from haechi.engines.versions.ranges import MAX_COMPARISONS, Comparison, bounded, holds
from haechi.errors import VersionError

_FORM = re.compile(
    r"[0-9]+(?:\.[0-9a-zA-Z]+)*(?:-[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?", re.ASCII
).fullmatch
_PLAIN = re.compile(r"([1-9][0-9]*)\.([1-9][0-9]*)\.([1-9][0-9]*)", re.ASCII).fullmatch
_SEGMENT = re.compile(r"[0-9]+|[a-z]+", re.IGNORECASE)
_REQUIREMENT = re.compile(r"(~>|>=|<=|!=|=|<|>)?\s*(\S+)").fullmatch

_END = b"\x7e"
# after n zeros: a letter n, a number 0xff - n; n is below 126, as each zero takes a dot
assert MAX_LENGTH <= 250  # noqa: S101
_POSITIVE = b"\xff"


def _segments(version: str) -> list[str]:
    """The parts without zeros that do not count."""
    bare = checked(version, "RubyGems")
    if not _FORM(bare):
        refuse(version, "RubyGems")
    parts = [
        part if part[0].isalpha() else part.lstrip("0") or "0"
        for part in _SEGMENT.findall(bare.replace("-", ".pre."))
    ]
    letters = next((place for place, part in enumerate(parts) if part[0].isalpha()), len(parts))
    return _without_zeros(parts[:letters]) + _without_zeros(parts[letters:])


def _without_zeros(parts: list[str]) -> list[str]:
    while parts and parts[-1] == "0":
        parts.pop()
    return parts


def _key(segments: list[str]) -> bytes:
    pieces: list[bytes] = []
    zeros = 0
    for part in segments:
        if part == "0":
            zeros += 1
            continue
        if part[0].isalpha():
            pieces += (bytes((zeros,)), text(part))
        else:
            pieces += (bytes((0xFF - zeros,)), NUMBERS[part])
        zeros = 0
    pieces.append(_END)
    return b"".join(pieces)


class RubyGems:
    """RubyGems."""

    name = "rubygems"

    def key(self, version: str) -> bytes:
        """See Scheme."""
        plain = _PLAIN(version)
        if plain is not None and len(version) < 100:
            major, minor, patch = plain.groups()
            return b"".join(
                (
                    _POSITIVE,
                    NUMBERS[major],
                    _POSITIVE,
                    NUMBERS[minor],
                    _POSITIVE,
                    NUMBERS[patch],
                    _END,
                )
            )
        return _key(_segments(version))

    def satisfies(self, version: str, constraint: str) -> bool:
        """See Scheme. Pre-releases match only where the constraint names one (Bundler)."""
        comparisons, prereleases = _parse(constraint)
        if not prereleases and self.prerelease(version):
            return False
        return holds(self.key(version), comparisons)

    def prerelease(self, version: str) -> bool:
        """See Scheme."""
        return any(part[0].isalpha() for part in _segments(version))


@functools.lru_cache(maxsize=4096)
def _parse(constraint: str) -> tuple[tuple[Comparison, ...], bool]:
    made: list[Comparison] = []
    prereleases = False
    for word in bounded(constraint, "RubyGems").split(","):
        found = _REQUIREMENT(word.strip().strip("'\""))
        if not word.strip() and not made:
            continue
        if found is None or len(made) >= MAX_COMPARISONS:
            refuse_constraint(constraint, "RubyGems")
        operator, written = found[1] or "=", found[2]
        try:
            made += _comparisons(operator, written)
            prereleases = prereleases or RubyGems().prerelease(written)
        except VersionError as error:
            refuse_constraint(constraint, "RubyGems", str(error))
    return tuple(made), prereleases


def _comparisons(operator: str, written: str) -> tuple[Comparison, ...]:
    key = RubyGems().key(written)
    if operator != "~>":
        return (Comparison(operator, key),)
    numbers = _SEGMENT.findall(written.replace("-", ".pre."))
    letters = next((place for place, it in enumerate(numbers) if it[0].isalpha()), len(numbers))
    kept = numbers[:letters]
    kept = kept[:-1] if len(kept) > 1 else kept
    upper = [*kept[:-1], str(int(kept[-1]) + 1)]
    # the upper end holds for the release that a pre-release leads to: 2.0.a is no 1.x
    return (Comparison(">=", key), Comparison("<", _key([*upper, "A"])))
