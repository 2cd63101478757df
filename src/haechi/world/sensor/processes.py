"""The table of processes: who they are, who started them, where they stand.

Filled from ``/proc`` at the start and kept up by the records of fork, exec, chdir and exit.
Children hold their parent itself, not its number, so ancestry is right after a number was used
again; where the kernel names another parent (an orphan was adopted), the table follows it, as
Falco does. A process is called what it was at its exec, or its parent at the fork: one that gives
itself another name (``prctl``) keeps the first, and threads have none of their own, as in Falco.
Processes that are gone stay for a minute, so that a late record and a child of a
short-lived parent find them. The table is bounded: what has ended longest goes first, then what
was met first (it is read from ``/proc`` again when it shows up).
"""

from __future__ import annotations

import os.path
import sys
from collections import deque
from collections.abc import Sequence
from typing import Any

from haechi.world.sensor.containers import HOST, Container, Containers
from haechi.world.sensor.masking import masked, masked_environment
from haechi.world.sensor.proc_fs import LONGEST, ExeFile, ProcFs, Status, boot_ns, own_mounts
from haechi.world.sensor.record import CUT_FRONT, Record

MOST = 65_536
KEPT_NS = 60_000_000_000
ANCESTORS = 16
_PORTRAITS = 8192
"""A table larger than this forgets the event fields of its processes at each sweep: 5 kB each."""
_SAME_START_NS = 200_000_000
"""The start by a record's clock and by the ticks of /proc differ by less, in one process."""
_CLONE_PARENT, _CLONE_FS = 0x8000, 0x200


class Process:
    """One process. Times are nanoseconds since 1970; ``exited_ns`` is 0 while it runs. ``fields``
    are the event fields that do not change from event to event, None when they must be made
    anew (``portrait``)."""

    __slots__ = (
        "args",
        "capabilities",
        "cgroup",
        "comm",
        "container",
        "cwd",
        "env",
        "epoch",
        "evicted",
        "exe",
        "exe_file",
        "exepath",
        "exited_ns",
        "fields",
        "forked",
        "gid",
        "loginuid",
        "lower_layer",
        "memfd",
        "mount_ns",
        "parent",
        "pgid",
        "pid",
        "ppid",
        "sid",
        "start_ns",
        "tty",
        "uid",
        "upper_layer",
        "vpgid",
        "vpid",
    )

    def __init__(self, pid: int, start_ns: int, parent: Process | None = None) -> None:
        self.pid = pid
        self.start_ns = start_ns
        self.parent = parent
        self.ppid = parent.pid if parent else 0
        self.comm = ""
        self.exe = ""
        self.exepath = ""
        self.args: tuple[str, ...] = ()
        self.cwd = ""
        self.env: dict[str, str] = {}
        self.uid = self.gid = 0
        self.loginuid = -1
        self.sid = self.pgid = self.tty = 0
        self.vpid = self.vpgid = 0
        self.cgroup = self.mount_ns = 0
        self.container: Container = HOST
        self.exe_file: ExeFile | None = None
        self.upper_layer: bool | None = None
        self.lower_layer: bool | None = None
        self.memfd = False
        self.capabilities: tuple[int, int, int] | None = None
        self.exited_ns = 0
        self.forked = self.evicted = False
        self.fields: dict[str, Any] | None = None
        self.epoch = 0

    @property
    def cmdline(self) -> str:
        """As Falco writes it: the name, then the arguments."""
        return " ".join((self.comm, *self.args)) if self.args else self.comm

    def ancestry(self) -> list[Process]:
        """Itself, its parent, and so on: at most 16 above it."""
        line: list[Process] = []
        one: Process | None = self
        while one is not None and len(line) <= ANCESTORS:
            line.append(one)
            one = one.parent
        return line

    def child(self, pid: int, start_ns: int) -> Process:
        """What a fork makes."""
        made = Process(pid, start_ns, self)
        for name in _INHERITED:
            setattr(made, name, getattr(self, name))
        self.forked = True
        return made


_INHERITED = (
    *("comm", "exe", "exepath", "args", "cwd", "env", "uid", "gid", "loginuid", "sid", "pgid"),
    *("tty", "vpgid", "cgroup", "mount_ns", "container", "exe_file", "upper_layer", "memfd"),
    *("capabilities", "lower_layer"),
)


