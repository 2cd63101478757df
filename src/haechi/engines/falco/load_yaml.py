"""Rule files as YAML: scalars as they are written, and where each character of them stands.

Falco reads scalars as text (``yes`` in a list of names is a name), so the node tree is read here,
not the plain values. A condition spans lines and is folded by YAML; ``Written.at`` leads from a
character of it back to the line it came from.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from typing import Any

import msgspec

from haechi.engines.documents import Document, Fault, parse_documents
from haechi.engines.falco import messages
from haechi.engines.falco.ruleset import At, RuleText
from haechi.engines.values import Limits
from haechi.errors import InputError

_NULLS = frozenset({"", "~", "null", "Null", "NULL"})
_TRUE = frozenset({"y", "yes", "true", "on"})
_FALSE = frozenset({"n", "no", "false", "off"})


class LoadError(InputError):
    """Something in a rule file is wrong: ``code`` is Falco's, ``at`` the place."""

    def __init__(self, code: str, what: str, at: At) -> None:
        super().__init__(what, where=str(at))
        self.code = code
        self.at = at


class Piece(msgspec.Struct, frozen=True):
    """A scalar of a file that is part of a text, from ``offset`` on."""

    offset: int
    page: Page
    node: Any


class Written(msgspec.Struct, frozen=True):
    """A text together with the scalars it was put together from."""

    text: str
    pieces: tuple[Piece, ...]

    def followed_by(self, other: Written) -> Written:
        """Both with a blank between, as ``append`` does it."""
        shift = len(self.text) + 1
        moved = tuple(Piece(piece.offset + shift, piece.page, piece.node) for piece in other.pieces)
        return Written(f"{self.text} {other.text}", self.pieces + moved)

    def at(self, index: int = 0) -> At:
        """Where the character at ``index`` stands in its file."""
        number = bisect_right([piece.offset for piece in self.pieces], index) - 1
        piece = self.pieces[max(0, number)]
        return piece.page.inside(piece.node, max(0, index - piece.offset))


class Page:
    """One YAML document of a rule file."""

    __slots__ = ("_document", "_lines", "file")

    def __init__(self, file: str, document: Document) -> None:
        self.file = file
        self._document = document
        self._lines: list[str] | None = None

    @property
    def root(self) -> Any:
        return self._document.node

    def at(self, node: Any) -> At:
        """Where a value begins."""
        mark = node.start_mark
        return At(
            file=self.file, line=self._document.first_line + mark.line, column=mark.column + 1
        )

    def inside(self, node: Any, index: int) -> At:
        """Where the character ``index`` of a scalar's text stands.

        Folding only changes what is between lines, so each line is looked for in the text, one
        after the other; where escapes make that fail, the line before answers.
        """
        if self._lines is None:
            self._lines = self._document.text.split("\n")
        start, end = node.start_mark, node.end_mark
        block = node.style in ("|", ">")
        line, column, offset, found = start.line, start.column, 0, 0
        for number in range(start.line + block, min(end.line + 1, len(self._lines))):
            first = 0 if block or number > start.line else start.column + bool(node.style)
            last = end.column if number == end.line and not block else None
            content = self._lines[number][first:last]
            stripped = content.strip()
            if not stripped:
                continue
            found = node.value.find(stripped.rstrip("'\""), found)
            if found < 0 or found > index:
                break
            line, offset = number, found
            column = first + len(content) - len(content.lstrip())
        return At(
            file=self.file,
            line=self._document.first_line + line,
            column=column + index - offset + 1,
        )


def pages(file: RuleText, limits: Limits) -> Iterator[Page | LoadError]:
    """The documents of a rule file; a LoadError stands for one that is not YAML."""
    try:
        for part in parse_documents(file.text.encode("utf-8", "replace"), limits=limits):
            if isinstance(part, Fault):
                yield LoadError(
                    messages.YAML_PARSE, part.message, At(file=file.name, line=part.line)
                )
            else:
                yield Page(file.name, part)
    except InputError as error:
        yield LoadError(messages.YAML_PARSE, error.what, At(file=file.name))


class Item:
    """A mapping of a page, read key by key. Of a key written twice the first one counts."""

    __slots__ = ("_keys", "at", "node", "page")

    def __init__(self, page: Page, node: Any) -> None:
        self.page = page
        self.node = node
        self.at = page.at(node)
        self._keys: dict[str, tuple[Any, Any]] = {}
        for key, value in node.value:
            if key.id != "scalar":
                raise self.wrong("a key of a mapping is not a text", key)
            self._keys.setdefault(key.value, (key, value))

    def __contains__(self, key: str) -> bool:
        return key in self._keys

    def places(self) -> Iterator[tuple[str, At]]:
        """The keys and where they stand."""
        for name, (key, _) in self._keys.items():
            yield name, self.page.at(key)

    def node_of(self, key: str) -> Any:
        return self._keys[key][1]

    def at_key(self, key: str) -> At:
        return self.page.at(self._keys[key][0])

    def wrong(self, what: str, node: Any = None) -> LoadError:
        """A fault in the structure, at ``node`` or at the item itself."""
        at = self.at if node is None else self.page.at(node)
        return LoadError(messages.YAML_VALIDATE, what, at)

    def is_null(self, key: str) -> bool:
        """Whether the value of a key is left empty."""
        return is_null(self.node_of(key))

    def text(self, key: str) -> str:
        """A scalar that must be there and not be empty."""
        return self.written(key).text

    def written(self, key: str) -> Written:
        """A scalar with its places."""
        if key not in self:
            raise self.wrong(f"Item has no mapping for key '{key}'")
        node = self.node_of(key)
        if is_null(node):
            raise self.wrong(f"Mapping for key '{key}' is empty")
        if node.id != "scalar":
            raise self.wrong(f"Value for '{key}' is not a scalar value", node)
        if not node.value:
            raise self.wrong(f"Value for '{key}' must be non-empty", node)
        return Written(node.value, (Piece(0, self.page, node),))

    def flag(self, key: str, default: bool) -> bool:
        """A boolean, as YAML 1.1 writes it."""
        if key not in self:
            return default
        text = self.text(key)
        if text in (text.lower(), text.upper(), text.capitalize()):
            if text.lower() in _TRUE:
                return True
            if text.lower() in _FALSE:
                return False
        raise self.wrong(
            f"Can't decode YAML scalar value of '{key}': not true or false", self.node_of(key)
        )

    def number(self, key: str, default: int) -> int:
        """A whole number of at most 32 bits."""
        if key not in self:
            return default
        text = self.text(key)
        if text.isascii() and text.isdigit() and len(text) <= 10 and int(text) < 2**32:
            return int(text)
        raise self.wrong(
            f"Can't decode YAML scalar value of '{key}': not a whole number", self.node_of(key)
        )

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of scalars; empty when the key is not there."""
        if key not in self:
            return ()
        return tuple(node.value for node in self.sequence(key))

    def sequence(self, key: str) -> list[Any]:
        """The scalars of a list, as nodes."""
        if key not in self:
            raise self.wrong(f"Item has no mapping for key '{key}'")
        node = self.node_of(key)
        if node.id != "sequence":
            raise self.wrong(f"Value for '{key}' is not a sequence", node)
        for part in node.value:
            if part.id != "scalar":
                raise self.wrong(f"sequence value of '{key}' is not scalar", part)
        return list(node.value)


def is_null(node: Any) -> bool:
    """Whether a value is left empty or written as null."""
    return node.id == "scalar" and node.tag == "P" and node.value in _NULLS
