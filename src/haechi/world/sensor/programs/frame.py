"""What every program has: head of the record, appending, sending, counting what is lost.

A record is built in a per-processor scratch value and copied into the ring in one piece, so its
size may vary. Tracepoint programs run with preemption off: one scratch per processor is enough.

Registers in every program: R6 the tracepoint's arguments (``pt_regs`` in a system call), R7 the
scratch, R8 where the next bytes go, R9 the call's result.
"""

from __future__ import annotations

import struct

from haechi.world.sensor.assembler import (
    R0,
    R1,
    R2,
    R3,
    R4,
    R6,
    R7,
    R8,
    R9,
    R10,
    Assembler,
    AssemblyError,
)
from haechi.world.sensor.kernel import Kernel
from haechi.world.sensor.programs.numbers import LIMIT

MAP_LOOKUP, TAIL_CALL, PID_TGID, COMM, CGROUP_ID = 1, 12, 14, 16, 80
READ_USER, READ_KERNEL, READ_USER_TEXT, READ_KERNEL_TEXT = 112, 113, 114, 115
BOOT_TIME, RING_OUTPUT, RING_QUERY, CURRENT_TASK = 125, 130, 134, 158
MAP_UPDATE = 2
NO_WAKEUP, FORCE_WAKEUP = 1, 2

# ts, kind, flags, tgid<<32|tid, uid, gid, ret, cgroup, ppid, mount ns, vpid, loginuid, comm
HEAD = struct.Struct("=QIIQIIqQIIIi16s")
TEXT_BYTES = 4096
"""The longest text, with its NUL."""

RECORD_BYTES = 24_832
"""Fixed part and texts of the largest record."""
WALK = RECORD_BYTES + 8
"""Where a path is built, backwards from WALK + WALK_BYTES; the 4 bytes before it are its key's."""
WALK_BYTES = 4096
SETTLE = WALK - 8
"""Four bytes for values that only pass through memory."""
SCRATCH_BYTES = WALK + WALK_BYTES + 264

WATCHED, QUIET = 1, 2
"""Verdicts of the trie of prefixes."""
KEY_TEXT = 252
"""How much of a path the trie sees; a key has 4 bytes more."""

# flags of a record
CUT_PATH, UNREADABLE = 1, 2

# stack, from the frame pointer down
SLOT_THREAD = -8
SLOT_KEY = -16
SLOT_A, SLOT_B, SLOT_C, SLOT_D = -24, -32, -40, -48
SLOT_PATH = -64
SLOT_WIDE = -128
"""64 bytes"""


class Maps:
    """File descriptors of the maps that programs refer to."""

    def __init__(self, *, ring: int, scratch: int, lost: int, watch: int, recent: int) -> None:
        self.ring = ring
        self.scratch = scratch
        self.lost = lost
        self.watch = watch
        self.recent = recent