class Processes:
    """The table."""

    def __init__(
        self,
        proc: ProcFs,
        containers: Containers,
        *,
        most: int = MOST,
        environment: frozenset[str] = frozenset(),
    ) -> None:
        self.epoch = 0
        self._proc = proc
        self._containers = containers
        self._most = most
        self._environment = environment
        self._table: dict[int, Process] = {}
        self._gone: deque[Process] = deque()
        self._boot = boot_ns()
        self._mounts = own_mounts()

    def __len__(self) -> int:
        return len(self._table)

    def load(self) -> None:
        """Everything that runs now."""
        for pid in self._proc.pids()[: self._most]:
            if pid not in self._table:
                self._meet(pid, None)

    def known(self, pid: int) -> Process | None:
        """The process of this number that was seen last."""
        return self._table.get(pid)

    def of(self, record: Record) -> Process:
        """The process that a record is of, brought up to it."""
        one = self._table.get(record.pid)
        if one is None or (one.exited_ns and self._other(one, record)):
            one = self._meet(record.pid, record)
        if record.ppid and record.ppid != one.ppid and record.type != "clone":
            self._adopt(one, record.ppid)
        if (record.uid != one.uid or record.gid != one.gid) and record.uid >= 0:
            one.uid, one.gid, one.fields = record.uid, record.gid, None
            one.capabilities = _held(self._proc.status(one.pid))  # they change with the user
        if record.vpid and record.vpid != one.vpid:
            one.vpid, one.fields = record.vpid, None
        if record.loginuid != one.loginuid and record.loginuid != -1:
            one.loginuid, one.fields = record.loginuid, None
        if (record.cgroup and record.cgroup != one.cgroup) or (
            record.mount_ns and record.mount_ns != one.mount_ns
        ):
            self._moved(one, record)
        change = _CHANGES.get(record.type)
        if change is not None and record.ret >= 0:
            change(self, one, record)
        return one

    def ended(self, one: Process, record: Record) -> None:
        """After the event of an exit was made: its fields are not needed again. A thread that
        ends is not the process."""
        if record.tid == record.pid and not one.exited_ns:
            one.exited_ns = record.ts_ns
            one.fields = None
            self._gone.append(one)

    def sweep(self, now_ns: int) -> None:
        """Forget those that ended more than a minute ago, and enough others to stay in bounds."""
        while self._gone and (
            self._gone[0].exited_ns < now_ns - KEPT_NS or len(self._table) > self._most
        ):
            one = self._gone.popleft()
            if one.exited_ns:
                self._evict(one)
        while len(self._table) > self._most:
            self._evict(next(iter(self._table.values())))
        if now_ns and len(self._table) > _PORTRAITS:
            for one in self._table.values():
                one.fields = None  # most will not make another event soon

    def _evict(self, one: Process) -> None:
        one.evicted = True
        if one.parent is not None and one.parent.evicted:
            one.parent = None
        if self._table.get(one.pid) is one:
            del self._table[one.pid]

    def _keep(self, one: Process) -> Process:
        self._table.pop(one.pid, None)
        self._table[one.pid] = one
        if len(self._table) > self._most:
            self.sweep(0)
        return one

    def _other(self, one: Process, record: Record) -> bool:
        """True when the number is used again: the record is younger than the exit, and what runs
        now was started at another time (a leader may end before its threads)."""
        if record.ts_ns <= one.exited_ns:
            return False
        stat = self._proc.stat(record.pid)
        if stat is None:
            return record.ts_ns > one.exited_ns + 5_000_000_000
        if abs(self._boot + stat.start - one.start_ns) < _SAME_START_NS:
            one.exited_ns = 0
            return False
        return True

    def _meet(self, pid: int, record: Record | None, depth: int = 0) -> Process:
        """A process that is not in the table: by /proc, and where it is gone by the record."""
        stat = self._proc.stat(pid)
        status = self._proc.status(pid) if stat else None
        started = self._boot + stat.start if stat else (record.ts_ns if record else 0)
        one = Process(pid, started)
        one.ppid = stat.ppid if stat else (record.ppid if record else 0)
        if stat is not None:
            one.comm = sys.intern(stat.comm)
            one.sid, one.pgid, one.tty = stat.sid, stat.pgid, stat.tty
        if status is not None:
            one.uid, one.gid = status.uid, status.gid
            one.vpid, one.vpgid = status.vpid, status.vpgid
            one.capabilities = _held(status)
        if record is not None:
            if stat is None or record.tid == record.pid:  # a thread may have a name of its own
                one.comm = sys.intern(record.comm) or one.comm
            one.loginuid = record.loginuid
            if record.uid >= 0:
                one.uid, one.gid = record.uid, record.gid
            one.vpid = record.vpid or one.vpid
        if stat is not None:
            self._from_proc(one)
        one.cgroup = record.cgroup if record else 0
        one.mount_ns = (record.mount_ns if record else 0) or self._proc.mount_ns(pid)
        one.container = self._containers.of(one.cgroup, pid, one.mount_ns)
        self._keep(one)
        one.parent = self._parent(one.ppid, depth)
        if one.parent is not None:
            one.parent.forked = True
        return one

    def _parent(self, ppid: int, depth: int) -> Process | None:
        if ppid <= 0:
            return None
        known = self._table.get(ppid)
        if known is not None or depth >= ANCESTORS:
            return known
        return self._meet(ppid, None, depth + 1) if self._proc.stat(ppid) else None

    def _from_proc(self, one: Process) -> None:
        argv = self._proc.cmdline(one.pid)
        self._program(one, argv, self._proc.exe(one.pid))
        one.exe_file = self._proc.exe_file(one.pid)
        one.cwd = self._proc.cwd(one.pid)
        if one.loginuid == -1:
            one.loginuid = self._proc.loginuid(one.pid)
        if self._environment:
            found = self._proc.environment(one.pid, self._environment)
            one.env = masked_environment(found)

    @staticmethod
    def _program(one: Process, argv: Sequence[str], path: str) -> None:
        told = masked(argv)
        one.exe = sys.intern(told[0]) if told else one.comm
        one.args = _bounded(told[1:])
        one.exepath = sys.intern(path) if path else ""
        one.memfd = path.startswith(("/memfd:", "memfd:"))

    def _adopt(self, one: Process, ppid: int) -> None:
        one.ppid = ppid
        one.parent = self._parent(ppid, 0)
        self._changed(one)

    def _moved(self, one: Process, record: Record) -> None:
        one.cgroup = record.cgroup or one.cgroup
        one.mount_ns = record.mount_ns or one.mount_ns
        one.container = self._containers.of(one.cgroup, one.pid, one.mount_ns)
        self._changed(one)

    def _changed(self, one: Process) -> None:
        """Its fields are stale, and those of its descendants when it has any."""
        one.fields = None
        if one.forked:
            self.epoch += 1

    def _forked(self, one: Process, record: Record) -> None:
        pid = int(record.args.get("child_pid") or record.ret)
        if pid <= 0 or record.args.get("child_tid", pid) != pid or pid == one.pid:
            return
        known = self._table.get(pid)
        if known is not None and not known.exited_ns and known.start_ns >= record.ts_ns:
            return
        made = one.child(pid, record.ts_ns)
        made.comm = sys.intern(record.comm) or made.comm
        if int(record.args.get("flags") or 0) & _CLONE_PARENT and one.parent is not None:
            made.parent, made.ppid = one.parent, one.parent.pid
        made.cgroup = record.cgroup or made.cgroup
        made.vpid = int(record.args.get("child_vpid") or 0)
        if not made.vpid and one.vpid == one.pid:
            made.vpid = pid  # no namespace of its own; else the child's first record tells
        self._keep(made)

    def _executed(self, one: Process, record: Record) -> None:
        """The new program. What the kernel did not tell is asked of /proc, if it still runs."""
        args = record.args
        one.comm = sys.intern(record.comm)
        argv: Sequence[str] = args.get("argv") or ()
        if not argv or args.get("argv_cut"):
            whole = self._proc.cmdline(one.pid)
            argv = whole if whole[:1] == list(argv[:1]) or not argv else argv
        path = (
            args.get("path") or self._proc.exe(one.pid) or self.absolute(one, args.get("filename"))
        )
        if path.startswith(CUT_FRONT):
            path = _whole(path, self._proc.exe(one.pid))
        self._program(one, argv, path)
        one.memfd = bool(args.get("memfd", one.memfd))
        one.upper_layer, one.lower_layer = args.get("upper_layer"), args.get("lower_layer")
        one.exe_file = self._proc.exe_file(one.pid) or self._file_of(one, args)
        one.vpid = record.vpid or one.vpid
        stat = self._proc.stat(one.pid)
        if stat is not None:
            one.sid, one.pgid, one.tty = stat.sid, stat.pgid, stat.tty
        one.tty = int(args.get("tty", one.tty) or 0)
        one.pgid, one.sid = args.get("pgid") or one.pgid, args.get("sid") or one.sid
        self._inner_group(one)
        if "cap_effective" in args:
            told = (args["cap_effective"], args["cap_permitted"], args["cap_inheritable"])
            one.capabilities = told
        else:
            one.capabilities = None
        self._surroundings(one, args)
        self._changed(one)

    def _file_of(self, one: Process, args: dict[str, Any]) -> ExeFile | None:
        """Of a program that has ended already, where its path means the same to us."""
        if one.mount_ns not in (0, self._mounts):
            return None
        return self._proc.same_file(one.exepath, args.get("ino", 0), args.get("dev", 0))

    def _inner_group(self, one: Process) -> None:
        """The process group's number as the process sees it."""
        if one.vpid in (0, one.pid):
            one.vpgid = one.pgid
        elif one.pgid == one.pid:
            one.vpgid = one.vpid
        elif (leader := self._table.get(one.pgid)) is not None and leader.vpid:
            one.vpgid = leader.vpid
        elif (status := self._proc.status(one.pid)) is not None:
            one.vpgid = status.vpgid

    def _surroundings(self, one: Process, args: dict[str, Any]) -> None:
        env = args.get("env")
        if isinstance(env, dict):
            one.env = masked_environment(env)
        elif self._environment:
            one.env = masked_environment(self._proc.environment(one.pid, self._environment))
        one.cwd = args.get("cwd") or one.cwd
        if one.cwd.startswith(CUT_FRONT):
            one.cwd = _whole(one.cwd, self._proc.cwd(one.pid))
        if not one.cwd:
            one.cwd = self._proc.cwd(one.pid)
        if not one.cgroup:
            one.mount_ns = self._proc.mount_ns(one.pid) or one.mount_ns
        elif one.container is not HOST or one.mount_ns == self._containers.host_mount_ns:
            return
        # Where containers lie in the older hierarchies, the kernel's cgroup says nothing of them:
        # what is not in the host's mount namespace is looked at again.
        one.container = self._containers.of(one.cgroup, one.pid, one.mount_ns)

    def _went(self, one: Process, record: Record) -> None:
        path, base = record.args.get("path"), record.args.get("base")
        if path and base and not path.startswith("/"):
            path = f"{base}/{path}"
        if record.args.get("path_cut") and path and path.startswith(CUT_FRONT):
            path = cut_path(path)
            one.cwd = _whole(path, self._proc.cwd(one.pid))
        elif record.type == "fchdir" and not path:
            one.cwd = self._proc.cwd(one.pid) or one.cwd
        else:
            one.cwd = self.absolute(one, path) or self._proc.cwd(one.pid)
        one.fields = None

    def descriptor(self, one: Process, number: int) -> str:
        """Path of what a descriptor is open on, if the process is still there."""
        return self._proc.fd(one.pid, number)

    def absolute(self, one: Process, name: str | None, dirfd: int = -100) -> str:
        """A path as the process means it; empty when nobody can say. ``dirfd`` as in openat."""
        if not name:
            return ""
        if not name.startswith("/"):
            base = one.cwd if dirfd == -100 else self._proc.fd(one.pid, dirfd)
            if not base:
                return ""
            name = f"{base}/{name}"
        if "/." in name or "//" in name or name.endswith("/"):
            return os.path.normpath(name).replace("//", "/")
        return name


