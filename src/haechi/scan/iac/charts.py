"""Helm charts: which to render, and where a rendered value stands in its template.

A template is not YAML until it is rendered, so places are found by the shape of its lines: the
document by its kind, then key by key by indentation. Where that is not certain the nearest line
above is given: a finding points a little high rather than at the wrong thing.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterable, Sequence
from typing import Any

from haechi.checks.pods.view import mapping
from haechi.engines.documents import Document, parse_documents
from haechi.errors import InputError
from haechi.model.location import AttrPath, Location, child_at

_SOURCE = re.compile(r"^# Source: [^/\n]+/(.+?)\s*$", re.MULTILINE)
_KEY = re.compile(r"( *)((?:- +)*)[\"']?([^\s\"'{}\[\]#:][^\"'{}\[\]#:]*)[\"']?\s*:(?:\s+(.*))?$")
_ITEM = re.compile(r"( *)- ")
_DIRECTIVE = re.compile(r"\s*(?:\{\{.*\}\}\s*)?(?:#.*)?$")
_WIDEST = 500
_TEMPLATES = re.compile(r"(?:charts/[^/]+/)*templates/")


def outermost(directories: Iterable[str]) -> list[str]:
    """Charts that are not subcharts of another one."""
    kept: list[str] = []
    for directory in sorted(directories, key=lambda d: (d.count("/") if d else -1, d)):
        if not any(d == "" or directory.startswith(f"{d}/") for d in kept):
            kept.append(directory)
    return sorted(kept)


def in_templates(path: str, charts: Iterable[str]) -> bool:
    """True for files that the rendering of one of the charts covers."""
    for chart in charts:
        inner = path.removeprefix(f"{chart}/") if chart else path
        if (chart == "" or inner != path) and _TEMPLATES.match(inner):
            return True
    return False


def is_library(chart_yaml: bytes) -> bool:
    """True for a chart that only helps others: by itself nothing of it reaches a cluster."""
    try:
        documents = list(parse_documents(chart_yaml))
    except InputError:
        return False
    return any(
        isinstance(document, Document) and mapping(document.data).get("type") == "library"
        for document in documents
    )


def source_of(text: str, chart: str) -> str | None:
    """The template that rendered text names, as a path of the tree; None when it leads out of
    the chart: a chart's name is free text."""
    named = _SOURCE.search(text)
    if named is None:
        return None
    inner = posixpath.normpath(named[1])
    if inner.startswith(("../", "/")) or inner in ("..", "."):
        return None
    return posixpath.join(chart, inner)


def last_source(rendered: str, line: int, chart: str) -> str | None:
    """The template that the given line of the whole rendering came from."""
    before = "\n".join(rendered.split("\n")[:line])
    return source_of(before[max(before.rfind("\n# Source: "), 0) :], chart)


class Template:
    """The lines of a template, and how many of them may be looked at in all.

    A loop may make a hundred thousand objects of a long template; past the limit they are at
    the beginning of their document.
    """

    def __init__(self, text: str, *, visits: int = 20_000_000) -> None:
        self.lines = [line[:_WIDEST] for line in text.split("\n")]
        self._visits = visits
        self._parts: dict[str, list[tuple[int, int]]] = {}

    def spend(self, count: int) -> bool:
        """Count lines that are about to be looked at; False when it has been enough."""
        self._visits -= count
        return self._visits > 0

    def parts(self, kind: str) -> list[tuple[int, int]]:
        """The documents (first line, end) that write an object of this kind."""
        if kind not in self._parts:
            cuts = [i for i, line in enumerate(self.lines) if line.startswith("---")]
            starts = [0, *(cut + 1 for cut in cuts)]
            ends = [*cuts, len(self.lines)]
            wanted = f"kind: {kind}"
            self._parts[kind] = [
                (self.head(start, end), end)
                for start, end in zip(starts, ends, strict=True)
                if any(x.rstrip().replace('"', "") == wanted for x in self.lines[start:end])
            ]
        return self._parts[kind]

    def head(self, start: int, end: int) -> int:
        """The first line that is not a comment or a directive of the template."""
        return next((i for i in range(start, end) if not _DIRECTIVE.match(self.lines[i])), start)


