"""Hybrid signatures: Ed25519 (RFC 8032) and ML-DSA-65 (FIPS 204) together; both must verify.

What is signed begins with a domain, the context, the key's id and the names of both algorithms,
so a signature of one algorithm tells a verifier that another must stand beside it, and neither
can be moved to another purpose, key or kind of payload. A key's id is the SHA-256 over both
public keys. ML-DSA signs some 600 times a second: sign heads and reports, never single records.
The one module that imports ``cryptography``'s signatures. No I/O.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import msgspec

from haechi.errors import AuditError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PrivateKey

ED25519 = "ed25519"
ML_DSA_65 = "ml-dsa-65"
ALGORITHMS = (ED25519, ML_DSA_65)
"""All that must sign, in this order."""
_LENGTHS = {ED25519: (32, 64), ML_DSA_65: (1952, 3309)}
_DOMAIN = b"haechi hybrid signature v1\n"
_KEY_DOMAIN = b"haechi hybrid key v1\n"


class SignatureFault(StrEnum):
    """What is wrong with the signatures under something."""

    STRIPPED = "signature-stripped"
    DOWNGRADE = "algorithm-downgrade"
    OTHER_KEY = "key-swap"
    FORGED = "signature-forged"


class SignatureError(AuditError):
    """A signature does not hold; ``fault`` says in which way."""

    def __init__(self, fault: SignatureFault, what: str) -> None:
        super().__init__(what, why=fault.value)
        self.fault = fault


class Signature(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One signature as DSSE has it. ``keyid`` is ``<id of the hybrid key>:<algorithm>``."""

    keyid: str
    sig: bytes


class PublicKey(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The public half, raw bytes of both algorithms."""

    ed25519: bytes
    ml_dsa_65: bytes = msgspec.field(name="ml-dsa-65")

    def __post_init__(self) -> None:
        if len(self.ed25519) != _LENGTHS[ED25519][0]:
            raise ValueError("an Ed25519 public key has 32 bytes")
        if len(self.ml_dsa_65) != _LENGTHS[ML_DSA_65][0]:
            raise ValueError("an ML-DSA-65 public key has 1952 bytes")

    @property
    def id(self) -> str:
        """64 hexadecimal digits that name both keys at once."""
        return hashlib.sha256(_KEY_DOMAIN + self.ed25519 + self.ml_dsa_65).hexdigest()


class SigningKey:
    """The private half. Made by ``generate`` or from the two seeds of 32 bytes."""

    __slots__ = ("_ed25519", "_ml_dsa", "public")

    def __init__(self, ed25519: Ed25519PrivateKey, ml_dsa: MLDSA65PrivateKey) -> None:
        self._ed25519 = ed25519
        self._ml_dsa = ml_dsa
        self.public = PublicKey(
            ed25519=ed25519.public_key().public_bytes_raw(),
            ml_dsa_65=ml_dsa.public_key().public_bytes_raw(),
        )

    @classmethod
    def generate(cls) -> SigningKey:
        """A new key from the system's randomness."""
        classic, lattice = _algorithms()
        return cls(classic.Ed25519PrivateKey.generate(), lattice.MLDSA65PrivateKey.generate())

    @classmethod
    def from_seeds(cls, ed25519: bytes, ml_dsa_65: bytes) -> SigningKey:
        """The key of two seeds. Raises ValueError unless each has 32 bytes."""
        classic, lattice = _algorithms()
        return cls(
            classic.Ed25519PrivateKey.from_private_bytes(ed25519),
            lattice.MLDSA65PrivateKey.from_seed_bytes(ml_dsa_65),
        )

    def seeds(self) -> tuple[bytes, bytes]:
        """What ``from_seeds`` needs; secret."""
        return self._ed25519.private_bytes_raw(), self._ml_dsa.private_bytes_raw()

    def sign(self, message: bytes, *, context: str) -> tuple[Signature, ...]:
        """Both signatures, in the order of ALGORITHMS."""
        name = self.public.id
        classic = self._ed25519.sign(signed_bytes(message, ED25519, name, context))
        lattice = self._ml_dsa.sign(
            signed_bytes(message, ML_DSA_65, name, context), context.encode()
        )
        return (
            Signature(f"{name}:{ED25519}", classic),
            Signature(f"{name}:{ML_DSA_65}", lattice),
        )


def signed_bytes(message: bytes, algorithm: str, key: str, context: str) -> bytes:
    """What one algorithm signs: the domain; then the algorithm, all algorithms joined by ``+``,
    the key's id and the context, each after its length (8 bytes, big-endian); then the message."""
    parts = (algorithm, "+".join(ALGORITHMS), key, context)
    framed = b"".join(len(raw).to_bytes(8, "big") + raw for raw in (p.encode() for p in parts))
    return _DOMAIN + framed + message


def check_signatures(
    key: PublicKey, message: bytes, signatures: Sequence[Signature], *, context: str
) -> None:
    """Return when every algorithm of the key signed the message; else raise SignatureError."""
    name = key.id
    given = _by_algorithm(name, signatures)
    for algorithm in ALGORITHMS:
        if algorithm not in given:
            raise SignatureError(
                SignatureFault.STRIPPED,
                f"the {algorithm} signature of key {name[:16]} is missing; both must be there",
            )
    for algorithm in ALGORITHMS:
        signed = signed_bytes(message, algorithm, name, context)
        if not _holds(key, algorithm, given[algorithm], signed, context):
            raise SignatureError(
                SignatureFault.FORGED,
                f"the {algorithm} signature of key {name[:16]} does not hold",
            )


def _by_algorithm(name: str, signatures: Sequence[Signature]) -> dict[str, bytes]:
    """The signatures of this key. Others may stand beside them (a rotation has two keys)."""
    given: dict[str, bytes] = {}
    for signature in signatures:
        owner, _, algorithm = signature.keyid.partition(":")
        if owner != name:
            continue
        if algorithm not in ALGORITHMS:
            raise SignatureError(
                SignatureFault.DOWNGRADE, f"signed with {algorithm[:40]!r}, which is not accepted"
            )
        if algorithm in given:
            raise SignatureError(SignatureFault.FORGED, f"two {algorithm} signatures of one key")
        given[algorithm] = signature.sig
    if not given and signatures:
        other = signatures[0].keyid.partition(":")[0][:16]
        raise SignatureError(
            SignatureFault.OTHER_KEY, f"signed by key {other!r}, expected was {name[:16]}"
        )
    return given


def _holds(key: PublicKey, algorithm: str, sig: bytes, signed: bytes, context: str) -> bool:
    from cryptography.exceptions import InvalidSignature

    if len(sig) != _LENGTHS[algorithm][1]:
        return False
    classic, lattice = _algorithms()
    try:
        if algorithm == ED25519:
            classic.Ed25519PublicKey.from_public_bytes(key.ed25519).verify(sig, signed)
        else:
            public = lattice.MLDSA65PublicKey.from_public_bytes(key.ml_dsa_65)
            public.verify(sig, signed, context.encode())
    except (InvalidSignature, ValueError):
        return False
    return True


def _algorithms() -> tuple[Any, Any]:
    try:
        from cryptography.hazmat.primitives.asymmetric import ed25519, mldsa
    except ImportError as error:
        raise AuditError(
            "signatures need the package cryptography, version 50 or later",
            do="pip install 'haechi[server]'",
        ) from error
    return ed25519, mldsa
