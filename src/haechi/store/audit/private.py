"""Values that may have to be erased, apart from the records: ``audit/private/``.

One file beside each segment. A value and its salt stand in one stretch of bytes that erasing
overwrites with zeros; what remains is the record's number, the value's name and length. It is
durable before its record is. (A file system that copies on write, and backups, may keep old
blocks: the guide says so.)
"""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import msgspec

from haechi.store import durable
from haechi.store.audit.entries import MOST_NAME, MOST_VALUE, SALT, Secret
from haechi.store.audit.tip import Place

_HEAD = struct.Struct("<QHI")
_CRC = struct.Struct("<I")
_HEAD_BYTES = _HEAD.size + _CRC.size
_MOST_NAME_BYTES = MOST_NAME * 4
_PART = 256 << 10


class Kept(msgspec.Struct, frozen=True):
    """One value in the file. ``secret`` is None once it was erased; ``start`` and ``end`` are
    the bytes that hold it, ``begin`` is where its head stands."""

    seq: int
    name: str
    secret: Secret | None
    begin: int
    start: int
    end: int


def private_name(segment: int) -> str:
    """The file beside a segment."""
    return f"private-{segment:08d}.log"


def encode(seq: int, secret: Secret) -> bytes:
    """The bytes of one value."""
    name, value = secret.name.encode(), secret.value.encode()
    head = _HEAD.pack(seq, len(name), len(value))
    return b"".join((head, _CRC.pack(zlib.crc32(head + name)), name, b"\x01", secret.salt, value))


def decode(data: bytes, offset: int = 0) -> Iterator[Kept]:
    """Values from ``offset`` of the file's bytes on; ends at what does not hold."""
    at = offset
    while at + _HEAD_BYTES <= len(data):
        seq, name_length, length = _HEAD.unpack_from(data, at)
        name_at = at + _HEAD_BYTES
        start = name_at + name_length
        end = start + 1 + SALT + length
        raw = data[name_at:start]
        (crc,) = _CRC.unpack_from(data, at + _HEAD.size)
        sizes = name_length <= _MOST_NAME_BYTES and length <= MOST_VALUE
        if not sizes or end > len(data) or crc != zlib.crc32(data[at : at + _HEAD.size] + raw):
            return
        yield Kept(
            seq, raw.decode("utf-8", "replace"), _secret(raw, data[start:end]), at, start, end
        )
        at = end


def _secret(name: bytes, kept: bytes) -> Secret | None:
    if kept[0] != 1:
        return None
    value = kept[1 + SALT :].decode("utf-8", "replace")
    return Secret(name.decode("utf-8", "replace"), kept[1 : 1 + SALT], value)


def read(folder: Path, place: Place, first: int, stop: int) -> Iterator[tuple[Path, Kept]]:
    """Values of the records ``first`` up to ``stop``, with the file they lie in, from the place
    of a block on."""
    last = max((int(path.stem[8:]) for path in folder.glob("private-????????.log")), default=-1)
    offset = place.private
    for number in range(place.segment, last + 1):
        path = folder / private_name(number)
        for kept in values(path, offset):
            if kept.seq >= stop:
                return
            if kept.seq >= first:
                yield path, kept
        offset = 0


def values(path: Path, offset: int = 0) -> Iterator[Kept]:
    """Values of a file from a byte on, read a part at a time; nothing when there is no file."""
    try:
        stream = path.open("rb")
    except FileNotFoundError:
        return
    with stream:
        stream.seek(offset)
        data = b""
        while more := stream.read(_PART):
            data += more
            end = 0
            for kept in decode(data):
                end = kept.end
                yield _moved(kept, offset)
            data, offset = data[end:], offset + end


def _moved(kept: Kept, by: int) -> Kept:
    return Kept(kept.seq, kept.name, kept.secret, kept.begin + by, kept.start + by, kept.end + by)


class Cursor:
    """Walks the files once, to tell where the values of a growing number begin."""

    def __init__(self, folder: Path, place: Place) -> None:
        self._folder = folder
        self._segment = place.segment
        self._offset = place.private
        self._rest = values(folder / private_name(place.segment), place.private)
        self._ahead: Kept | None = None

    def offset(self, segment: int, seq: int) -> int:
        """The byte at which values of record ``seq`` or later begin in a segment's file."""
        if segment != self._segment:
            self._segment, self._offset, self._ahead = segment, 0, None
            self._rest = values(self._folder / private_name(segment))
        while True:
            kept = self._ahead or next(self._rest, None)
            self._ahead = kept
            if kept is None or kept.seq >= seq:
                return self._offset
            self._offset, self._ahead = kept.end, None


def erase(path: Path, kept: Kept) -> None:
    """Overwrite salt and value with zeros, durably."""
    handle = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        os.pwrite(handle, bytes(kept.end - kept.start), kept.start)
        os.fsync(handle)
    finally:
        os.close(handle)


class Asked(msgspec.Struct, frozen=True):
    """A redaction that was begun."""

    seq: int
    name: str
    by: str


def note(path: Path, seq: int, name: str, by: str) -> None:
    """Write down, durably, that a redaction begins, so that a crash cannot leave half of it."""
    durable.write(path, msgspec.json.encode(Asked(seq, name, by)), over=True)


def noted(path: Path) -> Asked | None:
    """The redaction that was begun, if its note is whole."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=Asked)
    except (FileNotFoundError, msgspec.DecodeError):
        return None
