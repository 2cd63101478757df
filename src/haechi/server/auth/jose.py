"""Signed tokens of others (JWT): signature, issuer, audience and times, nothing on trust.

The key comes from the issuer by its id and decides what may be done with it: an RSA key is never
a password for an HMAC, and ``none`` is no algorithm. PyJWT checks the signature; the claims are
checked here, against the server's clock.
"""

from __future__ import annotations

import datetime as dt
import warnings
from collections.abc import Callable
from typing import Any

import msgspec

from haechi.errors import Unauthenticated

LARGEST = 16 * 1024
LEEWAY = 60.0
OLDEST = 24 * 3600.0
"""A token may claim to have been made at most this long ago, whatever its end."""
_KINDS = {
    "RS256": "RSA",
    "RS384": "RSA",
    "RS512": "RSA",
    "PS256": "RSA",
    "PS384": "RSA",
    "PS512": "RSA",
    "ES256": "P-256",
    "ES384": "P-384",
    "ES512": "P-521",
    "EdDSA": "Ed25519",
}
ALGORITHMS = tuple(_KINDS)
"""What is accepted: signatures with public keys only."""
LEAST_RSA_BITS = 2048

FindKeys = Callable[[str | None], list[dict[str, Any]]]


def verified(
    token: str, *, keys: FindKeys, issuer: str, audience: str, now: dt.datetime
) -> dict[str, Any]:
    """The claims of a token that holds in every way. Raises Unauthenticated, saying which way
    it does not (its holder can read it, so this tells nobody anything new)."""
    algorithm, kid = _header(token)
    candidates = [key for key in keys(kid) if _fits(key, algorithm)]
    if len(candidates) != 1:
        raise _bad("it is signed with a key that its issuer does not name")
    claims = _signed(token, candidates[0], algorithm)
    _check(claims, issuer, audience, now.timestamp())
    return claims


def unverified_issuer(token: str) -> str:
    """Whom it claims to be from: chooses the keys, proves nothing."""
    if len(token) > LARGEST:
        raise _bad("it is too large")
    import jwt

    try:
        claims = jwt.decode(token, options={"verify_signature": False})
    except (jwt.PyJWTError, ValueError, RecursionError) as error:
        raise _bad("it is none at all") from error
    issuer = claims.get("iss")
    return issuer if isinstance(issuer, str) else ""


def _header(token: str) -> tuple[str, str | None]:
    if len(token) > LARGEST:
        raise _bad("it is too large")
    import jwt

    try:
        header = jwt.get_unverified_header(token)
    except (jwt.PyJWTError, ValueError, RecursionError) as error:
        raise _bad("it is none at all") from error
    algorithm, kid = header.get("alg"), header.get("kid")
    if algorithm not in _KINDS:
        raise _bad(f"its algorithm is {str(algorithm)[:20]!r}, which is not accepted")
    if "crit" in header or not (kid is None or (isinstance(kid, str) and len(kid) <= 512)):
        raise _bad("its header asks for what is not known here")
    return str(algorithm), kid


def _fits(key: dict[str, Any], algorithm: str) -> bool:
    """The key is of the algorithm's kind and meant for signatures."""
    uses = key.get("key_ops", ["verify"])
    kind = key.get("crv") if key.get("kty") in ("EC", "OKP") else key.get("kty")
    return (
        kind == _KINDS[algorithm]
        and key.get("use", "sig") == "sig"
        and key.get("alg", algorithm) == algorithm
        and isinstance(uses, list)
        and "verify" in uses
    )


def _signed(token: str, key: dict[str, Any], algorithm: str) -> dict[str, Any]:
    import jwt

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")  # a key that is too short is refused, not remarked on
            public = jwt.PyJWK(key, algorithm=algorithm)
            if _bits(public.key) < LEAST_RSA_BITS and _KINDS[algorithm] == "RSA":
                raise _bad(f"its issuer's key has less than {LEAST_RSA_BITS} bits")
            payload = jwt.PyJWS(algorithms=[algorithm]).decode(
                token, key=public, algorithms=[algorithm]
            )
        claims = msgspec.json.decode(payload)
    except (jwt.PyJWTError, Warning, ValueError, TypeError, KeyError, RecursionError) as error:
        raise _bad("its signature does not hold") from error
    if not isinstance(claims, dict):
        raise _bad("it holds no claims")
    return claims


def _bits(key: Any) -> int:
    return int(getattr(key, "key_size", 0))


def _check(claims: dict[str, Any], issuer: str, audience: str, now: float) -> None:
    if claims.get("iss") != issuer:
        raise _bad("it is of another issuer")
    named = claims.get("aud")
    audiences = named if isinstance(named, list) else [named]
    if audience not in audiences:
        raise _bad("it is meant for another audience")
    expires, issued = _time(claims, "exp"), _time(claims, "iat")
    begins = _time(claims, "nbf") if "nbf" in claims else issued
    if now >= expires + LEEWAY:
        raise _bad("it expired")
    if max(begins, issued) > now + LEEWAY:
        raise _bad("it is not valid yet: the clocks differ")
    if now - issued > OLDEST + LEEWAY:
        raise _bad("it was made too long ago")
    if not isinstance(claims.get("sub"), str) or not claims["sub"]:
        raise _bad("it names nobody (sub)")


def _time(claims: dict[str, Any], name: str) -> float:
    value = claims.get(name)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise _bad(f"it lacks {name}")
    return float(value)


def _bad(why: str) -> Unauthenticated:
    return Unauthenticated("the signed token does not hold", why=why)
