"""Python code for all rules over events of one type.

The shape of what is made for ``openat``::

    def judge(e):
        get = e.fields.get; m = {}; hits = None
        v0 = get(c1)                      # fd.typechar
        if v0 == c2:                      # shared by 24 rules: asked once
            v1 = get(c3)
            for r, n in c4(v1, c5): …     # rules whose first test is a set of names: a look-up
            if v1 is not None and v1.startswith(c6) and r7(e, get, m): hits = … 7
        return hits

Conditions are conjunctions; a conjunct that several rules share becomes a branch under which they
stand, recursively. Within a branch each rule is tried by its most telling test first, and only
then by a function of its own that goes through the rest, cheapest first. Larger parts that occur
in several rules are functions whose answer is kept for the event (``m``).

Size is bounded: a part that is too wide or too deep becomes functions of its own, and a rule of
absurd size is judged by the tree walker.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from haechi.engines.falco import tree
from haechi.engines.falco.generate_checks import Names, testing
from haechi.engines.falco.generate_nodes import OTHER, Part, Parts, Slot
from haechi.engines.falco.generate_plan import Rest, Step, Table, Test, ordered, plan
from haechi.engines.falco.generate_reads import reading
from haechi.engines.falco.ruleset import Rule
from haechi.model.event import Event

WIDE = 60
"""Parts in one expression; more become functions."""
DEEP = 8
"""Levels of an expression; more become functions."""
HUGE = 50_000
"""Tests in one rule; beyond that it is walked as a tree."""
SHARED = 12
"""Tests from which on a part that occurs twice is worth remembering …"""
DEAR = 6.0
"""… or the cost of asking it."""

Judge = Callable[[Event], "list[int] | None"]
"""Gives the numbers of the rules that hold, in any order, or None."""


class Generator:
    """Makes the code for one type."""

    def __init__(self, parts: Parts, type: str) -> None:
        self.parts = parts
        self.type = type
        self.names = Names()
        self.lines: list[str] = []
        self.shared: dict[Part, str] = {}
        self._counts: dict[Part, int] = {}

    def text(self, rules: Sequence[tuple[int, Part]]) -> str:
        """The source; ``names.space`` is what it runs in."""
        self._count(part for _, part in rules)
        out: list[str] = []
        self._block(plan(self.parts, rules), frozenset(), 1, out)
        head = ["def judge(e):", " get = e.fields.get", " m = {}", " hits = None"]
        return "\n".join([*self.lines, *head, *out, " return hits", ""])

    def _count(self, parts: Iterable[Part]) -> None:
        """How many parents each part has."""
        seen: set[Part] = set()
        todo = list(parts)
        for part in todo:
            self._counts[part] = self._counts.get(part, 0) + 1
        while todo:
            part = todo.pop()
            if part in seen:
                continue
            seen.add(part)
            for child in part.parts:
                self._counts[child] = self._counts.get(child, 0) + 1
                todo.append(child)

    # -- blocks ---------------------------------------------------------------------------

    def _block(
        self, steps: Sequence[Step], read: frozenset[Slot], depth: int, out: list[str]
    ) -> None:
        """Code for steps; ``read`` slots are in variables already."""
        pad = " " * depth
        # what will probably be read more than once below is read here
        counts: dict[Slot, float] = {}
        self._reads(steps, read, 1.0, counts)
        often = {slot for slot, count in counts.items() if count > 1.05}
        read = self._read(often, read, pad, out)
        for step in steps:
            if isinstance(step, Rest):
                call = f"if {self._function(step)}(e, get, m): " if step.parts else ""
                out.append(f"{pad}{call}{_hit(str(step.number))}")
                continue
            read = self._read(self._wanted(step), read, pad, out)
            if isinstance(step, Table):
                self._table(step, pad, out)
            else:
                out.append(f"{pad}if {self.expression(step.part)}:")
                self._block(step.then, read, depth + 1, out)

    def _wanted(self, step: Test | Table) -> set[Slot]:
        return {step.slot} if isinstance(step, Table) else self._needs(step.part)

    def _reads(
        self,
        steps: Sequence[Step],
        read: frozenset[Slot],
        likely: float,
        counts: dict[Slot, float],
    ) -> None:
        """How often each slot would be read, were each read where it is first needed."""
        for step in steps:
            if isinstance(step, Rest):
                continue
            wanted = self._wanted(step) - read
            for slot in wanted:
                counts[slot] = counts.get(slot, 0.0) + likely
            read |= wanted
            if isinstance(step, Test):
                self._reads(step.then, read, likely * step.part.share, counts)

    def _table(self, table: Table, pad: str, out: list[str]) -> None:
        found: dict[Any, tuple[tuple[int, str], ...]] = {}
        for lead, rest in table.rules:
            entry = (rest.number, self._function(rest))
            for value in lead.values:
                found[value] = (*found.get(value, ()), entry)
        known = self.names.constant(_Later(found))
        out.append(f"{pad}for n, r in {known}.get(v{table.slot.number}, ()):")
        out.append(f"{pad} if r(e, get, m): {_hit('n')}")

    # -- functions and expressions ----------------------------------------------------------

    def _function(self, rest: Rest) -> str:
        """A function that says whether all the parts hold, asked in this order."""
        name = f"r{rest.number}"
        out = [f"def {name}(e, get, m):"]
        read: frozenset[Slot] = frozenset()
        for part in rest.parts:
            read = self._read(self._needs(part), read, " ", out)
            out.append(f" if not {self.expression(part)}: return False")
        self.lines += [*out, " return True"]
        return name

    def _read(
        self, wanted: set[Slot], read: frozenset[Slot], pad: str, out: list[str]
    ) -> frozenset[Slot]:
        """Read what is wanted and no variable holds yet."""
        for slot in sorted(wanted - read, key=lambda slot: slot.number):
            out.extend(pad + line for line in reading(slot, self.type, self.names))
        return read | wanted

    def _needs(self, part: Part, depth: int = 0) -> set[Slot]:
        if self._apart(part, depth):
            return set()
        if part.slot is not None:
            return {part.slot}
        return {slot for one in part.parts for slot in self._needs(one, depth + 1)}

    def _apart(self, part: Part, depth: int) -> bool:
        """Whether the part is a function of its own rather than part of an expression."""
        if part.op not in ("and", "or"):
            return False
        if len(part.parts) > WIDE or depth >= DEEP:
            return True
        return self._counts.get(part, 0) > 1 and (part.cost >= DEAR or part.weight >= SHARED)

    def expression(self, part: Part, depth: int = 0) -> str:
        """The part as an expression; ``_read`` was asked for it before."""
        if part.op in ("true", "false"):
            return "True" if part.op == "true" else "False"
        if self._apart(part, depth):
            return f"{self._part(part)}(e, get, m)"
        if part.op == "leaf":
            return testing(part, self.names, self.parts.source)
        inner = [self.expression(one, depth + 1) for one in ordered(part)]
        if part.op == "not":
            return f"(not {inner[0]})"
        return "(" + f" {part.op} ".join(inner) + ")"

    def _part(self, part: Part) -> str:
        """The function of a part, made at its first use; its answer is kept for the event."""
        known = self.shared.get(part)
        if known is not None:
            return known
        name = self.shared[part] = f"p{part.number}"
        out = [
            f"def {name}(e, get, m):",
            f" x = m.get({-1 - part.number})",
            " if x is not None: return x",
        ]
        read: frozenset[Slot] = frozenset()
        stop = part.op == "or"
        for one in ordered(part):
            read = self._read(self._needs(one), read, " ", out)
            test = self.expression(one)
            out.append(f" if {'' if stop else 'not '}{test}:")
            out.append(f"  m[{-1 - part.number}] = {stop}")
            out.append(f"  return {stop}")
        self.lines += [*out, f" m[{-1 - part.number}] = {not stop}", f" return {not stop}"]
        return name


def _hit(number: str) -> str:
    return f"hits = [{number}] if hits is None else [*hits, {number}]"


class _Later(dict[Any, Any]):
    """A table whose functions are still names: they are put in once the code has run."""


def compile_judge(parts: Parts, rules: Sequence[tuple[int, Rule]], type: str) -> Judge:
    """The function for one type (``OTHER`` for all that no rule names). Raises ConditionError."""
    made: list[tuple[int, Part]] = []
    large: list[tuple[int, Rule]] = []
    for number, rule in rules:
        part = parts.of(rule.condition, type)
        if part is parts.false:
            continue
        if part.weight > HUGE:
            large.append((number, rule))
        else:
            made.append((number, part))
    judge = _run(parts, made, type)
    return _both(judge, walking(large, parts.source)) if large else judge


def _run(parts: Parts, rules: list[tuple[int, Part]], type: str) -> Judge:
    if not rules:
        return _never
    generator = Generator(parts, type)
    text = generator.text(rules)
    space = generator.names.space
    label = "other" if type == OTHER else "type"
    # the text is made of fixed pieces and numbers; everything from rules is in the namespace
    exec(compile(text, f"<falco {label}>", "exec"), space)  # noqa: S102
    for value in list(space.values()):
        if isinstance(value, _Later):
            for key, found in value.items():
                value[key] = tuple((n, space[name]) for n, name in found)
    judge: Judge = space["judge"]
    return judge


def _never(event: Event) -> None:
    return None


def walking(rules: Sequence[tuple[int, Rule]], source: str) -> Judge:
    """The same answers without code: every rule by its tree."""

    def walk(event: Event) -> list[int] | None:
        return [n for n, rule in rules if tree.holds(rule.condition, event, source)] or None

    return walk


def _both(one: Judge, other: Judge) -> Judge:
    return lambda event: [*(one(event) or ()), *(other(event) or ())] or None
