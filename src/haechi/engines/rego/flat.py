"""Rego after resolution: statements without nested calls, names without doubt.

Between the tree and the generated code lies this form, in which OPA's own rewriting is done in
OPA's order, because it shows: a call inside of an expression is a step of its own before it, so
that an undefined argument makes the body undefined and not the expression (``not f(a.b)``).
Locals have unique names, and every name that means a document is a path from ``input`` or
``data``.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, TypeAlias

import msgspec

from haechi.engines.rego.tree import Place, Rule
from haechi.errors import RuleError


class Const(msgspec.Struct, frozen=True, tag=True):
    value: Any


class Local(msgspec.Struct, frozen=True, tag=True):
    """A variable. A name with ``$`` in front is read nowhere else."""

    name: str


class Root(msgspec.Struct, frozen=True, tag=True):
    """``input`` or ``data``; only at the head of a Path."""

    name: str


class Items(msgspec.Struct, frozen=True, tag=True):
    """An array."""

    items: tuple[Term, ...]


class Pairs(msgspec.Struct, frozen=True, tag=True):
    """An object."""

    pairs: tuple[tuple[Term, Term], ...]


class Members(msgspec.Struct, frozen=True, tag=True):
    """A set."""

    items: tuple[Term, ...]


class Path(msgspec.Struct, frozen=True, tag=True):
    """What is found at ``head[k1][k2]``; without keys it is the head itself."""

    head: Term
    keys: tuple[Term, ...]


class Closure(msgspec.Struct, frozen=True, tag=True):
    """A comprehension. ``key`` only for objects."""

    kind: Literal["array", "set", "object"]
    key: Term | None
    value: Term
    steps: tuple[Step, ...]
    place: Place


Term: TypeAlias = Const | Local | Root | Items | Pairs | Members | Path | Closure

Function: TypeAlias = str | tuple[str, ...]
"""A builtin by its name, or a rule by its path under ``data``."""


class Test(msgspec.Struct, frozen=True, tag=True):
    """Neither undefined nor false."""

    term: Term


class Equal(msgspec.Struct, frozen=True, tag=True):
    """Unification. An assignment (``left := right``) binds nothing on its right."""

    left: Term
    right: Term
    assigns: bool = False


class Invoke(msgspec.Struct, frozen=True, tag=True):
    """A call. Its value is unified with ``out``; without one it must hold."""

    function: Function
    arguments: tuple[Term, ...]
    out: Term | None


class Each(msgspec.Struct, frozen=True, tag=True):
    key: Term | None
    value: Term
    domain: Term
    steps: tuple[Step, ...]


Operation: TypeAlias = Test | Equal | Invoke | Each


class Change(msgspec.Struct, frozen=True):
    """One ``with``. ``target`` is a path from ``input`` or ``data``, or a function; ``value`` is
    a term, or the function that takes its place."""

    root: Literal["input", "data", "call"]
    path: tuple[str, ...]
    function: Function | None
    value: Term | None
    substitute: Function | None = None


class Step(msgspec.Struct, frozen=True):
    operation: Operation
    place: Place
    negated: bool = False
    changes: tuple[Change, ...] = ()


class Branch(msgspec.Struct, frozen=True):
    """A body and the value it gives: that of the rule, or of one ``else``."""

    value: Term
    steps: tuple[Step, ...]
    place: Place


class Definition(msgspec.Struct, frozen=True):
    """One rule of the text. ``path`` is where it stands under ``data``; ``keys`` are the parts
    of the head from the first that is no text on."""

    rule: Rule
    file: str
    path: tuple[str, ...]
    keys: tuple[Term, ...]
    arguments: tuple[Term, ...]
    branches: tuple[Branch, ...]

    @property
    def place(self) -> Place:
        return self.rule.place


def fault(
    code: str, what: str, file: str, place: Place | None = None, *, do: str = ""
) -> RuleError:
    """An error of a policy's text, with OPA's name for its sort."""
    where = f"{file}:{place.line}:{place.column}" if place else file
    return RuleError(f"{code}: {what}", where=where, do=do)


def show_path(path: tuple[str, ...]) -> str:
    return ".".join(("data", *path))


def children(term: Term) -> Iterator[Term]:
    """The terms right inside of a term; not into closures."""
    if isinstance(term, Items | Members):
        yield from term.items
    elif isinstance(term, Pairs):
        for name, value in term.pairs:
            yield name
            yield value
    elif isinstance(term, Path):
        yield term.head
        yield from term.keys


def operands(operation: Operation) -> Iterator[Term]:
    """The terms of an operation; of ``every`` only its domain."""
    if isinstance(operation, Test):
        yield operation.term
    elif isinstance(operation, Equal):
        yield operation.left
        yield operation.right
    elif isinstance(operation, Invoke):
        yield from operation.arguments
        if operation.out is not None:
            yield operation.out
    else:
        yield operation.domain


def locals_of(term: Term) -> Iterator[str]:
    """Names of the variables in a term, not in its closures."""
    if isinstance(term, Local):
        yield term.name
    else:
        for child in children(term):
            yield from locals_of(child)
