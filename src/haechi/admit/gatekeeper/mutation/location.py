"""Where a mutator writes: ``spec.containers[name: *].image``.

A location is a chain of fields; brackets after a field choose items of a list by the value of a
key, or all of them with ``*``. Names with other signs than letters, digits, ``_`` and ``-`` stand
in quotes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias

import msgspec

from haechi.checks.pods.view import mapping
from haechi.errors import RuleError

LIMIT: Final = 1_000
_MOST: Final = (1 << 63) - 1
_TOKEN = re.compile(
    r"""\s*(?:(?P<number>[0-9]+(?![A-Za-z0-9_-]))
      | (?P<name>[A-Za-z_-][A-Za-z0-9_-]*)
      | (?P<sign>[.\[\]:*])
      | "(?P<double>(?:\\[\s\S]|[^"\\])*)"
      | '(?P<single>(?:\\[\s\S]|[^'\\])*)')\s*""",
    re.VERBOSE,
)


class Field(msgspec.Struct, frozen=True):
    """A field of an object."""

    name: str

    def __str__(self) -> str:
        return self.name if re.fullmatch(r"[A-Za-z0-9_-]+", self.name) else repr(self.name)


class Item(msgspec.Struct, frozen=True):
    """Items of a list: those whose ``key`` has ``value``; all of them where ``value`` is None."""

    key: str
    value: str | int | None

    @property
    def is_glob(self) -> bool:
        return self.value is None

    def chooses(self, item: Mapping[str, Any]) -> bool:
        found = item.get(self.key)
        return type(found) is type(self.value) and found == self.value

    def __str__(self) -> str:
        return f"[{self.key}: {'*' if self.is_glob else self.value}]"


Node: TypeAlias = Field | Item
Location: TypeAlias = tuple[Node, ...]


def parse_location(text: Any) -> Location:
    """Read a location. Raises RuleError that tells the column."""
    if not isinstance(text, str) or not text.strip():
        raise RuleError("a location is text", do="write it like spec.containers[name: *].image")
    if len(text) > LIMIT:
        raise RuleError(f"a location has at most {LIMIT} characters")
    return _Reader(text).location()


def told(location: Sequence[Node]) -> str:
    """A location as it is written."""
    out = ""
    for node in location:
        out += f".{node}" if isinstance(node, Field) and out else str(node)
    return out


def is_prefix(short: Location, long: Location) -> bool:
    return long[: len(short)] == short


class _Reader:
    def __init__(self, text: str) -> None:
        self._text = text
        self._place = 0

    def location(self) -> Location:
        nodes: list[Node] = []
        while True:
            nodes.append(Field(self._name("a field")))
            if self._sign("["):
                nodes.append(self._item())
            if self._place == len(self._text):
                return tuple(nodes)
            if not self._sign("."):
                raise self._unexpected("'.' or the end")

    def _item(self) -> Item:
        key = self._name("the key of the list")
        if not self._sign(":"):
            raise self._unexpected("':'")
        value: str | int | None = None
        if not self._sign("*"):
            number = self._next("number")
            value = self._number(number) if number else self._name("a value or '*'")
        if not self._sign("]"):
            raise self._unexpected("']'")
        return Item(key, value)

    def _name(self, what: str) -> str:
        for group in ("name", "double", "single"):
            text = self._next(group)
            if text is not None:
                return text if group == "name" else re.sub(r"\\([\s\S])", r"\1", text)
        raise self._unexpected(what)

    def _number(self, digits: str) -> int:
        value = int(digits)
        if value > _MOST:
            raise self._unexpected(f"a number of at most {_MOST}")
        return value

    def _sign(self, sign: str) -> bool:
        found = _TOKEN.match(self._text, self._place)
        if found is None or found["sign"] != sign:
            return False
        self._place = found.end()
        return True

    def _next(self, group: str) -> str | None:
        found = _TOKEN.match(self._text, self._place)
        if found is None or found[group] is None:
            return None
        self._place = found.end()
        return found[group]

    def _unexpected(self, wanted: str) -> RuleError:
        return RuleError(
            f"location {self._text!r}: {wanted} is expected at column {self._place + 1}",
            do="write it like spec.containers[name: *].image",
        )


def name_of(body: Mapping[str, Any]) -> str:
    """``metadata.name`` as text."""
    value = mapping(body.get("metadata")).get("name")
    return value if isinstance(value, str) else ""
