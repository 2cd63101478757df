"""Reads protobuf's text format, without knowing the messages: fields by name, each with a list.

As much of it as cel-spec's tests need: messages, lists in brackets, texts that follow one another,
numbers and names; names in brackets (``[type.googleapis.com/…]``) are kept as they are.
"""

from __future__ import annotations

import re
from typing import Any

Message = dict[str, list[Any]]
"""Values: text is bytes, numbers are numbers, other words (true, inf, enums) are text."""

_TOKEN = re.compile(
    r"""\s+|\#[^\n]*
      | (?P<text>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')
      | (?P<number>-?\s*(?:0[xX][0-9a-fA-F]+|(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?[fF]?))
      | (?P<word>-?[A-Za-z_][\w.]*)
      | (?P<any>\[[\w./]+\])
      | (?P<sign>[{}<>\[\]:;,])""",
    re.VERBOSE,
)
_ESCAPE = re.compile(
    rb"\\(?:([0-7]{1,3})|[xX]([0-9a-fA-F]{1,2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|(.))", re.DOTALL
)
_PLAIN = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"a": b"\a", b"b": b"\b", b"f": b"\f", b"v": b"\v"}
_CLOSING = {"{": "}", "<": ">"}


class Malformed(ValueError):
    """The text is no text format."""


def parse(text: str) -> Message:
    """A message with its fields in order. Raises Malformed."""
    reader = _Reader(list(_tokens(text)))
    message = reader.message("")
    if reader.place != len(reader.tokens):
        raise Malformed(f"unexpected {reader.tokens[reader.place]}")
    return message


def _tokens(text: str) -> list[tuple[str, str]]:
    found, place = [], 0
    while place < len(text):
        match = _TOKEN.match(text, place)
        if match is None:
            raise Malformed(f"line {text.count(chr(10), 0, place) + 1}: {text[place : place + 20]}")
        if match.lastgroup:
            found.append((match.lastgroup, match.group()))
        place = match.end()
    return found


class _Reader:
    def __init__(self, tokens: list[tuple[str, str]]) -> None:
        self.tokens = tokens
        self.place = 0

    def _ahead(self) -> tuple[str, str]:
        return self.tokens[self.place] if self.place < len(self.tokens) else ("", "")

    def _take(self, *signs: str) -> bool:
        taken = self._ahead()[1] in signs and self._ahead()[0] == "sign"
        self.place += taken
        return taken

    def message(self, closing: str) -> Message:
        """Fields up to the closing sign, which stays."""
        fields: Message = {}
        while self._ahead()[0] and self._ahead() != ("sign", closing):
            kind, name = self._ahead()
            if kind not in ("word", "any"):
                raise Malformed(f"{name!r} is no name of a field")
            self.place += 1
            self._take(":")
            values = self._list() if self._take("[") else [self._value()]
            fields.setdefault(name, []).extend(values)
            self._take(",", ";")
        return fields

    def _list(self) -> list[Any]:
        values: list[Any] = []
        while not self._take("]"):
            values.append(self._value())
            self._take(",")
        return values

    def _value(self) -> Any:
        kind, text = self._ahead()
        self.place += 1
        if kind == "sign" and text in _CLOSING:
            message = self.message(_CLOSING[text])
            if not self._take(_CLOSING[text]):
                raise Malformed(f"{_CLOSING[text]} is missing")
            return message
        if kind == "number":
            return _number(text)
        if kind == "text":
            parts = [text]
            while self._ahead()[0] == "text":
                parts.append(self._ahead()[1])
                self.place += 1
            return b"".join(map(_unquoted, parts))
        if kind == "word":
            return text
        raise Malformed(f"unexpected {text!r}")


def _number(text: str) -> int | float:
    text = re.sub(r"\s", "", text)
    try:
        return int(text, 0) if text.lstrip("-") != "0" else 0
    except ValueError:
        return float(text.rstrip("fF"))


def _unquoted(text: str) -> bytes:
    def plain(match: re.Match[bytes]) -> bytes:
        octal, hexadecimal, short, long, other = match.groups()
        if octal:
            return bytes([int(octal, 8)])
        if hexadecimal:
            return bytes([int(hexadecimal, 16)])
        if short or long:
            return chr(int(short or long, 16)).encode()
        return _PLAIN.get(other, other)

    return _ESCAPE.sub(plain, text[1:-1].encode())
