"""The faults of ``bench admission_faults``: each does its harm for some seconds and returns a note
of what else was seen."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import shutil
import signal
import socket
import ssl
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx

from bench.admission_faults import Door, Fault, Told
from bench.admission_faults_policies import CLOSED, KINDS, NAME, namespace, policies
from bench.admission_work import pod

SLOW_CLIENTS = 1500


async def nothing(door: Door, seconds: float) -> str:
    await asyncio.sleep(seconds)
    return ""


async def evaluators_killed(door: Door, seconds: float) -> str:
    count, end = 0, time.monotonic() + seconds
    while time.monotonic() < end:
        for pid in door.children()[1]:
            count += _signal(pid, signal.SIGKILL)
        await asyncio.sleep(0.4)
    return f"{count} killed"


async def evaluator_stopped(door: Door, seconds: float) -> str:
    stopped = door.children()[1][:1]
    for pid in stopped:
        _signal(pid, signal.SIGSTOP)
    await asyncio.sleep(seconds + 4)
    for pid in stopped:
        _signal(pid, signal.SIGCONT)
    return "one stopped"


async def nursery_killed(door: Door, seconds: float) -> str:
    for _ in range(2):
        nurseries, evaluators = door.children()
        for pid in (*nurseries, *evaluators):
            _signal(pid, signal.SIGKILL)
        await asyncio.sleep(seconds)
    return ""


async def nursery_stopped(door: Door, seconds: float) -> str:
    """Namespaces change meanwhile, and evaluators are lost."""
    nurseries, evaluators = door.children()
    for pid in nurseries:
        _signal(pid, signal.SIGSTOP)
    _signal(evaluators[0], signal.SIGKILL)
    worst, end = 0.0, time.monotonic() + seconds
    while time.monotonic() < end:
        await asyncio.to_thread(door.cluster.put, namespace("other", at=str(int(end * 1000))))
        began = time.monotonic()
        await asyncio.to_thread(door.get, "/healthz")
        worst = max(worst, time.monotonic() - began)
        await asyncio.sleep(0.1)
    for pid in nurseries:
        _signal(pid, signal.SIGCONT)
    return f"worst /healthz {worst * 1000:.0f} ms"


async def front_killed(door: Door, seconds: float) -> str:
    nurseries, evaluators = door.children()
    await asyncio.to_thread(door.kill)
    written = await asyncio.to_thread(_write, door, "front-good", {})
    await asyncio.sleep(0.5)
    left = [pid for pid in (*nurseries, *evaluators) if _runs(pid)]
    await asyncio.to_thread(door.start)
    await asyncio.sleep(seconds)
    return f"restarted; children left {len(left)}; write meanwhile {written}"


async def malformed(door: Door, seconds: float) -> str:
    bodies = [b"", b"{", b"[]", b"\xff" * 50, KINDS["privileged"](1)[:-40], b"[" * 100_000]
    bodies.append(KINDS["privileged"](1).replace(b"v1", b"v1beta1", 1))
    bodies.append(KINDS["privileged"](1).replace(b'"operation"', b'"op"'))
    allowed = count = 0
    before = await asyncio.to_thread(door.total, "refused")
    end = time.monotonic() + seconds

    def sent() -> tuple[int, int]:
        with httpx.Client(verify=False, trust_env=False) as client:  # noqa: S501
            url = f"https://127.0.0.1:{door.port}{CLOSED}"
            answers = [client.post(url, content=one) for one in bodies]
        return len(answers), sum('"allowed":true' in one.text for one in answers)

    while time.monotonic() < end:
        more, let = await asyncio.to_thread(sent)
        count, allowed = count + more, allowed + let
    counted = await asyncio.to_thread(door.total, "refused") - before
    return f"{count} malformed, {allowed} ALLOWED, {counted} counted"


async def bad_peers(door: Door, seconds: float) -> str:
    """TLS garbage, HTTP/2, giant heads, many at once on one connection, peers that go away."""
    count, end = 0, time.monotonic() + seconds
    body = KINDS["good"](1)
    head = f"POST {CLOSED} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    line = b"POST /admit/fail HTTP/1.1\r\n"
    sent = (
        (False, os.urandom(300)),
        (True, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\4\0\0\0\0\0" * 50),
        (True, line + b"X: " + b"a" * 300_000),
        (True, line + b"X: a\r\n" * 5000 + b"\r\n"),
        (True, (head + body) * 60),
        (True, head + body),
        (True, head + body[:50]),
        (True, line + b"Host: x\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFF"),
        (True, line + b"Host: x\r\nContent-Length: -5\r\n\r\n{}"),
    )
    while time.monotonic() < end:
        for tls, data in sent:
            await asyncio.to_thread(_rudely, door.port, tls, data)
            count += 1
    return f"{count} rude connections"


async def slow_clients(door: Door, seconds: float) -> str:
    """Half a request each, and then silence; a probe is asked meanwhile."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    context = _context()
    halves = [f"POST {CLOSED} HTTP/1.1\r\nHost: x\r\nContent-Length: {7 << 20}\r\n\r\n{{".encode()]
    halves += [f"POST {CLOSED} HTTP/1.1\r\nHos".encode(), b""]
    held: list[asyncio.StreamWriter] = []

    async def one(number: int) -> None:
        with contextlib.suppress(OSError, TimeoutError):
            _, writer = await asyncio.wait_for(
                asyncio.open_connection("127.0.0.1", door.port, ssl=context), 3
            )
            writer.write(halves[number % len(halves)])
            held.append(writer)

    for start in range(0, SLOW_CLIENTS, 100):
        await asyncio.gather(*(one(n) for n in range(start, start + 100)))
    answered = 0
    for _ in range(5):
        with contextlib.suppress(httpx.HTTPError):
            answered += (await asyncio.to_thread(door.get, "/healthz")).status_code == 200
    await asyncio.sleep(seconds)
    for writer in held:
        writer.transport.abort()
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return f"{len(held)} held; {answered} of 5 new connections answered"


