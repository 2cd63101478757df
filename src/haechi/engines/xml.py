"""XML as build tools write it, read from hostile files: no DTD, no entities, no network, limits.

Elements are kept with their line. Names lose their namespace prefix: Maven's and NuGet's files are
known by their local names, and real files differ in which namespace they declare. Everything
stands on expat's events, so that a document type is refused before anything in it is defined.
"""

from __future__ import annotations

from collections.abc import Iterator
from xml.parsers import expat

from haechi.errors import InputError, LimitExceeded

SIZE = 64 * 1024 * 1024
DEPTH = 100
ELEMENTS = 1_000_000
TEXT = 100_000
_ENCODINGS = ("utf-8", "utf-16", "us-ascii", "ascii", "iso-8859-1", "windows-1252")


class Element:
    """One element. ``text`` is what stands directly in it, without the white space around."""

    __slots__ = ("attributes", "children", "column", "line", "name", "text")

    def __init__(self, name: str, attributes: dict[str, str], line: int, column: int) -> None:
        self.name = name
        self.attributes = attributes
        self.children: list[Element] = []
        self.line = line
        self.column = column
        self.text = ""

    def first(self, *names: str) -> Element | None:
        """The first child of each name in turn: ``first("build", "plugins")``."""
        here = self
        for name in names:
            found = next((child for child in here.children if child.name == name), None)
            if found is None:
                return None
            here = found
        return here

    def all(self, *names: str) -> list[Element]:
        """Every element that the names lead to."""
        found = [self]
        for name in names:
            found = [child for one in found for child in one.children if child.name == name]
        return found

    def value(self, *names: str) -> str:
        """The text of the first such child, or ""."""
        found = self.first(*names)
        return found.text if found is not None else ""

    def walk(self) -> Iterator[Element]:
        """This element and all below, in the order of the file."""
        waiting = [self]
        while waiting:
            one = waiting.pop()
            yield one
            waiting.extend(reversed(one.children))


def parse(data: bytes) -> Element:
    """The root element. Raises InputError for what is no XML or has a document type, and
    LimitExceeded beyond SIZE, DEPTH, ELEMENTS and TEXT."""
    if len(data) > SIZE:
        raise LimitExceeded(f"XML of more than {SIZE // 1_048_576} MiB")
    reading = _Reading()
    try:
        reading.parser.Parse(data, True)
    except expat.ExpatError as error:
        what = f"line {error.lineno}: {expat.ErrorString(error.code)}"
        raise InputError(what, do="correct the XML") from error
    except (LookupError, ValueError) as error:  # an encoding that nobody knows
        raise InputError(f"the encoding of the XML: {error}") from error
    if reading.root is None:
        raise InputError("XML without an element")
    return reading.root


class _Reading:
    """Builds the tree from expat's events."""

    def __init__(self) -> None:
        parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.StartDoctypeDeclHandler = self._doctype
        parser.XmlDeclHandler = self._declared
        parser.StartElementHandler = self._start
        parser.EndElementHandler = self._end
        parser.CharacterDataHandler = self._characters
        self.parser = parser
        self.root: Element | None = None
        self._open: list[Element] = []
        self._texts: list[list[str]] = []
        self._count = 0

    def _doctype(self, name: str, system: str | None, public: str | None, internal: int) -> None:
        line = self.parser.CurrentLineNumber
        raise InputError(
            f"line {line}: a document type (DOCTYPE) is not read",
            why="it can define entities that grow without bound or name other files",
            do="remove the DOCTYPE; build files do not need one",
        )

    def _declared(self, version: str, encoding: str | None, standalone: int) -> None:
        if encoding is not None and encoding.lower() not in _ENCODINGS:
            raise InputError(f"XML in the encoding {encoding[:40]!r} is not read", do="use UTF-8")

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        self._count += 1
        if self._count > ELEMENTS:
            raise LimitExceeded(f"XML with more than {ELEMENTS} elements")
        if len(self._open) >= DEPTH:
            raise LimitExceeded(f"XML nested more than {DEPTH} levels deep")
        parser = self.parser
        local = name.rpartition(":")[2] if ":" in name else name
        element = Element(
            local, attributes, parser.CurrentLineNumber, parser.CurrentColumnNumber + 1
        )
        if self._open:
            self._open[-1].children.append(element)
        else:
            self.root = element
        self._open.append(element)
        self._texts.append([])

    def _end(self, name: str) -> None:
        element = self._open.pop()
        pieces = self._texts.pop()
        if pieces:
            text = "".join(pieces).strip()
            if len(text) > TEXT:
                raise LimitExceeded(f"line {element.line}: text of more than {TEXT} characters")
            element.text = text

    def _characters(self, text: str) -> None:
        self._texts[-1].append(text)
