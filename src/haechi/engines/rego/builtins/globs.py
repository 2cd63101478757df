"""``glob.match``, the syntax of github.com/gobwas/glob, by way of a regular expression (linear).

``*`` and ``?`` stop at a delimiter, ``**`` and classes do not; ``{a,b}`` may nest. Text may end
within braces or after a backslash, which upstream takes, too.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final

from haechi.engines.rego.builtins import operands
from haechi.engines.rego.builtins.builtin import Builtin
from haechi.engines.rego.builtins.operands import text
from haechi.engines.rego.builtins.regexes import compiled, encoded
from haechi.engines.rego.values import BuiltinError, Value, type_name

_SPECIAL: Final = "*?\\[]{}"
_MAX_PATTERN: Final = 16 * 1024


def match(pattern: Value, delimiters: Value, value: Value) -> bool:
    wanted = text(pattern, 1)
    marks = "" if delimiters is None else _delimiters(delimiters)
    subject = text(value, 3)
    expression = _compiled(wanted, marks)
    if not subject and _is_single(wanted):
        return True
    return expression.fullmatch(encoded(subject)) is not None


def _is_single(pattern: str) -> bool:
    """``?`` or ``[!a]`` alone: upstream has them match an empty text, too."""
    return pattern == "?" or (pattern.startswith("[!") and pattern.find("]", 3) == len(pattern) - 1)


def _delimiters(value: Value) -> str:
    """An empty array is the same as ["."]; null is none at all."""
    if type(value) is not list:
        operands.wrong(2, value, "array", "null")
    for item in value:
        if type(item) is not str or len(item) != 1:
            what = "string" if type(item) is str else type_name(item)
            raise BuiltinError(f"operand 2 must be array of runes but got array containing {what}")
    return "".join(value) or "."


@lru_cache(maxsize=1024)
def _compiled(pattern: str, delimiters: str) -> Any:
    if len(pattern) > _MAX_PATTERN:
        operands.too_large("a pattern", _MAX_PATTERN)
    return compiled(_Translation(pattern, delimiters).expression())


class _Translation:
    """One reading of a pattern from left to right."""

    def __init__(self, pattern: str, delimiters: str) -> None:
        self.pattern = pattern
        self.at = 0
        self.single = f"[^{_class(delimiters)}]" if delimiters else "."

    def expression(self) -> str:
        made: list[str] = []
        level = 0
        while self.at < len(self.pattern):
            character = self.pattern[self.at]
            self.at += 1
            if character == "*":
                made.append(self._star())
            elif character == "?":
                made.append(self.single)
            elif character == "[":
                made.append(self._class())
            elif character == "{":
                level += 1
                made.append("(?:")
            elif character == "}" and level:
                level -= 1
                made.append(")")
            elif character == "," and level:
                made.append("|")
            else:
                made.append(_escape(self._literal(character)))
        return "(?s)" + "".join(made) + ")" * level

    def _literal(self, character: str) -> str:
        if character != "\\":
            return character
        taken = self.pattern[self.at : self.at + 1]
        self.at += 1
        return taken

    def _star(self) -> str:
        if self.pattern[self.at : self.at + 1] == "*":
            self.at += 1
            return ".*"
        return f"{self.single}*"

    def _class(self) -> str:
        """``[abc]``, ``[a-c]``, ``[!a-c]``: one range or a list of characters, never both."""
        negated = self._take() == "!"
        if not negated:
            self.at -= 1
        first = self._take()
        if self.pattern[self.at : self.at + 1] == "-":
            self.at += 1
            last = self._take()
            if self._take() != "]" or last < first:
                raise BuiltinError("expected close range character")
            inner = f"{_class(first)}-{_class(last)}"
        else:
            self.at -= 1
            inner = _class(self._listed())
        return f"[{'^' if negated else ''}{inner}]"

    def _listed(self) -> str:
        made = []
        while (character := self._take()) != "]":
            made.append(self._take() if character == "\\" else character)
        if not made:
            raise BuiltinError("could not parse range")
        return "".join(made)

    def _take(self) -> str:
        if self.at >= len(self.pattern):
            raise BuiltinError("unexpected end of input")
        self.at += 1
        return self.pattern[self.at - 1]


def _escape(literal: str) -> str:
    return (
        literal
        if literal.isalnum() or not literal.isascii()
        else "".join(f"\\x{ord(character):02x}" for character in literal)
    )


def _class(characters: str) -> str:
    return "".join(f"\\x{{{ord(character):x}}}" for character in characters)


def quote_meta(value: Value) -> str:
    return "".join(f"\\{c}" if c in _SPECIAL else c for c in text(value, 1))


TABLE: Final = (
    Builtin(name="glob.match", arity=3, call=match),
    Builtin(name="glob.quote_meta", arity=1, call=quote_meta),
)
