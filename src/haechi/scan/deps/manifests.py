"""Where a person changes what a lock file pins: the line of a manifest beside it.

The lock file's formats know which manifests belong to it. The line is found in the text, because a
place for every name would make readers of ten manifest formats keep positions that only the few
vulnerable packages need.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable

from haechi.errors import InputError
from haechi.model.location import Location
from haechi.scan.deps.formats import format_of
from haechi.world.files import Tree

Read = Callable[[str], str | None]
"""The text of a file of the tree, or None."""
_LINE = 2_000
_TEXT = 8 << 20
_LINES = 20_000
_SEPARATOR = re.compile(r"[-_.]+")


class Manifests:
    """Finds names in the manifests beside lock files; each is read once."""

    def __init__(self, read: Read) -> None:
        self._read = read
        self._beside: dict[str, tuple[str, ...]] = {}
        self._lines: dict[str, list[str]] = {}
        self._places: dict[tuple[str, str, str], Location | None] = {}

    def place_of(self, lock: str, ecosystem: str, name: str) -> Location | None:
        """The line that asks for a package, or None."""
        key = (lock, ecosystem, name)
        if key not in self._places:
            self._places[key] = self._found(lock, ecosystem, name)
        return self._places[key]

    def _found(self, lock: str, ecosystem: str, name: str) -> Location | None:
        texts = [(path, lines) for path in self._manifests(lock) if (lines := self._text(path))]
        if not texts:
            return None
        pattern = _pattern(ecosystem, name)
        for path, lines in texts:
            for number, line in enumerate(lines, 1):
                found = pattern.search(line[:_LINE])
                if found is not None:
                    start, end = found.span()
                    return Location(
                        path=path,
                        line=number,
                        column=start + 1,
                        end_line=number,
                        end_column=end + 1,
                    )
        return None

    def _manifests(self, lock: str) -> tuple[str, ...]:
        if lock not in self._beside:
            format = format_of(lock)
            folder = posixpath.dirname(lock)
            names = [name for name in (format.covers if format else ()) if "*" not in name]
            self._beside[lock] = tuple(
                posixpath.join(folder, name)
                for name in names
                if (known := format_of(name)) is not None and not known.pins
            )
        return self._beside[lock]

    def _text(self, path: str) -> list[str]:
        if path not in self._lines:
            self._lines[path] = (self._read(path) or "").splitlines()[:_LINES]
        return self._lines[path]


def _pattern(ecosystem: str, name: str) -> re.Pattern[str]:
    if ecosystem == "PyPI":
        parts = [re.escape(part) for part in _SEPARATOR.split(name)]
        return re.compile(rf"(?<![\w.@/-]){'[-_.]+'.join(parts)}(?![\w-]|\.\w)", re.IGNORECASE)
    if ecosystem == "Maven":
        name = name.rpartition(":")[2]
    return re.compile(rf"(?<![\w.@/-]){re.escape(name)}(?![\w/-]|\.\w)")


def reader_of_text(tree: Tree) -> Read:
    """Reads files of a tree as text; None for what is not there or too large."""

    def read(path: str) -> str | None:
        if not tree.is_file(path):
            return None
        try:
            return tree.read(path, limit=_TEXT).decode("utf-8-sig", "replace")
        except InputError:
            return None

    return read
