"""People: those who come by a provider, and the owner of the store on this machine."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any

import msgspec
from sqlalchemy import func, select, update

from haechi.errors import Conflict, NotFound, UsageError
from haechi.model.access import Grant
from haechi.store.records import AuditEntry, Notice, Page, UserRecord
from haechi.store.state.access_tables import (
    Database,
    Transaction,
    grants_in,
    many,
    one,
    packed,
    session,
    union,
    user,
    user_record,
)
from haechi.store.state.access_ways import FULL, administrators, keep_one
from haechi.store.state.times import to_us

OWNER = "user:owner"
"""Whoever started the server here: the administrator of the first start."""


class Person(msgspec.Struct, frozen=True, kw_only=True):
    """What a provider says about somebody."""

    issuer: str
    subject: str
    name: str
    email: str
    grants: tuple[Grant, ...]


class Users:
    """The table ``user``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def owner(self) -> UserRecord:
        """The owner, made when there is none."""
        if (found := self.find(OWNER)) is not None:
            return found
        row = {
            "id": OWNER,
            "name": "owner",
            "email": "",
            "issuer": "",
            "subject": "owner",
            "mapped": packed(()),
            "granted": packed((FULL,)),
            "last_seen": 0,
            "disabled": 0,
        }

        def work(tx: Transaction) -> UserRecord:
            had = _row(tx, OWNER)
            if had is not None:
                return user_record(had)
            tx.connection.execute(user.insert().values(**row, created=to_us(tx.now)))
            _note(tx, OWNER, "user.create", OWNER)
            return user_record({**row, "created": to_us(tx.now)})

        return self._database.write(work)

    def find(self, user_id: str) -> UserRecord | None:
        """By id; None: nobody."""
        with self._database.read() as connection:
            row = one(connection, select(user).where(user.c.id == user_id))
        return None if row is None else user_record(row)

    def arrived(self, person: Person) -> UserRecord:
        """Makes or refreshes the record of who came by a provider."""
        user_id = user_id_of(person.issuer, person.subject)

        def work(tx: Transaction) -> UserRecord:
            words = {
                "name": person.name,
                "email": person.email,
                "mapped": packed(union(person.grants)),
                "last_seen": to_us(tx.now),
            }
            had = _row(tx, user_id)
            if had is None:
                fixed = {
                    "id": user_id,
                    "issuer": person.issuer,
                    "subject": person.subject,
                    "granted": packed(()),
                    "created": to_us(tx.now),
                    "disabled": 0,
                }
                tx.connection.execute(user.insert().values(**words, **fixed))
                _note(tx, user_id, "user.create", user_id, _grants(person.grants), person)
                return user_record({**words, **fixed})
            tx.connection.execute(update(user).where(user.c.id == user_id).values(**words))
            if words["mapped"] != had["mapped"]:
                _note(tx, user_id, "user.groups", user_id, _grants(person.grants))
            return user_record({**had, **words})

        return self._database.write(work)

    def page(self, *, limit: int, cursor: str | None = None) -> Page[UserRecord]:
        """By id. The cursor is the id of the last row shown."""
        ask = select(user).order_by(user.c.id).limit(limit + 1)
        if cursor is not None:
            ask = ask.where(user.c.id > cursor)
        with self._database.read() as connection:
            total = connection.execute(select(func.count()).select_from(user)).scalar_one()
            rows = [user_record(row) for row in many(connection, ask)]
        shown = rows[:limit]
        return Page(items=shown, next=shown[-1].id if len(rows) > limit else None, total=total)

    def change(
        self,
        user_id: str,
        *,
        grants: Iterable[Grant] | None = None,
        disabled: bool | None = None,
        by: str,
    ) -> UserRecord:
        """What stays None stays as it is. Disabling ends sessions and stops tokens at once."""

        def work(tx: Transaction) -> UserRecord:
            had = _row(tx, user_id)
            if had is None:
                raise NotFound("no such user")
            values: dict[str, object] = {}
            if grants is not None:
                values["granted"] = packed(_ours(grants, grants_in(had["mapped"])))
            if disabled is not None:
                values["disabled"] = int(disabled)
            if not values:
                return user_record(had)
            before = administrators(tx.connection, tx.now)
            tx.connection.execute(update(user).where(user.c.id == user_id).values(**values))
            if before:
                keep_one(tx.connection, tx.now)
            if disabled:
                tx.connection.execute(session.delete().where(session.c.user == user_id))
            record = user_record({**had, **values})
            detail = {**_grants(record.grants), "disabled": record.disabled}
            _note(tx, by, "user.change", user_id, detail)
            return record

        return self._database.write(work)


def _row(tx: Transaction, user_id: str) -> dict[str, Any] | None:
    return one(tx.connection, select(user).where(user.c.id == user_id))


def user_id_of(issuer: str, subject: str) -> str:
    """The same for the same person in every store, without telling who it is."""
    text = f"{len(issuer)}:{issuer}{subject}"
    return f"user:{hashlib.sha256(text.encode()).hexdigest()[:20]}"


def _ours(wanted: Iterable[Grant], mapped: tuple[Grant, ...]) -> tuple[Grant, ...]:
    """Our part of the grants that are wanted; the provider's groups give theirs anyway."""
    every = union(wanted)
    for theirs in mapped:
        if not any(grant.includes(theirs) for grant in every):
            raise Conflict(
                f"the provider's groups give {theirs.role} already",
                do="change the groups (auth.providers[].rules), or disable the user",
            )
    return tuple(grant for grant in every if not any(has.includes(grant) for has in mapped))


def _grants(grants: Iterable[Grant]) -> dict[str, object]:
    return {"grants": msgspec.to_builtins(list(grants))}


def _note(
    tx: Transaction,
    by: str,
    action: str,
    user_id: str,
    detail: dict[str, object] | None = None,
    person: Person | None = None,
) -> None:
    private = {} if person is None else {"name": person.name, "email": person.email}
    tx.audit(
        AuditEntry(
            at=tx.now,
            actor=by,
            action=action,
            object=user_id,
            detail=detail or {},
            private=private,
        )
    )
    tx.tell(Notice(topic="token"))


def check_cursor(cursor: str | None) -> None:
    """A cursor of this list is a user's id."""
    if cursor is not None and not cursor.startswith("user:"):
        raise UsageError("the cursor is not one of this list", do="start again without")
