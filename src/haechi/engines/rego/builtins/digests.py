"""Digests and keyed digests."""

from __future__ import annotations

import hashlib
import hmac
from typing import Final

from haechi.engines.rego.builtins.builtin import Builtin
from haechi.engines.rego.builtins.encoding import octets
from haechi.engines.rego.values import Value


def _digest(name: str) -> Builtin:
    def call(value: Value) -> str:
        return hashlib.new(name, octets(value), usedforsecurity=False).hexdigest()

    return Builtin(name=f"crypto.{name}", arity=1, call=call)


def _keyed(name: str) -> Builtin:
    def call(message: Value, secret: Value) -> str:
        body = octets(message)
        return hmac.new(octets(secret, 2), body, name).hexdigest()

    return Builtin(name=f"crypto.hmac.{name}", arity=2, call=call)


def same(left: Value, right: Value) -> bool:
    """In a time that does not tell where they differ."""
    return hmac.compare_digest(octets(left), octets(right, 2))


TABLE: Final = (
    *(_digest(name) for name in ("md5", "sha1", "sha256")),
    *(_keyed(name) for name in ("md5", "sha1", "sha256", "sha512")),
    Builtin(name="crypto.hmac.equal", arity=2, call=same),
)
