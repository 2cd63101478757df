"""Numbers of system calls as Falco writes them: ``O_RDONLY|O_CLOEXEC``, ``S_IXUSR``, ``AF_ALG``.

Names and their order are those of libs (``driver/flags_table.c``), so that a rule that compares
``evt.arg.flags`` means the same here. Enumerations with two names for one number give both, as
libs does (``AF_LOCAL|AF_UNIX``). Where libs' own conversion is loose, this is exact: O_TMPFILE and
O_SYNC need all of their bits, so opening a folder is not called a temporary file.
"""

from __future__ import annotations

import errno
import platform
import signal
from collections.abc import Callable
from functools import lru_cache

_ARM = platform.machine() in ("aarch64", "arm64", "armv7l")
_O_DIRECTORY = 0o40000 if _ARM else 0o200000
_O_DIRECT = 0o200000 if _ARM else 0o40000
_O_LARGEFILE = 0o400000 if _ARM else 0o100000
O_WRONLY, O_RDWR, O_CREAT, O_EXCL, O_TRUNC = 0o1, 0o2, 0o100, 0o200, 0o1000
O_TMPFILE = 0o20000000 | _O_DIRECTORY
_ACCESS = {0: "O_RDONLY", O_WRONLY: "O_WRONLY", O_RDWR: "O_RDWR", 3: "O_RDONLY"}

