"""A kernel whose offsets are made up, so that programs can be assembled anywhere."""

from __future__ import annotations

import ctypes
import errno
import struct

from haechi.world.sensor.bpf import Buffer
from haechi.world.sensor.btf import BtfError
from haechi.world.sensor.kernel import Kernel

NEAR = {
    "dentry.d_parent": 24,
    "dentry.d_name.len": 36,
    "dentry.d_name.name": 40,
    "mount.mnt_parent": 16,
    "mount.mnt_mountpoint": 24,
    "mount.mnt": 32,
    "vfsmount.mnt_root": 0,
    "path.mnt": 0,
    "path.dentry": 8,
    "sock_common.skc_daddr": 0,
    "sock_common.skc_rcv_saddr": 4,
    "sock_common.skc_dport": 12,
    "sock_common.skc_num": 14,
    "sock_common.skc_family": 16,
    "sock_common.skc_v6_daddr": 56,
    "sock_common.skc_v6_rcv_saddr": 72,
}


class MadeUpKernel(Kernel):
    """Every field lies somewhere; ``lacking`` ones do not exist."""

    def __init__(self, machine: str, lacking: frozenset[str] = frozenset()) -> None:
        self.machine = machine
        self.lacking = lacking
        self._order: dict[str, int] = {}

    def __getitem__(self, path: str) -> int:
        if path in self.lacking:
            raise BtfError(f"{path}: this kernel has no such field")
        if path in NEAR:
            return NEAR[path]
        return self._order.setdefault(path, 8 * (len(self._order) + 1))

    @property
    def narrow_calls(self) -> bool:
        return self.machine == "x86_64" and "narrow" not in self.lacking

    def has(self, path: str) -> bool:
        return path not in self.lacking

    def size(self, name: str) -> int:
        return 640

    def knows(self, struct: str) -> bool:
        return struct not in self.lacking

    def tracepoint(self, name: str) -> int:
        if name in self.lacking:
            raise BtfError(f"this kernel has no tracepoint {name}")
        return 1000 + len(name)

    def tracepoint_arguments(self, name: str) -> int:
        if name == "sched_process_exit":
            return 1 if "group_dead" in self.lacking else 2
        return 6 if "short_submit" in self.lacking else 1


class Loader:
    """The ``bpf(2)`` of that kernel: gives descriptors, refuses programs by name."""

    def __init__(self, refused: frozenset[str] = frozenset(), *, all_refused: bool = False) -> None:
        self.refused = refused
        self.all_refused = all_refused
        self.loaded: dict[int, str] = {}
        self.table: dict[int, int] = {}
        self.attached: list[int] = []

    def __call__(self, command: int, attributes: Buffer) -> int:
        raw = attributes.raw
        if command == 5:
            return self._load(raw[48:64].rstrip(b"\0").decode())
        if command == 2:
            _, _, key, value, _ = struct.unpack("=IIQQQ", raw)
            number = struct.unpack("=I", ctypes.string_at(key, 4))[0]
            self.table[number] = struct.unpack("=I", ctypes.string_at(value, 4))[0]
            return 0
        if command == 17:
            self.attached.append(struct.unpack_from("=I", raw, 8)[0])
            return 500 + len(self.attached)
        return -errno.EINVAL

    def _load(self, name: str) -> int:
        if self.all_refused or name.removeprefix("haechi_") in self.refused:
            return -errno.EACCES
        fd = 100 + len(self.loaded)
        self.loaded[fd] = name
        return fd
