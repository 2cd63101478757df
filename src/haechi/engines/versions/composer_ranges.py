"""Constraints of Composer (documentation, "Versions and constraints"): ``^1.2``, ``~1.2.3``,
``1.*``, ``1.0 - 2.0``, ``>=1 <2 || dev-main``, ``@beta``.

An end without a stability takes in, or leaves out, all pre-releases of its version: it is the
``-dev`` of it.
"""

from __future__ import annotations

import functools
import re
from typing import NamedTuple

from haechi.engines.versions.composer import RANKS, Normal, key_of, normal
from haechi.engines.versions.keys import refuse_constraint
from haechi.engines.versions.ranges import (
    MAX_COMPARISONS,
    Alternative,
    Alternatives,
    Comparison,
    bounded,
    holds,
)
from haechi.errors import VersionError

_FLAG = re.compile(r"@(stable|rc|beta|alpha|dev)\Z", re.IGNORECASE)
_COMMIT = re.compile(r"#.*\Z")
_HYPHEN = re.compile(r"(\S+)\s+-\s+(\S+)").fullmatch
_GAP = re.compile(r"(<>|!=|>=?|<=?|==?|[~^])\s+")
_WILD = re.compile(r"v?([0-9]+)(?:\.([0-9]+))?(?:\.([0-9]+))?(?:\.[xX*])+").fullmatch
_ANY = re.compile(r"v?[xX*](?:\.[xX*])*").fullmatch
_OPERATOR = re.compile(r"(<>|!=|>=|<=|==|[<>=~^])?(.+)").fullmatch
_WRITTEN = re.compile(r"v?([0-9]+(?:\.[0-9]+){0,3})", re.IGNORECASE)
_OPERATORS = {"": "=", "==": "=", "<>": "!="}


class _Wanted(NamedTuple):
    alternatives: Alternatives
    rank: int


def satisfied(version: Normal, constraint: str) -> bool:
    """Whether a version matches and is stable enough."""
    wanted = _parse(constraint)
    if version.rank > wanted.rank:
        return False
    key = key_of(version)
    return any(
        holds(key, comparisons)
        and not (version.branch and any(it.op not in ("=", "!=") for it in comparisons))
        for comparisons in wanted.alternatives
    )


@functools.lru_cache(maxsize=4096)
def _parse(constraint: str) -> _Wanted:
    wanted = bounded(constraint, "Packagist")
    alternatives: list[Alternative] = []
    rank = 0
    for part in re.split(r"\s*\|\|?\s*", wanted):
        comparisons, least = _conjunction(part.strip(), constraint)
        alternatives.append(comparisons)
        rank = max(rank, least)
    if sum(map(len, alternatives)) > MAX_COMPARISONS:
        refuse_constraint(constraint, "Packagist", f"over {MAX_COMPARISONS} comparisons")
    return _Wanted(tuple(alternatives), rank)


def _conjunction(part: str, constraint: str) -> tuple[Alternative, int]:
    part = part.partition(" as ")[0].strip()
    hyphen = _HYPHEN(part)
    try:
        if hyphen is not None:
            return _hyphen(hyphen[1], hyphen[2])
        words = [word for word in re.split(r"[\s,]+", _GAP.sub(r"\1", part)) if word]
        if not words:
            refuse_constraint(constraint, "Packagist")
        made = [_word(word) for word in words]
    except VersionError as error:
        refuse_constraint(constraint, "Packagist", str(error))
    return tuple(it for pair in made for it in pair[0]), max(pair[1] for pair in made)


def _hyphen(lower: str, upper: str) -> tuple[Alternative, int]:
    low, high = normal(lower), normal(upper)
    rank = max(low.rank, high.rank)
    first = Comparison(">=", key_of(_lowest(low)))
    written = _written(upper)
    if len(written) >= 3 or high.stability or high.dev:
        return (first, Comparison("<=", key_of(high))), rank
    return (first, _below_next(high.numbers, len(written))), rank


def _word(word: str) -> tuple[Alternative, int]:
    flag = _FLAG.search(word)
    stability = flag[1].lower() if flag else ""
    stability = "" if stability == "stable" else stability
    bare = _COMMIT.sub("", word[: flag.start()] if flag else word)
    if not bare or _ANY(bare):
        return (), RANKS[stability]
    wild = _WILD(bare)
    if wild is not None:
        return _wildcard([part for part in wild.groups() if part]), RANKS[stability]
    found = _OPERATOR(bare)
    if found is None:
        refuse_constraint(word, "Packagist")
    version = normal(found[2])
    made = _comparisons(found[1] or "", found[2], version, stability)
    return made, max(RANKS[stability], version.rank)


def _comparisons(op: str, written: str, version: Normal, stability: str) -> Alternative:
    op = _OPERATORS.get(op, op)
    if version.branch and op not in ("=", "!="):
        refuse_constraint(op + written, "Packagist", "a branch has no order")
    if op in ("~", "^"):
        return _compatible(op, written, version)
    if op != "=" and stability and not version.rank and not version.stability:
        flagged = version._replace(dev=True) if stability == "dev" else version
        flagged = flagged if stability == "dev" else flagged._replace(stability=stability)
        return (Comparison(op, key_of(flagged)),)
    if op in ("<", ">="):
        return (Comparison(op, key_of(_lowest(version))),)
    return (Comparison(op, key_of(version)),)


def _compatible(op: str, written: str, version: Normal) -> Alternative:
    numbers = _written(written)
    lowest = Comparison(">=", key_of(_lowest(version)))
    if op == "~":
        kept = max(1, len(numbers) - (0 if "x" in written.lower() or "*" in written else 1))
    elif numbers[0] != "0" or len(numbers) < 2:
        kept = 1
    elif numbers[1] != "0" or len(numbers) < 3:
        kept = 2
    else:
        kept = 3
    return (lowest, _below_next(version.numbers, kept))


def _wildcard(numbers: list[str]) -> Alternative:
    filled = (*numbers, *("0",) * (4 - len(numbers)))
    low = Comparison(">=", key_of(Normal(filled, dev=True)))
    return (low, _below_next(filled, len(numbers)))


def _below_next(numbers: tuple[str, ...], kept: int) -> Comparison:
    """Below every version in which one of the first ``kept`` numbers is higher."""
    upper = (*numbers[: kept - 1], str(int(numbers[kept - 1]) + 1), *("0",) * (4 - kept))
    return Comparison("<", key_of(Normal(upper, dev=True)))


def _lowest(version: Normal) -> Normal:
    return version if version.stability or version.dev else version._replace(dev=True)


def _written(text: str) -> tuple[str, ...]:
    found = _WRITTEN.match(text)
    if found is None:
        refuse_constraint(text, "Packagist")
    return tuple(part.lstrip("0") or "0" for part in found[1].split("."))
