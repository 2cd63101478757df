"""Versions of Maven (POM reference, "Version Order Specification"; Maven 3.9).

Maven compares nested lists; a list is always the last of the list around it, so they are one
stream: numbers (after a dot, or after a hyphen that opens a list) and qualifiers. Qualifiers of a
pre-release stand below the end of a version, others above it, numbers above those. Zeros and
words that mean a release are dropped at the end, before a hyphen and before a qualifier.
Where Maven's own comparison contradicts itself (it is no order for ``1.sp.1``), this holds to
the specification, for which ``.`` and ``-`` before a qualifier are the same.
"""

from __future__ import annotations

import functools
import re

from haechi.engines.versions.intervals import Interval, intervals, within
from haechi.engines.versions.keys import NUMBERS, ZERO, checked, refuse_constraint, text
from haechi.engines.versions.ranges import bounded

_PLAIN = re.compile(r"([0-9]+)\.([0-9]+)\.([1-9][0-9]*)", re.ASCII).fullmatch
_TOKEN = re.compile(r"([0-9]+)|[.-]|([^0-9.-]+)", re.ASCII)

_LOW = {b: bytes((0x10 + n,)) for n, b in enumerate(("alpha", "beta", "milestone", "rc"))}
_LOW["snapshot"] = b"\x14"
_END, _SERVICE_PACK, _UNKNOWN, _OPEN, _NUMBER = b"\x20", b"\x30", b"\x31", b"\x40", b"\x50"
_NOTHING = (_END, _NUMBER + ZERO)
_RELEASE_WORDS = frozenset(("ga", "final", "release"))
_ALIASES = {"cr": "rc"}
_LETTERS = {"a": "alpha", "b": "beta", "m": "milestone"}


def _elements(version: str) -> list[bytes]:
    """Pieces in order, with zeros, words that mean a release and all opened lists."""
    made: list[bytes] = []
    before = "."  # or "-", "0" after digits, "x" after letters
    for found in _TOKEN.finditer(version):
        digits, word = found.groups()
        if digits:
            if before == "x":  # a change between letters and digits opens a list
                made.append(_OPEN)
            made.append(_NUMBER + NUMBERS[digits])
        elif word:
            following = version[found.end() : found.end() + 1]
            if before == "0" or (made and before == "." and following not in (".", "-")):
                made.append(_OPEN)  # 1.0.RC1 is 1.0-RC1
            made.append(_qualifier(word, followed=following.isdigit()))
        else:
            if before in ".-":  # nothing between two separators is a zero
                made.append(_NUMBER + ZERO)
            if found[0] == "-":
                made.append(_OPEN)
            before = found[0]
            continue
        before = "x" if word else "0"
    return made


def _qualifier(word: str, *, followed: bool) -> bytes:
    name = _ALIASES.get(word, word)
    if followed:
        name = _LETTERS.get(name, name)
    if name in _RELEASE_WORDS:
        return _END  # as if nothing was there, but what a number may follow
    if name == "sp":
        return _SERVICE_PACK
    return _LOW.get(name) or _UNKNOWN + text(name)


def _trimmed(elements: list[bytes]) -> list[bytes]:
    """Without what is nothing, from the end on. An opened list counts before a number only."""
    kept: list[bytes] = []
    trimming, before_number = True, False
    for piece in reversed(elements):
        if piece == _OPEN:
            if before_number:
                kept.append(piece)
            trimming = True
        elif not trimming or piece not in _NOTHING:
            kept.append(piece)
            before_number = piece[:1] == _NUMBER
            trimming = not before_number and piece != _END
    kept.reverse()
    return kept


class Maven:
    """Maven, and what takes its packages from there (Gradle)."""

    name = "maven"

    def key(self, version: str) -> bytes:
        """See Scheme."""
        plain = _PLAIN(version)
        if plain is not None and len(version) < 100:
            major, minor, patch = plain.groups()
            return b"".join(
                (_NUMBER, NUMBERS[major], _NUMBER, NUMBERS[minor], _NUMBER, NUMBERS[patch], _END)
            )
        return b"".join(_trimmed(_elements(checked(version, "Maven").lower()))) + _END

    def satisfies(self, version: str, constraint: str) -> bool:
        """See Scheme. A bare version is what a build without conflicts takes: just that one.
        Intervals hold pre-releases as they hold any version, as in Maven."""
        return within(self.key(version), _parse(constraint))

    def prerelease(self, version: str) -> bool:
        """See Scheme. Nothing in Maven keeps pre-releases out, but their qualifiers are known."""
        low = _LOW.values()
        return any(piece in low for piece in _elements(checked(version, "Maven").lower()))


@functools.lru_cache(maxsize=4096)
def _parse(constraint: str) -> tuple[Interval, ...]:
    wanted = bounded(constraint, "Maven")
    scheme = Maven()
    if not wanted:
        refuse_constraint(constraint, "Maven")
    if wanted[0] not in "[(":
        exact = scheme.key(wanted)
        return (Interval(exact, exact, True, True),)
    return intervals(wanted, "Maven", scheme.key)
