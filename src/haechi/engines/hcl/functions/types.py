"""Conversions (``tostring``, ``toset`` …), ``type``, ``sensitive`` and ``defaults``."""

from __future__ import annotations

from typing import Any

from haechi.engines.hcl.functions.signature import Context, Function
from haechi.engines.hcl.values import (
    EvalFault,
    Set,
    as_bool,
    as_number,
    as_text,
    joined,
    kind_of,
    to_set,
    unified,
)
from haechi.model.unknown import Unknown


def _same(context: Context, value: Any) -> Any:
    return value


class _Through(Function):
    """The value itself, known or not: being sensitive changes nothing here."""

    def __call__(self, context: Context, args: list[Any]) -> Any:
        self._count(len(args))
        return args[0]


class _Sensitive(_Through):
    """The value itself, which must not be shown."""

    def __call__(self, context: Context, args: list[Any]) -> Any:
        value = super().__call__(context, args)
        context.budget.step()
        context.budget.hidden.append(value)
        return value


def _tostring(context: Context, value: Any) -> Any:
    return None if value is None else as_text(value)


def _tonumber(context: Context, value: Any) -> Any:
    return None if value is None else as_number(value)


def _tobool(context: Context, value: Any) -> Any:
    return None if value is None else as_bool(value)


def _tolist(context: Context, value: Any) -> Any:
    if value is None:
        return None
    if not isinstance(value, list):
        raise EvalFault(f"tolist: a list is needed, not {kind_of(value)}")
    return list(unified(value))


def _toset(context: Context, value: Any) -> Any:
    if value is None:
        return None
    if not isinstance(value, list):
        raise EvalFault(f"toset: a list is needed, not {kind_of(value)}")
    unclear = [item for item in value if isinstance(item, Unknown)]
    if unclear and len(value) > 1 and not _differ(unclear):
        # two of them may turn out to be one: even how many there are is unknown
        return joined(unclear, given=False)
    return to_set(value, context.budget)


def _differ(unknowns: list[Unknown]) -> bool:
    """Ids of different resources: whatever they will be, no two will be equal."""
    refs = [unknown.refs for unknown in unknowns]
    return all(unknown.given and len(unknown.refs) == 1 for unknown in unknowns) and len(
        set(refs)
    ) == len(refs)


def _tomap(context: Context, value: Any) -> Any:
    if value is None:
        return None
    if not isinstance(value, dict):
        raise EvalFault(f"tomap: an object is needed, not {kind_of(value)}")
    return dict(zip(value, unified(list(value.values())), strict=True))


def _type(context: Context, value: Any) -> str:
    """As ``terraform console`` shows it, for scalars; used nowhere else."""
    if isinstance(value, Set):
        return "set"
    return kind_of(value).split()[-1]


def _defaults(context: Context, value: Any, default: Any) -> Any:
    """What an experiment of Terraform 1.0 did: put defaults where null is."""
    if value is None:
        return default
    if isinstance(value, dict) and isinstance(default, dict):
        return {
            key: _defaults(context, item, default.get(key)) if key in default else item
            for key, item in {**dict.fromkeys(default), **value}.items()
        }
    return value


def _issensitive(context: Context, value: Any) -> Unknown:
    return Unknown("what is sensitive is not tracked", cause="issensitive()", given=True)


_ASSUMED = (
    "equal",
    "listlength",
    "listlengthmax",
    "listlengthmin",
    "maplength",
    "maplengthmax",
    "maplengthmin",
    "notnull",
    "setlength",
    "setlengthmax",
    "setlengthmin",
    "stringprefix",
)
"""OpenTofu: what its author promises about a value that is not known yet."""

FUNCTIONS = (
    *(_Through(f"assume{what}", "a? a?*", _same) for what in _ASSUMED),
    Function("defaults", "a? a?", _defaults, open=True),
    _Through("ephemeralasnull", "a?", _same),
    Function("issensitive", "a?", _issensitive, open=True),
    _Through("nonsensitive", "a?", _same),
    _Sensitive("sensitive", "a?", _same),
    Function("tobool", "a?", _tobool),
    Function("tolist", "a?", _tolist, open=True),
    Function("tomap", "a?", _tomap, open=True),
    Function("tonumber", "a?", _tonumber),
    Function("toset", "a?", _toset, open=True),
    Function("tostring", "a?", _tostring),
    Function("type", "a?", _type),
)
