"""A server of raw bytes on loopback, for what no well-behaved server does: half lines, bombs,
drips, redirects. A script is a function from a request to bytes (or pieces of them)."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from haechi.world.kube.access import Access, Credential
from haechi.world.kube.client import KubernetesClient
from haechi.world.kube.credentials import Fixed
from haechi.world.kube.patience import Patience

TOKEN = "t0ken"


@dataclass(frozen=True)
class Asked:
    """A request as it came."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    stopped: threading.Event

    @property
    def path(self) -> str:
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, str]:
        return {name: values[0] for name, values in parse_qs(urlsplit(self.target).query).items()}

    @property
    def watches(self) -> bool:
        return self.query.get("watch") == "true"


Script = Callable[[Asked], bytes | Iterable[bytes]]


@dataclass
class Raw:
    """Runs. ``asked`` are the requests, in the order in which they came."""

    port: int
    asked: list[Asked] = field(default_factory=list)
    connections: int = 0
    stopped: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def targets(self) -> list[str]:
        return [one.target for one in self.asked]


@contextlib.contextmanager
def serving(script: Script, *, tls: ssl.SSLContext | None = None) -> Iterator[Raw]:
    """The script behind a port. Connections that are open at the end are cut."""
    listener = socket.create_server(("127.0.0.1", 0))
    raw = Raw(port=listener.getsockname()[1])
    open_: set[socket.socket] = set()
    threads: list[threading.Thread] = []

    def one(connection: socket.socket) -> None:
        try:
            if tls is not None:
                connection = tls.wrap_socket(connection, server_side=True)
                open_.add(connection)
            _served(connection, script, raw)
        except (OSError, ValueError):
            pass
        finally:
            connection.close()

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            raw.connections += 1
            open_.add(connection)
            thread = threading.Thread(target=one, args=(connection,), daemon=True)
            threads.append(thread)
            thread.start()

    accepting = threading.Thread(target=accept, daemon=True)
    accepting.start()
    try:
        yield raw
    finally:
        raw.stopped.set()
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        accepting.join(5)
        for connection in list(open_):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in threads:
            thread.join(5)
        for connection in list(open_):
            connection.close()


def _served(connection: socket.socket, script: Script, raw: Raw) -> None:
    buffer = b""
    while True:
        while b"\r\n\r\n" not in buffer:
            piece = connection.recv(65536)
            if not piece:
                return
            buffer += piece
        head, _, buffer = buffer.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        method, target, _ = first.split(" ", 2)
        headers = {
            name.lower(): value.strip()
            for name, _, value in (line.partition(":") for line in lines)
        }
        length = int(headers.get("content-length", "0"))
        while len(buffer) < length:
            buffer += connection.recv(65536)
        body, buffer = buffer[:length], buffer[length:]
        asked = Asked(method, target, headers, body, raw.stopped)
        raw.asked.append(asked)
        answer = script(asked)
        for piece in [answer] if isinstance(answer, bytes) else answer:
            connection.sendall(piece)
        if not isinstance(answer, bytes):
            return


def answer(value: Any, status: int = 200, **headers: str) -> bytes:
    """A JSON answer."""
    body = value if isinstance(value, bytes) else json.dumps(value).encode()
    more = "".join(f"{name.replace('_', '-')}: {word}\r\n" for name, word in headers.items())
    head = f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\n{more}"
    return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body


def refusal(status: int, reason: str, message: str = "", **details: Any) -> bytes:
    """A Status."""
    value: dict[str, Any] = {
        "kind": "Status",
        "apiVersion": "v1",
        "status": "Failure",
        "code": status,
        "reason": reason,
        "message": message or reason,
    }
    if "continue_" in details:
        value["metadata"] = {"continue": details.pop("continue_")}
    return answer(value | ({"details": details} if details else {}), status)


STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n"


def thing(name: str, version: int, namespace: str = "shop", uid: str = "") -> dict[str, Any]:
    """An object."""
    return {
        "metadata": {
            "name": name,
            "namespace": namespace,
            "uid": uid or f"uid-{name}",
            "resourceVersion": str(version),
            "managedFields": [{"manager": "x"}],
        },
        "spec": {},
    }


def page(items: Iterable[dict[str, Any]], version: int = 1, token: str = "") -> bytes:
    """A page of a list."""
    metadata = {"resourceVersion": str(version)} | ({"continue": token} if token else {})
    return answer({"kind": "PodList", "apiVersion": "v1", "metadata": metadata, "items": [*items]})


def event(type_: str, body: dict[str, Any]) -> bytes:
    """A line of a watch."""
    return json.dumps({"type": type_, "object": body}).encode() + b"\n"


def bookmark(version: int) -> bytes:
    """A bookmark."""
    return event("BOOKMARK", {"kind": "Pod", "metadata": {"resourceVersion": str(version)}})


AT_ONCE = Patience(sleep=lambda _: None, chance=lambda: 0.0)


def access_to(raw: Raw, **more: Any) -> Access:
    """Access with a token."""
    given: dict[str, Any] = {
        "name": "east",
        "server": raw.url,
        "credentials": Fixed(Credential(token=TOKEN)),
    }
    return Access(**given | more)


@contextlib.contextmanager
def client_of(script: Script, **more: Any) -> Iterator[tuple[KubernetesClient, Raw]]:
    """A client of a script; pauses take no time."""
    with (
        serving(script) as raw,
        KubernetesClient(access_to(raw, **more), patience=AT_ONCE) as client,
    ):
        yield client, raw
