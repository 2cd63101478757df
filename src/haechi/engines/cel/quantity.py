"""Kubernetes' ``quantity`` functions for CEL, and the arithmetic behind them.

The wheel cannot carry a type of our own, so a quantity travels as CEL ``bytes`` holding its count
of nanounits as a decimal number of fixed width, shifted to be positive. Bytes never meet strings
or numbers in a type check, and for equal width ``==`` and ``<`` on bytes are those of the numbers.

``isInteger`` and ``asInteger`` depend in Kubernetes on how the text was written ("2000m" is no
integer, "2" is). Asked of ``quantity(text)`` itself they answer from the text (``expand`` sees to
that); asked of a quantity that was computed or kept they answer from the value. Numbers are
accepted as well as strings: the API server writes ``cpu: 1`` as "1" before policies see it, a file
does not.

Syntax: Kubernetes API conventions, resource.Quantity. Finer than 1n rounds away from zero.
"""

from __future__ import annotations

import re

from haechi.engines.cel.libraries.overload import QUANTITY, Invalid, Mismatch, Overload

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
_INT_MIN, _INT_MAX = -(2**63), 2**63 - 1
_FAST_DIGITS = 18


def nanounits(text: str) -> int:
    """Value of a quantity in nanounits. Raises ValueError."""
    match = _NUMBER.match(text) if len(text) <= _TEXT_LIMIT else None
    if match is None:
        raise Invalid(f"not a quantity: {text[:_TEXT_LIMIT]!r}")
    whole, _, fraction = match["digits"].partition(".")
    suffix = match["suffix"] or ""
    factor, power = _BINARY.get(suffix, 1), _NANO - len(fraction)
    if suffix not in _BINARY:
        power += int(suffix[1:]) if suffix[1:] else _DECIMAL[suffix]
    if abs(power) > _DIGITS:
        raise Invalid(f"quantity out of range: {text!r}")
    value = int(whole + fraction) * factor
    scale = int("1" + "0" * abs(power))
    value = value * scale if power >= 0 else -(-value // scale)
    if value >= _SHIFT:
        raise Invalid(f"quantity out of range: {text!r}")
    return -value if match["sign"] == "-" else value


def _pack(value: int) -> bytes:
    if abs(value) >= _SHIFT:
        raise Invalid("quantity out of range")
    return b"%0*d" % (_DIGITS + 1, value + _SHIFT)


def _unpack(packed: bytes) -> int:
    if len(packed) != _DIGITS + 1 or not packed.isdigit():
        raise Mismatch("no such overload: not a quantity")
    return int(packed) - _SHIFT


def _quantity(value: str | float) -> bytes:
    return _pack(nanounits(_text(value)))


def _is_quantity(value: str | float) -> bool:
    try:
        _quantity(value)
    except Invalid:
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


def _written_as_integer(text: str) -> int | None:
    """The integer that ``AsInt64`` gives for a text: no part of it may be a fraction, as it is
    written, and it has to be short enough for the fast path of ParseQuantity."""
    match = _NUMBER.match(text) if len(text) <= _TEXT_LIMIT else None
    if match is None:
        raise Invalid(f"not a quantity: {text[:_TEXT_LIMIT]!r}")
    value = nanounits(text)
    whole, _, fraction = match["digits"].partition(".")
    digits = whole.lstrip("0") or "0"
    suffix = match["suffix"] or ""
    if suffix in _BINARY:
        exponent = 10 * ("KMGTPE".index(suffix[0]) + 1)
        fast = not fraction and 15 - len(digits) - exponent * 3 // 10 - 1 >= 0
    else:
        power = int(suffix[1:]) if suffix[1:] else _DECIMAL[suffix]
        fast = power >= len(fraction) and len(digits) + len(fraction) <= _FAST_DIGITS
    return _whole(value) if fast else None


def _whole(value: int) -> int | None:
    number, rest = divmod(value, 10**_NANO)
    return number if not rest and _INT_MIN <= number <= _INT_MAX else None


def _integer(number: int | None) -> int:
    if number is None:
        raise Invalid("cannot convert value to integer")
    return number


_Q, _I, _B = QUANTITY, "int", "bool"
_TEXTS = ("string", "int", "double")


def _text(value: str | float) -> str:
    return value if isinstance(value, str) else repr(value)


OVERLOADS: dict[str, tuple[Overload, ...]] = {
    "quantity": tuple(
        Overload(
            f"{name}_to_quantity", (name,), _Q, _quantity, member=False, kubernetes=name == "string"
        )
        for name in _TEXTS
    ),
    "isQuantity": tuple(
        Overload(
            f"is_quantity_{name}",
            (name,),
            _B,
            _is_quantity,
            member=False,
            kubernetes=name == "string",
        )
        for name in _TEXTS
    ),
    "compareTo": (Overload("quantity_compare_to", (_Q, _Q), _I, _compare),),
    "isLessThan": (
        Overload("quantity_is_less_than", (_Q, _Q), _B, lambda a, b: _compare(a, b) < 0),
    ),
    "isGreaterThan": (
        Overload("quantity_is_greater_than", (_Q, _Q), _B, lambda a, b: _compare(a, b) > 0),
    ),
    "sign": (
        Overload("quantity_sign", (_Q,), _I, _sign, member=False),
        Overload("quantity_sign_member", (_Q,), _I, _sign, kubernetes=False),
    ),
    "isInteger": (
        Overload("quantity_is_integer", (_Q,), _B, lambda a: _whole(_unpack(a)) is not None),
    ),
    "asInteger": (Overload("quantity_get_int", (_Q,), _I, lambda a: _integer(_whole(_unpack(a)))),),
    "@isInteger": tuple(
        Overload(
            f"@is_integer_{name}",
            (name,),
            _B,
            lambda text: _written_as_integer(_text(text)) is not None,
            member=False,
        )
        for name in _TEXTS
    ),
    "@asInteger": tuple(
        Overload(
            f"@as_integer_{name}",
            (name,),
            _I,
            lambda text: _integer(_written_as_integer(_text(text))),
            member=False,
        )
        for name in _TEXTS
    ),
    "add": (
        Overload("quantity_add", (_Q, _Q), _Q, _plus),
        Overload("quantity_add_int", (_Q, _I), _Q, lambda a, b: _plus(a, _quantity(b))),
    ),
    "sub": (
        Overload("quantity_sub", (_Q, _Q), _Q, _minus),
        Overload("quantity_sub_int", (_Q, _I), _Q, lambda a, b: _minus(a, _quantity(b))),
    ),
    "asApproximateFloat": (
        Overload("quantity_get_float", (_Q,), "double", lambda a: _unpack(a) / 10**_NANO),
    ),
}
