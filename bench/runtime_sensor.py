"""Sensor → rules → durable store, at fixed loads of opens: CPU, loss, delay, memory.

Real processes: ``haechi up`` on a store on disk, ``haechi sensor --server``, and ``bench/opens.py``
as the load (nine of ten opens read below a watched prefix, one writes: all are recorded). Loss is
exact: what lies in the store afterwards is counted by file name against what was opened. Each
second a file that a rule is about is read; its delay is from the event's own time until its
detection can be read through the API (looked for every 50 ms). Then the same without a server, the
sensor idle, and what watching costs the watched program. Needs root.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from bench import opens
from bench.measure import HAECHI
from bench.store import Server, prepared
from haechi.client.asks import ask
from haechi.client.http import Client
from haechi.errors import HaechiError

RATES = (1_000, 10_000, 50_000)
RULE = "A planted file is read"
LOOK_S = 0.05
DRAIN_S = 120.0
_NOISE = 500
"""Events in half a second that the machine makes by itself."""
_COUNTS = ("events", "lost", "sent", "dropped", "shed", "refused", "waiting")


class Watcher:
    """A sensor process."""

    def __init__(self, folder: Path, words: Sequence[str], token: str = "", *, out: Any) -> None:
        self._log = (folder / "sensor.log").open("w+b")
        env = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
        self.process = subprocess.Popen(
            [*HAECHI, "sensor", *words],
            stdout=out,
            stderr=self._log,
            env={**env, "HAECHI_TOKEN": token},
        )
        while b"watching by" not in self._told():
            if self.process.poll() is not None:
                raise SystemExit(self._told().decode())
            time.sleep(0.05)

    def _told(self) -> bytes:
        return Path(self._log.name).read_bytes()

    def cpu(self) -> float:
        return cpu_of(self.process.pid)

    def memory(self) -> float:
        """MiB at most."""
        return memory_of(self.process.pid)

    def stop(self) -> str:
        """What it said at last."""
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(60)
        told = self._told().decode()
        self._log.close()
        return told


def cpu_of(pid: int) -> float:
    """CPU seconds so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_of(pid: int) -> float:
    """MiB at most so far."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    return int(found[1]) / 1024 if found else 0.0


class Delays:
    """Looks for the detections of planted files through the API, until each was seen."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._stopping = threading.Event()
        self.seen: dict[str, float] = {}
        """By file: seconds from the event to the answer that held its detection."""
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        since = dt.datetime.now(dt.UTC)
        with self._server.client() as client:
            while not self._stopping.wait(LOOK_S):
                try:
                    page = client.send(
                        ask("GET", "events", query={"rule": [RULE], "since": since.isoformat()})
                    )
                except HaechiError:
                    continue
                now = time.time_ns()
                for row in page["items"]:
                    event = row.get("event", row)
                    name = event["fields"]["fd.name"]
                    if name not in self.seen:
                        at = int(event["ts_ns"])
                        self.seen[name] = (now - at) / 1e9
                        # what came before this one came in earlier, too
                        latest = dt.datetime.fromtimestamp(at / 1e9, dt.UTC)
                        since = max(since, latest + dt.timedelta(microseconds=1))

    def stop(self) -> list[float]:
        self._stopping.set()
        self._thread.join()
        return _of_load(self.seen)


def _of_load(seen: dict[str, float]) -> list[float]:
    """Without those that only mark the begin and the end."""
    return sorted(delay for name, delay in seen.items() if name.rpartition("/")[2].isdecimal())


class Stored(NamedTuple):
    """What lies in the store afterwards."""

    by_name: Counter[str]
    planted: int
    others: int
    status: dict[str, Any]


class _Fields(msgspec.Struct, rename={"name": "fd.name"}):
    name: str = ""


_row = msgspec.json.Decoder(tuple[str, str, str, str, _Fields]).decode
_status = msgspec.json.Decoder(tuple[str, str, str, str, dict[str, Any]]).decode


