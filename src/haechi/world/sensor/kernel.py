"""What the programs must know of the running kernel: machine, field offsets, own process id.

Everything that differs between kernels is looked up here once, by name, in the kernel's type
information; the programs are then assembled with plain numbers.
"""

from __future__ import annotations

import platform

from haechi.errors import SensorError
from haechi.world.sensor.btf import FUNCTION, STRUCT, TYPEDEF, UNION, Btf, BtfError

_ARGUMENTS = {
    "x86_64": ("di", "si", "dx", "r10", "r8", "r9"),
    # x0 holds the result when a call returns, its argument is kept beside it
    "aarch64": ("orig_x0", "regs+8", "regs+16", "regs+24", "regs+32", "regs+40"),
}
_NARROW = ("bx", "cx", "dx", "si", "di", "bp")
"""The registers of a 32-bit call on x86."""
_NUMBER = {"x86_64": "orig_ax", "aarch64": "syscallno"}

NAMES = (
    *("task_struct", "pt_regs", "user_pt_regs", "nsproxy", "mnt_namespace", "ns_common", "pid"),
    *("upid", "cred", "fs_struct", "path", "files_struct", "fdtable", "file", "inode", "qstr"),
    *("super_block", "dentry", "vfsmount", "mount", "linux_binprm", "mm_struct", "tty_struct"),
    *(
        "signal_struct",
        "tty_driver",
        "ovl_inode",
        "socket",
        "sock",
        "unix_sock",
        "file_system_type",
    ),
    *("unix_address", "thread_info", "sock_common", "btf_trace_sys_exit"),
    "btf_trace_sched_process_exec",
    *("btf_trace_sched_process_fork", "btf_trace_sched_process_exit"),
    "__ia32_compat_sys_openat",
    *("btf_trace_io_uring_submit_req", "io_kiocb", "io_open", "io_unlink", "io_rename"),
    *("io_link", "io_mkdir", "io_connect", "filename"),
)
"""Everything looked up, so that one pass over the types finds all."""


class Kernel:
    """Offsets by dotted path (``kernel["task_struct.cred"]``), tracepoint ids, registers."""

    def __init__(self, types: Btf, machine: str = "") -> None:
        self.machine = machine or platform.machine()
        if self.machine not in _ARGUMENTS:
            raise SensorError(f"no eBPF programs for a {self.machine} machine")
        types.find(*NAMES)
        self._types = types
        self._offsets: dict[str, int] = {}

    @classmethod
    def running(cls) -> Kernel:
        try:
            return cls(Btf.of_kernel())
        except BtfError as error:
            raise SensorError(
                "the kernel's type information cannot be used",
                why=str(error),
                do="run a kernel built with CONFIG_DEBUG_INFO_BTF, and mount /sys",
            ) from error

    def __getitem__(self, path: str) -> int:
        found = self._offsets.get(path)
        if found is None:
            found = self._offsets[path] = self._types.offset(path)
        return found

    def has(self, path: str) -> bool:
        return self._types.has(path)

    def size(self, name: str) -> int:
        return self._types.size(name)

    def knows(self, struct: str) -> bool:
        return self._types.identify(struct, STRUCT, UNION) is not None

    def tracepoint(self, name: str) -> int:
        found = self._types.identify(f"btf_trace_{name}", TYPEDEF)
        if found is None:
            raise BtfError(f"this kernel has no tracepoint {name}")
        return found

    def tracepoint_arguments(self, name: str) -> int:
        # the first parameter of the type is the tracepoint's own
        return self._types.parameters(self.tracepoint(name)) - 1

    @property
    def narrow_calls(self) -> bool:
        """Whether 32-bit calls are possible, in a way that the programs know (x86)."""
        return self.machine == "x86_64" and (
            self._types.identify("__ia32_compat_sys_openat", FUNCTION) is not None
        )

    def argument(self, index: int, *, narrow: bool = False) -> int:
        """Where ``pt_regs`` keeps a system call's argument."""
        name = (_NARROW if narrow else _ARGUMENTS[self.machine])[index]
        field, _, more = name.partition("+")
        return self[f"pt_regs.{field}"] + int(more or 0)

    @property
    def call_number(self) -> int:
        """Where ``pt_regs`` keeps the number of the system call."""
        return self[f"pt_regs.{_NUMBER[self.machine]}"]
