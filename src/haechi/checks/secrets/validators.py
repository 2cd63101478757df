"""Offline proofs that a text is what it looks like: checksums, structures, key formats.

A validator gets the value as bytes and answers whether it can be real. It never raises, and it
answers False only when the value is surely none.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
import zlib
from collections.abc import Callable

from haechi.checks.secrets import infrastructure, saas, structures
from haechi.checks.secrets.forms import base62

Validator = Callable[[bytes], bool]

_ARMOUR = re.compile(rb"-----BEGIN [A-Z0-9 ]{0,40}-----(.{0,40000}?)-----END ", re.DOTALL)
_ESCAPES = re.compile(rb"\\[nrt]|[\"',>|*#\s]")
_HEADER = re.compile(rb"^[\w-]{1,40}: .*$", re.MULTILINE)


def github(value: bytes) -> bool:
    """Six base-62 digits at the end are the CRC-32 of the 30 random characters before them.

    GitHub Engineering, "Behind GitHub's new authentication token formats", 2021.
    """
    body = value.rpartition(b"_")[2]
    return base62(zlib.crc32(body[:-6]), 6).encode() == body[-6:]


def jwt(value: bytes) -> bool:
    """Header and claims are JSON objects, and the header names an algorithm (RFC 7515)."""
    parts = value.split(b".")
    if len(parts) not in (3, 5):
        return False
    header = _json_part(parts[0])
    if not isinstance(header, dict) or not isinstance(header.get("alg"), str):
        return False
    return len(parts) == 5 or isinstance(_json_part(parts[1]), dict)


def _json_part(part: bytes) -> object:
    try:
        return json.loads(base64.urlsafe_b64decode(part + b"=" * (-len(part) % 4)))
    except (ValueError, RecursionError):
        return None


def pem(value: bytes) -> bool:
    """What stands in the armour is base64 and begins as a key does (RFC 7468, DER, OpenSSH)."""
    match = _ARMOUR.search(value)
    if match is None:
        return False
    body = _ESCAPES.sub(b"", _HEADER.sub(b"", match[1].replace(b"\\n", b"\n")))
    encrypted = b"Proc-Type:" in match[1]  # in the old way: no structure to see
    # A plus is a character of base64, or joins strings of a program, or marks lines of a diff.
    return any(_begins_as_key(text, encrypted) for text in (body, body.replace(b"+", b"")))


def _begins_as_key(body: bytes, encrypted: bool) -> bool:
    try:
        data = base64.b64decode(body + b"=" * (-len(body) % 4), validate=True)
    except (binascii.Error, ValueError):
        return False
    if encrypted:
        return len(data) >= 32
    return data.startswith(b"openssh-key-v1\0") or (len(data) >= 16 and data[0] == 0x30)


VALIDATORS: dict[str, Validator] = {
    "github": github,
    "jwt": jwt,
    "pem": pem,
    **infrastructure.CHECKS,
    **saas.CHECKS,
    **structures.CHECKS,
}
"""By the name that a rule's ``pattern.check`` gives."""

FILTERS = frozenset({"letters_digits", "mixed", "mixed_case", "password", "two_cases"})
"""Those that sort out words and stand-ins, and prove nothing about what they let through."""
