"""What cannot hold, and what cannot fail: each claim against many events."""

from __future__ import annotations

import random

import pytest

from haechi.engines.falco import constraint
from haechi.engines.falco.parse import parse_condition
from haechi.engines.falco.satisfy import Fold, folds, named_types, satisfiable
from haechi.engines.falco.syntax import Check
from haechi.engines.falco.tree import holds
from tests.engines.falco.lint_events import TYPES, condition, event

NEVER = (
    "proc.name=a and proc.name=b",
    "proc.name in (a, b) and not proc.name in (b, a, c)",
    "proc.name=a and not proc.name=a",
    "proc.name=a and proc.name!=a",
    "proc.name=abc and not proc.name startswith ab",
    "proc.name startswith ab and proc.name startswith b",
    "proc.name endswith .sh and proc.name endswith .py",
    "proc.cmdline startswith /bin/a and not proc.cmdline contains bin",
    "not proc.name exists and proc.name contains a",
    "proc.aname[2]=a and proc.aname[2]=b",
    "evt.rawres > 3 and evt.rawres < 3",
    "evt.rawres >= 0 and evt.rawres = -1",
    "evt.rawres in (1, 2) and not evt.rawres < 3",
    "fd.sport=80 and fd.sport=0x51",
    "container.privileged=true and container.privileged=false",
    "evt.type=open and evt.type=execve",
    "evt.type=open and evt.dir=>",
    "evt.type=execve and fd.name contains /etc",
    "evt.type=execve and fd.name != /etc",
    "evt.type=execve and fd.num >= 0",
    "evt.type=openat and fd.sip = 10.0.0.1",
    "evt.type=rename and fs.path.name = /etc",
    "evt.type=unlink and evt.arg.flags contains A",
    "evt.type in (execve, connect) and evt.is_open_write=true",
    "proc.name in ()",
    "(proc.name=a or proc.name=b) and (proc.name=c or proc.name=d)",
)
MAYBE = (
    "proc.name=a or proc.name=b",
    "proc.name startswith ab and proc.name startswith abc",
    "fd.ip=10.0.0.1 and fd.ip=10.0.0.2",
    "proc.aname=a and proc.aname=b",
    "fd.port=80 and fd.port=81",
    "evt.type in (open, execve) and fd.name contains /etc",
    "evt.type=openat and fd.name startswith /etc and fd.typechar='f'",
    "evt.type=unlinkat and evt.arg.flags contains A",
    "evt.rawres >= 0 and evt.rawres != 0",
    "evt.rawres > 1 and evt.rawres < 3",
    "not fd.name exists and evt.type=execve",
    "evt.type=some_plugins_own and fd.name=a",
    "evt.type startswith open and fd.sip=10.0.0.1",
    "proc.name=a and not proc.name=b and not fd.name=a",
    "tolower(proc.name)=a and tolower(proc.name)=b",
    "proc.name glob a* and proc.name glob b*",
    "user.uid=-1 and user.uid=4294967295",
)
ALWAYS = (
    "proc.name=a or not proc.name=a",
    "proc.name exists or not proc.name startswith a",
    "evt.type=execve and not fd.ip in (10.0.0.1)",
    "evt.type=execve and not (fd.name=a and proc.name=b)",
    "not (proc.name=a and proc.name=b)",
)


def possible(text: str) -> bool:
    node = parse_condition(text)
    return any(satisfiable(node, fold) for fold in folds(node, "syscall"))


@pytest.mark.parametrize("text", NEVER)
def test_nothing_satisfies_a_contradiction(text: str) -> None:
    assert not possible(text)


@pytest.mark.parametrize("text", MAYBE)
def test_what_may_hold_is_not_called_impossible(text: str) -> None:
    assert possible(text)


@pytest.mark.parametrize("text", ALWAYS)
def test_what_cannot_fail_is_known(text: str) -> None:
    node = parse_condition(text)
    ways = folds(node, "syscall")
    assert ways
    assert not any(satisfiable(node, fold, holds=False) for fold in ways)


@pytest.mark.parametrize("source", ["k8s_audit", "flow", "application"])
def test_presence_is_a_matter_of_system_calls(source: str) -> None:
    node = parse_condition("evt.type=execve and fd.name=a")
    assert any(satisfiable(node, fold) for fold in folds(node, source))


def test_a_long_search_ends_in_maybe() -> None:
    clauses = [f"(proc.aname[{i}]=a or proc.aname[{i + 1}]=b)" for i in range(60)]
    hard = " and ".join([*clauses, "(proc.name=a or proc.name=b)", "(proc.name=c or proc.name=d)"])
    assert isinstance(possible(hard), bool)


def test_a_very_wide_condition_is_searched_in_bounds() -> None:
    wide = " and ".join(f"not (proc.name=a{i} and proc.pname=b{i})" for i in range(1_500))
    assert possible(wide)


def test_many_tests_of_one_field_are_not_compared_with_each_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    text = " and ".join(f"proc.name != a{n}" for n in range(3_000))
    (fold,) = folds(parse_condition(text), "syscall")
    compared: list[int] = []

    def agree(positive: list[Check], negative: list[Check], kind: str) -> bool:
        compared.append(len(positive))
        return True

    monkeypatch.setattr(constraint, "_texts_agree", agree)
    assert satisfiable(parse_condition(text), fold)
    assert len(compared) == max(compared) == constraint.MAX_LITERALS


def test_named_types_are_in_order_and_once() -> None:
    node = parse_condition("evt.type in (open, openat) or (evt.type=open and not evt.type=close)")
    assert named_types(node) == ("open", "openat", "close")


@pytest.mark.parametrize("seed", range(12))
def test_no_event_refutes_a_claim(seed: int) -> None:
    """Of random conditions: where none can hold none does, where none can fail all do."""
    rng = random.Random(seed)  # noqa: S311 - cases, not keys
    claims = 0
    for _ in range(120):
        node = parse_condition(condition(rng))
        for event_type in TYPES:
            fold = Fold("syscall", event_type)
            dead = not satisfiable(node, fold)
            sure = not satisfiable(node, fold, holds=False)
            if not (dead or sure):
                continue
            claims += 1
            for number in range(25):
                happened = event(rng, event_type, node, number)
                assert holds(node, happened) is not dead, (node, happened)
    assert claims > 20


def test_what_is_known_of_a_tree_is_not_said_of_another_one() -> None:
    """Trees that are made and dropped one after the other share their place in memory."""
    fold = Fold("syscall", "execve")
    for _ in range(50):
        assert fold.value(parse_condition("evt.type=execve and evt.type=execve")) is True
        assert fold.value(parse_condition("evt.type=execve and evt.type=openat")) is False
        assert fold.value(parse_condition("evt.type=execve and proc.name=x")) is None
