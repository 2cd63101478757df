"""Proofs that leave the store: a record is in the log, a log is the beginning of a later one.

A proof carries all that a verifier needs besides its anchor: the record's bytes, the path, the
signed head, and how the key that signed it came from the first one.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from haechi.engines import dsse
from haechi.engines.merkle import consistency_ranges, inclusion_ranges
from haechi.errors import AuditError, NotFound
from haechi.store.audit import links
from haechi.store.audit.archive import Archive
from haechi.store.audit.links import Signed

MOST_BYTES = 4 << 20


class Proof(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Record ``seq``, whose bytes are ``record``, is among the ``size`` records of the head."""

    type: Literal["haechi.audit-proof/1"] = "haechi.audit-proof/1"
    seq: int
    record: bytes
    size: int
    path: list[str]
    head: msgspec.Raw
    keys: list[msgspec.Raw]


def inclusion(archive: Archive, last: Signed, known: Sequence[Signed], seq: int) -> dict[str, Any]:
    """The proof of one record as plain JSON. Raises NotFound when no head covers it."""
    if not 0 <= seq < last.link.size:
        raise NotFound(
            f"no signed head covers record {seq}",
            why=f"the newest covers {last.link.size} records, numbered from 0",
        )
    record = next(archive.records(seq, seq + 1))[1]
    return {
        "type": "haechi.audit-proof/1",
        "seq": seq,
        "record": base64.b64encode(record).decode(),
        "size": last.link.size,
        "path": [archive.subtree(part).hex() for part in inclusion_ranges(seq, last.link.size)],
        "head": _plain(last),
        "keys": [_plain(one) for one in known],
    }


def consistency(
    archive: Archive, last: Signed, known: Sequence[Signed], old_size: int
) -> dict[str, Any]:
    """The proof for an earlier size as plain JSON. Raises NotFound."""
    if not 0 <= old_size <= last.link.size:
        raise NotFound(f"no signed head covers {old_size} records; the newest {last.link.size}")
    parts = consistency_ranges(old_size, last.link.size)
    return {
        "type": "haechi.audit-consistency/1",
        "old_size": old_size,
        "old_root": archive.root_at(old_size).hex(),
        "size": last.link.size,
        "root": last.link.root,
        "path": [archive.subtree(part).hex() for part in parts],
        "head": _plain(last),
        "keys": [_plain(one) for one in known],
    }


def read(data: bytes) -> tuple[Proof, Signed, list[Signed]]:
    """A proof's parts, nothing of it verified. Raises AuditError."""
    if len(data) > MOST_BYTES:
        raise AuditError("the proof is too large")
    try:
        proof = msgspec.json.decode(data, type=Proof)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise AuditError("this is no proof of an audit log", why=str(error)) from error
    return proof, links.read(bytes(proof.head)), [links.read(bytes(one)) for one in proof.keys]


def _plain(signed: Signed) -> Any:
    return msgspec.json.decode(dsse.encode(signed.envelope))
