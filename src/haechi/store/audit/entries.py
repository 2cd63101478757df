"""From an entry to the bytes that are hashed, and back.

A record is canonical JSON whose last key is its number (``seq`` sorts last), so all but the
number is written before the number is known. What may have to be erased stands in it as a
commitment: a SHA-256 over a random salt and the value, which lie apart.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import secrets
from typing import Any

import msgspec

from haechi.engines.canonical import canonical, plain
from haechi.errors import AuditError
from haechi.store.records import AuditEntry

MOST_RECORD = 256 << 10
MOST_VALUE = 64 << 10
MOST_NAME = 64
SALT = 16
_DOMAIN = b"haechi private v1\n"


class Secret(msgspec.Struct, frozen=True):
    """A value that lies apart from its record."""

    name: str
    salt: bytes
    value: str


class Draft(msgspec.Struct, frozen=True):
    """An entry without its number. ``second`` is its time in whole Unix seconds."""

    body: bytes
    secrets: tuple[Secret, ...]
    second: int

    def record(self, seq: int) -> bytes:
        """The bytes of the record under this number."""
        return b'%b,"seq":%d}' % (self.body, seq)


class Stored(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A record as it stands in a segment; ``private`` are commitments."""

    action: str
    actor: str
    at: dt.datetime
    cluster: str
    detail: dict[str, Any]
    namespace: str
    object: str
    private: dict[str, str]
    seq: int


class _Wire(msgspec.Struct):
    """A record without its number. The fields stand in the order of their names."""

    action: str
    actor: str
    at: str
    cluster: str
    detail: dict[str, Any]
    namespace: str
    object: str
    private: dict[str, str]


_DECODER = msgspec.json.Decoder(Stored)
_SORTED = msgspec.json.Encoder(order="sorted")


def draft(entry: AuditEntry) -> Draft:
    """The entry, ready to be numbered. Raises AuditError for what cannot be logged exactly:
    times without a zone, values JSON does not have, more than MOST_RECORD bytes."""
    kept = tuple([_secret(name, value) for name, value in entry.private.items()])
    wire = _Wire(
        action=entry.action,
        actor=entry.actor,
        at=moment(entry.at),
        cluster=entry.cluster,
        detail=entry.detail,
        namespace=entry.namespace,
        object=entry.object,
        private={one.name: commitment(one.salt, one.name, one.value) for one in kept},
    )
    body = _bytes(wire, entry)
    if len(body) > MOST_RECORD:
        raise AuditError(
            f"an entry {entry.action!r} has {len(body)} bytes, at most {MOST_RECORD} are logged",
            do="log an id and keep the rest elsewhere",
        )
    return Draft(body[:-1], kept, int(entry.at.timestamp()))


def stored(record: bytes) -> Stored:
    """The record of these bytes. Raises AuditError."""
    try:
        return _DECODER.decode(record)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise AuditError("a record of the audit log cannot be read", why=str(error)) from error


def commitment(salt: bytes, name: str, value: str) -> str:
    """SHA-256, hexadecimal, over the domain, the salt, the name after its length in bytes (8
    bytes, big-endian), and the value."""
    raw = name.encode()
    return hashlib.sha256(
        _DOMAIN + salt + len(raw).to_bytes(8, "big") + raw + value.encode()
    ).hexdigest()


def moment(at: dt.datetime) -> str:
    """RFC 3339 in UTC with six digits after the point."""
    if at.tzinfo is None:
        raise AuditError("a time without a zone cannot be logged", do="give it in UTC")
    if at.tzinfo is not dt.UTC:
        at = at.astimezone(dt.UTC)
    return at.isoformat(timespec="microseconds")[:-6] + "Z"


def _secret(name: str, value: str) -> Secret:
    if not name or len(name) > MOST_NAME:
        raise AuditError(f"the name of a private value has 1 to {MOST_NAME} characters")
    if len(value) > MOST_VALUE // 4:
        raise AuditError(f"the private value {name!r} is longer than {MOST_VALUE // 4} characters")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise AuditError(f"the private value {name!r} is not Unicode text") from error
    return Secret(name, secrets.token_bytes(SALT), value)


def _bytes(wire: _Wire, entry: AuditEntry) -> bytes:
    try:
        try:
            if plain(wire.detail) and all(map(str.isascii, wire.private)):
                return _SORTED.encode(wire)
        except ValueError:
            pass  # enums, dates and structs have an obvious form; NaN and the like have none
        return canonical(msgspec.to_builtins(wire))
    except (ValueError, TypeError, RecursionError) as error:
        raise AuditError(f"an entry {entry.action!r} cannot be logged", why=str(error)) from error
