"""Expressions → values, known or unknown.

Unknown goes through exactly as far as it must: ``false && unknown`` is false, both branches of an
unknown condition may agree, a list with an unknown element has a known length. Nothing here
guesses. The budget is asked at every node, so no expression runs for long whatever it says.
https://github.com/hashicorp/hcl/blob/main/hclsyntax/spec.md
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from haechi.engines.hcl import operators
from haechi.engines.hcl.calls import Files, call
from haechi.engines.hcl.rendering import text_of
from haechi.engines.hcl.scopes import Bound, Scope, bound, entries_of
from haechi.engines.hcl.tree import (
    Attribute,
    Bad,
    Binary,
    Call,
    Conditional,
    For,
    Index,
    Literal,
    Name,
    Node,
    Object,
    Splat,
    Template,
    TemplateFor,
    TemplateIf,
    Tuple,
    Unary,
)
from haechi.engines.hcl.values import (
    ELEMENT,
    Budget,
    EvalFault,
    Lazy,
    Open,
    Set,
    as_bool,
    as_text,
    joined,
    kind_of,
    solid,
    stepped,
)
from haechi.errors import LimitExceeded
from haechi.model.unknown import Unknown

__all__ = ["Bound", "Budget", "EvalFault", "Files", "Lazy", "Scope", "Set", "evaluate"]


def evaluate(node: Node, scope: Scope, budget: Budget) -> Any:
    """The value of an expression. Raises EvalFault (with its place) for what Terraform would
    refuse, LimitExceeded."""
    kind = type(node)
    if kind is Literal:
        return node.value  # type: ignore[attr-defined]
    budget.steps -= 1
    if budget.steps < 0:
        budget.step()
    budget.depth -= 1
    try:
        if budget.depth < 0:
            raise LimitExceeded("values that need each other are nested too deeply")
        return _BY_KIND[kind](node, scope, budget)
    except EvalFault as fault:
        if fault.span is None:
            fault.span = node.span
        raise
    except RecursionError:
        raise LimitExceeded("a value is nested too deeply") from None
    finally:
        budget.depth += 1


def _name(node: Name, scope: Scope, budget: Budget) -> Any:
    try:
        return scope.root(node.name)
    except KeyError:
        raise EvalFault(f"there is no {node.name!r}") from None


def _attribute(node: Node, scope: Scope, budget: Budget) -> Any:
    """``a.b[c].d``: the steps of a chain in a loop."""
    steps: list[Node] = []
    while isinstance(node, (Attribute, Index)):
        steps.append(node)
        node = node.of
    value = evaluate(node, scope, budget)
    for step in reversed(steps):
        if isinstance(step, Attribute):
            key: Any = step.name
        else:
            key = evaluate(step.key, scope, budget)  # type: ignore[attr-defined]
        try:
            value = step_into(value, key, is_index=isinstance(step, Index))
        except EvalFault as fault:
            fault.span = fault.span or step.span
            raise
    return value


def step_into(value: Any, key: Any, *, is_index: bool) -> Any:
    """``value.key`` or ``value[key]``. Raises EvalFault."""
    if isinstance(value, Unknown):
        return stepped(value, key) if isinstance(key, (str, int)) else joined([value])
    if isinstance(key, Unknown):
        return Unknown(key.reason, cause=key.cause, refs=key.refs)
    if isinstance(value, dict):
        return _entry(value, key)
    if isinstance(value, list) and not isinstance(value, Set):
        return _element(value, key)
    if isinstance(value, Lazy):
        if isinstance(key, float):
            raise EvalFault(f"{key} is no index")
        try:
            return value.get(key)
        except KeyError:
            raise EvalFault(f"there is no {key!r} in this object") from None
    what = f"[{key!r}]" if is_index else f".{key}"
    raise EvalFault(f"{what} is asked of {kind_of(value)}, which has no such thing")


def _entry(value: dict[str, Any], key: Any) -> Any:
    if key is None:
        raise EvalFault("a key cannot be null")
    name = as_text(key)
    if name not in value:
        if isinstance(value, Open):
            return value.missing(name)
        shown = name if len(name) <= 60 else name[:60] + "…"
        raise EvalFault(f"this object has no {shown!r}")
    return value[name]


def _element(value: list[Any], key: Any) -> Any:
    if isinstance(key, str) and not key.isdigit():
        raise EvalFault(f"a list has elements by number, not by {key[:60]!r}")
    if key is None:
        raise EvalFault("an index cannot be null")
    index = operators.whole_number(key)
    if not 0 <= index < len(value):
        raise EvalFault(f"the list has {len(value)} elements, none at {index}")
    return value[index]


def _splat(node: Splat, scope: Scope, budget: Budget) -> Any:
    value = evaluate(node.of, scope, budget)
    if isinstance(value, Unknown):
        return Unknown(value.reason, cause=value.cause, refs=value.refs)
    if value is None:
        return []
    items = value if isinstance(value, list) else [value]
    budget.step(len(items))
    budget.grow(ELEMENT * len(items))
    names: dict[str, Any] = {}
    inner = bound(names, scope)
    out: list[Any] = []
    for item in items:
        names["*"] = item
        out.append(evaluate(node.each, inner, budget))
    return out


def _call(node: Call, scope: Scope, budget: Budget) -> Any:
    return call(node, scope, budget, evaluate)


def _unary(node: Unary, scope: Scope, budget: Budget) -> Any:
    value = evaluate(node.value, scope, budget)
    return operators.unary(node.op, value, budget)


def _binary(node: Node, scope: Scope, budget: Budget) -> Any:
    """Operators in a row lean to the left: walk down there in a loop."""
    row: list[Binary] = []
    while isinstance(node, Binary):
        row.append(node)
        node = node.left
    value = evaluate(node, scope, budget)
    for binary in reversed(row):
        budget.step()
        op = binary.op
        try:
            if op == "&&" or op == "||":
                value = _logical(binary, value, scope, budget)
            else:
                right = evaluate(binary.right, scope, budget)
                value = operators.binary(op, value, right, budget)
        except EvalFault as fault:
            fault.span = fault.span or binary.span
            raise
    return value


def _logical(node: Binary, left: Any, scope: Scope, budget: Budget) -> Any:
    decides = node.op == "||"
    if not isinstance(left, Unknown):
        if as_bool(left) is decides:
            return decides
        right = evaluate(node.right, scope, budget)
        return right if isinstance(right, Unknown) else as_bool(right)
    try:
        right = evaluate(node.right, scope, budget)
    except EvalFault:
        return joined([left])  # the left side may be what keeps the right one from being asked
    if isinstance(right, Unknown):
        return joined([left, right])
    return decides if as_bool(right) is decides else joined([left])


def _conditional(node: Conditional, scope: Scope, budget: Budget) -> Any:
    condition = evaluate(node.condition, scope, budget)
    if not isinstance(condition, Unknown):
        try:
            chosen = as_bool(condition)
        except EvalFault as fault:
            fault.span = node.condition.span
            raise
        taken, other = (node.then, node.otherwise) if chosen else (node.otherwise, node.then)
        value = evaluate(taken, scope, budget)
        if isinstance(value, (int, float)) and _is_text(other):
            return as_text(value)  # both results have one type
        return value
    try:
        then = solid(evaluate(node.then, scope, budget))
        otherwise = solid(evaluate(node.otherwise, scope, budget))
    except EvalFault:
        return Unknown(condition.reason, cause=condition.cause, refs=condition.refs)
    return operators.either(condition, then, otherwise, budget)


def _is_text(node: Node) -> bool:
    if isinstance(node, Literal):
        return isinstance(node.value, str)
    return isinstance(node, Template) and len(node.parts) > 1


def _tuple(node: Tuple, scope: Scope, budget: Budget) -> Any:
    budget.grow(ELEMENT * len(node.items))
    out: list[Any] = []
    for item in node.items:
        out.append(evaluate(item, scope, budget))  # noqa: PERF401 (a frame less)
    return out


def _object(node: Object, scope: Scope, budget: Budget) -> Any:
    out: dict[str, Any] = {}
    unclear: list[Unknown] = []
    budget.grow(ELEMENT * len(node.items))
    for key_node, value_node in node.items:
        key = evaluate(key_node, scope, budget)
        value = evaluate(value_node, scope, budget)
        if isinstance(key, Unknown):
            unclear.append(key)
        elif key is None:
            raise EvalFault("a key cannot be null", key_node.span)
        elif isinstance(key, str):
            out[key] = value
        else:
            try:
                out[as_text(key)] = value
            except EvalFault as fault:
                fault.span = key_node.span
                raise
    return joined(unclear, given=True) if unclear else out


def _for(node: For, scope: Scope, budget: Budget) -> Any:
    collection = solid(evaluate(node.collection, scope, budget))
    if isinstance(collection, Unknown):
        return Unknown(collection.reason, cause=collection.cause, refs=collection.refs)
    names: dict[str, Any] = {}
    inner = bound(names, scope)
    listed: list[Any] = []
    keyed: dict[str, Any] = {}
    unclear: list[Unknown] = []
    for key, value in entries_of(collection, node.collection):
        budget.steps -= 1
        budget.grow(ELEMENT)
        if node.key_name is not None:
            names[node.key_name] = key
        names[node.value_name] = value
        if node.condition is not None:
            wanted = evaluate(node.condition, inner, budget)
            if isinstance(wanted, Unknown):
                unclear.append(wanted)
                continue
            try:
                if not as_bool(wanted):
                    continue
            except EvalFault as fault:
                fault.span = node.condition.span
                raise
        if node.key is None:
            listed.append(evaluate(node.value, inner, budget))
        else:
            _put(node, inner, budget, keyed, unclear)
    if unclear:
        return joined(unclear, given=False)
    return listed if node.key is None else keyed


def _put(
    node: For, scope: Scope, budget: Budget, keyed: dict[str, Any], unclear: list[Unknown]
) -> None:
    assert node.key is not None  # noqa: S101
    key = evaluate(node.key, scope, budget)
    if isinstance(key, Unknown):
        unclear.append(key)
        return
    if key is None:
        raise EvalFault("a key cannot be null", node.key.span)
    name = key if isinstance(key, str) else as_text(key)
    value = evaluate(node.value, scope, budget)
    if node.group:
        keyed.setdefault(name, []).append(value)
    elif name in keyed:
        raise EvalFault(f"two elements have the key {name[:60]!r}", node.key.span)
    else:
        keyed[name] = value


def _template(node: Template, scope: Scope, budget: Budget) -> Any:
    parts = node.parts
    if len(parts) == 1 and not isinstance(parts[0], (str, TemplateIf, TemplateFor)):
        return evaluate(parts[0], scope, budget)  # "${x}" is x, of whatever type
    return text_of(node, scope, budget, evaluate)


def _bad(node: Bad, scope: Scope, budget: Budget) -> Any:
    return Unknown("the expression cannot be read", cause=f"syntax on line {node.span[0]}")


_BY_KIND: dict[type[Any], Callable[[Any, Scope, Budget], Any]] = {
    Name: _name,
    Attribute: _attribute,
    Index: _attribute,
    Splat: _splat,
    Call: _call,
    Unary: _unary,
    Binary: _binary,
    Conditional: _conditional,
    Tuple: _tuple,
    Object: _object,
    For: _for,
    Template: _template,
    Bad: _bad,
}
