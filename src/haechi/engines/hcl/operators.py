"""``+ - * / % < > <= >= == != ! -``: numbers as Terraform has them.

cty computes with 512 bits of decimal text; whole numbers are exact here and others go through
``Decimal``, so that 0.1 + 0.2 is 0.3 and nothing depends on binary fractions.
"""

from __future__ import annotations

from decimal import Context, Decimal, InvalidOperation, Overflow
from typing import Any

from haechi.engines.hcl.values import (
    Budget,
    EvalFault,
    as_bool,
    as_number,
    equal,
    joined,
    solid,
    whole,
)
from haechi.errors import LimitExceeded
from haechi.model.unknown import Unknown

_CONTEXT = Context(prec=60)
_MAX_BITS = 4_096


def unary(op: str, value: Any, budget: Budget) -> Any:
    if isinstance(value, Unknown):
        return joined([value])
    if op == "!":
        return not as_bool(value)
    return -as_number(value)


def binary(op: str, left: Any, right: Any, budget: Budget) -> Any:
    """The result of an operator that is not ``&&`` or ``||``."""
    if op == "==" or op == "!=":
        same = equal(solid(left), solid(right), budget)
        return same if isinstance(same, Unknown) or op == "==" else not same
    unknowns = [value for value in (left, right) if isinstance(value, Unknown)]
    if unknowns:
        return joined(unknowns)
    a, b = as_number(left), as_number(right)
    match op:
        case "<":
            return a < b
        case ">":
            return a > b
        case "<=":
            return a <= b
        case ">=":
            return a >= b
    return arithmetic(op, a, b)


def arithmetic(op: str, a: int | float, b: int | float) -> int | float:
    if op in "/%" and b == 0:
        raise EvalFault("division by zero")
    if isinstance(a, int) and isinstance(b, int):
        result = _whole(op, a, b)
        if result is not None:
            return result
    x, y = decimal(a), decimal(b)
    try:
        match op:
            case "+":
                return whole(_CONTEXT.add(x, y))
            case "-":
                return whole(_CONTEXT.subtract(x, y))
            case "*":
                return whole(_CONTEXT.multiply(x, y))
            case "/":
                return whole(_CONTEXT.divide(x, y))
            case _:
                return whole(_CONTEXT.remainder(x, y))
    except (InvalidOperation, Overflow) as error:
        raise EvalFault("a number is too large") from error


def decimal(value: int | float) -> Decimal:
    """The number as it is written."""
    return Decimal(value) if isinstance(value, int) else Decimal(repr(value))


def _whole(op: str, a: int, b: int) -> int | None:
    if a.bit_length() + b.bit_length() > _MAX_BITS:
        raise LimitExceeded("a number is too large")
    match op:
        case "+":
            return a + b
        case "-":
            return a - b
        case "*":
            return a * b
        case "%":
            rest = abs(a) % abs(b)
            return -rest if a < 0 else rest
    quotient, rest = divmod(a, b)
    return None if rest else quotient


def whole_number(value: Any) -> int:
    """A number without a fraction, of a number or a text. Raises EvalFault."""
    number = as_number(value)
    if isinstance(number, float):
        raise EvalFault(f"a whole number is needed, not {number}")
    return number


def either(condition: Unknown, then: Any, otherwise: Any, budget: Budget) -> Any:
    """One of the two: what they share is known."""
    budget.step()
    if equal(then, otherwise, budget) is True or then is otherwise:
        return then
    if isinstance(then, dict) and isinstance(otherwise, dict) and then.keys() == otherwise.keys():
        return {key: either(condition, then[key], otherwise[key], budget) for key in then}
    both_lists = isinstance(then, list) and isinstance(otherwise, list)
    if both_lists and type(then) is type(otherwise) is list and len(then) == len(otherwise):
        pairs = zip(then, otherwise, strict=True)
        return [either(condition, one, other, budget) for one, other in pairs]
    unknowns = [condition, *(v for v in (then, otherwise) if isinstance(v, Unknown))]
    given = all(
        v.given if isinstance(v, Unknown) else v is not None and v not in ("", [], {})
        for v in (then, otherwise)
    )
    return joined(unknowns, given=given)
