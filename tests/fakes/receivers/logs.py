"""Syslog listeners on loopback: UDP datagrams, and octet-counted records over TCP or TLS."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager


class SyslogServer:
    """``records`` are whole ones; ``wait`` until so many came."""

    def __init__(self, protocol: str, context: ssl.SSLContext | None = None) -> None:
        kind = socket.SOCK_DGRAM if protocol == "udp" else socket.SOCK_STREAM
        self._socket = socket.socket(socket.AF_INET, kind)
        self._socket.bind(("127.0.0.1", 0))
        self._context = context
        self._came = threading.Condition()
        self.port = int(self._socket.getsockname()[1])
        self.records: list[bytes] = []
        if protocol != "udp":
            self._socket.listen()
        work = self._datagrams if protocol == "udp" else self._streams
        self._thread = threading.Thread(target=work)
        self._thread.start()

    def wait(self, count: int) -> list[bytes]:
        with self._came:
            assert self._came.wait_for(lambda: len(self.records) >= count, timeout=10)
            return list(self.records)

    def close(self) -> None:
        self._socket.shutdown(socket.SHUT_RDWR) if self._is_stream else self._poke()
        self._thread.join()
        self._socket.close()

    @property
    def _is_stream(self) -> bool:
        return self._socket.type == socket.SOCK_STREAM

    def _poke(self) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
            one.sendto(b"", ("127.0.0.1", self.port))

    def _keep(self, record: bytes) -> None:
        with self._came:
            self.records.append(record)
            self._came.notify_all()

    def _datagrams(self) -> None:
        while data := self._socket.recv(65_536):
            self._keep(data)

    def _streams(self) -> None:
        while True:
            try:
                one, _ = self._socket.accept()
            except OSError:
                return
            try:
                if self._context is not None:
                    one = self._context.wrap_socket(one, server_side=True)
                with one, one.makefile("rb") as stream:
                    while length := self._length(stream):
                        self._keep(stream.read(length))
            except OSError:
                one.close()

    def _length(self, stream: object) -> int:
        digits = b""
        while (byte := stream.read(1)) and byte != b" ":  # type: ignore[attr-defined]
            digits += byte
        return int(digits) if digits else 0


@contextmanager
def syslog_server(protocol: str, context: ssl.SSLContext | None = None) -> Iterator[SyslogServer]:
    """A listener for the time of a test."""
    made = SyslogServer(protocol, context)
    try:
        yield made
    finally:
        made.close()
