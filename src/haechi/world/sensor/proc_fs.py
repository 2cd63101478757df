"""Reading ``/proc``: what the kernel says about a process that is still there.

Every function answers for a process that may be gone at any moment: nothing known is None or
empty, never an exception. Reads are bounded, for a process chooses its own command line. Plain
``os`` calls, not ``pathlib``: this runs for every new process.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

import msgspec

LONGEST = 4096
"""Bytes of a command line that are kept, as in Falco."""
_MOST_ARGS = 1024
_STATUS, _PIECE = 1 << 20, 16_384
"""A process may be in 65,536 groups, and they stand before its other ids."""
_TICK = 1_000_000_000 // (os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100)


class Stat(msgspec.Struct, frozen=True, gc=False):
    """What ``/proc/PID/stat`` says. ``start`` is nanoseconds since boot."""

    comm: str
    ppid: int
    pgid: int
    sid: int
    tty: int
    start: int


class Status(msgspec.Struct, frozen=True, gc=False):
    """What ``/proc/PID/status`` says; effective user and group, ids as the innermost pid
    namespace counts."""

    tgid: int
    uid: int
    gid: int
    vpid: int
    vpgid: int
    vsid: int
    inheritable: int
    permitted: int
    effective: int


class ExeFile(msgspec.Struct, frozen=True, gc=False):
    """The file that a process runs: inode, change times in nanoseconds since 1970, and who may
    write it."""

    ino: int
    ctime: int
    mtime: int
    mode: int
    uid: int
    gid: int

    def writable_by(self, uid: int, gid: int) -> bool:
        """By the permission bits; that root may write anything is not counted."""
        if uid == self.uid:
            return bool(self.mode & 0o200)
        if gid == self.gid:
            return bool(self.mode & 0o020)
        return bool(self.mode & 0o002)


def _file(path: str, ino: int = 0, dev: int = 0) -> ExeFile | None:
    try:
        told = os.stat(path)  # noqa: PTH116
    except (OSError, ValueError):
        return None
    if ino and (told.st_ino, told.st_dev) != (ino, dev):
        return None
    return ExeFile(
        told.st_ino, told.st_ctime_ns, told.st_mtime_ns, told.st_mode, told.st_uid, told.st_gid
    )


def own_mounts() -> int:
    """The mount namespace that this program is in, 0 where it cannot be told."""
    try:
        return os.stat("/proc/self/ns/mnt").st_ino  # noqa: PTH116
    except OSError:
        return 0


def boot_ns() -> int:
    """When this machine was started, nanoseconds since 1970."""
    return time.time_ns() - time.clock_gettime_ns(time.CLOCK_BOOTTIME)


def text_of(raw: bytes) -> str:
    """Bytes of the kernel as text that JSON can hold; what is no UTF-8 stays visible."""
    return raw.decode("utf-8", "backslashreplace")


class ProcFs:
    """``/proc`` of this machine, or a tree that looks like it."""

    def __init__(self, root: str = "/proc") -> None:
        self.root = root

    def pids(self) -> list[int]:
        """Processes that are there now, oldest number first."""
        try:
            return sorted(int(name) for name in os.listdir(self.root) if name.isdecimal())  # noqa: PTH208
        except OSError:
            return []

    def stat(self, pid: int) -> Stat | None:
        """The comm stands in parentheses and may hold parentheses itself: the last one ends it."""
        raw = self._read(pid, "stat", 1024)
        start, end = raw.find(b"("), raw.rfind(b")")
        rest = raw[end + 1 :].split()
        if not 0 < start < end or len(rest) < 20:
            return None
        try:
            ppid, pgid, sid, tty = (int(word) for word in rest[1:5])
            ticks = int(rest[19])
        except ValueError:
            return None
        return Stat(text_of(raw[start + 1 : end]), ppid, pgid, sid, tty, ticks * _TICK)

    def status(self, pid: int) -> Status | None:
        """Users, groups, pids within the namespace, capabilities."""
        lines: dict[bytes, list[bytes]] = {}
        for line in self._read(pid, "status", _STATUS).split(b"\n"):
            key, _, value = line.partition(b":")
            lines[key] = value.split()
        try:
            return Status(
                tgid=int(lines[b"Tgid"][0]),
                uid=int(lines[b"Uid"][1]),
                gid=int(lines[b"Gid"][1]),
                vpid=_last(lines, b"NSpid"),
                vpgid=_last(lines, b"NSpgid"),
                vsid=_last(lines, b"NSsid"),
                inheritable=int(lines[b"CapInh"][0], 16),
                permitted=int(lines[b"CapPrm"][0], 16),
                effective=int(lines[b"CapEff"][0], 16),
            )
        except (KeyError, IndexError, ValueError):
            return None

    def cmdline(self, pid: int) -> list[str]:
        """argv, empty for kernel threads and processes that are gone."""
        raw = self._read(pid, "cmdline", LONGEST)
        return (
            [text_of(word) for word in raw.rstrip(b"\0").split(b"\0")[:_MOST_ARGS]] if raw else []
        )

    def environment(self, pid: int, names: frozenset[str]) -> dict[str, str]:
        """The variables of these names."""
        found: dict[str, str] = {}
        for word in self._read(pid, "environ", 32_768).split(b"\0"):
            name, equals, value = word.partition(b"=")
            if equals and text_of(name) in names:
                found[text_of(name)] = text_of(value[:1024])
        return found

    def exe(self, pid: int) -> str:
        """Path of the program, as the process sees it."""
        return self._link(pid, "exe").removesuffix(" (deleted)")

    def exe_file(self, pid: int) -> ExeFile | None:
        """The program's file itself, also where its path means nothing to us."""
        return _file(f"{self.root}/{pid}/exe")

    @staticmethod
    def same_file(path: str, ino: int, dev: int) -> ExeFile | None:
        """The file at a path of this machine, if it is this very one. Of disks alone: a file
        system of a network or a program may never answer."""
        if not path.startswith("/") or not ino or not os.major(dev):
            return None
        return _file(path, ino, dev)

    def cwd(self, pid: int) -> str:
        """Working directory, as the process sees it."""
        return self._link(pid, "cwd").removesuffix(" (deleted)")

    def fd(self, pid: int, number: int) -> str:
        """What a descriptor is open on; empty for what has no path."""
        name = self._link(pid, f"fd/{number}")
        return name.removesuffix(" (deleted)") if name.startswith("/") else ""

    def loginuid(self, pid: int) -> int:
        """Who logged in, -1 for nobody."""
        raw = self._read(pid, "loginuid", 32).strip()
        number = int(raw) if raw.isdigit() else 0xFFFFFFFF
        return -1 if number == 0xFFFFFFFF else number

    def cgroups(self, pid: int) -> list[str]:
        """Paths in every hierarchy, that of version 2 first."""
        # Not splitlines: a cgroup's name may hold any character but this one.
        lines = text_of(self._read(pid, "cgroup", 16_384)).split("\n")
        paths = [line.split(":", 2) for line in lines if line.count(":") >= 2]
        return [path for _, _, path in sorted(paths, key=lambda one: one[0] != "0")]

    def mount_ns(self, pid: int) -> int:
        """Inode of the mount namespace, 0 when unknown."""
        name = self._link(pid, "ns/mnt")
        number = name[5:-1] if name.startswith("mnt:[") else ""
        return int(number) if number.isdecimal() else 0

    def _read(self, pid: int, name: str, most: int) -> bytes:
        try:
            handle = os.open(f"{self.root}/{pid}/{name}", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return b""
        try:
            return b"".join(_pieces(handle, most))
        except OSError:
            return b""
        finally:
            os.close(handle)

    def _link(self, pid: int, name: str) -> str:
        try:
            target = os.readlink(os.fsencode(f"{self.root}/{pid}/{name}"))  # noqa: PTH115
            return text_of(target)
        except OSError:
            return ""


def _pieces(handle: int, most: int) -> Iterator[bytes]:
    """Some files of /proc are given out a page at a time."""
    while most > 0 and (piece := os.read(handle, min(most, _PIECE))):
        yield piece
        most -= len(piece)


def _last(lines: dict[bytes, list[bytes]], key: bytes) -> int:
    """The innermost of the ids, 0 on kernels that do not tell."""
    words = lines.get(key)
    return int(words[-1]) if words else 0
