"""Signatures of Kubernetes' functions of lists; ``expand`` says what they do."""

from __future__ import annotations

from haechi.engines.cel.libraries.overload import Invalid, Overload

_COMPARABLE = ("int", "uint", "double", "bool", "duration", "timestamp", "string", "bytes")
_SUMMABLE = ("int", "uint", "double", "duration")


def _each(name: str, types: tuple[str, ...], returns: str = "") -> tuple[Overload, ...]:
    return tuple(
        Overload(
            f"list_{type_}_{name}_{returns or type_}", (f"list<{type_}>",), returns or type_, None
        )
        for type_ in types
    )


def _too_long() -> int:
    raise Invalid("lists.range makes no list of more than 10,000 numbers")


OVERLOADS = {
    "@too_long": (Overload("@too_long", (), "int", _too_long, member=False),),
    "isSorted": _each("is_sorted", _COMPARABLE, "bool"),
    "sum": _each("sum", _SUMMABLE),
    "min": _each("min", _COMPARABLE),
    "max": _each("max", _COMPARABLE),
    "indexOf": (Overload("list_a_index_of_int", ("list<dyn>", "dyn"), "int", None),),
    "lastIndexOf": (Overload("list_a_last_index_of_int", ("list<dyn>", "dyn"), "int", None),),
    "includes": (Overload("list_includes_dyn_dyn", ("dyn", "dyn"), "bool", None),),
}
