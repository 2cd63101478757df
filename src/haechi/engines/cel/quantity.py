"""Kubernetes' ``quantity`` functions for CEL, and the arithmetic behind them.

The wheel cannot carry a type of our own, so a quantity travels as CEL ``bytes`` holding its count
of nanounits as a decimal number of fixed width, shifted to be positive. Bytes never meet strings
or numbers in a type check, and for equal width ``==`` and ``<`` on bytes are those of the numbers.

In: ``quantity``, ``isQuantity``, ``compareTo``, ``isLessThan``, ``isGreaterThan``, ``sign``,
``add``, ``sub``, ``asApproximateFloat``. Not in: ``isInteger`` and ``asInteger``, whose answer in
Kubernetes depends on how the text was written ("2000m") and not on the value. Numbers are accepted
as well as strings: the API server writes ``cpu: 1`` as "1" before policies see it, a file does not.

Syntax: Kubernetes API conventions, resource.Quantity. Finer than 1n rounds away from zero.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import msgspec

_NUMBER = re.compile(
    r"(?P<sign>[+-]?)(?P<digits>[0-9]+(?:\.[0-9]*)?|\.[0-9]+)"
    r"(?P<suffix>[KMGTPE]i|[numkMGTPE]|[eE][+-]?[0-9]+)?\Z"
)
_BINARY: dict[str, int] = {
    prefix + "i": 1024**power for power, prefix in enumerate("KMGTPE", start=1)
}
_DECIMAL = {"n": -9, "u": -6, "m": -3, "": 0, "k": 3, "M": 6, "G": 9, "T": 12, "P": 15, "E": 18}
_NANO = 9
_TEXT_LIMIT = 100
_DIGITS = 60
_SHIFT: int = 10**_DIGITS


class _NotQuantity(ValueError):
    """Becomes the text of the CEL error."""


def nanounits(text: str) -> int:
    """Value of a quantity in nanounits. Raises ValueError."""
    match = _NUMBER.match(text) if len(text) <= _TEXT_LIMIT else None
    if match is None:
        raise _NotQuantity(f"not a quantity: {text[:_TEXT_LIMIT]!r}")
    whole, _, fraction = match["digits"].partition(".")
    suffix = match["suffix"] or ""
    factor, power = _BINARY.get(suffix, 1), _NANO - len(fraction)
    if suffix not in _BINARY:
        power += int(suffix[1:]) if suffix[1:] else _DECIMAL[suffix]
    if abs(power) > _DIGITS:
        raise _NotQuantity(f"quantity out of range: {text!r}")
    value = int(whole + fraction) * factor
    scale = int("1" + "0" * abs(power))
    value = value * scale if power >= 0 else -(-value // scale)
    if value >= _SHIFT:
        raise _NotQuantity(f"quantity out of range: {text!r}")
    return -value if match["sign"] == "-" else value


def _pack(value: int) -> bytes:
    if abs(value) >= _SHIFT:
        raise _NotQuantity("quantity out of range")
    return b"%0*d" % (_DIGITS + 1, value + _SHIFT)


def _unpack(packed: bytes) -> int:
    if len(packed) != _DIGITS + 1 or not packed.isdigit():
        raise _NotQuantity("not a quantity")
    return int(packed) - _SHIFT


def _quantity(value: str | float) -> bytes:
    return _pack(nanounits(value if isinstance(value, str) else repr(value)))


def _is_quantity(value: str | float) -> bool:
    try:
        _quantity(value)
    except _NotQuantity:
        return False
    return True


def _compare(left: bytes, right: bytes) -> int:
    first, second = _unpack(left), _unpack(right)
    return int(first > second) - int(first < second)


def _sign(packed: bytes) -> int:
    value = _unpack(packed)
    return int(value > 0) - int(value < 0)


def _plus(left: bytes, right: bytes) -> bytes:
    return _pack(_unpack(left) + _unpack(right))


def _minus(left: bytes, right: bytes) -> bytes:
    return _pack(_unpack(left) - _unpack(right))


class Overload(msgspec.Struct, frozen=True):
    """One signature of a function; types are BOOL, INT, DOUBLE, STRING, QUANTITY."""

    id: str
    parameters: tuple[str, ...]
    returns: str
    call: Callable[..., Any]
    member: bool = True


_Q, _I = "QUANTITY", "INT"
_OF = {"STRING": "string", "INT": "int", "DOUBLE": "double"}

OVERLOADS: dict[str, tuple[Overload, ...]] = {
    "quantity": tuple(
        Overload(f"{name}_to_quantity", (type_,), _Q, _quantity, member=False)
        for type_, name in _OF.items()
    ),
    "isQuantity": tuple(
        Overload(f"is_quantity_{name}", (type_,), "BOOL", _is_quantity, member=False)
        for type_, name in _OF.items()
    ),
    "compareTo": (Overload("quantity_compare_to", (_Q, _Q), _I, _compare),),
    "isLessThan": (
        Overload("quantity_is_less_than", (_Q, _Q), "BOOL", lambda a, b: _compare(a, b) < 0),
    ),
    "isGreaterThan": (
        Overload("quantity_is_greater_than", (_Q, _Q), "BOOL", lambda a, b: _compare(a, b) > 0),
    ),
    "sign": (Overload("quantity_sign", (_Q,), _I, _sign),),
    "add": (
        Overload("quantity_add", (_Q, _Q), _Q, _plus),
        Overload("quantity_add_int", (_Q, _I), _Q, lambda a, b: _plus(a, _quantity(b))),
    ),
    "sub": (
        Overload("quantity_sub", (_Q, _Q), _Q, _minus),
        Overload("quantity_sub_int", (_Q, _I), _Q, lambda a, b: _minus(a, _quantity(b))),
    ),
    "asApproximateFloat": (
        Overload("quantity_as_float", (_Q,), "DOUBLE", lambda a: _unpack(a) / 10**_NANO),
    ),
}
