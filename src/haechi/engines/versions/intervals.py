"""Intervals as Maven and NuGet write them: ``[1.0,2.0)``, ``(,1.0]``, ``[1.0]``, and several in
a row."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from typing import NamedTuple

from haechi.engines.versions.keys import refuse_constraint
from haechi.engines.versions.ranges import MAX_COMPARISONS

_INTERVAL = re.compile(r"\s*([\[(])([^\[\](),]*)(,)?([^\[\](),]*)([\])])\s*(,|\Z)")


class Interval(NamedTuple):
    """Ends as keys, None where it is open-ended, and whether they belong to it."""

    lower: bytes | None
    upper: bytes | None
    with_lower: bool
    with_upper: bool


def within(key: bytes, wanted: Iterable[Interval]) -> bool:
    """Whether a key lies in one of the intervals."""
    return any(_inside(key, interval) for interval in wanted)


def _inside(key: bytes, interval: Interval) -> bool:
    lower, upper, with_lower, with_upper = interval
    if lower is not None and (key < lower or (key == lower and not with_lower)):
        return False
    return upper is None or key < upper or (key == upper and with_upper)


def intervals(constraint: str, ecosystem: str, key: Callable[[str], bytes]) -> tuple[Interval, ...]:
    """The intervals of a constraint; VersionError when it is none."""
    made: list[Interval] = []
    place = 0
    while place < len(constraint):
        found = _INTERVAL.match(constraint, place)
        if found is None or len(made) >= MAX_COMPARISONS:
            refuse_constraint(constraint, ecosystem)
        opening, lower, comma, upper, closing, joined = found.groups()
        made.append(_interval(constraint, ecosystem, key, (opening, lower, comma, upper, closing)))
        place = found.end()
        if joined and place == len(constraint):
            refuse_constraint(constraint, ecosystem, "it ends in a comma")
    return tuple(made)


def _interval(
    constraint: str, ecosystem: str, key: Callable[[str], bytes], parts: tuple[str, ...]
) -> Interval:
    opening, lower, comma, upper, closing = (part and part.strip() for part in parts)
    if not comma:
        if not lower or upper or (opening, closing) != ("[", "]"):
            refuse_constraint(constraint, ecosystem, "one version stands in [ ]")
        exact = key(lower)
        return Interval(exact, exact, True, True)
    low, high = key(lower) if lower else None, key(upper) if upper else None
    if low is not None and high is not None and low > high:
        refuse_constraint(constraint, ecosystem, "its lower end is above the upper one")
    return Interval(low, high, opening == "[", closing == "]")
