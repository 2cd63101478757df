"""Protobuf messages as lists of fields, to be read, changed and written again.

Only what the CEL library's serialised form needs: fields keep their order, and those that are not
looked at are written back as they came (encoding: protobuf.dev, "Encoding").
"""

from __future__ import annotations

from collections.abc import Callable

Value = int | bytes
_Fixed = tuple[int, bytes]
_FIXED = {1: 8, 5: 4}


class Malformed(ValueError):
    """Bytes are no message, or a field is not there."""


class Fields:
    """The fields of one message: numbers with an integer or bytes each."""

    __slots__ = ("items",)

    def __init__(self, items: list[tuple[int, Value | _Fixed]]) -> None:
        self.items = items

    def has(self, number: int) -> bool:
        """Whether the field is there."""
        return any(found == number for found, _ in self.items)

    def blob(self, number: int) -> bytes:
        """The field's bytes, the last of them; empty when it is not there."""
        found = self.blobs(number)
        return found[-1] if found else b""

    def blobs(self, number: int) -> list[bytes]:
        """All values of a repeated field."""
        return [value for found, value in self.items if found == number and type(value) is bytes]

    def number(self, number: int) -> int:
        """The field's integer; 0 when it is not there."""
        found = [value for key, value in self.items if key == number and type(value) is int]
        return found[-1] if found else 0

    def put(self, number: int, value: bytes) -> Fields:
        """With other bytes in a field that is there."""
        return Fields([(key, value if key == number else old) for key, old in self.items])

    def each(self, number: int, change: Callable[[bytes], bytes]) -> Fields:
        """With every value of a field changed."""
        return Fields(
            [
                (key, change(value) if key == number and type(value) is bytes else value)
                for key, value in self.items
            ]
        )


def decode(raw: bytes) -> Fields:
    """Read a message. Raises Malformed."""
    items: list[tuple[int, Value | _Fixed]] = []
    place = 0
    while place < len(raw):
        tag, place = _varint(raw, place)
        number, kind = tag >> 3, tag & 7
        if kind == 0:
            value, place = _varint(raw, place)
            items.append((number, value))
            continue
        if kind == 2:
            size, place = _varint(raw, place)
        elif kind in _FIXED:
            size = _FIXED[kind]
        else:
            raise Malformed(f"wire type {kind}")
        if place + size > len(raw):
            raise Malformed("cut short")
        blob = raw[place : place + size]
        items.append((number, blob if kind == 2 else (kind, blob)))
        place += size
    return Fields(items)


def encode(fields: Fields) -> bytes:
    """Write a message."""
    out = bytearray()
    for number, value in fields.items:
        if isinstance(value, int):
            _put(out, number << 3)
            _put(out, value & (2**64 - 1))
        elif isinstance(value, bytes):
            _put(out, number << 3 | 2)
            _put(out, len(value))
            out += value
        else:
            _put(out, number << 3 | value[0])
            out += value[1]
    return bytes(out)


def text_of(raw: bytes) -> str:
    """Bytes as text; what is not UTF-8 equals no name that is looked for."""
    return raw.decode("utf-8", "replace")


def _put(out: bytearray, value: int) -> None:
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)


def _varint(raw: bytes, place: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if place >= len(raw):
            break
        byte = raw[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place
    raise Malformed("cut short")