class Frame(Assembler):
    """An assembler that knows the record: programs are written with its methods."""

    def __init__(
        self,
        kernel: Kernel,
        maps: Maps,
        kind: int | None,
        *,
        own: int,
        watermark: int,
        narrow: bool = False,
    ) -> None:
        """``kind`` None stands for the number of the system call in R6.

        ``narrow`` is for calls of 32-bit programs: other registers, half as wide, and kinds
        that begin at LIMIT.
        """
        super().__init__()
        self.kernel = kernel
        self.maps = maps
        self.kind = kind
        self.own = own
        self.watermark = watermark
        self.narrow = narrow
        self.functions: set[str] = set()
        self._ceiling = 0

    # beginnings
    def start_call(self) -> None:
        """Take the arguments of ``sys_exit``; leave when it is our own process."""
        self.load(8, R9, R1, 8)
        self.load(8, R6, R1, 0)
        self.leave_own()

    def leave_own(self) -> None:
        self.call(PID_TGID)
        self.store(8, R10, SLOT_THREAD, R0)
        self.compute(R0, ">>", 32)
        self.jump_if(R0, "==", self.own, "out")

    def argument(self, target: int, index: int, *, bits: int = 64) -> None:
        self.load(8, target, R6, self.kernel.argument(index, narrow=self.narrow))
        if bits == 32 or self.narrow:
            self.low32(target)

    def take_scratch(self) -> None:
        """R7 = this processor's scratch."""
        self.store_value(4, R10, SLOT_KEY, 0)
        self.load_map(R1, self.maps.scratch)
        self.move(R2, R10)
        self.compute(R2, "+", SLOT_KEY)
        self.call(MAP_LOOKUP)
        self.jump_if(R0, "==", 0, "out")
        self.move(R7, R0)
        self.store_value(4, R7, 12, 0)

    def head(self, fixed: int) -> None:
        """Fill the head and let R8 point behind ``fixed`` bytes of fields."""
        kernel = self.kernel
        self.call(BOOT_TIME)
        self.store(8, R7, 0, R0)
        if self.kind is None:
            self.load(4, R1, R6, kernel.call_number)
            if self.narrow:
                self.compute(R1, "+", LIMIT)
            self.store(4, R7, 8, R1)
        else:
            self.store_value(4, R7, 8, self.kind)
        self.load(8, R1, R10, SLOT_THREAD)
        self.store(8, R7, 16, R1)
        self.store(8, R7, 32, R9)
        self.call(CGROUP_ID)
        self.store(8, R7, 40, R0)
        self.move(R1, R7)
        self.compute(R1, "+", 64)
        self.set(R2, 16)
        self.call(COMM)
        self.call(CURRENT_TASK)
        self.load(8, R1, R0, kernel["task_struct.cred"])
        for place, field in ((24, "euid"), (28, "egid")):
            self.load(4, R2, R1, kernel[f"cred.{field}"])
            self.store(4, R7, place, R2)
        self._of_task()
        self.set(R8, HEAD.size + fixed)
        self._ceiling = HEAD.size + fixed

    def _of_task(self) -> None:
        """Parent, mount namespace, pid in its namespace and login id of the task in R0."""
        kernel = self.kernel
        self.load(8, R1, R0, kernel["task_struct.real_parent"])
        self.load(4, R2, R1, kernel["task_struct.tgid"])
        self.store(4, R7, 48, R2)
        self.load(8, R1, R0, kernel["task_struct.nsproxy"])
        self.load(8, R1, R1, kernel["nsproxy.mnt_ns"])
        self.load(4, R2, R1, kernel["mnt_namespace.ns.inum"])
        self.store(4, R7, 52, R2)
        if kernel.has("task_struct.loginuid"):
            self.load(4, R2, R0, kernel["task_struct.loginuid"])
            self.store(4, R7, 60, R2)
        else:
            self.store_value(4, R7, 60, -1)
        self._inner_pid()

    def _inner_pid(self) -> None:
        kernel = self.kernel
        done, inner = self.fresh("pid"), self.fresh("inner")
        self.load(8, R1, R0, kernel["task_struct.group_leader"])
        self.load(4, R2, R0, kernel["task_struct.tgid"])
        self.load(8, R3, R1, kernel["task_struct.thread_pid"])
        self.load(4, R4, R3, kernel["pid.level"])
        self.store(4, R7, 56, R2)
        self.jump_if(R4, "==", 0, done)
        self.label(inner)
        # numbers[level].nr; read by address since the index varies
        self.store(8, R10, SLOT_A, R4)
        self.move(R3, R1)
        self.compute(R3, "+", kernel["task_struct.thread_pid"])
        self.read_kernel(SLOT_B, 8)
        self.load(8, R3, R10, SLOT_B)
        self.load(8, R4, R10, SLOT_A)
        self.compute(R4, "*", kernel.size("upid"))
        self.combine(R3, "+", R4)
        self.compute(R3, "+", kernel["pid.numbers"] + kernel["upid.nr"])
        self.read_kernel(SLOT_B, 4)
        self.load(4, R1, R10, SLOT_B)
        self.store(4, R7, 56, R1)
        self.label(done)

    # reading
    def read_kernel(self, slot: int, size: int) -> None:
        """Read from the address in R3 to the stack."""
        self.move(R1, R10)
        self.compute(R1, "+", slot)
        self.set(R2, size)
        self.call(READ_KERNEL)

    def read_user(self, slot: int, size: int) -> None:
        self.move(R1, R10)
        self.compute(R1, "+", slot)
        self.set(R2, size)
        self.call(READ_USER)

    # appending
    def settle(self) -> None:
        """Make all ways that led here alike to the verifier, where much follows.

        R8 goes through memory, so that only its bound is known and not how it came about: what
        follows is then gone through once and not once for each way.
        """
        if not self._ceiling:
            return
        self.store(4, R7, SETTLE, R8)
        self.load(4, R8, R7, SETTLE)
        self.jump_if(R8, ">", self._ceiling, "out")

    def append_text(self, length_at: int, *, helper: int = READ_USER_TEXT) -> None:
        """Append the text at the address in R3; its length with NUL goes to ``length_at``."""
        self._ceiling += TEXT_BYTES
        done, bad = self.fresh("text"), self.fresh("bad")
        self.move(R1, R7)
        self.combine(R1, "+", R8)
        self.set(R2, TEXT_BYTES)
        self.call(helper)
        self.jump_if(R0, "s<", 1, bad)
        self.jump_if(R0, "<=", TEXT_BYTES, done)
        self.label(bad)
        self.set(R0, 0)
        self.label(done)
        self.store(4, R7, length_at, R0)
        self.combine(R8, "+", R0)

    def append_block(self, length_at: int, limit: int, *, helper: int = READ_USER) -> None:
        """Append R2 bytes (at most ``limit``) from the address in R3."""
        self._ceiling += limit
        done, bad = self.fresh("block"), self.fresh("bad")
        fits = self.fresh("fits")
        self.jump_if(R2, "<=", limit, fits)
        self.set(R2, limit)
        self.label(fits)
        self.store(8, R10, SLOT_A, R2)
        self.move(R1, R7)
        self.combine(R1, "+", R8)
        self.call(helper)
        self.load(8, R1, R10, SLOT_A)
        self.jump_if(R0, "!=", 0, bad)
        self.jump_if(R1, "<=", limit, done)
        self.label(bad)
        self.set(R1, 0)
        self.label(done)
        self.store(4, R7, length_at, R1)
        self.combine(R8, "+", R1)

    def append_walk(self, length_at: int) -> None:
        """Append the path that ``walk`` left, which begins at R0."""
        self.set(R2, WALK_BYTES)
        self.combine(R2, "-", R0)
        self.move(R3, R7)
        self.compute(R3, "+", WALK)
        self.combine(R3, "+", R0)
        self.append_block(length_at, WALK_BYTES, helper=READ_KERNEL)

    # endings
    def finish(self) -> None:
        """Send what lies between the scratch's start and R8, then the shared end."""
        if self._ceiling > RECORD_BYTES:
            raise AssemblyError(f"a record of up to {self._ceiling} bytes")
        self.load_map(R1, self.maps.ring)
        self.set(R2, 0)
        self.call(RING_QUERY)
        self.set(R4, NO_WAKEUP)
        self.jump_if(R0, "<", self.watermark, "quiet")
        self.set(R4, FORCE_WAKEUP)
        self.label("quiet")
        self.load_map(R1, self.maps.ring)
        self.move(R2, R7)
        self.move(R3, R8)
        self.call(RING_OUTPUT)
        self.jump_if(R0, "==", 0, "out")
        self._count_lost()
        self.label("out")
        self.exit(0)

    def _count_lost(self) -> None:
        self.load(4, R1, R7, 8)
        self.store(4, R10, SLOT_KEY, R1)
        self.load_map(R1, self.maps.lost)
        self.move(R2, R10)
        self.compute(R2, "+", SLOT_KEY)
        self.call(MAP_LOOKUP)
        self.jump_if(R0, "==", 0, "out")
        self.load(8, R1, R0, 0)
        self.compute(R1, "+", 1)
        self.store(8, R0, 0, R1)