def stored(folder: Path, files: Path) -> Stored:
    """Read the store, the server being gone."""
    from haechi.model.access import EVERYWHERE
    from haechi.store.events.hunting import RowsPart
    from haechi.store.events.shapes import EventFilter
    from haechi.store.store import Store

    names: Counter[str] = Counter()
    planted = others = 0
    status: dict[str, Any] = {}
    place = f"{files}/"
    store = Store.open(folder)
    try:
        for part in store.events.hunt(EventFilter(), within=(EVERYWHERE,)):
            if not isinstance(part, RowsPart):
                continue
            for _, _, kind, _, payload in part.rows:
                if kind[1] == "sensor.status":
                    status = status or _status(payload)[4]
                    continue
                name = _row(payload)[4].name
                if kind[4] == RULE:
                    planted += name.rpartition("/")[2].isdecimal()
                elif name.startswith(place) and kind[0] == "sensor":
                    names[name] += 1
                else:
                    others += 1
    finally:
        store.close()
    return Stored(names, planted, others, status)


def load(folder: Path, rate: int, seconds: float) -> dict[str, Any]:
    """Run the load in a process of its own."""
    words = [sys.executable, opens.__file__, str(folder), str(rate), str(seconds)]
    done = subprocess.run(words, stdout=subprocess.PIPE, check=True)
    return dict(json.loads(done.stdout))


@contextmanager
def folders(seconds: float) -> Iterator[tuple[Path, Path]]:
    """(anything, the files that are opened)."""
    with tempfile.TemporaryDirectory(prefix="haechi-load-") as name:
        files = Path(name) / "files"
        opens.prepare(files, int(seconds) + 1)
        yield Path(name), files


def rule(files: Path) -> str:
    """The rule about planted files, as a rule file."""
    return (
        f"- rule: {RULE}\n  desc: of the load test\n  priority: warning\n"
        f"  condition: evt.type in (open, openat, openat2) and fd.name startswith {files}/plants/\n"
        "  output: planted (file=%fd.name by=%proc.name)\n"
    )


def settled(files: Path, mark: str, seen: Callable[[str], bool]) -> float:
    """Read files that the rule is about until one's detection was seen, so that all before it has
    come through; seconds that it took, -1 when none came."""
    began = time.monotonic()
    number = 0
    while time.monotonic() - began < DRAIN_S:
        path = files / opens.PLANTS / f"{mark}-{number}"
        path.write_bytes(b"")
        path.read_bytes()
        number += 1
        until = time.monotonic() + 1.0
        while time.monotonic() < until:
            if any(seen(f"{files}/{opens.PLANTS}/{mark}-{one}") for one in range(number)):
                return time.monotonic() - began
            time.sleep(0.02)
    return -1.0


def taken(client: Client) -> float:
    """Events that the server has taken so far."""
    text = client.raw(ask("GET", "/metrics")).body.decode()
    return sum(map(float, re.findall(r"^security_events_total\{.*\} (\S+)$", text, re.M)))


def drained(server: Server) -> float:
    """Wait until hardly anything comes into the store any more; seconds that it took."""
    began = time.monotonic()
    count, calm = -1.0, began
    with server.client() as client:
        while time.monotonic() - began < DRAIN_S and time.monotonic() - calm < 2.0:
            now = taken(client)
            if now - count > _NOISE:
                calm = time.monotonic()
            count = now
            time.sleep(0.5)
    return calm - began


