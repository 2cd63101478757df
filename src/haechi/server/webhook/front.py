"""The RSGI application: routes, limits, probes. It decides nothing that a policy could decide."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from haechi.server.webhook.figures import CONTENT_TYPE, Figures
from haechi.server.webhook.frames import PATHS, Route
from haechi.server.webhook.pool import Pool

MOST_BODY = 7 << 20
"""A review holds an object twice (new and old), each up to etcd's and the API server's 3 MiB."""
MOST_READING = 96 << 20
"""Bytes of bodies that are being read at once."""
BODY_S = 5.0
"""For a body to come whole: half of one must not keep its room from others."""
DEFAULT_S, LEAST_S, MOST_S = 2.0, 0.1, 29.0
_TIMEOUT = re.compile(r"(?:^|&)timeout=(\d{1,4})(ms|s|m)(?:&|$)")
_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0}
_JSON = [("content-type", "application/json")]
_JSON_LAST = [*_JSON, ("connection", "close")]
_TEXT = [("content-type", "text/plain; charset=utf-8")]
_ROUTES = {path: route for route, path in PATHS.items()}


class Standing(Protocol):
    """How the webhook does, beyond what the pool knows."""

    def ready(self) -> tuple[bool, Mapping[str, Any]]:
        """Whether it may be asked, and the details."""

    def gauges(self) -> Mapping[str, tuple[str, float]]:
        """Figures of the moment: name → (about, value)."""


class Front:
    """Answers reviews, probes and scrapes. ``draining``: connections are closed after an answer."""

    def __init__(
        self,
        pool: Pool,
        figures: Figures,
        standing: Standing,
        *,
        most_body: int = MOST_BODY,
        body_s: float = BODY_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._pool, self._figures, self._standing = pool, figures, standing
        self._most_body, self._body_s, self._clock = most_body, body_s, clock
        self._reading = 0

    def app(self, draining: Callable[[], bool]) -> Any:
        """The application for one listener."""

        async def serve(scope: Any, protocol: Any) -> None:
            if scope.proto != "http":
                protocol.close(403)
                return
            route = _ROUTES.get(scope.path)
            if route is None:
                self._other(scope, protocol)
            elif scope.method != "POST":
                protocol.response_str(405, [*_TEXT, ("allow", "POST")], "POST a review\n")
            else:
                await self._review(route, scope, protocol, draining)

        return serve

    async def _review(
        self, route: Route, scope: Any, protocol: Any, draining: Callable[[], bool]
    ) -> None:
        began = self._clock()
        length = scope.headers.get("content-length")
        size = int(length) if length and length.isdecimal() else self._most_body
        if size > self._most_body:
            self._refuse(protocol, 413, "too-large", f"over {self._most_body:,} bytes")
            return
        if self._reading + size > MOST_READING:
            self._refuse(protocol, 503, "reading", "too much at once")
            return
        self._reading += size
        try:
            async with asyncio.timeout(self._body_s):
                body = await (protocol() if length else _bounded(protocol, self._most_body))
        except TimeoutError:
            self._refuse(protocol, 408, "slow", "the body did not come in time")
            return
        finally:
            self._reading -= size
        if body is None:
            self._refuse(protocol, 413, "too-large", f"over {self._most_body:,} bytes")
            return
        deadline = began + allowance(scope.query_string)
        status, answer = await self._pool.submit(route, body, deadline)
        headers = _JSON_LAST if draining() else _JSON
        protocol.response_bytes(status, headers if status == 200 else _TEXT, answer)

    def _refuse(self, protocol: Any, status: int, reason: str, why: str) -> None:
        """No answer to a review: the API server then goes by its failurePolicy."""
        self._figures.count("refused", reason=reason)
        protocol.response_str(status, [*_TEXT, ("connection", "close")], f"{why}\n")

    def _other(self, scope: Any, protocol: Any) -> None:
        path = scope.path
        if scope.method not in ("GET", "HEAD"):
            protocol.response_str(404, _TEXT, "no such path\n")
        elif path == "/healthz":
            protocol.response_str(200, _TEXT, "ok\n")
        elif path == "/readyz":
            ready, details = self._standing.ready()
            protocol.response_bytes(200 if ready else 503, _JSON, _encoded(details))
        elif path == "/metrics":
            loaded = self._pool.loaded
            info = {"generation": loaded.generation} if loaded is not None else {}
            page = self._figures.text(self._standing.gauges(), info)
            protocol.response_bytes(200, [("content-type", CONTENT_TYPE)], page)
        else:
            protocol.response_str(404, _TEXT, "no such path\n")


async def _bounded(protocol: Any, most: int) -> bytes | None:
    """A body whose length was not announced; None when it is longer than ``most``."""
    parts: list[bytes] = []
    size = 0
    async for part in protocol:
        size += len(part)
        if size > most:
            return None
        parts.append(part)
    return b"".join(parts)


def allowance(query: str) -> float:
    """Seconds for an answer: what the API server waits (``timeout=10s``) less a margin for the
    way back, a third of it and a second at most."""
    found = _TIMEOUT.search(query)
    if found is None:
        return DEFAULT_S
    waits = int(found[1]) * _UNITS[found[2]]
    return max(LEAST_S, min(MOST_S, waits - min(1.0, waits / 3)))


def _encoded(value: Any) -> bytes:
    import msgspec

    return msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n"
