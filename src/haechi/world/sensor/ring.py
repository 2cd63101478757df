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
    """Reads records in order; ``take`` is the only method that is called often.

    ``data`` gives bytes when sliced; the ring's data begins at ``base`` in it, the producer's
    counter at 0.
    """

    def __init__(self, consumer: Any, data: Any, base: int, size: int) -> None:
        if size & (size - 1):
            raise ValueError("a ring's size is a power of two")
        self._consumer, self._data, self._base = consumer, data, base
        self._place = ctypes.c_uint64.from_buffer(consumer)
        self._mask = size - 1
        self.damaged = 0

    @classmethod
    def of_map(cls, fd: int, size: int) -> Ring:
        page = mmap.PAGESIZE
        consumer = mmap.mmap(fd, page, mmap.MAP_SHARED, mmap.PROT_READ | mmap.PROT_WRITE)
        data = mmap.mmap(fd, page + 2 * size, mmap.MAP_SHARED, mmap.PROT_READ, offset=page)
        return cls(consumer, data, page, size)

    def take(self, use: Callable[[bytes], None], limit: int) -> int:
        """Give at most ``limit`` records to ``use``; how many there were.

        When the counters or a length make no sense the rest is skipped and ``damaged`` counts.
        """
        data, mask, base = self._data, self._mask, self._base
        here = int(self._place.value)
        end = _COUNTER.unpack_from(data, 0)[0]
        if end - here > mask + 1 or end < here:
            self.damaged += 1
            self._place.value = end
            return 0
        length_of = _LENGTH.unpack_from
        taken = 0
        while here < end and taken < limit:
            start = base + (here & mask)
            (length,) = length_of(data, start)
            if length & BUSY:
                break
            size = length & ~DISCARDED
            here += (size + HEAD_BYTES + 7) & ~7
            if here > end:
                self.damaged += 1
                here = end
                break
            if length == size:
                start += HEAD_BYTES
                use(data[start : start + size])
                taken += 1
        self._place.value = here
        return taken

    def close(self) -> None:
        """Unmap; reading afterwards is a fault."""
        del self._place
        for mapped in (self._consumer, self._data):
            if isinstance(mapped, mmap.mmap):
                mapped.close()
