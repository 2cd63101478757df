"""Every failure as one kind of document: ``application/problem+json`` (RFC 9457).

haechi's errors say what, why and what to do, which is what a problem needs; anything else that
is raised is a fault of the server: it is logged whole, and the answer says no more than the
request's id, under which the log has it.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus

import msgspec
from starlette.responses import Response

from haechi.errors import (
    AuditError,
    ConfigError,
    Conflict,
    Forbidden,
    HaechiError,
    InputError,
    KubeBusy,
    KubeConflict,
    KubeError,
    LimitExceeded,
    NotFound,
    StoreBusy,
    StoreError,
    StoreFull,
    TooManyRequests,
    Unauthenticated,
    UsageError,
)
from haechi.server.shapes import Problem

MEDIA_TYPE = "application/problem+json"
REALM = 'Bearer realm="haechi"'
BUSY_SECONDS, FULL_SECONDS = 1, 30
"""What Retry-After says when a queue is full (soon) and when the disk is (a person is needed)."""

log = logging.getLogger("haechi.server")

_STATUS: tuple[tuple[type[HaechiError], int], ...] = (
    (NotFound, 404),
    (Unauthenticated, 401),
    (Forbidden, 403),
    (Conflict, 409),
    (TooManyRequests, 429),
    (LimitExceeded, 413),
    (UsageError, 400),
    (ConfigError, 400),
    (InputError, 400),
    (StoreFull, 503),
    (StoreBusy, 503),
    (KubeConflict, 409),
    (KubeBusy, 503),
    (KubeError, 502),
)
"""The first that fits. What is not here is the server's own fault: 500, without its words."""


class Refusal(Exception):
    """A request that is refused by its form (method, type, size, pace): what HTTP has a status
    for and haechi's errors have no name. ``errors`` are pairs of where and what."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        do: str = "",
        headers: Mapping[str, str] | None = None,
        errors: Sequence[tuple[str, str]] = (),
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.do = do
        self.headers = dict(headers or {})
        self.errors = tuple(errors)


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """A problem and the headers that go with it. ``fault`` is one of the server's own."""

    problem: Problem
    headers: dict[str, str]
    fault: bool = False


def told(error: BaseException, request: str, path: str) -> Told:
    """What the asker is told about ``error``. ``request`` is the request's id."""
    match error:
        case Refusal():
            return Told(
                problem=_problem(
                    error.status, error.detail, error.do, request, path, rows(error.errors)
                ),
                headers=error.headers,
            )
        case HaechiError():
            for kind, status in _STATUS:
                if isinstance(error, kind):
                    return Told(
                        problem=_of_haechi(error, status, request, path), headers=_headers(error)
                    )
    return Told(problem=_own_fault(error, request, path), headers={}, fault=True)


def answer(told_: Told) -> Response:
    """The problem as a response."""
    return Response(
        msgspec.json.encode(told_.problem),
        status_code=told_.problem.status,
        media_type=MEDIA_TYPE,
        headers=told_.headers,
    )


def rows(errors: Sequence[tuple[str, str]]) -> list[dict[str, str]]:
    """Pairs of where and what, as they stand in the document."""
    return [{"where": where, "what": what} for where, what in errors]


def _of_haechi(error: HaechiError, status: int, request: str, path: str) -> Problem:
    detail = f"{error.what} ({error.why})" if error.why else error.what
    places = rows([(error.where, error.what)]) if error.where else []
    return _problem(status, detail, error.do, request, path, places)


def _headers(error: HaechiError) -> dict[str, str]:
    match error:
        case Unauthenticated():
            return {"WWW-Authenticate": REALM}
        case TooManyRequests():
            return {"Retry-After": str(error.retry_after)}
        case StoreFull():
            return {"Retry-After": str(FULL_SECONDS)}
        case StoreBusy():
            return {"Retry-After": str(BUSY_SECONDS)}
        case _:
            return {}


def _own_fault(error: BaseException, request: str, path: str) -> Problem:
    match error:
        case AuditError():
            detail = "the audit log does not hold"
            do = "an administrator runs `haechi audit verify` on the server"
        case StoreError():
            detail = "the store failed"
            do = "an administrator looks at the server's log and `haechi store check`"
        case _:
            detail = "the server failed"
            do = "tell an administrator the request's id: the server's log has the reason under it"
    return _problem(500, detail, do, request, path, [])


def _problem(
    status: int, detail: str, do: str, request: str, path: str, errors: list[dict[str, str]]
) -> Problem:
    return Problem(
        title=HTTPStatus(status).phrase,
        status=status,
        detail=detail,
        do=do,
        request=request,
        instance=path,
        errors=errors,
    )
