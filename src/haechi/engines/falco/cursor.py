"""A text that is read from front to back: where it stands, and the tokens of every grammar rule.

Line and column are reckoned only when somebody asks for a place.
"""

from __future__ import annotations

import re
from bisect import bisect_right

from haechi.engines.falco.escaping import unescape
from haechi.engines.falco.syntax import Place
from haechi.errors import ConditionError

BLANKS = frozenset(" \t\b\r\n")


class Cursor:
    """``at`` is where it stands, ``last`` the token read last, ``depth`` how deep it is nested."""

    __slots__ = ("_breaks", "at", "depth", "last", "text")

    def __init__(self, text: str, at: int = 0) -> None:
        self.text = text
        self.at = at
        self.depth = 0
        self.last = ""
        self._breaks = [match.start() for match in re.finditer("\n", text)]

    def place(self, index: int | None = None) -> Place:
        at = self.at if index is None else index
        line = bisect_right(self._breaks, at - 1)
        before = self._breaks[line - 1] if line else -1
        return Place(index=at, line=line + 1, column=at - before)

    def error(self, message: str, index: int | None = None) -> ConditionError:
        return ConditionError(message, self.place(index))

    def blank(self) -> bool:
        start = self.at
        while self.text[self.at : self.at + 1] in BLANKS:
            self.at += 1
        return self.at > start

    def take(self, pattern: re.Pattern[str]) -> bool:
        match = pattern.match(self.text, self.at)
        if match is None:
            return False
        self.last = match[0]
        self.at = match.end()
        return True

    def word(self, word: str) -> bool:
        if not self.text.startswith(word, self.at):
            return False
        self.last = word
        self.at += len(word)
        return True

    def quoted(self) -> bool:
        """A quoted string. A quote after a backslash never closes it, even where that
        backslash is an escaped one: so it is in libs."""
        quote = self.text[self.at : self.at + 1]
        if quote not in ("'", '"') or not quote:
            return False
        start = self.at + 1
        end = self.text.find(quote, start)
        while end > start and self.text[end - 1] == "\\":
            end = self.text.find(quote, end + 1)
        if end < 0 or "\x00" in self.text[start:end]:
            return False
        try:
            self.last = unescape(self.text[start:end], quote)
        except ConditionError as error:
            raise self.error(error.what) from None
        self.at = end + 1
        return True
