"""All rules over one event: order, sources, faults, threads."""

from __future__ import annotations

import threading
from typing import Any

import msgspec
import pytest

from haechi.engines.falco import tree
from haechi.engines.falco.engine import SOURCES, Engine
from haechi.engines.falco.parse import parse_condition
from haechi.engines.falco.ruleset import At, Rule
from haechi.errors import ConditionError
from haechi.model.event import Event


def rule(name: str, condition: str, source: str = "syscall", *, enabled: bool = True) -> Rule:
    node = parse_condition(condition)
    return Rule(name=name, condition=node, bare=node, text=condition, output="x",
                priority="notice", at=At(file="t"), source=source, enabled=enabled)  # fmt: skip


def event(
    fields: dict[str, Any] | None = None, *, source: str = "sensor", type: str = "execve"
) -> Event:
    known = {"proc.name": "sh", **(fields or {})}
    return Event(id="1", ts_ns=1, source=source, type=type, fields=known)


def names(engine: Engine, one: Event) -> list[str]:
    return [found.name for found in engine.judge(one)]


def test_rules_come_in_load_order_and_disabled_ones_never() -> None:
    engine = Engine(
        [
            rule("slow", "proc.cmdline regex .* or proc.name = sh"),
            rule("off", "proc.name = sh", enabled=False),
            rule("fast", "proc.name in (sh, bash)"),
            rule("other", "proc.name = cat"),
            rule("always", "evt.num >= 0"),
        ]
    )
    assert names(engine, event()) == ["slow", "fast", "always"]
    assert [found.name for found in engine.rules] == ["slow", "fast", "other", "always"]


@pytest.mark.parametrize(("origin", "source"), sorted(SOURCES.items()))
def test_an_event_is_judged_by_the_rules_of_its_source(origin: str, source: str) -> None:
    engine = Engine([rule(of, "evt.type = x", of) for of in sorted(set(SOURCES.values()))])
    assert names(engine, event(source=origin, type="x")) == [source]


@pytest.mark.parametrize("origin", ["falco", "haechi", "", "unknown"])
def test_events_of_other_sources_are_not_judged(origin: str) -> None:
    assert Engine([rule("a", "evt.num >= 0")]).judge(event(source=origin)) == ()


def test_an_engine_without_rules_judges_nothing() -> None:
    assert Engine([]).judge(event()) == ()


def test_what_cannot_be_compiled_is_told_with_the_rule() -> None:
    with pytest.raises(ConditionError, match=r"rule 'bad': .*nonexistent field proc\.nope"):
        Engine([rule("good", "proc.name = a"), rule("bad", "proc.nope = a")])


class Explosive:
    """A value whose use fails, as a fault of ours would."""

    def __str__(self) -> str:
        raise ZeroDivisionError


def test_a_fault_in_one_rule_takes_no_other_rule_along(caplog: pytest.LogCaptureFixture) -> None:
    engine = Engine(
        [
            rule("first", "proc.name = sh"),
            rule("faulty", "fd.num = 1 and proc.env[A] startswith x and proc.cwd startswith /"),
            rule("last", "proc.name startswith s"),
        ]
    )
    one = event({"proc.env": Explosive(), "fd.num": 1})
    assert names(engine, one) == ["first", "last"]
    assert engine.faults["faulty"] >= 1
    assert names(engine, one) == ["first", "last"]
    assert sum("faulty" in record.getMessage() for record in caplog.records) == 1
    assert names(engine, event({"proc.env": "A=x", "fd.num": 1, "proc.cwd": "/"})) == [
        "first", "faulty", "last",
    ]  # fmt: skip


def test_a_fault_of_the_code_alone_falls_back_to_the_tree(monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Engine([rule("a", "proc.name = sh")])

    def broken(event: Event) -> None:
        raise KeyError("x")

    engine.warm()
    judges = engine._of["syscall"].judges
    for kind in list(judges):
        monkeypatch.setitem(judges, kind, broken)
    assert names(engine, event()) == ["a"]
    assert engine.faults == {"": 1}


def test_rules_that_no_code_can_be_made_for_are_walked(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fails(*_: object) -> None:
        raise ValueError("too much")

    monkeypatch.setattr("haechi.engines.falco.engine.compile_judge", fails)
    engine = Engine(
        [rule("a", "proc.name = sh"), rule("b", "proc.name = no"), rule("c", "evt.type = execve")]
    )
    assert names(engine, event()) == ["a", "c"]
    assert "no code can be made" in caplog.text


@pytest.mark.parametrize("index", ["2", "02", "002", "0002", "0000000002"])
def test_an_index_is_a_number_however_it_is_written(index: str) -> None:
    one = rule("a", f"evt.type = execve and proc.aname[{index}] = c")
    at = event({"proc.aname": ["a", "b", "c"]})
    assert names(Engine([one]), at) == ["a"]
    assert tree.holds(one.condition, at)


@pytest.mark.parametrize("index", ["3", "1000", "9999999999", "00000000002", "9" * 5_000])
def test_an_index_beyond_the_line_is_missing(index: str) -> None:
    one = rule("a", f"evt.type = execve and proc.aname[{index}] exists")
    at = event({"proc.aname": ["a", "b", "c"]})
    assert names(Engine([one]), at) == []
    assert not tree.holds(one.condition, at)


def test_invented_types_share_one_function() -> None:
    engine = Engine([rule("a", "evt.type = execve and proc.name = sh"), rule("b", "fd.num = 1")])
    for number in range(50):
        assert names(engine, event({"fd.num": 1}, type=f"made-up-{number}")) == ["b"]
    assert names(engine, event()) == ["a"]
    assert len(engine._of["syscall"].judges) <= 2


def test_threads_may_share_an_engine() -> None:
    engine = Engine([rule(f"r{n}", f"evt.type = t{n} and proc.name = sh") for n in range(20)])
    wrong: list[str] = []

    def judge() -> None:
        found = {f"r{n}": names(engine, event(type=f"t{n}")) for n in range(20)}
        wrong.extend(name for name, hits in found.items() if hits != [name])

    threads = [threading.Thread(target=judge) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


def test_an_event_that_went_through_json_is_judged_alike() -> None:
    engine = Engine([rule("a", "proc.name = sh and proc.aname in (sshd)")])
    one = event({"proc.aname": ["sh", "sshd"]})
    again = msgspec.json.decode(msgspec.json.encode(one), type=Event)
    assert names(engine, again) == names(engine, one) == ["a"]
    assert tree.holds(engine.rules[0].condition, again)
