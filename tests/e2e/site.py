"""A server with a filled store: the sample shop pushed by ``haechi scan``, and some events."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import msgspec
from examples.history import materialise

from haechi.model.access import Grant, Role
from haechi.server.auth import ensure_admin, new_sign_in_code
from tests.server.serving import Running, real_world, serving

KINDS = (
    ("falco", "syscall", "Terminal shell in container", "notice", "A shell was spawned in cart"),
    ("falco", "syscall", "Read sensitive file", "warning", "cat opened /etc/shadow as root"),
    ("falco", "syscall", "Outbound connection to C2", "critical", "curl reached 203.0.113.7:443"),
    ("flows", "flow", "", "", "shop/web to shop/cart 8080/TCP forwarded"),
)

AUDIT = {
    "kind": "Event",
    "apiVersion": "audit.k8s.io/v1",
    "level": "Metadata",
    "auditID": "e2e-exec",
    "stage": "ResponseComplete",
    "requestURI": "/api/v1/namespaces/shop/pods/cart-1/exec",
    "verb": "create",
    "user": {"username": "ana@shop.example"},
    "sourceIPs": ["10.2.0.9"],
    "objectRef": {
        "resource": "pods",
        "subresource": "exec",
        "namespace": "shop",
        "name": "cart-1",
        "apiVersion": "v1",
    },
    "responseStatus": {"code": 101},
}


@dataclass
class Site:
    """``token`` is the administrator's, ``viewer`` may only look."""

    running: Running
    shop: Path
    token: str
    viewer: str
    sent: int = 0

    @property
    def url(self) -> str:
        """Where the page is."""
        return self.running.url

    @property
    def store(self) -> Path:
        """The server's folder."""
        return self.running.world.store.folder.path

    def link(self) -> str:
        """A sign-in link, as the terminal prints it."""
        return f"{self.url}/signin#code={new_sign_in_code(self.running.world.store.state)}"

    def push(self) -> None:
        """Scan the shop as it lies there and push what came out."""
        words = [sys.executable, "-m", "haechi", "scan", str(self.shop), "--push", self.url]
        done = subprocess.run(
            [*words, "--summary"],
            env={**os.environ, "HAECHI_TOKEN": self.token, "HAECHI_SERVER": ""},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert "pushed to" in done.stderr, done.stderr

    def send(self, count: int = 40) -> None:
        """Events of all kinds, the newest a moment ago."""
        now = time.time_ns()
        lines = [_event(self.sent + i, now - i * 10**9) for i in range(count)]
        self.sent += count
        answer = self.ask("POST", "/events", b"\n".join(lines), "application/x-ndjson")
        assert answer["accepted"] == count, answer

    def run_shell(self, name: str) -> None:
        """What the sensor and the API server tell when somebody opens a shell in a pod."""
        now = time.time_ns()
        lines = [msgspec.json.encode(one) for one in _shell(name, now)]
        self.ask("POST", "/events", b"\n".join(lines), "application/x-ndjson")

    def feed(self) -> None:
        """An audit event, and a record that is none."""
        at = time.strftime("%Y-%m-%dT%H:%M:%S.000000Z", time.gmtime())
        record = {**AUDIT, "requestReceivedTimestamp": at, "stageTimestamp": at}
        body = b"\n".join((msgspec.json.encode(record), b'{"kind": "Event", "broken'))
        self.ask("POST", "/feeds/kubernetes-audit?cluster=east", body, "application/x-ndjson")

    def ask(self, method: str, path: str, body: bytes = b"", kind: str = "application/json") -> Any:
        """The API, as the administrator's token may ask it."""
        answer = httpx.request(
            method,
            f"{self.url}/api/v1{path}",
            content=body,
            headers={"Authorization": f"Bearer {self.token}", "Content-Type": kind},
            trust_env=False,
        )
        answer.raise_for_status()
        return answer.json()


def _event(number: int, ts_ns: int) -> bytes:
    source, kind, rule, priority, message = KINDS[number % len(KINDS)]
    return msgspec.json.encode(
        {
            "id": f"e2e-{number}",
            "ts_ns": ts_ns,
            "source": source,
            "type": kind,
            "cluster": "east",
            "namespace": ("shop", "payments")[number % 2],
            "resource": "k8s:east/apps/Deployment/shop/cart",
            "rule": rule,
            "priority": priority,
            "message": message,
            "fields": {"proc.name": "bash", "number": number},
        }
    )


def _shell(name: str, ts_ns: int) -> list[dict[str, Any]]:
    """A shell with a terminal in a container, below a web server, and what is run in it."""
    runtime = {"container.id": "4f1d2c3b5a69", "container.name": "cart", "user.name": "root"}
    shell = {
        "proc.name": "bash",
        "proc.cmdline": f"bash -i {name}",
        "proc.exepath": "/usr/bin/bash",
        "proc.pid": 4711,
        "proc.pname": "nginx",
        "proc.tty": 34816,
        "proc.aname": ["bash", "nginx", "containerd-shim"],
        "evt.res": "SUCCESS",
        "evt.rawres": 0,
        "evt.arg.exe": "bash",
    }
    quiet = {"proc.name": "date", "proc.cmdline": "date", "proc.tty": 0, "evt.rawres": 0}
    event = {"source": "sensor", "type": "execve", "cluster": "east", "namespace": "shop"}
    return [
        {
            **event,
            "id": f"{name}-1",
            "ts_ns": ts_ns - 2 * 10**9,
            "message": "date: execve date",
            "fields": {**runtime, **quiet},
        },
        {
            **event,
            "id": f"{name}-2",
            "ts_ns": ts_ns - 10**9,
            "message": f"bash: execve bash -i {name}",
            "container_id": "4f1d2c3b5a69",
            "fields": {**runtime, **shell},
        },
    ]


@contextmanager
def empty_site(folder: Path) -> Iterator[Site]:
    """A server that was never pushed to."""
    with real_world(folder / "store") as world, serving(world) as running:
        token = ensure_admin(world.store.state)
        assert token
        site = Site(running=running, shop=folder / "shop", token=token, viewer="")
        site.viewer = site.ask(
            "POST",
            "/tokens",
            msgspec.json.encode({"name": "looker", "grants": [Grant(role=Role.VIEWER)]}),
        )["secret"]
        yield site


@contextmanager
def filled_site(folder: Path) -> Iterator[Site]:
    """A server that knows the shop and heard events."""
    with empty_site(folder) as site:
        materialise(site.shop)
        site.push()
        site.send()
        site.run_shell("first")
        site.feed()
        yield site
