"""Sockets for the wire: no wait is longer than what is left of a request's deadline, and a close
wakes whoever waits.

httpcore's timeouts are for each wait, so a server that drips bytes would never run into one. And
to close a socket in one thread does not wake another that reads from it: it is shut down first.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Iterable
from typing import Any

import httpcore

KEEP_ALIVE = [
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_NODELAY, 1),
    *(
        (socket.IPPROTO_TCP, getattr(socket, name), value)
        for name, value in (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3))
        if hasattr(socket, name)
    ),
]


class Backend(httpcore.NetworkBackend):
    """Sockets whose every wait is cut to the deadline of the request that waits (per thread)."""

    def __init__(self) -> None:
        self._inner = httpcore.SyncBackend()
        self._local = threading.local()
        self._lock = threading.Lock()
        self._open: set[_Socket] = set()
        self._ended = False

    @property
    def deadline(self) -> float | None:
        """Of this thread's request."""
        return getattr(self._local, "deadline", None)

    @deadline.setter
    def deadline(self, value: float | None) -> None:
        self._local.deadline = value

    def left(self, timeout: float | None) -> float | None:
        """The timeout, or less. Raises TimeoutError."""
        if self.deadline is None:
            return timeout
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise httpcore.ReadTimeout
        return left if timeout is None else min(left, timeout)

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """A connection."""
        inner = self._inner.connect_tcp(
            host, port, self.left(timeout), local_address, socket_options
        )
        return self.kept(_Socket(inner, self))

    def kept(self, one: _Socket) -> _Socket:
        """Remembered, so that a close ends waits in other threads. One that is made while that
        happens is cut at once."""
        with self._lock:
            self._open.add(one)
            ended = self._ended
        if ended:
            one.shut()
        return one

    def forget(self, one: _Socket) -> None:
        """It is closed."""
        with self._lock:
            self._open.discard(one)

    def shut(self) -> None:
        """End every connection, also those that wait in another thread."""
        with self._lock:
            self._ended = True
            several = list(self._open)
        for one in several:
            one.shut()


class _Socket(httpcore.NetworkStream):
    def __init__(self, inner: httpcore.NetworkStream, backend: Backend) -> None:
        self._inner, self._backend = inner, backend

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._inner.read(max_bytes, self._backend.left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._inner.write(buffer, self._backend.left(timeout))

    def close(self) -> None:
        self._backend.forget(self)
        self._inner.close()

    def shut(self) -> None:
        """Wake whoever waits for it; the owner closes it."""
        found = self._inner.get_extra_info("socket")
        with contextlib.suppress(OSError):
            if isinstance(found, socket.socket):
                found.shutdown(socket.SHUT_RDWR)

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        self._backend.forget(self)
        inner = self._inner.start_tls(ssl_context, server_hostname, self._backend.left(timeout))
        return self._backend.kept(_Socket(inner, self._backend))

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)
