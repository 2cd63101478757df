"""Lists and maps. Most look into partly unknown values: a length is known where elements are
not."""

from __future__ import annotations

from typing import Any

from haechi.engines.hcl.functions.signature import Context, Function
from haechi.engines.hcl.operators import arithmetic
from haechi.engines.hcl.values import (
    EvalFault,
    Open,
    Set,
    as_bool,
    as_text,
    equal,
    joined,
    kind_of,
    unified,
)
from haechi.model.unknown import Unknown

Number = int | float
_MAX_RANGE = 1_024
"""Terraform's own limit."""


def _ordered(function: str, value: list[Any]) -> list[Any]:
    if isinstance(value, Set):
        raise EvalFault(f"{function}: a list is needed, not a set: sets have no order")
    return value


def _length(context: Context, value: Any) -> int:
    if isinstance(value, (str, list, dict)):
        return len(value)
    raise EvalFault(f"length: a list, an object or a string is needed, not {kind_of(value)}")


def _concat(context: Context, *lists: list[Any]) -> list[Any]:
    context.budget.grow(8 * (sum(map(len, lists))))
    return [item for values in lists for item in values]


def _element(context: Context, values: list[Any], index: int) -> Any:
    if not values:
        raise EvalFault("element: the list is empty")
    return _ordered("element", values)[index % len(values)]


def _flatten(context: Context, values: list[Any]) -> Any:
    out: list[Any] = []
    stack = [iter(values)]
    while stack:
        item = next(stack[-1], _END)
        if item is _END:
            stack.pop()
        elif isinstance(item, list):
            stack.append(iter(item))
        else:
            out.append(item)
        context.budget.step()
    unclear = [item for item in out if isinstance(item, Unknown) and not _is_single(item)]
    return joined(unclear) if unclear else out


def _is_single(item: Unknown) -> bool:
    """Whether an unknown value is certainly no list, whose elements ``flatten`` would put in its
    place: a text of which pieces are known, or what a resource has one of (``id``, not ``ids``)."""
    if item.parts or not item.given:
        return bool(item.parts)
    return bool(item.refs) and not any(
        isinstance(name := ref.path[-1] if ref.path else "", str) and _is_plural(name)
        for ref in item.refs
    )


def _is_plural(name: str) -> bool:
    return name.endswith(("s", "_list", "_set")) and not name.endswith(_SINGULAR)


_SINGULAR = ("ss", "us", "dns", "kms", "alias", "https", "tls")


_END = object()


def _merge(context: Context, *maps: dict[str, Any] | None) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for one in maps:
        if one is not None:
            context.budget.grow(8 * (len(one)))
            out.update(one)
    return out


def _keys(context: Context, value: dict[str, Any]) -> list[str]:
    return sorted(value)


def _values(context: Context, value: dict[str, Any]) -> list[Any]:
    return [value[key] for key in sorted(value)]


def _lookup(context: Context, values: dict[str, Any], key: str, *default: Any) -> Any:
    if key in values:
        return values[key]
    if isinstance(values, Open):
        return values.missing(key)
    if default:
        return default[0]
    raise EvalFault(f"lookup: there is no {key[:60]!r} and no default")


class _Lookup(Function):
    """``lookup`` needs its default only where the key is missing: that may be unknown."""

    def __call__(self, context: Context, args: list[Any]) -> Any:
        unknown_default = len(args) == 3 and isinstance(args[2], Unknown)
        if unknown_default and isinstance(args[0], dict) and isinstance(args[1], str):
            return _lookup(context, args[0], args[1], args[2])
        return super().__call__(context, args)


def _coalesce(context: Context, args: list[Any]) -> Any:
    unclear: list[Unknown] = []
    for value in unified(args):
        if isinstance(value, Unknown):
            if value.given and not unclear:
                return value
            unclear.append(value)
        elif value is not None and value != "":
            return joined(unclear, given=True) if unclear else value
    if unclear:
        return joined(unclear, given=False)
    raise EvalFault("coalesce: all arguments are null or empty")


def _coalescelist(context: Context, args: list[Any]) -> Any:
    for value in args:
        if isinstance(value, Unknown):
            return joined([value], given=False)
        if value is None:
            continue
        if not isinstance(value, list):
            raise EvalFault(f"coalescelist: a list is needed, not {kind_of(value)}")
        if value:
            return value
    raise EvalFault("coalescelist: all lists are empty")


class _Raw(Function):
    """Its code gets all arguments as they are, unknown ones too."""

    def __call__(self, context: Context, args: list[Any]) -> Any:
        self._count(len(args))
        context.budget.step(1 + len(args))
        return self.code(context, args)


def _compact(context: Context, values: list[Any]) -> Any:
    unclear = [v for v in values if isinstance(v, Unknown) and not v.given]
    if unclear:
        return joined(unclear, given=False)
    return [
        v if isinstance(v, Unknown) else as_text(v) for v in values if v is not None and v != ""
    ]


def _contains(context: Context, values: list[Any], wanted: Any) -> bool | Unknown:
    unclear: list[Unknown] = []
    for value in values:
        same = equal(value, wanted, context.budget)
        if same is True:
            return True
        if isinstance(same, Unknown):
            unclear.append(same)
    if unclear:
        return joined(unclear)
    if isinstance(wanted, (int, float, bool)) and any(isinstance(v, str) for v in values):
        return as_text(wanted) in values  # the list holds strings, and so is this one
    return False


def _index(context: Context, values: list[Any], wanted: Any) -> int | Unknown:
    for number, value in enumerate(_ordered("index", values)):
        same = equal(value, wanted, context.budget)
        if same is True:
            return number
        if isinstance(same, Unknown):
            return joined([same])
    raise EvalFault("index: the list does not hold this value")


