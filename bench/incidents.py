"""Incidents: source to durable incident over HTTP, delay, 10,000 open ones, noise, kill -9.

./dev bench incidents                      all but what needs root
./dev bench incidents --kills 50           rounds of kill -9 on one folder instead
./dev bench incidents --benign 5           minutes of ordinary work under the live sensor (root)
./dev bench incidents --recording FILE     judge a recording instead
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from bench import incidents_benign
from bench.incidents_kill import WORKLOADS, alert, trial
from bench.incidents_noise import a_day
from bench.server_api import Desk, _world
from bench.store import NDJSON, Server, prepared
from haechi.client.asks import Ask, ask
from haechi.client.http import Client
from haechi.model.access import EVERYWHERE
from haechi.model.event import Event

BATCH = 2_000
_SENDERS = 2
_DAY_NS = 86_400 * 10**9


def main(argv: list[str]) -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(prog="./dev bench incidents", description=__doc__)
    parser.add_argument("--events", type=int, default=200_000)
    parser.add_argument("--open", type=int, default=10_000, help="incidents that are open")
    parser.add_argument("--looks", type=int, default=100, help="delays that are measured")
    parser.add_argument("--kills", type=int, default=0)
    parser.add_argument("--benign", type=float, default=0.0, metavar="MINUTES")
    parser.add_argument("--recording", type=Path)
    options = parser.parse_args(argv)
    if options.kills:
        killed(options.kills)
    elif options.benign or options.recording:
        benign(options.benign, options.recording)
    else:
        noise()
        many(options.open)
        for share in (0.005, 0.01):
            pipeline(options.events, share)
        delays(options.looks)


def killed(rounds: int) -> None:
    """Kill, look, go on."""
    randomly = random.Random(1)  # noqa: S311
    bad, first, stored = [], 0, 0
    with tempfile.TemporaryDirectory(prefix="haechi-incidents-") as name:
        for turn in range(rounds):
            wait = randomly.uniform(0.01, 0.6)
            found, first = trial(Path(name) / "s", first, wait, seal=turn % 3 == 2)
            stored = found.stored
            if not found.well:
                bad.append(found)
    print(f"kill -9: {rounds} rounds, {stored:,} detections in {WORKLOADS} incidents; wrong: {bad}")


def benign(minutes: float, recording: Path | None) -> None:
    """Record and judge, or judge what was recorded."""
    with tempfile.TemporaryDirectory(prefix="haechi-incidents-") as name:
        if recording is None:
            recording = Path(name) / "work.jsonl"
            jobs = incidents_benign.recorded(recording, minutes * 60)
            print(f"{jobs} jobs done")
        incidents_benign.judge(Path(name) / "store", recording)


def noise() -> None:
    """A day of one cluster's alerts."""
    with tempfile.TemporaryDirectory(prefix="haechi-incidents-") as name:
        desk, store = _desk(Path(name) / "store")
        try:
            events = list(a_day(time.time_ns() - _DAY_NS))
            cpu = time.process_time()
            _take(desk, events)
            taken = time.process_time()
            desk.world.correlating.drain(desk.world)
            folded = time.process_time()
            rows = desk.call("incidents.list").items
            print(
                f"noise: {len(events):,} alerts of a day are {len(rows)} incidents; "
                f"taking {(taken - cpu) / len(events) * 1e6:.0f} us, "
                f"folding {(folded - taken) / len(events) * 1e6:.0f} us of CPU each"
            )
            found = desk.call("incidents.exceptions", days=2)
            print(
                f"  {len(found.proposals)} exceptions would silence {found.silences:,} of "
                f"{found.of:,}, measured in {time.process_time() - folded:.1f} s of CPU"
            )
        finally:
            store.close()


def _desk(folder: Path) -> tuple[Desk, Any]:
    from haechi.store.store import Store

    store = Store.open(folder)
    return Desk(_world(store)), store


def _take(desk: Desk, events: Sequence[Event]) -> None:
    from haechi.server.work.intake import take

    world = desk.world
    for start in range(0, len(events), BATCH):
        batch = world.store.events.encode_events(events[start : start + BATCH])
        take(world, batch, (EVERYWHERE,), world.clock()).result()


