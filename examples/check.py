"""Does the sensor tell of every step of the attack in time? Sensor and attack together, as root.

    sudo ./dev attack
    sudo ./dev attack memfd-program setuid-copy
    sudo ./dev attack --server                  from the act to the incident (``chain``)

For each step: the time from its beginning to the alert on the sensor's standard output. Exit code
0 when every promised detection came within a second, 1 when not, 2 when it cannot run here.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

from examples import attack
from examples.timing import told

ROOT = Path(__file__).resolve().parents[1]
IN_TIME_MS = 1_000.0
_READY_S, _AFTER_S = 30.0, 2.0
Alerts = list[tuple[int, dict[str, Any]]]


def main(words: Sequence[str]) -> int:
    """Exit code 0 when all held, 1 when something was missing or late, 2 when nothing could run."""
    if "--server" in words:
        from examples import chain

        return chain.main([word for word in words if word != "--server"])
    known = [one.name for one in attack.STEPS]
    strange = [word for word in words if word not in known]
    if strange:
        print(f"check: there is no step {strange[0]}; steps: {', '.join(known)}", file=sys.stderr)
        return 2
    if os.geteuid() != 0:
        print("check: this needs root", file=sys.stderr)
        return 2
    alerts, steps = watched(words)
    if not steps:
        print("check: the sensor or the attack did not run", file=sys.stderr)
        return 2
    failed = told(steps, partial(first_after, alerts), most_ms=IN_TIME_MS, missing="no alert")
    print(f"{len(steps)} steps, {failed} missing or late, {len(alerts)} alerts")
    return 1 if failed else 0


def first_after(alerts: Alerts, name: str, started_ns: int) -> float | None:
    """Milliseconds until the first alert of a rule after a moment."""
    found = [at - started_ns for at, one in alerts if one["rule"] == name and at > started_ns]
    return min(found) / 1e6 if found else None


def watched(words: Sequence[str] = ()) -> tuple[Alerts, list[dict[str, Any]]]:
    """Alerts with the times at which they were read, and what the attack said of its steps."""
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src")}
    alerts: Alerts = []
    ready = threading.Event()
    with subprocess.Popen(
        [sys.executable, "-m", "haechi", "sensor", "--format", "json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd="/",
        env=environment,
        text=True,
    ) as sensor:

        def read_alerts() -> None:
            for line in sensor.stdout or ():
                alerts.append((time.time_ns(), json.loads(line)))

        def read_status() -> None:
            for line in sensor.stderr or ():
                if "watching by" in line:
                    ready.set()

        readers = [threading.Thread(target=one) for one in (read_alerts, read_status)]
        for reader in readers:
            reader.start()
        said = ""
        if ready.wait(_READY_S):
            time.sleep(_AFTER_S)
            command = [sys.executable, attack.__file__, "--json", "--pause", "0.3", *words]
            done = subprocess.run(command, capture_output=True, check=False, text=True, timeout=120)
            said = done.stdout
            time.sleep(_AFTER_S)
        sensor.terminate()
        for reader in readers:
            reader.join()
    return alerts, [json.loads(line) for line in said.splitlines()]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
