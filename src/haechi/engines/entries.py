"""Follow an attribute path through the node tree of a YAML document, to where a value stands.

Large mappings are indexed when they are first asked: each of 50,000 keys of one may be a finding.
"""

from __future__ import annotations

from typing import Any

from haechi.engines.values import key_of
from haechi.model.location import AttrPath

Pair = tuple[Any, Any]
"""The nodes of a key and of its value."""
_LARGE = 32
_DEEPEST = 20


class Entries:
    """Finds the nodes of one document; its indexes hold for the node tree it was asked about."""

    __slots__ = ("_indexes",)

    def __init__(self) -> None:
        self._indexes: dict[int, tuple[dict[str, Pair], list[Any]]] = {}

    def follow(self, node: Any, path: AttrPath) -> tuple[Any, Any]:
        """Follow ``path`` as far as it exists: (key node or None, value node)."""
        key: Any = None
        for part in path:
            if isinstance(part, int):
                if node.id != "sequence" or part >= len(node.value):
                    break
                key, node = None, node.value[part]
                continue
            found = self._entry(node, part, 0)
            if found is None:
                break
            key, node = found
        return key, node

    def _entry(self, node: Any, name: str, depth: int) -> Pair | None:
        """Own keys before merged ones; the last duplicate wins."""
        if node.id != "mapping" or depth > _DEEPEST:
            return None
        found, merges = self._indexed(node, name) if len(node.value) > _LARGE else _own(node, name)
        if found is not None:
            return found
        for source in merges:
            for part in source.value if source.id == "sequence" else [source]:
                found = self._entry(part, name, depth + 1)
                if found is not None:
                    return found
        return None

    def _indexed(self, node: Any, name: str) -> tuple[Pair | None, list[Any]]:
        if id(node) not in self._indexes:
            pairs: dict[str, Pair] = {}
            merges: list[Any] = []
            for key_node, value_node in node.value:
                if _merges(key_node):
                    merges.append(value_node)
                    continue
                pairs[key_node.value] = (key_node, value_node)
                if key_node.tag == "P":
                    pairs[key_of(key_node.value)] = (key_node, value_node)
            self._indexes[id(node)] = (pairs, merges)
        pairs, merges = self._indexes[id(node)]
        return pairs.get(name), merges


def _own(node: Any, name: str) -> tuple[Pair | None, list[Any]]:
    found: Pair | None = None
    merges: list[Any] = []
    for key_node, value_node in node.value:
        if _merges(key_node):
            merges.append(value_node)
        elif key_node.value == name or (key_node.tag == "P" and key_of(key_node.value) == name):
            found = (key_node, value_node)
    return found, merges


def _merges(key_node: Any) -> bool:
    return bool(key_node.tag == "P" and key_node.value == "<<")
