"""Can a condition hold at all? Three-valued folding by event type, then a search for a way.

``Fold`` says of a resolved tree what is certain at one type of event: a test of ``evt.type``
itself, a field that is never there (false, whatever is compared), one that is always the same,
an empty list. ``satisfiable`` looks for a choice of branches whose tests do not contradict each
other (``constraint``). Both err towards "may hold": an answer of "never" is a proof, an answer
of "maybe" is none. The search gives up after a fixed number of steps, and then says "maybe".
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum

import msgspec

from haechi.engines.falco.constraint import MAX_LITERALS, Literal, consistent, text_test
from haechi.engines.falco.presence import absent, constant
from haechi.engines.falco.syntax import (
    And,
    Check,
    Field,
    Macro,
    Node,
    Not,
    Or,
    Text,
    Transform,
    Values,
    checks_of,
    fields_in,
)

MAX_STEPS = 5_000
MAX_WORK = 300_000
"""Steps of the search, and open choices looked at in all of them."""
OTHER = ""
"""Stands for any event type that the condition does not name."""


class Why(StrEnum):
    """What makes a test certain."""

    TYPE = "type"
    ABSENT = "absent"
    CONSTANT = "constant"
    EMPTY = "empty"


class Dead(msgspec.Struct, frozen=True):
    """A test that cannot hold at an event type, and why."""

    check: Check
    event_type: str
    why: Why
    reason: str


class Fold:
    """What is certain of a tree at events of one type (``OTHER``: of none that it names)."""

    def __init__(self, source: str, event_type: str) -> None:
        self.event_type = event_type
        self._syscall = source == "syscall" and event_type != OTHER
        self._known: dict[int, tuple[Node, bool | None]] = {}

    def value(self, node: Node) -> bool | None:
        """True or False when certain, else None."""
        known = self._known.get(id(node))
        if known is None:
            # the node is kept, too, or another one could have its id later
            known = self._known[id(node)] = (node, self._value(node))
        return known[1]

    def _value(self, node: Node) -> bool | None:
        match node:
            case Not():
                part = self.value(node.part)
                return None if part is None else not part
            case And():
                return _all(self.value(part) for part in node.parts)
            case Or():
                some = _all(_negated(self.value(part)) for part in node.parts)
                return _negated(some)
            case Check():
                return self._leaf(node)[0]
            case Macro():
                return None

    def dead(self, check: Check) -> Dead | None:
        """Why a test is certainly false here, or None."""
        holds, why, reason = self._leaf(check)
        return Dead(check, self.event_type, why, reason) if holds is False else None

    def causes(self, node: Node) -> list[Dead]:
        """The dead tests that make ``node`` certainly false; of several ways the first."""
        match node:
            case Check():
                found = self.dead(node)
                return [found] if found else []
            case And():
                for part in sorted(node.parts, key=self._rank):
                    if self.value(part) is False:
                        return self.causes(part)
                return []
            case Or():
                return [cause for part in node.parts for cause in self.causes(part)]
            case _:
                return []

    def _rank(self, node: Node) -> bool:
        """A mismatch of types explains best, so it comes first."""
        return not (isinstance(node, Check) and _is_type(node.left))

    def _leaf(self, check: Check) -> tuple[bool | None, Why, str]:
        if _is_type(check.left):
            return self._type_test(check), Why.TYPE, f"the event is {self.event_type}"
        if self._syscall:
            for field in fields_of(check):
                reason = absent(field.name, field.arg, self.event_type)
                if reason:
                    return False, Why.ABSENT, reason
            left = check.left
            if isinstance(left, Field) and left.arg is None:
                value = constant(left.name, self.event_type)
                if value is not None:
                    reason = f"{left} is {value!r} at {self.event_type}"
                    return _against(check, value, _COMPARABLE), Why.CONSTANT, reason
        if isinstance(check.right, Values) and not check.right.values and not check.modifier:
            return False, Why.EMPTY, "the list is empty"
        return None, Why.TYPE, ""

    def _type_test(self, check: Check) -> bool | None:
        if self.event_type == OTHER:
            if check.modifier:
                return None
            known = {"=": False, "in": False, "!=": True, "exists": True}
            return known.get(check.op)
        return _against(check, self.event_type)


def _is_type(left: Field | Transform) -> bool:
    return isinstance(left, Field) and left.name == "evt.type" and left.arg is None


_COMPARABLE = frozenset({"true", "false", "<", ">"})
"""The texts with which a constant can be compared without knowing how Falco reads others."""


def _against(check: Check, value: str, known: frozenset[str] | None = None) -> bool | None:
    right = check.right
    if check.op == "exists":
        return True
    if check.modifier:
        return None
    if known is not None and not (isinstance(right, Text) and right.value in known):
        return None
    if check.op == "in" and isinstance(right, Values):
        return value in [text.value for text in right.values]
    return text_test(check.op, value, right.value) if isinstance(right, Text) else None


def _all(values: Iterator[bool | None]) -> bool | None:
    unknown = False
    for value in values:
        if value is False:
            return False
        unknown = unknown or value is None
    return None if unknown else True


def _negated(value: bool | None) -> bool | None:
    return None if value is None else not value


def fields_of(check: Check) -> Iterator[Field]:
    """Every field that a test needs: on its left, and on its right where fields are compared."""
    yield from fields_in(check.left)
    if isinstance(check.right, Field | Transform):
        yield from fields_in(check.right)


def named_types(node: Node) -> tuple[str, ...]:
    """Every event type that a test of ``evt.type`` names, in order."""
    names: dict[str, None] = {}
    for check in checks_of(node):
        if _is_type(check.left):
            if isinstance(check.right, Text):
                names[check.right.value] = None
            elif isinstance(check.right, Values):
                names.update(dict.fromkeys(text.value for text in check.right.values))
    return tuple(names)


def folds(node: Node, source: str) -> list[Fold]:
    """One fold for each event type at which the condition is not certainly false."""
    found = [Fold(source, event_type) for event_type in (*named_types(node), OTHER)]
    return [fold for fold in found if fold.value(node) is not False]


# --- the search ----------------------------------------------------------------------------

_Goal = tuple[Node, bool]


class _State(msgspec.Struct):
    """A way half gone: what was chosen (by field) and which choices are still open."""

    chosen: dict[object, tuple[Literal, ...]]
    choices: list[tuple[_Goal, ...]]


def satisfiable(node: Node, fold: Fold, *, holds: bool = True) -> bool:
    """False only when nothing can make the condition hold (or fail, without ``holds``)."""
    start = _advance(_State({}, []), [(node, holds)], fold)
    if start is None:
        return False
    stack: list[tuple[_State, Iterator[_Goal]]] = []
    state: _State | None = start
    work = 0
    for _ in range(MAX_STEPS):
        if state is not None:
            choices = state.choices
            work += len(choices)
            if not choices or work > MAX_WORK:
                return True
            at = min(range(len(choices)), key=[len(choice) for choice in choices].__getitem__)
            rest = choices[:at] + choices[at + 1 :]
            stack.append((_State(state.chosen, rest), iter(choices[at])))
        if not stack:
            return False
        before, ways = stack[-1]
        goal = next(ways, None)
        if goal is None:
            stack.pop()
            state = None
            continue
        state = _advance(_State(dict(before.chosen), list(before.choices)), [goal], fold)
    return True


def _advance(state: _State, goals: list[_Goal], fold: Fold) -> _State | None:
    """Take every goal that leaves no choice; None when that is a contradiction."""
    while goals:
        node, positive = goals.pop()
        value = fold.value(node)
        if value is not None:
            if value is not positive:
                return None
            continue
        match node:
            case Not():
                goals.append((node.part, not positive))
            case And() | Or():
                if isinstance(node, And) is positive:
                    goals.extend((part, positive) for part in node.parts)
                else:
                    state.choices.append(tuple((part, positive) for part in node.parts))
            case Check():
                before = state.chosen.get(node.left, ())
                if len(before) > MAX_LITERALS:
                    continue  # more are not compared: "maybe"
                literals = (*before, Literal(node, positive))
                if not consistent(literals):
                    return None
                state.chosen[node.left] = literals
            case Macro():
                pass
    return state
