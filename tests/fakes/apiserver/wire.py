"""The sockets: HTTP/1.1 with keep-alive and chunked streams, TLS, and faults on the wire."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import msgspec
import yaml

from tests.fakes.apiserver import status
from tests.fakes.apiserver.faults import REASONS, Entry, Fault
from tests.fakes.apiserver.request import Answer, Request
from tests.fakes.apiserver.tables import form

if TYPE_CHECKING:
    from tests.fakes.apiserver.server import ApiServer

Json = dict[str, Any]
_AFTER = ("reset_after", "timeout_after", "slow", "cut")


class Closing(Exception):
    """This connection ends now, without an answer."""


class Sockets(ThreadingHTTPServer):
    """Listens; knows its open connections so that it can break them."""

    daemon_threads = True
    block_on_close = False
    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, port: int, owner: ApiServer, context: ssl.SSLContext | None) -> None:
        self.owner, self._context = owner, context
        self._lock, self._open = threading.Lock(), set[socket.socket]()
        self.stopping = threading.Event()
        super().__init__(("127.0.0.1", port), Handler)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        plain: socket.socket = request
        with contextlib.suppress(OSError, Closing):
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            used: socket.socket = plain
            if self._context is not None:
                plain.settimeout(10)
                used = self._context.wrap_socket(plain, server_side=True)
                used.settimeout(None)
            with self._lock:
                self._open.add(used)
            try:
                self.finish_request(used, client_address)
            finally:
                with self._lock:
                    self._open.discard(used)
                used.close()
        plain.close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A broken connection is the client's affair."""

    def break_all(self) -> None:
        """Reset every connection, as a killed process does."""
        with self._lock:
            held = list(self._open)
        for each in held:
            reset(each)


