"""Versions of Packagist as Composer normalises them: four numbers (or a date's), a stability, and
branches. They are then compared as PHP's ``version_compare`` does: dev, alpha, beta, RC, the end,
a number, patch. A branch (``dev-main``) has no place among versions; it stands below all."""

from __future__ import annotations

import re
from typing import NamedTuple

from haechi.engines.versions.keys import NUMBERS, checked, refuse, text

_MODIFIER = (
    r"[._-]?(?:(stable|beta|b|rc|alpha|a|patch|pl|p)((?:[.-]?[0-9]+)*+))?([.-]?dev)?(?:\+\S+)?"
)
_CLASSICAL = re.compile(
    r"v?([0-9]{1,5})(?:\.([0-9]+))?(?:\.([0-9]+))?(?:\.([0-9]+))?" + _MODIFIER,
    re.ASCII,
).fullmatch
_DATE = re.compile(
    r"v?([0-9]{4}(?:[.:-]?[0-9]{2}){1,6}(?:[.:-]?[0-9]{1,3})?)" + _MODIFIER, re.ASCII
).fullmatch
_BRANCH = re.compile(
    r"v?([0-9]+)(?:\.([0-9]+|[x*]))?(?:\.([0-9]+|[x*]))?(?:\.([0-9]+|[x*]))?[.-]?dev", re.ASCII
).fullmatch
_PLAIN = re.compile(r"v?([0-9]{1,5})\.([0-9]+)\.([0-9]+)", re.ASCII).fullmatch
_NAMES = {"a": "alpha", "b": "beta", "p": "patch", "pl": "patch", "stable": ""}
_MAINS = frozenset(("master", "trunk", "default"))
_ALL_OF_BRANCH = "9999999"

_A_BRANCH, _A_VERSION = b"\x00", b"\x01"
_FORMS = {"dev": b"\x01", "alpha": b"\x02", "beta": b"\x03", "rc": b"\x04", "patch": b"\x07"}
_END, _NUMBER = b"\x05", b"\x06"
_DIGITS = re.compile(r"[0-9]+")
RANKS = {"": 0, "patch": 0, "rc": 1, "beta": 2, "alpha": 3, "dev": 4}
"""Stabilities, the higher the less stable."""


class Normal(NamedTuple):
    """A normalised version, or only the name of a branch."""

    numbers: tuple[str, ...]
    stability: str = ""
    counts: tuple[str, ...] = ()
    dev: bool = False
    branch: str = ""

    @property
    def rank(self) -> int:
        return RANKS["dev"] if self.dev or self.branch else RANKS[self.stability]


def normal(version: str) -> Normal:
    """A version as Composer normalises it; VersionError for what is none."""
    bare = checked(version, "Packagist")
    lower = bare.partition(" as ")[0].partition("@")[0].strip().lower()
    if lower in _MAINS:
        return Normal((), branch=lower)
    if lower.startswith("dev-"):
        return Normal((), branch=bare[4:])
    found = _CLASSICAL(lower)
    if found is not None:
        return _modified(tuple(part or "0" for part in found.groups()[:4]), found.groups()[4:])
    found = _DATE(lower)
    if found is not None:
        return _modified(tuple(_DIGITS.findall(found[1])), found.groups()[1:])
    found = _BRANCH(lower)
    if found is None:
        refuse(version, "Packagist")
    parts = (part if part and part.isdigit() else _ALL_OF_BRANCH for part in found.groups())
    return Normal(tuple(parts), dev=True)


def _modified(numbers: tuple[str, ...], modifiers: tuple[str | None, ...]) -> Normal:
    word, counts, dev = modifiers
    if word == "stable":  # what follows it is dropped, too
        return Normal(numbers)
    name = _NAMES.get(word, word) if word else ""
    return Normal(numbers, name, tuple(_DIGITS.findall(counts or "")), bool(dev))


def key_of(version: Normal) -> bytes:
    """The sort key."""
    if version.branch:
        return _A_BRANCH + text(version.branch)
    pieces = [_A_VERSION]
    for number in version.numbers:
        pieces += (_NUMBER, NUMBERS[number])
    if version.stability:
        pieces.append(_FORMS[version.stability])
    for number in version.counts:
        pieces += (_NUMBER, NUMBERS[number])
    if version.dev:
        pieces.append(_FORMS["dev"])
    pieces.append(_END)
    return b"".join(pieces)


class Composer:
    """Packagist."""

    name = "composer"

    def key(self, version: str) -> bytes:
        """See Scheme."""
        plain = _PLAIN(version)
        if plain is not None and len(version) < 100:
            one, two, three = plain.groups()
            return b"".join(
                (_START, NUMBERS[one], _NUMBER, NUMBERS[two], _NUMBER, NUMBERS[three], _TAIL)
            )
        return key_of(normal(version))

    def satisfies(self, version: str, constraint: str) -> bool:
        """See Scheme. Less stable versions match only where the constraint names a stability or
        a version of it (minimum-stability is "stable")."""
        from haechi.engines.versions.composer_ranges import satisfied

        return satisfied(normal(version), constraint)

    def prerelease(self, version: str) -> bool:
        """See Scheme. Branches count as well."""
        return normal(version).rank > 0


_START = _A_VERSION + _NUMBER
_TAIL = _NUMBER + NUMBERS["0"] + _END
