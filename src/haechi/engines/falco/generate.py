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

from haechi.engines.falco import generate_checks, tree
from haechi.engines.falco.generate_checks import Names
from haechi.engines.falco.generate_nodes import OTHER, Part, Parts, Slot
from haechi.engines.falco.ruleset import Rule
from haechi.model.event import Event

WIDE = 60
"""Parts in one expression; more become functions."""
DEEP = 8
"""Levels of an expression; more become functions."""
HUGE = 50_000
"""Tests in one rule; beyond that it is walked as a tree."""
SHARED = 3
"""Tests from which on a part that occurs twice is worth remembering."""
_LEVELS = 24
"""Branches inside each other."""

Judge = Callable[[Event], "list[int] | None"]
"""Gives the numbers of the rules that hold, in any order, or None."""


def rank(part: Part) -> float:
    """Low for a test that is cheap and mostly false: what to ask first."""
    return part.cost / max(1e-6, 1 - part.share)


def conjuncts(part: Part) -> tuple[Part, ...]:
    return part.parts if part.op == "and" else (part,)


class Generator:
    """Makes the code for one type."""

    def __init__(self, parts: Parts, source: str) -> None:
        self.parts = parts
        self.source = source
        self.names = Names()
        self.lines: list[str] = []
        self.shared: dict[Part, str] = {}
        self._body: list[str] = []
        self._counts: dict[Part, int] = {}

    def text(self, rules: Sequence[tuple[int, Part]]) -> str:
        """The source; ``names.space`` is what it runs in."""
        self._count(part for _, part in rules)
        out: list[str] = []
        self._branch([(n, frozenset(conjuncts(p))) for n, p in rules], frozenset(), 1, out)
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

    # -- branches -------------------------------------------------------------------------

    def _branch(
        self,
        rules: list[tuple[int, frozenset[Part]]],
        read: frozenset[Slot],
        depth: int,
        out: list[str],
    ) -> None:
        """Code for rules of which the conjuncts left are given; ``read`` slots are in variables."""
        pad = " " * depth
        single: list[tuple[int, frozenset[Part]]] = []
        while rules:
            common = self._common(rules) if depth < _LEVELS else None
            if common is None:
                single += rules
                break
            under = [(n, left - {common}) for n, left in rules if common in left]
            rules = [(n, left) for n, left in rules if common not in left]
            now = self._read(common, read, pad, out)
            out.append(f"{pad}if {self.expression(common)}:")
            # what was read above stays readable: the branch comes after it
            self._branch(under, now, depth + 1, out)
            read = now
        self._singles(single, read, depth, out)

    def _common(self, rules: list[tuple[int, frozenset[Part]]]) -> Part | None:
        """The conjunct under which most rules stand."""
        counts: dict[Part, int] = {}
        for _, left in rules:
            for part in left:
                counts[part] = counts.get(part, 0) + 1
        best = None
        best_gain = 0.0
        for part, count in counts.items():
            # a test that is nearly always true saves nothing by being asked first
            gain = (count - 1) * (1 - part.share) / (1 + 0.02 * part.cost)
            if (
                count > 1
                and part.share < 0.9
                and (gain, -part.number)
                > (
                    best_gain,
                    -best.number if best else 0,
                )
            ):
                best, best_gain = part, gain
        return best

    def _singles(
        self,
        rules: list[tuple[int, frozenset[Part]]],
        read: frozenset[Slot],
        depth: int,
        out: list[str],
    ) -> None:
        pad = " " * depth
        tables: dict[Slot, list[tuple[int, Part, str]]] = {}
        rest: list[tuple[int, Part, str]] = []
        for number, left in rules:
            if not left:
                out.append(f"{pad}hits = [{number}] if hits is None else [*hits, {number}]")
                continue
            first, function = self._alone(number, left)
            if first.kind == "in" and first.slot is not None and not first.slot.shape.many:
                tables.setdefault(first.slot, []).append((number, first, function))
            else:
                rest.append((number, first, function))
        for slot, found in tables.items():
            if len(found) < 3:
                rest += found
            else:
                read = self._table(slot, found, read, pad, out)
        for number, first, function in rest:
            read = self._read(first, read, pad, out)
            call = f" and {function}(e, get, m)" if function else ""
            out.append(f"{pad}if {self.expression(first)}{call}:")
            out.append(f"{pad} hits = [{number}] if hits is None else [*hits, {number}]")

    def _alone(self, number: int, left: frozenset[Part]) -> tuple[Part, str]:
        """The test to ask first (a part of the rule, or something that follows from it), and the
        name of the function that asks the rest."""
        ordered = sorted(left, key=lambda part: (rank(part), part.number))
        first = ordered[0]
        for part in ordered:
            for implied in self._implied(part):
                if rank(implied) < rank(first):
                    first = implied
        rest = [part for part in ordered if part is not first]
        return first, self._function(f"r{number}", rest) if rest else ""

    def _implied(self, part: Part) -> list[Part]:
        """Tests of one field that must hold when the part does."""
        if part.op == "and":
            return [found for one in part.parts for found in self._implied(one)]
        if part.op == "or" and part.weight < 400:
            return self._implied_by_all(part.parts)
        return [part] if part.op == "leaf" and part.slot is not None else []

    def _implied_by_all(self, parts: Sequence[Part]) -> list[Part]:
        """What every branch of a disjunction asks of one and the same field, widened."""
        found: list[dict[tuple[str, Slot], Part]] = []
        for part in parts:
            mine: dict[tuple[str, Slot], Part] = {}
            for leaf in self._implied(part):
                if leaf.slot is None or leaf.slot.shape.many or leaf.slot.shape.spread:
                    continue
                if leaf.kind in ("in", "starts"):
                    mine.setdefault((leaf.kind, leaf.slot), leaf)
                # one of these texts is also a beginning with one of them
                if leaf.kind == "in" and leaf.values and isinstance(leaf.values[0], str):
                    begins = self.parts.leaf("starts", leaf.slot, leaf.values)
                    mine.setdefault(("starts", leaf.slot), begins)
            found.append(mine)
        keys = set(found[0]).intersection(*found[1:]) if found else set()
        return [
            self.parts.leaf(kind, slot, tuple(v for m in found for v in m[(kind, slot)].values))
            for kind, slot in sorted(keys, key=lambda key: (key[0], key[1].number))
        ]

    def _table(
        self,
        slot: Slot,
        found: list[tuple[int, Part, str]],
        read: frozenset[Slot],
        pad: str,
        out: list[str],
    ) -> frozenset[Slot]:
        """Rules whose first test asks one field for one of some values: one look-up for all."""
        table: dict[Any, tuple[tuple[int, str], ...]] = {}
        for number, first, function in found:
            name = function or self._function(f"r{number}", [])
            for value in first.values:
                table[value] = (*table.get(value, ()), (number, name))
        read = self._read(found[0][1], read, pad, out)
        known = self.names.constant(_Later(table))
        out.append(f"{pad}for n, r in {known}.get(v{slot.number}, ()):")
        out.append(f"{pad} if r(e, get, m): hits = [n] if hits is None else [*hits, n]")
        return read

    # -- functions and expressions ----------------------------------------------------------

    def _function(self, name: str, parts: Sequence[Part]) -> str:
        """A function that says whether all the parts hold, asked in this order."""
        out = [f"def {name}(e, get, m):"]
        read: frozenset[Slot] = frozenset()
        for part in parts:
            read = self._read(part, read, " ", out)
            out.append(f" if not {self.expression(part)}: return False")
        self.lines += [*out, " return True"]
        return name

    def _read(self, part: Part, read: frozenset[Slot], pad: str, out: list[str]) -> frozenset[Slot]:
        """Read what the expression of the part needs and no variable holds yet."""
        needed = sorted(self._needs(part) - read, key=lambda slot: slot.number)
        for slot in needed:
            out.extend(pad + line for line in generate_checks.reading(slot, self.names))
        return read.union(needed)

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
        return part.weight >= SHARED and self._counts.get(part, 0) > 1

    def expression(self, part: Part, depth: int = 0) -> str:
        """The part as an expression; ``_read`` was asked for it before."""
        if part.op in ("true", "false"):
            return "True" if part.op == "true" else "False"
        if self._apart(part, depth):
            return f"{self._part(part)}(e, get, m)"
        if part.op == "leaf":
            return generate_checks.testing(part, self.names, self.source)
        inner = [self.expression(one, depth + 1) for one in _ordered(part)]
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
        for one in _ordered(part):
            read = self._read(one, read, " ", out)
            test = self.expression(one)
            out.append(f" if {'' if stop else 'not '}{test}:")
            out.append(f"  m[{-1 - part.number}] = {stop}")
            out.append(f"  return {stop}")
        self.lines += [*out, f" m[{-1 - part.number}] = {not stop}", f" return {not stop}"]
        return name


def _ordered(part: Part) -> list[Part]:
    """Children, what decides soonest first."""
    if part.op == "or":
        return sorted(part.parts, key=lambda one: (one.cost / max(1e-6, one.share), one.number))
    return sorted(part.parts, key=lambda one: (rank(one), one.number))


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
    return _with_large(judge, large, parts.source) if large else judge


def _run(parts: Parts, rules: list[tuple[int, Part]], type: str) -> Judge:
    if not rules:
        return _never
    generator = Generator(parts, parts.source)
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


def _with_large(judge: Judge, large: list[tuple[int, Rule]], source: str) -> Judge:
    def both(event: Event) -> list[int] | None:
        hits = judge(event) or []
        walked = [n for n, rule in large if tree.holds(rule.condition, event, source)]
        return hits + walked or None

    return both
