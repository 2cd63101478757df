"""Hybrid signatures: both algorithms or nothing, and nothing can be moved elsewhere."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA65PrivateKey

from haechi.engines.signing import (
    ALGORITHMS,
    PublicKey,
    Signature,
    SignatureError,
    SignatureFault,
    SigningKey,
    check_signatures,
    signed_bytes,
)

KEY = SigningKey.from_seeds(bytes(range(32)), bytes(range(32, 64)))
OTHER = SigningKey.from_seeds(bytes(32), bytes(32))
MESSAGE = b"so many records, this root"
CONTEXT = "a test"
CLASSIC, LATTICE = KEY.sign(MESSAGE, context=CONTEXT)
OTHERS = OTHER.sign(MESSAGE, context=CONTEXT)


def flipped(signature: Signature) -> Signature:
    return Signature(signature.keyid, bytes([signature.sig[0] ^ 1]) + signature.sig[1:])


def raw_pair(message: bytes, name: str) -> tuple[Signature, Signature]:
    """Both algorithms over bytes that say nothing of purpose, key or the other algorithm."""
    ed, ml = KEY.seeds()
    return (
        Signature(f"{name}:ed25519", Ed25519PrivateKey.from_private_bytes(ed).sign(message)),
        Signature(f"{name}:ml-dsa-65", MLDSA65PrivateKey.from_seed_bytes(ml).sign(message)),
    )


def test_both_signatures_hold() -> None:
    check_signatures(KEY.public, MESSAGE, (CLASSIC, LATTICE), context=CONTEXT)
    check_signatures(KEY.public, MESSAGE, (LATTICE, *OTHERS, CLASSIC), context=CONTEXT)


@pytest.mark.parametrize(
    ("signatures", "fault"),
    [
        ((CLASSIC,), SignatureFault.STRIPPED),
        ((LATTICE,), SignatureFault.STRIPPED),
        ((), SignatureFault.STRIPPED),
        ((CLASSIC, flipped(LATTICE)), SignatureFault.FORGED),
        ((flipped(CLASSIC), LATTICE), SignatureFault.FORGED),
        ((CLASSIC, Signature(LATTICE.keyid, b"")), SignatureFault.FORGED),
        ((CLASSIC, Signature(LATTICE.keyid, CLASSIC.sig)), SignatureFault.FORGED),
        ((CLASSIC, CLASSIC, LATTICE), SignatureFault.FORGED),
        ((CLASSIC, Signature(f"{KEY.public.id}:rsa", b"x")), SignatureFault.DOWNGRADE),
        ((CLASSIC, Signature(f"{KEY.public.id}:ml-dsa-44", b"x")), SignatureFault.DOWNGRADE),
        (OTHERS, SignatureFault.OTHER_KEY),
        ((Signature(CLASSIC.keyid, OTHERS[0].sig), LATTICE), SignatureFault.FORGED),
        ((CLASSIC, Signature(LATTICE.keyid, OTHERS[1].sig)), SignatureFault.FORGED),
        (raw_pair(MESSAGE, KEY.public.id), SignatureFault.FORGED),
    ],
)
def test_one_of_them_is_not_enough(
    signatures: tuple[Signature, ...], fault: SignatureFault
) -> None:
    with pytest.raises(SignatureError) as caught:
        check_signatures(KEY.public, MESSAGE, signatures, context=CONTEXT)
    assert caught.value.fault is fault


@pytest.mark.parametrize(
    ("message", "context"), [(MESSAGE + b" ", CONTEXT), (MESSAGE, "another"), (b"", CONTEXT)]
)
def test_signatures_belong_to_one_message_and_purpose(message: bytes, context: str) -> None:
    with pytest.raises(SignatureError) as caught:
        check_signatures(KEY.public, message, (CLASSIC, LATTICE), context=context)
    assert caught.value.fault is SignatureFault.FORGED


def test_what_is_signed_names_algorithms_key_and_context() -> None:
    for algorithm in ALGORITHMS:
        signed = signed_bytes(MESSAGE, algorithm, KEY.public.id, CONTEXT)
        for part in (algorithm, "ed25519+ml-dsa-65", KEY.public.id, CONTEXT):
            assert len(part).to_bytes(8, "big") + part.encode() in signed
    assert signed_bytes(b"b", "a", "k", "c") != signed_bytes(b"", "a", "k", "cb")


def test_a_key_is_named_by_both_of_its_halves() -> None:
    mixed = PublicKey(ed25519=KEY.public.ed25519, ml_dsa_65=OTHER.public.ml_dsa_65)
    assert len({KEY.public.id, OTHER.public.id, mixed.id}) == 3
    assert SigningKey.from_seeds(*KEY.seeds()).public == KEY.public
    assert SigningKey.generate().public.id != SigningKey.generate().public.id


@pytest.mark.parametrize(("ed", "ml"), [(31, 1952), (32, 1951), (0, 0)])
def test_keys_of_another_length_are_refused(ed: int, ml: int) -> None:
    with pytest.raises(ValueError, match="has"):
        PublicKey(ed25519=bytes(ed), ml_dsa_65=bytes(ml))
