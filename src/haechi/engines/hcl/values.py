"""Values of expressions: plain Python, ``Unknown``, and the two that plain Python lacks.

A set is a list that is sorted and holds nothing twice (``Set``), so everything that reads lists
reads sets; only ``for_each``, ``for``, ``==`` and indexing tell them apart. ``Lazy`` is an object
whose attributes are evaluated when they are asked for: a resource, a module, ``local``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal, InvalidOperation
from itertools import islice
from typing import Any

from haechi.engines.hcl.tree import Span
from haechi.errors import InputError, LimitExceeded
from haechi.model.unknown import Reference, Unknown

MAX_VALUE_DEPTH = 100
ELEMENT = 8
"""What an element of a list or an object costs, in characters."""
_MAX_REFS = 50
_MAX_STEPS = 30
"""Of the path of a reference."""
_MAX_CAUSES = 3
MAX_DIGITS = 2_000
"""Of a whole number that a text is read as; Python refuses to write more than 4,300."""


class EvalFault(InputError):
    """An expression that Terraform would refuse. ``what`` says why, ``span`` where."""

    def __init__(self, what: str, span: Span | None = None) -> None:
        super().__init__(what)
        self.span = span


class Lazy:
    """A value whose attributes are worked out on demand.

    ``get`` raises KeyError for what cannot exist. ``whole`` is the plain value, for functions
    and for whoever takes it as it is.
    """

    __slots__ = ()

    def get(self, key: str | int) -> Any:
        raise NotImplementedError

    def whole(self) -> Any:
        raise NotImplementedError


class Set(list[Any]):
    """Sorted, nothing twice. Made by ``to_set``."""

    __slots__ = ()


class Open(dict[str, Any]):
    """An object that has more than what is known of it: what a block sets of a resource, to which
    the provider adds. ``missing`` answers for what is not in it."""

    __slots__ = ("missing",)

    def __init__(self, known: dict[str, Any], missing: Callable[[str], Unknown]) -> None:
        super().__init__(known)
        self.missing = missing


class Budget:
    """What an evaluation may still take. ``steps`` are nodes of expressions and elements that
    functions touch; ``size`` are characters made (an
    element of a list counts as 8); ``depth`` bounds recursion, also
    of values that need each other. Every one is spent for good but depth. ``hidden`` are values
    that expressions mark as sensitive."""

    __slots__ = ("depth", "hidden", "size", "steps")

    def __init__(
        self, *, steps: int = 1_000_000, size: int = 100_000_000, depth: int = 150
    ) -> None:
        self.steps = steps
        self.size = size
        self.depth = depth
        self.hidden: list[Any] = []

    def step(self, count: int = 1) -> None:
        self.steps -= count
        if self.steps < 0:
            raise LimitExceeded("evaluating takes too many steps")

    def grow(self, count: int) -> None:
        """Called before so much is made."""
        self.size -= count
        if self.size < 0:
            raise LimitExceeded("the values of expressions grow too large")


def joined(unknowns: Iterable[Unknown], *, given: bool | None = None) -> Unknown:
    """What comes of a computation with these. Given when all of them are, unless it is told."""
    kept = list(unknowns)
    first = kept[0]
    plain = not first.parts and first.content is None
    if len(kept) == 1 and plain and given in (None, first.given):
        return first
    refs = dict.fromkeys(ref for unknown in kept for ref in unknown.refs)
    return Unknown(
        first.reason,
        cause=_causes(kept),
        refs=tuple(refs)[:_MAX_REFS],
        given=all(unknown.given for unknown in kept) if given is None else given,
    )


def _causes(unknowns: Iterable[Unknown]) -> str:
    """The first causes, each once. Those of a computation with computed values are told apart
    again, else they double with each."""
    found: dict[str, None] = {}
    for unknown in unknowns:
        if unknown.cause:
            found |= dict.fromkeys(unknown.cause.split(", "))
        if len(found) >= _MAX_CAUSES:
            break
    return ", ".join(list(found)[:_MAX_CAUSES])


def unknowns_in(value: Any, budget: Budget) -> Iterator[Unknown]:
    """Every Unknown in a value, itself included. Each element is a step: a list of lists that are
    one and the same has more of them than memory."""
    stack = [value]
    while stack:
        item = stack.pop()
        if isinstance(item, Unknown):
            yield item
        elif isinstance(item, dict):
            budget.step(len(item))
            stack.extend(item.values())
        elif isinstance(item, (list, tuple)):
            budget.step(len(item))
            stack.extend(item)


def is_known(value: Any, budget: Budget) -> bool:
    """True when nothing in it is unknown."""
    return next(unknowns_in(value, budget), None) is None


def stepped(unknown: Unknown, key: str | int) -> Unknown:
    """What ``.key`` or ``[key]`` of an unknown value is: unknown, but of the same resource."""
    refs = tuple(
        Reference(ref.address, (*ref.path, key)) if len(ref.path) < _MAX_STEPS else ref
        for ref in unknown.refs
    )
    return Unknown(
        unknown.reason, cause=unknown.cause, refs=refs, given=unknown.given and bool(refs)
    )


def solid(value: Any) -> Any:
    """A Lazy as the plain value that it stands for."""
    while isinstance(value, Lazy):
        value = value.whole()
    return value


def kind_of(value: Any) -> str:
    """What faults call a value."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a bool"
    if isinstance(value, (int, float)):
        return "a number"
    if isinstance(value, str):
        return "a string"
    if isinstance(value, Set):
        return "a set"
    return "a list" if isinstance(value, list) else "an object"


