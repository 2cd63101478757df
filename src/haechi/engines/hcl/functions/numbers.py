"""Numbers: abs, ceil, floor, log, max, min, parseint, pow, signum, sum."""

from __future__ import annotations

import math
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Any

from haechi.engines.hcl.functions.signature import Context, Function
from haechi.engines.hcl.operators import arithmetic, decimal
from haechi.engines.hcl.values import EvalFault, as_number
from haechi.errors import LimitExceeded

Number = int | float
_MAX_BITS = 4_096
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


def _rounded(value: Number, rounding: str) -> int:
    return int(decimal(value).to_integral_value(rounding=rounding))


def _log(context: Context, number: Number, base: Number) -> Number:
    try:
        return _number(math.log(number) / math.log(base))
    except (ValueError, ZeroDivisionError, OverflowError):
        raise EvalFault("log: there is no such logarithm") from None


def _pow(context: Context, number: Number, power: Number) -> Number:
    if isinstance(number, int) and isinstance(power, int) and power >= 0:
        if number.bit_length() * power > _MAX_BITS:
            raise LimitExceeded("a number is too large")
        return int(number**power)
    try:
        result = float(number) ** float(power)
    except (OverflowError, ZeroDivisionError):
        raise EvalFault("pow: the result is too large") from None
    if isinstance(result, complex):
        raise EvalFault("pow: there is no such power")
    return _number(result)


def _number(value: float) -> Number:
    if math.isinf(value) or math.isnan(value):
        raise EvalFault("the result is no number")
    return int(value) if value.is_integer() else value


def _parseint(context: Context, text: str, base: int) -> int:
    if not 2 <= base <= 62:
        raise EvalFault("parseint: the base must be between 2 and 62")
    digits = text[1:] if text[:1] in ("-", "+") else text
    if len(digits) > 1_000:
        raise LimitExceeded("parseint: too many digits")
    total = 0
    for character in digits:
        value = _digit(character, base)
        if not 0 <= value < base:
            total = -1
            break
        total = total * base + value
    if not digits or total < 0:
        raise EvalFault(f"parseint: {text[:40]!r} is no number of base {base}")
    return -total if text.startswith("-") else total


def _digit(character: str, base: int) -> int:
    if base <= 36:
        return _DIGITS.find(character.lower())
    if character.isascii() and character.isupper():
        return ord(character) - ord("A") + 36
    return _DIGITS.find(character)


def _sum(context: Context, values: list[Any]) -> Number:
    if not values:
        raise EvalFault("sum: the list is empty")
    total: Number = 0
    for value in values:
        if value is None:
            raise EvalFault("sum: an element is null")
        total = arithmetic("+", total, as_number(value))
    return total


def _signum(context: Context, value: Number) -> int:
    return (decimal(value) > Decimal(0)) - (decimal(value) < Decimal(0))


FUNCTIONS = (
    Function("abs", "n", lambda _, value: abs(value)),
    Function("ceil", "n", lambda _, value: _rounded(value, ROUND_CEILING)),
    Function("floor", "n", lambda _, value: _rounded(value, ROUND_FLOOR)),
    Function("log", "n n", _log),
    Function("max", "n n*", lambda _, *values: max(values)),
    Function("min", "n n*", lambda _, *values: min(values)),
    Function("parseint", "s i", _parseint),
    Function("pow", "n n", _pow),
    Function("signum", "n", _signum),
    Function("sum", "l", _sum),
)
