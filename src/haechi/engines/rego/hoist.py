"""Documents and comprehensions inside of a statement become statements before it.

OPA's "rewrite dynamic terms". After it a call's arguments are plain values, and a path's keys
too, and it is settled that ``not f(input.a)`` is undefined where ``input.a`` is, while
``not input.a == 1`` holds there: the two sides of an equation stay where they are.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import count

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
    Step,
    Term,
    Test,
)


def hoist_definition(definition: Definition) -> Definition:
    hoister = _Hoister()
    branches = tuple(
        Branch(value=branch.value, steps=hoister.body(branch.steps), place=branch.place)
        for branch in definition.branches
    )
    return Definition(
        rule=definition.rule,
        file=definition.file,
        path=definition.path,
        keys=definition.keys,
        arguments=definition.arguments,
        branches=branches,
    )


class _Hoister:
    def __init__(self) -> None:
        self.numbers: Iterator[int] = count(1)

    def body(self, steps: Sequence[Step]) -> tuple[Step, ...]:
        found: list[Step] = []
        for step in steps:
            operation = self.operation(step, found)
            found.append(Step(operation, step.place, step.negated, step.changes))
        return tuple(found)

    def operation(self, step: Step, found: list[Step]) -> Operation:
        operation = step.operation
        if isinstance(operation, Invoke):
            if operation.function == "equal" and operation.out is None:
                left_side, right_side = operation.arguments
                operation = Equal(left_side, right_side)
            else:
                arguments = tuple(self.apart(t, step, found) for t in operation.arguments)
                out = operation.out
                if out is not None:
                    out = self.apart(out, step, found)
                return Invoke(operation.function, arguments, out)
        if isinstance(operation, Equal):
            left = self.inside(operation.left, step, found)
            return Equal(left, self.inside(operation.right, step, found), operation.assigns)
        if isinstance(operation, Test):
            return Test(self.inside(operation.term, step, found))
        domain = self.apart(operation.domain, step, found)
        return Each(operation.key, operation.value, domain, self.body(operation.steps))

    def inside(self, term: Term, step: Step, found: list[Step]) -> Term:
        """A side of an equation: a document or a comprehension may stay."""
        if isinstance(term, Path):
            return self.path(term, step, found)
        if isinstance(term, Closure):
            return self.closure(term)
        return self.apart(term, step, found)

    def path(self, term: Path, step: Step, found: list[Step]) -> Path:
        head = term.head
        if not isinstance(head, Local):
            head = self.apart(head, step, found)
        return Path(head, tuple(self.apart(key, step, found) for key in term.keys))

    def closure(self, term: Closure) -> Closure:
        return Closure(term.kind, term.key, term.value, self.body(term.steps), term.place)

    def apart(self, term: Term, step: Step, found: list[Step]) -> Term:
        """The term as a value: what must be evaluated has its own statement."""
        if isinstance(term, Path):
            return self.named(self.path(term, step, found), step, found)
        if isinstance(term, Closure):
            return self.named(self.closure(term), step, found)
        if isinstance(term, Items):
            return Items(tuple(self.apart(item, step, found) for item in term.items))
        if isinstance(term, Members):
            return Members(tuple(self.apart(item, step, found) for item in term.items))
        if isinstance(term, Pairs):
            return Pairs(
                tuple(
                    (self.apart(name, step, found), self.apart(value, step, found))
                    for name, value in term.pairs
                )
            )
        return term

    def named(self, term: Term, step: Step, found: list[Step]) -> Local:
        local = Local(f"%h{next(self.numbers)}")
        found.append(Step(Equal(local, term), step.place, False, step.changes))
        return local
