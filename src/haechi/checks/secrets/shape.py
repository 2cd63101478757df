"""How a value looks: characters, words, randomness. Each trait is a word that a table weighs.

Whether letters are words or random is told by how common their trigrams are in source code and
English (``table``, one digit for each of 27 x 27 x 27 trigrams, 9 the most common).
"""

from __future__ import annotations

import re

from haechi.checks.secrets.naming import names, words_of

_CLASSES = (
    ("uuid", re.compile(rb"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}\Z")),
    ("date", re.compile(rb"\d{4}-\d\d?-\d\d?(?:[T ].*)?\Z")),
    ("number", re.compile(rb"[-+]?\d+(?:\.\d+)*[a-z%]{0,2}\Z")),
    ("hex", re.compile(rb"(?:0x)?(?:[0-9a-f]{10,}|[0-9A-F]{10,})\Z")),
    ("bytes", re.compile(rb"(?:0x)?[0-9a-fA-F]{2}(?:[: ,]+(?:0x)?[0-9a-fA-F]{2})+\Z")),
    ("lower", re.compile(rb"[a-z]+\Z")),
    ("upper", re.compile(rb"[A-Z]+\Z")),
    ("title", re.compile(rb"[A-Z][a-z]+\Z")),
    ("word-number", re.compile(rb"[A-Za-z][a-z]*[0-9]+[!.]?\Z")),
    ("upper-snake", re.compile(rb"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+\Z")),
    ("snake", re.compile(rb"[a-z][a-z0-9]*(?:_[a-z0-9]+)+\Z")),
    ("kebab", re.compile(rb"[A-Za-z][A-Za-z0-9]*(?:-[A-Za-z0-9]+)+\Z")),
    ("camel", re.compile(rb"[A-Za-z][a-z]+(?:[A-Z][a-z]+)+\d?\Z")),
    ("dotted", re.compile(rb"[A-Za-z_$@][\w-]*(?:(?:\.|::|->|\?\.)[A-Za-z_][\w-]*)+\(?\)?\Z")),
    ("path", re.compile(rb"(?:\.{0,2}/|~/|[A-Za-z]:\\)[\w./\\ -]*\Z")),
    ("url", re.compile(rb"[a-z][a-z0-9+.-]{1,12}:(?://|[a-z])")),
    ("file", re.compile(rb"[\w./-]+\.[a-z]{2,5}\Z")),
    ("sentence", re.compile(rb"[^\s]+(?:\s+[^\s]+)+\Z")),
    ("alnum", re.compile(rb"[A-Za-z0-9]+\Z")),
    ("base64", re.compile(rb"[A-Za-z0-9+/]+={0,2}\Z")),
    ("url-safe", re.compile(rb"[A-Za-z0-9_-]+=*\Z")),
    ("segments", re.compile(rb"[\w-]+(?:[/:.][\w-]+)+\Z")),
)
_CODE = re.compile(rb"[(){}<>\[\];|\\]|\$[A-Za-z_]|%[sdv]|&&|==|\+ | \+|\.\.\.")
_SPOKEN = re.compile(
    rb"(?i)pass(?:word|wd|phrase)?|pwd|secret|token|credential|(?:api|access|private|_)?-?key"
    rb"|auth|salt|nonce|username|login"
)
_STAND_IN = re.compile(
    rb"(?i)\b(?:your?|my|the|some|any|enter|insert|put|add|use|set|todo|fixme|tbd|none|null|nil"
    rb"|undefined|true|false|yes|no|test\w*|fake\w*|mock\w*|foo\w*|bar|baz|qux|changeit"
    rb"|default|dummy\w*|invalid|unset|optional|required|unused|hidden|here|value|generate\w*"
    rb"|string|text|username|user|admin|guest|root|hello|world)(?:_|\b)"
)
_LENGTHS = ((4, "4"), (6, "6"), (8, "8"), (12, "12"), (20, "20"), (32, "32"), (64, "64"))
_LETTERS = re.compile(rb"[A-Za-z]{3,}")
_FOLD = bytes((c - 96 if 97 <= c <= 122 else c - 64 if 65 <= c <= 90 else 0) for c in range(256))


def class_of(value: bytes) -> str:
    """The first class of writing that fits."""
    for name, form in _CLASSES:
        if form.match(value):
            return name
    return "mixed"


def commonness(value: bytes, table: bytes) -> int | None:
    """How common the trigrams of its letters are, 0 (random) to 9; None without letters."""
    total = count = 0
    for run in _LETTERS.findall(value[:120]):
        folded = (b"\0" + run.translate(_FOLD) + b"\0")[:62]
        for at in range(len(folded) - 2):
            total += table[(folded[at] * 27 + folded[at + 1]) * 27 + folded[at + 2]] - 48
            count += 1
    return round(total / count) if count else None


def length_of(value: bytes) -> str:
    """The length as one of a few steps."""
    size = len(value)
    for limit, label in _LENGTHS:
        if size < limit:
            return f"under-{label}"
    return "64-or-more"


def traits(value: bytes, form: str, kind: str, name: str, table: bytes) -> list[str]:
    """What the value's look says, given its class and what its name means."""
    group = _GROUPS.get(kind, "other")
    found = [f"form:{form}", f"{group}:{form}", f"length:{length_of(value)}"]
    found.append(f"{group}:{length_of(value)}")
    common = commonness(value, table)
    if common is None:
        found.append("letters:none")
    else:
        found += [f"letters:{common}", f"{group}:letters:{common // 2}"]
        if form in ("lower", "upper", "title", "camel", "snake", "kebab", "alnum"):
            found.append(f"{form}:letters:{common // 2}")
    lowered = value.lower()
    if lowered.decode("latin-1") in names().weak:
        found.append("value:weak")
    if _SPOKEN.search(value):
        found.append(f"value:spoken:{'short' if len(value) < 24 else 'long'}")
    if _STAND_IN.search(value):
        found.append("value:stand-in")
    if _CODE.search(value):
        found.append("value:code")
    found += _mix(value, form)
    if form in _WORDY and _echoes(lowered, name):
        found.append("value:echo")
    return found


_GROUPS = {
    "password": "password",
    "secret": "secret",
    "token": "token",
    "apikey": "secret",
    "credential": "token",
    "key": "key",
    "auth": "auth",
    "api": "auth",
    "header": "header",
    "salt": "key",
}
_MIXED = frozenset({"alnum", "base64", "url-safe", "mixed", "hex", "kebab", "snake"})
_WORDY = frozenset({"lower", "upper", "title", "camel", "snake", "kebab", "upper-snake"})


def _mix(value: bytes, form: str) -> list[str]:
    found = []
    if form in _MIXED:
        digits = len(value) - len(value.translate(None, b"0123456789"))
        found.append(f"digits:{min(digits * 8 // len(value), 4)}")
        if value != value.lower() and value != value.upper():
            found.append(f"case:both:{form}")
    found.append(f"variety:{4 * len(set(value)) // min(len(value), 32)}")
    if not value.isascii():
        found.append("value:foreign")
    if value[0] in b"/.:$-#@%&" or value[-1] in b":,.([":
        found.append("value:ragged")
    return found


def _echoes(lowered: bytes, name: str) -> bool:
    """The value repeats its name: ``password: "password"``, ``api_key = "my-api-key"``."""
    said = words_of(lowered.decode("ascii", "replace"))
    named = set(words_of(name))
    return bool(said) and sum(word in named for word in said) * 2 >= len(said)
