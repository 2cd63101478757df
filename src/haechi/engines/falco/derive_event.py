"""``evt.*`` that an event says without carrying it: times, results, kinds of opens, categories.

Rules of libs that are kept: ``evt.is_open_…`` is false (not missing) for events that open nothing,
``evt.failed`` is missing where a call has no result. Differences: times are printed in UTC (libs
prints them in the machine's zone); events of many sources have no common order, so there are no
deltas between events and ``evt.num`` is always 1 (rules only use it to say "always": ``evt.num >=
0``, and "never": ``evt.num = 0``).
"""

from __future__ import annotations

import errno
import time
from typing import Any

from haechi.model.event import Event

SOURCES: dict[str, str] = {
    "sensor": "syscall",
    "tetragon": "syscall",
    "kubernetes-audit": "k8s_audit",
    "hubble": "flow",
    "envoy": "flow",
    "application": "application",
}
"""``Event.source`` to the source that rules name. What is not here is not judged."""

SECOND = 1_000_000_000
OPENS = frozenset({"open", "openat", "openat2", "open_by_handle_at"})
_CALLS = {
    "reads": "read readv pread preadv recv recvfrom recvmsg recvmmsg sendfile getdents getdents64",
    "writes": "write writev pwrite pwritev send sendto sendmsg sendmmsg sendfile splice",
    "waits": "poll ppoll select epoll_wait nanosleep pause accept accept4 connect",
}
_READS = frozenset(_CALLS["reads"].split())
_WRITES = frozenset(_CALLS["writes"].split())
_WAITS = frozenset(_CALLS["waits"].split())
_CATEGORIES = {
    "file": "open openat openat2 open_by_handle_at creat close access mkdir mkdirat rmdir rename "
    "renameat renameat2 link linkat symlink symlinkat unlink unlinkat chmod fchmod fchmodat chown "
    "fchown fchownat lchown mount umount umount2 stat lstat fstat newfstatat truncate ftruncate "
    "mknod mknodat chdir fchdir getcwd chroot quotactl fsconfig inotify_init inotify_init1 fcntl",
    "net": "socket bind connect listen accept accept4 shutdown getsockname getpeername getsockopt "
    "setsockopt socketpair",
    "process": "execve execveat clone clone3 fork vfork procexit ptrace prctl setns unshare kill "
    "tkill tgkill getrlimit setrlimit prlimit seccomp memfd_create pidfd_open pidfd_getfd process_"
    "vm_readv process_vm_writev capset prctl",
    "user": "setuid setgid setresuid setresgid setreuid setregid setpgid setsid getuid getgid "
    "geteuid getegid getresuid getresgid",
    "IPC": "pipe pipe2 eventfd eventfd2 semop semctl semget userfaultfd",
    "memory": "mmap mmap2 munmap mprotect brk mlock mlock2 munlock mlockall munlockall",
    "signal": "signalfd signalfd4 signaldeliver",
    "time": "timerfd_create",
    "system": "bpf init_module finit_module delete_module io_uring_setup io_uring_enter "
    "io_uring_register",
    "wait": "poll ppoll select epoll_wait epoll_create epoll_create1",
    "sleep": "nanosleep",
}
CATEGORY = {kind: name for name, kinds in _CATEGORIES.items() for kind in kinds.split()}
_IO = frozenset({*_READS, *_WRITES})


def type_of(event: Event) -> Any:
    return event.type


def rawtime(event: Event) -> Any:
    return event.ts_ns


def rawtime_s(event: Event) -> Any:
    return event.ts_ns // SECOND


def rawtime_ns(event: Event) -> Any:
    return event.ts_ns % SECOND


def _clock(event: Event, form: str) -> str:
    # a clock may have jumped anywhere: years that the C library cannot print become 1970
    seconds = event.ts_ns // SECOND
    try:
        return time.strftime(form, time.gmtime(seconds))
    except (ValueError, OverflowError, OSError):
        return time.strftime(form, time.gmtime(0))


def _nanos(event: Event) -> str:
    return f"{event.ts_ns % SECOND:09d}"


def clock(event: Event) -> Any:
    return f"{_clock(event, '%H:%M:%S')}.{_nanos(event)}"


def clock_s(event: Event) -> Any:
    return _clock(event, "%H:%M:%S")


def datetime(event: Event) -> Any:
    return f"{_clock(event, '%Y-%m-%d %H:%M:%S')}.{_nanos(event)}"


def datetime_s(event: Event) -> Any:
    return _clock(event, "%Y-%m-%d %H:%M:%S")


