"""SPDX licence expressions: recognised, and written the one right way.

``spelled("mit or apache-2.0")`` is ``MIT OR Apache-2.0``; for a text that is no expression over
known licences it is None, and whoever writes a document says it as a name instead of claiming an
identifier. The lists are those of SPDX's licence list 3.28 (identifiers only).

Grammar: SPDX 2.3, annex D.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

_TOKEN = re.compile(r"\s*(\(|\)|[A-Za-z0-9][\w.:+-]*)")
_REFERENCE = re.compile(r"(?:DocumentRef-[A-Za-z0-9.-]+:)?LicenseRef-[A-Za-z0-9.-]+\Z")
_WORDS = {"and": "AND", "or": "OR", "with": "WITH"}
_LONGEST = 5_000


@cache
def identifiers() -> dict[str, str]:
    """Lower case → identifier, of all licences."""
    return _listed("ids.txt")


@cache
def exceptions() -> dict[str, str]:
    """Lower case → identifier, of all exceptions."""
    return _listed("exceptions.txt")


def _listed(name: str) -> dict[str, str]:
    text = Path(__file__).with_name(name).read_text(encoding="ascii")
    return {word.lower(): word for word in text.split()}


def spelled(text: str) -> str | None:
    """The expression in SPDX's spelling, None when it is none or names an unknown licence."""
    if not text.strip() or len(text) > _LONGEST:
        return None
    parser = _Parser(list(_tokens(text)))
    return " ".join(parser.out).replace("( ", "(").replace(" )", ")") if parser.ok() else None


def is_single(expression: str) -> bool:
    """True for one licence of the list, which documents name by ``id``."""
    return expression.lower() in identifiers()


def _tokens(text: str) -> Iterator[str]:
    at = 0
    text = text.strip()
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            yield ""
            return
        yield found[1]
        at = found.end()


class _Parser:
    """operand (AND|OR operand)*, where an operand is a licence, maybe WITH an exception, or an
    expression in parentheses. Precedence does not matter for spelling."""

    def __init__(self, parts: list[str]) -> None:
        self._tokens = parts
        self.out: list[str] = []

    def ok(self) -> bool:
        depth, operand, licence = 0, True, False
        parts = iter(self._tokens)
        for part in parts:
            word = _WORDS.get(part.lower(), "")
            if operand and part == "(":
                depth += 1
                self.out.append(part)
            elif operand:
                if not self._licence(part):
                    return False
                operand, licence = False, True
            elif part == ")" and depth:
                depth, licence = depth - 1, False
                self.out.append(part)
            elif word == "WITH" and licence:
                exception = exceptions().get(next(parts, "").lower())
                if exception is None:
                    return False
                self.out += (word, exception)
                licence = False
            elif word in ("AND", "OR"):
                operand = True
                self.out.append(word)
            else:
                return False
        return not operand and depth == 0

    def _licence(self, part: str) -> bool:
        known = identifiers().get(part.lower()) or _later(part)
        if known is None and _REFERENCE.match(part):
            known = part
        if known is None:
            return False
        self.out.append(known)
        return True


def _later(part: str) -> str | None:
    """``EPL-1.0+``: that version or a later one."""
    known = identifiers().get(part[:-1].lower()) if part.endswith("+") else None
    return f"{known}+" if known else None
