"""Which statement of a body comes first: variables are bound before they are read.

OPA's algorithm step by step (its order shows in which error or undefined value is met first): go
through the body again and again and take what is safe by now. What cannot be taken has an unsafe
variable, which is an error of the policy (``rego_unsafe_var_error``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from haechi.engines.rego.flat import (
    Branch,
    Closure,
    Definition,
    Each,
    Equal,
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
    children,
    fault,
    locals_of,
    operands,
)
from haechi.engines.rego.tree import Place

_LOOKS = 100_000
"""Statements looked at for one body; a body of 400 lines in reverse needs 80,000."""


def order_definition(definition: Definition) -> Definition:
    """The definition with every body in an order that binds before it reads."""
    arguments = {name for term in definition.arguments for name in locals_of(term)}
    branches: list[Branch] = []
    for number, branch in enumerate(definition.branches):
        steps = _order(branch.steps, arguments, definition.file)
        heads = [branch.value, *(definition.keys if number == 0 else ())]
        _check_head(heads, steps, arguments, definition.file, branch.place)
        branches.append(Branch(value=branch.value, steps=steps, place=branch.place))
    return Definition(
        rule=definition.rule,
        file=definition.file,
        path=definition.path,
        keys=definition.keys,
        arguments=definition.arguments,
        branches=tuple(branches),
    )


def _check_head(
    heads: Iterable[Term], steps: Sequence[Step], known: set[str], file: str, place: Place
) -> None:
    bound = known | {name for step in steps for name in _variables(step)}
    for term in heads:
        for name in locals_of(term):
            if name not in bound:
                raise _unsafe(name, file, place)


def _unsafe(name: str, file: str, place: Place) -> Exception:
    shown = "_" if name.startswith("$") else name.partition("%")[0]
    what = f"var {shown} is unsafe" if shown else "expression is unsafe"
    do = "bind it by an assignment, or by a reference that is defined"
    return fault("rego_unsafe_var_error", what, file, place, do=do)


def _order(steps: Sequence[Step], known: set[str], file: str) -> tuple[Step, ...]:
    of_body = {name for step in steps for name in _variables(step)}
    waiting = [_Waiting(step, of_body, known) for step in steps]
    safe = set(known)
    taken: list[Step] = []
    looks = 0
    while waiting:
        looks += len(waiting)
        if looks > _LOOKS:
            what = "too many statements in one body"
            raise fault("rego_compile_error", what, file, waiting[0].step.place)
        left = [item for item in waiting if not item.take(safe, taken)]
        if len(left) == len(waiting):
            unsafe = min(left[0].unsafe - safe, default="_", key=_by_author)
            raise _unsafe(unsafe, file, left[0].step.place)
        waiting = left
    return tuple(_closures_ordered(taken, known, file))


class _Waiting:
    """A step that was not taken yet, and what it still lacks."""

    __slots__ = ("inside", "mine", "step", "then", "unsafe")

    def __init__(self, step: Step, of_body: set[str], known: set[str]) -> None:
        self.step = step
        self.unsafe = set(_variables(step)) - known
        self.inside = (_closed_over(step) & of_body) - known
        self.mine = self.unsafe | self.inside
        self.then = -1
        """How many of its variables were safe when it was looked at last: while they are no
        more, looking again tells nothing new."""

    def take(self, safe: set[str], taken: list[Step]) -> bool:
        now = len(self.mine & safe)
        if now == self.then:
            return False
        self.then = now
        gives = _outputs(self.step, safe) if self.mine else set()
        closed = self.inside - safe
        if closed and (closed == gives or closed - gives):
            self.unsafe |= closed
            return False
        self.unsafe = self.unsafe - gives - safe
        if self.unsafe:
            return False
        taken.append(self.step)
        safe |= gives
        return True


def _by_author(name: str) -> tuple[bool, str]:
    """Names that the author wrote come before those that the compiler made."""
    return name.startswith(("%", "$")), name


# -- closures ---------------------------------------------------------------------------------


def _closures_ordered(steps: Sequence[Step], known: set[str], file: str) -> Iterator[Step]:
    seen = set(known)
    for step in steps:
        operation = _map_operation(step.operation, seen, file)
        yield Step(operation, step.place, step.negated, step.changes)
        seen |= set(_variables(step))


def _map_operation(operation: Operation, known: set[str], file: str) -> Operation:
    if isinstance(operation, Equal):
        left = _map(operation.left, known, file)
        return Equal(left, _map(operation.right, known, file), operation.assigns)
    if isinstance(operation, Invoke):
        arguments = tuple(_map(term, known, file) for term in operation.arguments)
        return Invoke(operation.function, arguments, operation.out)
    if isinstance(operation, Each):
        inner = set(known)
        for term in (operation.key, operation.value):
            if term is not None:
                inner.update(locals_of(term))
        steps = _order(operation.steps, inner, file)
        domain = _map(operation.domain, known, file)
        return Each(operation.key, operation.value, domain, steps)
    return type(operation)(_map(operation.term, known, file))


def _map(term: Term, known: set[str], file: str) -> Term:
    if isinstance(term, Closure):
        steps = _order(term.steps, known, file)
        heads = [term.value] if term.key is None else [term.key, term.value]
        _check_head(heads, steps, known, file, term.place)
        return Closure(term.kind, term.key, term.value, steps, term.place)
    if isinstance(term, Items):
        return Items(tuple(_map(item, known, file) for item in term.items))
    if isinstance(term, Members):
        return Members(tuple(_map(item, known, file) for item in term.items))
    if isinstance(term, Pairs):
        pairs = term.pairs
        return Pairs(tuple((_map(k, known, file), _map(v, known, file)) for k, v in pairs))
    if isinstance(term, Path):
        return Path(_map(term.head, known, file), tuple(_map(k, known, file) for k in term.keys))
    return term


def _closed_over(step: Step) -> set[str]:
    """Every variable inside of the closures of a step."""
    found: set[str] = set()

    def visit(term: Term) -> None:
        if isinstance(term, Closure):
            found.update(locals_of(term.value))
            if term.key is not None:
                found.update(locals_of(term.key))
            inside(term.steps)
        else:
            for child in children(term):
                visit(child)

    def inside(steps: Sequence[Step]) -> None:
        for inner in steps:
            found.update(_variables(inner))
            look(inner)

    def look(inner: Step) -> None:
        for term in operands(inner.operation):
            visit(term)
        if isinstance(inner.operation, Each):
            inside(inner.operation.steps)

    look(step)
    return found


# -- what a step binds ------------------------------------------------------------------------


def _variables(step: Step) -> Iterator[str]:
    for term in operands(step.operation):
        yield from locals_of(term)
    for change in step.changes:
        if change.value is not None:
            yield from locals_of(change.value)


def _outputs(step: Step, safe: set[str]) -> set[str]:
    """The variables that are bound after this step if those in ``safe`` were before."""
    if step.negated:
        return set()
    for change in step.changes:
        if change.value is not None and not set(locals_of(change.value)) <= safe:
            return set()
    operation = step.operation
    found: set[str] = set()
    for term in operands(operation):
        _path_outputs(term, safe, found)
    if isinstance(operation, Equal):
        known = safe | found
        if operation.assigns and not set(locals_of(operation.right)) <= known:
            return found - safe
        found |= _Unifier(known).run(operation.left, operation.right)
        return found - safe
    if isinstance(operation, Invoke) and operation.out is not None:
        needed = {name for term in operation.arguments for name in _bindable(term)}
        if needed - found - safe:
            return set()
        found.update(_bindable(operation.out))
    return found - safe


def _path_outputs(term: Term, safe: set[str], found: set[str]) -> None:
    if isinstance(term, Path):
        if not set(locals_of(term.head)) <= safe:
            return
        for key in term.keys:
            found.update(_bindable(key))
    for child in children(term):
        _path_outputs(child, safe, found)


def _bindable(term: Term) -> Iterator[str]:
    """Variables that unification can bind: not in sets, not in keys of objects."""
    if isinstance(term, Local):
        yield term.name
    elif isinstance(term, Items):
        for item in term.items:
            yield from _bindable(item)
    elif isinstance(term, Pairs):
        for _, value in term.pairs:
            yield from _bindable(value)
    elif isinstance(term, Path):
        for key in term.keys:
            yield from _bindable(key)


class _Unifier:
    """Which variables ``left = right`` binds."""

    def __init__(self, known: set[str]) -> None:
        self.known = known
        self.bound: set[str] = set()
        self.linked: dict[str, set[str]] = {}

    def run(self, left: Term, right: Term) -> set[str]:
        self.unify(left, right)
        return self.bound

    def safe(self, name: str) -> bool:
        return name in self.known or name in self.bound

    def unify(self, left: Term, right: Term) -> None:
        if isinstance(right, Local) and not isinstance(left, Local):
            left, right = right, left
        if isinstance(left, Local):
            self.variable(left.name, right)
        elif isinstance(left, Items) and isinstance(right, Items):
            if len(left.items) == len(right.items):
                for one, other in zip(left.items, right.items, strict=True):
                    self.unify(one, other)
        elif isinstance(left, Pairs) and isinstance(right, Pairs):
            self.objects(left, right)
        elif isinstance(left, Items | Pairs) and isinstance(right, Path | Closure):
            self.all_safe(left)
        elif isinstance(right, Items | Pairs) and isinstance(left, Path | Closure):
            self.all_safe(right)

    def objects(self, left: Pairs, right: Pairs) -> None:
        if len(left.pairs) != len(right.pairs):
            return
        for name, value in left.pairs:
            for other, found in right.pairs:
                if name == other:
                    self.unify(value, found)

    def variable(self, name: str, other: Term) -> None:
        if isinstance(other, Local):
            if self.safe(other.name):
                self.mark(name)
            elif self.safe(name):
                self.mark(other.name)
            else:
                self.linked.setdefault(name, set()).add(other.name)
                self.linked.setdefault(other.name, set()).add(name)
        elif isinstance(other, Items | Pairs | Members):
            self.composite(name, other)
        elif isinstance(other, Path):
            head = other.head
            if isinstance(head, Root) or set(locals_of(head)) <= self.known | self.bound:
                self.mark(name)
        else:
            self.mark(name)

    def composite(self, name: str, other: Term) -> None:
        if self.safe(name):
            self.all_safe(other)
            return
        unknown = {inner for inner in locals_of(other) if not self.safe(inner)}
        if not unknown:
            self.mark(name)

    def all_safe(self, term: Term) -> None:
        for name in _bindable(term):
            self.mark(name)

    def mark(self, name: str) -> None:
        if not self.safe(name):
            self.bound.add(name)
            for other in self.linked.pop(name, ()):
                self.mark(other)
