"""The pieces that sort keys are made of.

A key is compared byte by byte, a shorter one before what continues it. Hence a number carries its
length before its digits, a text ends in a zero byte that it cannot hold itself, and wherever a
version may end, a tag byte says what stands there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NoReturn

from haechi.errors import VersionError

MAX_LENGTH = 250
"""Characters of a version. The longest of a distribution have some 100; a length, or a count of
parts, so fits one byte of a key."""

MAX_CONSTRAINT = 2000
"""Characters of a constraint."""

_REMEMBERED = 4
_MOST_PIECES = 4096


class Numbers(dict[str, bytes]):
    """Digits to their piece of a key: ``"07"`` is ``b"\\x017"``. Short ones are remembered, so
    that the table stays below some 11,000 entries whatever it is asked."""

    def __missing__(self, digits: str) -> bytes:
        bare = digits.lstrip("0") or "0"
        piece = bytes((len(bare),)) + bare.encode("ascii")
        if len(digits) <= _REMEMBERED:
            self[digits] = piece
        return piece


class Pieces(dict[str, bytes]):
    """Words to their piece of a key, made by ``make``; the first some thousand are remembered."""

    def __init__(self, make: Callable[[str], bytes]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, word: str) -> bytes:
        piece = self._make(word)
        if len(self) < _MOST_PIECES:
            self[word] = piece
        return piece


NUMBERS = Numbers()
ZERO = NUMBERS["0"]


def text(value: str) -> bytes:
    """A text that sorts as its characters do and before all that continue it."""
    return value.encode("utf-8", "surrogatepass") + b"\0"


def checked(version: str, ecosystem: str) -> str:
    """The version without blanks around it; VersionError when it is too long, empty, or holds
    control characters, which no ecosystem knows and which keys could not hold."""
    if len(version) > MAX_LENGTH:
        raise VersionError(
            f"a version of {ecosystem} has {len(version)} characters",
            why=f"at most {MAX_LENGTH} are read",
            do="report the package by hand, or correct the file",
        )
    bare = version.strip()
    if not bare or not bare.isprintable():
        refuse(version, ecosystem)
    return bare


def refuse(version: str, ecosystem: str) -> NoReturn:
    """No version of the ecosystem."""
    shown = version if len(version) <= 60 else version[:57] + "..."
    raise VersionError(
        f"{shown!r} is no version of {ecosystem}",
        why="it does not have the form that the ecosystem gives to versions",
        do="look whether the file, or the advisory, names another ecosystem",
    )


def refuse_constraint(constraint: str, ecosystem: str, why: str = "") -> NoReturn:
    """No range of versions of the ecosystem."""
    shown = constraint if len(constraint) <= 60 else constraint[:57] + "..."
    raise VersionError(
        f"{shown!r} is no range of versions of {ecosystem}",
        why=why or "it does not have the form that the ecosystem gives to ranges",
        do="write it as the ecosystem's documentation does",
    )