def with_server(rate: int, seconds: float) -> None:
    """One load, all the way to the store."""
    with folders(seconds) as (folder, files), prepared(None) as (place, token):
        server = Server(place, token)
        server.start()
        with server.client() as client:
            save = ask("PUT", "runtime/files/load.yaml", body={"text": rule(files)})
            client.send(save)
        words = ["--server", server.url, "--watch", f"{files}/read/", "--watch", f"{files}/plants/"]
        sensor = Watcher(folder, words, token, out=subprocess.DEVNULL)
        pids = [sensor.process.pid, server.process.pid if server.process else 0]
        delays = Delays(server)
        settled(files, "first", delays.seen.__contains__)
        before = [cpu_of(pid) for pid in pids]
        made = load(files, rate, seconds)
        after = [cpu_of(pid) for pid in pids]
        lag = drained(server)
        whole = [cpu_of(pid) for pid in pids]
        memory = [memory_of(pid) for pid in pids]
        delay = delays.stop()
        told = sensor.stop()
        with server.client() as client:
            counted = scraped(client)
        server.stop()
        found = stored(place, files)
    _tell_load(rate, seconds, made)
    shares = [(b - a) / made["seconds"] for a, b in zip(before, after, strict=True)]
    each = [
        (b - a) / (made["reads"] + made["writes"]) * 1e6 for a, b in zip(before, whole, strict=True)
    ]
    print(
        f"  CPU of a core during the load: sensor {shares[0]:.0%}, server {shares[1]:.0%}; with"
        f" what came after: {each[0]:.1f} + {each[1]:.1f} µs an open; all through {lag:.1f} s"
        " after it\n"
        f"  memory at most: sensor {memory[0]:.0f} MiB, server {memory[1]:.0f} MiB"
    )
    _tell_loss(files, made, found)
    _tell_delay(delay, len(made["planted"]), found.planted)
    status = {key: found.status.get(f"sensor.{key}", 0) for key in _COUNTS}
    print(f"  the sensor says: {status}; the server: {counted}")
    if not any(found.by_name.values()):
        print(told)


def scraped(client: Client) -> dict[str, float]:
    """What the server counts of losses."""
    text = client.raw(ask("GET", "/metrics")).body.decode()
    names = "haechi_events_refused_total|haechi_detections_dropped_total"
    return {
        found[1]: float(found[2])
        for found in re.finditer(rf"^({names})(?:\{{[^}}]*\}})? (\S+)$", text, re.M)
        if float(found[2])
    }


def _tell_load(rate: int, seconds: float, made: dict[str, Any]) -> None:
    total = made["reads"] + made["writes"]
    print(
        f"{rate:,} opens/s for {seconds:g} s: {int(rate * seconds):,} wanted, {total:,} made"
        f" ({total / made['seconds']:,.0f}/s; the load itself {made['cpu'] / made['seconds']:.0%}"
        " of a core)",
        flush=True,
    )


def _tell_loss(files: Path, made: dict[str, Any], found: Stored) -> None:
    wanted = opens.expected(files, made["reads"], made["writes"])
    kept = Counter({name: found.by_name[name] for name in wanted})
    missing, more = wanted - kept, kept - wanted
    total = wanted.total()
    print(
        f"  by name: {kept.total():,} of {total:,} in the store, {missing.total():,} missing"
        f" ({missing.total() / total:.3%}), {more.total():,} too many; {found.others:,} events of"
        " others"
    )


def _tell_delay(delay: list[float], planted: int, kept: int) -> None:
    if not delay:
        print(f"  detections: none of {planted} was seen")
        return
    p99 = delay[min(len(delay) - 1, int(len(delay) * 0.99))]
    print(
        f"  detections: {kept} of {planted} in the store; from the event until readable: p50"
        f" {statistics.median(delay) * 1000:.0f} ms, p99 {p99 * 1000:.0f} ms"
    )


def alone(rate: int, seconds: float) -> None:
    """One load, judged by the sensor itself."""
    with folders(seconds) as (folder, files):
        (folder / "load.yaml").write_text(rule(files))
        words = ["--rules", str(folder / "load.yaml"), "--watch", f"{files}/read/"]
        read, write = os.pipe()
        sensor = Watcher(folder, [*words, "--format", "json"], out=write)
        os.close(write)
        seen: dict[str, float] = {}
        reader = threading.Thread(target=_alerts, args=(read, seen), daemon=True)
        reader.start()
        pid = sensor.process.pid
        settled(files, "first", seen.__contains__)
        before = cpu_of(pid)
        made = load(files, rate, seconds)
        after = cpu_of(pid)
        lag = settled(files, "last", seen.__contains__)
        whole, memory = cpu_of(pid), memory_of(pid)
        told = sensor.stop()
        reader.join()
    _tell_load(rate, seconds, made)
    total = made["reads"] + made["writes"]
    print(
        f"  CPU of a core: {(after - before) / made['seconds']:.0%}"
        f" ({(whole - before) / total * 1e6:.1f} µs an open), {memory:.0f} MiB at most; all"
        f" through {lag:.1f} s after it"
    )
    lost = re.search(r"no room for (\d+)", told)
    print(f"  lost in the kernel's ring: {int(lost[1]) if lost else 0:,} of {total:,}")
    delay = _of_load(seen)
    _tell_delay(delay, len(made["planted"]), len(delay))


