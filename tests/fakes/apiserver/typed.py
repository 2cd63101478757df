"""Structured merge: what of an object is a field, how two objects compare and merge.

The rules are those of structured-merge-diff: maps are granular and lists atomic unless the
schema says otherwise, a keyed list's element is named by its keys, a set's by its value.
"""

from __future__ import annotations

from typing import Any

from tests.fakes.apiserver import schema
from tests.fakes.apiserver.fieldset import FieldSet, Path, compact

Json = dict[str, Any]
_GONE: Any = object()


class BadList(ValueError):
    """An associative list whose elements lack keys or repeat them."""


def element_name(node: Json, keys: tuple[str, ...], item: Any) -> str:
    """The path element that names an item of an associative list."""
    if not keys:
        return f"v:{compact(item)}"
    if not isinstance(item, dict):
        raise BadList("associative list with keys may not have non-map elements")
    named = {}
    below = schema.items(node)
    for key in keys:
        if key in item:
            named[key] = item[key]
            continue
        default = schema.child(below, key).get("default")
        if default is not None:
            named[key] = default
    if not named:
        raise BadList(
            "associative list with keys has an element that omits key field "
            + ", ".join(f'"{key}"' for key in keys)
        )
    return f"k:{compact(named)}"


def _elements(
    node: Json, keys: tuple[str, ...], value: Any, *, lenient: bool = False
) -> dict[str, Any]:
    """Items by their path element; a live object's may repeat (the server stored them so)."""
    found: dict[str, Any] = {}
    for place, item in enumerate(value or ()):
        try:
            name = element_name(node, keys, item)
            if name in found:
                raise BadList(f"duplicate entries for key {name[2:]}")
        except BadList:
            if not lenient:
                raise
            name = f"i:{place}"
        found[name] = item
    return found


def _shape(node: Json, value: Any) -> str:
    """`map`, `list` (associative) or `leaf`, by the value and what the schema says of it."""
    if isinstance(value, dict):
        return "leaf" if schema.atomic_map(node) else "map"
    if isinstance(value, list):
        return "leaf" if schema.list_keys(node) is None else "list"
    return "leaf"


def fields_of(value: Any, node: Json, *, lenient: bool = True) -> FieldSet:
    """Every field an object names; an applied configuration may not repeat an item."""
    found: set[Path] = set()
    _fields(value, node, (), found, lenient)
    return frozenset(found)


def _fields(value: Any, node: Json, path: Path, found: set[Path], lenient: bool) -> None:
    match _shape(node, value):
        case "map":
            for key, below in value.items():
                inner = (*path, f"f:{key}")
                _fields(below, schema.child(node, key), inner, found, lenient)
                undeclared = schema.declared(node, key) is None
                if below is None or below == {} or undeclared:
                    found.add(inner)
        case "list":
            keys = schema.list_keys(node) or ()
            for name, below in _elements(node, keys, value, lenient=lenient).items():
                inner = (*path, name)
                _fields(below, schema.items(node), inner, found, lenient)
                found.add(inner)
        case _:
            found.add(path)


class Difference:
    """The fields by which a new object differs from an old one."""

    def __init__(self) -> None:
        self.added: set[Path] = set()
        self.modified: set[Path] = set()
        self.removed: set[Path] = set()


def compare(old: Any, new: Any, node: Json) -> Difference:
    found = Difference()
    _compare(old, new, node, (), found)
    for each in (found.added, found.modified, found.removed):
        each.discard(())
    return found


def _compare(old: Any, new: Any, node: Json, path: Path, found: Difference) -> None:
    shapes = {_shape(node, value) for value in (old, new) if value is not _GONE and value}
    if not shapes or "leaf" in shapes or len(shapes) == 2:
        _leaf(old, new, path, found)
        return
    old_map, new_map = _inner(old, node), _inner(new, node)
    for key in old_map | new_map:
        below = schema.child(node, key[2:]) if key[:2] == "f:" else schema.items(node)
        _compare(old_map.get(key, _GONE), new_map.get(key, _GONE), below, (*path, key), found)
    if old is _GONE:
        found.added.add(path)
    elif new is _GONE:
        found.removed.add(path)


def _inner(value: Any, node: Json) -> dict[str, Any]:
    if isinstance(value, dict):
        return {f"f:{key}": below for key, below in value.items()}
    if isinstance(value, list):
        return _elements(node, schema.list_keys(node) or (), value, lenient=True)
    return {}


def _leaf(old: Any, new: Any, path: Path, found: Difference) -> None:
    if old is _GONE:
        found.added.add(path)
    elif new is _GONE:
        found.removed.add(path)
    elif old != new or type(old) is not type(new):
        found.modified.add(path)


def merge(live: Any, config: Any, node: Json) -> Any:
    """The live object with the configuration laid over it; live-only fields stay."""
    if live is _GONE:
        return config
    if config is _GONE:
        return live
    if isinstance(config, dict) and isinstance(live, dict) and not schema.atomic_map(node):
        return {
            key: merge(live.get(key, _GONE), config.get(key, _GONE), schema.child(node, key))
            for key in live | config
        }
    keys = schema.list_keys(node)
    if isinstance(config, list) and isinstance(live, list) and keys is not None:
        return _merge_lists(live, config, node, keys)
    return config


def _merge_lists(live: list[Any], config: list[Any], node: Json, keys: tuple[str, ...]) -> Any:
    """Shared items in the configuration's order, live-only items where they stood."""
    old, new = _elements(node, keys, live, lenient=True), _elements(node, keys, config)
    below = schema.items(node)
    shared = [name for name in new if name in old]
    waiting = list(new)
    out: list[Any] = []
    for name, item in old.items():
        if name not in new:
            out.append(item)
            continue
        if not shared:
            continue
        turn = shared.pop(0)
        while waiting:
            head = waiting.pop(0)
            out.append(merge(old.get(head, _GONE), new[head], below))
            if head == turn:
                break
    out.extend(merge(old.get(name, _GONE), new[name], below) for name in waiting)
    return out


def named_members(fields: FieldSet, node: Json) -> FieldSet:
    """The set with the declared fields on the way to its members made members, too."""
    found = set(fields)
    for path in fields:
        here = node
        for depth, element in enumerate(path[:-1], start=1):
            named = element[:2] == "f:"
            if named and schema.declared(here, element[2:]) is not None:
                found.add(path[:depth])
            here = schema.child(here, element[2:]) if named else schema.items(here)
    return frozenset(found)


def without(value: Any, node: Json, gone: FieldSet) -> Any:
    """The value without these fields; emptied maps and lists go, too (`None` when all went)."""
    trie: Json = {}
    for path in gone:
        here = trie
        for element in path:
            here = here.setdefault(element, {})
        here["."] = {}
    return _without(value, node, trie)


def _without(value: Any, node: Json, trie: Json) -> Any:
    match _shape(node, value):
        case "map":
            kept = {}
            for key, below in value.items():
                sub = trie.get(f"f:{key}")
                if sub is not None and "." in sub:
                    continue
                rest = _without(below, schema.child(node, key), sub) if sub else below
                if rest is not None or below is None:
                    kept[key] = rest
            return kept or None
        case "list":
            keys = schema.list_keys(node) or ()
            items = []
            for name, below in _elements(node, keys, value, lenient=True).items():
                sub = trie.get(name)
                if sub is not None and "." in sub:
                    continue
                items.append(_without(below, schema.items(node), sub) if sub else below)
            return items or None
        case _:
            # what lies below an atomic value cannot be taken out of it alone
            return value if not isinstance(value, dict | list) else None
