"""What stands around a value: on its line before it, and in the lines near it.

Traits go by words: the text is cut into words once, each is looked up. A regular expression with
alternatives per trait, asked for every candidate, costs many times as much.
"""

from __future__ import annotations

from collections.abc import Mapping

_LETTERS = bytes(c + 32 if 65 <= c <= 90 else c if 97 <= c <= 122 else 32 for c in range(256))
_COMMENTS = (b"#", b"//", b"*", b"/*", b"--", b"<!--", b";", b"%", b"rem ", b"REM ")
_LINE = {
    "assert": "assert asserts expect expected should equal equals verify refute to_be",
    "markup": "input label th td div span li option button form html br",
    "spoken": "print printf println echo puts raise throw throws error errors err exception fail"
    " failed warn warning describe it message alert format sprintf log logger debug info",
    "label": "label placeholder description desc help hint title prompt gettext translate",
    "declare": "def func function fn class interface import require from typedef struct enum",
    "environment": "getenv environ env property environment",
    "example": "example examples instance default defaults such",
    "pattern": "regex regexp pattern compile match grep sed awk replace test",
    "shell": "curl docker export mysql mysqladmin psql sqlplus run exec sudo",
    "setter": "set put add with setter property",
    "final": "const final static readonly public private",
}
_NEAR = {
    "user": "user username users login email mail account accounts usr",
    "host": "host hostname port jdbc connect connection database db server endpoint dsn",
    "label": "label labels placeholder translation translations locale tooltip caption",
    "client": "client consumer bucket region aws appid oauth access",
    "fixture": "fixture fixtures mock stub test tests spec assert expect",
    "schema": "ref properties required description type schema string",
    "docs": "the is are you this your",
}
_CODE_ENDS = (b";", b"{", b"}", b"};", b"):", b"(")
_CODE_STARTS = (
    b"def ", b"func ", b"return ", b"import ", b"from ", b"if ", b"for ", b"class ", b"public ",
    b"private ", b"const ", b"let ", b"var ", b"end", b"self.", b"this.", b"@",
)  # fmt: skip


def _by_word(table: Mapping[str, str], side: str) -> dict[bytes, str]:
    return {
        word.encode(): f"{side}:{label}" for label, said in table.items() for word in said.split()
    }


_ON_LINE = _by_word(_LINE, "line")
_NEARBY = _by_word(_NEAR, "near")


def on_line(before: bytes) -> list[str]:
    """Traits of the text before the value on its line."""
    found = _said(before, _ON_LINE)
    if before.lstrip().startswith(_COMMENTS):
        found.append("line:comment")
    if b"?" in before or b"&" in before:
        found.append("line:query")
    if b" -" in before:
        found.append("line:flags")
    return found


def nearby(around: bytes) -> list[str]:
    """Traits of the text before and after the value."""
    found = _said(around, _NEARBY)
    code = 0
    for line in around.split(b"\n"):
        if line.endswith(_CODE_ENDS) or line.lstrip().startswith(_CODE_STARTS):
            code += 1
    found.append(f"near:code:{min(code, 4)}")
    return found


def _said(text: bytes, table: Mapping[bytes, str]) -> list[str]:
    words = table.keys() & set(text.translate(_LETTERS).split())
    return sorted({table[word] for word in words})
