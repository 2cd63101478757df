"""The form of our own credentials: ``haechi_<kind>_``, 256 random bits, a checksum.

43 base-62 digits hold the bits, six more the CRC-32 of the 43: a scanner knows such a token
without asking, and a typing error is told from a wrong token. The store keeps SHA-256 only; with
256 random bits there is nothing that a slow hash would protect.
"""

from __future__ import annotations

import hashlib
import secrets
import string
import zlib
from enum import StrEnum

DIGITS = string.digits + string.ascii_uppercase + string.ascii_lowercase
BODY, CHECK, SHOWN = 43, 6, 6


class Kind(StrEnum):
    """What a credential is for."""

    TOKEN = "api"  # noqa: S105 - a word of the form, no credential
    SESSION = "ses"
    CODE = "code"


def mint(kind: Kind) -> str:
    """A new one. It is shown or set once and never stored."""
    body = _base62(secrets.randbits(256), BODY)
    return f"haechi_{kind}_{body}{checksum(body)}"


def well_formed(text: str, kind: Kind) -> bool:
    """True when it has the form and its checksum holds; says nothing about whether it is valid."""
    start = f"haechi_{kind}_"
    rest = text[len(start) :]
    return (
        text.startswith(start)
        and len(rest) == BODY + CHECK
        and all(digit in DIGITS for digit in rest)
        and checksum(rest[:BODY]) == rest[BODY:]
    )


def digest(text: str) -> str:
    """What is stored and looked up."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def prefix(text: str) -> str:
    """Its first characters, for people: enough to tell tokens apart, no help in guessing."""
    return text[: text.rfind("_") + 1 + SHOWN]


def checksum(body: str) -> str:
    """The last six digits, of the 43 before them."""
    return _base62(zlib.crc32(body.encode()), CHECK)


def _base62(number: int, width: int) -> str:
    digits = []
    while number:
        number, rest = divmod(number, 62)
        digits.append(DIGITS[rest])
    return "".join(reversed(digits)).rjust(width, "0")
