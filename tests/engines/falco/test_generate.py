"""Generated code says what the tree walker says, and holds nothing of a rule's text."""

from __future__ import annotations

from itertools import islice

import pytest
from bench.diff_falco import compared, near_misses, random_rounds, rule_of
from bench.falco_cases import Cases
from hypothesis import given
from hypothesis import strategies as st

from haechi.engines.falco import tree
from haechi.engines.falco.engine import Engine
from haechi.engines.falco.generate import Generator
from haechi.engines.falco.generate_nodes import OTHER, Parts, types_named
from haechi.engines.falco.parse import parse_condition
from haechi.engines.falco.syntax import And, Check, Field, Node, Not, Or, Text, Values
from haechi.model.event import Event

CASES = 2_000


def event(type: str = "openat", **fields: object) -> Event:
    named = {name.replace("__", "."): value for name, value in fields.items()}
    return Event(id="1", ts_ns=1, source="sensor", type=type, fields=named)


def test_two_thousand_random_cases_are_judged_as_the_tree_walker_judges_them() -> None:
    done = held = 0
    for place, engine, one in random_rounds(seed=1_000_000):
        count, holding, wrong = compared(engine, one)
        assert not wrong, place
        done += count
        held += holding
        if done >= CASES:
            break
    assert CASES / 10 < held < CASES * 9 / 10  # neither side is empty


@pytest.mark.parametrize("seed", range(5))
def test_events_close_to_a_rule_are_judged_alike(seed: int) -> None:
    cases = Cases(seed)
    rules = [rule_of(n, cases.condition(5)) for n in range(12)]
    engine = Engine(rules)
    for rule in rules:
        for one in near_misses(rule, cases.random, cases.event()):
            assert compared(engine, one)[2] == []


def source_of(*conditions: str, type: str = "openat") -> str:
    parts = Parts("syscall")
    made = [(n, parts.of(parse_condition(text), type)) for n, text in enumerate(conditions)]
    return Generator(parts, type).text([(n, p) for n, p in made if p is not parts.false])


def test_the_code_holds_no_text_of_a_rule() -> None:
    hostile = """'''"); import os #{x}\n\\"""
    node: Node = Check(left=Field(name="proc.name"), op="=", right=Text(value=hostile))
    named: Node = Check(left=Field(name="proc.env", arg=hostile), op="contains",
                        right=Text(value=hostile))  # fmt: skip
    parts = Parts("syscall")
    text = Generator(parts, "openat").text([(0, parts.of(And(parts=(node, named)), "openat"))])
    assert "import" not in text
    assert set(text) <= set("abcdefghijklmnopqrstuvwxyzTFN_0123456789 \n()[]{}:.,=<>*+-")
    one = event(proc__name=hostile, proc__env={hostile: "x" + hostile})
    assert [r.name for r in Engine([rule_of(7, And(parts=(node, named)))]).judge(one)] == ["rule 7"]


def test_tests_of_the_type_are_decided_before_any_event() -> None:
    condition = "evt.type in (open, openat) and proc.name = a"
    assert "e.type" not in source_of(condition)
    parts = Parts("syscall")
    assert parts.of(parse_condition(condition), "execve") is parts.false
    assert parts.of(parse_condition("evt.type != execve or fd.num = 1"), OTHER) is parts.true
    assert parts.of(parse_condition("evt.num >= 0 and evt.dir = <"), "open") is parts.true


def test_types_that_no_rule_names_are_still_asked_by_other_operators() -> None:
    engine = Engine([rule_of(0, parse_condition("evt.type startswith memfd"))])
    assert engine.judge(event("memfd_create"))
    assert not engine.judge(event("open"))


def test_what_rules_share_is_asked_once() -> None:
    shared = "evt.type = openat and fd.typechar = f and fd.num >= 0 and "
    text = source_of(*(f"{shared} fd.name startswith /{letter}" for letter in "abcdef"))
    assert text.count(">=") == 1


