"""Objects."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from haechi.engines.rego.builtins import operands
from haechi.engines.rego.builtins.builtin import Builtin
from haechi.engines.rego.builtins.operands import mapping
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


def get(value: Value, path: Value, default: Value) -> Value:
    """``path`` is a key, or an array of keys that leads down; an empty one is the whole."""
    if type(value) is dict and type(path) is str:
        return value.get(path, default)
    found: Value = mapping(value, 1)
    if type(path) is not list:
        found = lookup(found, path)
        return default if found is UNDEFINED else found
    for name in path:
        found = lookup(found, name)
        if found is UNDEFINED:
            return default
    return found


def keys(value: Value) -> RegoSet:
    if type(value) is dict:
        return RegoSet({name: name for name in value})
    return RegoSet({held: name for held, (name, _) in mapping(value, 1).pairs.items()})


def _named(value: Value) -> dict[Any, Value]:
    """Keys to filter by, from an array, a set, or an object's keys."""
    kind = type(value)
    if kind is RegoSet:
        return value.members  # type: ignore[no-any-return]
    if kind is list:
        return {key(item): item for item in value}
    if kind is dict:
        return dict.fromkeys(value)
    if kind is RegoObject:
        return value.pairs  # type: ignore[no-any-return]
    return operands.wrong(2, value, "object", "set", "array")


def _kept(value: Any, names: dict[Any, Value], wanted: bool) -> Value:
    if type(value) is dict:
        return {name: item for name, item in value.items() if (name in names) is wanted}
    pairs: Iterable[Any] = value.pairs.items()
    return make_object(pair for held, pair in pairs if (held in names) is wanted)


def remove(value: Value, names: Value) -> Value:
    return _kept(mapping(value, 1), _named(names), False)


def only(value: Value, names: Value) -> Value:
    return _kept(mapping(value, 1), _named(names), True)


def union(left: Value, right: Value) -> Value:
    """The right one wins, but where both hold objects these are united in turn."""
    first, second = mapping(left, 1), mapping(right, 2)
    if type(first) is dict and type(second) is dict:
        made = dict(first)
        for name, item in second.items():
            made[name] = _united(made.get(name, UNDEFINED), item)
        return made
    pairs = {key(name): (name, item) for name, item in first.items()}
    for name, item in second.items():
        held = pairs.get(key(name))
        pairs[key(name)] = (name, item if held is None else _united(held[1], item))
    return make_object(pairs.values())


def _united(left: Value, right: Value) -> Value:
    if type(left) in (dict, RegoObject) and type(right) in (dict, RegoObject):
        return union(left, right)
    return right


def union_n(values: Value) -> Value:
    made: Value = {}
    for item in operands.array(values, 1):
        if type(item) is not dict and type(item) is not RegoObject:
            raise BuiltinError(
                f"operand 1 must be array of objects but got array containing {type_name(item)}"
            )
        made = union(made, item)
    return made


def subset(whole: Value, part: Value) -> bool:
    kinds = (_shape(whole), _shape(part))
    if kinds == (dict, dict):
        return all(_within(lookup(whole, name), item) for name, item in part.items())
    if kinds == (RegoSet, RegoSet):
        return bool(part.members.keys() <= whole.members.keys())
    if kinds == (list, list):
        return _run_within(whole, part)
    if kinds == (list, RegoSet):
        return _gathered(whole, part)
    raise BuiltinError("both arguments object.subset must be of the same type or array and set")


def _shape(value: Value) -> type:
    return dict if type(value) is RegoObject else type(value)


def _within(whole: Value, part: Value) -> bool:
    if whole is UNDEFINED:
        return False
    if equal(whole, part):
        return True
    shape = _shape(whole)
    return shape in (dict, RegoSet, list) and shape is _shape(part) and subset(whole, part)


def _gathered(whole: list[Value], part: RegoSet) -> bool:
    """OPA counts the items that are in the set, the same one twice where it comes twice, and
    looks only while it goes through the array: nothing is found in an empty one."""
    missing = len(part)
    for item in whole:
        if key(item) in part.members:
            missing -= 1
        if missing == 0:
            return True
    return False


def _run_within(whole: list[Value], part: list[Value]) -> bool:
    """Whether ``part`` stands in ``whole`` as it is, one item after the other: in linear time
    (Knuth, Morris, Pratt), as the arguments may be anybody's."""
    pattern, fallback = [key(item) for item in part], _fallback(part)
    matched = 0
    if not pattern:
        return True
    for item in whole:
        held = key(item)
        while matched and pattern[matched] != held:
            matched = fallback[matched - 1]
        if pattern[matched] == held:
            matched += 1
        if matched == len(pattern):
            return True
    return False


def _fallback(part: list[Value]) -> list[int]:
    pattern = [key(item) for item in part]
    made = [0] * len(pattern)
    matched = 0
    for index in range(1, len(pattern)):
        while matched and pattern[matched] != pattern[index]:
            matched = made[matched - 1]
        if pattern[matched] == pattern[index]:
            matched += 1
        made[index] = matched
    return made


TABLE: Final = (
    Builtin(name="object.get", arity=3, call=get),
    Builtin(name="object.keys", arity=1, call=keys),
    Builtin(name="object.remove", arity=2, call=remove),
    Builtin(name="object.filter", arity=2, call=only),
    Builtin(name="object.union", arity=2, call=union),
    Builtin(name="object.union_n", arity=1, call=union_n),
    Builtin(name="object.subset", arity=2, call=subset),
)
