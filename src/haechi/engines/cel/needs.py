"""What a set of expressions can look at, cut out of the variables before CEL holds them.

The library converts a whole variable at its first use, and converting is most of the cost of
judging: of an object of 11 KB ten policies look at a tenth. ``Needs`` is the union of ``reads`` as
a tree; ``cut`` keeps what lies on it. A place that is looked at as such (``has``, ``in``, ``size``,
a loop) keeps its keys, its length and its scalars, with empty maps and lists for what nobody reads
below; a map that is only passed through keeps the keys that are read.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from haechi.engines.cel.reads import ANY, Place, Reads

_LARGE = ("object", "oldObject")


class Node:
    """A place: everything below it is read (``deep``), or what it is and its keys (``shallow``),
    or what lies under some keys."""

    __slots__ = ("any", "below", "deep", "shallow")

    def __init__(self) -> None:
        self.deep = self.shallow = False
        self.below: dict[Any, Node] = {}
        self.any: Node | None = None

    def child(self, key: Any) -> Node:
        if key is ANY:
            if self.any is None:
                self.any = Node()
            return self.any
        return self.below.setdefault(key, Node())

    def take(self, other: Node) -> None:
        """Be what both are."""
        self.deep = self.deep or other.deep
        self.shallow = self.shallow or other.shallow
        for key, node in other.below.items():
            self.below.setdefault(key, Node()).take(node)
        if other.any is not None:
            if self.any is None:
                self.any = Node()
            self.any.take(other.any)

    def settle(self) -> None:
        """Let each key have what ANY has, so that one look at a key is enough."""
        if self.deep:
            self.below, self.any = {}, None
            return
        for node in self.below.values():
            if self.any is not None:
                node.take(self.any)
            node.settle()
        if self.any is not None:
            self.any.settle()


class Needs:
    """The union of what expressions read. Nothing is cut when one of them was not understood."""

    def __init__(self, several: Iterable[Reads]) -> None:
        self._several = list(several)  # kept, so that their ids stay their own
        self._ids = frozenset(map(id, self._several))
        self.root: Node | None = Node()
        """None: everything is read."""
        for reads in self._several:
            if reads.everything:
                self.root = None
                return
            for read in reads.reads:
                self._add(read.place, deep=read.deep)
        self.root.settle()

    def _add(self, place: Place, *, deep: bool) -> None:
        node = self.root
        if node is None:
            return
        for key in place:
            node = node.child(key)
        node.deep = node.deep or deep
        node.shallow = True

    def cover(self, reads: Reads) -> bool:
        """Whether an expression is one of them."""
        return id(reads) in self._ids

    def narrow(self, values: dict[str, Any]) -> None:
        """Cut what is large, and leave out what nobody reads: it need not be fit either."""
        if self.root is None:
            return
        for name, value in values.items():
            if value is None:
                continue
            node = self.root.below.get(name)
            if node is None:
                values[name] = None
            elif name in _LARGE:
                values[name] = _cut(value, node)

    def cut(self, variable: str, value: Any) -> Any:
        """What of a variable's value is needed; parts that are needed whole are shared."""
        if self.root is None:
            return value
        node = self.root.below.get(variable)
        return _emptied(value) if node is None else _cut(value, node)


def _cut(value: Any, node: Node) -> Any:
    if node.deep:
        return value
    kind = type(value)
    if kind is dict:
        below, every = node.below, node.any
        if every is None and not node.shallow:
            return {key: _cut(value[key], inner) for key, inner in below.items() if key in value}
        cut: dict[Any, Any] = {}
        for key, item in value.items():
            inner = below.get(key, every)
            cut[key] = _emptied(item) if inner is None else _cut(item, inner)
        return cut
    if kind is list:
        # Indexes are rare in policies and elements few: all are treated as every one is.
        inner = node.any
        if node.below:
            inner = Node()
            for one in (*node.below.values(), *([node.any] if node.any is not None else [])):
                inner.take(one)
        if inner is None:
            return [_emptied(item) for item in value]
        return [_cut(item, inner) for item in value]
    return value


def _emptied(value: Any) -> Any:
    kind = type(value)
    return {} if kind is dict else [] if kind is list else value