_OPEN_FIRST = (
    ("O_LARGEFILE", _O_LARGEFILE),
    ("O_DIRECTORY", _O_DIRECTORY),
    ("O_DIRECT", _O_DIRECT),
    ("O_TRUNC", O_TRUNC),
    ("O_SYNC", 0o4010000),
    ("O_NONBLOCK", 0o4000),
    ("O_EXCL", O_EXCL),
    ("O_DSYNC", 0o10000),
    ("O_APPEND", 0o2000),
    ("O_CREAT", O_CREAT),
)
_OPEN_LAST = (("O_CLOEXEC", 0o2000000), ("O_TMPFILE", O_TMPFILE))
_MODES = (
    ("S_IXOTH", 0o1),
    ("S_IWOTH", 0o2),
    ("S_IROTH", 0o4),
    ("S_IXGRP", 0o10),
    ("S_IWGRP", 0o20),
    ("S_IRGRP", 0o40),
    ("S_IXUSR", 0o100),
    ("S_IWUSR", 0o200),
    ("S_IRUSR", 0o400),
    ("S_ISVTX", 0o1000),
    ("S_ISGID", 0o2000),
    ("S_ISUID", 0o4000),
)
_CLONE = (
    ("CLONE_FILES", 0x400),
    ("CLONE_FS", 0x200),
    ("CLONE_IO", 0x80000000),
    ("CLONE_NEWIPC", 0x08000000),
    ("CLONE_NEWNET", 0x40000000),
    ("CLONE_NEWNS", 0x00020000),
    ("CLONE_NEWPID", 0x20000000),
    ("CLONE_NEWUTS", 0x04000000),
    ("CLONE_PARENT", 0x8000),
    ("CLONE_PARENT_SETTID", 0x00100000),
    ("CLONE_PTRACE", 0x2000),
    ("CLONE_SIGHAND", 0x800),
    ("CLONE_SYSVSEM", 0x00040000),
    ("CLONE_THREAD", 0x00010000),
    ("CLONE_UNTRACED", 0x00800000),
    ("CLONE_VM", 0x100),
    ("CLONE_NEWUSER", 0x10000000),
    ("CLONE_CHILD_CLEARTID", 0x00200000),
    ("CLONE_CHILD_SETTID", 0x01000000),
    ("CLONE_SETTLS", 0x00080000),
    ("CLONE_VFORK", 0x4000),
    ("CLONE_NEWCGROUP", 0x02000000),
)
_MOUNT = tuple(
    (name, 1 << bit)
    for name, bit in (
        ("RDONLY", 0),
        ("NOSUID", 1),
        ("NODEV", 2),
        ("NOEXEC", 3),
        ("SYNCHRONOUS", 4),
        ("REMOUNT", 5),
        ("MANDLOCK", 6),
        ("DIRSYNC", 7),
        ("NOATIME", 10),
        ("NODIRATIME", 11),
        ("BIND", 12),
        ("MOVE", 13),
        ("REC", 14),
        ("SILENT", 15),
        ("POSIXACL", 16),
        ("UNBINDABLE", 17),
        ("PRIVATE", 18),
        ("SLAVE", 19),
        ("SHARED", 20),
        ("RELATIME", 21),
        ("KERNMOUNT", 22),
        ("I_VERSION", 23),
        ("STRICTATIME", 24),
        ("LAZYTIME", 25),
    )
)
_UMOUNT = (("FORCE", 1), ("DETACH", 2), ("EXPIRE", 4), ("NOFOLLOW", 8))
_UNLINKAT = (("AT_REMOVEDIR", 0x200),)
_LINKAT = (("AT_SYMLINK_FOLLOW", 0x400), ("AT_EMPTY_PATH", 0x1000))
_RENAMEAT2 = (("RENAME_NOREPLACE", 1), ("RENAME_EXCHANGE", 2), ("RENAME_WHITEOUT", 4))
_MEMFD = (("MFD_CLOEXEC", 1), ("MFD_ALLOW_SEALING", 2), ("MFD_HUGETLB", 4))
_FINIT = (
    ("MODULE_INIT_IGNORE_MODVERSIONS", 1),
    ("MODULE_INIT_IGNORE_VERMAGIC", 2),
    ("MODULE_INIT_COMPRESSED_FILE", 4),
)
_FAMILIES = (
    ("AF_NFC", 39),
    ("AF_ALG", 38),
    ("AF_CAIF", 37),
    ("AF_IEEE802154", 36),
    ("AF_PHONET", 35),
    ("AF_ISDN", 34),
    ("AF_RXRPC", 33),
    ("AF_IUCV", 32),
    ("AF_BLUETOOTH", 31),
    ("AF_TIPC", 30),
    ("AF_CAN", 29),
    ("AF_LLC", 26),
    ("AF_WANPIPE", 25),
    ("AF_PPPOX", 24),
    ("AF_IRDA", 23),
    ("AF_SNA", 22),
    ("AF_RDS", 21),
    ("AF_ATMSVC", 20),
    ("AF_ECONET", 19),
    ("AF_ASH", 18),
    ("AF_PACKET", 17),
    ("AF_ROUTE", 16),
    ("AF_NETLINK", 16),
    ("AF_KEY", 15),
    ("AF_SECURITY", 14),
    ("AF_NETBEUI", 13),
    ("AF_DECnet", 12),
    ("AF_ROSE", 11),
    ("AF_INET6", 10),
    ("AF_X25", 9),
    ("AF_ATMPVC", 8),
    ("AF_BRIDGE", 7),
    ("AF_NETROM", 6),
    ("AF_APPLETALK", 5),
    ("AF_IPX", 4),
    ("AF_AX25", 3),
    ("AF_INET", 2),
    ("AF_LOCAL", 1),
    ("AF_UNIX", 1),
    ("AF_UNSPEC", 0),
)
_PTRACE = {
    0: "PTRACE_TRACEME",
    1: "PTRACE_PEEKTEXT",
    2: "PTRACE_PEEKDATA",
    3: "PTRACE_PEEKUSR",
    4: "PTRACE_POKETEXT",
    5: "PTRACE_POKEDATA",
    6: "PTRACE_POKEUSR",
    7: "PTRACE_CONT",
    8: "PTRACE_KILL",
    9: "PTRACE_SINGLESTEP",
    12: "PTRACE_GETREGS",
    13: "PTRACE_SETREGS",
    14: "PTRACE_GETFPREGS",
    15: "PTRACE_SETFPREGS",
    16: "PTRACE_ATTACH",
    17: "PTRACE_DETACH",
    18: "PTRACE_GETFPXREGS",
    19: "PTRACE_SETFPXREGS",
    21: "PTRACE_OLDSETOPTIONS",
    24: "PTRACE_SYSCALL",
    25: "PTRACE_GET_THREAD_AREA",
    26: "PTRACE_SET_THREAD_AREA",
    30: "PTRACE_ARCH_PRCTL",
    31: "PTRACE_SYSEMU",
    32: "PTRACE_SYSEMU_SINGLESTEP",
    33: "PTRACE_SINGLEBLOCK",
    0x4200: "PTRACE_SETOPTIONS",
    0x4201: "PTRACE_GETEVENTMSG",
    0x4202: "PTRACE_GETSIGINFO",
    0x4203: "PTRACE_SETSIGINFO",
    0x4204: "PTRACE_GETREGSET",
    0x4205: "PTRACE_SETREGSET",
    0x4206: "PTRACE_SEIZE",
    0x4207: "PTRACE_INTERRUPT",
    0x4208: "PTRACE_LISTEN",
    0x4209: "PTRACE_PEEKSIGINFO",
    0x420A: "PTRACE_GETSIGMASK",
    0x420B: "PTRACE_SETSIGMASK",
}
_BPF = (
    "BPF_MAP_CREATE",
    "BPF_MAP_LOOKUP_ELEM",
    "BPF_MAP_UPDATE_ELEM",
    "BPF_MAP_DELETE_ELEM",
    "BPF_MAP_GET_NEXT_KEY",
    "BPF_PROG_LOAD",
    "BPF_OBJ_PIN",
    "BPF_OBJ_GET",
    "BPF_PROG_ATTACH",
    "BPF_PROG_DETACH",
    "BPF_PROG_TEST_RUN|BPF_PROG_RUN",
    "BPF_PROG_GET_NEXT_ID",
    "BPF_MAP_GET_NEXT_ID",
    "BPF_PROG_GET_FD_BY_ID",
    "BPF_MAP_GET_FD_BY_ID",
    "BPF_OBJ_GET_INFO_BY_FD",
    "BPF_PROG_QUERY",
    "BPF_RAW_TRACEPOINT_OPEN",
    "BPF_BTF_LOAD",
    "BPF_BTF_GET_FD_BY_ID",
    "BPF_TASK_FD_QUERY",
    "BPF_MAP_LOOKUP_AND_DELETE_ELEM",
    "BPF_MAP_FREEZE",
    "BPF_BTF_GET_NEXT_ID",
    "BPF_MAP_LOOKUP_BATCH",
    "BPF_MAP_LOOKUP_AND_DELETE_BATCH",
    "BPF_MAP_UPDATE_BATCH",
    "BPF_MAP_DELETE_BATCH",
    "BPF_LINK_CREATE",
    "BPF_LINK_UPDATE",
    "BPF_LINK_GET_FD_BY_ID",
    "BPF_LINK_GET_NEXT_ID",
    "BPF_ENABLE_STATS",
    "BPF_ITER_CREATE",
    "BPF_LINK_DETACH",
    "BPF_PROG_BIND_MAP",
)
_CAPABILITIES = (
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_DAC_READ_SEARCH",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_SETGID",
    "CAP_SETUID",
    "CAP_SETPCAP",
    "CAP_LINUX_IMMUTABLE",
    "CAP_NET_BIND_SERVICE",
    "CAP_NET_BROADCAST",
    "CAP_NET_ADMIN",
    "CAP_NET_RAW",
    "CAP_IPC_LOCK",
    "CAP_IPC_OWNER",
    "CAP_SYS_MODULE",
    "CAP_SYS_RAWIO",
    "CAP_SYS_CHROOT",
    "CAP_SYS_PTRACE",
    "CAP_SYS_PACCT",
    "CAP_SYS_ADMIN",
    "CAP_SYS_BOOT",
    "CAP_SYS_NICE",
    "CAP_SYS_RESOURCE",
    "CAP_SYS_TIME",
    "CAP_SYS_TTY_CONFIG",
    "CAP_MKNOD",
    "CAP_LEASE",
    "CAP_AUDIT_WRITE",
    "CAP_AUDIT_CONTROL",
    "CAP_SETFCAP",
    "CAP_MAC_OVERRIDE",
    "CAP_MAC_ADMIN",
    "CAP_SYSLOG",
    "CAP_WAKE_ALARM",
    "CAP_BLOCK_SUSPEND",
    "CAP_AUDIT_READ",
    "CAP_PERFMON",
    "CAP_BPF",
    "CAP_CHECKPOINT_RESTORE",
)

