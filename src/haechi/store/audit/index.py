"""``audit/index.bin``: one line of fixed length for each complete block.

Everything in it can be made again from the segments, so it is neither signed nor synced: at
opening the root that it leads to is compared with the newest signed head, and where they differ
the index is thrown away and made anew. The verifier does not read it.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

from haechi.store.audit.tip import Line, Place

NAME = "index.bin"
_LINE = struct.Struct("<IQQqq32s")
_CRC = struct.Struct("<I")
LINE_BYTES = _LINE.size + _CRC.size


def encode(line: Line) -> bytes:
    """The line's bytes."""
    place = line.place
    raw = _LINE.pack(place.segment, place.offset, place.private, line.low, line.high, line.root)
    return raw + _CRC.pack(zlib.crc32(raw))


def decode(data: bytes) -> Line | None:
    """The line, or None when the bytes do not hold."""
    raw = data[: _LINE.size]
    if len(data) != LINE_BYTES or _CRC.unpack_from(data, _LINE.size)[0] != zlib.crc32(raw):
        return None
    segment, offset, private, low, high, root = _LINE.unpack(raw)
    return Line(Place(segment, offset, private), low, high, root)


class Index:
    """Lines by number of block: those of the file, then those that are only in memory (of who
    may not write)."""

    def __init__(self, path: Path, *, writable: bool) -> None:
        flags = os.O_RDWR | os.O_CREAT if writable else os.O_RDONLY
        self._writable = writable
        self._path = path
        self._more: list[Line] = []
        self._count = 0
        self._handle = -1
        if writable or path.exists():
            self._handle = os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        self._count = self._whole_lines()

    def __len__(self) -> int:
        return self._count + len(self._more)

    def line(self, block: int) -> Line:
        """The line of a complete block. Raises LookupError."""
        if block >= self._count:
            return self._more[block - self._count]
        line = decode(os.pread(self._handle, LINE_BYTES, block * LINE_BYTES))
        if line is None:
            raise LookupError(f"line {block} of the audit log's index does not hold")
        return line

    def lines(self, first: int = 0, stop: int | None = None) -> Iterator[Line]:
        """Lines from one block up to, without, another."""
        stop = len(self) if stop is None else stop
        for start in range(first, min(stop, self._count), 4096):
            count = min(4096, min(stop, self._count) - start)
            data = os.pread(self._handle, count * LINE_BYTES, start * LINE_BYTES)
            for number in range(count):
                line = decode(data[number * LINE_BYTES : (number + 1) * LINE_BYTES])
                if line is None:
                    raise LookupError(f"line {start + number} of the audit log's index is damaged")
                yield line
        for block in range(max(first, self._count), stop):
            yield self._more[block - self._count]

    def add(self, lines: Iterable[Line]) -> None:
        """Append lines of blocks whose records are durable. A disk that does not take them is
        no fault: they stay in memory and are made again at the next start."""
        new = list(lines)
        if not self._writable or self._more:
            self._more += new
            return
        data = b"".join(map(encode, new))
        try:
            done = os.pwrite(self._handle, data, self._count * LINE_BYTES) if data else 0
        except OSError:
            done = 0
        self._count += done // LINE_BYTES
        self._more += new[done // LINE_BYTES :]

    def cut(self, blocks: int) -> None:
        """Forget all lines from this block on."""
        self._more = []
        self._count = min(self._count, blocks)
        if self._writable:
            os.ftruncate(self._handle, self._count * LINE_BYTES)

    def close(self) -> None:
        """Idempotent."""
        handle, self._handle = self._handle, -1
        if handle >= 0:
            os.close(handle)

    def _whole_lines(self) -> int:
        return os.fstat(self._handle).st_size // LINE_BYTES if self._handle >= 0 else 0
