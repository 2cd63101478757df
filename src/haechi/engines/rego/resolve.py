"""From the tree to flat statements: names resolved, calls taken out of their expressions.

The steps that a term needs stand before the statement that holds it, with its ``with``; that is
OPA's own rewriting, and what decides where undefined ends.
"""

from __future__ import annotations

from collections.abc import Sequence

from haechi.engines.rego import tree
from haechi.engines.rego.builtins import REFUSED
from haechi.engines.rego.flat import (
    Branch,
    Change,
    Closure,
    Const,
    Definition,
    Each,
    Equal,
    Function,
    Invoke,
    Items,
    Local,
    Members,
    Operation,
    Pairs,
    Path,
    Root,
    Step,
    Term,
    Test,
    children,
    fault,
)
from haechi.engines.rego.scopes import Names, Scope

_SILENT = frozenset({"print"})
"""OPA drops these calls before it looks at them, unless it is told otherwise."""


def resolve_rule(rule: tree.Rule, names: Names) -> Definition:
    """One rule of the text with all its bodies."""
    return _RuleResolver(names).rule(rule)


def split_head(rule: tree.Rule) -> tuple[tuple[str, ...], tuple[tree.Term, ...]]:
    """The head's leading text parts, and the rest."""
    fixed: list[str] = []
    for number, term in enumerate(rule.path):
        if not (isinstance(term, tree.Scalar) and isinstance(term.value, str)):
            return tuple(fixed), rule.path[number:]
        fixed.append(term.value)
    return tuple(fixed), ()


