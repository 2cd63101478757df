"""Where values stand in JSON and TOML, so that one can be changed and every other byte kept.

The scanners go over the text once and give the span of each string's inside with the keys that
lead to it. They do not judge the syntax: what is edited was decoded before, and is decoded again
after; a text that they misunderstand gives no span, and so no edit.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import msgspec

from haechi.scan.fix.changes import Refused

Path = tuple[str | int, ...]
MAX_TEXT = 4 * 1024 * 1024
_DEPTH = 60
_JSON_TOKEN = re.compile(r'"((?:[^"\\]|\\.)*)"|([{}\[\]:,])|([^\s"{}\[\]:,]+)', re.DOTALL)
_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")
_SPACE = re.compile(r"[ \t]*")
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_BASIC = re.compile(r'"((?:[^"\\\n]|\\.)*)"')
_LITERAL = re.compile(r"'([^'\n]*)'")
_LONG = re.compile(r'"""(?:[^\\]|\\.)*?"""+|\'\'\'.*?\'\'\'+', re.DOTALL)
_OTHER = re.compile(r"[^\s,\]}#]+(?: [0-9][^\s,\]}#]*)?")


class Span(msgspec.Struct, frozen=True):
    """A string: keys to it, and where its inside begins and ends."""

    path: Path
    start: int
    end: int

    def of(self, text: str) -> str:
        """What stands there."""
        return text[self.start : self.end]


def json_spans(text: str) -> Iterator[Span]:
    """Strings of JSON by their keys; a key that comes twice gives both. Raises Refused for what
    is no JSON: there quotes without an end would be looked for again and again."""
    _bounded(text)
    try:
        msgspec.json.decode(text.encode("utf-8"))
    except (msgspec.DecodeError, RecursionError, UnicodeEncodeError) as error:
        raise Refused("its JSON is not understood") from error
    path: list[str | int] = []
    objects: list[bool] = []
    key = True
    for token in _JSON_TOKEN.finditer(text):
        sign = token[2]
        if token[1] is not None:
            if objects and objects[-1] and key:
                path[-1] = _unquoted(token[0])
                key = False
            else:
                yield Span(tuple(path), token.start(1), token.end(1))
        elif sign in ("{", "["):
            objects.append(sign == "{")
            path.append("" if sign == "{" else 0)
            key = sign == "{"
            if len(path) > _DEPTH:
                raise Refused("it is nested too deep")
        elif sign in ("}", "]"):
            if not objects:
                return
            objects.pop()
            path.pop()
            key = False
        elif sign == "," and objects:
            key = objects[-1]
            if not key and isinstance(path[-1], int):
                path[-1] += 1


def toml_spans(text: str) -> Iterator[Span]:
    """Strings of one line in TOML by their keys."""
    _bounded(text)
    return _Toml(text).spans()


class _Toml:
    """One text while it is gone over; methods take an offset and give the next one."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._found: list[Span] = []
        self._arrays: dict[Path, int] = {}

    def spans(self) -> Iterator[Span]:
        text, table = self._text, ()
        here: Path = table
        at = self._blank(0)
        while at < len(text):
            if text.startswith("[[", at):
                keys, at = self._keys(at + 2)
                number = self._arrays.get(keys, -1) + 1
                self._arrays[keys] = number
                here = (*keys, number)
                at = self._past("]]", at)
            elif text[at] == "[":
                here, at = self._keys(at + 1)
                at = self._past("]", at)
            else:
                at = self._entry(here, at, 0)
            at = self._blank(at)
        return iter(self._found)

    def _entry(self, table: Path, at: int, depth: int) -> int:
        keys, at = self._keys(at)
        at = self._past("=", at)
        return self._value((*table, *keys), _SPACE.match(self._text, at).end(), depth)  # type: ignore[union-attr]

    def _value(self, path: Path, at: int, depth: int) -> int:
        text = self._text
        if depth > _DEPTH:
            raise Refused("it is nested too deep")
        if long := _LONG.match(text, at):
            return long.end()
        if string := _BASIC.match(text, at) or _LITERAL.match(text, at):
            self._found.append(Span(path, string.start(1), string.end(1)))
            return string.end()
        if text.startswith("[", at):
            return self._array(path, at + 1, depth)
        if text.startswith("{", at):
            at = self._blank(at + 1)
            while not text.startswith("}", at):
                at = self._blank(self._entry(path, at, depth + 1))
                at = self._blank(at + 1) if text.startswith(",", at) else at
                if at >= len(text):
                    raise Refused("its TOML is not understood")
            return at + 1
        if other := _OTHER.match(text, at):
            return other.end()
        raise Refused("its TOML is not understood")

    def _array(self, path: Path, at: int, depth: int) -> int:
        text, number = self._text, 0
        at = self._blank(at)
        while not text.startswith("]", at):
            at = self._blank(self._value((*path, number), at, depth + 1))
            number += 1
            if text.startswith(",", at):
                at = self._blank(at + 1)
            elif not text.startswith("]", at):
                raise Refused("its TOML is not understood")
        return at + 1

    def _keys(self, at: int) -> tuple[Path, int]:
        keys: list[str | int] = []
        while True:
            at = _SPACE.match(self._text, at).end()  # type: ignore[union-attr]
            if bare := _BARE.match(self._text, at):
                keys.append(bare[0])
                at = bare.end()
            elif quoted := _BASIC.match(self._text, at):
                keys.append(_unquoted(quoted[0]))
                at = quoted.end()
            elif literal := _LITERAL.match(self._text, at):
                keys.append(literal[1])
                at = literal.end()
            else:
                raise Refused("its TOML is not understood")
            at = _SPACE.match(self._text, at).end()  # type: ignore[union-attr]
            if not self._text.startswith(".", at) or len(keys) > _DEPTH:
                return tuple(keys), at
            at += 1

    def _past(self, sign: str, at: int) -> int:
        at = _SPACE.match(self._text, at).end()  # type: ignore[union-attr]
        if not self._text.startswith(sign, at):
            raise Refused("its TOML is not understood")
        return at + len(sign)

    def _blank(self, at: int) -> int:
        return _BLANK.match(self._text, at).end()  # type: ignore[union-attr]


def _unquoted(text: str) -> str:
    try:
        return str(json.loads(text, strict=False))
    except ValueError:
        return text[1:-1]


def _bounded(text: str) -> None:
    if len(text) > MAX_TEXT:
        raise Refused(f"it has more than {MAX_TEXT:,} characters")
