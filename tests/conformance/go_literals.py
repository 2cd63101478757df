"""Reads the tables of Go tests: literals of Kubernetes' types, as the JSON they stand for.

Enough of Go for tables of pods and expectations, and no more: what it does not know it refuses
loudly, so that a table is never read halfway.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

_TOKEN = re.compile(
    r"""\s+|//[^\n]*|(?P<raw>`[^`]*`)|(?P<text>"(?:[^"\\]|\\.)*")|(?P<number>-?\d+)"""
    r"""|(?P<name>[A-Za-z_][A-Za-z0-9_.]*)|(?P<sign>:=|[{}\[\]()&*,:+])"""
)
_INLINE = frozenset(
    {"EphemeralContainerCommon", "LifecycleHandler", "ProbeHandler", "VolumeSource"}
)
_ODD = {"ObjectMeta": "metadata", "StorageOS": "storageos", "CephFS": "cephfs"}


class Reader:
    """Reads values from the tokens of a text. ``known`` are constants and local variables."""

    def __init__(self, text: str, known: Mapping[str, Any]) -> None:
        self.tokens = [(m.lastgroup, m[0], m.end()) for m in _tokens(text)]
        self.at = 0
        self.known = known

    def value(self) -> Any:
        """One expression, with sums of texts."""
        found = self._operand()
        while self._peek() == "+":
            self._take("+")
            found += self._operand()
        return found

    def _peek(self) -> str:
        return self.tokens[self.at][1] if self.at < len(self.tokens) else ""

    def _take(self, wanted: str = "") -> tuple[str | None, str]:
        group, text, _ = self.tokens[self.at]
        if wanted and text != wanted:
            raise ValueError(f"{wanted!r} expected, {text!r} found")
        self.at += 1
        return group, text

    def _operand(self) -> Any:
        if self._peek() == "&":
            self._take()
            return self._operand()
        if self._peek() == "{":
            return self._body()
        if self._peek() == "[":
            self._type()
            return self._body() or []
        group, text = self._take()
        match group:
            case "raw":
                return text[1:-1]
            case "text":
                return text[1:-1].encode().decode("unicode_escape")
            case "number":
                return int(text)
            case "name":
                return self._named(text)
        raise ValueError(f"no value: {text!r}")

    def _named(self, name: str) -> Any:
        if name == "map":
            self._take("[")
            self._type_until("]")
            self._type()
            return self._body()
        if self._peek() == "[" and name == "ptr.To":
            self._take("[")
            self._type_until("]")
        if self._peek() == "(":
            self._take("(")
            given = [self.value()]
            while self._peek() == ",":
                self._take(",")
                if self._peek() != ")":
                    given.append(self.value())
            self._take(")")
            return _called(name, given)
        if self._peek() == "{":
            return self._body()
        return self.known[name]

    def _type(self) -> None:
        while self._peek() != "{":
            self._take()

    def _type_until(self, end: str) -> None:
        while self._take()[1] != end:
            pass

    def _body(self) -> Any:
        """``{…}``: fields or keys make an object, else a list; an empty one is an object."""
        self._take("{")
        fields: dict[str, Any] = {}
        listed: list[Any] = []
        while self._peek() != "}":
            group, text, _ = self.tokens[self.at]
            after = self.tokens[self.at + 1][1]
            if group == "name" and after == ":":
                self._take()
                self._take(":")
                self._field(fields, text, self.value())
            else:
                item = self.value()
                if self._peek() == ":":
                    self._take(":")
                    fields[item] = self.value()
                else:
                    listed.append(item)
            if self._peek() == ",":
                self._take(",")
        self._take("}")
        return listed or fields

    def _field(self, fields: dict[str, Any], name: str, value: Any) -> None:
        if name in _INLINE:
            fields.update(value)
        else:
            fields[json_name(name)] = value


def _called(name: str, given: list[Any]) -> Any:
    """A conversion, a pointer, or ``strings.Join``."""
    if name == "strings.Join":
        texts, between = given
        return between.join(texts)
    if len(given) != 1:
        raise ValueError(f"a call of {name} is not known")
    return given[0]


def _tokens(text: str) -> Iterator[re.Match[str]]:
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            return  # past the table: code, which is not read
        at = match.end()
        if match.lastgroup:
            yield match


def json_name(field: str) -> str:
    """``SELinuxOptions`` → ``seLinuxOptions``, as the API writes it."""
    if field in _ODD:
        return _ODD[field]
    capitals = re.match(r"[A-Z]+", field)
    if capitals is None:
        return field
    count = len(capitals[0])
    if 1 < count < len(field):
        count -= 1
    return field[:count].lower() + field[count:]
