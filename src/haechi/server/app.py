"""The server as one ASGI application: request ids, log, security headers, hosts, errors around
the API, the page, and what probes and scrapers ask.

Plain ASGI: the wrappers of frameworks read bodies and keep answers in memory, which a stream
must not be.
"""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import re
import secrets
import socket
import time
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from haechi.engines.addresses import is_loopback
from haechi.server import problems
from haechi.server.bodies import Gone
from haechi.server.endpoint import Operation
from haechi.server.logs import STORY, Story, scrubbed, trace_ids
from haechi.server.page import Page
from haechi.server.problems import Refusal
from haechi.server.readiness import Readiness
from haechi.server.routing import Api, Authenticate
from haechi.server.wire import bodiless, raw_path

if TYPE_CHECKING:
    from haechi.server.settings import Settings
    from haechi.server.world import World

log = logging.getLogger("haechi.server.access")
Observe = Callable[[str, int, float], None]
"""Told of every answered request: the operation's id (or ``page``, ``probe``, ``other``), the
status, and seconds."""

_MOST_HEADERS, _HEADER_BYTES = 100, 32 << 10
_REQUEST_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{7,63}")
_HOST = re.compile(r"(?:\[(?P<address>[0-9A-Fa-f:.]+)\]|(?P<name>[\w.-]+))(?::\d{0,5})?", re.ASCII)
_HEADERS = (
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    # Not no-referrer: it would make the Origin of the page's own requests "null".
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cross-origin-embedder-policy", b"require-corp"),
    (
        b"permissions-policy",
        b"accelerometer=(), camera=(), geolocation=(), gyroscope=(), magnetometer=(), "
        b"microphone=(), payment=(), usb=()",
    ),
)
_CSP = (
    b"default-src 'self'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    b"connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'self'; "
    b"object-src 'none'"
)
_NOTHING = b"default-src 'none'; frame-ancestors 'none'"
"""The policy of everything that is no page: were it ever shown as one, it could do nothing."""
_HSTS = (b"strict-transport-security", b"max-age=31536000")


def build_app(
    world: World,
    *,
    operations: Iterable[Operation],
    authenticate: Authenticate,
    mounts: Mapping[str, ASGIApp] | None = None,
    observe: Observe | None = None,
    page: Page | None = None,
) -> App:
    """The application. ``mounts`` are further ASGI applications by their exact path
    (``/metrics``); ``observe`` is told of every request."""
    return App(
        world,
        Api(world, operations, authenticate),
        mounts=dict(mounts or {}),
        observe=observe,
        page=page or Page.of_package(),
    )


