"""JSON Web Tokens: read, and verified by a secret or a public key (RFC 7515, 7519)."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from typing import Any, Final

import msgspec

from haechi.engines.rego.builtins import operands
from haechi.engines.rego.builtins.builtin import Builtin, Context
from haechi.engines.rego.builtins.encoding import base64url_bytes, parsed
from haechi.engines.rego.builtins.operands import text
from haechi.engines.rego.builtins.token_keys import ALGORITHMS, Key, keys_of, verified
from haechi.engines.rego.values import BuiltinError, Value

_SECOND: Final = 1_000_000_000
_MAX_NESTED: Final = 8  # tokens within tokens
_CONSTRAINTS: Final = ("alg", "aud", "cert", "iss", "secret")


class Token(msgspec.Struct, frozen=True):
    """The parts as they came, and the header read."""

    header: dict[str, Any]
    payload: str
    signature: str
    signed: bytes


def _object(raw: bytes, what: str) -> dict[str, Any]:
    held = parsed(raw.decode("utf-8", "replace"))
    if type(held) is not dict:
        raise BuiltinError(f"JWT {what} is no object")
    return held


def _split(value: Value) -> Token:
    parts = text(value, 1).split(".")
    if len(parts) != 3:
        raise BuiltinError(f"encoded JWT must have 3 sections, found {len(parts)}")
    header, payload, signature = parts
    return Token(
        _object(base64url_bytes(header), "header"),
        payload,
        signature,
        f"{header}.{payload}".encode("utf-8", "replace"),
    )


def decode(value: Value) -> list[Value]:
    """Header, payload and signature of the innermost token; nothing is verified."""
    for _ in range(_MAX_NESTED):
        token = _split(value)
        raw = base64url_bytes(token.payload)
        if token.header.get("cty") != "JWT":
            break
        value = raw.decode("utf-8", "replace").strip("\"'")
    else:
        operands.too_large("the depth of a token", _MAX_NESTED)
    return [token.header, _object(raw, "payload"), base64url_bytes(token.signature).hex()]


def _check_header(header: dict[str, Any]) -> None:
    for name in ("alg", "kid", "typ", "cty"):
        if type(header.get(name, "")) is not str:
            raise BuiltinError(f"{name}: must be a string")
    critical = header.get("crit", ["b64"])
    if type(critical) is not list or not critical:
        raise BuiltinError("crit: must be a nonempty list")


def _signed_by(token: Token, keys: list[Key], algorithm: str, signature: bytes) -> bool:
    """By the key that the token names, if it is among them, else by any that may be meant."""
    named = token.header.get("kid")
    chosen = [key for key in keys if named and key.name == named][:1]
    for key in chosen or keys:
        if not chosen and key.algorithm and key.algorithm != token.header.get("alg"):
            continue
        if verified(key.public, algorithm, token.signed, signature):
            return True
    return False


def _asymmetric(algorithm: str) -> Callable[[Value, Value], bool]:
    def call(value: Value, key: Value) -> bool:
        token = _split(value)
        keys = keys_of(text(key, 2))
        signature = base64url_bytes(token.signature)
        _check_header(token.header)
        return _signed_by(token, keys, algorithm, signature)

    return call


def _keyed(secret: bytes, algorithm: str, message: bytes, signature: bytes) -> bool:
    made = hmac.digest(secret, message, f"sha{algorithm[2:]}")
    return hmac.compare_digest(made, signature)


def _symmetric(algorithm: str) -> Callable[[Value, Value], bool]:
    def call(value: Value, secret: Value) -> bool:
        text(value, 1)
        raw = text(secret, 2).encode("utf-8", "replace")
        token = _split_only(value)
        return _keyed(raw, algorithm, token[0], base64url_bytes(token[1]))

    return call


def _split_only(value: str) -> tuple[bytes, str]:
    parts = value.split(".")
    if len(parts) != 3:
        raise BuiltinError(f"encoded JWT must have 3 sections, found {len(parts)}")
    return f"{parts[0]}.{parts[1]}".encode("utf-8", "replace"), parts[2]


class _Constraints(msgspec.Struct):
    keys: list[Key] | None
    held: dict[str, str]
    time: float


def _constraints(evaluation: Context, value: Value) -> _Constraints:
    held: dict[str, str] = {}
    time: float = evaluation.now_ns
    for name, item in operands.mapping(value, 2).items():
        if name == "time":
            time = operands.number(item, 2)
            if time < 0:
                raise BuiltinError("token time constraint: must not be negative")
        elif name in _CONSTRAINTS and type(item) is str:
            held[name] = item
        elif name in _CONSTRAINTS:
            raise BuiltinError(f"{name} constraint: must be a string")
        else:
            raise BuiltinError(f"unknown token validation constraint: {str(name)[:40]}")
    keys = keys_of(held["cert"]) if "cert" in held else None
    if (keys is None) is (not held.get("secret")):
        raise BuiltinError("no key constraint" if keys is None else "duplicate key constraints")
    return _Constraints(keys, held, time)


def decode_verify(evaluation: Context, value: Value, constraints: Value) -> list[Value]:
    """``[true, header, payload]`` where signature and all constraints hold."""
    wanted = _constraints(evaluation, constraints)
    for _ in range(_MAX_NESTED):
        token = _split(value)
        _check_header(token.header)
        if not _is_trusted(token, wanted):
            return [False, {}, {}]
        raw = base64url_bytes(token.payload)
        if token.header.get("cty", "").upper() != "JWT":
            break
        value = raw.decode("utf-8", "replace")
    else:
        operands.too_large("the depth of a token", _MAX_NESTED)
    payload = _object(raw, "payload")
    if not _meets(payload, wanted):
        return [False, {}, {}]
    return [True, token.header, payload]


def _is_trusted(token: Token, wanted: _Constraints) -> bool:
    algorithm = token.header.get("alg", "")
    known = ("alg", "kid", "typ", "cty", "crit")
    critical = token.header.get("crit", [])
    if not algorithm or any(name in critical for name in token.header if name not in known):
        return False
    if wanted.held.get("alg") and wanted.held["alg"] != algorithm:
        return False
    signature = base64url_bytes(token.signature)
    if algorithm not in ALGORITHMS:
        return False
    if wanted.keys is not None:
        return _signed_by(token, wanted.keys, algorithm, signature)
    if algorithm[:2] != "HS":
        return False
    return _keyed(wanted.held["secret"].encode(), algorithm, token.signed, signature)


def _meets(payload: dict[str, Any], wanted: _Constraints) -> bool:
    if wanted.held.get("iss") and payload.get("iss") != wanted.held["iss"]:
        return False
    audience = wanted.held.get("aud", "")
    if "aud" in payload:
        named = payload["aud"]
        if audience not in (
            [named] if type(named) is str else named if type(named) is list else []
        ):
            return False
    elif audience:
        return False
    now = wanted.time / _SECOND
    for name in ("exp", "nbf"):
        if name in payload and type(payload[name]) not in (int, float):
            raise BuiltinError(f"{name} value must be a number")
    if "exp" in payload and not now < payload["exp"]:
        return False
    return "nbf" not in payload or not now < payload["nbf"]


_NAMES: Final = sorted(ALGORITHMS)

TABLE: Final = (
    Builtin(name="io.jwt.decode", arity=1, call=decode),
    Builtin(name="io.jwt.decode_verify", arity=2, call=decode_verify, contextual=True),
    *(
        Builtin(
            name=f"io.jwt.verify_{name.lower()}",
            arity=2,
            call=_symmetric(name) if name.startswith("HS") else _asymmetric(name),
        )
        for name in _NAMES
    ),
)
