"""How records lie in a segment file. Bytes in, bytes out; little-endian.

A segment begins with a header (number, first record, log). Then come frames of at most BLOCK
records, none across a multiple of BLOCK, so that every block of the tree begins a frame. A frame
names the first record of its group: what one fsync made durable together. So a damaged frame
can be told from a write that a crash tore: after the torn one nothing of a later group stands.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

import msgspec

BLOCK = 256
MAGIC = b"HAECHIA1"
MARK = b"\x1eHF\x01"
"""Opens a frame. Canonical JSON holds no control character, so no record can hold this."""
_SEGMENT = struct.Struct("<8sIQ8s")
_FRAME = struct.Struct("<4sQQII")
_RECORD = struct.Struct("<II")
_CRC = struct.Struct("<I")
SEGMENT_BYTES = _SEGMENT.size + _CRC.size
FRAME_BYTES = _FRAME.size + _CRC.size
RECORD_BYTES = _RECORD.size


class Damaged(Exception):
    """The bytes at ``offset`` are not what stands here by the format."""

    def __init__(self, what: str, offset: int) -> None:
        super().__init__(what)
        self.what = what
        self.offset = offset


class Frame(msgspec.Struct, frozen=True):
    """A frame whose header holds. ``offset`` is where it begins, ``end`` where it ends."""

    first: int
    group: int
    count: int
    offset: int
    end: int


def segment_name(number: int) -> str:
    """The file of a segment."""
    return f"segment-{number:08d}.log"


def segment_header(number: int, first: int, log: str) -> bytes:
    """The beginning of a segment file; ``log`` are 16 hexadecimal digits."""
    raw = _SEGMENT.pack(MAGIC, number, first, bytes.fromhex(log))
    return raw + _CRC.pack(zlib.crc32(raw))


def read_segment_header(data: bytes) -> tuple[int, int, str]:
    """Number, first record and log. Raises Damaged."""
    raw = data[: _SEGMENT.size]
    if len(data) < SEGMENT_BYTES or data[: len(MAGIC)] != MAGIC:
        raise Damaged("this is no segment of an audit log", 0)
    if _CRC.unpack_from(data, _SEGMENT.size)[0] != zlib.crc32(raw):
        raise Damaged("the header of the segment was changed", 0)
    _, number, first, log = _SEGMENT.unpack(raw)
    return number, first, log.hex()


def frame_header(first: int, group: int, count: int, length: int) -> bytes:
    """The header of a frame with ``length`` bytes of records."""
    raw = _FRAME.pack(MARK, first, group, count, length)
    return raw + _CRC.pack(zlib.crc32(raw))


def record_header(record: bytes) -> bytes:
    """What stands before a record."""
    return _RECORD.pack(len(record), zlib.crc32(record))


def read_frame(data: bytes, offset: int) -> Frame:
    """The frame that begins at ``offset`` of ``data``. Raises Damaged, also when it is cut."""
    if len(data) < offset + FRAME_BYTES:
        raise Damaged("a frame is cut off", offset)
    raw = data[offset : offset + _FRAME.size]
    mark, first, group, count, length = _FRAME.unpack(raw)
    if mark != MARK or _CRC.unpack_from(data, offset + _FRAME.size)[0] != zlib.crc32(raw):
        raise Damaged("no frame begins here", offset)
    end = offset + FRAME_BYTES + length
    if len(data) < end:
        raise Damaged("a frame is cut off", offset)
    if not 0 < count <= BLOCK or group > first:
        raise Damaged("the header of a frame makes no sense", offset)
    return Frame(first, group, count, offset, end)


def records(data: bytes, frame: Frame) -> Iterator[bytes]:
    """The records of a frame. Raises Damaged at the first that does not hold."""
    at = frame.offset + FRAME_BYTES
    for _ in range(frame.count):
        if at + RECORD_BYTES > frame.end:
            raise Damaged("a record does not fit into its frame", at)
        length, crc = _RECORD.unpack_from(data, at)
        record = data[at + RECORD_BYTES : at + RECORD_BYTES + length]
        if at + RECORD_BYTES + length > frame.end or zlib.crc32(record) != crc:
            raise Damaged("a record does not match its checksum", at)
        yield record
        at += RECORD_BYTES + length
    if at != frame.end:
        raise Damaged("bytes are left over in a frame", at)
