"""Offline proofs for credentials that are known by what stands around them: keys in armour,
passwords in addresses and connection strings, users with passwords in base64.

A password has no form, so ``password`` can only sort out what people write instead of one:
templates, references, names of defaults. The contract is that of ``validators``: never raise.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable
from urllib.parse import unquote_to_bytes

_ARMOUR = re.compile(rb"-----BEGIN [A-Z0-9 ]{1,40}-----([^-]{1,40000})-----END ")
_PGP = re.compile(
    rb"\n[ \t>*]*\r?\n(.{1,200000}?)\n[ \t>*]*(?:=[A-Za-z0-9+/]{4}\s*)?-----END ", re.S
)
_NOISE = re.compile(rb"\\[nrt]|[\"'][ \t]*\+|[\"',>|*#\\\s]")
_TEMPLATE = re.compile(
    rb"[${}<>\[\]]|%[sd(]|^%[A-Za-z_]\w*%$|^@|\*\*|\.\.|^:|^(?:env|os|process|config|self)\b[.(\[]"
    rb"|\(\)|^#|^\?$|\xe2\x80\xa6|(?i:^your_?strong)"
)
_STAND_IN = re.compile(
    rb"(?i)\A(?:my|your|the|some|a|db|user|new|old|root|admin|super|test|dev|local|app|test_?user)?"
    rb"[_.-]?(?:pass|passwd|password|passw0rd|passwort|pwd|pw|psw|secret|token|api_?key|key|credentials?"
    rb"|user|username|login|admin|administrator|root|guest|test|tester|testing|demo|dev|local|default"
    rb"|postgres|postgresql|mysql|mariadb|mongo|mongodb|redis|rabbitmq|oracle|sa|clickhouse|neo4j"
    rb"|changeme|changeit|changethis|hunter2|letmein|qwerty|welcome|minioadmin|docker|vagrant|scott"
    rb"|tiger|foo|bar|baz|foobar|foobaz|hello|world|spam|eggs|none|null|nil|undefined|true|false|empty"
    rb"|x+|abc|abcd|abcdef|1234|12345|123456|12345678|string|value|here|hidden|masked|removed|censored|private|bob|alice|joe)"
    rb"[_.-]?(?:word|here|pass|password|passwd|secret|value)?[!@#$._-]?\d{0,4}[!]?\Z"
)
_LEAST = 4
_SAMPLE_NAMES = frozenset({"John Doe", "Jane Doe", "Joe Coder"})


def password(value: bytes) -> bool:
    """Not a template, a reference, a well-known default or a stand-in such as ``password``."""
    plain = unquote_to_bytes(value)
    if len(plain) < _LEAST or len(set(plain)) < _LEAST - 1:
        return False
    written = _TEMPLATE.search(value) or _TEMPLATE.search(plain)
    return not (written or _STAND_IN.match(plain))


def user_and_password(value: bytes) -> bool:
    """Base64 of ``user:password`` in printable characters (RFC 7617), with a real password."""
    plain = _base64(value)
    user, colon, secret = plain.partition(b":")
    printable = all(byte >= 0x20 for byte in plain) and b"\x7f" not in plain
    return bool(user and colon) and printable and password(secret)


def openssh_plain(value: bytes) -> bool:
    """An OpenSSH key that no passphrase protects (openssh/PROTOCOL.key: cipher ``none``)."""
    return _cipher(value) == b"none"


def openssh_locked(value: bytes) -> bool:
    """An OpenSSH key under a passphrase."""
    return _cipher(value) not in (b"", b"none")


def pgp_secret(value: bytes) -> bool:
    """The first packet is a secret key (RFC 9580, sections 4.2 and 5.5: tag 5)."""
    match = _PGP.search(value.replace(b"\\n", b"\n"))
    data = _base64(_NOISE.sub(b"", match[1])) if match else b""
    return len(data) >= 40 and (data[0] == 0xC5 or data[0] & 0xFC == 0x94)


def key_data(value: bytes) -> bool:
    """Base64 of a private key in PEM, as kubeconfigs and Secrets hold it."""
    return b"PRIVATE KEY-----" in _base64(value)


def token(value: bytes) -> bool:
    """A JWT that is signed and not the one of a tutorial: its algorithm is not ``none``, and its
    subject is not the one that jwt.io fills in."""
    parts = value.split(b".")
    if len(parts) != 3 or not parts[2]:
        return False
    header, claims = _object(parts[0]), _object(parts[1])
    if not isinstance(header.get("alg"), str) or header.get("alg") == "none" or not claims:
        return False
    return claims.get("name") not in _SAMPLE_NAMES and claims.get("sub") != "1234567890"


def two_cases(value: bytes) -> bool:
    """Small and capital letters both: no digest in hexadecimal, no constant, no plain word."""
    return value.lower() != value != value.upper()


def letters_digits(value: bytes) -> bool:
    """Letters and digits both: no word, no number."""
    return bool(re.search(rb"[0-9]", value) and re.search(rb"[A-Za-z]", value))


def _cipher(value: bytes) -> bytes:
    """The name of the cipher in an OpenSSH key; empty when it is none."""
    match = _ARMOUR.search(value)
    data = _base64(_NOISE.sub(b"", match[1].replace(b"\\n", b"\n"))) if match else b""
    magic = b"openssh-key-v1\0"
    if not data.startswith(magic):
        return b""
    at = len(magic)
    size = int.from_bytes(data[at : at + 4], "big")
    return data[at + 4 : at + 4 + size] if 0 < size <= 64 else b""


def _object(part: bytes) -> dict[str, object]:
    try:
        found = json.loads(_base64(part))
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _base64(value: bytes) -> bytes:
    """Decoded, in either alphabet; empty when it is none."""
    body = value.strip().rstrip(b"=").translate(bytes.maketrans(b"-_", b"+/"))
    try:
        return base64.b64decode(body + b"=" * (-len(body) % 4), validate=True)
    except (binascii.Error, ValueError):
        return b""


CHECKS: dict[str, Callable[[bytes], bool]] = {
    "key_data": key_data,
    "letters_digits": letters_digits,
    "openssh_locked": openssh_locked,
    "openssh_plain": openssh_plain,
    "password": password,
    "pgp_secret": pgp_secret,
    "token": token,
    "two_cases": two_cases,
    "user_and_password": user_and_password,
}
"""By the name that a rule's ``pattern.check`` gives."""
