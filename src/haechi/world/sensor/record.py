"""One thing the kernel said, before it is an event: what every way in yields."""

from __future__ import annotations

from typing import Any

CUT_FRONT = "…/"
"""What stands for the front of a path that was too deep to be told whole. It is no path by itself:
no rule that asks for a place takes the rest for that place."""


class Record:
    """A system call that returned, or an exec, fork or exit.

    ``type`` is Falco's event type (``execve``, ``openat``, ``connect``, ``clone`` for a new
    process, ``procexit``). ``ts_ns`` is nanoseconds since 1970. ``pid`` is the thread group
    (what people call the process) and ``tid`` the thread, both as the host counts; ``vpid`` the pid
    within its own namespace, 0 when unknown. ``cgroup`` is the cgroup v2 directory's inode, 0 when
    unknown; ``mount_ns`` the mount namespace's inode. ``ret`` is the call's result (negative
    errno). ``args`` hold what the call itself says, by the names listed in
    ``world/sensor/layout.py``. ``loginuid`` is -1 when nobody logged in.
    """

    __slots__ = (
        "args",
        "cgroup",
        "comm",
        "gid",
        "loginuid",
        "mount_ns",
        "pid",
        "ppid",
        "ret",
        "tid",
        "ts_ns",
        "type",
        "uid",
        "vpid",
    )

    def __init__(
        self,
        type: str,
        ts_ns: int,
        pid: int,
        tid: int,
        ppid: int,
        uid: int,
        gid: int,
        comm: str,
        ret: int,
        args: dict[str, Any],
        cgroup: int = 0,
        mount_ns: int = 0,
        vpid: int = 0,
        loginuid: int = -1,
    ) -> None:
        self.type = type
        self.ts_ns = ts_ns
        self.pid = pid
        self.tid = tid
        self.ppid = ppid
        self.uid = uid
        self.gid = gid
        self.comm = comm
        self.ret = ret
        self.args = args
        self.cgroup = cgroup
        self.mount_ns = mount_ns
        self.vpid = vpid
        self.loginuid = loginuid