class App:
    """See ``build_app``. ``close`` ends its threads."""

    def __init__(
        self,
        world: World,
        api: Api,
        *,
        mounts: Mapping[str, ASGIApp],
        observe: Observe | None,
        page: Page,
    ) -> None:
        self.world = world
        self.api = api
        self.readiness = Readiness(world)
        self._mounts = mounts
        self._observe = observe
        self._page = page
        self._hosts = Hosts(world.settings)
        self._proxies = Proxies(world.settings)
        self._running: set[asyncio.Task[Any]] = set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            return
        task = asyncio.current_task()
        if task is not None:
            self._running.add(task)
        headers = Headers(scope=scope)
        trace, span = trace_ids(headers.get("traceparent", ""))
        story = Story(request=_request_id(headers.get("x-request-id", "")), trace=trace, span=span)
        token = STORY.set(story)
        scope = self._proxies.resolved(scope, headers)
        sent = _Sent(send, story.request, secure=scope["scheme"] == "https")
        started = time.perf_counter()
        try:
            await self._served(scope, receive, sent, story)
        finally:
            self._told(scope, story, sent, time.perf_counter() - started)
            STORY.reset(token)
            if task is not None:
                self._running.discard(task)

    async def _served(self, scope: Scope, receive: Receive, sent: _Sent, story: Story) -> None:
        """The answer, or the problem in its place. A failure in the middle of an answer cannot be
        told any more: the connection is cut, so that nobody takes a part for the whole."""
        try:
            await self._dispatched(scope, receive, sent, story)
        except Gone:
            # It hung up, or what it sent is no HTTP (a broken chunk): the latter hears this.
            story.problem = "the request ended before it was whole"
            if not sent.status:
                told = problems.told(
                    Refusal(400, story.problem, headers={"Connection": "close"}), story.request, ""
                )
                await problems.answer(told)(scope, receive, bodiless(sent, scope))
        except asyncio.CancelledError:
            story.problem = "ended by the server"
            raise
        except Exception as error:  # the boundary of a request
            told = problems.told(error, story.request, _place(scope))
            story.problem = scrubbed(told.problem.detail)
            if told.fault:
                log.exception("a request failed: %s", type(error).__name__)
            if sent.status:
                raise _CutOff from None
            response = problems.answer(told)
            response.headers["Cache-Control"] = "no-store"
            await response(scope, receive, bodiless(sent, scope))

    async def _dispatched(self, scope: Scope, receive: Receive, sent: _Sent, story: Story) -> None:
        headers = scope["headers"]
        if len(headers) > _MOST_HEADERS or sum(map(_length, headers)) > _HEADER_BYTES:
            raise Refusal(431, "the headers are too many", headers={"Connection": "close"})
        self._hosts.check(Headers(scope=scope))
        path = raw_path(scope).decode("latin-1")
        if path.startswith("/api/") or path == "/api":
            await self.api.serve(scope, receive, sent, story)
        elif path in ("/healthz", "/readyz"):
            story.operation = "probe"
            await self._probed(path, scope, receive, sent)
        elif path in self._mounts:
            story.operation = story.route = path.strip("/")
            await self._mounts[path](scope, receive, sent)
        else:
            story.operation = "page"
            await self._page.serve(scope, receive, sent.as_page())

    async def _probed(self, path: str, scope: Scope, receive: Receive, sent: _Sent) -> None:
        if scope["method"] not in ("GET", "HEAD"):
            raise Refusal(405, "only for reading", headers={"Allow": "GET, HEAD"})
        status, body = 200, msgspec.json.encode({"status": "ok"})
        if path == "/readyz":
            ready = await self.readiness.now()
            status = 200 if ready.ready else 503
            body = msgspec.json.encode(ready)
        response = Response(body, status_code=status, media_type="application/json")
        response.headers["Cache-Control"] = "no-store"
        if status == 503:
            response.headers["Retry-After"] = "5"
        await response(scope, receive, bodiless(sent, scope))

    def _told(self, scope: Scope, story: Story, sent: _Sent, seconds: float) -> None:
        if self._observe is not None:
            self._observe(story.operation or "other", sent.status, seconds)
        level = logging.DEBUG if story.operation == "probe" else logging.INFO
        if not log.isEnabledFor(level):
            return
        route = story.route or _place(scope)
        fields = {
            "method": scope["method"][:20],
            "route": route,
            "status": sent.status,
            "ms": round(seconds * 1000, 1),
            "bytes": sent.size,
            "address": scope["client"][0] if scope.get("client") else "",
        }
        if story.problem:
            fields["problem"] = story.problem
        log.log(level, "%s %s %s", fields["method"], route, sent.status, extra={"fields": fields})

    def cut(self) -> int:
        """Cancel the requests that still run (at a stop); how many there were."""
        running = [task for task in self._running if not task.done()]
        for task in running:
            task.cancel()
        return len(running)

    def close(self, *, wait: bool = True) -> None:
        """End the threads."""
        self.api.close(wait=wait)
        self.readiness.close()


class _CutOff(Exception):
    """Raised to the HTTP server so that it cuts the connection."""


