"""Calling functions: ordinary ones, those that look at expressions (``try``, ``can``) and those
that evaluate templates (``templatefile``, ``templatestring``)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from haechi.engines.hcl.functions import functions
from haechi.engines.hcl.functions.signature import Context, Files
from haechi.engines.hcl.tree import Call, Node
from haechi.engines.hcl.values import Budget, EvalFault, as_text, joined, kind_of, solid
from haechi.model.unknown import Unknown

if TYPE_CHECKING:
    from haechi.engines.hcl.scopes import Scope

    Evaluate = Callable[[Node, Scope, Budget], Any]

__all__ = ["Files", "call"]

_NAMESPACE = "core::"
_MAX_TEMPLATE_DEPTH = 10


def call(node: Call, scope: Scope, budget: Budget, evaluate: Evaluate) -> Any:
    """The result of a call. Raises EvalFault."""
    name = node.name.removeprefix(_NAMESPACE)
    if name == "try":
        return _try(node, scope, budget, evaluate)
    if name == "can":
        return _can(node, scope, budget, evaluate)
    if name == "convert" and len(node.args) == 2:
        return _convert(node, scope, budget, evaluate)
    if name.startswith("provider::"):
        return Unknown(f"{name} is a function of a provider", cause=f"{name}()")
    args: list[Any] = []
    for arg in node.args:
        args.append(solid(evaluate(arg, scope, budget)))  # noqa: PERF401 (a frame less)
    if node.expand:
        last = args.pop()
        if isinstance(last, Unknown):
            return joined([last])
        if not isinstance(last, list):
            raise EvalFault(f"'...' needs a list, not {kind_of(last)}", node.args[-1].span)
        args.extend(last)
    if name in ("templatefile", "templatestring"):
        return _template(name, args, scope, budget, evaluate)
    function = functions().get(name)
    if function is None:
        raise EvalFault(f"there is no function {name!r}", node.span)
    return function(Context(budget, getattr(scope, "files", None)), args)


def _try(node: Call, scope: Scope, budget: Budget, evaluate: Evaluate) -> Any:
    last: EvalFault | None = None
    depth = budget.depth
    for arg in node.args:
        try:
            return evaluate(arg, scope, budget)
        except EvalFault as fault:
            budget.depth = depth
            last = fault
    if last is None:
        raise EvalFault("try: takes at least 1 argument, not 0", node.span)
    raise EvalFault(f"try: none of its arguments can be evaluated: {last.what}", node.span)


def _can(node: Call, scope: Scope, budget: Budget, evaluate: Evaluate) -> Any:
    if len(node.args) != 1:
        raise EvalFault(f"can: takes 1 argument, not {len(node.args)}", node.span)
    try:
        value = evaluate(node.args[0], scope, budget)
    except EvalFault:
        return False
    return joined([value]) if isinstance(value, Unknown) else True


def _convert(node: Call, scope: Scope, budget: Budget, evaluate: Evaluate) -> Any:
    from haechi.engines.hcl.types import convert, read_type

    value = evaluate(node.args[0], scope, budget)
    wanted = read_type(node.args[1], lambda default: evaluate(default, scope, budget))
    return convert(value, wanted, budget)


def _template(name: str, args: list[Any], scope: Scope, budget: Budget, evaluate: Evaluate) -> Any:
    """The text of a template with variables of its own, not those around it."""
    from haechi.engines.hcl.parse import parse_template
    from haechi.engines.hcl.rendering import text_of

    if len(args) != 2:
        raise EvalFault(f"{name}: takes 2 arguments, not {len(args)}")
    source, variables = args
    if isinstance(source, Unknown) or isinstance(variables, Unknown):
        unknowns = [value for value in args if isinstance(value, Unknown)]
        return joined(unknowns, given=True)
    if not isinstance(variables, dict):
        raise EvalFault(f"{name}: argument 2: an object is needed, not {kind_of(variables)}")
    files = getattr(scope, "files", None)
    text = as_text(source)
    if name == "templatefile":
        path = text
        content = files.read(path) if files is not None else None
        if content is None:
            return _out_of_reach(path)
        text = content.decode("utf-8", "replace")
    if _nesting(scope) >= _MAX_TEMPLATE_DEPTH:
        raise EvalFault(f"{name}: templates inside templates are nested too deeply")
    budget.grow(len(text))
    template, faults = parse_template(text)
    if faults:
        first = faults[0]
        raise EvalFault(f"{name}: line {first.line} of the template: {first.message}")
    try:
        return text_of(template, _Inside(variables, files, _nesting(scope) + 1), budget, evaluate)
    except EvalFault as fault:
        line = fault.span[0] if fault.span else 1
        raise EvalFault(f"{name}: line {line} of the template: {fault.what}") from None


def _out_of_reach(path: str) -> Unknown:
    return Unknown(f"the file {path} is not here", cause=f"file {path}", given=True)


def _nesting(scope: Any) -> int:
    while scope is not None:
        if isinstance(scope, _Inside):
            return scope.nesting
        scope = getattr(scope, "outer", None)
    return 0


class _Inside:
    """The scope of a template: its variables alone."""

    __slots__ = ("files", "names", "nesting")

    def __init__(self, names: dict[str, Any], files: Files | None, nesting: int) -> None:
        self.names = names
        self.files = files
        self.nesting = nesting

    def root(self, name: str) -> Any:
        return self.names[name]
