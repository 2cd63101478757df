"""The first way in: programs in the kernel, records through a ring, nothing left behind.

``Ebpf`` loads the programs for the running kernel, attaches them and hands out ``Record``s. The
kernel wakes the reader only when a quarter of the ring is full; otherwise the reader looks
every WAKE_S, so a record is at most that old and an idle machine costs twenty looks a second.
Records that found no room are counted by type. Closing (or dying) detaches everything.
"""

from __future__ import annotations

import contextlib
import errno
import os
import platform
import resource
import select
import struct
import time
from collections.abc import Sequence
from pathlib import Path

from haechi.errors import SensorError
from haechi.world.sensor import bpf as kinds
from haechi.world.sensor.bpf import Bpf, BpfError
from haechi.world.sensor.decode import Decoder
from haechi.world.sensor.kernel import Kernel
from haechi.world.sensor.programs import suite
from haechi.world.sensor.programs.frame import KEY_TEXT, QUIET, SCRATCH_BYTES, WATCHED, Maps
from haechi.world.sensor.programs.numbers import LIMIT
from haechi.world.sensor.programs.sockets import RECENT_KEY
from haechi.world.sensor.record import Record
from haechi.world.sensor.ring import Ring

RING_BYTES = 16 << 20
WAKE_S = 0.05
BATCH = 2048
"""Records of one ``poll``; the rest waits in the ring."""
MAX_PREFIXES = 4096
MAX_KINDS = 3 * LIMIT
RECENT_ENTRIES = 8192
CLOCK_JUMP_NS = 100_000
BLIND_NARROW = {
    "x86_64": "socketcall and sendmsg of 32-bit programs",
    "aarch64": "calls of 32-bit programs",
}
BLIND = ("how what is asked of io_uring ends, and what is accepted, bound or sent through it",)


