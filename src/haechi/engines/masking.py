"""Credentials taken out of text that is kept or shown although nobody could make sense of it.

Lines of a feed that were refused, samples in error messages and log messages of applications may
carry passwords and tokens. This is no detector (``checks/secrets`` is): it knows names that
announce a credential and a few shapes, and would rather take too much than too little. Patterns
are linear: the texts are hostile.
"""

from __future__ import annotations

import re

from haechi.engines.logins import without_logins

MASK = "***"
_WORDS = (
    r"pass(?:word|wd|phrase|code)?|pwd|secret|token|jwt|authorization|auth|cookie|set-cookie|"
    r"credentials?|private[_-]?key|api[_-]?key|access[_-]?key|session(?:[_-]?id)?|bearer|otp|pin"
)
_NAME = re.compile(rf"(?:^|[^a-z0-9])(?:[a-z0-9]*_)?(?:{_WORDS})s?(?:$|[^a-z0-9])", re.IGNORECASE)
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_WHOLE = (
    "password", "passwd", "passphrase", "secret", "authorization", "cookie", "credential",
    "apikey", "accesskey", "privatekey", "token", "jwt",
)  # fmt: skip
_HARMLESS = frozenset({"proc.env", "user.loginuid"})
_ASSIGNED = re.compile(
    rf"((?<![a-z0-9])[a-z0-9_.-]{{0,40}}?(?:{_WORDS})[a-z0-9_-]{{0,20}}[\"']?\s{{0,3}}[:=]\s{{0,3}})"
    r"(\"[^\"]{0,4000}\"?|'[^']{0,4000}'?|(?:(?:bearer|basic|token|negotiate)\s+)?[^\s,;&}\]\"']+)",
    re.IGNORECASE,
)
_SCHEME = re.compile(r"\b(bearer|basic)(\s+)[a-z0-9._~+/=-]{8,}", re.IGNORECASE)
_JWT = re.compile(r"\beyJ[A-Za-z0-9_-]{5,}\.[A-Za-z0-9_-]{5,}(?:\.[A-Za-z0-9_-]*)?")
_CRYPT = re.compile(r"\$(?:[1567y]|2[abxy]?|gy|sm3|md5|apr1|argon2(?:id|i|d))\$[./\w$=,+-]{8,}")
"""Hashes of passwords: a followed file may turn out to be a link to /etc/shadow."""
_BASE64_LINE = re.compile(r"^\s*[A-Za-z0-9+/]{60,76}={0,2}\s*$", re.MULTILINE)
"""A line of base64 and nothing else: of a key whose first line was another record."""
_PEM = re.compile(r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----.*", re.DOTALL)


def announces_credential(name: str) -> bool:
    """True when a field of this name holds a credential: ``user.password``, ``apiKey``."""
    if name in _HARMLESS:
        return False
    spaced = _HUMP.sub("_", name[-200:])
    if _NAME.search(spaced):
        return True
    flat = spaced.replace("_", "").replace("-", "").lower()
    return any(word in flat for word in _WHOLE)


def masked(text: str) -> str:
    """The text with ``***`` for what stands after a name that announces a credential."""
    text = _PEM.sub(MASK, text)
    text = _ASSIGNED.sub(rf"\1{MASK}", text)
    text = _SCHEME.sub(rf"\1\2{MASK}", text)
    return without_logins(_JWT.sub(MASK, text))


def printable(record: bytes | str, chars: int) -> str:
    """How a record begins: one line of printable ASCII without credentials. It is masked before
    it is cut, or half a credential would stay."""
    if isinstance(record, str):
        text = record[:_LOOKED_AT]
    else:
        text = bytes(record[:_LOOKED_AT]).decode("utf-8", "backslashreplace")
    text = _BASE64_LINE.sub(MASK, _CRYPT.sub(MASK, text))
    shown = masked(text).encode("ascii", "backslashreplace").decode()
    return shown.translate(_ESCAPES)[:chars]


_LOOKED_AT = 8_192
_ESCAPES = {code: f"\\x{code:02x}" for code in (*range(32), 127)}
