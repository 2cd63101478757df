"""Ranges of versions: alternatives, each a list of comparisons of keys that must all hold.

What manifests write (``^1.2``, ``~> 1.2``, ``[1,2)``) is brought to this one form.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import msgspec

from haechi.engines.versions.keys import MAX_CONSTRAINT, refuse_constraint

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
