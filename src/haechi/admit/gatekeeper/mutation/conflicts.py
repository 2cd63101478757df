"""Mutators that contradict each other about the shape of an object.

A location implies a shape: ``spec.containers[name: a].image`` that ``containers`` is a list keyed
by ``name``. Two that imply different shapes of one kind cannot both be right, and Gatekeeper
applies neither; so do we, and say so.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import msgspec

from haechi.admit.gatekeeper.mutation.location import Item, Location

UNKNOWN, SET, STRING = "unknown", "set", "string"
"""What the last part of a location is; two that differ contradict, but ``unknown`` with nothing."""
OBJECT, LIST = "object", "list"
Binding = tuple[str, str, str, str]
"""Group, version, kind and operation that a mutator applies to."""
_ROOT: Final = ""


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """What a mutator implies. ``ends``: nothing may write below it."""

    id: str
    location: Location
    terminal: str
    ends: bool
    bindings: tuple[Binding, ...]


class _Node:
    """A part of a shape: who speaks of it, who ends here, its children by key and type."""

    def __init__(self) -> None:
        self.by: set[str] = set()
        self.ended: set[str] = set()
        self.children: dict[str, dict[str, _Node]] = {}

    def add(self, shape: Shape, depth: int) -> set[str]:
        self.by.add(shape.id)
        if depth == len(shape.location):
            if shape.ends:
                self.ended.add(shape.id)
            return set()
        node = shape.location[depth]
        key = node.key if isinstance(node, Item) else node.name
        kind = shape.terminal
        if depth + 1 < len(shape.location):
            kind = LIST if isinstance(shape.location[depth + 1], Item) else OBJECT
        child = self.children.setdefault(key, {}).setdefault(kind, _Node())
        return child.add(shape, depth + 1) | self._contradicting(key)

    def _contradicting(self, key: str) -> set[str]:
        kinds = self.children[key]
        found: set[str] = set()
        several = len(kinds.keys() - {UNKNOWN}) > 1
        for kind, child in kinds.items():
            if kind != UNKNOWN and (several or (kind == LIST and len(child.children) > 1)):
                found |= child.by
        ended = set().union(*(child.ended for child in kinds.values()))
        below = [
            grandchild
            for child in kinds.values()
            for by_kind in child.children.values()
            for grandchild in by_kind.values()
        ]
        if ended and below:
            found |= ended.union(*(one.by for one in below))
        return found


def contradicting(shapes: Iterable[Shape]) -> dict[str, tuple[str, ...]]:
    """The ids of mutators that contradict others, with whom."""
    roots: dict[Binding, _Node] = {}
    groups: list[set[str]] = []
    for shape in shapes:
        for binding in shape.bindings:
            group = roots.setdefault(binding, _Node()).add(shape, 0)
            if group:
                groups.append(group)
    return _merged(groups)


def _merged(groups: Sequence[set[str]]) -> dict[str, tuple[str, ...]]:
    others: dict[str, set[str]] = {}
    for group in groups:
        for one in group:
            others.setdefault(one, set()).update(group - {one})
    return {one: tuple(sorted(rest)) for one, rest in others.items()}
