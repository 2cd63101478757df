"""Walks over expressions without evaluating them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from haechi.engines.hcl.tree import Attribute, Index, Literal, Name, Node


def children(node: Node) -> Iterator[Node]:
    """The nodes right below a node."""
    for name in type(node).__struct_fields__:
        if name != "span":
            yield from _nodes(getattr(node, name))


def _nodes(value: Any) -> Iterator[Node]:
    if isinstance(value, Node):
        yield value
    elif type(value) is tuple:
        for item in value:
            yield from _nodes(item)


def names_in(node: Node, root: str) -> list[str]:
    """The names ``x`` of all ``root.x`` in an expression, in order, once each."""
    found: dict[str, None] = {}
    pending = [node]
    while pending:
        current = pending.pop()
        kind = type(current)
        if kind is Literal:
            continue
        if kind is Attribute or kind is Index:
            of = current.of  # type: ignore[attr-defined]
            if type(of) is Name and of.name == root:
                if kind is Attribute:
                    found[current.name] = None  # type: ignore[attr-defined]
                elif isinstance(key := current.key, Literal):  # type: ignore[attr-defined]
                    found[str(key.value)] = None
        pending.extend(children(current))
    return list(found)
