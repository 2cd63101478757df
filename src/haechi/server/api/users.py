"""People who signed in: listed, given roles, disabled, by administrators of everything."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from haechi.errors import Forbidden, NotFound, UsageError
from haechi.model.access import Role
from haechi.server.api.tokens import check_grants
from haechi.server.endpoint import Call, Operation
from haechi.server.shapes import UserPatch
from haechi.store.records import Page, UserRecord
from haechi.store.state.access_users import Users, check_cursor

_PART = 500


class UserQuery(msgspec.Struct, frozen=True, kw_only=True):
    """A part of the list."""

    limit: int = 100
    cursor: str | None = None


def list_(call: Call) -> Page[UserRecord]:
    """By id."""
    query: UserQuery = call.query
    check_cursor(query.cursor)
    return _users(call).page(limit=query.limit, cursor=query.cursor)


def rows(call: Call) -> Iterator[UserRecord]:
    """All of them."""
    cursor: str | None = None
    while True:
        page = _users(call).page(limit=_PART, cursor=cursor)
        yield from page.items
        if (cursor := page.next) is None:
            return


def change(call: Call) -> UserRecord:
    """Roles here (those of the provider's groups stay), and whether they may come in."""
    wanted: UserPatch = call.body
    had = _users(call).find(call.params["id"])
    if had is None:
        raise NotFound("no such user")
    grants = None if wanted.grants is msgspec.UNSET else wanted.grants
    disabled = None if wanted.disabled is msgspec.UNSET else wanted.disabled
    if grants is None and disabled is None:
        raise UsageError("nothing to change", do="send grants or disabled")
    if grants is not None:
        check_grants(grants, "body.grants")
    given = (had.grants if grants is None else grants) if disabled is not True else []
    if not call.principal.may_grant([*given, *(grants or [])]):
        raise Forbidden("nobody can give more than they have")
    return _users(call).change(had.id, grants=grants, disabled=disabled, by=call.principal.id)


def _users(call: Call) -> Users:
    return call.world.store.state.access.users


OPERATIONS: tuple[Operation, ...] = (
    Operation(
        id="users.list",
        method="GET",
        path="/users",
        role=Role.ADMIN,
        summary="People who signed in",
        handler=list_,
        query=UserQuery,
        answer=Page[UserRecord],
        everywhere=True,
        rows=rows,
    ),
    Operation(
        id="users.change",
        method="PATCH",
        path="/users/{id}",
        role=Role.ADMIN,
        summary="Give roles to somebody, disable or enable them",
        handler=change,
        body=UserPatch,
        answer=UserRecord,
        everywhere=True,
    ),
)
