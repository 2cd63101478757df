"""Exactly once: a process that takes detections and makes incidents of them is killed, again and
again on one folder; then every detection that is stored must stand in exactly one incident."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from haechi.model.access import EVERYWHERE
from haechi.model.event import Event
from haechi.store.state.incidents_records import IncidentFilter

if TYPE_CHECKING:
    from haechi.server.world import World
    from haechi.store.store import Store

WORKLOADS = 7
BATCH = 40
RULES = ("Shell started", "Shadow read", "Miner started")


class Trial(NamedTuple):
    """What a kill left. ``causes`` is how many incidents there should be."""

    stored: int
    counted: int
    incidents: int
    causes: int
    waiting: int

    @property
    def well(self) -> bool:
        """True when nothing was lost or counted twice."""
        return self.stored == self.counted and self.incidents == self.causes and not self.waiting


def alert(number: int, at_ns: int) -> Event:
    """A judged alert of one of a few workloads; each is one cause."""
    name = f"w{number % WORKLOADS}"
    return Event(
        id=f"a{number}",
        ts_ns=at_ns + number,
        source="falco",
        type="execve",
        cluster="prod",
        namespace="shop",
        node="node-1",
        container_id=f"c-{name}",
        resource=f"k8s:prod/apps/Deployment/shop/{name}",
        rule=RULES[number % 3],
        priority="warning",
        message="an alert",
        fields={"proc.name": "sh", "proc.pid": 1_000 + number % 50, "n": number},
    )


def child(folder: Path, first: int) -> None:
    """Take alerts, each batch twice now and then, and correlate, until killed."""
    import threading

    from haechi.server.work.intake import take

    store, world = opened(folder)
    threading.Thread(target=world.correlating.run, args=(world,), daemon=True).start()
    number, at_ns = first, time.time_ns() - 10**9
    randomly = random.Random(first)  # noqa: S311
    before: list[Event] = []
    while True:
        events = [alert(n, at_ns) for n in range(number, number + BATCH)]
        again = before[: randomly.randrange(BATCH)]
        batch = store.events.encode_events([*events, *again])
        take(world, batch, (EVERYWHERE,), world.clock()).result()
        number += BATCH
        before = events
        print(number, flush=True)
        time.sleep(randomly.random() * 0.01)


def opened(folder: Path) -> tuple[Store, World]:
    """A store with its world, without a server."""
    from haechi.server.run import made_world
    from haechi.server.settings import Settings
    from haechi.store.store import Store

    store = Store.open(folder)
    return store, made_world(store, Settings())


def trial(folder: Path, first: int, seconds: float, *, seal: bool = False) -> tuple[Trial, int]:
    """Start a child, kill it after so long, look at what it left; and the next number."""
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.incidents_kill", str(folder), str(first)],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).resolve().parents[1],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(("src", "."))},
    )
    assert process.stdout is not None
    told = process.stdout.readline()  # it has begun
    time.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    rest = process.stdout.read().split()
    process.wait()
    process.stdout.close()
    last = int(rest[-1]) if rest else int(told)
    return look(folder, seal=seal), last + 2 * BATCH


def look(folder: Path, *, seal: bool = False) -> Trial:
    """Open the store, fold what waits, and count."""
    store, world = opened(folder)
    try:
        if seal:  # what waits must not need the events
            store.events.seal(time.time_ns() + 10**12)
        world.correlating.drain(world)
        told = store.events.figures()
        incidents = list(store.state.incidents.each(IncidentFilter(), within=(EVERYWHERE,)))
        return Trial(
            stored=int(told["hot_events"]) + int(told["cold_events"]),
            counted=sum(one.detections for one in incidents),
            incidents=len(incidents),
            causes=len({one.resource for one in incidents}),
            waiting=world.correlating.waiting,
        )
    finally:
        store.close()


if __name__ == "__main__":
    child(Path(sys.argv[1]), int(sys.argv[2]))