class Ebpf:
    """Records from the kernel. SensorError when it cannot run, with what is missing.

    ``watch`` are prefixes of absolute paths (as the opening process sees them) below which
    opens for reading are recorded; ``quiet`` those below which even opens for writing are not;
    the longest prefix wins. ``syscalls`` limits the record types, ``env`` names the variables
    that an exec's record carries. Not for several threads at once.
    """

    def __init__(
        self,
        *,
        watch: Sequence[str],
        ring_bytes: int = RING_BYTES,
        syscalls: frozenset[str] | None = None,
        env: frozenset[str] = frozenset(),
        quiet: Sequence[str] = (),
    ) -> None:
        if ring_bytes < os.sysconf("SC_PAGE_SIZE") or ring_bytes & (ring_bytes - 1):
            raise SensorError(f"a ring of {ring_bytes} bytes", why="it must be a power of two")
        self._fds: list[int] = []
        self._lost_at_end: dict[str, int] = {}
        self._ready = False
        self._ring: Ring | None = None
        self._watched: set[bytes] = set()
        self.missing: dict[str, str] = {}
        """Programs that this kernel did not take, and why."""
        try:
            maps = self._prepare(ring_bytes)
            self.rewatch(watch, quiet)
            self._start(maps, ring_bytes, syscalls, env)
            self._ready = True
        except BpfError as error:
            self.close()
            raise explained(error) from error
        except BaseException:
            self.close()
            raise

    def _prepare(self, ring_bytes: int) -> Maps:
        self._bpf = Bpf()
        _lift_memory_limit()
        maps = self._make_maps(ring_bytes)
        self._ring = Ring.of_map(maps.ring, ring_bytes)
        self._lost_map = maps.lost
        self._watch_map = maps.watch
        self._processors = _possible_processors()
        return maps

    def _start(
        self, maps: Maps, ring_bytes: int, wanted: frozenset[str] | None, env: frozenset[str]
    ) -> None:
        kernel = Kernel.running()
        table = self._map(kinds.PROGRAMS, 4, 4, 2 * LIMIT, name="haechi_table")
        loaded = suite.load(
            self._bpf,
            kernel,
            maps,
            table,
            wanted=wanted,
            own=self._own_process(),
            watermark=ring_bytes // 4,
            env=env,
        )
        self._programs = loaded.loaded
        # closed first: what is detached sends no more
        self._fds[:0] = loaded.attached
        self._fds += loaded.loaded
        self.missing = loaded.missing
        self._names = loaded.names
        self._decoder = Decoder(loaded.kinds)
        self._estimate_clock()
        self._waiter = select.epoll()
        self._waiter.register(maps.ring, select.EPOLLIN)

    def _make_maps(self, ring_bytes: int) -> Maps:
        return Maps(
            ring=self._map(kinds.RING, 0, 0, ring_bytes, name="haechi_ring"),
            scratch=self._map(kinds.PER_CPU_ARRAY, 4, SCRATCH_BYTES, 1, name="haechi_scratch"),
            lost=self._map(kinds.PER_CPU_ARRAY, 4, 8, MAX_KINDS, name="haechi_lost"),
            watch=self._map(
                kinds.LPM_TRIE,
                4 + KEY_TEXT,
                4,
                MAX_PREFIXES,
                name="haechi_watch",
                flags=kinds.NO_PREALLOCATION,
            ),
            recent=self._map(kinds.LRU_HASH, RECENT_KEY, 8, RECENT_ENTRIES, name="haechi_recent"),
        )

    def _map(self, *shape: int, name: str, flags: int = 0) -> int:
        type, key, value, entries = shape
        fd = self._bpf.create_map(type, key, value, entries, name=name, flags=flags)
        self._fds.append(fd)
        return fd

    def _own_process(self) -> int:
        """Our id as the kernel counts: in a container ``getpid`` says another."""
        fd = self._bpf.load(suite.assemble_own(), name="haechi_own", type=kinds.RAW_TRACEPOINT)
        try:
            return self._bpf.run(fd)
        finally:
            os.close(fd)

    def poll(self, timeout_s: float) -> list[Record]:
        """Records in the order of the kernel; waits at most ``timeout_s`` for the first."""
        if self._ring is None:
            raise SensorError("the sensor is closed")
        deadline = time.monotonic() + timeout_s
        while True:
            self._estimate_clock()
            self._ring.take(self._decoder.decode, BATCH)
            left = deadline - time.monotonic()
            if self._decoder.records or left <= 0:
                found, self._decoder.records = self._decoder.records, []
                return found
            with contextlib.suppress(InterruptedError):
                self._waiter.poll(min(left, WAKE_S))

    def _estimate_clock(self) -> None:
        """Wall time minus boot time; small drifts are left, jumps of the clock are followed."""
        before = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        wall = time.time_ns()
        after = time.clock_gettime_ns(time.CLOCK_BOOTTIME)
        offset = wall - (before + after) // 2
        # a reading that was interrupted says little
        if abs(offset - self._decoder.offset_ns) > CLOCK_JUMP_NS + (after - before):
            self._decoder.offset_ns = offset

    @property
    def blind(self) -> tuple[str, ...]:
        """What this way in cannot see here."""
        narrow = BLIND_NARROW[platform.machine()]
        return (
            narrow,
            *BLIND,
            *(f"{name}: {why.splitlines()[0]}" for name, why in self.missing.items()),
        )

    @property
    def lost(self) -> int:
        """Records that never came: no room in the ring, or a program that was skipped."""
        return sum(self.lost_by_type.values())

    @property
    def lost_by_type(self) -> dict[str, int]:
        """As ``lost``, by program; "skipped" are runs that the kernel left out, "unreadable"
        records that made no sense."""
        if self._ring is None:
            return dict(self._lost_at_end)
        found: dict[str, int] = {}
        pattern = struct.Struct(f"={self._processors}Q")
        for kind, name in self._names.items():
            raw = self._bpf.lookup(self._lost_map, struct.pack("=I", kind), pattern.size)
            count = sum(pattern.unpack(raw))
            if count:
                found[name] = found.get(name, 0) + count
        skipped = sum(self._bpf.misses(fd) for fd in self._programs)
        if skipped:
            found["skipped"] = skipped
        unreadable = self._ring.damaged + self._decoder.refused
        if unreadable:
            found["unreadable"] = unreadable
        return found

    def rewatch(self, prefixes: Sequence[str], quiet: Sequence[str] = ()) -> None:
        """Replace the watched (and quiet) prefixes while running; what stays is never out."""
        wanted = {_key(each): QUIET for each in quiet} | {_key(each): WATCHED for each in prefixes}
        if len(wanted) > MAX_PREFIXES:
            raise SensorError(f"{len(wanted)} watched prefixes; at most {MAX_PREFIXES}")
        for key in self._watched - wanted.keys():
            self._bpf.delete(self._watch_map, key)
        for key, verdict in wanted.items():
            self._bpf.update(self._watch_map, key, struct.pack("=I", verdict))
        self._watched = set(wanted)

    def close(self) -> None:
        """Detach and free everything; may be called twice. ``lost`` keeps its last value."""
        if self._ready and self._ring is not None:
            with contextlib.suppress(OSError):
                self._lost_at_end = self.lost_by_type
        waiter = getattr(self, "_waiter", None)
        if waiter is not None:
            waiter.close()
        fds, self._fds = self._fds, []
        for fd in fds:
            with contextlib.suppress(OSError):
                os.close(fd)
        ring, self._ring = self._ring, None
        if ring is not None:
            ring.close()

    def __enter__(self) -> Ebpf:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _key(prefix: str) -> bytes:
    raw = os.fsencode(prefix)
    if not raw.startswith(b"/") or b"\0" in raw:
        raise SensorError(f"cannot watch {prefix!r}", why="a prefix is the start of a path: /etc/")
    if len(raw) > KEY_TEXT:
        raise SensorError(f"cannot watch {prefix[:40]!r}…", why=f"over {KEY_TEXT} bytes")
    return struct.pack("=I", len(raw) * 8) + raw.ljust(KEY_TEXT, b"\0")


