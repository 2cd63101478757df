"""Faults at the door: the real webhook as a process, real policies, and one thing after another
that goes wrong under load.

Of each request the truth is known: what an unbroken webhook says, and what the failure choice
demands when it cannot judge. A *wrong allow* lets in what a policy that fails closed refuses, or
what one that fails open refuses without a word that it was not judged; a *wrong deny* refuses what
is right, other than for want of judgement where policies fail closed (*refused unjudged*).
*Unanswered* is what the API server then decides by its failurePolicy. *Counted*: answers without
judgement were seen as often as the metrics say.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import shutil
import signal
import ssl
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
from tests.fakes.apiserver import ApiServer

from bench.admission_faults_policies import CLOSED, KINDS, NAME, OPEN, objects, policies, truth

Json = dict[str, Any]
CONNECTIONS = 12


class Told(BaseHTTPRequestHandler):
    """A haechi server that answers as it is told: ``mode`` is a status, or seconds to wait."""

    mode: float = 500

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("content-length") or 0))
        if self.mode < 100:
            time.sleep(self.mode)
        self.send_response(500 if self.mode < 100 else int(self.mode))
        self.send_header("content-length", "2")
        self.end_headers()
        with contextlib.suppress(OSError):
            self.wfile.write(b"{}")

    def log_message(self, *_: Any) -> None:
        """Nothing."""


class Door:
    """The webhook's process, its folder, and the cluster that it serves."""

    def __init__(self, folder: Path, cluster: ApiServer, server: str) -> None:
        self.folder, self.cluster, self.server = folder, cluster, server
        self.process: subprocess.Popen[str] | None = None
        self.port = 0
        self.policies = folder / "policies"

    def start(self) -> None:
        """Start it, on the port it had, and wait until it is ready."""
        command = [sys.executable, "-m", "haechi", "webhook", "serve", "--memory", "256"]
        command += ["--policies", str(self.policies), "--certificates", str(self.folder / "keys")]
        command += ["--listen", f"127.0.0.1:{self.port}", "--policy-deadline", "0.5"]
        command += ["--kubeconfig", str(self.folder / "kubeconfig"), "--workers", "2"]
        command += ["--decisions", "/dev/full", "--server", self.server, "--queue", "64"]
        environ = os.environ | {"HAECHI_TOKEN": "bench", "PYTHONPATH": "src"}
        with (self.folder / "log").open("a") as log:
            self.process = subprocess.Popen(
                command, stdout=subprocess.PIPE, stderr=log, text=True, env=environ
            )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise SystemExit((self.folder / "log").read_text()[-3000:])
        self.port = int(line.split()[-1])
        self.cluster.route("haechi", "haechi-webhook", f"127.0.0.1:{self.port}")
        self.wait(lambda details: details["ready"])

    def details(self) -> Json:
        """``/readyz``."""
        found: Json = self.get("/readyz").json()
        return found

    def get(self, path: str) -> httpx.Response:
        """A probe."""
        with httpx.Client(verify=False, trust_env=False, timeout=10) as client:  # noqa: S501
            return client.get(f"https://127.0.0.1:{self.port}{path}")

    def wait(self, holds: Callable[[Json], Any], seconds: float = 60) -> bool:
        """Until ``/readyz`` shows something."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            with contextlib.suppress(httpx.HTTPError):
                if holds(self.details()):
                    return True
            time.sleep(0.1)
        return False

    def total(self, name: str) -> int:
        """A counter of the metrics, all labels together."""
        lines = self.get("/metrics").text.splitlines()
        found = (line for line in lines if line.startswith(f"haechi_admission_{name}_total{{"))
        return sum(int(float(line.rsplit(" ", 1)[1])) for line in found)

    def children(self) -> tuple[list[int], list[int]]:
        """(nurseries, evaluators)."""
        assert self.process is not None
        nurseries = below(self.process.pid)
        return nurseries, [pid for nursery in nurseries for pid in below(nursery)]

    def kill(self) -> None:
        """kill -9 of the front."""
        assert self.process is not None and self.process.stdout is not None
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


def below(pid: int) -> list[int]:
    """Its children."""
    found: list[int] = []
    for path in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            found += [int(one) for one in path.read_text().split()]
    return found


class Load:
    """Asks all sorts of requests, and judges the answers."""

    def __init__(self, door: Door, *, wild: bool = False, pause_s: float = 0.0) -> None:
        self.pause_s = pause_s
        self.door, self.found = door, Counter[str]()
        self.examples: list[str] = []
        self._kinds = [kind for kind in KINDS if wild or not kind.startswith("wild")]
        self._context = ssl.create_default_context(cafile=str(door.folder / "keys/ca.crt"))
        self._number = 0

    async def connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.wait_for(
            asyncio.open_connection(
                "127.0.0.1", self.door.port, ssl=self._context, server_hostname=NAME
            ),
            10,
        )

    async def busy(self, over: asyncio.Event) -> None:
        """One connection that always asks."""
        held: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None
        while not over.is_set():
            await asyncio.sleep(self.pause_s)
            self._number += 1
            kind = self._kinds[self._number % len(self._kinds)]
            path = (CLOSED, OPEN)[self._number // len(self._kinds) % 2]
            try:
                held = held or await self.connect()
                status, body, last = await asyncio.wait_for(ask(held, path, kind, self._number), 6)
                self.note(kind, path, status, body)
            except (OSError, asyncio.IncompleteReadError, TimeoutError, ssl.SSLError):
                self.found["requests"] += 1
                self.found["unanswered"] += 1
                last = True
                await asyncio.sleep(0.05)
            if last and held is not None:
                held[1].close()
                held = None
        if held is not None:
            held[1].close()

    def note(self, kind: str, path: str, status: int, body: bytes) -> None:
        """What an answer is worth."""
        self.found["requests"] += 1
        if status != 200:
            self.found["unanswered"] += 1
            return
        response = json.loads(body)["response"]
        said = " ".join(response.get("warnings") or ())
        unjudged = "could not" in said or "could not" in str(response.get("status"))
        if response["auditAnnotations"].get("unjudged"):
            self.found["by group"] += 1
        right, allowed = truth(kind, path), response["allowed"]
        text = json.dumps(response)
        if "mixed" in kind and "set one" in text and "set two" in text:
            self._wrong("mixed", kind, path, text)
        if allowed and right is False:
            if path == OPEN and unjudged:
                self.found["let through"] += 1
            else:
                self._wrong("wrong allows", kind, path, text)
        elif not allowed and right is True:
            if path == CLOSED and response["status"]["code"] == 500:
                self.found["refused unjudged"] += 1
            else:
                self._wrong("wrong denies", kind, path, text)

    def _wrong(self, what: str, kind: str, path: str, text: str) -> None:
        self.found[what] += 1
        if len(self.examples) < 3:
            self.examples.append(f"{what}: {kind} {path}: {text[:300]}")


async def ask(
    held: tuple[asyncio.StreamReader, asyncio.StreamWriter], path: str, kind: str, number: int
) -> tuple[int, bytes, bool]:
    """(status, body, whether the connection is closed after it)."""
    reader, writer = held
    body = KINDS[kind](number)
    head = f"POST {path}?timeout=3s HTTP/1.1\r\nHost: {NAME}\r\nContent-Length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    answer = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = int(answer.partition(b"content-length:")[2].split(b"\r\n", 1)[0])
    return int(answer.split()[1]), await reader.readexactly(length), b"connection: close" in answer


Fault = Callable[[Door, float], Awaitable[str]]


async def trial(
    door: Door, name: str, fault: Fault, seconds: float, connections: int, wild: bool
) -> Counter[str]:
    """One fault under load, and one line."""
    # The fake API server shares this process: where it matters, it must get a word in.
    load, over = Load(door, wild=wild, pause_s=0.1 if name == "API server" else 0), asyncio.Event()
    before = await asyncio.to_thread(door.total, "unjudged")
    tasks = [asyncio.create_task(load.busy(over)) for _ in range(connections)]
    await asyncio.sleep(0.3)
    note = await fault(door, seconds)
    over.set()
    await asyncio.gather(*tasks)
    found = load.found
    ready = await asyncio.to_thread(door.wait, lambda details: details["ready"], 40)
    counted = await asyncio.to_thread(door.total, "unjudged") - before
    fits = found["by group"] <= counted if "restarted" not in note else True
    if not ready:
        note += " NOT READY AFTERWARDS"
    columns = ("requests", "wrong allows", "wrong denies", "refused unjudged", "let through")
    numbers = "".join(f"{found[one]:>{max(9, len(one) + 1)}}" for one in columns)
    mixed = f" MIXED {found['mixed']}" if found["mixed"] else ""
    print(
        f"{name:<26}{numbers}{found['unanswered']:>11}{'yes' if fits else 'NO':>8}  {note}{mixed}",
        flush=True,
    )
    for example in load.examples:
        print(f"    {example}")
    return found


@contextlib.contextmanager
def doors() -> Iterator[Door]:
    """A webhook, its cluster and the server that it tells."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "policies").mkdir()
        for number, text in enumerate(policies("one")):
            (folder / "policies" / f"{number:02}.json").write_text(text)
        server = ThreadingHTTPServer(("127.0.0.1", 0), Told)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        cluster = ApiServer(controllers=False, objects=objects())
        with cluster:
            cluster.kubeconfig(folder / "kubeconfig")
            door = Door(folder, cluster, f"http://127.0.0.1:{server.server_address[1]}")
            try:
                door.start()
                yield door
            finally:
                if door.process is not None and door.process.poll() is None:
                    door.process.send_signal(signal.SIGTERM)
                    door.process.wait(40)
                    if door.process.stdout is not None:
                        door.process.stdout.close()
                server.shutdown()
                server.server_close()
                if os.environ.get("HAECHI_BENCH_LOG"):
                    shutil.copy(folder / "log", os.environ["HAECHI_BENCH_LOG"])


def main(argv: list[str]) -> None:
    """Run all faults, or those named; exit code 1 when something was let in wrongly."""
    from bench.admission_faults_list import FAULTS, FLOOD, WILD

    parser = argparse.ArgumentParser(prog="bench admission_faults")
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--only", nargs="*", default=[])
    options = parser.parse_args(argv)
    print(
        f"{'fault':<26} requests wrong allows wrong denies refused unjudged let through"
        " unanswered counted"
    )
    wrong = 0
    with doors() as door:
        for name, fault in FAULTS.items():
            if options.only and not any(one in name for one in options.only):
                continue
            many = 10 * CONNECTIONS if name in FLOOD else CONNECTIONS
            found = asyncio.run(trial(door, name, fault, options.seconds, many, name in WILD))
            wrong += found["wrong allows"] + found["mixed"]
    if wrong:
        raise SystemExit(1)


if __name__ == "__main__":
    main(sys.argv[1:])
