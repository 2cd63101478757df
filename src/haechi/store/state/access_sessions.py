"""Sessions of the page, and the codes of sign-in links.

A session stands for a user, and for the token that it was opened with: revoking or disabling
either ends it at the next request. It ends by itself when nobody used it for a while (idle) and
after a day in any case.
"""

from __future__ import annotations

import datetime as dt

import msgspec
from sqlalchemy import select, update

from haechi.errors import NotFound
from haechi.model.access import Principal
from haechi.store.records import AuditEntry
from haechi.store.state.access_memory import Noted, Remembered
from haechi.store.state.access_secrets import Kind, digest, mint
from haechi.store.state.access_tables import (
    Database,
    Row,
    Transaction,
    one,
    session,
    sign_in_code,
    token_principal,
    user_principal,
)
from haechi.store.state.access_tables import token as token_table
from haechi.store.state.access_tables import user as user_table
from haechi.store.state.times import from_us, to_us

CODE_LASTS = dt.timedelta(minutes=10)
COALESCED = dt.timedelta(minutes=1)
"""``seen`` is written at most this often, so a session may end this much too early."""


class FoundSession(msgspec.Struct, frozen=True, kw_only=True):
    """A session. ``ends`` is the latest moment, ``seen`` its last use."""

    principal: Principal
    digest: str
    seen: dt.datetime
    ends: dt.datetime


class Sessions:
    """The tables ``session`` and ``sign_in_code``."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: Remembered[FoundSession] = Remembered(database)
        self._noted = Noted(COALESCED)

    def start(
        self,
        *,
        user: str = "",
        token: str = "",
        lasts: dt.timedelta,
        address: str,
        way: str,
    ) -> str:
        """The secret of a new session, for the cookie. ``way``: token, code or a provider."""
        secret = mint(Kind.SESSION)

        def work(tx: Transaction) -> None:
            tx.connection.execute(session.delete().where(session.c.ends <= to_us(tx.now)))
            tx.connection.execute(
                session.insert().values(
                    digest=digest(secret),
                    user=user,
                    token=token,
                    created=to_us(tx.now),
                    seen=to_us(tx.now),
                    ends=to_us(tx.now + lasts),
                )
            )
            tx.audit(
                AuditEntry(
                    at=tx.now,
                    actor=token or user,
                    action="session.start",
                    object=user or token,
                    detail={"way": way},
                    private={"address": address},
                )
            )

        self._database.write(work)
        return secret

    def find(self, secret: str, now: dt.datetime, idle: dt.timedelta) -> FoundSession | None:
        """The session in force with this secret, and who that is today."""
        key = digest(secret)
        found = self._known.get(key, lambda: self._read(key))
        if found is None or found.ends <= now or found.seen + idle <= now:
            return None
        expires = found.principal.expires
        return None if expires is not None and expires <= now else found

    def _read(self, key: str) -> FoundSession | None:
        """As it stands in the database, whatever the time."""
        with self._database.read() as connection:
            row = one(connection, select(session).where(session.c.digest == key))
            if row is None:
                return None
            owner = one(connection, select(user_table).where(user_table.c.id == row["user"]))
            shown = one(connection, select(token_table).where(token_table.c.id == row["token"]))
        principal = _principal(row, owner, shown)
        if principal is None:
            return None
        return FoundSession(
            principal=principal,
            digest=row["digest"],
            seen=from_us(row["seen"]),
            ends=from_us(row["ends"]),
        )

    def used(self, found: FoundSession, now: dt.datetime) -> None:
        """Keeps it from ending idle; written at most once a minute."""
        if now - found.seen < COALESCED or not self._noted.due(found.digest, now):
            return

        def work(tx: Transaction) -> None:
            tx.connection.execute(
                update(session).where(session.c.digest == found.digest).values(seen=to_us(now))
            )

        self._database.note(work)

    def end(self, secret: str, *, by: str) -> bool:
        """Signs out; False when there was none."""

        def work(tx: Transaction) -> bool:
            gone = tx.connection.execute(
                session.delete().where(session.c.digest == digest(secret))
            ).rowcount
            if gone:
                tx.audit(AuditEntry(at=tx.now, actor=by, action="session.end", object=by))
            return bool(gone)

        return self._database.write(work)

    def new_code(self, user: str, *, by: str) -> str:
        """A code for one sign-in as this user within ten minutes. Raises NotFound."""
        code = mint(Kind.CODE)

        def work(tx: Transaction) -> None:
            known = select(user_table.c.id).where(
                user_table.c.id == user, user_table.c.disabled == 0
            )
            if tx.connection.execute(known).first() is None:
                raise NotFound("no such user, or disabled")
            tx.connection.execute(
                sign_in_code.delete().where(sign_in_code.c.expires <= to_us(tx.now))
            )
            tx.connection.execute(
                sign_in_code.insert().values(
                    digest=digest(code), user=user, expires=to_us(tx.now + CODE_LASTS)
                )
            )
            tx.audit(AuditEntry(at=tx.now, actor=by, action="code.create", object=user))

        self._database.write(work)
        return code

    def take_code(self, code: str) -> str | None:
        """The user of a code, which is used up by this; None: unknown, used or too old."""

        def work(tx: Transaction) -> str | None:
            chosen = sign_in_code.c.digest == digest(code)
            row = one(tx.connection, select(sign_in_code).where(chosen))
            tx.connection.execute(sign_in_code.delete().where(chosen))
            if row is None or row["expires"] <= to_us(tx.now):
                return None
            live = select(user_table.c.id).where(
                user_table.c.id == row["user"], user_table.c.disabled == 0
            )
            return tx.connection.execute(live).scalar_one_or_none()

        return self._database.write(work)


def _principal(row: Row, owner: Row | None, shown: Row | None) -> Principal | None:
    """Who a session stands for, when its user and token (as far as it has them) still hold."""
    if row["user"] and (owner is None or owner["disabled"]):
        return None
    if row["token"]:
        return None if shown is None or shown["revoked"] else token_principal(shown, owner)
    return None if owner is None else user_principal(owner)