def _all_true(context: Context, values: list[Any]) -> bool | Unknown:
    return _quantified(values, decides=False)


def _any_true(context: Context, values: list[Any]) -> bool | Unknown:
    return _quantified(values, decides=True)


def _quantified(values: list[Any], *, decides: bool) -> bool | Unknown:
    unclear: list[Unknown] = []
    for value in values:
        if isinstance(value, Unknown):
            unclear.append(value)
        elif (value is not None and as_bool(value)) is decides:
            return decides
    return joined(unclear) if unclear else not decides


def _chunklist(context: Context, values: list[Any], size: int) -> list[Any]:
    if size < 0:
        raise EvalFault("chunklist: the size is negative")
    if size == 0:
        return [values] if values else []
    return [values[at : at + size] for at in range(0, len(values), size)]


def _distinct(context: Context, values: list[Any]) -> Any:
    out: list[Any] = []
    for value in values:
        found = [
            same
            for same in (equal(value, kept, context.budget) for kept in out)
            if same is not False
        ]
        unclear = [same for same in found if isinstance(same, Unknown)]
        if True in [same for same in found if isinstance(same, bool)]:
            continue
        if unclear:
            return joined(unclear, given=False)
        out.append(value)
    return out


def _range(context: Context, *args: Number) -> list[Number]:
    start: Number = 0
    step: Number
    if len(args) == 1:
        limit = args[0]
        step = 1 if limit >= 0 else -1
    else:
        start, limit = args[0], args[1]
        step = args[2] if len(args) == 3 else (1 if start <= limit else -1)
    if step == 0 or (limit > start and step < 0) or (limit < start and step > 0):
        raise EvalFault("range: the step leads away from the end")
    out: list[Number] = []
    while (start < limit) if step > 0 else (start > limit):
        if len(out) >= _MAX_RANGE:
            raise EvalFault(f"range: more than {_MAX_RANGE} numbers")
        out.append(start)
        start = arithmetic("+", start, step)
    context.budget.grow(8 * (len(out)))
    return out


def _slice(context: Context, values: list[Any], start: int, end: int) -> list[Any]:
    if not 0 <= start <= end <= len(values):
        raise EvalFault(f"slice: {start} to {end} is no part of {len(values)} elements")
    return _ordered("slice", values)[start:end]


def _transpose(context: Context, value: dict[str, Any]) -> dict[str, list[str]]:
    out: dict[str, list[str]] = {}
    for key in sorted(value):
        if not isinstance(value[key], list):
            raise EvalFault("transpose: the values must be lists of strings")
        for item in value[key]:
            context.budget.grow(8)
            out.setdefault(as_text(item), []).append(key)
    return {key: sorted(out[key]) for key in sorted(out)}


def _zipmap(context: Context, keys: list[Any], values: list[Any]) -> Any:
    if len(keys) != len(values):
        raise EvalFault(f"zipmap: {len(keys)} keys, but {len(values)} values")
    unclear = [key for key in keys if isinstance(key, Unknown)]
    if unclear:
        return joined(unclear, given=False)
    return {as_text(key): value for key, value in zip(keys, values, strict=True)}


def _matchkeys(
    context: Context, values: list[Any], keys: list[Any], wanted: list[Any]
) -> list[Any]:
    if len(keys) != len(values):
        raise EvalFault("matchkeys: keys and values differ in length")
    aligned = unified([*keys, *wanted])
    keys, wanted = aligned[: len(keys)], aligned[len(keys) :]
    return [
        value
        for value, key in zip(values, keys, strict=True)
        if any(equal(key, one, context.budget) is True for one in wanted)
    ]


def _map(context: Context, *args: Any) -> dict[str, Any]:
    if len(args) % 2:
        raise EvalFault("map: a key has no value")
    return {as_text(args[at]): args[at + 1] for at in range(0, len(args), 2)}


def _one(context: Context, values: Any) -> Any:
    if not isinstance(values, list):
        raise EvalFault(f"one: a list is needed, not {kind_of(values)}")
    if len(values) > 1:
        raise EvalFault(f"one: the list has {len(values)} elements")
    return values[0] if values else None


FUNCTIONS = (
    Function("alltrue", "l", _all_true, open=True),
    Function("anytrue", "l", _any_true, open=True),
    Function("chunklist", "l i", _chunklist, open=True),
    _Raw("coalesce", "a? a?*", _coalesce),
    _Raw("coalescelist", "a? a?*", _coalescelist),
    Function("compact", "l", _compact, open=True),
    Function("concat", "l l*", _concat, open=True),
    Function("contains", "l a?", _contains, open=True),
    Function("distinct", "l", _distinct, open=True),
    Function("element", "l i", _element, open=True),
    Function("flatten", "l", _flatten, open=True),
    Function("index", "l a?", _index, open=True),
    Function("keys", "m", _keys, open=True),
    Function("length", "a", _length, open=True),
    _Raw("list", "a?*", lambda _, items: items),
    _Lookup("lookup", "m s [a?", _lookup, open=True),
    Function("map", "a?*", _map, open=True),
    Function("matchkeys", "l l l", _matchkeys),
    Function("merge", "m?*", _merge, open=True),
    Function("one", "a", _one, open=True),
    Function("range", "n [n [n", _range),
    Function("reverse", "l", lambda _, values: list(values)[::-1], open=True),
    Function("slice", "l i i", _slice, open=True),
    Function("transpose", "m", _transpose),
    Function("values", "m", _values, open=True),
    Function("zipmap", "l l", _zipmap, open=True),
)
