"""Type constraints: ``list(object({a = string, b = optional(number, 3)}))`` and what a value
becomes by them.

Conversion is Terraform's: numbers and bools to strings and back, attributes that an object type
does not name fall away, defaults of ``optional`` come in, also for null. Unknown passes.
https://developer.hashicorp.com/terraform/language/expressions/type-constraints
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from haechi.engines.hcl.tree import Call, Literal, Name, Node, Object, Tuple
from haechi.engines.hcl.values import (
    Budget,
    EvalFault,
    Open,
    Set,
    as_bool,
    as_number,
    as_text,
    kind_of,
    solid,
    to_set,
    unified,
)
from haechi.model.unknown import Unknown

_SCALARS = ("string", "number", "bool", "any")
_COLLECTIONS = ("list", "set", "map")
_MAX_DEPTH = 50
Evaluate = Callable[[Node], Any]


class Type(msgspec.Struct, frozen=True):
    """``kind`` is a word of the language: string, list, object …; ``any`` takes everything."""

    kind: str
    element: Type | None = None
    attributes: tuple[Member, ...] = ()


class Member(msgspec.Struct, frozen=True):
    """An attribute of an object type, or a place in a tuple type (without a name)."""

    name: str
    type: Type
    optional: bool = False
    default: Any = None


ANY = Type("any")


def read_type(node: Node | None, evaluate: Evaluate, depth: int = 0) -> Type:
    """The type that an expression writes. ``evaluate`` answers for defaults of ``optional``.
    Raises EvalFault, placed."""
    if node is None:
        return ANY
    if depth > _MAX_DEPTH:
        raise EvalFault("a type is nested too deeply", node.span)
    word = _word(node)
    if word in _SCALARS:
        return Type(word)
    if word in _COLLECTIONS:
        return Type(word, ANY)  # as Terraform 0.11 wrote them
    if word and isinstance(node, Literal):
        return _written(word, node, evaluate, depth)
    if not isinstance(node, Call) or len(node.args) != 1:
        raise EvalFault("this is no type", node.span)
    inner = node.args[0]
    if node.name in _COLLECTIONS:
        return Type(node.name, read_type(inner, evaluate, depth + 1))
    if node.name == "tuple" and isinstance(inner, Tuple):
        members = [Member("", read_type(item, evaluate, depth + 1)) for item in inner.items]
        return Type("tuple", None, tuple(members))
    if node.name == "object" and isinstance(inner, Object):
        pairs = inner.items
        members = [_member(_key(key), value, evaluate, depth + 1) for key, value in pairs]
        return Type("object", None, tuple(members))
    raise EvalFault(f"there is no type {node.name[:40]!r}", node.span)


def _written(text: str, node: Node, evaluate: Evaluate, depth: int) -> Type:
    """A type in quotes, as JSON syntax has it."""
    from haechi.engines.hcl.parse import parse_expression

    inner, faults = parse_expression(text)
    if faults or isinstance(inner, Literal):
        raise EvalFault("this is no type", node.span)
    return read_type(inner, evaluate, depth + 1)


def _word(node: Node) -> str:
    if isinstance(node, Name):
        return node.name
    if isinstance(node, Literal) and isinstance(node.value, str):
        return node.value  # type = "string", as Terraform 0.11 wrote it
    return ""


def _key(node: Node) -> str:
    if isinstance(node, Literal) and isinstance(node.value, (str, int)):
        return str(node.value)
    raise EvalFault("an attribute of an object type must be a name", node.span)


def _member(name: str, node: Node, evaluate: Evaluate, depth: int) -> Member:
    if not isinstance(node, Call) or node.name != "optional":
        return Member(name, read_type(node, evaluate, depth))
    if not 1 <= len(node.args) <= 2:
        raise EvalFault("optional: takes a type and a default", node.span)
    type_ = read_type(node.args[0], evaluate, depth)
    default = evaluate(node.args[1]) if len(node.args) == 2 else None
    return Member(name, type_, True, default)


def convert(value: Any, type_: Type, budget: Budget, path: str = "") -> Any:
    """The value as the type has it. Raises EvalFault, without a place but with the path, and
    LimitExceeded."""
    budget.step()
    if value is None or isinstance(value, Unknown):
        return value
    value = solid(value)
    if isinstance(value, Unknown):
        return value
    kind = type_.kind
    if kind == "any":
        return value
    try:
        if kind == "string":
            return as_text(value)
        if kind == "number":
            return as_number(value)
        if kind == "bool":
            return as_bool(value)
    except EvalFault as fault:
        raise EvalFault(f"{path}: {fault.what}" if path else fault.what) from None
    if kind in ("list", "set", "tuple"):
        return _sequence(value, type_, budget, path)
    if not isinstance(value, dict):
        raise _misfit(value, type_, path)
    if kind == "map":
        return _map(value, type_, budget, path)
    return _object(value, type_, budget, path)


def _misfit(value: Any, type_: Type, path: str) -> EvalFault:
    article = "an" if type_.kind == "object" else "a"
    where = f"{path}: " if path else ""
    return EvalFault(f"{where}{article} {type_.kind} is needed, not {kind_of(value)}")


def _sequence(value: Any, type_: Type, budget: Budget, path: str) -> Any:
    if not isinstance(value, list):
        raise _misfit(value, type_, path)
    if type_.kind == "tuple":
        return _tuple(value, type_, budget, path)
    element = type_.element or ANY
    items: list[Any] = []
    for index, item in enumerate(value):
        items.append(convert(item, element, budget, f"{path}[{index}]"))
    if element.kind == "any":
        items = unified(items)
    if type_.kind == "list":
        return items
    return to_set(items, budget)


def _tuple(value: list[Any], type_: Type, budget: Budget, path: str) -> list[Any]:
    if isinstance(value, Set) or len(value) != len(type_.attributes):
        where = f"{path}: " if path else ""
        raise EvalFault(f"{where}a tuple of {len(type_.attributes)} elements is needed")
    out: list[Any] = []
    for index, member in enumerate(type_.attributes):
        out.append(convert(value[index], member.type, budget, f"{path}[{index}]"))
    return out


def _map(value: dict[str, Any], type_: Type, budget: Budget, path: str) -> dict[str, Any]:
    element = type_.element or ANY
    out: dict[str, Any] = {}
    for key, item in value.items():
        out[key] = convert(item, element, budget, _below(path, key))
    if element.kind == "any":
        return dict(zip(out, unified(list(out.values())), strict=True))
    return out


def _object(value: dict[str, Any], type_: Type, budget: Budget, path: str) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for member in type_.attributes:
        item = value.get(member.name)
        if item is None and isinstance(value, Open):
            item = value.missing(member.name)
        if item is None:
            if not member.optional and member.name not in value:
                where = f"{path}: " if path else ""
                raise EvalFault(f"{where}the attribute {member.name!r} is missing")
            item = member.default
        where = _below(path, member.name)
        out[member.name] = convert(item, member.type, budget, where)
    return out


def _below(path: str, key: str) -> str:
    """The path of an attribute for faults. Cut, for everything below repeats it."""
    shown = key if len(key) <= 60 else f"{key[:60]}…"
    return f"{path}.{shown}" if path else shown
