"""Sets: intersection, product, subtraction, union."""

from __future__ import annotations

import itertools
import math
from typing import Any

from haechi.engines.hcl.functions.signature import Context, Function
from haechi.engines.hcl.values import EvalFault, Set, order_key, to_set, unified


def _keys(values: list[Any]) -> set[Any]:
    return {order_key(value) for value in values}


def _aligned(lists: tuple[list[Any], ...]) -> list[list[Any]]:
    """Elements of one type over all of the lists."""
    flat = unified([item for values in lists for item in values])
    out: list[list[Any]] = []
    at = 0
    for values in lists:
        out.append(flat[at : at + len(values)])
        at += len(values)
    return out


def _intersection(context: Context, *lists: list[Any]) -> Set:
    first, *others = _aligned(lists)
    kept = set.intersection(*(_keys(values) for values in (first, *others)))
    return to_set(value for value in first if order_key(value) in kept)


def _subtract(context: Context, left: list[Any], right: list[Any]) -> Set:
    first, second = _aligned((left, right))
    gone = _keys(second)
    return to_set(value for value in first if order_key(value) not in gone)


def _union(context: Context, *lists: list[Any]) -> Set:
    context.budget.grow(sum(map(len, lists)))
    return to_set(value for values in lists for value in values)


def _product(context: Context, *lists: list[Any]) -> list[Any]:
    if len(lists) < 2:
        raise EvalFault("setproduct: takes at least 2 lists")
    count = math.prod(len(values) for values in lists)
    context.budget.step(count)
    context.budget.grow(8 * count * len(lists))
    rows = [list(row) for row in itertools.product(*lists)]
    return to_set(rows) if all(isinstance(values, Set) for values in lists) else rows


FUNCTIONS = (
    Function("setintersection", "l l*", _intersection),
    Function("setproduct", "l l*", _product, open=True),
    Function("setsubtract", "l l", _subtract),
    Function("setunion", "l l*", _union, open=True),
)
