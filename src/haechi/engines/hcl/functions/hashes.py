"""Hashes of texts and of files; what is random or needs a key is unknown but certain to be set."""

from __future__ import annotations

import base64
import hashlib
import uuid
from typing import Any

from haechi.engines.hcl.functions.signature import Context, Function
from haechi.engines.hcl.values import EvalFault
from haechi.model.unknown import Unknown

_NAMESPACES = {
    "dns": uuid.NAMESPACE_DNS,
    "url": uuid.NAMESPACE_URL,
    "oid": uuid.NAMESPACE_OID,
    "x500": uuid.NAMESPACE_X500,
}
HEX = ("md5", "sha1", "sha256", "sha512")
BASE64 = {"base64sha256": "sha256", "base64sha512": "sha512"}


def hexadecimal(algorithm: str, data: bytes) -> str:
    return hashlib.new(algorithm, data, usedforsecurity=False).hexdigest()


def in_base64(algorithm: str, data: bytes) -> str:
    digest = hashlib.new(algorithm, data, usedforsecurity=False).digest()
    return base64.b64encode(digest).decode()


def _hash(name: str) -> Function:
    if name in BASE64:
        return Function(name, "s", lambda _, text: in_base64(BASE64[name], text.encode()))
    return Function(name, "s", lambda _, text: hexadecimal(name, text.encode()))


def _uuidv5(context: Context, namespace: str, name: str) -> str:
    try:
        space = _NAMESPACES.get(namespace) or uuid.UUID(namespace)
    except ValueError:
        raise EvalFault("uuidv5: the first argument is no namespace") from None
    return str(uuid.uuid5(space, name))


def _random(name: str) -> Any:
    def unknown(context: Context, *args: Any) -> Unknown:
        return Unknown(f"{name}() differs with each run", cause=f"{name}()", given=True)

    return unknown


FUNCTIONS = (
    *(_hash(name) for name in (*HEX, *BASE64)),
    Function("bcrypt", "s [i", _random("bcrypt")),
    Function("rsadecrypt", "s s", _random("rsadecrypt")),
    Function("uuid", "", _random("uuid")),
    Function("uuidv5", "s s", _uuidv5),
)
