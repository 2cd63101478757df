"""``regex.globs_match``: whether some text matches both of two simple patterns.

A pattern is a sequence of characters, dots and sets, each of which may have ``*`` or ``+`` after
it. Both are walked at once over pairs of positions; each pair is visited once, so that the time is
the product of the lengths.
"""

from __future__ import annotations

from typing import Final

from haechi.engines.rego.builtins import operands
from haechi.engines.rego.values import BuiltinError

_MAX_LENGTH: Final = 2000
_MAX_SET: Final = 70_000  # characters of a set, ranges spelled out as upstream does

Piece = tuple[frozenset[str] | None, str]  # what matches (None: anything), and its flag


def intersect(left: str, right: str) -> bool:
    first, second = _pieces(left), _pieces(right)
    if not first or not second:
        return not first and not second
    seen = {(0, 0)}
    waiting = [(0, 0)]
    while waiting:
        at = waiting.pop()
        if at == (len(first), len(second)):
            return True
        for following in _steps(first, second, *at):
            if following not in seen:
                seen.add(following)
                waiting.append(following)
    return False


def _steps(first: list[Piece], second: list[Piece], i: int, j: int) -> list[tuple[int, int]]:
    """A starred piece may be left out, but not when the other pattern is at its end: upstream does
    not find that ``a.*`` and ``a`` meet."""
    if i == len(first) or j == len(second):
        return []
    made = []
    if first[i][1] == "*":
        made.append((i + 1, j))
    if second[j][1] == "*":
        made.append((i, j + 1))
    if _meet(first[i][0], second[j][0]):
        made.extend((a, b) for a in _after(first, i) for b in _after(second, j))
    return made


def _after(pieces: list[Piece], at: int) -> tuple[int, ...]:
    """Where one may stand when a piece has matched. A plus is followed by its own star."""
    flag = pieces[at][1]
    return (at, at + 1) if flag == "*" else (at + 1, at + 2) if flag == "+" else (at + 1,)


def _meet(left: frozenset[str] | None, right: frozenset[str] | None) -> bool:
    if left is None or right is None:
        return True
    return not left.isdisjoint(right)


def _pieces(pattern: str) -> list[Piece]:
    if len(pattern) > _MAX_LENGTH:
        operands.too_large("a pattern", _MAX_LENGTH)
    made: list[Piece] = []
    at = 0
    while at < len(pattern):
        at, matches = _token(pattern, at)
        flag = pattern[at : at + 1]
        if flag in ("*", "+"):
            at += 1
            if flag == "+":  # one, and then any number of the same
                made.append((matches, "+"))
            made.append((matches, "*"))
        else:
            made.append((matches, ""))
    return made


def _token(pattern: str, at: int) -> tuple[int, frozenset[str] | None]:
    character = pattern[at]
    if character == "\\":
        return at + 2, frozenset(_escaped(pattern, at))
    if character == ".":
        return at + 1, None
    if character == "[":
        return _set(pattern, at + 1)
    if character == "]":
        raise BuiltinError("set-close ']' with no preceding '['")
    if character in "*+":
        raise BuiltinError(f"flag '{character}' must be preceded by a non-flag")
    return at + 1, frozenset(character)


def _escaped(pattern: str, at: int) -> str:
    if at + 1 >= len(pattern):
        raise BuiltinError("input ends with a \\ (escape) character")
    return pattern[at + 1]


def _set(pattern: str, at: int) -> tuple[int, frozenset[str]]:
    held: set[str] = set()
    previous = ""
    while at < len(pattern):
        character = pattern[at]
        if character == "]":
            return at + 1, frozenset(held)
        if character == "-":
            at, last = _range_end(pattern, at, previous)
            if len(held) + ord(last) - ord(previous) > _MAX_SET:
                operands.too_large("a set of characters", _MAX_SET)
            held.update(map(chr, range(ord(previous), ord(last) + 1)))
            previous = ""
            continue
        if character == "\\":
            character = _escaped(pattern, at)
            at += 1
        held.add(character)
        previous = character
        at += 1
    raise BuiltinError("found [ without matching ]")


def _range_end(pattern: str, at: int, previous: str) -> tuple[int, str]:
    if not previous:
        raise BuiltinError("range character '-' must be preceded by a Unicode character")
    if at + 2 >= len(pattern):
        raise BuiltinError("range character '-' must be followed by a Unicode character")
    last, at = pattern[at + 1], at + 2
    if last in "]-":
        raise BuiltinError("range character '-' cannot be followed by a special symbol")
    if last == "\\":
        last, at = _escaped(pattern, at - 1), at + 1
    if last < previous:
        raise BuiltinError("range is out of order")
    return at, last
