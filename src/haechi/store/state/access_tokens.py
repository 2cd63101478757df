"""API tokens: made, found by their hash, listed, revoked. A secret is returned once."""

from __future__ import annotations

import datetime as dt
import re
import secrets
from collections.abc import Sequence
from enum import StrEnum

import msgspec
from sqlalchemy import and_, func, or_, select, update

from haechi.errors import Conflict, NotFound, UsageError
from haechi.model.access import Grant, Principal
from haechi.store.records import AuditEntry, Notice, Page, TokenRecord
from haechi.store.state.access_memory import Noted, Remembered
from haechi.store.state.access_secrets import Kind, digest, mint, prefix
from haechi.store.state.access_tables import (
    Database,
    Transaction,
    many,
    one,
    packed,
    session,
    token,
    token_principal,
    token_record,
    user,
)
from haechi.store.state.access_ways import administrators, keep_one
from haechi.store.state.times import to_us

LONGEST = dt.timedelta(days=365)
COALESCED = dt.timedelta(minutes=1)
"""``last_used`` is written at most this often; its first use of an hour is audited."""
AUDITED = dt.timedelta(hours=1)


class Standing(StrEnum):
    """Whether a token that is known is in force."""

    LIVE = "live"
    EXPIRED = "expired"
    REVOKED = "revoked"
    DISABLED = "disabled"


class FoundToken(msgspec.Struct, frozen=True, kw_only=True):
    """A token that somebody showed, and who that is."""

    record: TokenRecord
    principal: Principal
    standing: Standing


class NewToken(msgspec.Struct, frozen=True, kw_only=True):
    """What to make; checked by whoever asks (``Principal.may_grant``)."""

    name: str
    grants: Sequence[Grant]
    lasts: dt.timedelta = dt.timedelta(days=90)
    permissions: Sequence[str] | None = None
    repositories: Sequence[str] | None = None
    user: str = ""


