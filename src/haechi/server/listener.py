"""granian on a socket of ours, in our event loop.

granian would bind by itself, with SO_REUSEPORT (another process of the same user could take a
part of the connections) and without telling the port it got; so it is given a socket that
listens already. Its stop waits for every answer to end: whoever stops it ends them first.
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import logging
import socket
from typing import TYPE_CHECKING, Any

from granian._granian import SocketHolder
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings, HTTP2Settings
from granian.log import LogLevels
from granian.server.embed import Server

from haechi.errors import ConfigError

if TYPE_CHECKING:
    from haechi.server.settings import Settings
    from haechi.server.tls import Pair

BACKLOG = 512
UNREAD_MS = 30_000
"""After this long a peer that takes nothing of what was sent to it is cut off. An answer that
nobody reads would else hold its connection, one of a few, for ever: the HTTP server has no limit
for it, but the kernel has, and a listening socket hands it on to those that it accepts."""
_HEAD_BYTES = 64 << 10
_LOGGING = {"incremental": True, "formatters": {}, "handlers": {}, "loggers": {"_granian": {}}}
"""Leaves the process' loggers as they are: granian's default would take them over."""


def bound(address: str, port: int) -> socket.socket:
    """A listening socket. Raises ConfigError when the address cannot be had."""
    family = socket.AF_INET6 if ipaddress.ip_address(address).version == 6 else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNREAD_MS)
        made.bind((address, port))
        made.listen(BACKLOG)
        made.setblocking(False)
    except OSError as error:
        made.close()
        raise ConfigError(
            f"{address}:{port} cannot be listened on",
            why=str(error.strerror or error),
            do="stop what uses it, or choose another with listen.port (0 takes a free one)",
            where="listen",
        ) from error
    return made


class Listener:
    """Serves an ASGI application on a socket, which it closes at its end."""

    def __init__(
        self, app: Any, bound_socket: socket.socket, settings: Settings, pair: Pair | None = None
    ) -> None:
        limits, listen = settings.limits, settings.listen
        self.port: int = bound_socket.getsockname()[1]
        self._server = _Server(
            bound_socket,
            app,
            interface=Interfaces.ASGINL,
            http=HTTPModes.http1 if pair is None else HTTPModes.auto,
            websockets=False,
            backlog=BACKLOG,
            backpressure=listen.connections,
            runtime_threads=1,
            runtime_blocking_threads=4,
            http1_settings=HTTP1Settings(
                header_read_timeout=int(limits.header_seconds * 1000), max_buffer_size=_HEAD_BYTES
            ),
            http2_settings=HTTP2Settings(
                max_concurrent_streams=64,
                max_headers_size=_HEAD_BYTES,
                keep_alive_interval=20_000,
            ),
            log_level=LogLevels.error,
            log_dictconfig=dict(_LOGGING),
            ssl_cert=pair.certificate if pair else None,
            ssl_key=pair.key if pair else None,
        )
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin to serve in the running loop."""
        self._task = asyncio.create_task(self._server.serve())

    async def ended(self) -> None:
        """Until it has ended, by ``stop`` or by a failure."""
        if self._task is not None:
            await asyncio.wait({self._task})

    async def stop(self, seconds: float) -> bool:
        """Take no more connections and let answers end, for so long. True when all did."""
        if self._task is None:
            return True
        self._server.stop()  # type: ignore[no-untyped-call]
        done, _ = await asyncio.wait({self._task}, timeout=seconds)
        return bool(done)

    async def abandon(self) -> None:
        """Wait no longer."""
        if self._task is not None and not self._task.done():
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task


class _Server(Server):
    def __init__(self, bound_socket: socket.socket, app: Any, **options: Any) -> None:
        # A cut answer is reported by the log of the server that cut it, not once more here.
        super().__init__(app, **options)
        logging.getLogger("_granian").setLevel(logging.CRITICAL)
        self._given = bound_socket

    def _init_shared_socket(self) -> None:
        """The socket that listens already; granian closes it."""
        self._ssp = None
        # The third argument is missing in the stub only.
        holder: Any = SocketHolder
        self._shd: Any = holder(self._given.detach(), False, BACKLOG)