def _folder(change: Callable[[Path], None]) -> Fault:
    """The policies' folder becomes something else, and comes back."""

    async def fault(door: Door, seconds: float) -> str:
        kept = door.folder / "kept"
        shutil.copytree(door.policies, kept, symlinks=True)
        change(door.policies)
        await asyncio.sleep(seconds + 5)
        details = await asyncio.to_thread(door.details)
        shutil.rmtree(door.policies, ignore_errors=True)
        door.policies.unlink(missing_ok=True)
        kept.rename(door.policies)
        await asyncio.to_thread(door.wait, lambda one: not one["not_in_force"])
        return f"not in force: {details['not_in_force'][:60]!r}"

    return fault


def _garbage(folder: Path) -> None:
    for file in folder.iterdir():
        file.write_bytes(os.urandom(500))


def _halves(folder: Path) -> None:
    for file in folder.iterdir():
        data = file.read_bytes()
        file.write_bytes(data[: len(data) // 2])


def _empty(folder: Path) -> None:
    for file in folder.iterdir():
        file.write_bytes(b"")


def _broken(folder: Path) -> None:
    for file in folder.iterdir():
        file.write_text(file.read_text().replace("labels", "lab els").replace("pss-", "no-"))


def _many(folder: Path) -> None:
    for number in range(10_000):
        (folder / f"n{number}.yaml").write_text("a: 1\n")


def _circle(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.symlink_to(folder.name)


def _pipe(folder: Path) -> None:
    os.mkfifo(folder / "00-pipe.yaml")


async def reloads(door: Door, seconds: float) -> str:
    """Two sets in turn: does one answer speak of both?"""
    before = (await asyncio.to_thread(door.details))["loads"]
    end, number = time.monotonic() + seconds + 12, 0
    while time.monotonic() < end:
        number += 1
        words = ("two", "one")[number // 20 % 2]
        if number % 20 == 0:
            for place, text in enumerate(policies(words)):
                (door.policies / f"{place:02}.json").write_text(text)
        if number % 20 > 15:
            os.utime(door.policies / "00.json")
        for pid in door.children()[1][:1] if number % 7 == 0 else ():
            _signal(pid, signal.SIGKILL)
        await asyncio.sleep(0.2)
    loads = (await asyncio.to_thread(door.details))["loads"]
    return f"{loads - before} loads"


async def api_server(door: Door, seconds: float) -> str:
    """It ends, comes back, forgets its history and cuts watches; labels of a namespace change."""
    door.cluster.kill()
    await asyncio.sleep(seconds)
    await asyncio.to_thread(door.cluster.start)
    notes = []
    for number, spoil in enumerate((lambda: None, door.cluster.compact, _cut(door))):
        spoil()
        name = f"changes{number}"
        for lock, wanted in (("no", 201), ("yes", 403)):
            door.cluster.put(namespace(name, lock=lock))
            notes.append(await asyncio.to_thread(_until, door, name, wanted))
    written = [
        await asyncio.to_thread(_write, door, "kube-good", {}),
        await asyncio.to_thread(_write, door, "kube-bad", {"team": None}),
        await asyncio.to_thread(_write, door, "kube-open", {"gatekeeper": "bad"}),
    ]
    worst = max(notes)
    return f"labels count after {worst:.1f} s at most; writes {written} (201, 403, 403)"


def _cut(door: Door) -> Callable[[], Any]:
    return lambda: door.cluster.faults.add(
        verb="watch", resource="namespaces", kind="expired", times=2
    )


def _until(door: Door, space: str, wanted: int) -> float:
    began = time.monotonic()
    number = 0
    while time.monotonic() - began < 10:
        number += 1
        if _write(door, f"p{number}-{int(began * 1000)}", {}, space) == wanted:
            return time.monotonic() - began
        time.sleep(0.05)
    return 99.0


def _write(door: Door, name: str, labels: dict[str, str | None], space: str = "default") -> int:
    """A pod through the API server: the status."""
    one = pod(name)
    one["metadata"]["namespace"] = space
    one["metadata"]["labels"].update(labels)
    one["metadata"]["labels"] = {k: v for k, v in one["metadata"]["labels"].items() if v}
    url = f"{door.cluster.url}/api/v1/namespaces/{space}/pods"
    status = 0
    with contextlib.suppress(httpx.HTTPError):
        status = httpx.post(url, json=one, trust_env=False, timeout=5).status_code
    if status == 201:
        door.cluster.remove("pods", name, space)
    return status


async def told(door: Door, seconds: float) -> str:
    """The server that is told of decisions is slow, refuses, is away; the disk is full always."""
    for mode in (5.0, 500, 403, 422):
        Told.mode = mode
        await asyncio.sleep(seconds / 2)
    Told.mode = 500
    dropped = await asyncio.to_thread(door.total, "decisions_dropped")
    return f"{dropped} decisions dropped, counted"


async def memory(door: Door, seconds: float) -> str:
    """Every request brings a pattern of its own: do evaluators grow?"""
    await asyncio.sleep(seconds)
    before = max(_rss(pid) for pid in door.children()[1])
    await asyncio.sleep(3 * seconds)
    after = max(_rss(pid) for pid in door.children()[1])
    return f"an evaluator from {before:.0f} to {after:.0f} MiB"


def _rss(pid: int) -> float:
    with contextlib.suppress(OSError):
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) / 256
    return 0.0


def _runs(pid: int) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    return False


def _signal(pid: int, number: signal.Signals) -> bool:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
        return True
    return False


def _context() -> ssl.SSLContext:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def _rudely(port: int, tls: bool, data: bytes) -> None:
    with contextlib.suppress(OSError):
        plain = socket.create_connection(("127.0.0.1", port), 5)
        with plain, _context().wrap_socket(plain, server_hostname=NAME) if tls else plain as one:
            one.settimeout(0.2)
            one.sendall(data)
            with contextlib.suppress(OSError):
                one.recv(100)


FAULTS: dict[str, Fault] = {
    "none": nothing,
    "10x overload": nothing,
    "evaluators killed": evaluators_killed,
    "evaluator stopped": evaluator_stopped,
    "nursery killed": nursery_killed,
    "nursery stopped": nursery_stopped,
    "malformed reviews": malformed,
    "rude peers": bad_peers,
    "slow clients": slow_clients,
    "server away, disk full": told,
    "patterns without end": memory,
    "folder: garbage": _folder(_garbage),
    "folder: halves": _folder(_halves),
    "folder: emptied files": _folder(_empty),
    "folder: gone": _folder(shutil.rmtree),
    "folder: broken policies": _folder(_broken),
    "folder: 10,000 files": _folder(_many),
    "folder: link to itself": _folder(_circle),
    "folder: a pipe": _folder(_pipe),
    "reloads": reloads,
    "API server": api_server,
    "wild policies": nothing,
    "front killed": front_killed,
}
FLOOD = frozenset({"10x overload"})
WILD = frozenset({"wild policies"})
"""Strikes are forgotten with the front, or with the next set of policies: so these come last."""
__all__ = ["FAULTS", "FLOOD", "WILD"]
