"""What an operation of the API is: one value, from which routes, checks, OpenAPI and the tests
of the whole matrix of rights are made.

A handler is a plain function from a ``Call`` to its answer. It runs in a thread, so that it may
ask the store; it raises haechi's errors, which become problem documents.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from haechi.model.access import Principal, Reach, Role

if TYPE_CHECKING:
    from haechi.server.world import World

KIB, MIB = 1 << 10, 1 << 20
Skip = Annotated[int, msgspec.Meta(ge=0, le=100_000)]
"""How many rows of a list may be left out at once: the store walks over them."""


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One call, decoded and permitted. ``within`` is where the principal has the operation's
    role: every query is narrowed to it. ``url`` is how the caller reached the server (scheme and
    host, no path). ``cookies`` are the request's, for signing in and out only."""

    principal: Principal
    within: tuple[Reach, ...]
    params: Mapping[str, str]
    query: Any
    body: Any
    world: World
    now: dt.datetime
    url: str
    address: str
    cookies: Mapping[str, str] = {}


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """An answer with a status or headers of its own; plain values mean 200. ``cookies`` are
    whole values of Set-Cookie, one header each. A redirect has the value None."""

    value: Any
    status: int = 200
    headers: Mapping[str, str] = {}
    cookies: tuple[str, ...] = ()


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """One operation. ``id`` is its operationId (``findings.list``), the first part its tag.

    ``role`` None needs no sign-in. ``everywhere`` asks for the role without limits of cluster
    and namespace. ``query`` and ``body`` are Structs (``bytes``: as it came; ``Path``: a file that
    the handler may move away); ``answer`` a type. ``rows`` gives CSV and
    NDJSON twins of a Page (all rows, streamed, without a cursor): it yields them for a call.
    ``limit`` is the largest body in bytes. ``sends``: programs send here all the time, some of
    which cannot set a header: a token may come as the password of HTTP Basic, and the limits of
    senders count.
    """

    id: str
    method: str
    path: str
    role: Role | None
    summary: str
    handler: Callable[[Call], Any]
    query: type[msgspec.Struct] | None = None
    body: Any = None
    answer: Any = None
    status: int = 200
    everywhere: bool = False
    rows: Callable[[Call], Any] | None = None
    limit: int = MIB
    sends: bool = False
