"""Lines of entries, found beside the decoder: a second parse with positions would cost more than
the first. Every search goes forward only, so a whole file is passed over once."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from haechi.model.location import Location

_MISSES = 50
"""Keys not found before the search is given up: each miss may cost a look at the whole rest."""


def on_line(path: str, line: int, column: int = 1) -> Location:
    """The place of an entry of which only the start is known."""
    return Location(path=path, line=line, column=column, end_line=line, end_column=column)


class Lines:
    """Line numbers of offsets that only grow."""

    __slots__ = ("_at", "_line", "_newline", "_text")

    def __init__(self, text: str | bytes) -> None:
        self._text = text
        self._newline: str | bytes = "\n" if isinstance(text, str) else b"\n"
        self._at = 0
        self._line = 1

    def at(self, offset: int) -> int:
        """The line of an offset, from 1; an offset before the last one gets the last one's."""
        if offset > self._at:
            self._line += self._text.count(self._newline, self._at, offset)  # type: ignore[arg-type]
            self._at = offset
        return self._line


def table_offsets(text: str, name: str, limit: int) -> list[int]:
    """Offsets of TOML's ``[[name]]`` headers, at most limit + 1 of them."""
    found: list[int] = []
    for match in re.finditer(rf"^[ \t]*\[\[[ \t]*{re.escape(name)}[ \t]*\]\]", text, re.M):
        found.append(match.start())
        if len(found) > limit:
            break
    return found


def lines_of(text: str, offsets: Sequence[int], count: int) -> Sequence[int]:
    """Lines of ``count`` entries whose offsets were found; all 1 where the numbers differ (a
    text inside of a string looked like an entry)."""
    if len(offsets) != count:
        return [1] * count
    lines = Lines(text)
    return [lines.at(offset) for offset in offsets]


class Keys:
    """Lines of JSON keys that are asked for in the order in which they stand in the file.

    A key is looked for behind the one before it, as ``"key":`` and one of ``opens``. A key that is
    not found (written with escapes) gets the line before it.
    """

    __slots__ = ("_at", "_data", "_line", "_misses", "_opens")

    def __init__(self, data: bytes, start: int = 0, opens: tuple[bytes, ...] = (b"{",)) -> None:
        self._data = data
        self._at = max(start, 0)
        self._line = 1 + data.count(b"\n", 0, self._at)
        self._opens = opens
        self._misses = 0

    def line(self, key: str) -> int:
        """The line of the next such key."""
        if self._misses < _MISSES:
            found = self._find(b'"' + key.encode("utf-8", "surrogatepass") + b'"')
            if found < 0:
                self._misses += 1
            else:
                self._line += self._data.count(b"\n", self._at, found)
                self._at = found + 1
        return self._line

    def _find(self, needle: bytes) -> int:
        at, data = self._at, self._data
        for _ in range(1_000):
            found = data.find(needle, at)
            if found < 0:
                return -1
            at = found + len(needle)
            rest = data[at : at + 40].lstrip()
            if rest[:1] == b":" and rest[1:].lstrip().startswith(self._opens):
                return found
        return -1


def key_lines(data: bytes, keys: Iterable[str], start: int = 0) -> dict[str, int]:
    """Lines of the keys of one JSON object whose values are objects."""
    finder = Keys(data, start)
    return {key: finder.line(key) for key in keys}
