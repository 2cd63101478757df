"""Judges of Falco rule files: what lint found, a rule of ours for each kind of fault.

The work is done once for all files of a folder, when they are collected
(``engines/falco/study``): only together do they say what a rule means.
"""

from __future__ import annotations

from collections.abc import Iterator

from haechi.engines.falco.lint_fault import Fault
from haechi.model.review import Hit, Review


def never(review: Review) -> Iterator[Hit]:
    """Rules that cannot fire."""
    return _hits(review, "never")


def always(review: Review) -> Iterator[Hit]:
    """Rules that fire on everything."""
    return _hits(review, "always")


def negation(review: Review) -> Iterator[Hit]:
    """Exclusions that exclude nothing."""
    return _hits(review, "negation")


def undefined(review: Review) -> Iterator[Hit]:
    """Lists that nobody defines."""
    return _hits(review, "undefined")


def excepted(review: Review) -> Iterator[Hit]:
    """Rules whose exceptions leave nothing."""
    return _hits(review, "shadowed", whole=True)


def covered(review: Review) -> Iterator[Hit]:
    """Rules all of whose matches an earlier rule takes."""
    return _hits(review, "shadowed", whole=False)


def empty(review: Review) -> Iterator[Hit]:
    """Rules that wait for a list to be filled."""
    return _hits(review, "empty")


def _hits(review: Review, code: str, *, whole: bool | None = None) -> Iterator[Hit]:
    faults: list[Fault] = review.resource.data["faults"]
    for fault in faults:
        if fault.code != code or whole not in (None, fault.key == "all"):
            continue
        why = f": {fault.why}" if fault.why else ""
        yield Hit(
            message=f"rule {fault.rule!r}: {fault.message}{why}",
            path=(fault.rule, fault.code, fault.key),
            evidence={"rule": fault.rule, "do": fault.do},
        )
