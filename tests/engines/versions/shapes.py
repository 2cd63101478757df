"""What versions of each ecosystem look like, realistic and odd, as rows of pieces to draw from.

One description serves hypothesis (which shrinks what it finds) and the trials by thousands that
are compared with a tool in one go.
"""

from __future__ import annotations

import os
import random

from hypothesis import strategies as st

Slot = tuple[int, int, tuple[str, ...]]
"""At least so many, at most so many, of these pieces."""

Shape = tuple[Slot, ...]

PAIRS = int(os.environ.get("HAECHI_VERSION_PAIRS", "300"))
"""Pairs given to a tool; by hand 100,000 and more."""

_NUMBERS = ("0", "1", "2", "9", "10", "01", "00", "20240131", "12345678901234567890")
_DOTTED = tuple(f".{number}" for number in _NUMBERS)


def _slot(least: int, most: int, *pieces: str) -> Slot:
    return least, most, pieces


SHAPES: dict[str, Shape] = {
    "PyPI": (
        _slot(0, 1, "v", "0!", "1!", "2!"),
        _slot(1, 1, *_NUMBERS),
        _slot(0, 3, *_DOTTED),
        _slot(0, 1, "a1", "b2", "rc1", "-alpha", ".beta.3", "c1", "_pre_2", "rc", "preview0"),
        _slot(0, 1, ".post1", "-1", "post", ".rev2", "-r3", ".post0"),
        _slot(0, 1, ".dev0", "dev1", "-dev-2", ".DEV3", ".dev"),
        _slot(0, 1, "+local", "+1", "+1.a", "+a-1", "+a_b.10", "+ab", "+10"),
    ),
    "npm": (
        _slot(1, 1, "0.0.0", "0.0.1", "0.1.0", "1.0.0", "1.2.3", "1.10.0", "10.0.1"),
        _slot(0, 1, "-0", "-1", "-10", "-a", "-rc", "-alpha", "-alpha-1", "-1a", "-a.1", "-a.10"),
        _slot(0, 1, "-beta.rc-1", "-beta.2", "-beta.11", "-beta.0.x"),
        _slot(0, 1, "+b", "+1.2"),
    ),
    "RubyGems": (
        _slot(1, 1, "0", "1", "2", "10"),
        _slot(0, 5, ".0", ".0", ".1", ".10", ".a", ".rc1", ".pre", ".1a0", ".0b", ".B"),
        _slot(0, 1, "-1", "-a", "-0.1"),
    ),
    "Maven": (
        _slot(1, 1, "0", "1", "2", "10", "1.0", "1.1", "2.0.0", "1.0.1", "1.10.0"),
        _slot(0, 1, "-alpha", "-beta", "-M", ".RC", "-SNAPSHOT", ".Final", "-GA", "-jre", "-sp"),
        _slot(0, 1, "1", "-1", "10", "-2", "8"),
        _slot(0, 1, "-SNAPSHOT", "-redhat-1", "-SP1", "-1", "-android"),
    ),
    "NuGet": (
        _slot(1, 1, "0", "1", "2", "10"),
        _slot(0, 3, ".0", ".1", ".2", ".10", ".01"),
        _slot(0, 1, "-alpha", "-Beta", "-BETA", "-rc", "-1", "-10", "-a-b"),
        _slot(0, 2, ".0", ".1", ".10", ".A", ".b"),
    ),
    "Packagist": (
        _slot(0, 1, "v"),
        _slot(1, 1, "0", "1", "2", "10", "01"),
        _slot(0, 3, ".0", ".1", ".2", ".10", ".01"),
        _slot(0, 1, "-alpha", ".beta", "-RC", "a", "b", "-p", "pl", "-patch", "_stable", "-dev"),
        _slot(0, 1, "1", "2", ".1", "-2", "1.2"),
        _slot(0, 1, "-dev", ".dev"),
    ),
    "Debian": (
        _slot(0, 1, "0:", "1:", "2:"),
        _slot(1, 1, "0", "1", "2.0", "10"),
        _slot(0, 6, "0", "1", "10", "a", "Z", "~", "+", ".", "01", "rc", "+dfsg", "~rc1", "-0"),
        _slot(0, 1, "-1", "-0ubuntu1", "-1~bpo12+1", "-1+deb12u1", "-0"),
    ),
    "Red Hat": (
        _slot(0, 1, "0:", "1:", "3:"),
        _slot(1, 1, "0", "1", "2.0", "10", "a"),
        _slot(0, 6, "0", "1", "10", "a", "Z", "~", "^", "+", ".", "01", "rc", "_", "el8"),
        _slot(0, 1, "-1", "-1.el8", "-0.1.rc1", "-1.el8_1", "-2^git", "-~1"),
    ),
    "Alpine": (
        _slot(1, 1, "0", "1", "2", "10"),
        _slot(0, 3, ".0", ".1", ".2", ".10", ".01", ".010", ".00"),
        _slot(0, 1, "a", "b", "z"),
        _slot(
            0, 2, "_alpha", "_beta1", "_pre2", "_rc", "_rc0", "_cvs", "_svn1", "_git2", "_p", "_p1"
        ),
        _slot(0, 1, "~ab", "~abc"),
        _slot(0, 1, "-r0", "-r1", "-r10"),
    ),
}


def versions(ecosystem: str) -> st.SearchStrategy[str]:
    """For hypothesis."""
    slots = [
        st.lists(st.sampled_from(pieces), min_size=least, max_size=most).map("".join)
        for least, most, pieces in SHAPES[ecosystem]
    ]
    return st.tuples(*slots).map("".join)


def close(ecosystem: str) -> st.SearchStrategy[tuple[str, str]]:
    """Pairs that share a beginning as often as not, so that they differ late."""
    slots = [
        st.tuples(_piece(slot), _piece(slot), st.booleans()).map(
            lambda it: (it[0], it[0] if it[2] else it[1])
        )
        for slot in SHAPES[ecosystem]
    ]
    return st.tuples(*slots).map(
        lambda it: ("".join(pair[0] for pair in it), "".join(pair[1] for pair in it))
    )


def _piece(slot: Slot) -> st.SearchStrategy[str]:
    least, most, pieces = slot
    return st.lists(st.sampled_from(pieces), min_size=least, max_size=most).map("".join)


def pairs(ecosystem: str, count: int = PAIRS, seed: int = 1) -> list[tuple[str, str]]:
    """The same pairs every time, half of them close."""
    drawn = random.Random(seed)  # noqa: S311
    return [_pair(drawn, SHAPES[ecosystem]) for _ in range(count)]


def _pair(drawn: random.Random, shape: Shape) -> tuple[str, str]:
    one, other = [], []
    for slot in shape:
        piece = _drawn(drawn, slot)
        one.append(piece)
        other.append(piece if drawn.random() < 0.6 else _drawn(drawn, slot))
    return "".join(one), "".join(other)


def _drawn(drawn: random.Random, slot: Slot) -> str:
    least, most, pieces = slot
    return "".join(drawn.choice(pieces) for _ in range(drawn.randint(least, most)))
