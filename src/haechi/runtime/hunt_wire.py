"""What a hunt and its children say to each other: frames of MessagePack with their length before.

The children hold no store and no token: they are given rules, the folder of sealed events, and
hot rows by value, and answer with what would have fired.
"""

from __future__ import annotations

import struct
from typing import BinaryIO

import msgspec

from haechi.model.access import Reach
from haechi.store.events.hunting import FilePart, RowsPart
from haechi.store.events.shapes import EventFilter

LARGEST = 512 << 20
_LENGTH = struct.Struct("<I")
_encoder = msgspec.msgpack.Encoder()


class Setup(msgspec.Struct, frozen=True, kw_only=True):
    """The rules and what is asked. ``texts`` are (name, text) of rule files; ``wanted`` are
    (source, name) of the rules to run, of those and, with ``builtin``, of our own pack."""

    texts: list[tuple[str, str]]
    builtin: bool
    wanted: list[tuple[str, str]]
    folder: str
    ask: EventFilter
    within: list[Reach]


class Work(msgspec.Struct, frozen=True, kw_only=True):
    """One part of the events. At most ``limit`` matches are told, the newest; all are counted."""

    part: FilePart | RowsPart
    limit: int


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What a part held. ``matches`` are JSON documents, newest first; ``fault`` says why it could
    not be read."""

    scanned: int = 0
    counts: dict[str, int] = {}
    matches: list[bytes] = []
    faults: int = 0
    fault: str = ""


def send(stream: BinaryIO, value: Setup | Work | Found) -> None:
    """Write a frame."""
    frame = _encoder.encode(value)
    stream.write(_LENGTH.pack(len(frame)) + frame)
    stream.flush()


def receive(stream: BinaryIO) -> bytes | None:
    """The next frame; None at the end."""
    head = stream.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    size = _LENGTH.unpack(head)[0]
    if size > LARGEST:
        return None
    frame = stream.read(size)
    return frame if len(frame) == size else None
