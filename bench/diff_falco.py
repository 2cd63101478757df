"""diff-falco: generated code against the tree walker on a million seeded cases. [CASES] [SEED].

A case is one rule and one event. Three quarters are random conditions over every operator,
modifier, transformer and type, with random events, a good part of them malformed; the rest are
the public rules (where they are here) with random events and with near misses: events made to
pass as many tests of a rule as possible, then changed in one field. Prints minutes; exits 1 when
any case differs or fails.
"""

from __future__ import annotations

import random
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from bench.falco_cases import Cases
from bench.falco_public import SYSCALL, public_rules
from bench.falco_stream import Stream
from haechi.engines.falco import tree
from haechi.engines.falco.engine import Engine
from haechi.engines.falco.ruleset import At, Rule
from haechi.engines.falco.syntax import And, Check, Field, Node, Not, Or, Text, Values
from haechi.model.event import Event

CASES = 1_000_000
RULES = 8
EVENTS = 12


def rule_of(number: int, condition: Node, source: str = "syscall") -> Rule:
    """A rule with nothing but a condition."""
    return Rule(name=f"rule {number}", condition=condition, bare=condition, text="", output="x",
                priority="debug", at=At(file="random"), source=source)  # fmt: skip


def compared(engine: Engine, event: Event) -> tuple[int, int, list[str]]:
    """(cases, how many hold, rules on which the two differ)."""
    got = {rule.name for rule in engine.judge(event)}
    want = {r.name for r in engine.rules if tree.holds(r.condition, event, r.source)}
    wrong = sorted(got ^ want) + [f"fault in {name!r}" for name in engine.faults]
    return len(engine.rules), len(want), wrong


def random_rounds(seed: int) -> Iterator[tuple[str, Engine, Event]]:
    """Random conditions with random events, without end."""
    while True:
        cases = Cases(seed)
        deep = cases.random.randint
        rules = [rule_of(n, cases.condition(deep(0, 5))) for n in range(RULES)]
        engine = Engine(rules)
        for number in range(EVENTS):
            yield f"seed {seed}, event {number}", engine, cases.event(number)
        seed += 1


def near_misses(rule: Rule, draw: random.Random, base: Event) -> Iterator[Event]:
    """An event that passes what tests of the rule it can, and that event with one field changed."""
    fields = dict(base.fields)
    kind = base.type
    for check in _wanted(rule.condition, draw):
        value = _value(check, draw)
        if isinstance(check.left, Field) and value is not None:
            if check.left.name == "evt.type":
                kind = value
            else:
                fields[str(check.left)] = value
    whole = msgspec.structs.replace(base, type=kind, fields=fields)
    yield whole
    changed = draw.choice(sorted(fields))
    without = {name: value for name, value in fields.items() if name != changed}
    yield msgspec.structs.replace(whole, fields=without)
    other = {**fields, changed: draw.choice(("", "zzz", 0, True, None, [], {}))}
    yield msgspec.structs.replace(whole, fields=other)


def _wanted(node: Node, draw: random.Random) -> Iterator[Check]:
    """Checks that together make the condition hold, as far as they stand outside of ``not``."""
    if isinstance(node, And):
        for part in node.parts:
            yield from _wanted(part, draw)
    elif isinstance(node, Or):
        yield from _wanted(draw.choice(node.parts), draw)
    elif isinstance(node, Check):
        yield node
    elif isinstance(node, Not) and draw.random() < 0.2:
        yield from _wanted(node.part, draw)


def _value(check: Check, draw: random.Random) -> Any:
    if isinstance(check.right, Text):
        text = check.right.value
    elif isinstance(check.right, Values) and check.right.values:
        text = draw.choice(check.right.values).value
    else:
        return None
    if check.op in ("contains", "icontains", "endswith"):
        text = "x" + text
    if check.op in ("contains", "icontains", "startswith"):
        text += "y"
    if text.lstrip("-").isdigit():
        number = int(text)
        return number + {">": 1, "<": -1, "!=": 1}.get(check.op, 0)
    return {"true": True, "false": False}.get(text, text)


def public_rounds(seed: int) -> Iterator[tuple[str, Engine, Event]]:
    """The public rules with random events and near misses; nothing when they are not here."""
    rules = public_rules(*SYSCALL)
    if not rules:
        return
    draw = random.Random(seed)  # noqa: S311  (must be repeatable)
    engine = Engine(rules)
    stream, cases = Stream(seed), Cases(seed)
    number = 0
    while True:
        number += 1
        base = cases.event(number) if draw.random() < 0.5 else stream.event(number)
        yield f"public, event {number}", engine, base
        for miss in near_misses(draw.choice(rules), draw, base):
            yield f"public, near miss {number}", engine, miss


def run(rounds: Iterator[tuple[str, Engine, Event]], cases: int) -> tuple[int, int, int]:
    """(cases, holding, differing), each difference printed, up to ten."""
    done = held = wrong = 0
    for place, engine, event in rounds:
        count, holding, names = compared(engine, event)
        done += count
        held += holding
        wrong += len(names)
        if names:
            print(f"{place}: {names}")
        if done >= cases or wrong >= 10:
            break
    return done, held, wrong


def main(argv: Sequence[str] = ()) -> None:
    """Run, print, exit 1 on any difference."""
    cases = int(argv[0]) if argv else CASES
    seed = int(argv[1]) if len(argv) > 1 else 1
    start, used = time.monotonic(), time.process_time()
    total = differing = 0
    for name, rounds, share in (
        ("random conditions", random_rounds(seed), 3),
        ("public rules", public_rounds(seed), 1),
    ):
        done, held, wrong = run(rounds, cases * share // 4)
        total += done
        differing += wrong
        print(f"{name}: {done:,} cases, {held:,} hold, {wrong} differ" if done
              else f"{name}: not here")  # fmt: skip
    minutes = (time.monotonic() - start) / 60
    cpu = (time.process_time() - used) / 60
    print(f"{total:,} cases in {minutes:.1f} minutes ({cpu:.1f} CPU), {differing} differ")
    if differing:
        sys.exit(1)