def _alerts(descriptor: int, seen: dict[str, float]) -> None:
    with open(descriptor, "rb") as stream:
        for line in stream:
            now = time.time_ns()
            alert = json.loads(line)
            if alert["rule"] == RULE:
                told = alert["output_fields"]
                seen.setdefault(told["fd.name"], (now - int(told["evt.time"])) / 1e9)


def idle(seconds: float) -> None:
    """The sensor with nothing to do but what this machine does anyway."""
    with folders(1) as (folder, _), prepared(None) as (place, token):
        server = Server(place, token)
        server.start()
        with server.client() as client:
            sensor = Watcher(folder, ["--server", server.url], token, out=subprocess.DEVNULL)
            time.sleep(3.0)
            count = taken(client)
            share = _share(sensor, seconds)
            rate = (taken(client) - count) / seconds
        memory = sensor.memory()
        sensor.stop()
        server.stop()
        print(
            f"idle with a server, {seconds:g} s: {share:.2%} of a core, {memory:.0f} MiB"
            f" ({rate:,.0f} events/s of others meanwhile)",
            flush=True,
        )
        sensor = Watcher(folder, [], out=subprocess.DEVNULL)
        time.sleep(3.0)
        share, memory = _share(sensor, seconds), sensor.memory()
        sensor.stop()
        print(f"idle alone, {seconds:g} s: {share:.2%} of a core, {memory:.0f} MiB", flush=True)


def _share(sensor: Watcher, seconds: float) -> float:
    before = sensor.cpu()
    time.sleep(seconds)
    return (sensor.cpu() - before) / seconds


def cost(count: int = 20_000, rounds: int = 15) -> None:
    """What an open costs who opens, without and with the sensor: CPU, the least of some rounds."""
    with folders(1) as (folder, files):
        kinds = {
            "read elsewhere": opens.ELSEWHERE,
            "read, recorded": opens.READ,
            "written, recorded": opens.WRITTEN,
        }
        plain = {name: _spun(files, kind, count, rounds) for name, kind in kinds.items()}
        words = ["--watch", f"{files}/read/"]
        sensor = Watcher(folder, words, out=subprocess.DEVNULL)
        watched = {name: _spun(files, kind, count, rounds) for name, kind in kinds.items()}
        sensor.stop()
    print("an open and close costs the watched program (CPU, the least of some rounds):")
    for name, least in plain.items():
        print(f"  {name:<18} {least:.2f} → {watched[name]:.2f} µs ({watched[name] - least:+.2f})")


def _spun(files: Path, kind: str, count: int, rounds: int) -> float:
    found = []
    for _ in range(rounds):
        words = [sys.executable, opens.__file__, str(files), "spin", kind, str(count)]
        done = subprocess.run(words, stdout=subprocess.PIPE, check=True)
        found.append(float(done.stdout))
        time.sleep(0.3)
    return min(found)


def main(argv: Sequence[str]) -> None:
    """Print all figures."""
    parser = argparse.ArgumentParser(prog="./dev bench runtime-sensor", description=__doc__)
    parser.add_argument("ignored", nargs="*", help=argparse.SUPPRESS)
    parser.add_argument("--rate", type=int, action="append", help="opens a second")
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--idle", type=float, default=60.0)
    parser.add_argument(
        "--only", action="append", choices=["server", "alone", "idle", "cost"], default=[]
    )
    asked = parser.parse_args(list(argv))
    if os.geteuid() != 0:
        print("the sensor needs root: this part is left out")
        return
    parts = asked.only or ["server", "alone", "idle", "cost"]
    for rate in asked.rate or RATES:
        if "server" in parts:
            with_server(rate, asked.seconds)
    for rate in asked.rate or RATES:
        if "alone" in parts:
            print("without a server: ", end="")
            alone(rate, asked.seconds)
    if "cost" in parts:
        cost()
    if "idle" in parts:
        idle(asked.idle)


if __name__ == "__main__":
    main(sys.argv[1:])
