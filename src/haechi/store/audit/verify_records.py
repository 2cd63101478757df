"""The verifier's own reading of segment files; nothing of the writer's is used.

A segment is read as a row of tokens: frame headers, which begin with a mark, and records, which
begin with a length and a checksum. So a record that was taken out or put in does not hide those
after it. What cannot be read is told and passed over up to the next frame.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from haechi.engines.canonical import canonical
from haechi.store.audit.verify_report import Findings, Kind

_MAGIC, _MARK = b"HAECHIA1", b"\x1eHF\x01"
_SEGMENT = struct.Struct("<8sIQ8sI")
_FRAME = struct.Struct("<4sQQIII")
_RECORD = struct.Struct("<II")
_MOST_RECORD = (256 << 10) + 64
_PART = 4 << 20
_FIELDS = {
    "action": str,
    "actor": str,
    "at": str,
    "cluster": str,
    "detail": dict,
    "namespace": str,
    "object": str,
    "private": dict,
    "seq": int,
}


class Token(msgspec.Struct, frozen=True):
    """A record where it stands; ``entry`` is None when its bytes are not those of a record."""

    raw: bytes
    entry: dict[str, Any] | None
    file: str
    offset: int


class Segments:
    """All segments of a folder, as long as they are now (an owner may go on writing), as tokens.
    ``torn`` tells where unreadable bytes end the last."""

    def __init__(self, folder: Path, findings: Findings) -> None:
        self._folder, self._findings = folder, findings
        self.torn: tuple[str, int, int] | None = None
        self.logs: set[str] = set()
        self.numbers = sorted(
            int(path.stem[8:]) for path in folder.glob("segment-*.log") if path.stem[8:].isdecimal()
        )

        self.lengths = {
            number: (folder / f"segment-{number:08d}.log").stat().st_size for number in self.numbers
        }

    def tokens(self) -> Iterator[Token]:
        """Records in the order of the files."""
        for wanted, number in enumerate(self.numbers):
            if number != wanted and number - 1 not in self.numbers:
                self._findings.fault(
                    Kind.SEGMENT_MISSING,
                    f"segment {number - 1} is missing",
                    file=f"segment-{number - 1:08d}.log",
                )
            path = self._folder / f"segment-{number:08d}.log"
            with path.open("rb") as stream:
                yield from self._segment(stream, path.name, number)

    def _segment(self, stream: BinaryIO, name: str, number: int) -> Iterator[Token]:
        length = self.lengths[number]
        head = stream.read(min(_SEGMENT.size, length))
        offset = len(head)
        last = number == self.numbers[-1]
        if len(head) < _SEGMENT.size and last:
            self.torn = (name, 0, len(head))
            return
        if len(head) == _SEGMENT.size:
            magic, stated, _, log, crc = _SEGMENT.unpack(head)
            self.logs.add(log.hex())
        if len(head) < _SEGMENT.size or (magic, stated, crc) != (
            _MAGIC,
            number,
            zlib.crc32(head[:-4]),
        ):
            self._findings.fault(
                Kind.SEGMENT_CHANGED, "the segment's header was changed", file=name, offset=0
            )
        yield from _Tokens(
            stream, name, offset, self, self._findings, length=length, last=last
        ).read()


class _Tokens:
    """Tokens of one file, through a window that moves over it."""

    def __init__(
        self,
        stream: BinaryIO,
        name: str,
        offset: int,
        owner: Segments,
        findings: Findings,
        *,
        length: int,
        last: bool,
    ) -> None:
        self._stream, self._name, self._owner, self._findings = stream, name, owner, findings
        self._last = last
        self._left = length - offset
        self._data, self._base, self._at = b"", offset, 0
        self._ended = False

    def read(self) -> Iterator[Token]:
        count, found, frame_at = 0, 0, 0
        while self._fill():
            frame = self._frame(self._at)
            if frame is not None:
                self._count(count, found, frame_at)
                count, found, frame_at = frame[3], 0, self._base + self._at
                self._at += _FRAME.size
                continue
            length = self._record(self._at)
            sound = length is not None
            if length is None:
                length = self._guess()
            if length is None:
                if not self._skip():
                    return
                count = found = 0
                continue
            start = self._at + _RECORD.size
            raw = self._data[start : start + length]
            offset = self._base + self._at
            self._at = start + length
            found += 1
            yield Token(raw, entry_of(raw) if sound else None, self._name, offset)
        self._count(count, found, frame_at)

    def _fill(self) -> bool:
        """Have the longest token in the window, unless the file ends; False at its end."""
        while not self._ended and len(self._data) - self._at < 2 * _MOST_RECORD:
            more = self._stream.read(max(0, min(_PART, self._left)))
            self._ended = not more
            self._left -= len(more)
            self._base += self._at
            self._data, self._at = self._data[self._at :] + more, 0
        return self._at < len(self._data)

    def _frame(self, at: int) -> tuple[Any, ...] | None:
        head = self._data[at : at + _FRAME.size]
        if head[:4] != _MARK or len(head) < _FRAME.size:
            return None
        frame = _FRAME.unpack(head)
        return frame if frame[5] == zlib.crc32(head[:-4]) else None

    def _record(self, at: int) -> int | None:
        """The length of the record at this place, when its checksum holds."""
        if at + _RECORD.size > len(self._data):
            return None
        length, crc = _RECORD.unpack_from(self._data, at)
        end = at + _RECORD.size + length
        if not 0 < length <= _MOST_RECORD or end > len(self._data):
            return None
        return length if zlib.crc32(self._data[at + _RECORD.size : end]) == crc else None

    def _guess(self) -> int | None:
        """The length of a changed record whose length still leads to something that holds."""
        if self._at + _RECORD.size > len(self._data):
            return None
        (length,) = struct.unpack_from("<I", self._data, self._at)
        end = self._at + _RECORD.size + length
        if not 0 < length <= _MOST_RECORD or end > len(self._data):
            return None
        if end == len(self._data):
            return None if self._last else length
        follows = self._frame(end) is not None or self._record(end) is not None
        return length if follows else None

    def _skip(self) -> bool:
        """Go to the next frame; False when there is none and the file ends in what is no token."""
        start = self._base + self._at
        self._at += 1
        while True:
            found = self._data.find(_MARK, self._at)
            if found >= 0 and self._frame(found) is not None:
                self._at = found
                self._told(start, self._base + found)
                return True
            self._at = found + 1 if found >= 0 else max(self._at, len(self._data) - _FRAME.size)
            if found < 0:
                if self._ended:
                    break
                self._fill()
        end = self._base + len(self._data)
        if self._last:
            self._owner.torn = (self._name, start, end - start)
        else:
            self._told(start, end)
        return False

    def _told(self, start: int, end: int) -> None:
        self._findings.fault(
            Kind.RECORD_CHANGED,
            f"{end - start} bytes are no records any more",
            file=self._name,
            offset=start,
        )

    def _count(self, count: int, found: int, offset: int) -> None:
        """A frame says how many records it has."""
        if count != found and not (self._last and self._owner.torn):
            self._findings.fault(
                Kind.SEGMENT_CHANGED,
                f"a frame of {count} records holds {found}",
                file=self._name,
                offset=offset,
            )


def entry_of(raw: bytes) -> dict[str, Any] | None:
    """The record, when it is one and is spelt in the only way."""
    try:
        value = msgspec.json.decode(raw)
        if not isinstance(value, dict) or value.keys() != _FIELDS.keys():
            return None
        if any(not isinstance(value[name], kind) for name, kind in _FIELDS.items()):
            return None
        return value if canonical(value) == raw else None
    except (ValueError, RecursionError):
        return None
