"""Where package URLs and statements stand in a document's text.

Findings point into the SBOM that they come from, but decoding keeps no places and a parser that
does is ten times slower. What people look for are package URLs and the entries of one list: the
former are found by one expression over the bytes, the latter by one walk over brackets.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import msgspec

Place = tuple[int, int]
"""Line and column, from 1."""

_PURL = re.compile(rb'"(?:purl|referenceLocator|@id)"\s*:\s*"(pkg:(?:[^"\\]|\\.)*)"')
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*"|[{}\[\]]', re.DOTALL)
_WALKED = 32 * 1024 * 1024


class Places(msgspec.Struct, frozen=True):
    """The first place of each package URL, and the places of the entries of the one list that the
    format keeps its statements in."""

    purls: Mapping[str, Place] = {}
    entries: Sequence[Place] = ()

    def of(self, purl: str) -> Place:
        """Where a package URL first stands; the document's beginning when it is nowhere."""
        return self.purls.get(purl, (1, 1))

    def entry(self, index: int) -> Place:
        """Where an entry of the list begins."""
        return self.entries[index] if index < len(self.entries) else (1, 1)


class _Lines:
    """Offsets → lines, asked in rising order."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._line = 1
        self._seen = 0
        self._begins = -1

    def at(self, offset: int) -> Place:
        # Nothing is looked at twice: a document may be one line of 100 MB.
        self._line += self._data.count(b"\n", self._seen, offset)
        broken = self._data.rfind(b"\n", self._seen, offset)
        if broken >= 0:
            self._begins = broken
        self._seen = offset
        return self._line, offset - self._begins


def places_in(data: bytes, key: str) -> Places:
    """Places in the text of a JSON document whose statements are the list under ``key``."""
    return Places(_purls(data), _entries(data, key) if key and len(data) <= _WALKED else ())


def _purls(data: bytes) -> dict[str, Place]:
    lines = _Lines(data)
    found: dict[str, Place] = {}
    for match in _PURL.finditer(data):
        text = match[1]
        if b"\\" in text:
            try:
                purl = msgspec.json.decode(b'"' + text + b'"', type=str)
            except (msgspec.DecodeError, UnicodeDecodeError):
                continue
        else:
            purl = text.decode("utf-8", "replace")
        if purl not in found:
            found[purl] = lines.at(match.start())
    return found


def _entries(data: bytes, key: str) -> list[Place]:
    """The beginnings of the mappings in the list that stands under ``key`` in a mapping that is
    nested as little as possible (a wrapped document lies deeper than a bare one)."""
    wanted = f'"{key}"'.encode()
    if wanted not in data:
        return []
    lines = _Lines(data)
    depth, inside, named = 0, 0, False
    found: list[Place] = []
    for match in _TOKEN.finditer(data):
        token = match[0]
        if token == b"[" and named and not inside:
            inside = depth + 1
        if token in (b"{", b"["):
            depth += 1
            if token == b"{" and inside and depth == inside + 1:
                found.append(lines.at(match.start()))
        elif token in (b"}", b"]"):
            depth -= 1
            if inside and depth < inside:
                return found
        named = token == wanted and not inside and depth <= 2
    return found
