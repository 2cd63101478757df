"""Aggregates, arrays and sets."""

from __future__ import annotations

from fractions import Fraction
from typing import Any, Final

from haechi.engines.rego.builtins import arithmetic, bigfloat, operands
from haechi.engines.rego.builtins.builtin import Builtin
from haechi.engines.rego.builtins.operands import array, collection_set, listed, small_integer
from haechi.engines.rego.values import (
    BuiltinError,
    RegoObject,
    RegoSet,
    Value,
    ordered,
    sort_key,
    type_name,
)

_FLOAT_BITS: Final = 53


def count(value: Value) -> int:
    kind = type(value)
    if kind is list or kind is dict or kind is str:
        return len(value)
    if kind is RegoSet:
        return len(value.members)
    if kind is RegoObject:
        return len(value.pairs)
    return operands.wrong(1, value, "array", "object", "set", "string")


def _numbers(value: Value) -> list[Any]:
    items = listed(value, 1, "set", "array")
    for item in items:
        if type(item) is not int and type(item) is not float:
            raise BuiltinError(
                f"operand 1 must be {type_name(value)} of numbers but got {type_name(value)} "
                f"containing {type_name(item)}"
            )
    return items


def total(value: Value) -> Any:
    items = _numbers(value)
    if all(type(item) is int or item.is_integer() for item in items):
        return sum(map(int, items))
    made = Fraction(0)
    for item in items:
        made = bigfloat.rounded(made + bigfloat.exact(item))
    return bigfloat.number(made)


def product(value: Value) -> Any:
    items = _numbers(value)
    if all(type(item) is int or item.is_integer() for item in items):
        whole = 1
        for item in items:
            whole = operands.bounded_whole(whole * int(item))
        return whole
    made = Fraction(1)  # which upstream begins with as a float of 53 bits, and so goes on
    for item in items:
        made = bigfloat.rounded(made * bigfloat.exact(item), _FLOAT_BITS)
    return bigfloat.number(made, _FLOAT_BITS)


def largest(value: Value) -> Value:
    """Undefined of nothing, as is ``smallest``."""
    items = listed(value, 1, "set", "array")
    if not items:
        raise BuiltinError("max of nothing")
    return max(items, key=sort_key)


def smallest(value: Value) -> Value:
    items = listed(value, 1, "set", "array")
    if not items:
        raise BuiltinError("min of nothing")
    return min(items, key=sort_key)


def sort(value: Value) -> list[Value]:
    return value.ordered() if type(value) is RegoSet else ordered(listed(value, 1, "set", "array"))


def every_true(value: Value) -> bool:
    return all(item is True for item in listed(value, 1))


def any_true(value: Value) -> bool:
    return any(item is True for item in listed(value, 1))


def concat(first: Value, second: Value) -> list[Value]:
    return array(first, 1) + array(second, 2)


def flatten(value: Value) -> list[Value]:
    """One level: an array among the items is replaced by its own items."""
    made: list[Value] = []
    for item in array(value, 1):
        if type(item) is list:
            made.extend(item)
        else:
            made.append(item)
    return made


def part(value: Value, start: Value, stop: Value) -> list[Value]:
    items, first, last = array(value, 1), small_integer(start, 2), small_integer(stop, 3)
    end = max(0, min(last, len(items)))
    return items[max(0, min(first, end)) : end]


def intersect(left: Value, right: Value) -> RegoSet:
    """``left & right``."""
    first, second = collection_set(left, 1).members, collection_set(right, 2).members
    return RegoSet({name: item for name, item in first.items() if name in second})


def unite(left: Value, right: Value) -> RegoSet:
    """``left | right``."""
    return RegoSet({**collection_set(left, 1).members, **collection_set(right, 2).members})


def difference(left: Value, right: Value) -> Value:
    return arithmetic.minus(collection_set(left, 1), collection_set(right, 2))


def intersection(sets: Value) -> RegoSet:
    made: RegoSet | None = None
    for item in collection_set(sets, 1).ordered():
        made = collection_set(item, 1) if made is None else intersect(made, item)
    return RegoSet({}) if made is None else made


def union(sets: Value) -> RegoSet:
    made: dict[Any, Value] = {}
    for item in collection_set(sets, 1).members.values():
        made.update(collection_set(item, 1).members)
    return RegoSet(made)


TABLE: Final = (
    Builtin(name="count", arity=1, call=count),
    Builtin(name="sum", arity=1, call=total),
    Builtin(name="product", arity=1, call=product),
    Builtin(name="max", arity=1, call=largest),
    Builtin(name="min", arity=1, call=smallest),
    Builtin(name="sort", arity=1, call=sort),
    Builtin(name="all", arity=1, call=every_true),
    Builtin(name="any", arity=1, call=any_true),
    Builtin(name="array.concat", arity=2, call=concat),
    Builtin(name="array.flatten", arity=1, call=flatten),
    Builtin(name="array.reverse", arity=1, call=lambda value: array(value, 1)[::-1]),
    Builtin(name="array.slice", arity=3, call=part),
    Builtin(name="and", arity=2, call=intersect),
    Builtin(name="or", arity=2, call=unite),
    Builtin(name="set_diff", arity=2, call=difference),
    Builtin(name="intersection", arity=1, call=intersection),
    Builtin(name="union", arity=1, call=union),
)
