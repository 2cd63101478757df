"""API tokens: listed, made, revoked, by administrators of everything."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator

import msgspec

from haechi.errors import Forbidden, UsageError
from haechi.model.access import Grant, Role
from haechi.server.endpoint import Answer, Call, Operation
from haechi.server.shapes import TokenMade, TokenRequest
from haechi.store.records import Page, TokenRecord
from haechi.store.state.access import Access
from haechi.store.state.access_tokens import LONGEST, NewToken

LONGEST_NAME, LONGEST_PLACE, LONGEST_GLOB = 100, 253, 400
MOST_GRANTS, MOST_REPOSITORIES, MOST_STARS = 100, 100, 8
_PART = 500


class TokenQuery(msgspec.Struct, frozen=True, kw_only=True):
    """A part of the list."""

    limit: int = 100
    cursor: str | None = None


def list_(call: Call) -> Page[TokenRecord]:
    """Newest first; revoked ones, too."""
    query: TokenQuery = call.query
    return _access(call).tokens.page(limit=query.limit, cursor=query.cursor)


def rows(call: Call) -> Iterator[TokenRecord]:
    """All of them."""
    cursor: str | None = None
    while True:
        page = _access(call).tokens.page(limit=_PART, cursor=cursor)
        yield from page.items
        if (cursor := page.next) is None:
            return


def create(call: Call) -> Answer:
    """A token with no more than its maker has. The secret is in this answer only."""
    wanted: TokenRequest = call.body
    _check(wanted)
    permissions = None if wanted.permissions is None else frozenset(wanted.permissions)
    repositories = None if wanted.repositories is None else tuple(wanted.repositories)
    if not call.principal.may_grant(wanted.grants, permissions, repositories):
        raise Forbidden(
            "nobody can give more than they have",
            do="ask for less: roles, places, permissions and repositories within your own",
        )
    lasts = dt.timedelta(days=wanted.days)
    ends, narrowed = call.principal.expires, call.principal.permissions is not None
    if narrowed and ends is not None and call.now + lasts > ends:
        raise Forbidden(f"a narrowed token makes none that outlasts it ({ends:%Y-%m-%d})")
    record, secret = _access(call).tokens.make(
        NewToken(
            name=wanted.name.strip(),
            grants=wanted.grants,
            lasts=lasts,
            permissions=wanted.permissions,
            repositories=wanted.repositories,
            user=_user_of(call),
        ),
        by=call.principal.id,
    )
    return Answer(value=TokenMade(token=record, secret=secret), status=201)


def revoke(call: Call) -> TokenRecord:
    """At once and for good; its sessions end."""
    return _access(call).tokens.revoke(call.params["id"], by=call.principal.id)


def check_grants(grants: Iterable[Grant], where: str) -> None:
    """Raises UsageError for places that cannot be."""
    listed = list(grants)
    if len(listed) > MOST_GRANTS:
        raise UsageError(f"at most {MOST_GRANTS} grants", where=where)
    for index, grant in enumerate(listed):
        for name in ("cluster", "namespace"):
            value: str = getattr(grant.reach, name)
            fits = 0 < len(value) <= LONGEST_PLACE and value.isprintable()
            if not fits or ("*" in value and value != "*"):
                raise UsageError(
                    f"{name} is no name",
                    where=f"{where}[{index}].reach.{name}",
                    do="write one name exactly, or * for all",
                )


def _check(wanted: TokenRequest) -> None:
    name = wanted.name.strip()
    if not 0 < len(name) <= LONGEST_NAME or not name.isprintable():
        raise UsageError(f"a name has 1 to {LONGEST_NAME} characters", where="body.name")
    if not 1 <= wanted.days <= LONGEST.days:
        raise UsageError(f"a token lasts 1 to {LONGEST.days} days", where="body.days")
    if not wanted.grants:
        raise UsageError("a token without grants can do nothing", where="body.grants")
    check_grants(wanted.grants, "body.grants")
    _check_permissions(wanted.permissions)
    globs = wanted.repositories or []
    if len(globs) > MOST_REPOSITORIES:
        raise UsageError(f"at most {MOST_REPOSITORIES} repositories", where="body.repositories")
    for index, glob in enumerate(globs):
        if not 0 < len(glob) <= LONGEST_GLOB or glob.count("*") > MOST_STARS:
            raise UsageError(
                "no glob of a repository",
                where=f"body.repositories[{index}]",
                do=f"write a URL with at most {MOST_STARS} *",
            )


def _check_permissions(permissions: list[str] | None) -> None:
    from haechi.server.api import all_operations

    known = {operation.id for operation in all_operations()}
    for index, name in enumerate(permissions or []):
        if name not in known:
            raise UsageError(
                f"{name[:60]!r} is no operation",
                where=f"body.permissions[{index}]",
                do="the ids are in /api/v1/openapi.json (operationId)",
            )


def _user_of(call: Call) -> str:
    """Tokens are bound to the person who makes them, if need be by another token."""
    principal = call.principal.id
    if principal.startswith("user:"):
        return principal
    return _access(call).tokens.owner_of(principal)


def _access(call: Call) -> Access:
    return call.world.store.state.access


OPERATIONS: tuple[Operation, ...] = (
    Operation(
        id="tokens.list",
        method="GET",
        path="/tokens",
        role=Role.ADMIN,
        summary="API tokens, without their secrets",
        handler=list_,
        query=TokenQuery,
        answer=Page[TokenRecord],
        everywhere=True,
        rows=rows,
    ),
    Operation(
        id="tokens.create",
        method="POST",
        path="/tokens",
        role=Role.ADMIN,
        summary="Make an API token",
        handler=create,
        body=TokenRequest,
        answer=TokenMade,
        status=201,
        everywhere=True,
    ),
    Operation(
        id="tokens.revoke",
        method="DELETE",
        path="/tokens/{id}",
        role=Role.ADMIN,
        summary="Revoke an API token",
        handler=revoke,
        answer=TokenRecord,
        everywhere=True,
    ),
)
