"""The tables of access, and how their rows become records.

Secrets stand here as SHA-256 (hex) only. ``user.mapped`` are the grants that the provider's
groups gave at the last sign-in, ``user.granted`` those that an administrator added here.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Any, Protocol, TypeVar

import msgspec
from sqlalchemy import Connection, Index, Select, Table, UniqueConstraint

from haechi.model.access import Grant, Principal, meet
from haechi.store.records import AuditEntry, Notice, TokenRecord, UserRecord
from haechi.store.state.metadata import metadata, number, text
from haechi.store.state.times import from_us, maybe_us

T = TypeVar("T")
Row = Mapping[str, Any]

user = Table(
    "user",
    metadata,
    text("id", primary_key=True),
    text("name"),
    text("email"),
    text("issuer"),
    text("subject"),
    text("mapped"),
    text("granted"),
    number("created"),
    number("last_seen"),
    number("disabled"),
    UniqueConstraint("issuer", "subject"),
)

token = Table(
    "token",
    metadata,
    text("id", primary_key=True),
    text("digest", unique=True),
    text("name"),
    text("prefix"),
    text("user"),
    text("grants"),
    text("permissions"),  # JSON, null: not narrowed
    text("repositories"),
    number("created"),
    text("created_by"),
    number("expires"),
    number("last_used"),
    number("revoked"),
    Index("ix_token_created", "created", "id"),
)

session = Table(
    "session",
    metadata,
    text("digest", primary_key=True),
    text("user"),
    text("token"),
    number("created"),
    number("seen"),
    number("ends"),
    Index("ix_session_ends", "ends"),
    Index("ix_session_user", "user"),
    Index("ix_session_token", "token"),
)

sign_in_code = Table(
    "sign_in_code",
    metadata,
    text("digest", primary_key=True),
    text("user"),
    number("expires"),
)

attempt = Table(
    "attempt",
    metadata,
    text("key", primary_key=True),
    number("failures"),
    number("last"),
    number("until"),
    Index("ix_attempt_last", "last"),
)

TABLES = (user, token, session, sign_in_code, attempt)


class Transaction(Protocol):
    """What a piece of work is given: one transaction of the state's only writer."""

    @property
    def connection(self) -> Connection: ...
    @property
    def now(self) -> dt.datetime: ...
    def audit(self, entry: AuditEntry) -> None: ...
    def tell(self, notice: Notice) -> None: ...


class Database(Protocol):
    """The part of ``State`` that access needs. ``generation`` goes up with every commit."""

    @property
    def generation(self) -> int: ...
    def read(self) -> AbstractContextManager[Connection]: ...
    def write(self, work: Callable[[Any], T]) -> T: ...
    def note(self, work: Callable[[Any], object]) -> None: ...


def one(connection: Connection, ask: Select[Any]) -> dict[str, Any] | None:
    """The only row, or None."""
    row = connection.execute(ask).mappings().one_or_none()
    return None if row is None else {str(name): value for name, value in row.items()}


def many(connection: Connection, ask: Select[Any]) -> list[dict[str, Any]]:
    """All rows."""
    rows = connection.execute(ask).mappings()
    return [{str(name): value for name, value in row.items()} for row in rows]


_GRANTS = msgspec.json.Decoder(tuple[Grant, ...])
_WORDS = msgspec.json.Decoder(tuple[str, ...] | None)


def packed(value: Any) -> str:
    """Grants, permissions or repositories for their column."""
    return msgspec.json.encode(value).decode()


def grants_in(text: str) -> tuple[Grant, ...]:
    """What ``packed`` wrote."""
    return _GRANTS.decode(text)


def words_in(text: str) -> tuple[str, ...] | None:
    """What ``packed`` wrote; None: not narrowed."""
    words: tuple[str, ...] | None = _WORDS.decode(text)
    return words


def union(*grants: Iterable[Grant]) -> tuple[Grant, ...]:
    """All of them, without those that another one includes, sorted."""
    every = sorted({one for some in grants for one in some})
    return meet(every, every)


def user_grants(row: Row) -> tuple[Grant, ...]:
    """What a user has: the provider's part and ours."""
    return union(grants_in(row["mapped"]), grants_in(row["granted"]))


def user_record(row: Row) -> UserRecord:
    """A row of ``user``."""
    names = ("id", "name", "email", "issuer", "subject")
    return UserRecord(
        grants=list(user_grants(row)),
        created=from_us(row["created"]),
        last_seen=maybe_us(row["last_seen"]),
        disabled=bool(row["disabled"]),
        **{name: row[name] for name in names},
    )


def token_record(row: Row) -> TokenRecord:
    """A row of ``token``, without its digest."""
    permissions, repositories = words_in(row["permissions"]), words_in(row["repositories"])
    names = ("id", "name", "prefix", "user", "created_by")
    return TokenRecord(
        grants=list(grants_in(row["grants"])),
        permissions=None if permissions is None else list(permissions),
        repositories=None if repositories is None else list(repositories),
        created=from_us(row["created"]),
        expires=maybe_us(row["expires"]),
        last_used=maybe_us(row["last_used"]),
        revoked=maybe_us(row["revoked"]),
        **{name: row[name] for name in names},
    )


def token_principal(token: Row, user: Row | None) -> Principal:
    """Whoever shows the token. A user's token never has more than the user has today."""
    grants, permissions = grants_in(token["grants"]), words_in(token["permissions"])
    return Principal(
        id=token["id"],
        name=token["name"],
        grants=grants if user is None else meet(grants, user_grants(user)),
        permissions=None if permissions is None else frozenset(permissions),
        repositories=words_in(token["repositories"]),
        expires=maybe_us(token["expires"]),
    )


def user_principal(user: Row) -> Principal:
    """A person who signed in."""
    return Principal(id=user["id"], name=user["name"], grants=user_grants(user))
