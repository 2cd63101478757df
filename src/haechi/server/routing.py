"""From an operation to what answers it: who asks, may they, what do they ask, and the answer.

The order is that of trust: a body is read only from somebody who may send it. Everything that
may wait or costs CPU time (the store, unpacking, decoding, encoding) runs in a worker thread.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlencode

import msgspec
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from haechi.engines.typed import misfits
from haechi.errors import Forbidden, LimitExceeded, Unauthenticated
from haechi.model.access import EVERYWHERE, Principal, Reach
from haechi.model.location import format_path
from haechi.server import bodies, queries, twins
from haechi.server.auth.authenticate import greet
from haechi.server.auth.forgery import reached_by
from haechi.server.endpoint import Answer, Call, Operation
from haechi.server.live import Follow
from haechi.server.logs import Story
from haechi.server.problems import Refusal
from haechi.server.table import Table, full_path
from haechi.server.workers import Places, Workers

if TYPE_CHECKING:
    from haechi.server.world import World


class Authenticate(Protocol):
    """``server.auth.authenticate``: who sends a request, None without credentials. It is not
    asked for operations that need no sign-in. ``touch`` False: it does not count as use."""

    def __call__(self, request: Request, world: World, *, touch: bool = True) -> Principal | None:
        """Raises Unauthenticated, Forbidden, TooManyRequests."""


ANONYMOUS = Principal(id="anonymous", name="")
NO_STORE = {"Cache-Control": "no-store"}
_JSON, _NDJSON = "application/json", "application/x-ndjson"


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
            asked = await endpoint.asked(Request(scope), receive, self._pace, take)
            call = self._call(scope, principal, within, found.params)
            await self._answered(endpoint, asked, call, _Wire(scope, receive, send))

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
        principal = await self.authenticated(request)
        if principal is None:
            raise Unauthenticated(
                "this needs a sign-in or a token",
                do="send `Authorization: Bearer <token>`, or sign in on the page",
            )
        story.principal = principal.id
        return principal, permitted(operation, principal)

    async def authenticated(self, request: Request, *, touch: bool = True) -> Principal | None:
        """Who sends the request; its credentials are looked up in a worker thread."""
        who = await self.workers.run(
            partial(self._authenticate, request, self.world, touch=touch),
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
        self, endpoint: Endpoint, asked: Asked, call: Callable[..., Call], wire: _Wire
    ) -> None:
        seconds = self.world.settings.limits.seconds
        made = await self.workers.run(partial(endpoint.made, asked, call), seconds)
        if isinstance(made.value, Future):
            value = await self.workers.within(made.value, seconds)
            made = msgspec.structs.replace(made, value=msgspec.json.encode(value))
        if isinstance(made.value, Follow):
            await self._followed(endpoint.operation, made.value, wire)
        elif isinstance(made.value, bytes):
            await _respond(made, asked, wire)
        else:
            await self._streamed(made, wire)

    async def _followed(self, operation: Operation, follow: Follow, wire: _Wire) -> None:
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

    async def _streamed(self, made: Made, wire: _Wire) -> None:
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


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """What a request asks, before it is decoded."""

    pairs: queries.Pairs
    query: Any
    format: str
    body: bytes
    encoding: str
    path: str


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """An answer: bytes, a Future of a value, or a function that makes an iterator of bytes."""

    value: Any
    status: int = 200
    type: str = _JSON
    headers: Mapping[str, str] = {}
    cookies: tuple[str, ...] = ()


class Endpoint:
    """One operation with its decoders."""

    def __init__(self, operation: Operation) -> None:
        self.operation = operation
        self._query = queries.QueryReader(operation.query) if operation.query else None
        self._raw = operation.body is bytes
        self._body = (
            None if operation.body is None or self._raw else msgspec.json.Decoder(operation.body)
        )
        self._strict = self._body is not None and refuses_unknown(operation.body)
        self._types = (_JSON, _NDJSON) if self._raw else (_JSON,)
        self._row_type = twins.row_type(operation.answer) if operation.rows else None

    async def asked(
        self,
        request: Request,
        receive: Receive,
        pace: bodies.Pace,
        take: Callable[[int], None],
    ) -> Asked:
        """Read query and body. Raises Refusal."""
        pairs = queries.parse(request.scope.get("query_string", b""))
        formats: list[str] = []
        if self.operation.rows is not None:
            pairs, formats = queries.without(pairs, "format")
        form = twins.chosen(request.headers.get("accept", ""), formats)
        query = self._query.read(pairs) if self._query else None
        if self._query is None:
            _refuse_query(pairs)
        body = b""
        if self.operation.body is not None:
            self._check_type(request.headers)
            body = await bodies.read_body(
                receive, request.headers, limit=self.operation.limit, pace=pace, take=take
            )
        return Asked(
            pairs=pairs,
            query=query,
            format=form if self.operation.rows is not None else twins.JSON,
            body=body,
            encoding=request.headers.get("content-encoding", ""),
            path=full_path(self.operation.path)
            if "{" not in self.operation.path
            else request.url.path,
        )

    def _check_type(self, headers: Headers) -> None:
        name, _, parameters = headers.get("content-type", "").partition(";")
        charset = parameters.strip().lower().replace('"', "")
        if name.strip().lower() not in self._types or charset not in ("", "charset=utf-8"):
            raise Refusal(
                415,
                "the body is not of a type that is read here",
                do=f"send Content-Type: {' or '.join(self._types)}",
                headers={"Accept": ", ".join(self._types), "Connection": "close"},
            )

    def made(self, asked: Asked, call: Callable[..., Call]) -> Made:
        """Decode, run the handler, encode: the part that runs in a thread."""
        body = self._decoded(asked)
        ready = call(query=asked.query, body=body)
        if asked.format != twins.JSON and self.operation.rows is not None:
            return self._twin(asked.format, partial(self.operation.rows, ready))
        given = self.operation.handler(ready)
        answer = given if isinstance(given, Answer) else Answer(value=given)
        status = self.operation.status if answer.status == 200 else answer.status
        value = answer.value
        headers = dict(answer.headers)
        kind = _JSON
        if isinstance(value, (Future, Follow)):
            pass
        elif isinstance(value, Iterator):
            value, kind = partial(twins.ndjson, value), _NDJSON
        elif value is None and (self.operation.answer is None or status >= 300):
            value, status = b"", 204 if status == 200 else status
        else:
            following = getattr(value, "next", None)
            if isinstance(following, str) and hasattr(value, "items"):
                headers["Link"] = next_link(asked, following)
            value = msgspec.json.encode(value)
        return Made(value=value, status=status, type=kind, headers=headers, cookies=answer.cookies)

    def _twin(self, form: str, rows: Callable[[], Iterable[Any]]) -> Made:
        name = f"{self.operation.id.replace('.', '-')}.{form}"

        def parts() -> Iterator[bytes]:
            if form == twins.NDJSON:
                return twins.ndjson(rows())
            return twins.table(rows(), self._row_type)

        return Made(
            value=parts,
            type=twins.MEDIA_TYPES[form],
            headers={"Content-Disposition": f'attachment; filename="{name}"', "Vary": "Accept"},
        )

    def _decoded(self, asked: Asked) -> Any:
        if self.operation.body is None:
            return None
        data = bodies.unpack(asked.body, asked.encoding, limit=self.operation.limit)
        if self._raw:
            return data
        if not data.strip():
            raise Refusal(400, "the body is missing", do="send a JSON document")
        try:
            if self._strict:
                self._refuse_unknown(data)
            return self._body.decode(data) if self._body else None
        except msgspec.ValidationError as error:
            raise self._invalid(data, error) from error
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Refusal(400, f"the body is not JSON: {error}") from error
        except RecursionError as error:
            raise LimitExceeded("the body is nested too deeply") from error

    def _refuse_unknown(self, data: bytes) -> None:
        found = [
            one
            for one in misfits(msgspec.json.decode(data), self.operation.body)
            if one.message.startswith("unknown key")
        ]
        if found:
            raise _unfit([(one.path, one.message, one.do) for one in found])

    def _invalid(self, data: bytes, error: msgspec.ValidationError) -> Refusal:
        """All faults, not only the first, which is all that msgspec tells."""
        found = [
            (one.path, one.message, one.do)
            for one in misfits(msgspec.json.decode(data), self.operation.body)
        ]
        return _unfit(found or [((), str(error), "")])


def _unfit(found: list[tuple[Any, str, str]]) -> Refusal:
    errors = [
        (f"body.{format_path(path)}" if path else "body", message) for path, message, _ in found
    ]
    return Refusal(
        422,
        f"the body does not fit: {errors[0][1]}",
        do=found[0][2],
        errors=errors[:50],
    )


def refuses_unknown(type_: Any) -> bool:
    """True for what a person or page writes: a key that is passed over there is a fault that
    nobody sees. A document that names its schema may have keys of a newer one."""
    return (
        isinstance(type_, type)
        and issubclass(type_, msgspec.Struct)
        and "schema" not in type_.__struct_fields__
    )


def _refuse_query(pairs: queries.Pairs) -> None:
    if pairs:
        key = pairs[0][0][:60]
        raise Refusal(
            400,
            f"there is no query key {key!r} here: it takes none",
            errors=[(f"query.{key}", "unknown key")],
        )


def next_link(asked: Asked, cursor: str) -> str:
    """The Link header to the following page (RFC 8288)."""
    pairs = queries.with_value(asked.pairs, "cursor", cursor)
    return f'<{asked.path}?{urlencode(pairs)}>; rel="next"'


def raw_path(scope: Scope) -> bytes:
    """The path as it was sent, without the query."""
    raw = scope.get("raw_path")
    return bytes(raw).partition(b"?")[0] if raw else scope["path"].encode("utf-8", "replace")


def url_of(scope: Scope, world: World) -> str:
    """How the caller reached the server: scheme and host."""
    host = Headers(scope=scope).get("host", "")
    return reached_by(scope["scheme"], host, world.settings.listen.public_url)


class _Wire(msgspec.Struct, frozen=True):
    scope: Scope
    receive: Receive
    send: Send


async def _respond(made: Made, asked: Asked, wire: _Wire) -> None:
    headers = {**NO_STORE, **made.headers}
    empty = not made.value and made.status in (204, *range(300, 400))
    response = Response(
        made.value,
        status_code=made.status,
        headers=headers,
        media_type=None if empty else made.type,
    )
    for cookie in made.cookies:
        response.headers.append("set-cookie", cookie)
    if wire.scope["method"] in ("GET", "HEAD") and made.status == 200:
        tag = entity_tag(made.value)
        response.headers["ETag"] = tag
        if _matches(Headers(scope=wire.scope).get("if-none-match", ""), tag):
            response = Response(status_code=304, headers={**headers, "ETag": tag})
    await response(wire.scope, wire.receive, bodiless(wire.send, wire.scope))


def entity_tag(body: bytes) -> str:
    """A weak ETag: equal bodies are the same state, whatever encoding lies between."""
    return f'W/"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'


def _matches(asked: str, tag: str) -> bool:
    """Weak comparison (RFC 9110 section 8.8.3.2)."""
    known = [one.strip().removeprefix("W/") for one in asked.split(",")]
    return asked.strip() == "*" or tag.removeprefix("W/") in known


def bodiless(send: Send, scope: Scope) -> Send:
    """``send`` without bodies when the request is a HEAD."""
    if scope["method"] != "HEAD":
        return send

    async def without_body(message: Message) -> None:
        if message["type"] == "http.response.body":
            message = {**message, "body": b""}
        await send(message)

    return without_body
