"""Key files of the log, and the anchor: the public key that a person keeps elsewhere.

A private key lies in ``keys/audit-<id>.json`` (0600). With a passphrase, from
HAECHI_AUDIT_PASSPHRASE or the file that HAECHI_AUDIT_PASSPHRASE_FILE names, its seeds are sealed
by ChaCha20-Poly1305 under a key that scrypt makes; the public half is bound to them.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import msgspec

from haechi.engines.signing import PublicKey, SigningKey
from haechi.errors import AuditError, ConfigError
from haechi.store import durable
from haechi.store.folder import storage_errors

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

PASSPHRASE = "HAECHI_AUDIT_PASSPHRASE"  # noqa: S105  the name of a variable
PASSPHRASE_FILE = "HAECHI_AUDIT_PASSPHRASE_FILE"  # noqa: S105
_LEAST = 12
_MOST_FILE = 64 << 10
_SCRYPT = {"n": 1 << 15, "r": 8, "p": 1}


class Sealed(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the seeds are sealed."""

    salt: bytes
    nonce: bytes
    scrypt: dict[str, int]


class _KeyFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    type: Literal["haechi.audit-key/1"] = "haechi.audit-key/1"
    public: PublicKey
    seeds: bytes
    sealed: Sealed | None = None


class Anchor(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a verifier trusts: a key, and the log that it signs."""

    type: Literal["haechi.audit-anchor/1"] = "haechi.audit-anchor/1"
    log: str
    key: PublicKey
    id: str = ""

    def __post_init__(self) -> None:
        if self.id and self.id != self.key.id:
            raise ValueError("the anchor's id is not that of its key")


def passphrase_from(environment: Mapping[str, str] = os.environ) -> str | None:
    """The passphrase that is set, if any. Raises ConfigError when it is weak or unreadable."""
    text = environment.get(PASSPHRASE, "")
    name = environment.get(PASSPHRASE_FILE, "")
    if not text and name:
        try:
            with Path(name).open("rb") as stream:
                text = stream.read(4096).decode("utf-8", "replace").strip()
        except OSError as error:
            raise ConfigError(
                f"the passphrase file {name} cannot be read", do=f"unset {PASSPHRASE_FILE}"
            ) from error
    if (text or name) and len(text) < _LEAST:
        raise ConfigError(f"the audit key's passphrase needs at least {_LEAST} characters")
    return text or None


def key_path(folder: Path, key: str) -> Path:
    """Where the key of this id lies."""
    return folder / f"audit-{key[:32]}.json"


def save_key(folder: Path, key: SigningKey, passphrase: str | None) -> Path:
    """Write a new key file, durably. Raises StoreError."""
    path = key_path(folder, key.public.id)
    seeds = b"".join(key.seeds())
    sealed = None
    if passphrase:
        sealed = Sealed(salt=secrets.token_bytes(16), nonce=secrets.token_bytes(12), scrypt=_SCRYPT)
        seeds = _cipher(sealed, passphrase).encrypt(sealed.nonce, seeds, key.public.id.encode())
    data = msgspec.json.encode(_KeyFile(public=key.public, seeds=seeds, sealed=sealed))
    with storage_errors(path):
        folder.mkdir(mode=0o700, exist_ok=True)
        durable.write(path, data)
        durable.sync(folder)
    return path


def load_key(folder: Path, key: str, passphrase: str | None) -> SigningKey:
    """The private key of this id. Raises AuditError when it is missing, not ours alone, sealed
    with another passphrase, or another key."""
    path = key_path(folder, key)
    data = _private_bytes(path)
    try:
        kept = msgspec.json.decode(data, type=_KeyFile)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise AuditError("the audit key's file cannot be read", where=str(path)) from error
    seeds = _opened(kept, passphrase, path)
    try:
        found = SigningKey.from_seeds(seeds[:32], seeds[32:])
    except ValueError as error:
        raise AuditError("the audit key's file holds no key", where=str(path)) from error
    if found.public.id != key:
        raise AuditError("the audit key's file holds another key", where=str(path))
    return found


def drop_key(folder: Path, key: str) -> None:
    """Delete a key that signs no more."""
    path = key_path(folder, key)
    with storage_errors(path):
        path.unlink(missing_ok=True)


def read_anchor(path: Path) -> Anchor:
    """The anchor in a file. Raises AuditError."""
    try:
        with path.open("rb") as stream:
            data = stream.read(_MOST_FILE)
        return msgspec.json.decode(data, type=Anchor)
    except OSError as error:
        raise AuditError("the anchor cannot be read", where=str(path), why=str(error)) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise AuditError(
            "this is no anchor of an audit log",
            where=str(path),
            why=str(error),
            do="`haechi audit anchor` writes one",
        ) from error


def anchor_text(anchor: Anchor) -> str:
    """The anchor's file."""
    return msgspec.json.format(msgspec.json.encode(anchor), indent=2).decode() + "\n"


def _private_bytes(path: Path) -> bytes:
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        raise AuditError(
            "the key that signs the audit log is missing",
            where=str(path),
            why=error.strerror or "",
            do="restore it from a backup; without it nobody can go on with this log",
        ) from error
    with os.fdopen(handle, "rb") as stream:
        info = os.fstat(handle)
        if info.st_uid != os.geteuid() or info.st_mode & 0o077:
            raise AuditError(
                "the audit key can be read by others", where=str(path), do=f"chmod 600 {path}"
            )
        return stream.read(_MOST_FILE)


def _opened(kept: _KeyFile, passphrase: str | None, path: Path) -> bytes:
    from cryptography.exceptions import InvalidTag

    if kept.sealed is None:
        return kept.seeds
    if not passphrase:
        raise AuditError(
            "the audit key is sealed with a passphrase",
            where=str(path),
            do=f"set {PASSPHRASE_FILE} or {PASSPHRASE}",
        )
    if kept.sealed.scrypt != _SCRYPT or len(kept.sealed.nonce) != 12:
        raise AuditError("the audit key is sealed in an unknown way", where=str(path))
    try:
        return _cipher(kept.sealed, passphrase).decrypt(
            kept.sealed.nonce, kept.seeds, kept.public.id.encode()
        )
    except InvalidTag as error:
        raise AuditError("the passphrase does not open the audit key", where=str(path)) from error


def _cipher(sealed: Sealed, passphrase: str) -> ChaCha20Poly1305:
    from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
    from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

    made = Scrypt(salt=sealed.salt, length=32, **_SCRYPT).derive(passphrase.encode())
    return ChaCha20Poly1305(made)
