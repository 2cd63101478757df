"""Rego's text as a list of tokens, each with its place and what stands before it.

Whitespace means something in Rego in two spots: a reference or a call goes on only where ``.``,
``[`` or ``(`` follows without a gap (``glued``), and a new line ends a statement (``newline``).
Both are flags of the token behind the gap, so that the parser never sees whitespace. Which names
are keywords depends on imports and on the dialect; that is the parser's business. What cannot be
read becomes a token of kind ``illegal`` that carries the message: an earlier fault of syntax is
told first. A template string is cut at its braces into ``part`` … ``tail``, and the expressions
between them are ordinary tokens.
"""

from __future__ import annotations

import json
import re
from typing import NamedTuple

TEXT_LIMIT = 1 << 20
TOKEN_LIMIT = 200_000
NAME, NUMBER, STRING, PART, TAIL, END, ILLEGAL = (
    "name",
    "number",
    "string",
    "part",
    "tail",
    "end",
    "illegal",
)

_GAP = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)+")
_TOKEN = re.compile(
    r"""(?P<name>[A-Za-z_][A-Za-z_\d]*)
      | (?P<number>[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)
      | (?P<string>"(?:[^"\\\n]|\\["\\/bfnrt]|\\u[0-9A-Fa-f]{4})*")
      | (?P<raw>`[^`]*`)
      | (?P<template>\$["`])
      | (?P<operator>:=|==|!=|<=|>=|[][{}(),:+\-*/%&|=<>;.])""",
    re.VERBOSE,
)
_NUMBER_GOES_ON = re.compile(r"[A-Za-z_\d.]")
_PIECE = {
    '"': re.compile(r'((?:[^"\\{\n]|\\["\\/bfnrt{]|\\u[0-9A-Fa-f]{4})*)(["{])'),
    "`": re.compile(r"((?:[^`\\{]|\\\{?)*)([`{])"),
}
_ESCAPED = re.compile(r"\\(?:(\{)|.)", re.DOTALL)
_FORBIDDEN = re.compile("[\0\ufeff\ud800-\udfff]")


class Token(NamedTuple):
    """``text`` is a name, an operator, a number as written, or the value of a string."""

    kind: str
    text: str
    line: int
    column: int
    glued: bool
    newline: bool


def tokenize(text: str) -> list[Token]:
    """All tokens of a text; the last one is of kind ``end`` or ``illegal``."""
    return _Scan(text).run()


class _Scan:
    def __init__(self, text: str) -> None:
        self.text = text
        self.index = 1 if text.startswith("\ufeff") else 0
        self.line = 1
        self.line_start = self.index
        self.glued = False
        self.newline = False
        self.tokens: list[Token] = []
        self.templates: list[tuple[str, int]] = []  # of open ones: quote and depth of braces
        self.braces = 0

    def run(self) -> list[Token]:
        fault = self._fault_of_text()
        while not fault:
            self._gap()
            if self.index >= len(self.text):
                self._add(END, "", self.index)
                return self.tokens
            if len(self.tokens) >= TOKEN_LIMIT:
                fault = f"more than {TOKEN_LIMIT:,} words and signs in one module"
            else:
                fault = self._next()
        self._add(ILLEGAL, fault, self.index)
        return self.tokens

    def _fault_of_text(self) -> str:
        if len(self.text) > TEXT_LIMIT:
            return f"a module of more than {TEXT_LIMIT >> 20} MiB"
        found = _FORBIDDEN.search(self.text, self.index)
        if found is None:
            return ""
        self._advance(found.start())
        return f"the character U+{ord(found[0]):04X}, which Rego does not allow in a text"

    def _gap(self) -> None:
        found = _GAP.match(self.text, self.index)
        self.glued = found is None
        self.newline = False
        if found is not None:
            before = self.line
            self._advance(found.end())
            self.newline = self.line != before

    def _advance(self, index: int) -> None:
        lines = self.text.count("\n", self.index, index)
        if lines:
            self.line += lines
            self.line_start = self.text.rindex("\n", self.index, index) + 1
        self.index = index

    def _add(self, kind: str, text: str, end: int) -> None:
        column = self.index - self.line_start + 1
        self.tokens.append(Token(kind, text, self.line, column, self.glued, self.newline))
        self._advance(end)

    def _next(self) -> str:
        """Read one token; the fault if there is none."""
        found = _TOKEN.match(self.text, self.index)
        if found is None:
            return self._fault()
        kind, word, end = found.lastgroup, found[0], found.end()
        if kind == "operator":
            self._operator(word, end)
            return self._piece(end) if self._closes_template(word) else ""
        if kind == "template":
            self.templates.append((word[1], self.braces))
            return self._piece(end)
        if kind == "string":
            return self._string(word, end)
        if kind == "raw":
            self._add(STRING, word[1:-1], end)
        elif kind == "number":
            if _NUMBER_GOES_ON.match(self.text, end):
                return f"{_word_at(self.text, self.index)!r}, which is no number"
            self._add(NUMBER, word, end)
        else:
            self._add(NAME, word, end)
        return ""

    def _operator(self, word: str, end: int) -> None:
        if word == "{":
            self.braces += 1
        elif word == "}":
            self.braces -= 1
        self._add(word, word, end)

    def _closes_template(self, word: str) -> bool:
        return word == "}" and bool(self.templates) and self.templates[-1][1] == self.braces

    def _string(self, word: str, end: int) -> str:
        value = _decoded(word[1:-1])
        if value is None:
            return "a control character in a string with escapes; write it as an escape, too"
        self._add(STRING, value, end)
        return ""

    def _piece(self, start: int) -> str:
        """The text of a template from there to the next expression or to its end."""
        quote = self.templates[-1][0]
        found = _PIECE[quote].match(self.text, start)
        if found is None:
            return "a template string that does not end, or has an escape that is not known"
        value: str | None = _ESCAPED.sub(lambda one: one[1] or one[0], found[1])
        if quote == '"':
            value = _decoded(value or "")
        else:
            value = found[1].replace("\\{", "{")
        if value is None:
            return "a control character in a template string with escapes"
        if found[2] == "{":
            self._add(PART, value, found.end())
            self.braces += 1
            self.templates[-1] = (quote, self.braces - 1)
        else:
            self.templates.pop()
            self._add(TAIL, value, found.end())
        return ""

    def _fault(self) -> str:
        sign = self.text[self.index]
        if sign == '"':
            return "a string that does not end on its line, or has an escape JSON does not know"
        if sign == "`":
            return "a raw string that does not end; it wants a closing `"
        if sign == "!":
            return "a single '!'; negation is written 'not', inequality '!='"
        return f"the character {sign!r}, which has no meaning in Rego"


def _decoded(inner: str) -> str | None:
    """The value of a string of JSON; half of a surrogate pair is U+FFFD, as in OPA."""
    if "\\" not in inner:
        return inner
    try:
        value: str = json.loads(f'"{inner}"')
    except ValueError:
        return None
    return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _word_at(text: str, index: int) -> str:
    end = index
    while end < len(text) and end < index + 40 and (text[end].isalnum() or text[end] in "._"):
        end += 1
    return text[index:end]
