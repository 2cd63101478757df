"""Sets of fields, as `managedFields` holds them.

A path is a tuple of path elements in the wire's own words (`f:spec`, `k:{"name":"a"}`,
`v:"x"`), a set of fields is a frozenset of paths: union and difference are then Python's own.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

Path = tuple[str, ...]
FieldSet = frozenset[Path]
Json = dict[str, Any]


def compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), sort_keys=True, ensure_ascii=False)


def to_wire(fields: Iterable[Path]) -> Json:
    """FieldsV1: nested maps, a member with children marked by `.`."""
    trie: Json = {}
    for path in sorted(fields):
        here = trie
        for element in path:
            here = here.setdefault(element, {})
        here["."] = {}
    return _trimmed(trie)


def _trimmed(trie: Json) -> Json:
    if set(trie) == {"."}:
        return {}
    return {key: {} if key == "." else _trimmed(below) for key, below in trie.items()}


def from_wire(trie: Json) -> FieldSet:
    found: set[Path] = set()
    _collect(trie, (), found)
    return frozenset(found)


def _collect(trie: Json, path: Path, found: set[Path]) -> None:
    if path and (not trie or "." in trie):
        found.add(path)
    for element, below in trie.items():
        if element != ".":
            _collect(below, (*path, element), found)


def under(fields: FieldSet, prefixes: Iterable[Path]) -> FieldSet:
    """The fields that are one of the prefixes or lie below one."""
    heads = frozenset(prefixes)
    return frozenset(
        path for path in fields if any(path[:n] in heads for n in range(1, len(path) + 1))
    )


def printed(path: Path) -> str:
    """A path as error causes print it: `.spec.containers[name="a"].image`."""
    return "".join(map(_element, path))


def _element(element: str) -> str:
    kind, _, text = element.partition(":")
    if kind == "f":
        return f".{text}"
    if kind == "k":
        keys = json.loads(text)
        return "[" + ",".join(f"{key}={compact(value)}" for key, value in keys.items()) + "]"
    return f"[={text}]" if kind == "v" else f"[{text}]"
