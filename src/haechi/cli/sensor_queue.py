"""Events that wait to be sent: packed at once, so that a long queue is a small one.

Events of a process repeat most of what is known of it, so zstd makes a tenth to a hundredth of
them for a microsecond each; the server takes several frames in one body, so a request is made by
putting frames together, without packing anything again. Bounded by events and by bytes as they
are kept. Thread-safe: one thread puts, another takes.
"""

from __future__ import annotations

import threading
from collections import deque

import msgspec
import zstandard

FRAME = 200
"""Events that are packed together."""
_FRAME_BYTES = 1 << 20
MOST_EVENTS, MOST_BYTES = 400_000, 64 << 20
BEHIND = 20_000
"""With so many that wait, the server is behind: what matters overtakes the others."""
_LEVEL = 1


class Part(msgspec.Struct, frozen=True):
    """A frame: ``count`` events that are ``size`` bytes of lines; each ends with a line break."""

    packed: bytes
    count: int
    size: int


class Queue:
    """Frames in order, and the lines of the frame that is being filled."""

    def __init__(self, most_events: int = MOST_EVENTS, most_bytes: int = MOST_BYTES) -> None:
        self._most_events, self._most_bytes = most_events, most_bytes
        self._pack = zstandard.ZstdCompressor(level=_LEVEL).compress
        self._lock = threading.Lock()
        self._parts: deque[Part] = deque()
        self._lines: list[bytes] = []
        self._line_bytes = 0
        self._first: list[bytes] = []
        self._events = 0
        self._bytes = 0

    def __len__(self) -> int:
        """Events that wait."""
        return self._events

    @property
    def behind(self) -> bool:
        """So much waits that it matters what goes first."""
        return self._events > BEHIND or self.pressed

    @property
    def pressed(self) -> bool:
        """More than half full."""
        return self._events * 2 > self._most_events or self._bytes * 2 > self._most_bytes

    def put(self, line: bytes, *, first: bool = False) -> bool:
        """Take an event, ``first`` to overtake what waits; False when there is no room."""
        with self._lock:
            waiting = self._bytes + self._line_bytes
            if self._events >= self._most_events or waiting + len(line) > self._most_bytes:
                return False
            self._events += 1
            self._line_bytes += len(line) + 1
            if first:
                self._first.append(line)
                return True
            self._lines.append(line)
            if len(self._lines) >= FRAME or self._line_bytes >= _FRAME_BYTES:
                self._close_frame()
        return True

    def take(self, most_events: int, most_bytes: int) -> list[Part]:
        """Frames of at most so many events and bytes of lines; at least one, if any is there."""
        taken: list[Part] = []
        events = size = 0
        with self._lock:
            self._overtake()
            if not self._parts:
                self._close_frame()
            while self._parts:
                first = self._parts[0]
                events, size = events + first.count, size + first.size
                if taken and (events > most_events or size > most_bytes):
                    break
                taken.append(self._parts.popleft())
            self._count(taken, -1)
        return taken

    def put_back(self, parts: list[Part]) -> None:
        """They were not sent after all. There is always room for them."""
        with self._lock:
            self._parts.extendleft(reversed(parts))
            self._count(parts, 1)

    def _count(self, parts: list[Part], sign: int) -> None:
        for part in parts:
            self._events += sign * part.count
            self._bytes += sign * len(part.packed)

    def _overtake(self) -> None:
        if self._first:
            self._parts.appendleft(self._packed(self._first))
            self._first = []

    def _close_frame(self) -> None:
        if self._lines:
            self._parts.append(self._packed(self._lines))
            self._lines = []

    def _packed(self, lines: list[bytes]) -> Part:
        raw = b"\n".join([*lines, b""])
        part = Part(self._pack(raw), len(lines), len(raw))
        self._bytes += len(part.packed)
        self._line_bytes -= len(raw)
        return part


def body(parts: list[Part]) -> bytes:
    """One body, packed with zstd."""
    return b"".join([part.packed for part in parts])


def packed(raw: bytes) -> bytes:
    """A body of lines."""
    return zstandard.ZstdCompressor(level=_LEVEL).compress(raw)


def lines(parts: list[Part]) -> bytes:
    """The events as they were."""
    unpack = zstandard.ZstdDecompressor().decompress
    return b"".join([unpack(part.packed) for part in parts]).rstrip(b"\n")
