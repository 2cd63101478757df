"""Text from scanned files made fit to show: no control characters, no hidden direction changes.

File names, messages and code lines come from repositories that may be hostile. A terminal obeys
escape sequences in them, and bidirectional controls make a reader see other code than what runs
(CVE-2021-42574). What cannot be seen is therefore written out: ``<U+202E>``. Widths are counted
in terminal cells, because Korean characters take two.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

_UNSEEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_SPACES = re.compile(r"[ \t\r\n\f\v\x85\u2028\u2029]+")
_LINE_COMMAND = re.compile(r"^([^\S\n]*)::(?=\w)", re.MULTILINE)
_COMMAND = re.compile(r"##(?=[a-z]{0,20}\[)")
_SURROGATE = re.compile("[\ud800-\udfff]")
_ENTITIES = (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;"), ('"', "&quot;"), ("'", "&#39;"))
_WORD = re.compile(r"\S+")


def inert(text: str, *, hash_: str = "<U+0023>", colon: str = "<U+003A>") -> str:
    """The text without what a CI server takes for a command in the output of a step.

    GitHub's runner obeys ``::set-output …`` at the beginning of any line and ``##[…]`` anywhere,
    Azure's ``##vso[…]``, TeamCity ``##teamcity[…]``; a file name is enough to say so. The first
    sign is written as the format at hand allows.
    """
    text = _LINE_COMMAND.sub(lambda match: f"{match[1]}{colon}:", text)
    return _COMMAND.sub(lambda _: f"{hash_}#", text)


def unseen(char: str) -> bool:
    """True for a character that a reader does not see but that changes what he sees."""
    return unicodedata.category(char) in _UNSEEN


def code_point(char: str) -> str:
    """``U+202E``."""
    return f"U+{ord(char):04X}"


def visible(text: str) -> str:
    """The text with every unseen character written out; tabs become four spaces."""
    if text.isprintable():
        return text
    return "".join(_shown(char) for char in text)


def _shown(char: str) -> str:
    if char == "\t":
        return "    "
    return f"<{code_point(char)}>" if unseen(char) else char


def flat(text: str) -> str:
    """The text with runs of white space and line breaks made one space."""
    return _SPACES.sub(" ", text).strip()


def one_line(text: str) -> str:
    """The text on one line, fit to show."""
    return visible(flat(text))


def storable(text: str) -> str:
    """The text without lone surrogates, which UTF-8 (so JSON and XML files) cannot hold."""
    return text if text.isascii() else _SURROGATE.sub("\ufffd", text)


def markup(text: str) -> str:
    """The text as character data or quoted attribute value of HTML and XML."""
    for char, entity in _ENTITIES:
        text = text.replace(char, entity)
    return text


def cells(text: str) -> int:
    """Width in terminal cells (Unicode Standard Annex 11: wide and fullwidth take two)."""
    if text.isascii():
        return len(text)
    return sum(_cell(char) for char in text)


def _cell(char: str) -> int:
    if unicodedata.east_asian_width(char) in ("W", "F"):
        return 2
    if unicodedata.category(char) in ("Mn", "Me", "Cf"):
        return 0
    # Vowels and finals of decomposed Hangul (file names from macOS) join the syllable before.
    code = ord(char)
    return 0 if 0x1160 <= code <= 0x11FF or 0xD7B0 <= code <= 0xD7FF else 1


def clip(text: str, width: int, mark: str = "…") -> str:
    """The text cut to ``width`` cells, with ``mark`` at the end where something is missing."""
    if cells(text) <= width:
        return text
    room = width - cells(mark)
    if room <= 0:
        return mark[: max(width, 0)]
    return _head(text, room) + mark


def _head(text: str, width: int) -> str:
    used = 0
    for index, char in enumerate(text):
        used += _cell(char)
        if used > width:
            return text[:index]
    return text


def wrap(text: str, width: int, first: int = 0) -> list[str]:
    """The text broken into lines of at most ``width`` cells; longer words are cut.

    ``first`` is the width of the first line when it differs. An empty text gives one empty
    line. Widths below 4 count as 4.
    """
    width = max(width, 4)
    room = max(first, 4) if first else width
    lines: list[str] = []
    line, used = "", 0
    for word in _pieces(text, min(width, room)):
        size = cells(word)
        if line and used + 1 + size > room:
            lines.append(line)
            line, used, room = word, size, width
        else:
            used += size + (1 if line else 0)
            line = f"{line} {word}" if line else word
    return [*lines, line]


def _pieces(text: str, width: int) -> Iterator[str]:
    for match in _WORD.finditer(text):
        word = match.group()
        while cells(word) > width:
            head = _head(word, width)
            yield head
            word = word[len(head) :]
        yield word
