"""Enough of Go to read tests: tokens, and the text that an expression of literals stands for.

Understood are string literals, ``+``, names of constants and variables, ``fmt.Sprintf`` and
``fmt.Appendf``, ``[]byte(…)`` and lists of such expressions; functions can be given by name.
Everything else is ``None``: the sample is left out, never guessed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

Value = str | list[str] | None
Function = Callable[[list[Value]], Value]

_TOKEN = re.compile(
    r"""(?P<blank>\s+|//[^\n]*|/\*.*?\*/)
    |(?P<raw>`[^`]*`)
    |(?P<text>"(?:[^"\\\n]|\\.)*")
    |(?P<rune>'(?:[^'\\\n]|\\.)+')
    |(?P<name>[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)
    |(?P<number>\d[\w.]*)
    |(?P<sign>:=|.)""",
    re.VERBOSE | re.DOTALL,
)
_OCTAL = re.compile(r"\\([0-7]{3})|\\x([0-9a-fA-F]{2})|\\([abfnrtv\\\"'])")
_SIMPLE = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_VERB = re.compile(r"%(?:\[\d+\])?[+#-]?(?:\d+)?(?:\.\d+)?([svdqx%])")


class Token(NamedTuple):
    """``kind``: raw, text, rune, name, number or sign."""

    kind: str
    text: str


def tokens(source: str) -> list[Token]:
    """The tokens without blanks and comments."""
    return [
        Token(match.lastgroup, match[0])
        for match in _TOKEN.finditer(source)
        if match.lastgroup and match.lastgroup != "blank"
    ]


def unquoted(token: Token) -> str:
    """The text of a string literal."""
    if token.kind == "raw":
        return token.text[1:-1].replace("\r", "")
    try:
        return str(json.loads(token.text))
    except ValueError:
        return _OCTAL.sub(_escaped, token.text[1:-1])


def _escaped(match: re.Match[str]) -> str:
    if match[1]:
        return chr(int(match[1], 8))
    if match[2]:
        return chr(int(match[2], 16))
    return _SIMPLE.get(match[3], match[3])


class Reader:
    """Evaluates expressions over the tokens of one file."""

    def __init__(self, source: str, functions: Mapping[str, Function] | None = None) -> None:
        self.tokens = tokens(source)
        self.functions: dict[str, Function] = {
            "fmt.Sprintf": _sprintf,
            "fmt.Appendf": lambda values: _sprintf(values[1:]),
            "string": lambda values: values[0] if values else None,
            **(functions or {}),
        }
        self.names: dict[str, Value] = {}
        for at, name in self._assignments():
            value, _ = self.value(at)
            if value is not None:
                self.names.setdefault(name, value)

    def _assignments(self) -> Iterator[tuple[int, str]]:
        for at in range(len(self.tokens) - 2):
            kind, name = self.tokens[at]
            follow = self.tokens[at + 1].text
            if kind != "name":
                continue
            if follow in ("=", ":="):
                yield at + 2, name
            elif follow == "string" and self.tokens[at + 2].text == "=":
                yield at + 3, name

    def value(self, at: int) -> tuple[Value, int]:
        """The value of the expression at a token, and the first token past it."""
        value, at = self._operand(at)
        while at < len(self.tokens) and self.tokens[at].text == "+":
            other, at = self._operand(at + 1)
            value = value + other if isinstance(value, str) and isinstance(other, str) else None
        return value, at

    def _operand(self, at: int) -> tuple[Value, int]:
        if at >= len(self.tokens):
            return None, at
        kind, text = self.tokens[at]
        if kind in ("raw", "text"):
            return unquoted(self.tokens[at]), at + 1
        if kind == "number":
            return text, at + 1
        if text == "(":
            value, at = self.value(at + 1)
            return value, self._past(at, ")")
        if text == "[":
            return self._listed(at)
        if kind == "name":
            if self._is(at + 1, "("):
                values, after = self.values(at + 2, ")")
                function = self.functions.get(text)
                return (function(values) if function else None), after
            return self.names.get(text), at + 1
        return None, at + 1

    def _listed(self, at: int) -> tuple[Value, int]:
        """``[]string{…}``, ``[]byte(…)``; of any other type nothing."""
        if not self._is(at + 1, "]"):
            return None, at + 1
        kind = self.tokens[at + 2].text if at + 2 < len(self.tokens) else ""
        if kind == "byte" and self._is(at + 3, "("):
            values, after = self.values(at + 4, ")")
            return (values[0] if values else None), after
        if kind == "string" and self._is(at + 3, "{"):
            values, after = self.values(at + 4, "}")
            return [value for value in values if isinstance(value, str)], after
        return None, at + 1

    def values(self, at: int, end: str) -> tuple[list[Value], int]:
        """The expressions in a list that begins at a token, and the first token past it."""
        values: list[Value] = []
        while at < len(self.tokens) and self.tokens[at].text != end:
            value, after = self.value(at)
            values.append(value)
            at = self._past(after, ",", end)
            if at and self.tokens[at - 1].text == end:
                return values, at
        return values, at + 1

    def _past(self, at: int, *ends: str) -> int:
        """The token past the next of these signs outside of brackets."""
        depth = 0
        while at < len(self.tokens):
            text = self.tokens[at].text if self.tokens[at].kind == "sign" else ""
            if depth == 0 and text in ends:
                return at + 1
            if text and text in "([{":
                depth += 1
            elif text and text in ")]}":
                depth -= 1
                if depth < 0:
                    return at + 1
            at += 1
        return at

    def _is(self, at: int, text: str) -> bool:
        return at < len(self.tokens) and self.tokens[at] == Token("sign", text)


def _sprintf(values: list[Value]) -> Value:
    if not values or not isinstance(values[0], str):
        return None
    rest = iter(values[1:])
    holes: list[str] = []

    def fill(match: re.Match[str]) -> str:
        if match[1] == "%":
            return "%"
        value = next(rest, None)
        if not isinstance(value, str):
            holes.append(match[0])
            return ""
        return json.dumps(value) if match[1] == "q" else value

    text = _VERB.sub(fill, values[0])
    return None if holes else text