def many(number: int) -> None:
    """So many open incidents: lists, folds, a new start."""
    from haechi.server.work.correlating import Correlating

    with tempfile.TemporaryDirectory(prefix="haechi-incidents-") as name:
        desk, store = _desk(Path(name) / "store")
        try:
            at_ns = time.time_ns() - 3600 * 10**9
            _take(desk, [_of(n, number, at_ns) for n in range(3 * number)])
            cpu = time.process_time()
            desk.world.correlating.drain(desk.world)
            made = time.process_time() - cpu
            total = desk.call("incidents.counts").total
            print(f"open: {total:,} incidents of {3 * number:,} detections in {made:.1f} s of CPU")
            for words, query in _QUESTIONS.items():
                print(f"  {words:<34} {_timed(partial(desk.call, 'incidents.list', **query))}")
            print(f"  {'counts':<34} {_timed(lambda: desk.call('incidents.counts'))}")
            row = desk.call("incidents.list").items[0]
            shown = partial(desk.call, "incidents.show", params={"id": row.id})
            print(f"  {'one of them':<34} {_timed(shown)}")
            again = [
                msgspec.structs.replace(_of(n, number, at_ns + 10**9), id=f"again{n}")
                for n in range(2_000)
            ]
            _take(desk, again)
            cpu = time.process_time()
            desk.world.correlating.drain(desk.world)
            cost = (time.process_time() - cpu) / len(again) * 1e6
            print(f"  a fold of 2,000 into 2,000 of them  {cost:6.0f} us of CPU each")
            other = Correlating()
            cpu = time.process_time()
            other.turn(desk.world)
            print(
                f"  a new start                         {time.process_time() - cpu:6.2f} s of CPU"
            )
        finally:
            store.close()


_QUESTIONS: dict[str, dict[str, Any]] = {
    "the worst 100": {},
    "the newest 100": {"sort": "-opened"},
    "200 of them": {"limit": 200},
    "1,000 of them": {"limit": 1_000},
    "of a namespace": {"namespace": ["shop-3"]},
    "of a rule": {"rule": ["Rule 7"]},
    "with words": {"text": "w777 shop"},
}


def _of(n: int, number: int, at_ns: int) -> Event:
    """A detection of one of so many workloads."""
    place = n % number
    base = alert(place, at_ns)
    fields = base.fields | {"falco.tags": ["mitre_execution", "T1059"], "proc.pname": "java"}
    return msgspec.structs.replace(
        base,
        id=f"o{n}",
        ts_ns=at_ns + n,
        namespace=f"shop-{place % 20}",
        resource=f"k8s:prod/apps/Deployment/shop-{place % 20}/w{place}",
        container_id=f"c{place}",
        node=f"node-{place % 50}",
        rule=f"Rule {(place + n // number) % 40}",
        priority=("warning", "error", "critical")[n % 3],
        fields=fields | {"proc.pid": 1_000 + place, "proc.apid": [1_000 + place, 200_000 + place]},
    )


def _timed(work: Callable[[], Any], rounds: int = 30) -> str:
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        times.append((time.perf_counter() - start) * 1e3)
    times.sort()
    return f"p50 {statistics.median(times):6.1f} ms  p95 {times[int(rounds * 0.95)]:6.1f} ms"


def _bodies(number: int, share: float, at_ns: int) -> list[bytes]:
    """Batches of a sensor's events; ``share`` of them make our rules hold."""
    randomly = random.Random(2)  # noqa: S311
    lines = [_event(n, at_ns + n * 1_000, hit=randomly.random() < share) for n in range(number)]
    return [b"\n".join(lines[start : start + BATCH]) for start in range(0, number, BATCH)]


def _event(n: int, ts_ns: int, *, hit: bool) -> bytes:
    pod, name = n % 100, "cat" if hit else "nginx"
    path = "/etc/shadow" if hit else f"/var/lib/app/{n % 500}.db"
    fields = {
        "proc.name": name,
        "proc.exepath": f"/usr/bin/{name}",
        "proc.cmdline": f"{name} {path}",
        "proc.pid": 1_000 + pod,
        "proc.ppid": 900 + pod,
        "proc.apid": [1_000 + pod, 900 + pod, 1],
        "proc.aname": [name, "sh", "containerd-shim"],
        "proc.pname": "sh",
        "user.uid": 33,
        "user.name": "www-data",
        "container.id": f"{pod:012x}",
        "container.image.repository": "registry.example.org/shop/api",
        "k8s.ns.name": f"shop-{pod % 10}",
        "fd.name": path,
        "fd.typechar": "f",
        "fd.num": 3,
        "evt.arg.flags": "O_RDONLY",
        "evt.is_open_read": True,
        "evt.res": "SUCCESS",
        "evt.rawres": 3,
    }
    event = {
        "id": f"e{n}-{ts_ns}",
        "ts_ns": ts_ns,
        "source": "sensor",
        "type": "openat",
        "cluster": "prod",
        "node": f"node-{pod % 9}",
        "container_id": f"{pod:012x}",
        "resource": f"k8s:prod/apps/Deployment/shop-{pod % 10}/api-{pod}",
        "namespace": f"shop-{pod % 10}",
        "message": f"{name}: openat {path}",
        "fields": fields,
    }
    return json.dumps(event, separators=(",", ":")).encode()


