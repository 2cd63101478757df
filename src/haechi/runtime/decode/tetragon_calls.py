"""What a Tetragon policy saw, in Falco's terms: a system call, or a function of the kernel.

A policy chooses which arguments it reports, in the order of the call; places are not reported, so
arguments are told apart by their types. System calls become the event of their name. Functions
behind them are translated where their meaning is one of Falco's events: what ``fd_install`` and
``security_file_permission`` see is an open file, what ``tcp_connect`` sees is a connection on its
way. Anything else stays ``kprobe:<function>`` with its arguments.
"""

from __future__ import annotations

import errno
import posixpath
from collections.abc import Callable
from typing import Any

from haechi.runtime.decode.connections import connection, listening
from haechi.runtime.decode.values import array, known, mapping, text, whole

MAY_WRITE, MAY_READ, MAY_APPEND = 2, 4, 8
_PREFIXES = ("__x64_sys_", "__arm64_sys_", "__ia32_sys_", "__se_sys_", "__do_sys_", "sys_")
_PLAIN = ("string_arg", "int_arg", "uint_arg", "long_arg", "size_arg", "kernel_cap_t_arg")
_NUMBERS = frozenset(("int_arg", "uint_arg", "long_arg", "size_arg"))
_FILES = frozenset(("file_arg", "path_arg", "linux_binprm_arg"))
_PROTOCOLS = {"IPPROTO_TCP": "tcp", "IPPROTO_UDP": "udp", "TCP": "tcp", "UDP": "udp"}
_MOST_ARGS = 16
_OPENS = frozenset(("open", "openat", "openat2", "creat"))
_TEXTS: dict[str, tuple[str, ...]] = {
    "open": ("name",),
    "openat": ("name",),
    "openat2": ("name",),
    "creat": ("name",),
    "rename": ("oldpath", "newpath"),
    "renameat": ("oldpath", "newpath"),
    "renameat2": ("oldpath", "newpath"),
    "link": ("oldpath", "newpath"),
    "linkat": ("oldpath", "newpath"),
    "symlink": ("target", "linkpath"),
    "symlinkat": ("target", "linkpath"),
    "unlink": ("path",),
    "unlinkat": ("name",),
    "rmdir": ("path",),
    "mkdir": ("path",),
    "mkdirat": ("path",),
    "chmod": ("filename",),
    "fchmodat": ("filename",),
    "chdir": ("path",),
    "chroot": ("path",),
    "mount": ("dev", "dir", "type"),
    "umount2": ("name",),
    "memfd_create": ("name",),
    "execve": ("filename",),
    "execveat": ("filename",),
}
_INTS: dict[str, tuple[str, ...]] = {
    "setuid": ("uid",),
    "setgid": ("gid",),
    "setresuid": ("ruid", "euid", "suid"),
    "setresgid": ("rgid", "egid", "sgid"),
    "setns": ("fd", "nstype"),
    "unshare": ("flags",),
    "ptrace": ("request", "pid"),
    "kill": ("pid", "sig"),
    "dup": ("oldfd",),
    "dup2": ("oldfd", "newfd"),
    "dup3": ("oldfd", "newfd"),
}
_REQUESTS = {
    0: "PTRACE_TRACEME", 1: "PTRACE_PEEKTEXT", 2: "PTRACE_PEEKDATA", 3: "PTRACE_PEEKUSR",
    4: "PTRACE_POKETEXT", 5: "PTRACE_POKEDATA", 6: "PTRACE_POKEUSR", 7: "PTRACE_CONT",
    8: "PTRACE_KILL", 9: "PTRACE_SINGLESTEP", 12: "PTRACE_GETREGS", 13: "PTRACE_SETREGS",
    16: "PTRACE_ATTACH", 17: "PTRACE_DETACH", 0x4205: "PTRACE_SETREGSET", 0x4206: "PTRACE_SEIZE",
}  # fmt: skip
_OPEN_FLAGS = (
    (0o100, "O_CREAT"), (0o200, "O_EXCL"), (0o1000, "O_TRUNC"), (0o2000, "O_APPEND"),
    (0o4000, "O_NONBLOCK"), (0o200000, "O_DIRECTORY"), (0o400000, "O_NOFOLLOW"),
    (0o2000000, "O_CLOEXEC"),
)  # fmt: skip