def test_equal_parts_are_one_and_tests_of_a_field_are_merged() -> None:
    parts = Parts("syscall")
    one = parts.of(parse_condition("proc.name = a or proc.name in (b, a)"), "open")
    other = parts.of(parse_condition("proc.name in (b, a)"), "open")
    assert one is other
    merged = parts.of(parse_condition("fd.name startswith /a or fd.name startswith /ab"), "open")
    assert merged.values == ("/a",)
    apart = parts.of(parse_condition("not proc.name = a and not proc.name = b"), "open")
    assert apart is parts.negated(other)
    assert parts.of(parse_condition("proc.name = a and not proc.name = a"), "open") is parts.false


def test_rules_led_by_one_field_are_found_by_one_look_up() -> None:
    names = [f"n{number}" for number in range(40)]
    conditions = [f"proc.name = {name} and fd.num != 7" for name in names]
    assert "for n, r in" in source_of(*conditions)
    engine = Engine([rule_of(n, parse_condition(text)) for n, text in enumerate(conditions)])
    for number, name in enumerate(names):
        hits = engine.judge(event(proc__name=name, fd__num=1))
        assert [rule.name for rule in hits] == [f"rule {number}"]


@pytest.mark.parametrize("count", [1, 5, 6, 200])
def test_many_prefixes_and_suffixes(count: int) -> None:
    texts = tuple(Text(value=f"/dir{number}/x") for number in range(count))
    for op in ("startswith", "endswith"):
        node = Check(left=Field(name="fd.name"), op=op, modifier="", right=texts[0])
        many: Node = Or(parts=(node, *(
            Check(left=Field(name="fd.name"), op=op, right=text) for text in texts
        )))  # fmt: skip
        engine = Engine([rule_of(0, many)])
        for name in (f"/dir{count - 1}/x", "/dir0/x/dir0/x", "/dir0", "", "x", None, 5):
            one = event(fd__name=name)
            assert bool(engine.judge(one)) is tree.holds(many, one)


def test_wide_and_deep_conditions_become_functions() -> None:
    wide: Node = Or(parts=tuple(
        And(parts=(
            Check(left=Field(name="proc.name"), op="=", right=Text(value=f"a{number}")),
            Check(left=Field(name="fd.num"), op=">", right=Text(value=str(number))),
        ))
        for number in range(3_000)
    ))  # fmt: skip
    deep: Node = Check(left=Field(name="fd.num"), op=">", right=Text(value="1"))
    for number in range(60):
        more = Check(left=Field(name="fd.num"), op="!=", right=Text(value=str(number)))
        deep = And(parts=(more, Or(parts=(more, Not(part=And(parts=(deep, more)))))))
    engine = Engine([rule_of(0, wide), rule_of(1, deep)])
    for number in (0, 2, 59, 2_999, 5_000):
        one = event(proc__name=f"a{number - 1}", fd__num=number)
        walked = [r.name for r in engine.rules if tree.holds(r.condition, one)]
        assert [rule.name for rule in engine.judge(one)] == walked
    assert not engine.faults


def test_types_are_named_wherever_they_stand() -> None:
    node = parse_condition("not (evt.type = a or evt.type in (b, c)) and evt.type != d")
    assert types_named(node) == {"a", "b", "c", "d"}


@given(st.text(max_size=12), st.text(max_size=12))
def test_any_text_may_be_a_constant(constant: str, value: str) -> None:
    ops = ("=", "!=", "contains", "startswith", "endswith", "icontains", "glob", "in", "pmatch")
    one = event(proc__name=value)
    for op in ops:
        text = Text(value=constant)
        right = Values(values=(text, Text(value="z"))) if op in ("in", "pmatch") else text
        node = Check(left=Field(name="proc.name"), op=op, right=right)
        engine = Engine([rule_of(0, node)])
        assert bool(engine.judge(one)) is tree.holds(node, one)
        assert not engine.faults


def test_the_cases_are_the_same_at_every_run() -> None:
    first = [place for place, _, _ in islice(random_rounds(3), 5)]
    one, other = Cases(3), Cases(3)
    assert one.condition() == other.condition()
    assert one.event() == other.event()
    assert first[0] == "seed 3, event 0"