def pipeline(number: int, share: float) -> None:
    """Events over HTTP until every detection stands in a durable incident."""
    with _server() as (server, client):
        bodies = _bodies(number, share, time.time_ns() - 600 * 10**9)
        _send(server, bodies[:2])  # code for the rules is made, the dictionary is not
        _settled(client)
        before, cpu, start = _detections(client), server.cpu(), time.monotonic()
        found = _send(server, bodies[2:])
        taken = time.monotonic() - start
        _settled(client)
        wall, spent = time.monotonic() - start, server.cpu() - cpu
        events = number - 2 * BATCH
        made = _detections(client) - before
        total = client.request("GET", "incidents/counts")["total"]
        print(
            f"pipeline: {events:,} events, {found:,} detections ({share:.1%}) over HTTP, "
            f"{_SENDERS} senders\n"
            f"  {events / wall:,.0f} events/s to the last durable incident "
            f"({wall - taken:.2f} s after the last answer), {events / spent:,.0f} events/CPU-s; "
            f"{total} incidents hold {made:,}{'' if made == found else '  WRONG'}"
        )


@contextmanager
def _server() -> Iterator[tuple[Server, Client]]:
    """A server process of its own on a new store."""
    with prepared(None) as (folder, token):
        server = Server(folder, token)
        server.start()
        try:
            with server.client() as client:
                yield server, client
        finally:
            server.stop()


def _send(server: Server, bodies: Sequence[bytes]) -> int:
    """Send all with a few connections; how many detections the answers tell of."""
    waiting, lock = deque(bodies), threading.Lock()
    found = 0

    def work() -> None:
        nonlocal found
        with server.client() as client:
            while True:
                with lock:
                    if not waiting:
                        return
                    body = waiting.popleft()
                told = client.send(_post(body))
                with lock:
                    found += told["detections"]

    threads = [threading.Thread(target=work) for _ in range(_SENDERS)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    return found


def _post(body: bytes) -> Ask:
    return Ask(method="POST", path="/api/v1/events", body=body, type=NDJSON)


def _settled(client: Client) -> None:
    """Wait until no detection waits."""
    while True:
        parts = client.request("GET", "health")["parts"]
        told = next(one for one in parts if one["name"] == "incidents")
        if not told["figures"]["waiting"]:
            return
        time.sleep(0.02)


def _detections(client: Client) -> int:
    return sum(one["detections"] for one in client.each("incidents", limit=1_000))


def delays(looks: int) -> None:
    """From the post of an event to its incident in the API's list."""
    with _server() as (_, client):
        times = []
        for n in range(looks):
            now = time.time_ns()
            event = msgspec.json.decode(_event(n, now, hit=True))
            event |= {"resource": f"k8s:prod/apps/Deployment/shop/late-{n}", "namespace": "shop"}
            event |= {"container_id": f"late{n}", "node": f"late-{n}"}
            start = time.perf_counter()
            client.send(_post(json.dumps(event).encode()))
            one = ask("GET", "incidents", query={"resource": event["resource"]})
            while not client.send(one)["items"]:
                time.sleep(0.002)
            if n >= 5:
                times.append((time.perf_counter() - start) * 1e3)
        times.sort()
        p99 = times[min(len(times) - 1, int(len(times) * 0.99))]
        print(f"delay: event posted → incident listed, p50 {statistics.median(times):.0f} ms, "
              f"p99 {p99:.0f} ms ({len(times)} looks)")  # fmt: skip


if __name__ == "__main__":
    import sys

    main(sys.argv[1:])
