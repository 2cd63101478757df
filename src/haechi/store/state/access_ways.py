"""Whether an administrator can still come in: asked before anything takes a way away."""

from __future__ import annotations

import datetime as dt

from sqlalchemy import Connection, select

from haechi.errors import Conflict
from haechi.model.access import Grant, Role
from haechi.store.state.access_tables import (
    grants_in,
    many,
    packed,
    token,
    token_principal,
    user,
    user_grants,
)
from haechi.store.state.times import to_us

FULL = Grant(role=Role.ADMIN)
"""Administrator everywhere."""


def administrators(connection: Connection, now: dt.datetime) -> list[str]:
    """Ids of the tokens in force and of the provider's users that are administrators everywhere
    and not narrowed. A user of no provider signs in by tokens only and does not count."""
    people = {row["id"]: row for row in many(connection, select(user))}
    live = select(token).where(
        token.c.revoked == 0, token.c.permissions == packed(None), token.c.expires > to_us(now)
    )
    found = [
        row["id"]
        for row in people.values()
        if row["issuer"] and not row["disabled"] and _full(user_grants(row))
    ]
    for row in many(connection, live):
        if not _full(grants_in(row["grants"])):
            continue
        owner = people.get(row["user"])
        if row["user"] and (owner is None or owner["disabled"]):
            continue
        if _full(token_principal(row, owner).grants):
            found.append(row["id"])
    return found


def keep_one(connection: Connection, now: dt.datetime) -> None:
    """Raises Conflict when nobody is left; the transaction's change is then undone."""
    if not administrators(connection, now):
        raise Conflict(
            "this is the last administrator",
            why="nobody could manage users and tokens any more",
            do="make another administrator's token first (POST /api/v1/tokens)",
        )


def _full(grants: tuple[Grant, ...]) -> bool:
    return any(grant.includes(FULL) for grant in grants)
