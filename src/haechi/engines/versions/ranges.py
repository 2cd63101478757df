"""Ranges of versions: alternatives, each a list of comparisons of keys that must all hold.

What manifests write (``^1.2``, ``~> 1.2``, ``[1,2)``) is brought to this one form; ``in_range``
is the same question as advisories ask it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

from haechi.engines.versions import Scheme
from haechi.engines.versions.keys import MAX_CONSTRAINT, refuse_constraint
from haechi.errors import VersionError

MAX_COMPARISONS = 200


class Comparison(msgspec.Struct, frozen=True):
    """``op`` (``<``, ``<=``, ``>``, ``>=``, ``=``, ``!=``) against ``key``. ``opens`` is what a
    pre-release must share to be let in by it (its release), or "" where it lets in none."""

    op: str
    key: bytes
    opens: str = ""


Alternative = tuple[Comparison, ...]
Alternatives = tuple[Alternative, ...]

_HOLDS: dict[str, Callable[[bytes, bytes], bool]] = {
    "<": bytes.__lt__,
    "<=": bytes.__le__,
    ">": bytes.__gt__,
    ">=": bytes.__ge__,
    "=": bytes.__eq__,
    "!=": bytes.__ne__,
}


def holds(key: bytes, comparisons: Iterable[Comparison]) -> bool:
    """Whether all comparisons hold."""
    return all(_HOLDS[it.op](key, it.key) for it in comparisons)


def bounded(constraint: str, ecosystem: str) -> str:
    """The constraint without blanks around it, refused when it is too long."""
    if len(constraint) > MAX_CONSTRAINT:
        refuse_constraint(constraint, ecosystem, f"at most {MAX_CONSTRAINT} characters are read")
    return constraint.strip()


def in_range(
    key: bytes,
    introduced: bytes | None = None,
    fixed: bytes | None = None,
    last_affected: bytes | None = None,
) -> bool:
    """Whether a version lies in a range of an advisory: from ``introduced`` (None: from the
    beginning), before ``fixed``, up to and with ``last_affected`` (OSV, "Evaluation")."""
    if introduced is not None and key < introduced:
        return False
    if fixed is not None and key >= fixed:
        return False
    return last_affected is None or key <= last_affected


def best(scheme: Scheme, versions: Iterable[str], constraint: str) -> str | None:
    """The highest version that satisfies the constraint; texts that are no version are passed
    over. VersionError for a wrong constraint."""
    found = [pair for pair in _keyed(scheme, versions) if scheme.satisfies(pair[1], constraint)]
    return max(found)[1] if found else None


def lowest_from(
    scheme: Scheme, versions: Iterable[str], least: str, *, prereleases: bool = False
) -> str | None:
    """The lowest version that is ``least`` or newer. Pre-releases are taken only when asked for,
    or when ``least`` is one itself."""
    bound = scheme.key(least)
    wanted = prereleases or scheme.prerelease(least)
    found = [
        pair
        for pair in _keyed(scheme, versions)
        if pair[0] >= bound and (wanted or not scheme.prerelease(pair[1]))
    ]
    return min(found)[1] if found else None


def _keyed(scheme: Scheme, versions: Iterable[str]) -> Iterable[tuple[bytes, str]]:
    for version in versions:
        try:
            yield scheme.key(version), version
        except VersionError:
            continue
