"""One way to write a JSON value as bytes (RFC 8785), so that hashes and signatures mean the same
everywhere. Pure.

Keys are sorted by UTF-16 code units, nothing stands between tokens, numbers that are not whole
are written as ECMAScript writes them. One step beyond the RFC: integers are exact up to 64 bits
(nanoseconds need them), while the RFC would round them to doubles. Almost every value is written
by msgspec, which agrees with the RFC for all but floats, keys outside of ASCII and integers that
do not fit; those take the careful way.
"""

from __future__ import annotations

import math
from typing import Any

import msgspec

DEPTH = 32
_SORTED = msgspec.json.Encoder(order="sorted")
_LARGEST = 2**64 - 1
_SMALLEST = -(2**63)
_SIMPLEST = frozenset({str, bool, type(None)})


def canonical(value: Any) -> bytes:
    """The canonical bytes of None, bool, int, float, str, and lists and dicts of them.

    Raises ValueError for anything else, for NaN, infinities and integers beyond 64 bits, for
    text that is not Unicode and for more than DEPTH levels.
    """
    try:
        if plain(value):
            return _SORTED.encode(value)
        return _written(value).encode()
    except UnicodeEncodeError as error:
        raise ValueError("text holds a lone surrogate, which is not Unicode") from error


def plain(value: Any) -> bool:
    """True when the bytes of msgspec's encoder with sorted keys are the canonical ones. Raises
    ValueError for what has none."""
    return _plain(value, DEPTH)


def _plain(value: Any, depth: int) -> bool:
    if depth < 0:
        raise ValueError(f"the value is nested more than {DEPTH} levels deep")
    kind = type(value)
    if kind in _SIMPLEST:
        return True
    if kind is int:
        if _SMALLEST <= value <= _LARGEST:
            return True
        # digits that a double was written with read back as an integer
        if abs(value) < 10**21 and number(float(value)) == str(value):
            return False
        raise ValueError("an integer does not fit into 64 bits")
    if kind is dict:
        simple = True
        for key, inner in value.items():
            if type(key) is not str:
                raise ValueError(f"a key is of type {type(key).__name__}, not text")
            if not key.isascii():
                simple = False
            if type(inner) not in _SIMPLEST:  # spares most values a call
                simple = _plain(inner, depth - 1) and simple
        return simple
    if kind is list or kind is tuple:
        simple = True
        for inner in value:
            simple = _plain(inner, depth - 1) and simple
        return simple
    if kind is float:
        if not math.isfinite(value):
            raise ValueError("NaN and infinities have no place in JSON")
        return False
    raise ValueError(f"a value of type {kind.__name__} has no place in JSON")


def _written(value: Any) -> str:
    if isinstance(value, float):
        return number(value)
    if isinstance(value, dict):
        keys = sorted(value, key=lambda key: key.encode("utf-16-be"))
        return "{" + ",".join(f"{_written(key)}:{_written(value[key])}" for key in keys) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(_written, value)) + "]"
    if type(value) is int:
        return str(value)
    return _SORTED.encode(value).decode()


def number(value: float) -> str:
    """A finite double as ECMAScript's Number::toString writes it (ECMA-262 §6.1.6.1.20)."""
    if value == 0:
        return "0"
    sign = "-" if value < 0 else ""
    # Python's repr finds the same shortest digits; only their arrangement differs.
    mantissa, _, exponent = repr(abs(value)).partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    point = len(whole) + int(exponent or 0) - (len(whole + fraction) - len(digits))
    digits = digits.rstrip("0") or "0"
    return sign + _arranged(digits, point)


def _arranged(digits: str, point: int) -> str:
    """``0.digits`` times ten to the power of ``point``."""
    count = len(digits)
    if count <= point <= 21:
        return digits + "0" * (point - count)
    if 0 < point <= 21:
        return f"{digits[:point]}.{digits[point:]}"
    if -6 < point <= 0:
        return f"0.{'0' * -point}{digits}"
    power = f"e{'+' if point > 0 else '-'}{abs(point - 1)}"
    return f"{digits[0]}{power}" if count == 1 else f"{digits[0]}.{digits[1:]}{power}"
