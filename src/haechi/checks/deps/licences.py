"""Licences of packages against the policy of haechi.yaml."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from haechi.checks.deps.view import DependencyFile, about_package, file_of
from haechi.engines.spdx.policy import satisfies
from haechi.engines.spdx.spellings import normalised
from haechi.errors import InputError, NotEvaluated
from haechi.model.package import BY_NAME, Package, Source
from haechi.model.review import Hit, Review

UNKNOWN = "licences"
"""The cause by which files are told of whose packages no licence is known."""


def denied(review: Review) -> Iterator[Hit]:
    """A licence that the policy does not allow; of several to choose from, the best counts."""
    file = file_of(review)
    for index, one in _judged(file):
        expression = normalised(one.licence)
        if not expression:
            continue
        try:
            verdict = satisfies(expression, file.policy.allow, file.policy.deny)
        except InputError:
            continue
        if not verdict.ok:
            offending = ", ".join(verdict.offending[:5])
            message = f"{one.name} {one.version} is under {offending}, which the policy refuses"
            yield about_package(message, one, index, licence=expression)
    if file.policy and (without := _without(file)):
        raise NotEvaluated(f"no licence is known of {len(without)} packages", cause=UNKNOWN)


def unknown(review: Review) -> Iterator[Hit]:
    """Something is said of the licence that is no licence of SPDX's list."""
    file = file_of(review)
    for index, one in _judged(file):
        if one.licence and not normalised(one.licence):
            said = " ".join(one.licence.split())[:80]
            message = f"{one.name} {one.version} says {said!r}, which names no known licence"
            yield about_package(message, one, index)


def _judged(file: DependencyFile) -> Iterator[tuple[int, Package]]:
    if file.policy:
        yield from ((at, one) for at, one in enumerate(file.packages) if _is_others(one))


def _is_others(package: Package) -> bool:
    """Code of others that is shipped or used; one's own workspace has one's own licence."""
    return package.source not in (Source.WORKSPACE, Source.PATH, Source.STDLIB)


def _without(file: DependencyFile) -> Sequence[Package]:
    return [one for _, one in _judged(file) if not one.licence and one.source in BY_NAME]