class _RuleResolver:
    def __init__(self, names: Names) -> None:
        self.names = names
        self.file = names.module.file

    def rule(self, rule: tree.Rule) -> Definition:
        if rule.name in ("input", "data"):
            what = f"rules must not shadow {rule.name} (use a different rule name)"
            raise fault("rego_compile_error", what, self.file, rule.place)
        outer = Scope(self.names)
        early: list[Step] = []
        for argument in rule.arguments:
            for name in _variables(argument):
                if name not in outer.declared:
                    outer.declare(name, "arg", argument.place)
        arguments = tuple(self.term(argument, outer, early) for argument in rule.arguments)
        fixed, rest = split_head(rule)
        branches: list[Branch] = []
        keys: tuple[Term, ...] = ()
        bodies = [(rule.value, rule.body, rule.place)]
        bodies += [(other.value, other.body, other.place) for other in rule.otherwise]
        for number, (head, body, place) in enumerate(bodies):
            scope = outer.inner()
            scope.declared.update(outer.declared)
            steps = [*early, *self.body(body, scope)]
            if number == 0:
                keys = tuple(self.head(term, scope, steps, place) for term in rest)
            value = self.head(head, scope, steps, place)
            branches.append(Branch(value=value, steps=tuple(steps), place=place))
        return Definition(
            rule=rule,
            file=self.file,
            path=(*self.names.module.package, rule.name, *fixed),
            keys=keys,
            arguments=arguments,
            branches=tuple(branches),
        )

    def head(self, term: tree.Term, scope: Scope, steps: list[Step], place: tree.Place) -> Term:
        """A term of the head, which is evaluated last in the body."""
        return self.simple(self.term(term, scope, steps), scope, steps, place)

    def simple(self, term: Term, scope: Scope, steps: list[Step], place: tree.Place) -> Term:
        """A term without documents and comprehensions in it; they become steps."""
        if not _needs_evaluation(term):
            return term
        local = Local(scope.fresh())
        steps.append(Step(Equal(local, term), place))
        return local

    # -- bodies -------------------------------------------------------------------------------

    def body(self, body: Sequence[tree.Literal], scope: Scope) -> list[Step]:
        scope.later = _declared_later(body)
        steps: list[Step] = []
        for literal in body:
            self.literal(literal, scope, steps)
        _refuse_unused(body, scope, self.file)
        return steps

    def literal(self, literal: tree.Literal, scope: Scope, steps: list[Step]) -> None:
        before: list[Step] = []
        changes = tuple(self.change(change, scope, steps) for change in literal.modifiers)
        operation = self.statement(literal, scope, before)
        steps += [
            Step(step.operation, step.place, step.negated, changes + step.changes)
            for step in before
        ]
        if operation is not None:
            steps.append(Step(operation, literal.place, literal.negated, changes))

    def statement(self, literal: tree.Literal, scope: Scope, steps: list[Step]) -> Operation | None:
        statement = literal.statement
        if isinstance(statement, tree.Expression):
            return self.expression(statement.term, scope, steps)
        if isinstance(statement, tree.Unify):
            left = self.term(statement.left, scope, steps)
            return Equal(left, self.term(statement.right, scope, steps))
        if isinstance(statement, tree.Assign):
            value = self.term(statement.value, scope, steps)
            self.declare(statement.target, "assigned", scope)
            return Equal(self.term(statement.target, scope, steps), value, True)
        if isinstance(statement, tree.Some):
            for name in statement.names:
                scope.declare(name, "declared", statement.place)
                scope.later.discard(name)
            return None
        if isinstance(statement, tree.SomeIn):
            return self.some_in(statement, scope, steps)
        return self.every(statement, scope, steps)

    def expression(self, term: tree.Term, scope: Scope, steps: list[Step]) -> Operation | None:
        if not isinstance(term, tree.Call) or self.bare(term) is not None:
            return Test(self.term(term, scope, steps))
        if ".".join(term.function) in _SILENT and self.names.function(term.function) in _SILENT:
            return None
        function, arguments = self.call(term, scope, steps)
        if len(arguments) > self.names.arity(function):
            return Invoke(function, arguments[:-1], arguments[-1])
        return Invoke(function, arguments, None)

    def declare(self, target: tree.Term, how: str, scope: Scope) -> None:
        for name in _variables(target):
            scope.declare(name, how, target.place)
            scope.later.discard(name)

    def some_in(self, statement: tree.SomeIn, scope: Scope, steps: list[Step]) -> Operation:
        collection = self.term(statement.collection, scope, steps)
        for term in (statement.key, statement.value):
            if term is not None:
                for name in _variables(term):
                    if name not in scope.declared:
                        scope.declare(name, "declared", term.place)
                        scope.later.discard(name)
        key: Term = Local(scope.wildcard())
        if statement.key is not None:
            key = self.term(statement.key, scope, steps)
        value = self.term(statement.value, scope, steps)
        return Equal(value, _path(collection, (key,)))

    def every(self, statement: tree.Every, scope: Scope, steps: list[Step]) -> Operation:
        domain = self.term(statement.domain, scope, steps)
        inner = scope.inner()
        for term in (statement.key, statement.value):
            if term is not None:
                self.declare(term, "declared", inner)
        ignored: list[Step] = []
        read = set(inner.read)
        key = None if statement.key is None else self.term(statement.key, inner, ignored)
        value = self.term(statement.value, inner, ignored)
        inner.read = read
        body = inner.inner()
        steps_inside = tuple(self.body(statement.body, body))
        for name in inner.declared:
            if name not in inner.read:
                what = f"declared var {name} unused"
                raise fault("rego_compile_error", what, self.file, statement.place)
        return Each(key, value, domain, steps_inside)

    # -- with ---------------------------------------------------------------------------------

    def change(self, change: tree.With, scope: Scope, steps: list[Step]) -> Change:
        function = self.target_function(change.target)
        if function is not None:
            substitute = self.target_function(change.value)
            if substitute is not None:
                return Change("call", (), function, None, substitute)
            value = self.term(change.value, scope, steps)
            return Change(
                "call", (), function, self.simple(value, scope, steps, change.place), None
            )
        target = self.term(change.target, scope, steps)
        if not (isinstance(target, Path) and isinstance(target.head, Root)):
            what = "with keyword target must reference existing input, data, or a function"
            raise fault("rego_type_error", what, self.file, change.place)
        parts: list[str] = []
        for term in target.keys:
            if not (isinstance(term, Const) and isinstance(term.value, str)):
                what = "with keyword target must be a path of constants"
                raise fault("rego_type_error", what, self.file, change.place)
            parts.append(term.value)
        value = self.simple(self.term(change.value, scope, steps), scope, steps, change.place)
        root = "input" if target.head.name == "input" else "data"
        return Change(root, tuple(parts), None, value)  # type: ignore[arg-type]

    def target_function(self, term: tree.Term) -> Function | None:
        """The function that a target or a substitute names, if it names one."""
        parts = _dotted(term)
        return None if parts is None else self.names.function(parts)

    # -- terms --------------------------------------------------------------------------------

    def call(
        self, term: tree.Call, scope: Scope, steps: list[Step]
    ) -> tuple[Function, tuple[Term, ...]]:
        function = self.names.function(term.function)
        name = ".".join(term.function)
        if function is None:
            do = REFUSED.get(name, "")
            what = f"undefined function {name}"
            raise fault("rego_type_error", what, self.file, term.place, do=do and f"not here: {do}")
        arity = self.names.arity(function)
        given = len(term.arguments)
        if arity >= 0 and given not in (arity, arity + 1):
            what = f"function {name} has arity {arity}, got {given} argument{'s' * (given != 1)}"
            raise fault("rego_type_error", what, self.file, term.place)
        return function, tuple(self.term(item, scope, steps) for item in term.arguments)

    def term(self, term: tree.Term, scope: Scope, steps: list[Step]) -> Term:
        match term:
            case tree.Scalar():
                return Const(term.value)
            case tree.Var():
                return self.variable(term.name, scope)
            case tree.Ref():
                head = self.term(term.head, scope, steps)
                return _path(head, tuple(self.term(key, scope, steps) for key in term.path))
            case tree.Call():
                return self.nested_call(term, scope, steps)
            case tree.Array():
                return Items(tuple(self.term(item, scope, steps) for item in term.items))
            case tree.Set():
                return Members(tuple(self.term(item, scope, steps) for item in term.items))
            case tree.Object():
                return Pairs(
                    tuple(
                        (self.term(name, scope, steps), self.term(value, scope, steps))
                        for name, value in term.pairs
                    )
                )
            case _:
                return self.comprehension(term, scope)

    def variable(self, name: str, scope: Scope) -> Term:
        local = name if name.startswith("$") else scope.local(name)
        if local is not None:
            return Local(local)
        path = self.names.globals[name]
        return Path(Root(path[0]), tuple(Const(part) for part in path[1:]))

    def bare(self, term: tree.Call) -> Path | None:
        """``f()`` of a rule ``f() = x``: without arguments it is a rule like others."""
        head = self.names.globals.get(term.function[0])
        if term.arguments or head is None or self.names.function(term.function) is not None:
            return None
        return Path(Root(head[0]), tuple(map(Const, (*head[1:], *term.function[1:]))))

    def nested_call(self, term: tree.Call, scope: Scope, steps: list[Step]) -> Term:
        path = self.bare(term)
        if path is not None:
            return path
        function, arguments = self.call(term, scope, steps)
        arity = self.names.arity(function)
        if arity >= 0 and len(arguments) > arity:
            what = f"function {'.'.join(term.function)} has arity {arity}"
            raise fault("rego_type_error", what, self.file, term.place)
        out = Local(scope.fresh())
        steps.append(Step(Invoke(function, arguments, out), term.place))
        return out

    def comprehension(
        self,
        term: tree.ArrayComprehension | tree.SetComprehension | tree.ObjectComprehension,
        scope: Scope,
    ) -> Term:
        inner = scope.inner()
        steps = self.body(term.body, inner)
        key: Term | None = None
        if isinstance(term, tree.ObjectComprehension):
            key = self.head(term.key, inner, steps, term.place)
            value = self.head(term.value, inner, steps, term.place)
            return Closure("object", key, value, tuple(steps), term.place)
        value = self.head(term.head, inner, steps, term.place)
        if isinstance(term, tree.SetComprehension):
            return Closure("set", None, value, tuple(steps), term.place)
        return Closure("array", None, value, tuple(steps), term.place)