class Arguments:
    """The arguments of a call, by their types."""

    def __init__(self, args: object, cwd: str) -> None:
        self.cwd = cwd
        self.pairs = [_argument(one) for one in array(args)[:_MOST_ARGS]]
        self.texts = [text(v) for kind, v in self.pairs if kind == "string_arg"]
        numbers = (whole(v) for kind, v in self.pairs if kind in _NUMBERS)
        self.numbers = [number for number in numbers if number is not None]
        self.files = [_path(v) for kind, v in self.pairs if kind in _FILES]
        self.sock = self._first("sock_arg", "skb_arg")
        self.sockaddr = self._first("sockaddr_arg")

    def _first(self, *kinds: str) -> dict[str, Any]:
        return next((mapping(v) for kind, v in self.pairs if kind in kinds), {})

    def after_text(self) -> int | None:
        """The first number that stands after the first text: the flags of an open."""
        kinds = [kind for kind, _ in self.pairs]
        if "string_arg" not in kinds:
            return None
        rest = self.pairs[kinds.index("string_arg") + 1 :]
        return next((whole(v) for kind, v in rest if kind in _NUMBERS), None)

    def shown(self) -> list[str]:
        """Every argument as a short text."""
        return [_shown(kind, value) for kind, value in self.pairs]


def call(function: str, args: object, result: object, cwd: str) -> tuple[str, dict[str, Any]]:
    """Falco's event type of what a function of the kernel saw, and its fields."""
    given = Arguments(args, cwd)
    name = function
    for prefix in _PREFIXES:
        if function.startswith(prefix) and len(function) > len(prefix):
            name = function[len(prefix) :]
            return name, _syscall(name, given) | _result(result)
    hook = _HOOKS.get(name)
    if hook is None:
        return f"kprobe:{name}", known({"kprobe.args": given.shown()}) | _result(result)
    type, fields_of = hook
    fields = fields_of(given) | _result(result)
    if fields.get("evt.rawres", 0) < 0 and fields.pop("tetragon.fd_assumed", None):
        fields["fd.num"] = -1
    return type, fields


def _argument(one: object) -> tuple[str, Any]:
    for kind, value in mapping(one).items():
        if kind != "label":
            return kind, value
    return "", None


def _path(value: object) -> str:
    """An absolute path: older versions leave the leading slash out and give the mount apart."""
    given = mapping(value)
    path, mount = text(given.get("path")), text(given.get("mount"))
    if mount.strip("/"):
        path = f"{mount.rstrip('/')}/{path.lstrip('/')}"
    return path if path.startswith("/") or not path else f"/{path}"


def _shown(kind: str, value: Any) -> str:
    if kind in _PLAIN:
        return str(value)[:500] if isinstance(value, str | int) else ""
    if kind in _FILES:
        return _path(value)[:500]
    inner = mapping(value)
    if inner:
        plain = (f"{k}={v}" for k, v in list(inner.items())[:12] if isinstance(v, str | int))
        return f"{kind.removesuffix('_arg')}({', '.join(plain)})"[:500]
    return kind.removesuffix("_arg")


def _result(result: object) -> dict[str, Any]:
    number = whole(_argument(result)[1])
    if number is None:
        return {}
    name = "SUCCESS" if number >= 0 else errno.errorcode.get(-number, str(number))
    return {"evt.rawres": number, "evt.res": name}


def _syscall(name: str, given: Arguments) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for argument, value in zip(_TEXTS.get(name, ()), given.texts, strict=False):
        fields[f"evt.arg.{argument}"] = value
    for argument, number in zip(_INTS.get(name, ()), given.numbers, strict=False):
        fields[f"evt.arg.{argument}"] = number
    if name == "ptrace" and given.numbers:
        fields["evt.arg.request"] = _REQUESTS.get(given.numbers[0], str(given.numbers[0]))
    if name in _OPENS:
        fields |= _opened(name, given)
    elif given.files:
        fields |= _file(given.files[0])
    if given.sock or given.sockaddr:
        fields |= _connecting(given)
    return known(fields)


def _opened(name: str, given: Arguments) -> dict[str, Any]:
    path = given.texts[0] if given.texts else (given.files[0] if given.files else "")
    if not path:
        return {}
    if not path.startswith("/") and given.cwd.startswith("/"):
        path = posixpath.normpath(posixpath.join(given.cwd, path))
    flags = 0o101 if name == "creat" else given.after_text()
    return _file(path) | ({} if flags is None else open_flags(flags))


def open_flags(flags: int) -> dict[str, Any]:
    """The flags of an open as Falco renders them."""
    mode = flags & 3
    names = [("O_RDONLY", "O_WRONLY", "O_RDWR", "O_RDWR")[mode]]
    names += [name for bit, name in _OPEN_FLAGS if flags & bit]
    return {
        "evt.arg.flags": "|".join(names),
        "evt.is_open_read": mode in (0, 2),
        "evt.is_open_write": mode in (1, 2, 3),
    }


