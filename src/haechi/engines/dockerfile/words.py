"""Words and variable substitution as BuildKit does them outside of RUN's shell.

Substitution is three-valued: a variable without a known value (an ARG without default, or
something only the base image could define) stays in the text and is named in ``unresolved``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import msgspec

_MAX_NESTING = 16
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*|[0-9@*#?$!-]")
_WORDS = {
    escape: re.compile(
        rf"""(?:[^\s'"{quoted}]+|'[^']*'|"(?:[^"{quoted}]|{quoted}.)*"|{quoted}.|['"{quoted}].*)+""",
        re.DOTALL,
    )
    for escape, quoted in (("\\", r"\\"), ("`", "`"))
}


class Expansion(msgspec.Struct, frozen=True):
    """Text after substitution and the names that could not be resolved."""

    text: str
    unresolved: tuple[str, ...] = ()


def split_words(text: str, escape: str = "\\") -> list[str]:
    """Split at white space outside quotes; quotes and escapes stay in the words."""
    return _WORDS[escape].findall(text)


def first_word(text: str, escape: str = "\\") -> str:
    """The word at the very beginning of a text; empty when there is none."""
    match = _WORDS[escape].match(text)
    return match.group() if match else ""


def expand(text: str, known: Mapping[str, str | None], escape: str = "\\") -> Expansion:
    """Substitute ``$X``, ``${X}``, ``${X:-d}``, ``${X:+d}`` … and take the quotes away.

    A name that maps to None, or to nothing, is unresolved.
    """
    if "$" not in text and "'" not in text and '"' not in text and escape not in text:
        return Expansion(text)
    expander = _Expander(text, known, escape)
    out = expander.run(0, "", 0)[0]
    return Expansion(out, tuple(dict.fromkeys(expander.unresolved)))


class _Expander:
    """One pass over the text; nested ``${X:-${Y}}`` recurse to a fixed depth."""

    def __init__(self, text: str, known: Mapping[str, str | None], escape: str) -> None:
        self.text = text
        self.known = known
        self.escape = escape
        self.unresolved: list[str] = []

    def run(self, at: int, stop: str, depth: int) -> tuple[str, int]:
        """Expand from ``at`` up to an unquoted ``stop``; return the text and where it ended."""
        text, out, in_double = self.text, [], False
        while at < len(text):
            char = text[at]
            if stop and char == stop and not in_double:
                break
            if char == "'" and not in_double:
                end = text.find("'", at + 1)
                end = len(text) if end < 0 else end
                out.append(text[at + 1 : end])
                at = end + 1
            elif char == '"':
                in_double = not in_double
                at += 1
            elif char == self.escape and at + 1 < len(text):
                follower = text[at + 1]
                if in_double and follower not in ('"', "$", self.escape):
                    out.append(char)
                out.append(follower)
                at += 2
            elif char == "$":
                piece, at = self._variable(at, depth)
                out.append(piece)
            else:
                out.append(char)
                at += 1
        return "".join(out), at

    def _variable(self, at: int, depth: int) -> tuple[str, int]:
        text = self.text
        braced = text.startswith("{", at + 1)
        match = _NAME.match(text, at + 1 + braced)
        if match is None:
            return "$", at + 1
        name, end = match.group(), match.end()
        if not braced:
            return self._value(name, f"${name}"), end
        if text.startswith("}", end):
            return self._value(name, f"${{{name}}}"), end + 1
        return self._modified(name, at, end, depth)

    def _value(self, name: str, written: str) -> str:
        value = self.known.get(name)
        if value is None:
            self.unresolved.append(name)
            return written
        return value

    def _modified(self, name: str, at: int, end: int, depth: int) -> tuple[str, int]:
        operator = self.text[end : end + (2 if self.text.startswith(":", end) else 1)]
        if depth >= _MAX_NESTING or not operator:
            self.unresolved.append(name)
            return self.text[at:], len(self.text)
        before = len(self.unresolved)
        word, closed = self.run(end + len(operator), "}", depth + 1)
        value = self.known.get(name)
        counts_as_set = bool(value) if operator.startswith(":") else value is not None
        kind = operator[-1]
        if kind == "-":
            chosen = value if counts_as_set else word
        elif kind == "+":
            chosen = word if counts_as_set else ""
        elif kind == "?" and counts_as_set:
            chosen = value
        else:
            chosen = None
        if chosen is not word:
            del self.unresolved[before:]
        if chosen is None:  # patterns (#, %, /) and ${X:?message} of an unknown X
            self.unresolved.append(name)
            chosen = self.text[at : closed + 1]
        return chosen, closed + 1
