"""DSSE envelopes (protocol v1.0): a payload, its type, and signatures over both. Pure.

The audit log's heads are such envelopes; reports and attestations use the same module. The
payload is carried as the bytes that were signed, so nobody has to write JSON a second time to
check a signature. Decoding is strict and bounded, verifying asks for every key by name.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence

import msgspec

from haechi.engines.canonical import canonical
from haechi.engines.signing import PublicKey, Signature, SigningKey, check_signatures
from haechi.errors import AuditError

MOST_BYTES = 8 << 20
MOST_SIGNATURES = 16


class Envelope(msgspec.Struct, frozen=True, kw_only=True):
    """A signed payload. ``payload`` are the raw bytes."""

    payload: bytes
    payload_type: str
    signatures: tuple[Signature, ...]


class _WireSignature(msgspec.Struct, forbid_unknown_fields=True):
    sig: str
    keyid: str = ""


class _Wire(msgspec.Struct, forbid_unknown_fields=True):
    payload: str
    payload_type: str = msgspec.field(name="payloadType")
    signatures: list[_WireSignature]


_WIRE = msgspec.json.Decoder(_Wire)


def pae(payload_type: str, payload: bytes) -> bytes:
    """The pre-authentication encoding: what DSSE signs."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def sign(
    payload: bytes, payload_type: str, keys: Sequence[SigningKey], *, context: str
) -> Envelope:
    """An envelope with the signatures of each key."""
    message = pae(payload_type, payload)
    signatures = [one for key in keys for one in key.sign(message, context=context)]
    return Envelope(payload=payload, payload_type=payload_type, signatures=tuple(signatures))


def verify(
    envelope: Envelope, payload_type: str, keys: Sequence[PublicKey], *, context: str
) -> bytes:
    """The payload, once each of ``keys`` has signed it with all its algorithms.

    Raises SignatureError for a signature that is missing, wrong or of another key, AuditError
    for another type of payload. Signatures of keys that were not asked for prove nothing and
    are passed over.
    """
    if not keys:
        raise ValueError("an envelope is verified against at least one key")
    if envelope.payload_type != payload_type:
        raise AuditError(
            f"the payload is of type {envelope.payload_type[:80]!r}, expected was {payload_type!r}"
        )
    message = pae(envelope.payload_type, envelope.payload)
    for key in keys:
        check_signatures(key, message, envelope.signatures, context=context)
    return envelope.payload


def encode(envelope: Envelope) -> bytes:
    """The envelope as canonical JSON, without a line end."""
    return canonical(
        {
            "payload": base64.b64encode(envelope.payload).decode(),
            "payloadType": envelope.payload_type,
            "signatures": [
                {"keyid": one.keyid, "sig": base64.b64encode(one.sig).decode()}
                for one in envelope.signatures
            ],
        }
    )


def decode(data: bytes, *, limit: int = MOST_BYTES) -> Envelope:
    """The envelope in some JSON. Raises AuditError for anything that is not exactly one."""
    if len(data) > limit:
        raise AuditError(f"the envelope has {len(data)} bytes, at most {limit} are read")
    try:
        wire = _WIRE.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise AuditError("this is no DSSE envelope", why=str(error)) from error
    if not 0 < len(wire.signatures) <= MOST_SIGNATURES:
        raise AuditError(f"an envelope has 1 to {MOST_SIGNATURES} signatures")
    return Envelope(
        payload=_bytes(wire.payload),
        payload_type=wire.payload_type,
        signatures=tuple(Signature(one.keyid, _bytes(one.sig)) for one in wire.signatures),
    )


def _bytes(text: str) -> bytes:
    """Base64, standard or URL-safe, padded, in its only spelling."""
    safe = "-" in text or "_" in text
    try:
        raw = base64.b64decode(text, altchars=b"-_" if safe else None, validate=True)
    except (binascii.Error, ValueError) as error:
        raise AuditError("a field of the envelope is not base64", why=str(error)) from error
    again = base64.urlsafe_b64encode(raw) if safe else base64.b64encode(raw)
    if again.decode() != text:
        raise AuditError("a field of the envelope is not in the usual spelling of base64")
    return raw