def _possible_processors() -> int:
    """How many values a per-processor map has: "0-3" → 4."""
    text = Path("/sys/devices/system/cpu/possible").read_text(encoding="ascii")
    return max(int(part.rpartition("-")[2]) for part in text.strip().split(",")) + 1


def _lift_memory_limit() -> None:
    """Before 5.11 maps count against the limit of locked memory."""
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(
            resource.RLIMIT_MEMLOCK, (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
        )


def explained(error: BpfError) -> SensorError:
    """What a refusal of ``bpf(2)`` means for whoever runs the sensor."""
    number = error.errno or 0
    if number == errno.EPERM:
        why = _refused()
        do = "run as root, or give CAP_BPF and CAP_PERFMON; in a container both, and no seccomp"
        return SensorError("eBPF is not permitted here", why=why, do=do)
    if number == errno.ENOSYS:
        return SensorError("eBPF is not there", why="the kernel or a seccomp filter denies bpf(2)")
    if number == errno.EINVAL and "map" in str(error):
        return SensorError(
            "this kernel's eBPF is too old", why=f"{error}", do="run Linux 5.11 or newer"
        )
    log = error.log.strip().splitlines()[-3:]
    return SensorError(
        "the eBPF programs cannot be loaded",
        why="; ".join([str(error), *log]),
        do="haechi reports what it tried; the audit stream works without eBPF",
    )


CAPABILITIES = {"CAP_BPF": 39, "CAP_PERFMON": 38, "CAP_SYS_ADMIN": 21}


def _refused() -> str:
    """Which of the known reasons for EPERM holds."""
    status = Path("/proc/self/status").read_text(encoding="utf-8", errors="replace")
    fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    held = int(fields.get("CapEff", "0"), 16)
    if not held >> CAPABILITIES["CAP_SYS_ADMIN"] & 1:
        lacking = [
            name
            for name, bit in CAPABILITIES.items()
            if name != "CAP_SYS_ADMIN" and not held >> bit & 1
        ]
        if lacking:
            return f"missing {' and '.join(lacking)}"
    if fields.get("Seccomp", "0").strip() != "0":
        return "a seccomp filter is active"
    with contextlib.suppress(OSError):
        lockdown = Path("/sys/kernel/security/lockdown").read_text(encoding="ascii")
        if "[confidentiality]" in lockdown:
            return "kernel lockdown is in confidentiality mode"
    return "the kernel refuses it although the capabilities are there"
