"""Credentials that work nowhere but look right, made at run time from a seed.

A scanner of secrets checks shape, entropy and checksums; a literal in this repository would be
reported by every such scanner (and by the forge's push protection) for ever. So the shop's
history gets its leaked credentials from here: equal seed, equal credential.
"""

from __future__ import annotations

import random
import string
import zlib

_BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase
_BASE32 = string.ascii_uppercase + "234567"
_BASE64 = string.ascii_letters + string.digits + "+/"


def aws_key_pair(seed: str) -> tuple[str, str]:
    """An access key id (AKIA and 16 base32 characters) and its secret of 40 characters."""
    draw = random.Random(seed)  # noqa: S311  (must be repeatable; it guards nothing)
    key_id = "AKIA" + "".join(draw.choices(_BASE32, k=16))
    return key_id, "".join(draw.choices(_BASE64, k=40))


def github_token(seed: str) -> str:
    """A personal access token: 30 random characters and the CRC-32 over them in base 62."""
    draw = random.Random(seed)  # noqa: S311
    body = "".join(draw.choices(_BASE62, k=30))
    return f"ghp_{body}{_base62(zlib.crc32(body.encode()), 6)}"


def _base62(number: int, width: int) -> str:
    digits = ""
    while number:
        number, rest = divmod(number, 62)
        digits = _BASE62[rest] + digits
    return digits.rjust(width, "0")
