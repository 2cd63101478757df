"""Public keys from a certificate, a PEM key or a JWK (set), and what they say of a signature.

The package ``cryptography`` is loaded when a token is first verified with such a key. Where it is
not installed, the evaluation is given up: "not verified" would be an answer, and a wrong one.
"""

from __future__ import annotations

import base64
import binascii
import re
from typing import Any, Final

import msgspec

from haechi.engines.rego.builtins.encoding import parsed
from haechi.engines.rego.values import BuiltinError, RegoFailure

_PEM: Final = re.compile(
    r"\s*-----BEGIN ([A-Z ]+)-----\s*([A-Za-z0-9+/=\s]*)-----END \1-----\s*", re.ASCII
)
_MAX_KEYS: Final = 100
ALGORITHMS: Final = frozenset(
    (
        "RS256",
        "RS384",
        "RS512",
        "PS256",
        "PS384",
        "PS512",
        "ES256",
        "ES384",
        "ES512",
        "HS256",
        "HS384",
        "HS512",
        "EdDSA",
    )
)


class Key(msgspec.Struct, frozen=True):
    """``public`` is an object of the package ``cryptography``, or the bytes of a secret."""

    public: Any
    algorithm: str = ""
    name: str = ""


def keys_of(text: str) -> list[Key]:
    if text.lstrip().startswith("-----BEGIN"):
        return [Key(_from_pem(text))]
    held = parsed(text)
    if type(held) is not dict:
        raise BuiltinError("failed to parse a JWK key (set)")
    several = held.get("keys", [held])
    if type(several) is not list or len(several) > _MAX_KEYS:
        raise BuiltinError("failed to parse a JWK key (set)")
    made = [_from_jwk(item) for item in several]
    return [item for item in made if not item.algorithm or item.algorithm in ALGORITHMS]


def _loaded() -> None:
    try:
        import cryptography  # noqa: F401
    except ImportError as error:
        raise RegoFailure(
            "missing_dependency",
            "a policy verifies signatures, which needs the package cryptography",
            do="pip install 'haechi[server]'",
        ) from error


def _from_pem(text: str) -> Any:
    found = _PEM.fullmatch(text)
    if found is None:
        raise BuiltinError("failed to parse a PEM block, or extra data after it")
    _loaded()
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import load_der_public_key

    try:
        raw = base64.b64decode("".join(found.group(2).split()), validate=True)
        if found.group(1) == "CERTIFICATE":
            return x509.load_der_x509_certificate(raw).public_key()
        if found.group(1) == "PUBLIC KEY":
            return load_der_public_key(raw)
    except (ValueError, TypeError, binascii.Error) as error:
        raise BuiltinError("failed to parse a PEM key") from error
    raise BuiltinError("failed to extract a Key from the PEM certificate")


def _from_jwk(held: Any) -> Key:
    if type(held) is not dict:
        raise BuiltinError("failed to parse a JWK key (set)")
    algorithm, name = held.get("alg", ""), held.get("kid", "")
    if type(algorithm) is not str or type(name) is not str:
        raise BuiltinError("failed to parse a JWK key (set)")
    _loaded()
    try:
        return Key(_public(held), algorithm, name)
    except (KeyError, ValueError, TypeError) as error:
        raise BuiltinError("failed to parse a JWK key (set)") from error


def _octets(held: dict[str, Any], part: str) -> bytes:
    raw = held[part].encode("ascii")
    return base64.b64decode(raw + b"=" * (-len(raw) % 4), altchars=b"-_", validate=True)


def _public(held: dict[str, Any]) -> Any:
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    def number(part: str) -> int:
        return int.from_bytes(_octets(held, part), "big")

    kind = held["kty"]
    if kind == "RSA":
        return rsa.RSAPublicNumbers(number("e"), number("n")).public_key()
    if kind == "EC":
        curves: dict[str, Any] = {
            "P-256": ec.SECP256R1,
            "P-384": ec.SECP384R1,
            "P-521": ec.SECP521R1,
        }
        curve = curves[held["crv"]]()
        return ec.EllipticCurvePublicNumbers(number("x"), number("y"), curve).public_key()
    if kind == "OKP" and held["crv"] == "Ed25519":
        return ed25519.Ed25519PublicKey.from_public_bytes(_octets(held, "x"))
    if kind == "oct":
        return _octets(held, "k")
    raise ValueError("no key of a kind that is known")


def verified(public: Any, algorithm: str, message: bytes, signature: bytes) -> bool:
    """Whether the signature is of this key by this algorithm; a key of another kind never is."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
    from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

    digests: dict[str, Any] = {"256": hashes.SHA256, "384": hashes.SHA384, "512": hashes.SHA512}
    digest = digests.get(algorithm[2:], hashes.SHA256)()
    try:
        if algorithm[:2] == "RS" and isinstance(public, rsa.RSAPublicKey):
            public.verify(signature, message, padding.PKCS1v15(), digest)
        elif algorithm[:2] == "PS" and isinstance(public, rsa.RSAPublicKey):
            salted = padding.PSS(padding.MGF1(digest), padding.PSS.AUTO)
            public.verify(signature, message, salted, digest)
        elif algorithm[:2] == "ES" and isinstance(public, ec.EllipticCurvePublicKey):
            half = len(signature) // 2
            pair = [int.from_bytes(part, "big") for part in (signature[:half], signature[half:])]
            public.verify(encode_dss_signature(*pair), message, ec.ECDSA(digest))
        elif algorithm == "EdDSA" and isinstance(public, ed25519.Ed25519PublicKey):
            public.verify(signature, message)
        else:
            return False
    except (InvalidSignature, ValueError):
        return False
    return True
