"""A /proc tree of files, and records made by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from haechi.world.sensor.containers import Containers
from haechi.world.sensor.proc_fs import ProcFs, boot_ns
from haechi.world.sensor.processes import Processes
from haechi.world.sensor.record import Record
from haechi.world.sensor.runtimes import Runtimes

NOW = boot_ns() + 1_000_000_000_000
ID = "0123456789abcdef" * 4


def record(
    type: str, pid: int = 100, *, ret: int = 0, at: int = 0, args: Any = None, **more: Any
) -> Record:
    """A record; ``at`` is milliseconds after NOW."""
    known: dict[str, Any] = {"tid": pid, "ppid": 0, "uid": 0, "gid": 0, "comm": "sh", **more}
    return Record(type=type, ts_ns=NOW + at * 1_000_000, pid=pid, ret=ret, args=args or {}, **known)


class Tree:
    """``/proc`` below a folder."""

    def __init__(self, root: Path) -> None:
        self.root = root / "proc"
        self.root.mkdir()
        self.cgroups = root / "cgroup"
        self.cgroups.mkdir()

    def process(
        self,
        pid: int,
        *argv: str,
        ppid: int = 1,
        comm: str = "",
        cwd: str = "/",
        exe: str = "",
        uid: int = 0,
        cgroup: str = "0::/",
        mount_ns: int = 4026531841,
        ticks: int = 100,
        vpid: int = 0,
    ) -> None:
        """Write a process's files."""
        folder = self.root / str(pid)
        (folder / "ns").mkdir(parents=True, exist_ok=True)
        name = comm or (argv[0] if argv else "x")
        numbers = f"S {ppid} {pid} {pid} 34816 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 {ticks} 0 0"
        (folder / "stat").write_text(f"{pid} ({name}) {numbers}\n")
        (folder / "status").write_text(
            f"Name:\t{name}\nTgid:\t{pid}\nUid:\t0\t{uid}\t0\t0\nGid:\t0\t{uid}\t0\t0\n"
            f"NSpid:\t{pid}\t{vpid or pid}\nNSpgid:\t{pid}\nNSsid:\t{pid}\n"
            "CapInh:\t0000000000000000\nCapPrm:\t0000000000000001\nCapEff:\t0000000000000003\n"
        )
        (folder / "cmdline").write_bytes(b"".join(arg.encode() + b"\0" for arg in argv))
        (folder / "loginuid").write_text("4294967295")
        (folder / "cgroup").write_text(cgroup + "\n")
        for link, target in (
            ("cwd", cwd),
            ("exe", exe or f"/usr/bin/{name}"),
            ("ns/mnt", f"mnt:[{mount_ns}]"),
        ):
            (folder / link).unlink(missing_ok=True)
            (folder / link).symlink_to(target)

    def end(self, pid: int) -> None:
        """The process is gone."""
        folder = self.root / str(pid)
        for path in sorted(folder.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() and not path.is_symlink() else path.unlink()
        folder.rmdir()

    @property
    def proc(self) -> ProcFs:
        """As the sensor reads it."""
        return ProcFs(str(self.root))

    def containers(self) -> Containers:
        """Containers by this tree's cgroups and state folders."""
        return Containers(self.proc, cgroups=str(self.cgroups), runtimes=Runtimes(self.root.parent))

    def processes(self, **more: Any) -> Processes:
        """A table, filled."""
        table = Processes(self.proc, self.containers(), **more)
        table.load()
        return table
