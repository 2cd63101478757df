"""Opens, removes and connects through io_uring, by ctypes: ``python acts_ring.py DIRECTORY``.

Exits with 77 where no ring can be set up.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import socket
import struct
import sys
from pathlib import Path

SETUP, ENTER = 425, 426
OPENAT, UNLINKAT, RENAMEAT, CONNECT = 18, 36, 35, 16
AT_FDCWD = -100


class Ring:
    def __init__(self) -> None:
        self._libc = ctypes.CDLL(None, use_errno=True)
        parameters = ctypes.create_string_buffer(120)
        self._fd = self._libc.syscall(SETUP, 8, parameters)
        if self._fd < 0:
            sys.exit(77)
        offsets = struct.unpack_from("=10I", parameters.raw, 40)
        _, self._tail, _, _, _, _, self._array, *_ = offsets
        self._queue = mmap.mmap(self._fd, 4096, offset=0)
        self._entries = mmap.mmap(self._fd, 4096, offset=0x10000000)
        self._count = 0

    def ask(self, code: int, fd: int, address: int, length: int, offset: int, flags: int) -> None:
        """One request, waited for."""
        place = self._count % 8
        entry = struct.pack("=BBHiQQII", code, 0, 0, fd, offset, address, length, flags)
        self._entries[place * 64 : place * 64 + 64] = entry.ljust(64, b"\0")
        struct.pack_into("=I", self._queue, self._array + place * 4, place)
        self._count += 1
        struct.pack_into("=I", self._queue, self._tail, self._count)
        # Answers are never taken out of the queue: as many as were asked for stand in it.
        assert self._libc.syscall(ENTER, self._fd, 1, self._count, 1, 0, 0) == 1


def main(place: Path) -> None:
    os.chdir(place)
    ring = Ring()
    kept = [ctypes.create_string_buffer(name.encode()) for name in ("first", "second")]
    first, second = (ctypes.addressof(each) for each in kept)
    ring.ask(OPENAT, AT_FDCWD, first, 0, 0, os.O_RDONLY)
    ring.ask(RENAMEAT, AT_FDCWD, first, AT_FDCWD & 0xFFFFFFFF, second, 0)
    ring.ask(UNLINKAT, AT_FDCWD, second, 0, 0, 0)
    with socket.socket() as one:
        raw = struct.pack("=H", socket.AF_INET) + struct.pack(">H", 9) + bytes([127, 0, 0, 1])
        target = ctypes.create_string_buffer(raw.ljust(16, b"\0"), 16)
        ring.ask(CONNECT, one.fileno(), ctypes.addressof(target), 0, 16, 0)
    assert not Path("second").exists()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
