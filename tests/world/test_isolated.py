"""Rules of users are judged in a process that is killed when it hangs: with real processes."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from haechi.engines.cel import CelEngine
from haechi.errors import RuleError
from haechi.model.location import AttrPath, Location
from haechi.model.resource import Resource
from haechi.model.review import Review, Verdict
from haechi.model.severity import Severity
from haechi.model.unknown import Unknown
from haechi.rules.schema import AppliesTo, JudgeKind, Rule, Variable
from haechi.world import cel_child
from haechi.world.isolated import IsolatedRules

SLOW_DATA = {"n": 0, "many": list(range(9000)), "far": list(range(10_000, 110_000))}
SLOW = "object.n == 1 || !object.many.all(a, !(a in object.far))"
"""Some ten seconds on SLOW_DATA, within CEL's cap of iterations; at once where n is 1."""


def rule(name: str, expression: str, **more: Any) -> Rule:
    return Rule(
        id=name,
        title=f"title of {name}",
        severity=Severity.LOW,
        why="",
        fix="",
        applies_to=AppliesTo(kinds=["pod"]),
        judge=JudgeKind.CEL,
        bad=["x"],
        good=["x"],
        expression=expression,
        **more,
    )


def review(data: Any, **more: Any) -> Review:
    def locate(path: AttrPath) -> Location:
        return Location(path="x.yaml")

    resource = Resource(key="k8s:-/core/Pod/-/a", kind="Pod", data=data, locate=locate)
    return Review(resource=resource, **more)


def judged(rules: list[Rule], data: list[Any], **more: Any) -> list[list[Verdict]]:
    with IsolatedRules(rules, **more) as isolated:
        return list(isolated.judge([review(one) for one in data]))


def states(verdicts: list[list[Verdict]]) -> list[list[str]]:
    return [[verdict.state.value for verdict in row] for row in verdicts]


