"""Sets: intersection, product, subtraction, union."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

from haechi.engines.hcl.functions.signature import Context, Function
from haechi.engines.hcl.values import EvalFault, Set, order_key, to_set, unified


def _keys(context: Context, values: list[Any]) -> set[Any]:
    return {order_key(value, context.budget) for value in values}


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
    kept = set.intersection(*(_keys(context, values) for values in (first, *others)))
    return _those(context, first, lambda key: key in kept)


def _subtract(context: Context, left: list[Any], right: list[Any]) -> Set:
    first, second = _aligned((left, right))
    gone = _keys(context, second)
    return _those(context, first, lambda key: key not in gone)


def _those(context: Context, values: list[Any], wanted: Callable[[Any], bool]) -> Set:
    budget = context.budget
    return to_set((value for value in values if wanted(order_key(value, budget))), budget)


def _union(context: Context, *lists: list[Any]) -> Set:
    context.budget.grow(sum(map(len, lists)))
    return to_set((value for values in lists for value in values), context.budget)


def _product(context: Context, *lists: list[Any]) -> list[Any]:
    if len(lists) < 2:
        raise EvalFault("setproduct: takes at least 2 lists")
    count = math.prod(len(values) for values in lists)
    context.budget.step(count)
    context.budget.grow(8 * count * len(lists))
    rows = [list(row) for row in itertools.product(*lists)]
    if all(isinstance(values, Set) for values in lists):
        return to_set(rows, context.budget)
    return rows


FUNCTIONS = (
    Function("setintersection", "l l*", _intersection),
    Function("setproduct", "l l*", _product, open=True),
    Function("setsubtract", "l l", _subtract),
    Function("setunion", "l l*", _union, open=True),
)
