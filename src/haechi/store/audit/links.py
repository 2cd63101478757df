"""The chain of signed statements about the log. Pure.

Each is a DSSE envelope, one line of ``heads.log``: how the log began (with its first key), a
head (so many records, this root), or a rotation (from now on this key; signed by old and new).
Every one carries a counter and the SHA-256 of the payload before it.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from enum import StrEnum
from typing import Any

import msgspec

from haechi.engines import dsse
from haechi.engines.canonical import canonical
from haechi.engines.signing import (
    ALGORITHMS,
    PublicKey,
    SignatureError,
    SignatureFault,
    SigningKey,
)
from haechi.errors import AuditError

CONTEXT = "haechi audit log"
MOST_LINE = 64 << 10


class Kind(StrEnum):
    """What a statement says; the values are the payload types."""

    BEGIN = "application/vnd.haechi.audit-begin.v1+json"
    HEAD = "application/vnd.haechi.audit-head.v1+json"
    ROTATION = "application/vnd.haechi.audit-rotation.v1+json"


class Link(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One statement. ``key`` signs it; ``new`` is the first key (begin) or the next (rotation),
    ``old`` the key that goes (rotation)."""

    algorithms: tuple[str, ...] = ALGORITHMS
    at: str
    counter: int
    key: str
    log: str
    new: PublicKey | None = None
    old: PublicKey | None = None
    previous: str
    root: str
    size: int

    @property
    def time(self) -> dt.datetime:
        """``at`` as a time."""
        return dt.datetime.fromisoformat(self.at)


class Signed(msgspec.Struct, frozen=True):
    """A statement and the envelope that carries it."""

    kind: Kind
    link: Link
    envelope: dsse.Envelope

    @property
    def hash(self) -> str:
        """What the next statement names as ``previous``."""
        return hashlib.sha256(self.envelope.payload).hexdigest()


_LINK = msgspec.json.Decoder(Link)


def sign(kind: Kind, link: Link, keys: tuple[SigningKey, ...]) -> Signed:
    """The statement, signed by each key."""
    envelope = dsse.sign(payload(link), kind.value, keys, context=CONTEXT)
    return Signed(kind, link, envelope)


def payload(link: Link) -> bytes:
    """The canonical bytes of a statement; keys that it does not name are left out."""
    fields: dict[str, Any] = msgspec.to_builtins(link)
    return canonical({name: value for name, value in fields.items() if value is not None})


def line(signed: Signed) -> bytes:
    """A line of ``heads.log`` with its end."""
    return dsse.encode(signed.envelope) + b"\n"


def read(raw: bytes) -> Signed:
    """The statement of a line, not yet verified. Raises AuditError; SignatureError when it
    names other algorithms than both."""
    envelope = dsse.decode(raw, limit=MOST_LINE)
    try:
        kind = Kind(envelope.payload_type)
        link = _LINK.decode(envelope.payload)
        moment = link.time
        raw_hashes = bytes.fromhex(link.root + link.previous + link.log)
    except (ValueError, RecursionError) as error:
        raise AuditError("this is no statement about an audit log", why=str(error)) from error
    if payload(link) != envelope.payload:
        raise AuditError("a statement about the audit log is not in its canonical form")
    if link.algorithms != ALGORITHMS:
        raise SignatureError(
            SignatureFault.DOWNGRADE,
            f"says that {'+'.join(link.algorithms)[:80]} suffice; needed are both"
            f" {' and '.join(ALGORITHMS)}",
        )
    if not _sensible(kind, link) or moment.tzinfo is None or len(raw_hashes) not in (40, 72):
        raise AuditError("a statement about the audit log makes no sense")
    return Signed(kind, link, envelope)


def _sensible(kind: Kind, link: Link) -> bool:
    match kind:
        case Kind.BEGIN:
            keys = link.old is None and link.new is not None and link.new.id == link.key
            return keys and not (link.counter or link.size or link.previous)
        case Kind.ROTATION:
            return link.old is not None and link.new is not None and link.old.id == link.key
        case Kind.HEAD:
            return link.old is None and link.new is None


def check(signed: Signed, key: PublicKey) -> None:
    """Verify a statement that ``key`` signs; a rotation needs the new key's signatures, too.
    Raises SignatureError."""
    if signed.link.key != key.id:
        raise SignatureError(
            SignatureFault.OTHER_KEY,
            f"names key {signed.link.key[:16]}, in force is {key.id[:16]}",
        )
    keys = [key]
    if signed.kind is Kind.ROTATION and signed.link.new is not None:
        keys.append(signed.link.new)
    dsse.verify(signed.envelope, signed.kind.value, keys, context=CONTEXT)


def key_after(signed: Signed, key: PublicKey | None) -> PublicKey | None:
    """The key in force after a statement, when ``key`` was before it."""
    return signed.link.new or key
