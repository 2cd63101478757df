"""In which order to ask: conditions of many rules become one tree of tests.

Rules are conjunctions. A conjunct that several rules share becomes a branch under which they
stand, recursively; what is left of each rule is asked most telling test first. A rule may also be
led by a test that is no part of it but follows from it (every branch of a disjunction asks
``proc.name`` for something: the name is one of those). Rules led by a set of values of one field
are found together, by one look-up.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from haechi.engines.falco.generate_nodes import Part, Parts, Slot

_LEVELS = 20
"""Branches inside each other."""
_LEAD = 3
"""Tests of a rule that stand in the branch itself; the rest is a function."""
_RARE = 0.06
"""A rule whose tests so far hold so seldom may cost a call."""
_DEAR = 8.0
"""Tests that cost more are asked when cheaper ones of the rule have held."""
_TABLE = 3
"""Rules led by one field from which on a table is worth it."""


class Test:
    """``if part:`` and what comes then."""

    __slots__ = ("part", "then")

    def __init__(self, part: Part, then: list[Step]) -> None:
        self.part = part
        self.then = then


class Rest:
    """What is left of a rule: all the parts must hold; none left means that it holds."""

    __slots__ = ("number", "parts")

    def __init__(self, number: int, parts: Sequence[Part]) -> None:
        self.number = number
        self.parts = tuple(parts)


class Table:
    """One field's value leads to rules."""

    __slots__ = ("rules", "slot")

    def __init__(self, slot: Slot) -> None:
        self.slot = slot
        self.rules: list[tuple[Part, Rest]] = []


Step = Test | Rest | Table
Left = tuple[int, frozenset[Part]]
"""A rule's number and the conjuncts that have not been asked yet."""


def rank(part: Part) -> float:
    """Low for a test that is cheap and mostly false: what to ask first in a conjunction."""
    return part.cost / max(1e-6, 1 - part.share)


def ordered(part: Part) -> list[Part]:
    """Children, what decides soonest first."""
    if part.op == "or":
        return sorted(part.parts, key=lambda one: (one.cost / max(1e-6, one.share), one.number))
    return sorted(part.parts, key=lambda one: (rank(one), one.number))


def plan(parts: Parts, rules: Sequence[tuple[int, Part]]) -> list[Step]:
    """The steps for all rules; numbers are what a hit is called."""
    left = [(n, frozenset(p.parts if p.op == "and" else (p,))) for n, p in rules]
    return _branch(parts, left, 0)


def _branch(parts: Parts, rules: list[Left], depth: int) -> list[Step]:
    steps: list[Step] = []
    while rules:
        common = _common(rules) if depth < _LEVELS else None
        if common is None:
            return steps + _singles(parts, rules)
        under = [(n, left - {common}) for n, left in rules if common in left]
        rules = [(n, left) for n, left in rules if common not in left]
        steps.append(Test(common, _branch(parts, under, depth + 1)))
    return steps


def _common(rules: list[Left]) -> Part | None:
    """The conjunct that saves most by being asked once."""
    counts: dict[Part, int] = {}
    for _, left in rules:
        for part in left:
            counts[part] = counts.get(part, 0) + 1
    best: Part | None = None
    best_gain = (0.0, 0)
    for part, count in counts.items():
        # a test that is nearly always true saves nothing by being asked first
        if count < 2 or part.share >= 0.9 or part.cost > _DEAR:
            continue
        gain = ((count - 1) * (1 - part.share) / (1 + 0.02 * part.cost), -part.number)
        if best is None or gain > best_gain:
            best, best_gain = part, gain
    return best


def _singles(parts: Parts, rules: list[Left]) -> list[Step]:
    """Rules that share nothing worth sharing."""
    steps: list[Step] = []
    tables: dict[Slot, Table] = {}
    led: list[tuple[int, list[Part], Part | None]] = []
    for number, left in rules:
        tests = sorted(left, key=lambda part: (rank(part), part.number))
        led.append((number, tests, _lead(parts, tests)))
    for number, tests, lead in led:
        if lead is not None and lead.kind == "in" and lead.slot is not None:
            table = tables.setdefault(lead.slot, Table(lead.slot))
            table.rules.append((lead, Rest(number, [part for part in tests if part is not lead])))
        else:
            steps.append(_chain(number, tests, lead))
    for table in tables.values():
        if len(table.rules) >= _TABLE:
            steps.append(table)
        else:
            steps += [_chain(rest.number, rest.parts, lead) for lead, rest in table.rules]
    return steps


def _lead(parts: Parts, tests: Sequence[Part]) -> Part | None:
    """The most telling test of one field that the rule has or implies."""
    best: Part | None = None
    for part in tests:
        for implied in implications(parts, part):
            if implied.share < 0.3 and (best is None or rank(implied) < rank(best)):
                best = implied
    return best


def _chain(number: int, tests: Sequence[Part], lead: Part | None) -> Step:
    """Tests inside each other until the rest is rare enough for a call."""
    first = [lead] if lead is not None else []
    line = first + [part for part in tests if part is not lead]
    likely = 1.0
    count = 0
    for part in line[:_LEAD]:
        if count and likely < _RARE:
            break
        likely *= part.share
        count += 1
    step: Step = Rest(number, line[count:])
    for part in reversed(line[:count]):
        step = Test(part, [step])
    return step


# -- what follows from a part -----------------------------------------------------------------


def implications(parts: Parts, part: Part) -> list[Part]:
    """Tests of one field that must hold when the part does."""
    if part.op == "and":
        return [found for one in part.parts for found in implications(parts, one)]
    if part.op == "or" and part.weight < 400:
        return _of_all(parts, part.parts)
    return [part] if part.op == "leaf" and part.slot is not None and _single(part.slot) else []


def _single(slot: Slot) -> bool:
    return not slot.shape.many and not slot.shape.spread


def _of_all(parts: Parts, branches: Sequence[Part]) -> list[Part]:
    """What every branch of a disjunction asks of one and the same field, widened."""
    found = [_widened(parts, implications(parts, branch)) for branch in branches]
    keys = set(found[0]).intersection(*found[1:]) if found else set()
    return [
        parts.leaf(kind, slot, tuple(value for mine in found for value in mine[(kind, slot)]))
        for kind, slot in sorted(keys, key=lambda key: (key[0], key[1].number))
    ]


def _widened(parts: Parts, leaves: Sequence[Part]) -> dict[tuple[str, Slot], tuple[Any, ...]]:
    mine: dict[tuple[str, Slot], tuple[Any, ...]] = {}
    for leaf in leaves:
        if leaf.slot is None or leaf.kind not in ("in", "starts"):
            continue
        mine.setdefault((leaf.kind, leaf.slot), leaf.values)
        # one of these texts is also a beginning with one of them
        if leaf.kind == "in" and all(isinstance(value, str) for value in leaf.values):
            mine.setdefault(("starts", leaf.slot), leaf.values)
    return mine
