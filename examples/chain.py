"""From the act to the incident: sensor, server and attack together, as root.

    sudo ./dev attack --server

``haechi up --sensor`` runs in a folder of its own and knows the sample cluster. The attack runs
beside it in the control group of that cluster's cart container, and the API is asked what became
of it: for each step the time until its detection stands in an incident, then how many
incidents there are, of which level, and what would be done about them. Exit code 0 when there is
one incident, critical, with every promised rule within two seconds and a plan that was not
applied; 1 when not; 2 when it cannot run here.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from examples import attack
from examples.run import SETTINGS
from examples.timing import told
from haechi.client.http import Client
from haechi.client.settings import Connection

ROOT = Path(__file__).resolve().parents[1]
IN_TIME_MS = 2_000.0
_READY_S, _SETTLES_S, _PLANNED_S, _LOOK_S = 60.0, 4.0, 10.0, 0.1
Seen = dict[str, int]
"""By rule: when (nanoseconds since 1970) an incident was first seen to hold it."""


def main(words: Sequence[str]) -> int:
    """See the module."""
    if os.geteuid() != 0:
        print("chain: this needs root", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="haechi-chain-") as folder, server(Path(folder)) as api:
        if api is None:
            print("chain: the server or its sensor did not start", file=sys.stderr)
            return 2
        with Client(api.url, api.token) as client:
            steps, seen = attacked(client, words)
            incidents, actions = outcome(client)
    if not steps:
        print("chain: the attack did not run", file=sys.stderr)
        return 2
    failed = told(steps, partial(delay_in, seen), most_ms=IN_TIME_MS, missing="in no incident")
    for one in incidents:
        print(
            f"incident {one['id']}  {one['level']}  {one['detections']} detections  {one['title']}"
        )
    for one in actions:
        words = one["why"] if one["state"] == "refused" else one["says"]
        print(f"  {one['state']:<12} {one['kind']:<20} {words}")
    wrong = len(incidents) != 1 or incidents[0]["level"] != "critical" or not actions
    wrong = wrong or any(one["state"] not in ("recommended", "refused") for one in actions)
    count = f"{len(incidents)} incident{'s' * (len(incidents) != 1)}"
    print(f"{len(steps)} steps, {failed} missing or late, {count}")
    return 1 if failed or wrong else 0


def delay_in(seen: Seen, name: str, started_ns: int) -> float | None:
    """Milliseconds until an incident held a rule; less than none: it did before."""
    at = seen.get(name)
    return None if at is None else (at - started_ns) / 1e6


def attacked(client: Client, words: Sequence[str]) -> tuple[list[dict[str, Any]], Seen]:
    """What the attack said of its steps, and when incidents held which rule."""
    command = [
        sys.executable,
        attack.__file__,
        "--json",
        "--in-container",
        "--pause",
        "0.3",
        *words,
    ]
    seen: Seen = {}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as running:
        lines: list[str] = []
        reader = threading.Thread(target=lambda: lines.extend(running.stdout or ()))
        reader.start()
        ends = None
        while ends is None or time.monotonic() < ends:
            for one in listed(client, "/incidents"):
                for rule in one["rules"]:
                    seen.setdefault(rule, time.time_ns())
            time.sleep(_LOOK_S)
            if ends is None and running.poll() is not None:
                ends = time.monotonic() + _SETTLES_S
        reader.join()
    return [json.loads(line) for line in lines], seen


def outcome(client: Client) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """The incidents, and what would be done, once that is planned."""
    ends = time.monotonic() + _PLANNED_S
    while not (actions := listed(client, "/responses")) and time.monotonic() < ends:
        time.sleep(_LOOK_S)
    return listed(client, "/incidents"), actions


def listed(client: Client, path: str) -> list[dict[str, Any]]:
    """The first items of a list."""
    return list(client.request("GET", f"/api/v1{path}")["items"])


@contextmanager
def server(folder: Path) -> Iterator[Connection | None]:
    """``haechi up --sensor`` until the end, or None when it does not watch in time."""
    words = ["up", str(folder), "--no-scan", "--sensor", "--listen", "0", "--config", SETTINGS]
    environment = os.environ | {"PYTHONPATH": str(ROOT / "src"), "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        [sys.executable, "-m", "haechi", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        cwd=ROOT,
        env=environment,
        text=True,
    ) as running:
        told: dict[str, str] = {}
        ready = threading.Event()

        def read() -> None:
            for line in running.stdout or ():
                for name in ("page", "token"):
                    if found := re.match(rf"  {name}     ?(\S+)", line):
                        told[name] = found[1]
                if "watching by" in line:
                    ready.set()

        reader = threading.Thread(target=read)
        reader.start()
        try:
            watches = ready.wait(_READY_S) and {"page", "token"} <= set(told)
            time.sleep(1.0)
            yield Connection(url=told["page"], token=told["token"]) if watches else None
        finally:
            running.terminate()
            reader.join()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