def number_text(value: int | float) -> str:
    """A number as templates write it: no exponent, no trailing zeros."""
    if isinstance(value, int):
        return str(value)
    return format(Decimal(repr(value)), "f").removesuffix(".0")


def as_text(value: Any) -> str:
    """A scalar as text. Raises EvalFault."""
    if isinstance(value, str):
        return value
    if value is True:
        return "true"
    if value is False:
        return "false"
    if isinstance(value, (int, float)):
        return number_text(value)
    raise EvalFault(f"a string is needed, not {kind_of(value)}")


def as_number(value: Any) -> int | float:
    """A number, or a text that is one."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise EvalFault(f"a number is needed, not {kind_of(value)}")
    if not isinstance(value, str):
        return value
    parsed = parse_number(value)
    if parsed is None:
        raise EvalFault("a number is needed, not a string that is none")
    return parsed


def parse_number(text: str) -> int | float | None:
    """The number that a text is, as cty parses it; None for none."""
    if len(text) > MAX_DIGITS or not text or text[0] not in "+-.0123456789" or "_" in text:
        return None
    try:
        return whole(Decimal(text))
    except (InvalidOperation, ValueError, OverflowError):
        return None


def whole(number: Decimal) -> int | float:
    """An int where the number is one."""
    if not number.is_finite() or number.adjusted() > 1_000:
        raise EvalFault("a number is too large")
    if number == number.to_integral_value():
        return int(number)
    return float(number)


def as_bool(value: Any) -> bool:
    """A bool, or a text that is one."""
    if isinstance(value, bool):
        return value
    if value in ("true", "1") and isinstance(value, str):
        return True
    if value in ("false", "0") and isinstance(value, str):
        return False
    raise EvalFault(f"a bool is needed, not {kind_of(value)}")


def equal(left: Any, right: Any, budget: Budget) -> bool | Unknown:
    """``==``: values of different types differ. Unknown only where the answer hangs on it."""
    budget.step()
    if isinstance(left, Unknown):
        # null is never what is certainly given
        if right is None and left.given:
            return False
        return joined([left, *islice(unknowns_in(right, budget), 20)])
    if isinstance(right, Unknown):
        if left is None and right.given:
            return False
        return joined([right, *islice(unknowns_in(left, budget), 20)])
    if isinstance(left, (dict, list)):
        budget.step(3)
    if isinstance(left, dict) and isinstance(right, dict):
        if left.keys() != right.keys():
            return False
        return _all_equal(((left[key], right[key]) for key in left), budget)
    if isinstance(left, list) and isinstance(right, list):
        if len(left) != len(right) or isinstance(left, Set) is not isinstance(right, Set):
            return False
        return _all_equal(zip(left, right, strict=True), budget)
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, (int, float)) and isinstance(right, (int, float)):
        return left == right
    return type(left) is type(right) and bool(left == right)


def _all_equal(pairs: Iterable[tuple[Any, Any]], budget: Budget) -> bool | Unknown:
    unclear: list[Unknown] = []
    for one, other in pairs:
        same = equal(one, other, budget)
        if same is False:
            return False
        if isinstance(same, Unknown):
            unclear.append(same)
    return joined(unclear) if unclear else True


def order_key(value: Any, budget: Budget) -> Any:
    """For sorting the elements of a set and telling equal ones: by kind, then by value."""
    budget.step(4)
    if value is None:
        return (0,)
    if isinstance(value, bool):
        return (1, value)
    if isinstance(value, (int, float)):
        return (2, value)
    if isinstance(value, str):
        return (3, value)
    if isinstance(value, (list, tuple)):
        return (4, tuple(order_key(item, budget) for item in value))
    if isinstance(value, dict):
        return (5, tuple((key, order_key(value[key], budget)) for key in sorted(value)))
    return (6, id(value))


def to_set(values: Iterable[Any], budget: Budget) -> Set:
    """A set of these. Scalars of different types become strings, as Terraform unifies them;
    unknown elements are kept, each of them."""
    keyed = {order_key(value, budget): value for value in unified(list(values))}
    return Set(value for _, value in sorted(keyed.items(), key=_first))


def _first(pair: tuple[Any, Any]) -> Any:
    return pair[0]


def unified(values: list[Any]) -> list[Any]:
    """Scalars of different types as strings, which is what a list or set of them holds."""
    kinds = {
        "n" if isinstance(v, (int, float)) and not isinstance(v, bool) else type(v).__name__
        for v in values
        if v is not None and not isinstance(v, Unknown)
    }
    if len(kinds) > 1 and kinds <= {"n", "str", "bool"} and "str" in kinds:
        return [v if v is None or isinstance(v, Unknown) else as_text(v) for v in values]
    return values
