"""The reader's side of a BPF ring buffer: two counters and data that is mapped twice.

The kernel maps the data twice in a row, so a record that wraps around is still one piece. A
record starts with its length; two bits of it say "not finished yet" and "thrown away".
Layout: Documentation/bpf/ringbuf.rst.
"""

from __future__ import annotations

import ctypes
import mmap
import struct
from collections.abc import Callable
from typing import Any

BUSY, DISCARDED = 1 << 31, 1 << 30
HEAD_BYTES = 8

# native formats: one aligned load each, which a byte-wise "<Q" is not
_COUNTER = struct.Struct("Q")
_LENGTH = struct.Struct("I")


class Ring:
    """Reads records in order; ``take`` is the only method that is called often."""

    def __init__(self, consumer: Any, producer: Any, data: Any, size: int) -> None:
        if size & (size - 1):
            raise ValueError("a ring's size is a power of two")
        self._consumer, self._producer, self._data = consumer, producer, data
        self._place = ctypes.c_uint64.from_buffer(consumer)
        self._mask = size - 1
        self.damaged = False

    @classmethod
    def of_map(cls, fd: int, size: int) -> Ring:
        page = mmap.PAGESIZE
        consumer = mmap.mmap(fd, page, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)
        whole = mmap.mmap(fd, page + 2 * size, mmap.MAP_SHARED, mmap.PROT_READ, offset=page)
        producer = memoryview(whole)[:page]
        return cls(consumer, producer, memoryview(whole)[page:], size)

    def take(self, use: Callable[[Any, int, int], None], limit: int) -> int:
        """Give at most ``limit`` records to ``use(data, start, length)``; how many there were.

        A record is only valid during the call. When the counters make no sense the rest is
        skipped and ``damaged`` set.
        """
        data, mask = self._data, self._mask
        here = int(self._place.value)
        end = _COUNTER.unpack_from(self._producer)[0]
        if end - here > mask + 1 or end < here:
            self.damaged = True
            self._place.value = end
            return 0
        taken = 0
        while here < end and taken < limit:
            start = here & mask
            (length,) = _LENGTH.unpack_from(data, start)
            if length & BUSY:
                break
            size = length & ~DISCARDED
            here += (size + HEAD_BYTES + 7) & ~7
            if here > end:
                self.damaged = True
                here = end
                break
            if not length & DISCARDED:
                use(data, start + HEAD_BYTES, size)
                taken += 1
        self._place.value = here
        return taken

    def close(self) -> None:
        """Unmap; reading afterwards is a fault."""
        del self._place
        for view in (self._producer, self._data):
            if isinstance(view, memoryview):
                view.release()
        self._consumer = self._producer = self._data = None