class _Sent:
    """``send`` that adds the headers of every answer and remembers what went out."""

    def __init__(self, send: Send, request: str, *, secure: bool) -> None:
        self._send = send
        self._request = request.encode()
        self._secure = secure
        self._policy = _NOTHING
        self.status = 0
        self.size = 0

    def as_page(self) -> _Sent:
        """The same for something that a browser shows."""
        self._policy = _CSP
        return self

    async def __call__(self, message: Message) -> None:
        """Send."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = list(message.get("headers", ()))
            said = {name for name, _ in headers}
            every = (
                *_HEADERS,
                (b"content-security-policy", self._policy),
                (b"x-request-id", self._request),
                *((_HSTS,) if self._secure else ()),
            )
            # An answer may be stricter than the rest (a redirect's Referrer-Policy).
            headers += [one for one in every if one[0] not in said]
            message = {**message, "headers": headers}
        elif message["type"] == "http.response.body":
            self.size += len(message.get("body", b""))
        await self._send(message)


class Hosts:
    """Which names the server answers to. A page of somebody else whose name was made to point
    here (DNS rebinding) asks with its own name; addresses cannot be made to point elsewhere."""

    def __init__(self, settings: Settings) -> None:
        listen = settings.listen
        public = listen.public_url.partition("://")[2].rstrip("/")
        names = {*listen.hosts, *settings.tls.names, listen.address, _name(public)}
        self._loopback = is_loopback(listen.address)
        names |= {"localhost"} if self._loopback else {"localhost", socket.gethostname()}
        self._names = {name.lower().rstrip(".") for name in names if name}

    def check(self, headers: Headers) -> None:
        """Raises Refusal 400, 421."""
        shown = headers.getlist("host")
        if len(shown) != 1:
            raise Refusal(400, "a request names one host", headers={"Connection": "close"})
        name = _name(shown[0]).lower().rstrip(".")
        if name and (name in self._names or self._address(name)):
            return
        raise Refusal(
            421,
            "the server is not known by this name",
            do="use its address, or add the name to listen.hosts",
        )

    def _address(self, name: str) -> bool:
        try:
            address = ipaddress.ip_address(name)
        except ValueError:
            return False
        return address.is_loopback or not self._loopback


def _name(host: str) -> str:
    """A Host header without port and brackets; "" when it is none (RFC 9110, 7.2)."""
    found = _HOST.fullmatch(host)
    return (found["address"] or found["name"]) if found else ""


class Proxies:
    """Who the client is when a proxy in between says so, and may."""

    def __init__(self, settings: Settings) -> None:
        self._networks = [ipaddress.ip_network(one) for one in settings.listen.trusted_proxies]

    def resolved(self, scope: Scope, headers: Headers) -> Scope:
        """The scope with the client's own address and scheme."""
        if not self._networks or not scope.get("client"):
            return scope
        client = scope["client"][0]
        if not self._trusts(client):
            return scope
        hops = [
            one.strip() for line in headers.getlist("x-forwarded-for") for one in line.split(",")
        ]
        for hop in reversed(hops):
            if not _is_address(hop):
                break
            client = hop
            if not self._trusts(hop):
                break
        scheme = headers.get("x-forwarded-proto", scope["scheme"]).lower()
        return {
            **scope,
            "client": (client, 0),
            "scheme": scheme if scheme in ("http", "https") else scope["scheme"],
        }

    def _trusts(self, text: str) -> bool:
        return _is_address(text) and any(
            ipaddress.ip_address(text) in network for network in self._networks
        )


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _place(scope: Scope) -> str:
    """The path as it was sent, for people: bounded, ASCII, without what looks like a secret."""
    return scrubbed(raw_path(scope)[:200].decode("ascii", "replace"))


def _length(header: tuple[bytes, bytes]) -> int:
    return len(header[0]) + len(header[1])


def _request_id(shown: str) -> str:
    """The caller's id when it is a sane one, else a new one."""
    return shown if _REQUEST_ID.fullmatch(shown) else secrets.token_hex(8)