def _file(path: str) -> dict[str, Any]:
    return {"fd.name": path, "fd.type": "file", "fd.typechar": "f"} if path else {}


def _installed(given: Arguments) -> dict[str, Any]:
    """A descriptor was given to a file: the open succeeded, how it was opened is not said."""
    if not given.files:
        return {}
    number = given.numbers[0] if given.numbers else None
    return known(_file(given.files[0]) | {"fd.num": number, "evt.rawres": number})


def _permitted(given: Arguments) -> dict[str, Any]:
    """Reading or writing an open file. Its descriptor exists and is not reported: rules ask that
    it be no error, so 0 stands for it, and ``tetragon.fd_assumed`` says so."""
    if not given.files:
        return {}
    fields = _file(given.files[0]) | {"fd.num": 0, "tetragon.fd_assumed": True}
    if given.numbers:
        mask = given.numbers[0]
        fields["evt.is_open_read"] = bool(mask & MAY_READ)
        fields["evt.is_open_write"] = bool(mask & (MAY_WRITE | MAY_APPEND))
    return fields


def _written(given: Arguments) -> dict[str, Any]:
    """Truncating is writing."""
    if not given.files:
        return {}
    return _permitted(given) | {"evt.is_open_write": True, "evt.is_open_read": False}


def _some_file(given: Arguments) -> dict[str, Any]:
    return _file(given.files[0]) if given.files else {}


def _ends(given: Arguments) -> tuple[dict[str, Any], str]:
    sock = given.sock
    protocol = text(sock.get("protocol"))
    return sock, _PROTOCOLS.get(protocol, protocol.removeprefix("IPPROTO_").lower()[:16])


def _connecting(given: Arguments) -> dict[str, Any]:
    if given.sockaddr:
        to = given.sockaddr
        return connection(None, None, to.get("addr"), to.get("port"), "")
    sock, protocol = _ends(given)
    return connection(
        sock.get("saddr"), sock.get("sport"), sock.get("daddr"), sock.get("dport"), protocol
    )


def _connect(given: Arguments) -> dict[str, Any]:
    """Seen when the first packet goes out: the call is in progress, as Falco's result says."""
    fields = _connecting(given)
    if not fields:
        return {}
    return fields | {"evt.rawres": -errno.EINPROGRESS, "evt.res": "EINPROGRESS"}


def _accept(given: Arguments) -> dict[str, Any]:
    sock, protocol = _ends(given)
    fields = connection(
        sock.get("daddr"), sock.get("dport"), sock.get("saddr"), sock.get("sport"), protocol
    )
    return fields | {"evt.rawres": 0, "evt.res": "SUCCESS"} if fields else {}


def _listen(given: Arguments) -> dict[str, Any]:
    if given.sockaddr:
        return listening(given.sockaddr.get("addr"), given.sockaddr.get("port"), "")
    sock, protocol = _ends(given)
    return listening(sock.get("saddr"), sock.get("sport"), protocol)


def _module(given: Arguments) -> dict[str, Any]:
    name = next((text(mapping(v).get("name")) for k, v in given.pairs if k == "module_arg"), "")
    return known({"evt.arg.name": name, "evt.rawres": 0, "evt.res": "SUCCESS"})


_HOOKS: dict[str, tuple[str, Callable[[Arguments], dict[str, Any]]]] = {
    "fd_install": ("openat", _installed),
    "security_file_permission": ("openat", _permitted),
    "file_open": ("openat", _permitted),
    "security_file_open": ("openat", _permitted),
    "file_post_open": ("openat", _permitted),
    "security_file_post_open": ("openat", _permitted),
    "security_path_truncate": ("openat", _written),
    "security_file_truncate": ("openat", _written),
    "security_mmap_file": ("mmap", _some_file),
    "security_bprm_check": ("kprobe:security_bprm_check", _some_file),
    "bprm_check_security": ("kprobe:bprm_check_security", _some_file),
    "tcp_connect": ("connect", _connect),
    "security_socket_connect": ("connect", _connect),
    "tcp_close": ("close", _connecting),
    "tcp_sendmsg": ("sendmsg", _connecting),
    "udp_sendmsg": ("sendmsg", _connecting),
    "inet_csk_accept": ("accept", _accept),
    "inet_csk_listen_start": ("listen", _listen),
    "security_socket_bind": ("bind", _listen),
    "do_init_module": ("init_module", _module),
}