Names = tuple[tuple[str, int], ...]


def _set(value: int, names: Names) -> str:
    return "|".join(name for name, bit in names if value & bit == bit)


@lru_cache(4096)
def open_flags(value: int, *, created: bool = False) -> str:
    """Flags of open. ``created`` adds O_F_CREATED: the call made the file."""
    first = [name for name, bit in _OPEN_FIRST if value & bit == bit]
    if "O_SYNC" in first and "O_DSYNC" in first:
        first.remove("O_DSYNC")
    last = [name for name, bit in _OPEN_LAST if value & bit == bit]
    made = ["O_F_CREATED"] if created else []
    return "|".join((*first, _ACCESS[value & 3], *last, *made))


def open_mode(flags: int, mode: int) -> int:
    """The mode counts only where the call may make a file; else it is what lay around."""
    return mode & 0o7777 if flags & O_CREAT or flags & O_TMPFILE == O_TMPFILE else 0


@lru_cache(512)
def mode(value: int) -> str:
    """Permission bits, ``S_IXUSR|S_ISUID``; of no bit "0"."""
    return _set(value, _MODES) or "0"


@lru_cache(512)
def family(value: int) -> str:
    """Domain of a socket; of an unknown one its number."""
    return "|".join(name for name, number in _FAMILIES if number == value) or str(value)


@lru_cache(512)
def capabilities(bits: int) -> str:
    """Names separated by blanks, lowest bit first."""
    return " ".join(n for i, n in enumerate(_CAPABILITIES) if bits >> i & 1)


def _flags(names: Names) -> Callable[[int], str]:
    @lru_cache(512)
    def told(value: int) -> str:
        return _set(value, names) or "0"

    return told


clone = _flags(_CLONE)
mount = _flags(_MOUNT)
umount = _flags(_UMOUNT)
unlinkat = _flags(_UNLINKAT)
linkat = _flags(_LINKAT)
renameat2 = _flags(_RENAMEAT2)
memfd = _flags(_MEMFD)
finit_module = _flags(_FINIT)
userfaultfd = _flags((("O_NONBLOCK", 0o4000), ("O_CLOEXEC", 0o2000000)))


def ptrace(request: int) -> str:
    """Name of a request of ptrace."""
    return _PTRACE.get(request, "PTRACE_UNKNOWN")


def bpf(command: int) -> str:
    """Name of a command of bpf; of an unknown one its number."""
    return _BPF[command] if 0 <= command < len(_BPF) else str(command)


def signal_name(number: int) -> str:
    """``SIGKILL``; of an unknown one its number."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)


def result(value: int) -> str:
    """``SUCCESS``, or the error's name."""
    if value >= 0:
        return "SUCCESS"
    return errno.errorcode.get(-value, str(-value))
