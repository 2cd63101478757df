"""The ``bpf(2)`` system call by ctypes: maps, programs, attaching. No library, no compiler.

Each function is one command of the call; the structures are packed by hand since the kernel
takes any prefix of ``union bpf_attr``. File descriptors are plain ints with close-on-exec (the
kernel sets it); whoever creates one closes it, and when the process dies the kernel detaches and
frees everything, for nothing is ever pinned.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
from collections.abc import Callable
from typing import TypeAlias

from haechi.errors import SensorError

SYSCALLS = {"x86_64": 321, "aarch64": 280}
"""The number of ``bpf`` per machine."""

PROGRAMS, PER_CPU_ARRAY, LRU_HASH, LPM_TRIE, RING = 3, 6, 9, 11, 27
NO_PREALLOCATION = 1
RAW_TRACEPOINT, TRACING = 17, 26
"""Program types."""
BTF_RAW_TRACEPOINT = 23
"""The attach type of TRACING that needs no trampoline."""

# the licence of the loaded programs: most helpers that read memory are for GPL-compatible ones
LICENCE = b"Dual BSD/GPL\0"
LOG_BYTES = 1 << 20

_CREATE_MAP, _LOOKUP, _UPDATE, _DELETE, _LOAD = 0, 1, 2, 3, 5
_TEST_RUN, _INFO, _OPEN_TRACEPOINT = 10, 15, 17


class BpfError(OSError):
    """A command of ``bpf(2)`` failed; ``log`` is what the verifier said, if anything."""

    def __init__(self, number: int, what: str, log: str = "") -> None:
        super().__init__(number, f"{what}: {os.strerror(number)}")
        self.log = log


Buffer: TypeAlias = "ctypes.Array[ctypes.c_char]"
Call: TypeAlias = Callable[[int, Buffer], int]
"""(command, attributes) → result, or a negative errno. The kernel may write into the attributes."""


def system_call(machine: str = "") -> Call:
    """The real ``bpf(2)``; SensorError on a machine whose number of it is not known."""
    number = SYSCALLS.get(machine or platform.machine())
    if number is None:
        raise SensorError(
            f"no eBPF on a {machine or platform.machine()} machine",
            why="its system call number is not known to haechi",
            do="use the audit stream: haechi sensor --way audit",
        )
    libc = ctypes.CDLL(None, use_errno=True)
    entry = libc.syscall
    entry.restype = ctypes.c_long
    entry.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_long]

    def call(command: int, attributes: Buffer) -> int:
        place, size = ctypes.addressof(attributes), len(attributes)
        # EAGAIN: the verifier gave way to a signal
        for _ in range(8):
            result = int(entry(number, command, place, size))
            if result >= 0 or ctypes.get_errno() not in (errno.EAGAIN, errno.EINTR):
                break
        return result if result >= 0 else -ctypes.get_errno()

    return call


class Bpf:
    """The commands, over one ``call`` (tests give their own)."""

    def __init__(self, call: Call | None = None) -> None:
        self._call = call or system_call()

    def create_map(
        self, type: int, key: int, value: int, entries: int, *, name: str = "", flags: int = 0
    ) -> int:
        attributes = struct.pack("=IIIIIII16s", type, key, value, entries, flags, 0, 0, _name(name))
        return self._checked(_CREATE_MAP, attributes, f"creating the map {name}")

    def update(self, fd: int, key: bytes, value: bytes) -> None:
        key_, value_ = _held(key), _held(value)
        self._element(_UPDATE, fd, key_, value_, "writing into a map")

    def delete(self, fd: int, key: bytes) -> bool:
        """False when there was none."""
        key_ = _held(key)
        attributes = struct.pack("=IIQQQ", fd, 0, ctypes.addressof(key_), 0, 0)
        result = self._call(_DELETE, _held(attributes))
        if result < 0 and result != -errno.ENOENT:
            raise BpfError(-result, "deleting from a map")
        return result >= 0

    def lookup(self, fd: int, key: bytes, size: int) -> bytes:
        key_, value = _held(key), ctypes.create_string_buffer(size)
        self._element(_LOOKUP, fd, key_, value, "reading from a map")
        return value.raw

    def load(
        self, code: bytes, *, name: str, type: int = TRACING, attach: int = 0, target: int = 0
    ) -> int:
        """Load a program; ``target`` is the BTF id that it will be attached to.

        BpfError carries the verifier's log (asked for only after a failure: it is slow).
        """
        result = self._load(code, name, type, attach, target, None)
        if result >= 0:
            return result
        log = ctypes.create_string_buffer(LOG_BYTES)
        again = self._load(code, name, type, attach, target, log)
        if again >= 0:
            return again
        text = log.value.decode("utf-8", "replace")
        raise BpfError(-again, f"loading the program {name}", text)

    def attach(self, program: int) -> int:
        """Attach a TRACING program to the target it was loaded for; the fd holds it there."""
        attributes = struct.pack("=QII", 0, program, 0)
        return self._checked(_OPEN_TRACEPOINT, attributes, "attaching a program")

    def run(self, program: int) -> int:
        """Run a RAW_TRACEPOINT program once without arguments; its 32-bit result."""
        held = _held(struct.pack("=I76x", program))
        result = self._call(_TEST_RUN, held)
        if result < 0:
            raise BpfError(-result, "running a program")
        return int(struct.unpack_from("=I", held.raw, 4)[0])

    def misses(self, program: int) -> int:
        """How often a program was skipped because it ran already on that processor."""
        information = ctypes.create_string_buffer(256)
        attributes = struct.pack("=IIQ", program, 256, ctypes.addressof(information))
        if self._call(_INFO, _held(attributes)) < 0:
            return 0
        return int(struct.unpack_from("=Q", information.raw, 208)[0])

    def _load(
        self,
        code: bytes,
        name: str,
        type: int,
        attach: int,
        target: int,
        log: Buffer | None,
    ) -> int:
        instructions, licence = _held(code), _held(LICENCE)
        attributes = struct.pack(
            "=IIQQIIQII16sIIIIQIIQII",
            type,
            len(code) // 8,
            ctypes.addressof(instructions),
            ctypes.addressof(licence),
            1 if log else 0,
            len(log) if log else 0,
            ctypes.addressof(log) if log else 0,
            0,
            0,
            _name(name),
            0,
            attach,
            *(0, 0, 0, 0, 0, 0, 0),
            target,
        )
        return self._call(_LOAD, _held(attributes))

    def _element(
        self,
        command: int,
        fd: int,
        key: Buffer,
        value: Buffer,
        what: str,
    ) -> None:
        attributes = struct.pack("=IIQQQ", fd, 0, ctypes.addressof(key), ctypes.addressof(value), 0)
        self._checked(command, attributes, what)

    def _checked(self, command: int, attributes: bytes, what: str) -> int:
        result = self._call(command, _held(attributes))
        if result < 0:
            raise BpfError(-result, what)
        return result


def _held(content: bytes) -> Buffer:
    """Bytes at an address of their own, for as long as the result is kept."""
    return ctypes.create_string_buffer(content, len(content))


def _name(name: str) -> bytes:
    # the kernel takes letters, digits, "_" and "."; 15 of them
    return name.encode("ascii", "replace")[:15]
