"""Comparison, membership, and what type a value is of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from haechi.engines.rego.builtins import operands
from haechi.engines.rego.builtins.builtin import Builtin
from haechi.engines.rego.values import (
    UNDEFINED,
    BuiltinError,
    RegoObject,
    RegoSet,
    Value,
    compare,
    equal,
    key,
    lookup,
    type_name,
)


def member(value: Value, collection: Value) -> bool:
    """``value in collection``: of an object, among its values; of a scalar, never."""
    kind = type(collection)
    if kind is RegoSet:
        return key(value) in collection.members
    if kind is list:
        return _among(value, collection)
    if kind is dict or kind is RegoObject:
        return _among(value, list(collection.values()))
    return False


def _among(value: Value, items: list[Value]) -> bool:
    if type(value) is str:
        return value in items  # nothing but the same text is equal to a text
    return any(equal(value, item) for item in items)


def member_with_key(name: Value, value: Value, collection: Value) -> bool:
    """``name, value in collection``."""
    found = lookup(collection, name)
    return found is not UNDEFINED and equal(found, value)


def _is(*kinds: type) -> Callable[[Value], bool]:
    def call(value: Value) -> bool:
        return type(value) in kinds

    return call


def _cast(name: str, *kinds: type) -> Callable[[Value], Value]:
    def call(value: Value) -> Value:
        if type(value) not in kinds:
            operands.wrong(1, value, name)
        return value

    return call


def _cast_array(value: Value) -> list[Value]:
    return operands.listed(value, 1)


def _cast_set(value: Value) -> RegoSet:
    return value if type(value) is RegoSet else RegoSet.of(operands.array(value, 1))


def to_number(value: Value) -> Any:
    kind = type(value)
    if kind is int or kind is float:
        return value
    if kind is bool or value is None:
        return 1 if value else 0
    if kind is not str:
        operands.wrong(1, value, "null", "boolean", "number", "string")
    return _parsed(value)


def _parsed(value: str) -> Any:
    """Go's ``strconv.ParseFloat``, less infinity and NaN, and less hexadecimals, of which OPA's
    numbers know nothing."""
    digits = value[1:] if value[:1] in ("+", "-") else value
    if not digits or not value.isascii() or digits[0] not in "0123456789.":
        raise BuiltinError(f"not a number: {value[:40]!r}")
    if len(value) > operands.MAX_BITS // 4:
        operands.too_large("a number's digits", operands.MAX_BITS // 4)
    if "_" in value or value != value.strip() or value.endswith(("\x1c", "\x1f")):
        raise BuiltinError(f"not a number: {value[:40]!r}")
    try:
        made = int(value) if digits.isdigit() else float(value)
    except ValueError as error:
        raise BuiltinError(f"not a number: {value[:40]!r}") from error
    if made in (float("inf"), float("-inf")):
        raise BuiltinError("value out of range")
    return made


_KINDS: Final[dict[str, tuple[type, ...]]] = {
    "array": (list,),
    "boolean": (bool,),
    "null": (type(None),),
    "number": (int, float),
    "object": (dict, RegoObject),
    "set": (RegoSet,),
    "string": (str,),
}

TABLE: Final = (
    Builtin(name="equal", arity=2, call=equal),
    Builtin(name="neq", arity=2, call=lambda left, right: not equal(left, right)),
    Builtin(name="lt", arity=2, call=lambda left, right: compare(left, right) < 0),
    Builtin(name="lte", arity=2, call=lambda left, right: compare(left, right) <= 0),
    Builtin(name="gt", arity=2, call=lambda left, right: compare(left, right) > 0),
    Builtin(name="gte", arity=2, call=lambda left, right: compare(left, right) >= 0),
    Builtin(name="internal.member_2", arity=2, call=member),
    Builtin(name="internal.member_3", arity=3, call=member_with_key),
    Builtin(name="type_name", arity=1, call=type_name),
    Builtin(name="to_number", arity=1, call=to_number),
    *(Builtin(name=f"is_{name}", arity=1, call=_is(*kinds)) for name, kinds in _KINDS.items()),
    *(
        Builtin(name=f"cast_{name}", arity=1, call=_cast(name, *kinds))
        for name, kinds in _KINDS.items()
        if name in ("boolean", "null", "object", "string")
    ),
    Builtin(name="cast_array", arity=1, call=_cast_array),
    Builtin(name="cast_set", arity=1, call=_cast_set),
)
