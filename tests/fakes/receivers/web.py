"""An HTTP server on loopback that answers as it is told, and remembers what it was asked."""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit


@dataclass(frozen=True)
class Asked:
    """A request as it came."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Answer:
    """What to answer. ``reset``: break the connection after the request was taken; ``drip``:
    send a byte of the body now and then for so many seconds."""

    status: int = 200
    body: bytes = b"{}"
    headers: dict[str, str] = field(default_factory=dict)
    reset: bool = False
    drip: float = 0.0


def as_json(value: Any, status: int = 200, **headers: str) -> Answer:
    head = {"Content-Type": "application/json", **headers}
    return Answer(status=status, body=json.dumps(value).encode(), headers=head)


HTML = Answer(
    status=502,
    body=b"<html><body>Bad\r\nGateway</body></html>",
    headers={"Content-Type": "text/html"},
)
Responder = Callable[[Asked], Answer]


class Web:
    """A running server. ``script`` are answers to be given first, one each; then ``responder``.
    An exception of the responder breaks the test, not only the request."""

    def __init__(self, responder: Responder | None = None) -> None:
        self.asked: list[Asked] = []
        self.script: list[Answer] = []
        self.failures: list[BaseException] = []
        self.responder = responder or (lambda _: Answer())
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.port = int(self._server.server_address[1])
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()

    def secure(self, context: Any) -> None:
        """Speak TLS from now on."""
        self._server.socket = context.wrap_socket(self._server.socket, server_side=True)
        self.url = f"https://127.0.0.1:{self.port}"

    def close(self) -> None:
        self._stopped.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()
        if self.failures:
            raise self.failures[0]

    def _answer(self, asked: Asked) -> Answer:
        with self._lock:
            self.asked.append(asked)
            if self.script:
                return self.script.pop(0)
            try:
                return self.responder(asked)
            except BaseException as error:
                self.failures.append(error)
                raise

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        web = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _do(self) -> None:
                length = int(self.headers.get("content-length") or 0)
                parts = urlsplit(self.path)
                asked = Asked(
                    method=self.command,
                    path=parts.path,
                    query={name: value[-1] for name, value in parse_qs(parts.query).items()},
                    headers={name.lower(): value for name, value in self.headers.items()},
                    body=self.rfile.read(length),
                )
                self._say(web._answer(asked))

            def _say(self, answer: Answer) -> None:
                self.close_connection = True
                if answer.reset:
                    linger = struct.pack("ii", 1, 0)
                    self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
                    self.connection.close()
                    return
                try:
                    self.send_response(answer.status)
                    for name, value in answer.headers.items():
                        self.send_header(name, value)
                    self.send_header("Content-Length", str(len(answer.body)))
                    self.send_header("Connection", "close")
                    self.end_headers()
                    self._body(answer)
                except OSError:
                    pass  # the client had enough

            def _body(self, answer: Answer) -> None:
                if not answer.drip:
                    self.wfile.write(answer.body)
                    return
                end = time.monotonic() + answer.drip
                while time.monotonic() < end and not web._stopped.is_set():
                    self.wfile.write(b" ")
                    self.wfile.flush()
                    time.sleep(0.05)

            do_GET = do_POST = do_PUT = do_PATCH = _do

            def log_message(self, format: str, *args: object) -> None:
                """Not on standard error."""

        return Handler


@contextmanager
def web(responder: Responder | None = None) -> Iterator[Web]:
    """A server for the time of a test."""
    made = Web(responder)
    try:
        yield made
    finally:
        made.close()