def reset(each: socket.socket) -> None:
    with contextlib.suppress(OSError):
        each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    with contextlib.suppress(OSError):
        # the descriptor itself is closed by the connection's own thread
        each.shutdown(socket.SHUT_RD)
    with contextlib.suppress(OSError):
        each.shutdown(socket.SHUT_RDWR)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Sockets

    def log_message(self, format: str, *args: object) -> None:
        """The log is the server's `log`."""

    def do_GET(self) -> None:
        self._serve()

    do_POST = do_PUT = do_PATCH = do_DELETE = do_GET

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
            parts = []
            while size := int(self.rfile.readline().split(b";")[0].strip() or b"0", 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)
        return self.rfile.read(int(self.headers.get("Content-Length") or 0))

    def _serve(self) -> None:
        owner = self.server.owner
        body = self._body()
        headers: dict[str, str] = {}
        for key, value in self.headers.items():
            known = headers.get(key.lower())
            headers[key.lower()] = value if known is None else f"{known},{value}"
        request = Request(method=self.command, raw_path=self.path, headers=headers, body=body)
        entry = owner.log.note(self.command, request.path, request.query, body)
        entry.agent, entry.media = headers.get("user-agent", ""), request.media
        owner.api.locate(request, entry)
        fault = owner.faults.draw(entry)
        entry.fault = fault.kind if fault else ""
        owner.wait_while_paused()
        if self.server.stopping.is_set():
            self._reset()
        if fault is not None and fault.kind not in _AFTER:
            self._before(fault, entry)
            return
        self._answer(request, entry, fault)

    # -- answering

    def _answer(self, request: Request, entry: Entry, fault: Fault | None) -> None:
        owner = self.server.owner
        sent = _Count(fault, self.server.stopping)
        try:
            answer = owner.api.handle(request, self._certificate(), sent.over)
        except status.ApiError as refused:
            answer = _refusal(refused)
        except Exception as bug:  # noqa: BLE001 - a fault of the fake itself: told, and kept
            owner.bugs.append(bug)
            answer = _refusal(status.internal(f"the fake API server failed: {bug!r}"))
        entry.user, entry.code = request.user.name, answer.code
        entry.version = owner.api.store.version
        if request.warnings:
            answer.headers["Warning"] = ", ".join(map(_warning, dict.fromkeys(request.warnings)))
        if fault is not None and fault.kind == "reset_after":
            entry.code = 0
            self._reset()
        if fault is not None and fault.kind == "timeout_after":
            entry.code = 0
            self._hang(fault)
        if self.server.stopping.is_set():
            self._reset()
        if answer.stream is not None:
            self._stream(answer.stream, sent)
        else:
            self._whole(answer, request, slow=fault if fault and fault.kind == "slow" else None)

    def _certificate(self) -> bytes | None:
        if isinstance(self.connection, ssl.SSLSocket):
            return self.connection.getpeercert(binary_form=True)
        return None

    def _whole(self, answer: Answer, request: Request, slow: Fault | None) -> None:
        media, body = answer.media, answer.body
        if not isinstance(body, bytes):
            body, media = _encoded(body, media, request)
        self._head(answer.code, media, answer.headers)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if slow is None:
            self.wfile.write(body)
            return
        for start in range(0, len(body), max(len(body) // 8, 1)):
            self.wfile.write(body[start : start + max(len(body) // 8, 1)])
            self.wfile.flush()
            self.server.stopping.wait(slow.seconds)

    def _head(self, code: int, media: str, headers: dict[str, str]) -> None:
        self.send_response(code)
        self.send_header("Content-Type", media)
        self.send_header("Audit-Id", self.server.owner.audit_id())
        self.send_header("Cache-Control", "no-cache, private")
        for key, value in headers.items():
            self.send_header(key, value)

    def _stream(self, stream: Iterator[bytes], sent: _Count) -> None:
        self._head(200, "application/json", {})
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        self.wfile.flush()
        for piece in stream:
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            self.wfile.flush()
            sent.events += 1
            if sent.over():
                self._reset()
        if sent.over():
            self._reset()
        self.wfile.write(b"0\r\n\r\n")

    # -- failing

    def _before(self, fault: Fault, entry: Entry) -> None:
        if fault.kind == "timeout":
            self._hang(fault)
        if fault.kind == "reset":
            self._reset()
        if fault.kind == "garbage":
            entry.code = 200
            self._bytes(200, b'{"kind":"Status","apiVersion":"v1","meta\x00\xff')
            return
        code = 401 if fault.kind == "expired" else fault.code
        reason = fault.reason or REASONS.get(code, "")
        text = "Unauthorized" if code == 401 else fault.message
        details = {"retryAfterSeconds": fault.retry_after} if fault.retry_after else {}
        headers = {"Retry-After": str(fault.retry_after)} if fault.retry_after else {}
        refused = status.ApiError(code, reason, text, details=details, headers=headers)
        entry.code = code
        self._bytes(code, msgspec.json.encode(refused.body()), headers)

    def _bytes(self, code: int, body: bytes, headers: dict[str, str] | None = None) -> None:
        self._head(code, "application/json", headers or {})
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _hang(self, fault: Fault) -> None:
        """Never answer: until the client gives up, the server stops, or the time is over."""
        ends = time.monotonic() + fault.seconds if fault.seconds else None
        self.connection.settimeout(0.1)
        while not self.server.stopping.is_set() and (ends is None or time.monotonic() < ends):
            try:
                if not self.connection.recv(1):
                    break
            except TimeoutError:
                continue
            except OSError:
                break
        self._reset()

    def _reset(self) -> None:
        self.close_connection = True
        with contextlib.suppress(OSError):
            linger = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        raise Closing

    def finish(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            super().finish()


class _Count:
    """How many events a watch sent, and whether a fault or the server's end cuts it now."""

    def __init__(self, fault: Fault | None, stopping: threading.Event) -> None:
        self.events, self._stopping = 0, stopping
        self._most = fault.events if fault and fault.kind == "cut" else None

    def over(self) -> bool:
        enough = self._most is not None and self.events >= self._most
        return enough or self._stopping.is_set()


def _refusal(refused: status.ApiError) -> Answer:
    return Answer(code=refused.code, body=refused.body(), headers=dict(refused.headers))


def _warning(text: str) -> str:
    safe = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'299 - "{safe}"'


def _encoded(body: Any, media: str, request: Request) -> tuple[bytes, str]:
    if media == "application/json":
        with contextlib.suppress(status.ApiError):
            if form(request)[1] == "application/yaml":
                return yaml.safe_dump(body).encode(), "application/yaml"
    return msgspec.json.encode(body), media
