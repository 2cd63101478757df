"""Templates → texts, of which pieces may be unknown.

Expressions inside are evaluated by the function that is given: it calls what is here for the
templates that it meets.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from haechi.engines.hcl.operators import either
from haechi.engines.hcl.scopes import Scope, bound, entries_of
from haechi.engines.hcl.structures import text_with_unknowns
from haechi.engines.hcl.tree import Node, Template, TemplateFor, TemplateIf
from haechi.engines.hcl.values import ELEMENT, Budget, EvalFault, as_bool, as_text, solid
from haechi.model.unknown import Unknown

Evaluate = Callable[[Node, Scope, Budget], Any]


def text_of(node: Template, scope: Scope, budget: Budget, evaluate: Evaluate) -> str | Unknown:
    """A template as text, also one of a single expression."""
    out: list[Any] = []
    _render(node, scope, budget, evaluate, out)
    if all(type(piece) is str for piece in out):
        return "".join(out)
    return text_with_unknowns(out)


def _render(
    node: Template, scope: Scope, budget: Budget, evaluate: Evaluate, out: list[Any]
) -> None:
    for part in node.parts:
        if isinstance(part, str):
            budget.grow(len(part))
            out.append(part)
        elif isinstance(part, TemplateIf):
            _render_if(part, scope, budget, evaluate, out)
        elif isinstance(part, TemplateFor):
            _render_for(part, scope, budget, evaluate, out)
        else:
            value = evaluate(part, scope, budget)
            if isinstance(value, Unknown):
                budget.grow(ELEMENT * (1 + len(value.parts)))
                out.extend(value.parts or (value,))
                continue
            if not isinstance(value, str):
                try:
                    value = as_text(value)
                except EvalFault as fault:
                    fault.span = part.span
                    raise
            budget.grow(len(value))
            out.append(value)


def _render_if(
    node: TemplateIf, scope: Scope, budget: Budget, evaluate: Evaluate, out: list[Any]
) -> None:
    condition = evaluate(node.condition, scope, budget)
    otherwise = node.otherwise or Template(node.span, ())
    if not isinstance(condition, Unknown):
        budget.step()
        _render(node.then if as_bool(condition) else otherwise, scope, budget, evaluate, out)
        return
    then = text_of(node.then, scope, budget, evaluate)
    other = text_of(otherwise, scope, budget, evaluate)
    out.append(either(condition, then, other, budget))


def _render_for(
    node: TemplateFor, scope: Scope, budget: Budget, evaluate: Evaluate, out: list[Any]
) -> None:
    collection = solid(evaluate(node.collection, scope, budget))
    if isinstance(collection, Unknown):
        out.append(Unknown(collection.reason, cause=collection.cause, refs=collection.refs))
        return
    names: dict[str, Any] = {}
    inner = bound(names, scope)
    for key, value in entries_of(collection, node.collection):
        budget.step()
        if node.key is not None:
            names[node.key] = key
        names[node.value] = value
        _render(node.body, inner, budget, evaluate, out)
