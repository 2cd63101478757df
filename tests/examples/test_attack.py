"""The example attack: what it promises, and its recording judged by the pack."""

from __future__ import annotations

import json
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import msgspec
import pytest
from examples.record import LARGEST, NODE, POD

from examples import attack
from haechi.engines.falco.engine import Engine
from haechi.model.event import Event
from haechi.runtime.pack import builtin

ROOT = Path(__file__).parents[2]
RECORDING = ROOT / "examples/attack.events.jsonl"


@pytest.fixture(scope="module")
def events() -> list[Event]:
    lines = RECORDING.read_bytes().splitlines()
    return [msgspec.json.decode(line, type=Event) for line in lines]


@pytest.fixture(scope="module")
def detections(events: list[Event]) -> dict[str, list[Event]]:
    engine = Engine(builtin().rules)
    found: dict[str, list[Event]] = defaultdict(list)
    for event in events:
        for rule in engine.judge(event):
            found[rule.id].append(event)
    return found


def promised() -> list[str]:
    return [id_ for step in attack.STEPS for id_ in step.expects]


def test_every_step_promises_rules_that_exist() -> None:
    assert len(attack.STEPS) >= 12
    assert all(step.expects for step in attack.STEPS)
    assert set(promised()) <= {rule.id for rule in builtin().rules}
    assert len(set(promised())) == len(promised())
    assert len({step.name for step in attack.STEPS}) == len(attack.STEPS)


def test_the_manifest_is_told_as_json_and_needs_no_rights() -> None:
    told = subprocess.run(
        [sys.executable, str(ROOT / "examples/attack.py"), "--list"],
        capture_output=True,
        check=True,
        text=True,
    )
    assert [one["expects"] for one in json.loads(told.stdout)] == [
        list(step.expects) for step in attack.STEPS
    ]


def test_a_step_that_does_not_exist_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        attack.main(["no-such-step"])
    assert ended.value.code == 2
    assert "there is no step no-such-step" in capsys.readouterr().err


def test_the_recording_raises_exactly_what_the_steps_promise(
    detections: dict[str, list[Event]],
) -> None:
    assert set(detections) == set(promised())


def test_detections_come_in_the_order_of_the_steps(detections: dict[str, list[Event]]) -> None:
    # Asking the metadata service without a network makes a namespace, too: the last one counts.
    times = [detections[id_][-1].ts_ns for id_ in promised()]
    assert times == sorted(times)


def test_ordinary_commands_before_the_attack_raise_nothing(
    events: list[Event], detections: dict[str, list[Event]]
) -> None:
    ordinary = {"cat /etc/passwd", "id", "ls /etc", "su root -c true", "sh -c umask"}
    seen = {str(event.fields["proc.cmdline"]) for event in events}
    assert ordinary <= seen
    readers = [e for e in events if e.fields.get("fd.name") == "/etc/shadow"]
    assert {str(event.fields["proc.name"]) for event in readers} == {"su", "cat"}
    loud = {str(e.fields["proc.cmdline"]) for found in detections.values() for e in found}
    assert ordinary.isdisjoint(loud)


def test_the_attack_happens_in_a_pod_of_the_shop(detections: dict[str, list[Event]]) -> None:
    loud = [event for found in detections.values() for event in found]
    assert {event.namespace for event in loud} == {"shop"}
    assert {event.fields["k8s.pod.name"] for event in loud} == {POD["k8s.pod.name"]}
    assert all(event.fields["proc.apid"][0] == event.fields["proc.pid"] for event in loud)
    assert {event.fields["proc.apid"][-1] for event in loud} == {1}


def test_the_recording_is_small_and_tells_nothing_about_a_machine(events: list[Event]) -> None:
    assert RECORDING.stat().st_size <= LARGEST
    assert {event.node for event in events} == {NODE}
    text = RECORDING.read_text(encoding="utf-8")
    assert "/work/" not in text
    assert ".pyenv" not in text
    assert str(ROOT) not in text
    assert {str(event.fields.get("user.name")) for event in events} == {"root"}
