"""What the ``with`` of a program can replace; everything else is called and read directly."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from haechi.engines.rego.flat import (
    Change,
    Closure,
    Definition,
    Each,
    Function,
    Step,
    Term,
    children,
    operands,
)


def targets(
    definitions: Iterable[Definition],
) -> tuple[frozenset[Function], frozenset[tuple[str, ...]]]:
    """The functions, and the paths under ``data``."""
    functions: set[Function] = set()
    paths: set[tuple[str, ...]] = set()
    for definition in definitions:
        for branch in definition.branches:
            for change in _changes(branch.steps):
                if change.function is not None:
                    functions.add(change.function)
                elif change.root == "data":
                    paths.add(change.path)
    return frozenset(functions), frozenset(paths)


def _changes(steps: Sequence[Step]) -> Iterator[Change]:
    for step in steps:
        yield from step.changes
        for term in operands(step.operation):
            yield from _inside(term)
        if isinstance(step.operation, Each):
            yield from _changes(step.operation.steps)


def _inside(term: Term) -> Iterator[Change]:
    if isinstance(term, Closure):
        yield from _changes(term.steps)
        yield from _inside(term.value)
    for child in children(term):
        yield from _inside(child)
