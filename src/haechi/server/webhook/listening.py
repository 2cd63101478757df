"""TLS on one port, and another certificate without a lost request.

granian reads the certificate when it starts. To exchange it, a second server starts on the same
listening socket (a duplicate of its descriptor), and the first one drains: it answers what it has
and tells each peer to close (``Connection: close``); after a while it ends. Both accept meanwhile,
which is why a new chain must be trusted before the old one is let go (``certificates``).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

from granian._granian import SocketHolder
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server.embed import Server

from haechi.server.listener import BACKLOG

log = logging.getLogger("haechi.webhook")
CONNECTIONS = 1024
IDLE_MS = 120_000
"""Longer than API servers keep a connection that they do not use (90 s): they close first."""
_HEAD_BYTES = 64 << 10
_LOGGING = {"incremental": True, "formatters": {}, "handlers": {}, "loggers": {"_granian": {}}}
MakeApp = Callable[[Callable[[], bool]], Any]


class Chain:
    """Files of a served certificate chain and its key; ``client_ca``: who may connect at all."""

    def __init__(self, certificate: Path, key: Path, client_ca: Path | None = None) -> None:
        self.certificate, self.key, self.client_ca = certificate, key, client_ca


class Port:
    """A listening socket, and the server that answers on it now."""

    def __init__(self, bound: socket.socket, make_app: MakeApp, *, drain_s: float = 5.0) -> None:
        self.number: int = bound.getsockname()[1]
        self._socket = bound
        self._make_app = make_app
        self._drain_s = drain_s
        self._current: _Serving | None = None
        self._old: set[asyncio.Task[None]] = set()

    async def serve(self, chain: Chain) -> None:
        """Serve with this chain from now on. Raises OSError, ssl.SSLError when it cannot be."""
        made = _Serving(self._socket, self._make_app, chain)
        made.start()
        await asyncio.sleep(0)  # its worker begins to accept in its first step
        old, self._current = self._current, made
        if old is not None:
            task = asyncio.create_task(old.drain(self._drain_s))
            self._old.add(task)
            task.add_done_callback(self._old.discard)

    def failed(self) -> bool:
        """True when it ended though nobody asked for it."""
        return self._current is not None and self._current.ended

    @property
    def draining(self) -> bool:
        """Whether a server with an older chain still answers."""
        return bool(self._old)

    async def close(self, seconds: float) -> None:
        """Take no more connections, let answers end for so long."""
        self._socket.close()
        for task in list(self._old):
            task.cancel()
        await asyncio.gather(*self._old, return_exceptions=True)
        if self._current is not None:
            self._current.draining = True
            await self._current.stop(seconds)


class _Serving:
    def __init__(self, bound: socket.socket, make_app: MakeApp, chain: Chain) -> None:
        self.draining = False
        self._task: asyncio.Task[None] | None = None
        self._server = _Server(
            os.dup(bound.fileno()),
            make_app(lambda: self.draining),
            interface=Interfaces.RSGI,
            http=HTTPModes.http1,
            websockets=False,
            backlog=BACKLOG,
            backpressure=CONNECTIONS,
            runtime_threads=1,
            runtime_blocking_threads=1,
            http1_settings=HTTP1Settings(header_read_timeout=IDLE_MS, max_buffer_size=_HEAD_BYTES),
            log_level=LogLevels.error,
            log_dictconfig=dict(_LOGGING),
            ssl_cert=chain.certificate,
            ssl_key=chain.key,
            ssl_ca=chain.client_ca,
            ssl_client_verify=chain.client_ca is not None,
        )

    @property
    def ended(self) -> bool:
        return self._task is not None and self._task.done()

    def start(self) -> None:
        self._task = asyncio.create_task(self._server.serve())

    async def drain(self, seconds: float) -> None:
        self.draining = True
        try:
            await asyncio.sleep(seconds)
        finally:
            await self.stop(seconds)

    async def stop(self, seconds: float) -> None:
        if self._task is None:
            return
        self._server.stop()  # type: ignore[no-untyped-call]
        done, _ = await asyncio.wait({self._task}, timeout=seconds)
        if not done:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task


class _Server(Server):
    def __init__(self, descriptor: int, app: Any, **options: Any) -> None:
        self._descriptor = descriptor
        super().__init__(app, **options)
        logging.getLogger("_granian").setLevel(logging.CRITICAL)

    def _init_shared_socket(self) -> None:
        """The socket that listens already; granian closes its duplicate."""
        self._ssp = None
        # The third argument is missing in the stub only.
        holder: Any = SocketHolder
        self._shd: Any = holder(self._descriptor, False, BACKLOG)
