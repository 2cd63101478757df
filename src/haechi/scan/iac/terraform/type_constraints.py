"""The ``type`` of a variable: what a value becomes by it.

Only what changes values is done: texts to numbers and truth values and back, defaults of
``optional(type, default)``, attributes that an object type does not have. A value that does not
fit stays as it is; Terraform itself tells its author.
https://developer.hashicorp.com/terraform/language/expressions/type-constraints
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from haechi.engines.hcl.tree import Call, Literal, Name, Node, Object, Tuple
from haechi.model.unknown import Unknown

_MAX_DEPTH = 30
Evaluate = Callable[[Node], Any]


def convert(value: Any, type_: Node | None, evaluate: Evaluate, depth: int = 0) -> Any:
    """The value as a variable of the type holds it. ``evaluate`` answers for defaults."""
    if type_ is None or value is None or isinstance(value, Unknown) or depth > _MAX_DEPTH:
        return value
    if isinstance(type_, Name) or (isinstance(type_, Literal) and isinstance(type_.value, str)):
        return _primitive(value, type_.name if isinstance(type_, Name) else type_.value)
    if not isinstance(type_, Call) or not type_.args:
        return value
    inner = type_.args[0]
    match type_.name:
        case "list" | "set":
            if isinstance(value, (list, tuple)):
                return [convert(item, inner, evaluate, depth + 1) for item in value]
        case "map":
            if isinstance(value, dict):
                return {
                    key: convert(item, inner, evaluate, depth + 1) for key, item in value.items()
                }
        case "object":
            if isinstance(value, dict) and isinstance(inner, Object):
                return _object(value, inner, evaluate, depth)
        case "tuple":
            if isinstance(value, (list, tuple)) and isinstance(inner, Tuple):
                return [
                    convert(item, kind, evaluate, depth + 1)
                    for item, kind in zip(value, inner.items, strict=False)
                ]
        case "optional":
            return convert(value, inner, evaluate, depth + 1)
    return value


def _object(value: dict[str, Any], type_: Object, evaluate: Evaluate, depth: int) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for key, kind in type_.items:
        name = key.value if isinstance(key, Literal) else key.name if isinstance(key, Name) else ""
        item = value.get(name)
        if item is None and isinstance(kind, Call) and kind.name == "optional":
            item = evaluate(kind.args[1]) if len(kind.args) > 1 else None
        out[name] = convert(item, kind, evaluate, depth + 1)
    return out


def _primitive(value: Any, name: str) -> Any:
    if name == "string":
        if isinstance(value, bool):
            return "true" if value else "false"
        return str(value) if isinstance(value, (int, float)) else value
    if name == "bool" and isinstance(value, str) and value in ("true", "false"):
        return value == "true"
    if name == "number" and isinstance(value, str):
        try:
            number = float(value)
        except ValueError:
            return value
        return int(number) if number.is_integer() and "e" not in value.lower() else number
    return value
