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

from haechi.engines.cel.data import INT_MAX, INT_MIN
from haechi.engines.cel.reads import ANY, Place, Reads

_LARGE = ("object", "oldObject")
_MOST_DEPTH, _MOST_VALUES = 100, 100_000


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

    def narrow(self, values: dict[str, Any]) -> frozenset[str]:
        """Cut what is large, and leave out what nobody reads: it need not be fit either. Gives
        the names of those that were seen to be fit on the way."""
        if self.root is None:
            return frozenset()
        fit = []
        for name, value in values.items():
            if value is None:
                continue
            node = self.root.below.get(name)
            if node is None:
                values[name] = None
            elif name in _LARGE:
                try:
                    values[name] = _Fit().cut(value, node, 0)
                    fit.append(name)
                except _Odd:
                    values[name] = _cut(value, node)
        return frozenset(fit)

    def cut(self, variable: str, value: Any) -> Any:
        """What of a variable's value is needed; parts that are needed whole are shared."""
        if self.root is None:
            return value
        node = self.root.below.get(variable)
        return _emptied(value) if node is None else _cut(value, node)


class _Odd(Exception):
    """Something of which ``data.examine`` has to say whether CEL can hold it, or how."""


_SCALARS = frozenset({bool, float})


class _Fit:
    """Cuts, and sees to it on the way that what is left is plain: maps, lists, ASCII without NUL,
    truth values, numbers of 64 bits, no nulls, neither deep nor many. Nearly everything is."""

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = 0

    def cut(self, value: Any, node: Node | None, depth: int) -> Any:
        """As ``_cut``; without a node as ``_emptied``. Raises _Odd."""
        kind = type(value)
        if kind is dict:
            if node is None:
                return {}
            self._entered(value, depth)
            return self._map(value, node, depth + 1)
        if kind is list:
            if node is None:
                return []
            self._entered(value, depth)
            inner = node if node.deep else _element(node)
            return [self.cut(item, inner, depth + 1) for item in value]
        if kind is str:
            if value.isascii() and "\0" not in value:
                return value
        elif kind is int:
            if INT_MIN <= value <= INT_MAX:
                return value
        elif kind in _SCALARS:
            return value
        raise _Odd

    def _entered(self, value: Any, depth: int) -> None:
        self.count += len(value)
        if depth >= _MOST_DEPTH or self.count > _MOST_VALUES:
            raise _Odd

    def _map(self, value: dict[Any, Any], node: Node, depth: int) -> dict[Any, Any]:
        cut = self.cut
        if node.deep:
            for key in value:
                if type(key) is not str or not key.isascii() or "\0" in key:
                    raise _Odd
            for item in value.values():
                if type(item) is not str or not item.isascii() or "\0" in item:
                    cut(item, node, depth)
            return value
        below, every = node.below, node.any
        made: dict[Any, Any] = {}
        if every is None and not node.shallow:
            for key, inner in below.items():
                if key in value:
                    if type(key) is not str or not key.isascii() or "\0" in key:
                        raise _Odd
                    made[key] = cut(value[key], inner, depth)
            return made
        for key, item in value.items():
            if type(key) is not str or not key.isascii() or "\0" in key:
                raise _Odd
            made[key] = cut(item, below.get(key, every), depth)
        return made


def _element(node: Node) -> Node | None:
    """Indexes are rare in policies and elements few: all are treated as every one is."""
    if not node.below:
        return node.any
    inner = Node()
    for one in (*node.below.values(), *([node.any] if node.any is not None else [])):
        inner.take(one)
    return inner


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
        inner = _element(node)
        if inner is None:
            return [_emptied(item) for item in value]
        return [_cut(item, inner) for item in value]
    return value


def _emptied(value: Any) -> Any:
    kind = type(value)
    return {} if kind is dict else [] if kind is list else value