def children() -> list[str]:
    """Processes that this one started and did not reap, from /proc."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            fields = (process / "stat").read_text().rpartition(")")[2].split()
            command = (process / "cmdline").read_text()
        except OSError:
            continue
        if fields[1] == str(os.getpid()) and (fields[0] == "Z" or "cel_worker" in command):
            found.append(process.name)
    return found


def judges_by_first_rule(child: cel_child.Child) -> bool:
    try:
        return child._process.returncode is None and child._cell.read()[2] == 0
    except ValueError:  # it ended meanwhile
        return False


@pytest.fixture(autouse=True)
def no_process_or_file_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    threads = threading.active_count()
    yield
    if sys.platform == "linux":
        assert children() == []
    assert threading.active_count() == threads
    assert list(tmp_path.iterdir()) == []


RULES = [
    rule("plain-rule", "object.a == 1", path="spec.a[0]", message_expression="'a: ' + string(1)"),
    rule("odd-rule", "object.b == 1"),
    rule(
        "full-rule",
        "variables.sum == params.sum && request.operation == 'CREATE' && oldObject.a == 3"
        " && namespaceObject.name == 'shop'",
        variables=[Variable(name="sum", expression="object.a + 1")],
    ),
]
ODD: list[Any] = [
    {"a": 1, "b": 1},
    {"a": 2},
    {"a": 1, "u": Unknown("later")},
    {"b": Unknown(), "a": 1},
    {"a": 2**70},
    {"a": "\ud800"},
    {"a": object(), "b": 1},
    {1: 2},
    None,
    [],
    {"a": float("nan"), "b": "해치\0"},
    {"a": [[[[[]]]]]},
]


def test_verdicts_are_those_of_this_process() -> None:
    engine = CelEngine()
    more: dict[str, Any] = {
        "params": {"sum": 2},
        "request": {"operation": "CREATE"},
        "old": {"a": 3},
        "namespace": {"name": "shop"},
    }
    reviews = [review(data, **more) for data in ODD]
    expected = [[engine.prepare(one)(each) for one in RULES] for each in reviews]
    with IsolatedRules(RULES) as isolated:
        assert list(isolated.judge([review(data, **more) for data in ODD])) == expected
        assert isolated.faults == []
    assert {"pass", "fail", "error", "not_evaluated"} == {
        s for row in states(expected) for s in row
    }


def test_each_review_is_judged_by_its_own_rules_in_order() -> None:
    with IsolatedRules(RULES) as isolated:
        verdicts = isolated.judge(
            (review({"a": number, "b": 1}) for number in range(150)),
            lambda one: ["odd-rule", "plain-rule"] if one.resource.data["a"] == 1 else ["odd-rule"],
        )
        rows = [[verdict.rule for verdict in row] for row in verdicts]
    assert rows == [["odd-rule"], ["odd-rule", "plain-rule"]] + [["odd-rule"]] * 148


def test_no_process_starts_without_work() -> None:
    with IsolatedRules(RULES) as isolated:
        assert list(isolated.judge([])) == []
        assert list(isolated.judge([review({})], lambda _: [])) == [[]]
        assert isolated._child is None


def test_faults_of_rules_come_back_and_the_others_run() -> None:
    rules = [rule("bad-rule", "object.a ==\n nope"), rule("good-rule", "object.a == 1")]
    with IsolatedRules(rules) as isolated:
        errors = isolated.errors()
        assert list(errors) == ["bad-rule"]
        assert isinstance(errors["bad-rule"], RuleError)
        assert "line 2, column 2" in errors["bad-rule"].what
        assert "\n" in errors["bad-rule"].why
        [row] = isolated.judge([review({"a": 1})])
        assert states([row]) == [["error", "pass"]]
        assert row[0].message == errors["bad-rule"].what
        assert [(gap.kind, gap.path) for gap in isolated.faults] == [("rule-error", "bad-rule")]


def test_a_slow_rule_is_stopped_and_the_others_go_on() -> None:
    rules = [rule("first-rule", "true"), rule("slow-rule", SLOW), rule("last-rule", "true")]
    fast = {**SLOW_DATA, "n": 1}
    with IsolatedRules(rules, deadline_s=1.5) as isolated:
        rows = list(isolated.judge([review(one) for one in (fast, SLOW_DATA, fast)]))
        assert states(rows) == [["pass", "pass", "pass"], ["pass", "error", "pass"], ["pass"] * 3]
        assert rows[1][1].message == "rule slow-rule did not finish within 1.5 s"
        assert isolated.faults == []

        rows = list(isolated.judge([review(one) for one in (SLOW_DATA, fast)]))
        assert states(rows) == [["pass", "error", "pass"], ["pass", "not_evaluated", "pass"]]
        assert "switched off" in rows[1][1].message
        [gap] = isolated.faults
        assert (gap.kind, gap.path) == ("rule-timeout", "slow-rule")
        assert "did not finish within 1.5 s" in gap.reason


def test_a_rule_that_uses_up_its_time_is_switched_off() -> None:
    data = {"many": list(range(3000)), "far": list(range(10_000, 20_000)), "n": 0}
    rules = [rule("slowish-rule", SLOW), rule("last-rule", "true")]
    with IsolatedRules(rules, deadline_s=20, budget_s=0.05) as isolated:
        rows = list(isolated.judge([review(data)] * 3))
        assert states(rows) == [["fail", "pass"], *[["not_evaluated", "pass"]] * 2]
        assert "more than 0.05 s in all" in isolated.faults[0].reason


def test_memory_is_limited() -> None:
    start = "cel.bind(x0, 'xxxxxxxxxxxxxxxx', "
    binds = "".join(f"cel.bind(x{n}, x{n - 1} + x{n - 1}, " for n in range(1, 28))
    greedy = start + binds + "x27.matches('a*b')" + ")" * 28
    rules = [rule("greedy-rule", greedy), rule("last-rule", "true")]
    with IsolatedRules(rules, memory_bytes=600 * 1024**2) as isolated:
        rows = list(isolated.judge([review({})] * 2))
        assert states(rows) == [["error", "pass"]] * 2


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs POSIX signals")
def test_a_killed_worker_costs_no_verdict() -> None:
    rules = [rule("slow-rule", SLOW), rule("last-rule", "true")]
    quick = {**SLOW_DATA, "far": list(range(10_000, 14_000))}
    with IsolatedRules(rules, deadline_s=30) as isolated:
        killed: list[int] = []

        def kill() -> None:
            while not killed:
                child = isolated._child
                if child is not None and judges_by_first_rule(child):
                    child._process.send_signal(signal.SIGKILL)  # os.kill, unless it is reaped
                    killed.append(child.pid)
                time.sleep(0.001)

        killer = threading.Thread(target=kill)
        killer.start()
        rows = list(isolated.judge([review(quick)] * 2))
        killer.join()
        assert killed
        assert states(rows) == [["fail", "pass"]] * 2
        assert isolated.faults == []


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs POSIX signals")
def test_a_rule_that_ends_every_worker_is_at_fault() -> None:
    rules = [rule("slow-rule", SLOW), rule("last-rule", "true")]
    with IsolatedRules(rules, deadline_s=30) as isolated:
        done = threading.Event()

        def kill() -> None:
            while not done.is_set():
                child = isolated._child
                if child is not None and judges_by_first_rule(child):
                    child._process.send_signal(signal.SIGKILL)
                time.sleep(0.001)

        killer = threading.Thread(target=kill)
        killer.start()
        try:
            rows = list(isolated.judge([review(SLOW_DATA)] * 3))
        finally:
            done.set()
            killer.join()
        assert states(rows) == [["error", "pass"], ["error", "pass"], ["not_evaluated", "pass"]]
        assert "rule slow-rule ended: signal SIGKILL" in rows[0][0].message
        assert [gap.kind for gap in isolated.faults] == ["rule-timeout"]


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="needs POSIX signals")
def test_a_stopped_worker_is_not_waited_for() -> None:
    with IsolatedRules([rule("any-rule", "true")], deadline_s=2) as isolated:
        assert states(list(isolated.judge([review({})]))) == [["pass"]]
        assert isolated._child is not None
        isolated._child._cell.write(0, 0)  # as if it judged
        os.kill(isolated._child.pid, signal.SIGSTOP)
        big = {"text": "x" * 1_000_000}  # more than the pipe holds: the write blocks
        assert states(list(isolated.judge([review(big)]))) == [["error"]]


def test_an_interrupted_run_does_not_mix_up_answers() -> None:
    with IsolatedRules(RULES) as isolated:
        for _ in isolated.judge([review({"a": 1, "b": number}) for number in range(100)]):
            break
        rows = list(isolated.judge([review({"a": 2, "b": 1})], lambda _: ["odd-rule"]))
        assert states(rows) == [["pass"]]


def test_a_resource_too_large_to_hand_over_is_an_error() -> None:
    huge = {"texts": ["x" * 1_000_000] * 17}
    rows = judged([rule("any-rule", "object.a == 1"), rule("free-rule", "true")], [huge, {"a": 1}])
    assert states(rows) == [["error", "pass"], ["pass", "pass"]]
    assert "more than 16 MiB" in rows[0][0].message


def test_without_a_process_nothing_is_evaluated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nonexistent/python")
    with IsolatedRules([rule("any-rule", "true")]) as isolated:
        rows = list(isolated.judge([review({})]))
        assert states(rows) == [["not_evaluated"]]
        assert [gap.kind for gap in isolated.faults] == ["rule-engine"]


def test_a_worker_that_cannot_start_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cel_child, "_environment", lambda: {"PYTHONPATH": "/nonexistent"})
    with IsolatedRules([rule("any-rule", "true")]) as isolated:
        rows = list(isolated.judge([review({})]))
        assert states(rows) == [["not_evaluated"]]
        assert "No module named" in isolated.faults[0].reason


def test_the_scanned_directory_cannot_put_modules_in_its_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trap = tmp_path / "trap"
    trap.mkdir()
    for name in ("msgspec.py", "haechi.py", "sitecustomize.py"):
        (trap / name).write_text("raise SystemExit('trapped')")
    monkeypatch.chdir(trap)
    monkeypatch.setenv("PYTHONPATH", str(trap))
    monkeypatch.setenv("PYTHONSTARTUP", str(trap / "haechi.py"))
    assert states(judged([rule("any-rule", "object.a == 1")], [{"a": 1}])) == [["pass"]]
    for path in trap.iterdir():
        path.unlink()
    trap.rmdir()
