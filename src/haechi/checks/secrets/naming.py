"""What a value is assigned to: the name before it, the joint between, and what the name means.

Names come in every style (``dbPassword``, ``DB_PASSWORD``, ``db.password``) and languages put
types, wrappers and quotes between name and value, so the name is the nearest identifier before
the value that holds a word for a credential; all that stands between the two is the joint.
"""

from __future__ import annotations

import re
from functools import cache

import msgspec

from haechi.rules.compiled import table

_IDENTIFIER = re.compile(rb"[\w.\-\x80-\xff]+")
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|[\u0080-\uffff]+")
_FARTHEST = 5
"""Identifiers between name and value at most: ``config.set("password", new Value("…``."""

_JOINED = re.compile(
    r"(password|passwd|passphrase|passcode|passwort|kennwort|pwd|secret|token|apikey|credential"
    r"|accesskey|privatekey|비밀번호|암호)"
)
_KEYED = re.compile(
    r"(?!(?:mon|tur|hoc|don|whis|joc|hot|public|foreign|primary|storage|cache)key)[a-z]{1,12}key\Z"
)
_LOGIN = re.compile(rb"(?:-u|--user)[ =][\"']?[\w.@-]+:\Z")


class Names(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """data/tables/secret_names.yaml: words by what they say about a name or a value."""

    kinds: dict[str, list[str]]
    keys: frozenset[str]
    about: frozenset[str]
    false_start: frozenset[str]
    made_up: frozenset[str]
    hashed: frozenset[str]
    public: frozenset[str]
    weak: frozenset[str]


@cache
def names() -> Names:
    """The table of words."""
    return table("secret_names", Names)


@cache
def _kinds() -> dict[str, str]:
    return {word: kind for kind, words in names().kinds.items() for word in words}


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
        return any(word in names().public for word in self.head)

    def traits(self) -> list[str]:
        """What the name says for or against a credential."""
        said = names()
        found = [f"name:{self.kind}"]
        found.append(_first(self.tail, "tail", (("hashed", said.hashed), ("about", said.about))))
        if self.tail and self.tail[-1] in ("id", "ids"):
            found.append("tail:id")
        tables = (("about", said.false_start), ("made-up", said.made_up), ("hashed", said.hashed))
        found.append(_first(self.head, "head", tables))
        if self.name.isupper():
            found.append("name:upper")
        return found


def _first(
    words: tuple[str, ...], side: str, tables: tuple[tuple[str, frozenset[str]], ...]
) -> str:
    for label, known in tables:
        if any(word in known for word in words):
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
    words, kinds = words_of(name), _kinds()
    for at in range(len(words) - 1, -1, -1):
        kind = kinds.get(words[at]) or kinds.get(words[at].rstrip("s"))
        if kind is not None:
            return _keyed(kind, words, at)
    for at in range(len(words) - 1, -1, -1):
        inside = _JOINED.search(words[at])
        if inside:
            kind = kinds.get(inside[1], "apikey")
            head = [*words[:at], *filter(None, [words[at][: inside.start()]])]
            tail = [*filter(None, [words[at][inside.end() :]]), *words[at + 1 :]]
            return kind, tuple(head), tuple(tail)
        if _KEYED.match(words[at]):
            return "apikey", tuple(words[:at]), tuple(words[at + 1 :])
    return None


def _keyed(kind: str, words: list[str], at: int) -> tuple[str, tuple[str, ...], tuple[str, ...]]:
    """A key is told by the word before it; a word that only describes gives way to it."""
    kinds = _kinds()
    head, tail = tuple(words[:at]), tuple(words[at + 1 :])
    if kind == "key" and head and head[-1] in names().keys:
        return "apikey", head, tail
    if kind in ("auth", "api", "key") and at:
        for before in range(at - 1, -1, -1):
            other = kinds.get(words[before], "")
            if other not in ("", "key", "auth", "api", "salt"):
                return other, tuple(words[:before]), tuple(words[before + 1 :])
    return kind, head, tail