def cut_path(name: str) -> str:
    """A path whose front was cut, in order; it never begins with a slash, wherever it climbs."""
    return CUT_FRONT + os.path.normpath("/" + name[len(CUT_FRONT) :]).lstrip("/")


def _whole(cut: str, asked: str) -> str:
    """What /proc says, where it ends with what the kernel told; the process may be elsewhere by
    now."""
    return asked if asked.endswith(cut[len(CUT_FRONT) - 1 :]) and asked[:1] == "/" else cut


_CHANGES = {
    "clone": Processes._forked,
    "clone3": Processes._forked,
    "fork": Processes._forked,
    "vfork": Processes._forked,
    "execve": Processes._executed,
    "execveat": Processes._executed,
    "chdir": Processes._went,
    "fchdir": Processes._went,
}


def _held(status: Status | None) -> tuple[int, int, int] | None:
    """Capabilities: effective, permitted, inheritable."""
    return (status.effective, status.permitted, status.inheritable) if status else None


def _bounded(args: Sequence[str]) -> tuple[str, ...]:
    """As many as fit into the length that Falco keeps."""
    left = LONGEST
    kept: list[str] = []
    for word in args:
        if left <= 0:
            break
        kept.append(word[:left])
        left -= len(word) + 1
    return tuple(kept)
