"""``json.filter``, ``json.remove``, ``json.patch``: by paths like ``a/b/0``, or arrays of keys."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any, Final

from haechi.engines.rego.builtins import operands
from haechi.engines.rego.builtins.builtin import Builtin
from haechi.engines.rego.values import (
    UNDEFINED,
    BuiltinError,
    RegoObject,
    RegoSet,
    Value,
    equal,
    key,
    lookup,
    make_object,
    type_name,
)

Tree = dict[Hashable, Any]  # by a part's key, the tree below, or None where a path ends


def _path(value: Value) -> list[Value]:
    if type(value) is list:
        return value
    if type(value) is not str:
        raise BuiltinError(
            "operand 2 must be one of {set, array} containing string paths or array of path "
            f"segments but got {type_name(value)}"
        )
    if not value:
        return []
    return [part.replace("~1", "/").replace("~0", "~") for part in value.lstrip("/").split("/")]


def _tree(paths: Value) -> Tree:
    root: Tree = {}
    for given in operands.listed(paths, 2, "set", "array"):
        path = [key(part) for part in _path(given)]
        node: Any = root if path else None
        for part in path[:-1]:
            node = node.setdefault(part, {})
            if node is None:  # a shorter path has it all
                break
        if node is not None:
            node[path[-1]] = None
    return root


def only(value: Value, paths: Value) -> Value:
    return _only(operands.mapping(value, 1), _tree(paths))


def _only(value: Value, tree: Tree | None) -> Value:
    if tree is None:
        return value
    kind = type(value)
    if kind is dict:
        return {name: _only(item, tree[name]) for name, item in value.items() if name in tree}
    if kind is list:
        return [_only(item, tree[str(n)]) for n, item in enumerate(value) if str(n) in tree]
    if kind is RegoObject:
        return make_object(
            (name, _only(item, tree[key(name)]))
            for name, item in value.items()
            if key(name) in tree
        )
    if kind is RegoSet:
        kept = [(item, tree[held]) for held, item in value.members.items() if held in tree]
        return RegoSet.of(_only(item, below) for item, below in kept)
    return value


def without(value: Value, paths: Value) -> Value:
    return _without(operands.mapping(value, 1), _tree(paths))


def _without(value: Value, tree: Tree) -> Value:
    kind = type(value)
    if kind is dict:
        left = ((name, _left(item, name, tree)) for name, item in value.items())
        return {name: item for name, item in left if item is not UNDEFINED}
    if kind is list:
        items = (_left(item, str(n), tree) for n, item in enumerate(value))
        return [item for item in items if item is not UNDEFINED]
    if kind is RegoObject:
        named = ((name, _left(item, key(name), tree)) for name, item in value.items())
        return make_object((name, item) for name, item in named if item is not UNDEFINED)
    if kind is RegoSet:
        members = (_left(item, held, tree) for held, item in value.members.items())
        return RegoSet.of(item for item in members if item is not UNDEFINED)
    return value


def _left(item: Value, name: Hashable, tree: Tree) -> Value:
    below = tree.get(name, UNDEFINED)
    if below is UNDEFINED:
        return item
    return UNDEFINED if below is None else _without(item, below)


class _NotPossible(BuiltinError):
    """A patch cannot be applied."""


def patch(value: Value, operations: Value) -> Value:
    """RFC 6902, over sets, too, and with paths as arrays."""
    made = value
    for operation in operands.array(operations, 2):
        made = _patched(made, operation)
    return made


def _patched(value: Value, operation: Value) -> Value:
    if type(operation) is not dict:
        raise _NotPossible
    verb = operation.get("op")
    path = _path(_needed(operation, "path"))
    if verb == "add":
        return _inserted(value, path, _needed(operation, "value"))
    if verb == "remove":
        return _deleted(value, path)
    if verb == "replace":
        new = _needed(operation, "value")
        return _inserted(_deleted(value, path) if path else value, path, new)
    if verb in ("move", "copy"):
        source = _path(_needed(operation, "from"))
        found = _at(value, source)
        return _inserted(_deleted(value, source) if verb == "move" else value, path, found)
    if verb == "test":
        if not equal(_at(value, path), _needed(operation, "value")):
            raise _NotPossible
        return value
    raise _NotPossible


def _needed(operation: dict[str, Value], name: str) -> Value:
    if name not in operation:
        raise _NotPossible
    return operation[name]


def _at(value: Value, path: list[Value]) -> Value:
    for part in path:
        value = _child(value, part)
    return value


def _child(value: Value, part: Value) -> Value:
    if type(value) is list:
        index = _index(value, part)
        found = value[index] if index < len(value) else UNDEFINED
    else:
        found = lookup(value, part)
    if found is UNDEFINED:
        raise _NotPossible
    return found


def _index(value: list[Value], part: Value) -> int:
    if part == "-" and type(part) is str:
        return len(value)
    if type(part) is str:
        if not part.isascii() or not part.isdigit() or (part[0] == "0" and part != "0"):
            raise _NotPossible
        part = int(part) if len(part) < 10 else len(value) + 1
    if type(part) is float and part.is_integer():
        part = int(part)
    if type(part) is not int or not 0 <= part <= len(value):
        raise _NotPossible
    return part


def _inserted(value: Value, path: list[Value], new: Value) -> Value:
    if not path:
        return new
    if len(path) > 1:
        return _exchanged(value, path[0], _inserted(_child(value, path[0]), path[1:], new))
    part, kind = path[0], type(value)
    if kind is list:
        index = _index(value, part)
        return [*value[:index], new, *value[index:]]
    if kind is dict and type(part) is str:
        return {**value, part: new}
    if kind is dict or kind is RegoObject:
        return make_object([*_others(value, part), (part, new)])
    if kind is RegoSet and equal(part, new):
        return RegoSet({**value.members, key(new): new})
    raise _NotPossible


def _others(value: Value, part: Value) -> list[tuple[Value, Value]]:
    return [(name, item) for name, item in value.items() if not equal(name, part)]


def _exchanged(value: Value, part: Value, new: Value) -> Value:
    """The same with another value at ``part``, which is there."""
    kind = type(value)
    if kind is list:
        index = _index(value, part)
        return [*value[:index], new, *value[index + 1 :]]
    if kind is RegoSet:
        kept = {held: item for held, item in value.members.items() if held != key(part)}
        return RegoSet({**kept, key(new): new})
    return make_object([*_others(value, part), (part, new)])


def _deleted(value: Value, path: list[Value]) -> Value:
    if not path:
        raise _NotPossible
    found = _child(value, path[0])
    if len(path) > 1:
        return _exchanged(value, path[0], _deleted(found, path[1:]))
    kind = type(value)
    if kind is list:
        index = _index(value, path[0])
        return [*value[:index], *value[index + 1 :]]
    if kind is RegoSet:
        return RegoSet({h: item for h, item in value.members.items() if h != key(path[0])})
    return make_object(_others(value, path[0]))


TABLE: Final = (
    Builtin(name="json.filter", arity=2, call=only),
    Builtin(name="json.remove", arity=2, call=without),
    Builtin(name="json.patch", arity=2, call=patch),
)
