"""From an operation to what answers it: who asks, may they, what do they ask, and the answer.

The order is that of trust: a body is read only from somebody who may send it. Everything that
may wait or costs CPU time (the store, unpacking, decoding, encoding) runs in a worker thread.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import msgspec
from starlette.requests import Request
from starlette.types import Receive, Scope, Send

from haechi.errors import Forbidden, Unauthenticated
from haechi.model.access import EVERYWHERE, Principal, Reach
from haechi.server import bodies, twins
from haechi.server.auth.authenticate import greet
from haechi.server.endpoint import Call, Operation
from haechi.server.exchange import Asked, Endpoint
from haechi.server.live import Follow
from haechi.server.logs import Story
from haechi.server.problems import Refusal
from haechi.server.table import Table, full_path
from haechi.server.wire import NO_STORE, Made, Wire, bodiless, raw_path, respond, url_of
from haechi.server.workers import Places, Workers

if TYPE_CHECKING:
    from haechi.server.world import World


class Authenticate(Protocol):
    """``server.auth.authenticate``: who sends a request, None without credentials. It is not
    asked for operations that need no sign-in. ``touch`` False: it does not count as use;
    ``sends``: as in ``Operation``."""

    def __call__(
        self, request: Request, world: World, *, touch: bool = True, sends: bool = False
    ) -> Principal | None:
        """Raises Unauthenticated, Forbidden, TooManyRequests."""


ANONYMOUS = Principal(id="anonymous", name="")


class Api:
    """All operations of a server, ready to be asked."""

    def __init__(
        self, world: World, operations: Iterable[Operation], authenticate: Authenticate
    ) -> None:
        limits = world.settings.limits
        self.world = world
        self.operations = tuple(operations)
        self.workers = Workers(limits.threads, limits.waiting)
        self.room = bodies.Room()
        self.downloads = Places(limits.downloads, "downloads and searches")
        self.readers = ThreadPoolExecutor(limits.downloads, thread_name_prefix="haechi-download")
        self._authenticate = authenticate
        self._pace = bodies.Pace(seconds=limits.body_seconds, rate=limits.body_rate)
        self._table = Table(
            (one.method, full_path(one.path), Endpoint(one)) for one in self.operations
        )

    async def serve(self, scope: Scope, receive: Receive, send: Send, story: Story) -> None:
        """Answer one request. Raises what ``problems.told`` understands."""
        found = self._table.find(raw_path(scope))
        if found is None:
            raise Refusal(404, "nothing is here", do="GET /api/v1/openapi.json lists what is")
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        endpoint = found.by_method.get(method)
        if endpoint is None:
            allowed = [*found.by_method, *(["HEAD"] if "GET" in found.by_method else [])]
            raise Refusal(
                405,
                "this method is not for this path",
                headers={"Allow": ", ".join(sorted(allowed))},
            )
        story.operation, story.route = endpoint.operation.id, full_path(endpoint.operation.path)
        principal, within = await self.admitted(endpoint.operation, Request(scope), story)
        with self.room.share() as take:
            asked = await endpoint.asked(Request(scope), receive, self._pace, take, self._folder)
            try:
                call = self._call(scope, principal, within, found.params)
                await self._answered(endpoint, asked, call, Wire(scope, receive, send))
            finally:
                if isinstance(asked.body, Path):  # the handler took it away, or nobody wants it
                    asked.body.unlink(missing_ok=True)

    def _folder(self) -> Path:
        """Where large bodies are kept while they are worked on."""
        return self.world.store.folder.incoming

    def _call(
        self,
        scope: Scope,
        principal: Principal,
        within: tuple[Reach, ...],
        params: Mapping[str, str],
    ) -> Callable[..., Call]:
        """The call but for its query and body, which the thread decodes."""
        return partial(
            Call,
            principal=principal,
            within=within,
            params=params,
            world=self.world,
            now=self.world.clock(),
            url=url_of(scope, self.world),
            address=scope["client"][0] if scope.get("client") else "",
            cookies=Request(scope).cookies,
        )

    async def admitted(
        self, operation: Operation, request: Request, story: Story
    ) -> tuple[Principal, tuple[Reach, ...]]:
        """Who asks and where they may. Raises Unauthenticated, Forbidden."""
        if operation.role is None:
            greet(request, self.world)
            return ANONYMOUS, ()
        principal = await self.authenticated(request, sends=operation.sends)
        if principal is None:
            raise Unauthenticated(
                "this needs a sign-in or a token",
                do="send `Authorization: Bearer <token>`, or sign in on the page",
            )
        story.principal = principal.id
        return principal, permitted(operation, principal)

    async def authenticated(
        self, request: Request, *, touch: bool = True, sends: bool = False
    ) -> Principal | None:
        """Who sends the request; its credentials are looked up in a worker thread."""
        who = await self.workers.run(
            partial(self._authenticate, request, self.world, touch=touch, sends=sends),
            self.world.settings.limits.seconds,
        )
        if who is not None and who.expires is not None and who.expires <= self.world.clock():
            return None
        return who

    async def _still(self, operation: Operation, request: Request) -> Principal | None:
        """Whoever listens to a stream, if they still may."""
        try:
            who = await self.authenticated(request, touch=False)
            if who is not None:
                permitted(operation, who)
        except (Unauthenticated, Forbidden):
            return None
        return who

    async def _answered(
        self, endpoint: Endpoint, asked: Asked, call: Callable[..., Call], wire: Wire
    ) -> None:
        seconds = self.world.settings.limits.seconds
        made = await self.workers.run(partial(endpoint.made, asked, call), seconds)
        if isinstance(made.value, Future):
            value = await self.workers.within(made.value, seconds)
            made = msgspec.structs.replace(made, value=msgspec.json.encode(value))
        if isinstance(made.value, Follow):
            try:
                await self._followed(endpoint.operation, made.value, wire)
            finally:
                if made.value.done is not None:
                    made.value.done()
        elif isinstance(made.value, bytes):
            await respond(made, wire)
        else:
            await self._streamed(made, wire)

    async def _followed(self, operation: Operation, follow: Follow, wire: Wire) -> None:
        request = Request(wire.scope)
        if wire.scope["method"] == "HEAD":
            raise Refusal(405, "a stream has no end", headers={"Allow": "GET"})
        await self.world.hub.follow(
            follow,
            request.headers.get("last-event-id", ""),
            wire.receive,
            wire.send,
            partial(self._still, operation, request),
            self.world.clock,
        )

    async def _streamed(self, made: Made, wire: Wire) -> None:
        """Write an answer that is made while it is read."""
        headers = {**NO_STORE, **made.headers, "Content-Type": made.type}
        with self.downloads:
            await twins.stream(
                self.readers,
                made.value,
                made.status,
                headers,
                wire.receive,
                bodiless(wire.send, wire.scope),
            )

    def close(self, *, wait: bool) -> None:
        """End the threads."""
        self.workers.close(wait=wait)
        self.readers.shutdown(wait=wait, cancel_futures=True)


def permitted(operation: Operation, principal: Principal) -> tuple[Reach, ...]:
    """Where the principal may do it. Raises Forbidden."""
    role = operation.role
    if role is None:
        return ()
    if not principal.may(role, operation.id):
        raise Forbidden(
            f"{principal.id} may not do {operation.id}",
            why=f"it needs the role {role}"
            if principal.permissions is None
            else f"it needs the role {role} and the permission {operation.id}",
            do="ask an administrator",
        )
    within = principal.within(role)
    if operation.everywhere and EVERYWHERE not in within:
        raise Forbidden(
            f"{principal.id} may not do {operation.id}",
            why=f"it needs the role {role} for all clusters and namespaces",
            do="ask an administrator",
        )
    return within
