"""What a value is assigned to: the name before it, the joint between, and what the name means.

Names come in every style (``dbPassword``, ``DB_PASSWORD``, ``db.password``) and languages put
types, wrappers and quotes between name and value, so the name is the nearest identifier before
the value that holds a word for a credential; all that stands between the two is the joint.
"""

from __future__ import annotations

import re

import msgspec

_IDENTIFIER = re.compile(rb"[\w.\-\x80-\xff]+")
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[\u0080-\uffff]+")
_FARTHEST = 5
"""Identifiers between name and value at most: ``config.set("password", new Value("…``."""

_KINDS = {
    "password": "password",
    "passwd": "password",
    "passphrase": "password",
    "passcode": "password",
    "passwort": "password",
    "kennwort": "password",
    "senha": "password",
    "contraseña": "password",
    "пароль": "password",
    "비밀번호": "password",
    "암호": "password",
    "pwd": "password",
    "psw": "password",
    "pass": "password",
    "pw": "password",
    "secret": "secret",
    "token": "token",
    "credential": "credential",
    "credentials": "credential",
    "key": "key",
    "auth": "auth",
    "authorization": "auth",
    "salt": "salt",
    "nonce": "salt",
    "api": "api",
    "identified": "password",
    "basic": "header",
    "bearer": "header",
    "oauth": "header",
    "digest": "header",
}
_JOINED = re.compile(
    r"(password|passwd|passphrase|passcode|passwort|kennwort|pwd|secret|token|apikey|credential"
    r"|accesskey|privatekey|비밀번호|암호)"
)
_KEYED = re.compile(
    r"(?!(?:mon|tur|hoc|don|whis|joc|hot|public|foreign|primary|storage|cache)key)[a-z]{1,12}key\Z"
)
_LOGIN = re.compile(rb"(?:-u|--user)[ =][\"']?[\w.@-]+:\Z")
_KEYS = frozenset(
    "access account admin aes api app application auth client consumer crypt crypto des"
    " encryption hmac jwt license master private rsa secret service session shared sign signing"
    " signature storage subscription webhook ssh cookie n deploy project rest write"
    " integration".split()
)
_ABOUT = frozenset(
    "file filename path dir directory folder url uri link endpoint host name names id ids field"
    " fields type types label hint length len size count min max policy policies regex regexp"
    " pattern format env var variable param params parameter header headers error errors message"
    " msg class style expiry expires expiration expire ttl timeout lifetime age interval provider"
    " prefix suffix reset resets forgot forgotten change changed changes strength rule rules"
    " validation validator validate required require enabled enable disabled disable visible"
    " show hide toggle input box form page view screen title text description desc help"
    " placeholder prompt column table attribute attr property props model controller service"
    " manager helper handler factory builder store storage provider generator encoder parser"
    " request response mode method algorithm alg digest kind scope scopes index position usage"
    " version template mail email status state count limit grant store ref refs selector mount"
    " volume namespace arn flag option options command cmd func callback event action"
    " confirmation_mail digits issuer audience list map set item items exists missing invalid"
    " incorrect mismatch scheme schema encryption hashing hasher cipher".split()
)
_FALSE_START = frozenset(
    "foreign primary sort partition row cache map hash lookup translation i18n index"
    " object storage property idempotency routing message event data dict meta json group react"
    " anti forgery next page continuation pagination cursor lexer syntax current".split()
)
_MADE_UP = frozenset(
    "test fake dummy mock example sample wrong bad invalid incorrect good old new expected"
    " default expired unknown another other".split()
)
_PUBLIC = frozenset("public pub csrf xsrf authenticity antiforgery verification".split())
_HASHED = frozenset(
    "hash hashed encrypted crypted encoded digest salted bcrypt sha md5 checksum fingerprint"
    " crypt ciphertext".split()
)


class Naming(msgspec.Struct, frozen=True):
    """A name with its meaning. ``kind`` is empty when the name is about no credential."""

    name: str
    kind: str
    joint: bytes
    head: tuple[str, ...]
    tail: tuple[str, ...]
    before: bytes

    def is_public(self) -> bool:
        """Half of a pair that everybody may know, or a value that guards a form."""
        return any(word in _PUBLIC for word in self.head)

    def traits(self) -> list[str]:
        """What the name says for or against a credential."""
        found = [f"name:{self.kind}"]
        found.append(_first(self.tail, "tail", (("hashed", _HASHED), ("about", _ABOUT))))
        if self.tail and self.tail[-1] in ("id", "ids"):
            found.append("tail:id")
        tables = (("about", _FALSE_START), ("made-up", _MADE_UP), ("hashed", _HASHED))
        found.append(_first(self.head, "head", tables))
        if self.name.isupper():
            found.append("name:upper")
        return found


def _first(
    words: tuple[str, ...], side: str, tables: tuple[tuple[str, frozenset[str]], ...]
) -> str:
    for label, table in tables:
        if any(word in table for word in words):
            return f"{side}:{label}"
    return f"{side}:{'more' if words else 'none'}"


def naming(before: bytes) -> Naming | None:
    """The name that governs a value, from the text before it on its line; None without one."""
    found = list(_IDENTIFIER.finditer(before))
    for match in reversed(found[-_FARTHEST:]):
        name = match[0].decode("utf-8", "replace").strip(".-_")
        meaning = _meaning(name)
        if meaning is not None:
            kind, head, tail = meaning
            joint = before[match.end() :]
            return Naming(name, kind, joint, head, tail, before[: match.start()])
    if _LOGIN.search(before[-80:]):
        return Naming("user", "password", b":", (), (), before)
    return None


def words_of(name: str) -> list[str]:
    """The words of an identifier in any style, in lower case."""
    return [word.lower() for word in _WORD.findall(name)]


def _meaning(name: str) -> tuple[str, tuple[str, ...], tuple[str, ...]] | None:
    """Kind, words before and words after the last word that names a credential."""
    words = words_of(name)
    for at in range(len(words) - 1, -1, -1):
        kind = _KINDS.get(words[at]) or _KINDS.get(words[at].rstrip("s"))
        if kind is not None:
            return _keyed(kind, words, at)
    for at in range(len(words) - 1, -1, -1):
        inside = _JOINED.search(words[at])
        if inside:
            kind = _KINDS.get(inside[1], "apikey")
            head = [*words[:at], *filter(None, [words[at][: inside.start()]])]
            tail = [*filter(None, [words[at][inside.end() :]]), *words[at + 1 :]]
            return kind, tuple(head), tuple(tail)
        if _KEYED.match(words[at]):
            return "apikey", tuple(words[:at]), tuple(words[at + 1 :])
    return None


def _keyed(kind: str, words: list[str], at: int) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    """A key is told by the word before it; a word that only describes gives way to it."""
    head, tail = tuple(words[:at]), tuple(words[at + 1 :])
    if kind == "key" and head and head[-1] in _KEYS:
        return "apikey", head, tail
    if kind in ("auth", "api", "key") and at:
        for before in range(at - 1, -1, -1):
            other = _KINDS.get(words[before], "")
            if other not in ("", "key", "auth", "api", "salt"):
                return other, tuple(words[:before]), tuple(words[before + 1 :])
    return kind, head, tail
