"""Where the names of an expression get their values, and what loops bind besides."""

from __future__ import annotations

from typing import Any, Protocol

from haechi.engines.hcl.functions.signature import Files
from haechi.engines.hcl.tree import Node
from haechi.engines.hcl.values import EvalFault, Set, kind_of


class Scope(Protocol):
    """Where names get their values. A scope may have ``files: Files``, for file functions."""

    def root(self, name: str) -> Any:
        """The value of a root name. Raises KeyError (or EvalFault) where there is none."""


class Bound:
    """A scope with some more names: those of ``for``, the variables of a template file."""

    __slots__ = ("files", "names", "outer")

    def __init__(self, names: dict[str, Any], outer: Scope | None, files: Files | None) -> None:
        self.names = names
        self.outer = outer
        self.files = files

    def root(self, name: str) -> Any:
        if name in self.names:
            return self.names[name]
        if self.outer is None:
            raise KeyError(name)
        return self.outer.root(name)


def bound(names: dict[str, Any], scope: Scope) -> Bound:
    """The scope with what a loop binds."""
    return Bound(names, scope, getattr(scope, "files", None))


def entries_of(collection: Any, node: Node) -> list[tuple[Any, Any]]:
    """Keys and values that ``for`` goes through. Raises EvalFault."""
    if isinstance(collection, Set):
        return [(item, item) for item in collection]
    if isinstance(collection, list):
        return list(enumerate(collection))
    if isinstance(collection, dict):
        return [(key, collection[key]) for key in sorted(collection)]
    raise EvalFault(f"'for' cannot go through {kind_of(collection)}", node.span)