def _path(head: Term, keys: tuple[Term, ...]) -> Path:
    if isinstance(head, Path):
        return Path(head.head, head.keys + keys)
    return Path(head, keys)


def _needs_evaluation(term: Term) -> bool:
    return isinstance(term, Path | Closure) or any(map(_needs_evaluation, children(term)))


def _variables(term: tree.Term) -> list[str]:
    """The variables that a target or an argument binds, each once."""
    found: list[str] = []

    def visit(node: tree.Term) -> None:
        match node:
            case tree.Var():
                if node.name not in found:
                    found.append(node.name)
            case tree.Array() | tree.Set():
                for item in node.items:
                    visit(item)
            case tree.Object():
                for _, value in node.pairs:
                    visit(value)
            case _:
                pass

    visit(term)
    return found


def _declared_later(body: Sequence[tree.Literal]) -> set[str]:
    names: set[str] = set()
    for literal in body:
        statement = literal.statement
        if isinstance(statement, tree.Assign):
            names.update(_variables(statement.target))
        elif isinstance(statement, tree.Some):
            names.update(statement.names)
        elif isinstance(statement, tree.SomeIn):
            for term in (statement.key, statement.value):
                if term is not None:
                    names.update(_variables(term))
    return names


def _refuse_unused(body: Sequence[tree.Literal], scope: Scope, file: str) -> None:
    """``some x`` where x is never used."""
    for literal in body:
        statement = literal.statement
        if isinstance(statement, tree.Some):
            for name in statement.names:
                if name in scope.declared and name not in scope.read:
                    what = f"declared var {name} unused"
                    raise fault("rego_compile_error", what, file, statement.place)


def _dotted(term: tree.Term) -> tuple[str, ...] | None:
    """A name in parts, if the term is nothing but one."""
    if isinstance(term, tree.Var):
        return (term.name,)
    if not (isinstance(term, tree.Ref) and isinstance(term.head, tree.Var)):
        return None
    parts = [term.head.name]
    for key in term.path:
        if not (isinstance(key, tree.Scalar) and isinstance(key.value, str)):
            return None
        parts.append(key.value)
    return tuple(parts)
