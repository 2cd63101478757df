"""The last step to and from ASGI: paths as they were sent, answers with their tags, HEAD."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from haechi.server.auth.forgery import reached_by

if TYPE_CHECKING:
    from haechi.server.world import World

JSON, NDJSON = "application/json", "application/x-ndjson"
NO_STORE = {"Cache-Control": "no-store"}


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """An answer: bytes, a Future of a value, or a function that makes an iterator of bytes."""

    value: Any
    status: int = 200
    type: str = JSON
    headers: Mapping[str, str] = {}
    cookies: tuple[str, ...] = ()


def raw_path(scope: Scope) -> bytes:
    """The path as it was sent, without the query."""
    raw = scope.get("raw_path")
    return bytes(raw).partition(b"?")[0] if raw else scope["path"].encode("utf-8", "replace")


def url_of(scope: Scope, world: World) -> str:
    """How the caller reached the server: scheme and host."""
    host = Headers(scope=scope).get("host", "")
    return reached_by(scope["scheme"], host, world.settings.listen.public_url)


class Wire(msgspec.Struct, frozen=True):
    """One request's ASGI."""

    scope: Scope
    receive: Receive
    send: Send


async def respond(made: Made, wire: Wire) -> None:
    """Send an answer that is there whole, or that it is the one the asker has."""
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
