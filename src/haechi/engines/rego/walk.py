"""Questions about a tree that parser, writer and compiler ask: what is below, how high it is."""

from __future__ import annotations

from collections.abc import Sequence

from haechi.engines.rego.tree import (
    Array,
    Call,
    Module,
    Node,
    Object,
    Place,
    Ref,
    Scalar,
    Set,
    Term,
    Var,
)

HEIGHT_LIMIT = 250
"""Of nodes above each other: what walks a tree by calling itself stays within Python's stack."""
TEMPLATE = ("internal", "template_string")
"""The builtin that a template string is a call of."""


def children(node: Node) -> list[Node]:
    """The nodes right below, in the order of the text."""
    found: list[Node] = []
    for name in node.__struct_fields__:
        value = getattr(node, name)
        if isinstance(value, Node):
            found.append(value)
        elif isinstance(value, tuple) and value:
            _collect(value, found)
    return found


def _collect(values: Sequence[object], found: list[Node]) -> None:
    for value in values:
        if isinstance(value, Node):
            found.append(value)
        elif isinstance(value, tuple):
            _collect(value, found)


def too_high(module: Module) -> Place | None:
    """Where the tree grows over the limit, as a long chain of operators can."""
    level: list[Node] = list(module.rules)
    for _ in range(HEIGHT_LIMIT):
        level = [below for node in level for below in children(node)]
        if not level:
            return None
    return level[0].place


def is_ground(term: Term) -> bool:
    """Holds no variable, apart from the names that references begin with."""
    match term:
        case Scalar():
            return True
        case Var():
            return False
        case Ref():
            return all(map(is_ground, term.path))
        case Array() | Set():
            return all(map(is_ground, term.items))
        case Object():
            return all(is_ground(key) and is_ground(value) for key, value in term.pairs)
        case Call():
            return all(map(is_ground, term.arguments))
        case _:
            return False


def is_constant(term: Term) -> bool:
    """May be the value of a default rule: no variable, reference or call outside of bodies."""
    match term:
        case Var() | Ref():
            return False
        case Call():
            return term.function == TEMPLATE and all(
                isinstance(part, Scalar) for one in term.arguments for part in children(one)
            )
        case Array() | Set():
            return all(map(is_constant, term.items))
        case Object():
            return all(is_constant(key) and is_constant(value) for key, value in term.pairs)
        case _:
            return True
