"""``semver``: semantic versions as github.com/blang/semver/v4 reads and orders them.

A version travels as its canonical text without build metadata, which takes no part in comparing
and which no function tells, so equal versions are equal bytes.
"""

from __future__ import annotations

import functools
import re
from typing import Any

from haechi.engines.cel.libraries.overload import SEMVER, Invalid, Overload, pack, unpack

_TAG = b"\x01semver:"
_NUMBER = r"(?:0|[1-9][0-9]*)\Z"
_WORD = r"[0-9A-Za-z-]+\Z"
_LENGTH = 1000
_MAX = 2**63 - 1  # the API server holds 64 bits without a sign and hands out 64 with one

_Version = tuple[int, int, int, tuple[int | str, ...]]


def _number(text: str, what: str) -> int:
    if not re.match(_NUMBER, text) or len(text) > 20 or int(text) > _MAX:
        raise Invalid(f"Invalid {what} number {text[:50]!r}")
    return int(text)


def _prerelease(text: str) -> int | str:
    if not re.match(_WORD, text):
        raise Invalid("Prerelease is empty" if not text else f"Invalid prerelease {text[:50]!r}")
    return _number(text, "prerelease") if text.isdigit() else text


def parse(text: str) -> _Version:
    """Major, minor, patch and prerelease. Raises Invalid."""
    if len(text) > _LENGTH:
        raise Invalid(f"a version may have {_LENGTH} characters")
    parts = text.split(".", 2)
    if len(parts) != 3:
        raise Invalid("Version string empty" if not text else "No Major.Minor.Patch elements found")
    patch, plus, build = parts[2].partition("+")
    patch, dash, rest = patch.partition("-")
    if plus and not all(re.match(_WORD, word) for word in build.split(".")):
        raise Invalid("Build meta data is empty or invalid")
    return (
        _number(parts[0], "major"),
        _number(parts[1], "minor"),
        _number(patch, "patch"),
        tuple(_prerelease(word) for word in rest.split(".")) if dash else (),
    )


def normalised(text: str) -> str:
    """Without a leading ``v`` and leading zeros, with the parts that are missing as 0."""
    parts = text.removeprefix("v").split(".", 2)
    for place, part in enumerate(parts):
        if len(part) > 1:
            bare = part.lstrip("0")
            parts[place] = bare if bare[:1] in set("0123456789") else f"0{bare}"
    if len(parts) < 3:
        if "+" in parts[-1] or "-" in parts[-1]:
            raise Invalid("short version cannot contain PreRelease/Build meta data")
        parts += ["0"] * (3 - len(parts))
    return ".".join(parts)


def _semver(text: str, normalise: bool = False) -> bytes:
    major, minor, patch, prerelease = parse(normalised(text) if normalise else text)
    tail = f"-{'.'.join(map(str, prerelease))}" if prerelease else ""
    return pack(_TAG, f"{major}.{minor}.{patch}{tail}")


def _is_semver(text: str, normalise: bool = False) -> bool:
    try:
        _semver(text, normalise)
    except Invalid:
        return False
    return True


@functools.lru_cache(maxsize=1024)
def _parsed(packed: bytes) -> _Version:
    return parse(unpack(_TAG, packed, "Semver"))


def _version(packed: bytes) -> _Version:
    return _parsed(bytes(packed))


def compare(left: bytes, right: bytes) -> int:
    """-1, 0 or 1; a prerelease comes before its release."""
    one, other = _key(_version(left)), _key(_version(right))
    return int(one > other) - int(one < other)


def _key(version: _Version) -> tuple[Any, ...]:
    words = tuple((0, word, "") if isinstance(word, int) else (1, 0, word) for word in version[3])
    return (*version[:3], not words, words)


_S, _B, _I = "string", "bool", "int"

OVERLOADS = {
    "semver": (
        Overload("string_to_semver", (_S,), SEMVER, _semver, member=False),
        Overload("string_bool_to_semver", (_S, _B), SEMVER, _semver, member=False),
    ),
    "isSemver": (
        Overload("is_semver_string", (_S,), _B, _is_semver, member=False),
        Overload("is_semver_string_bool", (_S, _B), _B, _is_semver, member=False),
    ),
    "compareTo": (Overload("semver_compare_to", (SEMVER, SEMVER), _I, compare),),
    "isLessThan": (
        Overload("semver_is_less_than", (SEMVER, SEMVER), _B, lambda a, b: compare(a, b) < 0),
    ),
    "isGreaterThan": (
        Overload("semver_is_greater_than", (SEMVER, SEMVER), _B, lambda a, b: compare(a, b) > 0),
    ),
    "major": (Overload("semver_major", (SEMVER,), _I, lambda p: _version(p)[0]),),
    "minor": (Overload("semver_minor", (SEMVER,), _I, lambda p: _version(p)[1]),),
    "patch": (Overload("semver_patch", (SEMVER,), _I, lambda p: _version(p)[2]),),
}
