"""Numbers: the operators, rounding, bits, ranges.

Whole numbers are exact at any size; whatever has a fraction is computed as ``bigfloat`` tells. A
result without a fraction is a whole number again.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from fractions import Fraction
from typing import Any, Final

from haechi.engines.rego.builtins import bigfloat, operands
from haechi.engines.rego.builtins.builtin import Builtin
from haechi.engines.rego.builtins.builtin import Context as Evaluation
from haechi.engines.rego.builtins.operands import bounded_whole, integer, number, small_integer
from haechi.engines.rego.values import BuiltinError, RegoSet, Value

Number = Any  # int | float: neither is the other's subtype where it matters here

_EXACT: Final = 1 << 62


def _inexact(operation: Callable[[Fraction, Fraction], Fraction], left: Any, right: Any) -> Number:
    made = operation(bigfloat.exact(number(left, 1)), bigfloat.exact(number(right, 2)))
    return bigfloat.number(bigfloat.rounded(made))


def plus(left: Value, right: Value) -> Number:
    if type(left) is int and type(right) is int:
        return left + right
    if type(left) is float or type(right) is float:
        return _whole_or(left, right, plus, operator.add)
    number(left, 1)
    return operands.wrong(2, right, "number")


def _whole_or(
    left: Value,
    right: Value,
    exact: Callable[[Value, Value], Number],
    operation: Callable[[Fraction, Fraction], Fraction],
) -> Number:
    if _is_whole(left) and _is_whole(right):
        return exact(int(left), int(right))
    return _inexact(operation, left, right)


def _is_whole(value: Value) -> bool:
    return type(value) is int or (type(value) is float and value.is_integer())


def minus(left: Value, right: Value) -> Value:
    if type(left) is int and type(right) is int:
        return left - right
    if type(left) is RegoSet:
        if type(right) is not RegoSet:
            operands.wrong(2, right, "set")
        taken = right.members
        return RegoSet({key: value for key, value in left.members.items() if key not in taken})
    if type(left) is float or type(right) is float:
        return _whole_or(left, right, minus, operator.sub)
    if type(left) is not int:
        operands.wrong(1, left, "number", "set")
    return operands.wrong(2, right, "number")


def mul(left: Value, right: Value) -> Number:
    if type(left) is int and type(right) is int:
        made = left * right
        return made if -_EXACT < made < _EXACT else bounded_whole(made)
    if type(left) is float or type(right) is float:
        return _whole_or(left, right, mul, operator.mul)
    number(left, 1)
    return operands.wrong(2, right, "number")


def div(left: Value, right: Value) -> Number:
    number(left, 1)
    if number(right, 2) == 0:
        raise BuiltinError("divide by zero")
    if type(left) is int and type(right) is int and -_EXACT < left < _EXACT and left % right == 0:
        return left // right
    return _inexact(operator.truediv, left, right)


def rem(left: Value, right: Value) -> Number:
    number(left, 1)
    number(right, 2)
    if not _is_whole(left) or not _is_whole(right):
        raise BuiltinError("modulo on floating-point number")
    dividend, divisor = int(left), int(right)
    if divisor == 0:
        raise BuiltinError("modulo by zero")
    rest = abs(dividend) % abs(divisor)
    return -rest if dividend < 0 else rest


def absolute(value: Value) -> Number:
    if _is_whole(value) and -_EXACT < value < _EXACT:
        return abs(int(value))
    return bigfloat.number(abs(bigfloat.exact(number(value, 1))))


def rounded(value: Value) -> int:
    return _to_whole(value, _half_away)


def ceil(value: Value) -> int:
    """Between -1 and 0 OPA gives 1, and ``floor`` 0: its whole part has no sign there."""
    return _to_whole(value, _up)


def floor(value: Value) -> int:
    return _to_whole(value, _down)


def _to_whole(value: Value, operation: Callable[[Fraction], int]) -> int:
    if _is_whole(value) and -_EXACT < value < _EXACT:
        return int(value)
    exact = bigfloat.exact(number(value, 1))
    return exact.numerator if exact.denominator == 1 else operation(exact)


def _half_away(value: Fraction) -> int:
    return int(value + Fraction(1, 2)) if value > 0 else int(value - Fraction(1, 2))


def _up(value: Fraction) -> int:
    whole = int(value)
    return whole if whole < 0 else whole + 1


def _down(value: Fraction) -> int:
    whole = int(value)
    return whole if whole >= 0 else whole - 1


def _bits(name: str, operation: Callable[[int, int], int]) -> Builtin:
    def call(left: Value, right: Value) -> int:
        return operation(integer(left, 1), integer(right, 2))

    return Builtin(name=name, arity=2, call=call)


def _shift_left(value: Value, shift: Value) -> int:
    whole, places = integer(value, 1), _places(shift)
    if whole.bit_length() + places > operands.MAX_BITS:
        operands.too_large("a number's bits", operands.MAX_BITS)
    return whole << places


def _places(value: Value) -> int:
    places = integer(value, 2)
    if places < 0:
        raise BuiltinError(
            "operand 2 must be an unsigned integer number but got a negative integer"
        )
    return places


def _range(name: str, first: int, last: int, step: int) -> list[int]:
    if abs(last - first) // step >= operands.MAX_ITEMS:
        operands.too_large(f"the result of {name}", operands.MAX_ITEMS)
    if first <= last:
        return list(range(first, last + 1, step))
    return list(range(first, last - 1, -step))


def numbers_range(first: Value, last: Value) -> list[int]:
    return _range("numbers.range", integer(first, 1), integer(last, 2), 1)


def numbers_range_step(first: Value, last: Value, step: Value) -> list[int]:
    start, end, width = integer(first, 1), integer(last, 2), integer(step, 3)
    if width <= 0:
        raise BuiltinError("numbers.range_step: step must be a positive integer")
    return _range("numbers.range_step", start, end, width)


def rand_intn(evaluation: Evaluation, name: Value, limit: Value) -> int:
    below = abs(small_integer(limit, 2))
    drawn = ("rand.intn", operands.text(name, 1), below)
    if below == 0:
        return 0
    if drawn not in evaluation.memo:
        evaluation.memo[drawn] = evaluation.random.randrange(below)
    return int(evaluation.memo[drawn])


TABLE: Final = (
    Builtin(name="plus", arity=2, call=plus),
    Builtin(name="minus", arity=2, call=minus),
    Builtin(name="mul", arity=2, call=mul),
    Builtin(name="div", arity=2, call=div),
    Builtin(name="rem", arity=2, call=rem),
    Builtin(name="abs", arity=1, call=absolute),
    Builtin(name="round", arity=1, call=rounded),
    Builtin(name="ceil", arity=1, call=ceil),
    Builtin(name="floor", arity=1, call=floor),
    _bits("bits.and", int.__and__),
    _bits("bits.or", int.__or__),
    _bits("bits.xor", int.__xor__),
    Builtin(name="bits.negate", arity=1, call=lambda value: ~integer(value, 1)),
    Builtin(name="bits.lsh", arity=2, call=_shift_left),
    Builtin(
        name="bits.rsh", arity=2, call=lambda value, shift: integer(value, 1) >> _places(shift)
    ),
    Builtin(name="numbers.range", arity=2, call=numbers_range),
    Builtin(name="numbers.range_step", arity=3, call=numbers_range_step),
    Builtin(name="rand.intn", arity=2, call=rand_intn, contextual=True),
)
