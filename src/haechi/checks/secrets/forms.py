"""Credentials made at run time from the form in which a vendor writes them.

A rule must be proved by examples, but a credential that stands in a repository, even one that
works nowhere, is reported by every scanner for ever. So rules carry the *form* and the examples
are drawn from a seed. A form is text with parts in ``<<…>>``:

- ``<<base62 36>>``: that many characters of an alphabet (``<<hex 20-40>>`` draws the number)
- ``<<[a-z0-9_-] 20>>``: of a set of characters
- ``<<one live|test>>``: one of the words
- ``<<uuid>>``, ``<<jwt>>``, ``<<pem RSA PRIVATE KEY>>``: whole structures;
  ``<<escaped pem PRIVATE KEY>>`` writes line ends as ``\\n``, as JSON does
- ``<<crc32>>``: the CRC-32, six base-62 digits, over all random characters drawn before it
  (GitHub's and npm's checksum)
- ``<<crc32le WORD>>``: the CRC-32 of the word and those characters, eight hex digits, lowest byte
  first (Grafana's)
- ``<<base64 of TEXT>>``: the base64 of a form without further ``<<``, e.g. ``user:[hex 20]``,
  whose parts stand in single square brackets

In an example ``<<secret>>`` stands for the rule's own form.
"""

from __future__ import annotations

import base64
import json
import random
import re
import string
import uuid
import zlib

from haechi.errors import RuleError

BASE62 = string.digits + string.ascii_uppercase + string.ascii_lowercase
ALPHABETS = {
    "base62": BASE62,
    "base64": string.ascii_letters + string.digits + "+/",
    "base64url": string.ascii_letters + string.digits + "-_",
    "base58": "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz",
    "base36": string.digits + string.ascii_lowercase,
    "BASE36": string.digits + string.ascii_uppercase,
    "base32": string.ascii_uppercase + "234567",
    "bech32": "qpzry9x8gf2tvdw0s3jn54khce6mua7l",
    "hex": string.digits + "abcdef",
    "HEX": string.digits + "ABCDEF",
    "digits": string.digits,
    "letters": string.ascii_letters,
    "lower": string.ascii_lowercase,
    "upper": string.ascii_uppercase,
}
LONGEST = 100_000
"""Characters that the parts of a text are drawn to; a form may be a user's."""
_PART = re.compile(r"<<(.+?)>>", re.DOTALL)
_INNER = re.compile(r"\[(\w+ [\d-]+)\]")
_COUNTED = re.compile(r"(\w+|\[.+\]) ([0-9]{1,9})(?:-([0-9]{1,9}))?\Z", re.DOTALL)
_RANGE = re.compile(r"(.)-(.)", re.DOTALL)


class Forge:
    """Makes credentials from forms; equal seeds make equal ones."""

    def __init__(self, seed: str) -> None:
        self._draw = random.Random(seed)  # noqa: S311 - must be repeatable; it guards nothing
        self._left = LONGEST

    def make(self, form: str, secret: str = "") -> str:
        """The text with every part drawn. Raises RuleError for a part that is none."""
        drawn: list[str] = []
        self._left = LONGEST
        return _PART.sub(lambda part: self._part(part[1], drawn, secret), form)

    def _part(self, text: str, drawn: list[str], secret: str) -> str:
        name, _, rest = text.partition(" ")
        match name:
            case "secret":
                return secret
            case "one":
                return self._draw.choice(rest.split("|"))
            case "uuid":
                return str(uuid.UUID(int=self._draw.getrandbits(128), version=4))
            case "crc32":
                return base62(zlib.crc32("".join(drawn).encode()), 6)
            case "crc32le":
                text = rest + "".join(drawn)
                return zlib.crc32(text.encode()).to_bytes(4, "little").hex()
            case "jwt":
                return self._jwt()
            case "escaped" if not rest.startswith("escaped"):
                return self._part(rest, drawn, secret).replace("\n", "\\n")
            case "pem":
                return self._pem(rest)
            case "base64" if rest.startswith("of "):
                inner = _INNER.sub(lambda p: self._counted(p[1]), rest.removeprefix("of "))
                return base64.b64encode(inner.encode()).decode()
            case _:
                value = self._counted(text)
                drawn.append(value)
                return value

    def _counted(self, text: str) -> str:
        match = _COUNTED.match(text)
        alphabet = _alphabet(match[1]) if match else ""
        if match is None or not alphabet:
            raise RuleError(f"<<{text}>> is no part of a form", do="see checks/secrets/forms.py")
        least, most = int(match[2]), int(match[3] or match[2])
        self._left -= most
        if least > most or self._left < 0:
            raise RuleError(
                f"<<{text}>>: the parts of a text have up to {LONGEST:,} characters",
                do="write the smaller number first",
            )
        count = self._draw.randint(least, most) if match[3] else least
        return "".join(self._draw.choices(alphabet, k=count))

    def _jwt(self) -> str:
        header = {"alg": self._draw.choice(("HS256", "RS256", "ES256")), "typ": "JWT"}
        claims = {"sub": str(self._draw.getrandbits(64)), "iat": self._draw.getrandbits(30)}
        parts = [json.dumps(part, separators=(",", ":")).encode() for part in (header, claims)]
        parts.append(self._draw.randbytes(32))
        return ".".join(base64.urlsafe_b64encode(p).rstrip(b"=").decode() for p in parts)

    def _pem(self, label: str) -> str:
        """Armour around a DER sequence of two integers: a key by its frame, none by its numbers."""
        label = label or "PRIVATE KEY"
        body = _der(2, b"\0") + _der(2, b"\x01" + self._draw.randbytes(600))
        data = (
            b"openssh-key-v1\0" + 2 * b"\0\0\0\4none" + bytes(4) + self._draw.randbytes(400)
            if label.startswith("OPENSSH")
            else _der(0x30, body)
        )
        text = base64.b64encode(data).decode()
        lines = [text[at : at + 64] for at in range(0, len(text), 64)]
        return "\n".join((f"-----BEGIN {label}-----", *lines, f"-----END {label}-----"))


def base62(number: int, width: int) -> str:
    """Digits, capitals, small letters; filled with zeros."""
    digits = ""
    while number:
        number, rest = divmod(number, 62)
        digits = BASE62[rest] + digits
    return digits.rjust(width, "0")


def _alphabet(name: str) -> str:
    if not name.startswith("["):
        return ALPHABETS.get(name, "")
    inner = name[1:-1]
    spans = _RANGE.sub(
        lambda m: "".join(map(chr, range(ord(m[1]), ord(m[2]) + 1))) if m[1] <= m[2] else "", inner
    )
    spans = spans.encode("utf-8", "ignore").decode()
    return "".join(dict.fromkeys(spans))


def _der(tag: int, content: bytes) -> bytes:
    size = len(content)
    if size < 128:
        return bytes((tag, size)) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(length))) + length + content