class TemplatePlaces:
    """Locates values of one rendered object in the lines of its template.

    ``nth`` counts the objects of the same kind that the template rendered before this one.
    """

    def __init__(self, file: str, template: Template, data: Any, nth: int = 0) -> None:
        self._file = file
        self._template = template
        self._lines: Sequence[str] = template.lines
        self._data = data
        self._nth = nth

    def __call__(self, path: AttrPath) -> Location:
        """The line that writes the value, else that of its nearest ancestor."""
        first, end = self._part()
        at, start, stop = first, first, end
        column = -1
        value = self._data
        for part in path:
            if not self._template.spend(stop - start):
                break
            found = self._step(part, value, start, stop, column)
            if found is None:
                break
            at, column = found
            start, stop = at if isinstance(part, int) else at + 1, self._block(at, column, stop)
            value = child_at(value, part)
        return self._location(at)

    def _location(self, index: int) -> Location:
        if index >= len(self._lines):
            return Location(path=self._file)
        line = self._lines[index]
        column = len(line) - len(line.lstrip()) + 1
        return Location(
            path=self._file,
            line=index + 1,
            column=column,
            end_line=index + 1,
            end_column=max(len(line.rstrip()) + 1, column),
        )

    @property
    def document(self) -> int | None:
        """The line where the template's part for this object begins; None when it is not clear
        which part that is. A part in a loop makes several objects."""
        parts = self._parts()
        if len(parts) == 1:
            return parts[0][0] + 1
        return parts[self._nth][0] + 1 if self._nth < len(parts) else None

    def _part(self) -> tuple[int, int]:
        """First line and end of the part of the template that this object came from."""
        parts = self._parts()
        if not parts:
            return self._template.head(0, len(self._lines)), len(self._lines)
        return parts[min(self._nth, len(parts) - 1)]

    def _parts(self) -> list[tuple[int, int]]:
        return self._template.parts(str(mapping(self._data).get("kind")))

    def _step(
        self, part: str | int, value: Any, start: int, stop: int, column: int
    ) -> tuple[int, int] | None:
        """Line and column of a child, searched among the least indented lines of the block."""
        if isinstance(part, str):
            return self._key(part, start, stop, column)
        return self._item(part, value, start, stop)

    def _key(self, name: str, start: int, stop: int, column: int) -> tuple[int, int] | None:
        hits: list[tuple[int, int]] = []
        for index in range(start, stop):
            match = _KEY.match(self._lines[index])
            if match is None or match[3] != name:
                continue
            at = len(match[1]) + len(match[2])
            if at > column:
                hits.append((index, at))
        nearest = min((at for _, at in hits), default=0)
        least = self._least(start, stop, column)
        return next(((i, at) for i, at in hits if at == nearest and at <= least), None)

    def _least(self, start: int, stop: int, column: int) -> int:
        """The indentation of the block's own keys."""
        least = 1_000_000
        for index in range(start, stop):
            match = _KEY.match(self._lines[index])
            at = len(match[1]) + len(match[2]) if match else least
            if column < at < least:
                least = at
        return least

    def _item(self, index: int, value: Any, start: int, stop: int) -> tuple[int, int] | None:
        """The item of a list: by its name when the template writes it, else by counting."""
        dashes: list[tuple[int, int]] = []
        for number in range(start, stop):
            match = _ITEM.match(self._lines[number])
            if match is not None and (not dashes or len(match[1]) == dashes[0][1]):
                dashes.append((number, len(match[1])))
        name = mapping(child_at(value, index)).get("name")
        ends = [*(number for number, _ in dashes[1:]), stop]
        for (number, at), end in zip(dashes, ends, strict=False):
            if isinstance(name, str) and self._writes_name(name, number, end):
                return number, at
        complete = isinstance(value, list) and len(value) == len(dashes)
        return dashes[index] if complete and index < len(dashes) else None

    def _writes_name(self, name: str, start: int, stop: int) -> bool:
        for index in range(start, stop):
            match = _KEY.match(self._lines[index])
            if match is not None and match[3] == "name":
                return (match[4] or "").strip().strip("\"'") == name
        return False

    def _block(self, at: int, column: int, stop: int) -> int:
        """Where the block that begins at a line ends: at the next line not indented deeper.

        Directives of the template stand at any column and end nothing; the items of a list may
        stand as far left as its key.
        """
        for index in range(at + 1, stop):
            line = self._lines[index]
            if _DIRECTIVE.match(line):
                continue
            indent = len(line) - len(line.lstrip(" "))
            is_item = line.lstrip(" ").startswith("- ") and not _ITEM.match(self._lines[at])
            if indent < column or (indent == column and not is_item):
                return index
        return stop
