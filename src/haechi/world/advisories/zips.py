"""Read a zip archive of small files, one entry after the other, trusting none of its claims.

Not ``zipfile``: that one makes an object for each entry before the first is read (a million of
them take half a gigabyte) and believes a directory whose entries overlap, by which 40 kB become
terabytes. Here the directory is one bounded read; entries may not overlap; each is unpacked up to
a bound of ours whatever size it claims. Nothing is ever written by an entry's name.

Source: PKWARE APPNOTE 6.3.10, sections 4.3.7-4.3.16.
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from haechi.errors import InputError, LimitExceeded

MAX_ENTRIES = 1_000_000
MAX_DIRECTORY = 160 * 1024 * 1024
MAX_TOTAL = 6 * 1024 * 1024 * 1024
_END, _END_SIZE = b"PK\5\6", 22
_LONGEST_COMMENT = 65535
_ENTRY = struct.Struct("<4s6H3L5H2L")
_LOCAL = struct.Struct("<4s5H3L2H")
_STORED, _DEFLATED = 0, 8
_ENCRYPTED = 0x1 | 0x40 | 0x2000
_FULL = 0xFFFFFFFF


class Entry(msgspec.Struct, frozen=True):
    """One line of the directory. ``size`` is what it claims."""

    name: str
    flags: int
    method: int
    crc: int
    packed: int
    size: int
    offset: int

    @property
    def is_folder(self) -> bool:
        """Whether it holds nothing by itself."""
        return self.name.endswith("/")


class Archive:
    """An open archive. ``entries`` gives the directory, ``read`` one entry's content.

    Raises InputError for what is no whole archive, LimitExceeded for one over the limits.
    """

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")
        try:
            self._size = os.fstat(self._file.fileno()).st_size
            self.count, self._directory = self._read_directory()
            self._refuse_overlaps()
        except BaseException:
            self._file.close()
            raise
        self._total = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def _at(self, offset: int, length: int) -> bytes:
        self._file.seek(offset)
        found = self._file.read(length)
        if len(found) != length:
            raise InputError("it ends in the middle of an entry")
        return found

    def _read_directory(self) -> tuple[int, bytes]:
        tail_size = min(self._size, _LONGEST_COMMENT + _END_SIZE + 20)
        start = self._size - tail_size
        tail = self._at(start, tail_size)
        found = tail.rfind(_END)
        if found < 0 or len(tail) - found < _END_SIZE:
            raise InputError(
                "no whole zip archive: its directory is missing",
                do="it was cut off; fetch it again",
            )
        end = start + found
        _, disk, first, _, count, size, offset, _ = struct.unpack_from("<4s4H2LH", tail, found)
        if 0xFFFF in (count, disk) or _FULL in (size, offset):
            count, size, offset, end = self._large(end, (count, size, offset))
            disk = first = 0
        if disk or first:
            raise InputError("an archive in several parts")
        if count > MAX_ENTRIES:
            raise LimitExceeded(f"{count:,} entries; at most {MAX_ENTRIES:,} are read")
        if size > MAX_DIRECTORY:
            raise LimitExceeded(f"a directory of {size >> 20} MiB")
        if offset + size > end:
            raise InputError("no whole zip archive: its directory lies outside of it")
        return count, self._at(offset, size)

    def _large(self, end: int, small: tuple[int, int, int]) -> tuple[int, int, int, int]:
        """Zip64, for more than 65,535 entries: APPNOTE 4.3.14 and 4.3.15."""
        if end < 20:
            return (*small, end)
        mark, _, place, _ = struct.unpack("<4sLQL", self._at(end - 20, 20))
        if mark != b"PK\6\7":
            return (*small, end)
        if place + 56 > end:
            raise InputError("no whole zip archive: its directory lies outside of it")
        found = struct.unpack("<4sQ2H2L4Q", self._at(place, 56))
        if found[0] != b"PK\6\6":
            raise InputError("no whole zip archive: its directory is damaged")
        return found[7], found[8], found[9], place

    def entries(self) -> Iterator[Entry]:
        """The directory, in its order. Raises InputError when it is damaged."""
        data, position, number = self._directory, 0, 0
        while position < len(data):
            if len(data) - position < _ENTRY.size or number >= MAX_ENTRIES:
                raise InputError("the directory of the archive is damaged")
            found = _ENTRY.unpack_from(data, position)
            if found[0] != b"PK\1\2":
                raise InputError("the directory of the archive is damaged")
            flags, method, crc, packed, size = found[3], found[4], found[7], found[8], found[9]
            named, more, comment, offset = found[10], found[11], found[12], found[16]
            position += _ENTRY.size
            name = data[position : position + named].decode("utf-8", "replace")
            extra = data[position + named : position + named + more]
            position += named + more + comment
            if _FULL in (packed, size, offset):
                size, packed, offset = _wide(extra, size, packed, offset)
            number += 1
            yield Entry(name, flags, method, crc, packed, size, offset)

    def _refuse_overlaps(self) -> None:
        packed = 0
        for entry in self.entries():
            packed += entry.packed + _LOCAL.size
            if packed > self._size:
                raise InputError("entries of the archive overlap: it is made to harm")

    def read(self, entry: Entry, limit: int) -> bytes:
        """The content, at most ``limit`` bytes. Raises InputError, LimitExceeded."""
        if entry.flags & _ENCRYPTED:
            raise InputError("it is encrypted")
        if entry.method not in (_STORED, _DEFLATED):
            raise InputError(f"it is packed in a way that is not known here ({entry.method})")
        if entry.packed > limit:
            raise LimitExceeded(f"more than {limit >> 20} MiB")
        if entry.offset + _LOCAL.size > self._size:
            raise InputError("it lies outside of the archive")
        head = _LOCAL.unpack(self._at(entry.offset, _LOCAL.size))
        if head[0] != b"PK\3\4":
            raise InputError("it is not where the directory says")
        packed = self._at(entry.offset + _LOCAL.size + head[9] + head[10], entry.packed)
        return self._checked(entry, _inflated(packed, entry.method, limit))

    def _checked(self, entry: Entry, data: bytes) -> bytes:
        self._total += len(data)
        if self._total > MAX_TOTAL:
            raise LimitExceeded(f"the archive holds more than {MAX_TOTAL >> 30} GiB")
        if len(data) != entry.size or zlib.crc32(data) != entry.crc:
            raise InputError("its content is not what the directory says (size or checksum)")
        return data


def _inflated(packed: bytes, method: int, limit: int) -> bytes:
    if method == _STORED:
        return packed
    opener = zlib.decompressobj(-15)
    try:
        data = opener.decompress(packed, limit + 1)
    except zlib.error as error:
        raise InputError(f"it cannot be unpacked: {error}") from None
    if len(data) > limit:
        raise LimitExceeded(f"more than {limit >> 20} MiB when unpacked")
    if not opener.eof:
        raise InputError("it is cut off")
    return data


def _wide(extra: bytes, size: int, packed: int, offset: int) -> tuple[int, int, int]:
    """Sizes over 4 GiB stand in an extra field (APPNOTE 4.5.3)."""
    position = 0
    while position + 4 <= len(extra):
        kind, length = struct.unpack_from("<2H", extra, position)
        if kind == 1:
            numbers = iter(
                struct.unpack(f"<{length // 8}Q", extra[position + 4 :][: length // 8 * 8])
            )
            size = next(numbers, size) if size == _FULL else size
            packed = next(numbers, packed) if packed == _FULL else packed
            offset = next(numbers, offset) if offset == _FULL else offset
            break
        position += 4 + length
    return size, packed, offset
