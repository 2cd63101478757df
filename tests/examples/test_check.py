"""The attack beside the sensor, for real: every promised detection, within a second of its step."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from examples import attack, check
from haechi.errors import SensorError

ROOT = Path(__file__).parents[2]
STEPS = ("read-shadow", "reverse-shell", "memfd-program", "container-shell", "encoded-command")
"""A few kinds of event; ``./dev attack`` does all 21 in some 15 seconds."""


@pytest.fixture(scope="module")
def possible() -> None:
    """Skips where no sensor of the kernel's can run."""
    if os.geteuid() != 0:
        pytest.skip("the attack and the sensor need root")
    from haechi.world.sensor.ebpf import Ebpf

    try:
        Ebpf(watch=[], syscalls=frozenset({"setuid"})).close()
    except SensorError as error:
        pytest.skip(f"eBPF cannot run here: {error.explain()}")


def run(*words: str) -> subprocess.CompletedProcess[str]:
    """The check, as ``./dev attack`` runs it."""
    return subprocess.run(
        [sys.executable, "-m", "examples.check", *words],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"},
        capture_output=True,
        text=True,
        check=False,
        timeout=90,
    )


@pytest.mark.usefixtures("possible")
def test_the_sensor_tells_of_the_attack_in_time() -> None:
    done = run(*STEPS)
    assert done.returncode == 0, done.stdout + done.stderr
    told = dict(re.findall(r"^(\S+) +detect-\S+ +(\d+) ms$", done.stdout, re.MULTILINE))
    assert tuple(told) == STEPS
    assert max(map(int, told.values())) <= check.IN_TIME_MS


@pytest.mark.usefixtures("possible")
def test_a_live_attack_is_one_incident_of_its_workload_with_a_plan() -> None:
    done = run("--server", "read-shadow", "reverse-shell", "miner")
    lines = done.stdout.splitlines()
    # The sensor watches the whole machine: what runs beside this test may have its own incident.
    incidents = [line for line in lines if re.match("incident .* Deployment shop/cart$", line)]
    assert len(incidents) == 1, done.stdout + done.stderr
    assert "  critical  " in incidents[0]
    assert "in no incident" not in done.stdout
    assert any(line.startswith("  recommended  isolate_workload") for line in lines)


def test_steps_that_are_not_there_are_named() -> None:
    done = run("no-such-step")
    assert done.returncode == 2
    assert "there is no step no-such-step" in done.stderr
    assert attack.STEPS[0].name in done.stderr


def test_the_time_to_an_alert_is_that_of_the_first_after_the_step() -> None:
    alerts = [
        (1_000_000, {"rule": "r"}),
        (7_000_000, {"rule": "other"}),
        (9_000_000, {"rule": "r"}),
        (12_000_000, {"rule": "r"}),
    ]
    assert check.first_after(alerts, "r", 5_000_000) == 4.0
    assert check.first_after(alerts, "r", 13_000_000) is None