def iso8601(event: Event) -> Any:
    return f"{_clock(event, '%Y-%m-%dT%H:%M:%S')}.{_nanos(event)}+0000"


def iso8601_z(event: Event) -> str:
    """The time of alerts."""
    return f"{_clock(event, '%Y-%m-%dT%H:%M:%S')}.{_nanos(event)}Z"


def direction(event: Event) -> Any:
    return "<"


def source(event: Event) -> Any:
    return SOURCES.get(event.source)


def hostname(event: Event) -> Any:
    return event.node or None


def plugin(event: Event) -> Any:
    return "k8saudit" if event.source == "kubernetes-audit" else None


def number(event: Event) -> Any:
    return 1


def is_async(event: Event) -> Any:
    return False


def count(event: Event) -> Any:
    return 1


def syscall(event: Event) -> Any:
    return event.type if SOURCES.get(event.source) == "syscall" else None


def result(event: Event) -> int | None:
    """``evt.rawres`` where it is given as a number."""
    value = event.fields.get("evt.rawres")
    return value if isinstance(value, int) else None


def rawres(event: Event) -> Any:
    told = event.fields.get("evt.res")
    if told == "SUCCESS":
        return 0
    known = getattr(errno, told, None) if isinstance(told, str) and told[:1] == "E" else None
    return -known if isinstance(known, int) else None


def res(event: Event) -> Any:
    code = result(event)
    if code is None:
        return None
    return "SUCCESS" if code >= 0 else errno.errorcode.get(-code, str(code))


def failed(event: Event) -> Any:
    code = result(event)
    code = rawres(event) if code is None else code
    if code is not None:
        return code < 0
    told = event.fields.get("evt.res")
    return told != "SUCCESS" if isinstance(told, str) else None


def is_open_read(event: Event) -> Any:
    if event.type not in OPENS:
        return False
    flags = event.fields.get("evt.arg.flags")
    return isinstance(flags, str) and ("O_RDONLY" in flags or "O_RDWR" in flags)


def is_open_write(event: Event) -> Any:
    if event.type not in OPENS:
        return False
    flags = event.fields.get("evt.arg.flags")
    return isinstance(flags, str) and ("O_WRONLY" in flags or "O_RDWR" in flags)


def is_open_create(event: Event) -> Any:
    flags = event.fields.get("evt.arg.flags")
    if event.type not in OPENS or not isinstance(flags, str):
        return False
    code = result(event)
    return "O_F_CREATED" in flags or ("O_TMPFILE" in flags and code is not None and code >= 0)


def is_open_exec(event: Event) -> Any:
    if event.type == "creat":
        return _executable(event.fields.get("evt.arg.mode"))
    flags = event.fields.get("evt.arg.flags")
    if event.type not in OPENS or event.type == "open_by_handle_at" or not isinstance(flags, str):
        return False
    if "O_CREAT" not in flags and "O_TMPFILE" not in flags:
        return False
    return _executable(event.fields.get("evt.arg.mode"))


def _executable(mode: Any) -> bool:
    """Whether a mode (a number, octal digits, or names of bits) lets anybody execute."""
    if isinstance(mode, int):
        return bool(mode & 0o111)
    if not isinstance(mode, str) or len(mode) > 200:
        return False
    digits = mode.removeprefix("0o")
    if digits and all(char in "01234567" for char in digits):
        return bool(int(digits, 8) & 0o111)
    return any(name in mode for name in ("S_IXUSR", "S_IXGRP", "S_IXOTH"))


def is_io(event: Event) -> Any:
    return event.type in _IO


def is_io_read(event: Event) -> Any:
    return event.type in _READS


def is_io_write(event: Event) -> Any:
    return event.type in _WRITES


def io_dir(event: Event) -> Any:
    if event.type in _WRITES:
        return "write"
    return "read" if event.type in _READS else None


def is_wait(event: Event) -> Any:
    return event.type in _WAITS


def category(event: Event) -> Any:
    if event.type in _IO:
        kind = event.fields.get("fd.typechar")
        if kind in ("f", "d"):
            return "file"
        return "net" if kind in ("4", "6") else "unknown"
    return CATEGORY.get(event.type, "other")


def arguments(event: Event) -> Any:
    """``name=value`` for each argument that is there, in the order given."""
    found = [
        f"{name[8:]}={value}"
        for name, value in event.fields.items()
        if name.startswith("evt.arg.") and isinstance(value, str | int | float)
    ]
    return " ".join(found) if found else None
