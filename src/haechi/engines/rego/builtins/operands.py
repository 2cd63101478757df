"""What builtins ask of their arguments, and how much they may make.

An argument of a wrong type is an error of the builtin, which makes the call undefined, as in OPA.
A result over a limit is not: an undefined value could let a request pass, so the evaluation as a
whole is given up (``RegoFailure``), and the policy's failure choice decides.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, NoReturn

from haechi.engines.rego.values import (
    BuiltinError,
    RegoFailure,
    RegoObject,
    RegoSet,
    Value,
    type_name,
)

MAX_TEXT: Final = 16 * 1024 * 1024  # characters of a text that a builtin makes
MAX_ITEMS: Final = 200_000  # members of a collection that a builtin makes from small arguments
MAX_BITS: Final = 14_000  # of a whole number: Python prints no more than 4,300 digits
MIN_INT: Final = -(1 << 63)
MAX_INT: Final = (1 << 63) - 1


def wrong(position: int, value: Value, *wanted: str) -> NoReturn:
    one_of = wanted[0] if len(wanted) == 1 else "one of {" + ", ".join(wanted) + "}"
    raise BuiltinError(f"operand {position} must be {one_of} but got {type_name(value)}")


def too_large(what: str, limit: int) -> NoReturn:
    raise RegoFailure(
        "too_large",
        f"{what} would be over the limit of {limit:,}",
        do="make the policy work on less at a time",
    )


def text(value: Value, position: int) -> str:
    if type(value) is not str:
        wrong(position, value, "string")
    return value


def number(value: Value, position: int) -> Any:
    kind = type(value)
    if kind is not int and kind is not float:
        wrong(position, value, "number")
    return value


def integer(value: Value, position: int) -> int:
    """A whole number of any size."""
    if type(value) is int:
        return value
    if type(value) is float:
        if value.is_integer():
            return int(value)
        raise BuiltinError(
            f"operand {position} must be integer number but got floating-point number"
        )
    wrong(position, value, "number")


def small_integer(value: Value, position: int) -> int:
    """A whole number that is a machine's integer to OPA."""
    whole = integer(value, position)
    if not MIN_INT <= whole <= MAX_INT:
        raise BuiltinError(
            f"operand {position} must be integer number but got floating-point number"
        )
    return whole


def array(value: Value, position: int) -> list[Value]:
    if type(value) is not list:
        wrong(position, value, "array")
    return value


def collection_set(value: Value, position: int) -> RegoSet:
    if type(value) is not RegoSet:
        wrong(position, value, "set")
    return value


def mapping(value: Value, position: int) -> Any:
    if type(value) is not dict and type(value) is not RegoObject:
        wrong(position, value, "object")
    return value


def listed(value: Value, position: int, *wanted: str) -> list[Value]:
    """The members of an array or a set, in order."""
    if type(value) is list:
        return value
    if type(value) is RegoSet:
        return value.ordered()
    wrong(position, value, *(wanted or ("array", "set")))


def texts(value: Value, position: int) -> list[str]:
    items = listed(value, position)
    for item in items:
        if type(item) is not str:
            kind = type_name(value)
            raise BuiltinError(
                f"operand {position} must be {kind} of strings but got {kind} containing "
                f"{type_name(item)}"
            )
    return items


def bounded(made: str) -> str:
    if len(made) > MAX_TEXT:
        too_large("a text", MAX_TEXT)
    return made


def bounded_whole(made: int) -> int:
    if made.bit_length() > MAX_BITS:
        too_large("a number's bits", MAX_BITS)
    return made


def total(parts: Iterable[str]) -> int:
    return sum(map(len, parts))
