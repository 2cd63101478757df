"""The process connector: the kernel tells of forks, execs and exits, and of nothing else.

It names processes by number only; who they are is read from ``/proc``, which a process of a few
milliseconds may have left by then (measured: 28 % of short ones). It needs no eBPF and no audit,
only root in the first pid and user namespace, so it is the last way before none.
"""

from __future__ import annotations

import struct
import time

from haechi.errors import SensorError
from haechi.world.sensor.netlink import CONNECTOR, DONE, Netlink
from haechi.world.sensor.proc_fs import ProcFs
from haechi.world.sensor.record import Record

BLIND = (
    "files, connections, modules, namespaces and users are not seen: only exec, fork and exit",
    "programs that end within a few milliseconds may be seen without arguments, or not at all",
    "calls that fail are not seen",
)
_INDEX = 1  # CN_IDX_PROC and CN_VAL_PROC
_MESSAGE = struct.Struct("=IIIIHH")  # struct cn_msg: idx, val, seq, ack, len, flags
_EVENT = struct.Struct("=IIQ")  # struct proc_event: what, cpu, timestamp
_LISTEN, _IGNORE = 1, 2
FORK, EXEC, EXIT = 0x1, 0x2, 0x80000000
_FOUR, _TWO = struct.Struct("=iiii"), struct.Struct("=ii")
_MOST_CPUS = 8192
_UNKNOWN = (-1, -1, "")
"""User, group and name that the kernel did not tell: the table keeps what it knows."""


class Connector:
    """Listens. ``execs`` False leaves execs to another way in."""

    def __init__(self, proc: ProcFs, *, execs: bool = True) -> None:
        self._proc = proc
        self._execs = execs
        self._offset = time.time_ns() - time.monotonic_ns()
        self._next: dict[int, int] = {}
        self._missed = 0
        self._netlink = Netlink(CONNECTOR, groups=_INDEX)
        try:
            self._tell(_LISTEN)
            self._greeted()
        except (OSError, SensorError):
            self._netlink.close()
            raise

    def _greeted(self) -> None:
        """The kernel acknowledges with an event of no kind; without the right it says nothing."""
        if not self._netlink.wait(1.0):
            raise SensorError(
                "the process connector does not answer",
                why="CONFIG_PROC_EVENTS is missing, or this is not the first namespace",
                do="run as root on the host (hostPID and hostNetwork in a DaemonSet)",
            )

    def _tell(self, what: int) -> None:
        body = struct.pack("=I", what)
        self._netlink.send(DONE, _MESSAGE.pack(_INDEX, _INDEX, 0, 0, len(body), 0) + body, 0)

    @property
    def lost(self) -> int:
        """Events that the kernel threw away: gaps in each processor's numbers."""
        return self._missed

    def poll(self, timeout_s: float) -> list[Record]:
        """What happened; waits at most so long."""
        records = []
        for _, _, body in self._netlink.messages(timeout_s):
            record = self._record(body)
            if record is not None:
                records.append(record)
        return records

    def close(self) -> None:
        """Stop listening."""
        try:
            self._tell(_IGNORE)
        finally:
            self._netlink.close()

    def _record(self, body: bytes) -> Record | None:
        if len(body) < _MESSAGE.size + _EVENT.size:
            return None
        index, value, number, _, _, _ = _MESSAGE.unpack_from(body)
        what, cpu, stamp = _EVENT.unpack_from(body, _MESSAGE.size)
        if (index, value) != (_INDEX, _INDEX) or what == 0:
            return None
        self._count(cpu, number)
        return self._made(what, stamp + self._offset, body[_MESSAGE.size + _EVENT.size :])

    def _count(self, cpu: int, number: int) -> None:
        expected = self._next.get(cpu)
        if expected is not None:
            self._missed += (number - expected) & 0xFFFFFFFF if number >= expected else 0
        if expected is not None or len(self._next) < _MOST_CPUS:
            self._next[cpu] = number + 1 & 0xFFFFFFFF

    def _made(self, what: int, stamp: int, data: bytes) -> Record | None:
        if what == EXEC and self._execs and len(data) >= _TWO.size:
            _, tgid = _TWO.unpack_from(data)
            return self._of(tgid, "execve", stamp, {})
        if len(data) < _FOUR.size:
            return None
        first, second, third, fourth = _FOUR.unpack_from(data)
        if what == FORK and third == fourth:
            args = {"child_pid": third}
            return Record("clone", stamp, second, second, 0, *_UNKNOWN, third, args)
        if what == EXIT and first == second:
            return Record("procexit", stamp, second, second, 0, *_UNKNOWN, 0, {"status": third})
        return None

    def _of(self, pid: int, kind: str, stamp: int, args: dict[str, object]) -> Record | None:
        stat = self._proc.stat(pid)
        status = self._proc.status(pid) if stat else None
        if stat is None or status is None:
            return Record(kind, stamp, pid, pid, 0, -1, -1, "", 0, args)
        return Record(
            kind,
            stamp,
            pid,
            pid,
            stat.ppid,
            status.uid,
            status.gid,
            stat.comm,
            0,
            args,
            mount_ns=self._proc.mount_ns(pid),
            vpid=status.vpid,
            loginuid=self._proc.loginuid(pid),
        )