class Tokens:
    """The table ``token``."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: Remembered[FoundToken] = Remembered(database)
        self._noted = Noted(COALESCED)

    def make(self, wanted: NewToken, *, by: str) -> tuple[TokenRecord, str]:
        """The record and the secret, which is not to be had again."""
        return self._database.write(lambda tx: self.make_in(tx, wanted, by=by))

    def make_in(self, tx: Transaction, wanted: NewToken, *, by: str) -> tuple[TokenRecord, str]:
        """``make`` as part of a larger transaction."""
        if not dt.timedelta(0) < wanted.lasts <= LONGEST:
            raise UsageError(f"a token lasts 1 to {LONGEST.days} days")
        secret = mint(Kind.TOKEN)
        row = {
            "id": _id(wanted.name),
            "digest": digest(secret),
            "name": wanted.name,
            "prefix": prefix(secret),
            "user": wanted.user,
            "grants": packed(tuple(sorted(wanted.grants))),
            "permissions": _words(wanted.permissions),
            "repositories": _words(wanted.repositories),
            "created": to_us(tx.now),
            "created_by": by,
            "expires": to_us(tx.now + wanted.lasts),
            "last_used": 0,
            "revoked": 0,
        }
        tx.connection.execute(token.insert().values(row))
        record = token_record(row)
        detail = msgspec.to_builtins(
            {
                "name": record.name,
                "user": record.user,
                "grants": record.grants,
                "permissions": record.permissions,
                "repositories": record.repositories,
                "expires": record.expires,
            }
        )
        _note(tx, by, "token.create", record.id, detail)
        return record, secret

    def first(self, wanted: NewToken, *, by: str, anew: bool = False) -> str | None:
        """The secret of a token for the administrator when there is none yet (or ``anew``)."""

        def work(tx: Transaction) -> str | None:
            if not anew and administrators(tx.connection, tx.now):
                return None
            return self.make_in(tx, wanted, by=by)[1]

        return self._database.write(work)

    def find(self, secret: str, now: dt.datetime) -> FoundToken | None:
        """The token with this secret, in force or not; None: unknown."""
        key = digest(secret)
        found = self._known.get(key, lambda: self._read(key))
        if found is None or found.standing is not Standing.LIVE:
            return found
        if found.record.expires is not None and found.record.expires <= now:
            return msgspec.structs.replace(found, standing=Standing.EXPIRED)
        return found

    def _read(self, key: str) -> FoundToken | None:
        """As it stands in the database, whatever the time."""
        with self._database.read() as connection:
            row = one(connection, select(token).where(token.c.digest == key))
            if row is None:
                return None
            owner = one(connection, select(user).where(user.c.id == row["user"]))
        standing = Standing.LIVE
        if row["revoked"]:
            standing = Standing.REVOKED
        elif row["user"] and (owner is None or owner["disabled"]):
            standing = Standing.DISABLED
        return FoundToken(
            record=token_record(row), principal=token_principal(row, owner), standing=standing
        )

    def used(self, record: TokenRecord, now: dt.datetime, address: str) -> None:
        """Remembers the use, at most once a minute; audits the first of an hour."""
        last = record.last_used
        if (last is not None and now - last < COALESCED) or not self._noted.due(record.id, now):
            return

        def work(tx: Transaction) -> None:
            tx.connection.execute(
                update(token).where(token.c.id == record.id).values(last_used=to_us(now))
            )
            if last is None or _hour(last) != _hour(now):
                _note(tx, record.id, "token.use", record.id, private={"address": address})

        self._database.note(work)

    def page(self, *, limit: int, cursor: str | None = None) -> Page[TokenRecord]:
        """Newest first. The cursor is the id of the last row shown."""
        ask = select(token).order_by(token.c.created.desc(), token.c.id.desc()).limit(limit + 1)
        with self._database.read() as connection:
            total = connection.execute(select(func.count()).select_from(token)).scalar_one()
            if cursor is not None:
                mark = connection.execute(
                    select(token.c.created).where(token.c.id == cursor)
                ).scalar_one_or_none()
                if mark is None:
                    raise UsageError("the cursor is not one of this list", do="start again without")
                ask = ask.where(
                    or_(token.c.created < mark, and_(token.c.created == mark, token.c.id < cursor))
                )
            rows = [token_record(row) for row in many(connection, ask)]
        shown = rows[:limit]
        return Page(
            items=shown, next=shown[-1].id if len(rows) > limit and shown else None, total=total
        )

    def owner_of(self, token_id: str) -> str:
        """The user whose token this is; "" for none."""
        with self._database.read() as connection:
            found = connection.execute(
                select(token.c.user).where(token.c.id == token_id)
            ).scalar_one_or_none()
        return found or ""

    def revoke(self, token_id: str, *, by: str) -> TokenRecord:
        """At once and for good; sessions that were opened with it end. NotFound, Conflict."""

        def work(tx: Transaction) -> TokenRecord:
            row = one(tx.connection, select(token).where(token.c.id == token_id))
            if row is None:
                raise NotFound("no such token")
            if row["revoked"]:
                raise Conflict("the token is revoked already")
            had = administrators(tx.connection, tx.now)
            tx.connection.execute(
                update(token).where(token.c.id == token_id).values(revoked=to_us(tx.now))
            )
            if token_id in had:
                keep_one(tx.connection, tx.now)
            tx.connection.execute(session.delete().where(session.c.token == token_id))
            _note(tx, by, "token.revoke", token_id)
            return token_record({**row, "revoked": to_us(tx.now)})

        return self._database.write(work)


def _note(
    tx: Transaction,
    by: str,
    action: str,
    token_id: str,
    detail: dict[str, object] | None = None,
    private: dict[str, str] | None = None,
) -> None:
    tx.audit(
        AuditEntry(
            at=tx.now,
            actor=by,
            action=action,
            object=token_id,
            detail=detail or {},
            private=private or {},
        )
    )
    if action != "token.use":
        tx.tell(Notice(topic="token"))


def _id(name: str) -> str:
    """``token:ci-shop-3f9a01c2``: words for people, and enough chance that ids never meet."""
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40] or "token"
    return f"token:{slug}-{secrets.token_hex(4)}"


def _words(words: Sequence[str] | None) -> str:
    return packed(None) if words is None else packed(tuple(sorted(set(words))))


def _hour(at: dt.datetime) -> int:
    return int(at.timestamp() // AUDITED.total_seconds())
