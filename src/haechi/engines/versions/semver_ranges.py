"""Ranges of semantic versions, as node-semver, Cargo, Hex and Pub write them.

One grammar with a few switches: comparisons with an operator before a version of which parts may
be missing or a wildcard (``^1.2``, ``~1``, ``1.x``, ``>=2 <3``, ``1.2 - 2.3``), joined to
alternatives. An upper end that nobody wrote is a lowest pre-release (``<2.0.0-0``), so that
2.0.0-beta is outside of ``^1.2``.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from typing import NamedTuple

import msgspec

from haechi.engines.versions.keys import refuse_constraint
from haechi.engines.versions.ranges import (
    MAX_COMPARISONS,
    Alternative,
    Alternatives,
    Comparison,
    bounded,
    holds,
)


class Release(NamedTuple):
    """Digits without zeros before them, at least three; pre-release and build as written."""

    numbers: tuple[str, ...]
    prerelease: str = ""
    build: str = ""


class Dialect(msgspec.Struct, frozen=True):
    """``bare`` is the operator of a version without one. ``either`` and ``both`` are expressions
    that part alternatives and comparisons. ``minor_breaks``: ``^0.0.3`` goes up to 0.1 (Pub).
    ``pessimistic``: ``~> 1.2`` goes up to 2 (Hex). ``everything``: further words for "any".
    ``admits``: pre-releases are versions as any other (Go, whose commits are pre-releases)."""

    name: str
    bare: str = "="
    either: str = r"\s*\|\|\s*"
    both: str = r"\s*,\s*|\s+"
    hyphens: bool = False
    minor_breaks: bool = False
    pessimistic: bool = False
    everything: tuple[str, ...] = ()
    admits: bool = False


NPM = Dialect("npm", either=r"\|\|", hyphens=True)
CARGO = Dialect("crates.io", bare="^", both=r"\s*,\s*")
HEX = Dialect("Hex", either=r"\s+or\s+", both=r"\s+and\s+", pessimistic=True)
PUB = Dialect("Pub", minor_breaks=True, everything=("any",))
GO = Dialect("Go", bare=">=", admits=True)
PLAIN = Dialect("semver", hyphens=True)

_OPERATOR_GAP = re.compile(r"(~>|[<>]=?|[=^~!]=?)\s+")
_HYPHEN = re.compile(r"\s*(\S+)\s+-\s+(\S+)\s*").fullmatch
_COMPARISON = re.compile(
    r"(~>|<=|>=|==|!=|[<>=^~])?[vV=\s]*([0-9]+|[xX*])"
    r"(?:\.([0-9]+|[xX*])(?:\.([0-9]+|[xX*])(?=[-A-Za-z+]|\Z))?)?"
    r"(?:-([0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)"
    r"|(?<=\.[0-9])([A-Za-z-][0-9A-Za-z-]*(?:\.[0-9A-Za-z-]+)*))?(?:\+[0-9A-Za-z.-]*)?",
    re.ASCII,
).fullmatch

Keyed = Callable[[Release], bytes]


class _Partial(NamedTuple):
    """A version as far as it is written; what is missing or a wildcard is cut off."""

    numbers: tuple[int, ...]
    prerelease: str


@functools.lru_cache(maxsize=4096)
def parse(constraint: str, dialect: Dialect, keyed: Keyed) -> Alternatives:
    """The alternatives of a constraint. VersionError when it is none."""
    wanted = bounded(constraint, dialect.name)
    found = tuple(
        _alternative(part.strip(), dialect, keyed) for part in re.split(dialect.either, wanted)
    )
    if sum(map(len, found)) > MAX_COMPARISONS:
        refuse_constraint(constraint, dialect.name, f"over {MAX_COMPARISONS} comparisons")
    return found


def satisfied(
    release: Release, key: bytes, alternatives: Alternatives, *, admits: bool = False
) -> bool:
    """A pre-release is let in only by a comparison with a pre-release of the same numbers."""
    opened = ".".join(release.numbers) if release.prerelease and not admits else ""
    for comparisons in alternatives:
        if holds(key, comparisons) and (
            not opened or any(it.opens == opened for it in comparisons)
        ):
            return True
    return False


def _alternative(text: str, dialect: Dialect, keyed: Keyed) -> Alternative:
    make = _Maker(dialect, keyed)
    hyphen = _HYPHEN(text) if dialect.hyphens else None
    if hyphen is not None:
        lower, upper = make.partial(hyphen[1])[1], make.partial(hyphen[2])[1]
        return (*make.at_least(lower), *make.at_most(upper))
    if not text or text in dialect.everything:
        return ()
    closed = _OPERATOR_GAP.sub(r"\1", text)
    made = [make.comparisons(word) for word in re.split(dialect.both, closed) if word]
    return tuple(it for comparisons in made for it in comparisons)


class _Maker:
    """Makes comparisons of one dialect."""

    def __init__(self, dialect: Dialect, keyed: Keyed) -> None:
        self._dialect = dialect
        self._keyed = keyed

    def partial(self, word: str) -> tuple[str, _Partial]:
        """The operator and the version behind it."""
        found = _COMPARISON(word)
        if found is None or len(word) > 250:
            refuse_constraint(word, self._dialect.name)
        operator, *parts, hyphened, bare = found.groups()
        numbers: list[int] = []
        for part in parts:
            if part is None or not part.isdigit():
                break
            numbers.append(int(part))
        wild = any(part is not None and not part.isdigit() for part in parts)
        prerelease = "" if wild else hyphened or bare or ""
        return operator or "", _Partial(tuple(numbers), prerelease)

    def comparisons(self, word: str) -> Alternative:
        """The comparisons that one operator with its version means."""
        operator, version = self.partial(word)
        match operator or self._dialect.bare:
            case "^":
                return self._up_to(version, self._breaking(version))
            case "~":
                return self._up_to(version, min(len(version.numbers), 2))
            case "~>":
                written = len(version.numbers)
                return self._up_to(
                    version, written - 1 if self._dialect.pessimistic else min(written, 2)
                )
            case ">=":
                return self.at_least(version)
            case ">":
                return self._above(version)
            case "<":
                return self._below(version)
            case "<=":
                return self.at_most(version)
            case "!=":
                return (self._comparison("!=", _filled(version), version.prerelease),)
            case _:
                return self._equal(version)

    def at_least(self, version: _Partial) -> Alternative:
        if not version.numbers:
            return ()
        return (self._comparison(">=", _filled(version), version.prerelease),)

    def at_most(self, version: _Partial) -> Alternative:
        if not version.numbers:
            return ()
        if len(version.numbers) == 3:
            return (self._comparison("<=", version.numbers, version.prerelease),)
        return (self._comparison("<", _next(version.numbers, len(version.numbers)), "0"),)

    def _above(self, version: _Partial) -> Alternative:
        if not version.numbers:
            return self._nothing()
        if len(version.numbers) == 3:
            return (self._comparison(">", version.numbers, version.prerelease),)
        return (self._comparison(">=", _next(version.numbers, len(version.numbers)), ""),)

    def _below(self, version: _Partial) -> Alternative:
        if not version.numbers:
            return self._nothing()
        lowest = version.prerelease if len(version.numbers) == 3 else "0"
        return (self._comparison("<", _filled(version), lowest),)

    def _equal(self, version: _Partial) -> Alternative:
        if len(version.numbers) == 3:
            return (self._comparison("=", version.numbers, version.prerelease),)
        return self._up_to(version, len(version.numbers))

    def _nothing(self) -> Alternative:
        return (self._comparison("<", (0, 0, 0), "0"),)

    def _up_to(self, version: _Partial, kept: int) -> Alternative:
        """From the version on, as long as the first ``kept`` numbers stay the same."""
        if not version.numbers or kept < 1:
            return self.at_least(version)
        upper = self._comparison("<", _next(version.numbers, kept), "0")
        return (*self.at_least(version), upper)

    def _breaking(self, version: _Partial) -> int:
        """How many numbers ``^`` holds still: up to the first that is not zero."""
        for place, number in enumerate(version.numbers, 1):
            if number:
                return min(place, 2) if self._dialect.minor_breaks else place
        written = len(version.numbers)
        return min(written, 2) if self._dialect.minor_breaks else written

    def _comparison(self, op: str, numbers: tuple[int, ...], prerelease: str) -> Comparison:
        digits = tuple(map(str, numbers))
        key = self._keyed(Release(digits, prerelease))
        return Comparison(op, key, ".".join(digits) if prerelease else "")


def _filled(version: _Partial) -> tuple[int, ...]:
    return (*version.numbers, *(0,) * (3 - len(version.numbers)))


def _next(numbers: tuple[int, ...], kept: int) -> tuple[int, ...]:
    """The first release in which one of the first ``kept`` numbers is higher."""
    return (*numbers[: kept - 1], numbers[kept - 1] + 1, *(0,) * (3 - kept))
