"""Records become events with Falco's field names.

One small function for each kind of call writes what that call alone says (``evt.arg.*``,
``fd.*``) into a copy of the process's own fields. Arguments bear the names of libs' table of
events (``driver/event_table.c``). Paths are given as the process sees them, made absolute where
the folder that they start from is known; where it is not, the name as it was asked for.
"""

from __future__ import annotations

import os
from binascii import hexlify
from collections.abc import Callable
from typing import Any

from haechi.model.event import Event
from haechi.model.keys import k8s_key
from haechi.world.sensor import flags
from haechi.world.sensor.portrait import Portraits
from haechi.world.sensor.processes import Process, Processes, cut_path
from haechi.world.sensor.record import CUT_FRONT, Record
from haechi.world.sensor.users import Users

SOURCE = "sensor"
_AT_FDCWD = -100
_LONGEST_MESSAGE = 200
_EINPROGRESS = -115
_IDS, _SALT = 256, 6
"""How many ids are made at once, and the bytes of each that are drawn."""

READS_ITS_PROCESS = frozenset({"execve", "execveat"})
"""What these say of themselves follows from what their process is."""

Fields = dict[str, Any]
_Make = Callable[["Builder", Record, Process, Fields], str]


class Builder:
    """Makes events of one node. ``prefix`` makes ids unique over restarts of machine and sensor.
    Each id holds random bytes, too: who knows an event's id must not know the next one's, and send
    an event of that id first."""

    def __init__(
        self,
        processes: Processes,
        portraits: Portraits,
        users: Users,
        *,
        prefix: str,
        cluster: str = "-",
        node: str = "",
    ) -> None:
        self.processes = processes
        self.users = users
        self._portraits = portraits
        self._prefix = prefix
        self._cluster = cluster
        self._node = node
        self._number = 0
        self._ids: list[str] = []

    def next_id(self) -> str:
        """An id that no other event has and nobody can guess."""
        if not self._ids:
            self._draw()
        return self._ids.pop()

    def _draw(self) -> None:
        """Make ids ahead: the kernel is asked for random bytes once for many."""
        first, prefix, size = self._number, self._prefix, 2 * _SALT
        drawn = hexlify(os.urandom(_IDS * _SALT)).decode()
        self._number = first + _IDS
        self._ids = [
            f"{prefix}-{first + at:x}-{drawn[at * size : at * size + size]}"
            for at in range(_IDS - 1, -1, -1)
        ]

    def event(self, record: Record, one: Process) -> Event:
        """The event of a record and its process (``Processes.of``)."""
        fields = self.portrait(one).copy()
        what = self.fill(record, one, fields)
        return self.made(record, one, what, fields)

    def portrait(self, one: Process) -> Fields:
        """What is the same in each event of a process; not to be changed."""
        return self._portraits.of(one, self.processes.epoch)

    def fill(self, record: Record, one: Process, fields: Fields) -> str:
        """Write what the call says into ``fields``; it in a few words."""
        fields["thread.tid"] = record.tid
        ret = record.ret
        fields["evt.rawres"] = ret
        fields["evt.res"] = "SUCCESS" if ret >= 0 else flags.result(ret)
        make = _MAKERS.get(record.type)
        what = make(self, record, one, fields) if make is not None else ""
        if "path_cut" in record.args:
            told = [name for name, value in fields.items() if _is_cut(value)]
            fields["haechi.cut"] = sorted(told) or ["*"]
        return what

    def made(self, record: Record, one: Process, what: str, fields: Fields) -> Event:
        """The event with these fields."""
        container = one.container
        return Event(
            id=self.next_id(),
            ts_ns=record.ts_ns,
            source=SOURCE,
            type=record.type,
            cluster=self._cluster,
            node=self._node,
            container_id=container.id,
            namespace=container.namespace,
            resource=self._resource(one) if container.pod else "",
            message=f"{one.comm}: {record.type} {what}"[:_LONGEST_MESSAGE],
            fields=fields,
        )

    def _resource(self, one: Process) -> str:
        container = one.container
        return k8s_key(
            group="",
            kind="Pod",
            namespace=container.namespace,
            name=container.pod,
            cluster=self._cluster if self._cluster != "-" else None,
        )

    def path(self, one: Process, name: Any, dirfd: Any = _AT_FDCWD, base: Any = None) -> str:
        """Absolute where that can be said, else as asked for. ``base`` is the folder that the
        kernel named for a relative one."""
        text = name if isinstance(name, str) else ""
        if base and text and not text.startswith("/"):
            text = f"{base}/{text}"
            if text.startswith(CUT_FRONT):
                return cut_path(text)
        return (
            self.processes.absolute(one, text, dirfd if type(dirfd) is int else _AT_FDCWD) or text
        )


def _is_cut(value: Any) -> bool:
    return type(value) is str and value.startswith(CUT_FRONT)


def _dirfd(fields: Fields, key: str, number: Any) -> None:
    if number is not None:
        fields[key] = "AT_FDCWD" if number == _AT_FDCWD else number


def _open(make: Builder, record: Record, one: Process, fields: Fields) -> str:
    args = record.args
    name = args.get("name") or ""
    dirfd = args.get("dirfd", _AT_FDCWD)
    path = args.get("path") or make.path(one, name, dirfd, args.get("base"))
    raw = args.get("flags", 0)
    ret = record.ret
    fields["fd.name"] = path
    if name and name != path:
        fields["fd.nameraw"] = name
    if ret >= 0:
        folder = raw & os.O_DIRECTORY and raw & flags.O_TMPFILE != flags.O_TMPFILE
        fields["fd.num"] = fields["evt.arg.fd"] = ret
        fields["fd.type"] = "directory" if folder else "file"
        fields["fd.typechar"] = "d" if folder else "f"
        ino = args.get("ino")
        if ino:
            fields["fd.ino"] = ino
            fields["fd.dev"] = args.get("dev", 0)
    else:
        # Without a type, as in Falco: rules tell failed opens by these two.
        fields["fd.num"], fields["fd.typechar"] = -1, "f"
    fields["evt.arg.name"] = path or name
    made = bool(args.get("created", ret >= 0 and raw & 0o300 == 0o300))
    fields["evt.arg.flags"] = flags.open_flags(raw, created=made)
    if raw & 0o100:
        fields["evt.arg.mode"] = f"0{flags.open_mode(raw, args.get('mode') or 0):o}"
    return path


def _creat(make: Builder, record: Record, one: Process, fields: Fields) -> str:
    path = _open(make, record, one, fields)
    del fields["evt.arg.flags"]
    fields["evt.arg.mode"] = f"0{(record.args.get('mode') or 0) & 0o7777:o}"
    return path


def _exec(make: Builder, record: Record, one: Process, fields: Fields) -> str:
    args = record.args
    told = []
    for flag, name in (
        ("proc.is_exe_writable", "EXE_WRITABLE"),
        ("proc.is_exe_upper_layer", "EXE_UPPER_LAYER"),
        ("proc.is_exe_from_memfd", "EXE_FROM_MEMFD"),
        ("proc.is_exe_lower_layer", "EXE_LOWER_LAYER"),
    ):
        if fields.get(flag):
            told.append(name)
    fields["evt.arg.flags"] = "|".join(told) or "0"
    filename = args.get("filename")
    if filename:
        fields["evt.arg.filename"] = make.path(
            one, filename, args.get("dirfd", _AT_FDCWD), args.get("base")
        )
    if record.ret >= 0:
        fields["evt.arg.exe"] = one.exe
        fields["evt.arg.args"] = " ".join(one.args)
        fields["evt.arg.cwd"] = one.cwd
        fields["evt.arg.trusted_exepath"] = one.exepath
        fields["evt.arg.comm"] = one.comm
    fields["evt.arg.tty"] = one.tty
    fields["evt.arg.tid"], fields["evt.arg.pid"] = record.tid, record.pid
    fields["evt.arg.ptid"] = one.ppid
    return one.cmdline if record.ret >= 0 else str(filename or "")


def _clone(make: Builder, record: Record, one: Process, fields: Fields) -> str:
    fields["evt.arg.flags"] = flags.clone(int(record.args.get("flags") or 0))
    fields["evt.arg.exe"] = one.exe
    return str(record.ret)


def _exit(make: Builder, record: Record, one: Process, fields: Fields) -> str:
    """``status`` is that of wait(2)."""
    status = int(record.args.get("status") or 0)
    fields["evt.arg.status"] = status
    fields["evt.arg.ret"] = status >> 8 & 0xFF
    number = status & 0x7F
    if number:
        fields["evt.arg.sig"] = flags.signal_name(number)
    fields["evt.arg.core"] = bool(status & 0x80)
    return str(status)


def _one_path(key: str, with_dir: bool = False) -> _Make:
    def make(self: Builder, record: Record, one: Process, fields: Fields) -> str:
        args = record.args
        dirfd = args.get("dirfd", _AT_FDCWD) if with_dir else _AT_FDCWD
        if with_dir:
            _dirfd(fields, "evt.arg.dirfd", args.get("dirfd"))
        fields[key] = path = self.path(one, args.get("path"), dirfd, args.get("base"))
        return path

    return make


def _unlinkat(make: Builder, record: Record, one: Process, fields: Fields) -> str:
    fields["evt.arg.flags"] = flags.unlinkat(int(record.args.get("flags") or 0))
    return _UNLINK(make, record, one, fields)


_UNLINK = _one_path("evt.arg.name", with_dir=True)
_MKDIR = _one_path("evt.arg.path")
_MKDIRAT = _one_path("evt.arg.path", with_dir=True)
_CHMOD = _one_path("evt.arg.filename")
_CHMODAT = _one_path("evt.arg.filename", with_dir=True)


def _mkdir(make: Builder, record: Record, one: Process, fields: Fields) -> str:
    fields["evt.arg.mode"] = f"0{int(record.args.get('mode') or 0) & 0o7777:o}"
    return (_MKDIRAT if record.type == "mkdirat" else _MKDIR)(make, record, one, fields)


def _chmod(make: Builder, record: Record, one: Process, fields: Fields) -> str:
    args = record.args
    fields["evt.arg.mode"] = flags.mode(int(args.get("mode") or 0) & 0o7777)
    if record.type != "fchmod":
        return (_CHMODAT if record.type == "fchmodat" else _CHMOD)(make, record, one, fields)
    return _descriptor(make, record, one, fields)


def _two_paths(first: str, second: str, dirs: tuple[str, str] = ("", "")) -> _Make:
    """``oldpath`` and ``newpath``, each with a folder of its own in the newer calls."""

    def make(self: Builder, record: Record, one: Process, fields: Fields) -> str:
        args = record.args
        told = []
        for name, key in ((first, dirs[0]), (second, dirs[1])):
            base = name.replace("path", "base")
            number = args.get(key, _AT_FDCWD) if key else _AT_FDCWD
            if key:
                told_as = key.removesuffix("fd") if record.type == "linkat" else key
                _dirfd(fields, f"evt.arg.{told_as}", args.get(key))
            fields[f"evt.arg.{name}"] = path = self.path(
                one, args.get(name), number, args.get(base)
            )
            told.append(path)
        raw = args.get("flags")
        if raw is not None:
            table = flags.renameat2 if record.type.startswith("rename") else flags.linkat
            fields["evt.arg.flags"] = table(int(raw))
        return " ".join(told)

    return make


def _symlink(make: Builder, record: Record, one: Process, fields: Fields) -> str:
    """The target is only a text: it is not made absolute."""
    args = record.args
    fields["evt.arg.target"] = target = str(args.get("target") or "")
    dirfd = args.get("linkdirfd", _AT_FDCWD)
    _dirfd(fields, "evt.arg.linkdirfd", args.get("linkdirfd"))
    fields["evt.arg.linkpath"] = path = make.path(
        one, args.get("linkpath"), dirfd, args.get("linkbase")
    )
    return f"{path} to {target}"


_UNIX = ("AF_UNIX", "AF_LOCAL")


def _socket_fields(record: Record, fields: Fields, server: bool | None) -> str:
    """Names and ends of a connection, in Falco's texts."""
    args = record.args
    family = args.get("family")
    if family in _UNIX:
        fields["fd.type"], fields["fd.typechar"] = "unix", "u"
        name = str(args.get("path") or "")
    elif family in ("AF_INET", "AF_INET6"):
        fields["fd.type"] = "ipv4" if family == "AF_INET" else "ipv6"
        fields["fd.typechar"] = "4" if family == "AF_INET" else "6"
        name = _ends(args, fields)
    else:
        return ""
    if name:
        fields["fd.name"] = name
    if server is not None:
        fields["fd.is_server"] = server
    return name


def _ends(args: Fields, fields: Fields) -> str:
    for key in ("sip", "sport", "cip", "cport"):
        value = args.get(key)
        if value is not None and value != "":
            fields[f"fd.{key}"] = value
    proto = args.get("proto")
    if proto:
        fields["fd.l4proto"] = proto
    server = f"{args.get('sip', '')}:{args.get('sport', 0)}" if args.get("sip") else ""
    if args.get("cip"):
        return f"{args['cip']}:{args.get('cport', 0)}->{server}"
    return server


def _connect(make: Builder, record: Record, one: Process, fields: Fields) -> str:
    name = _socket_fields(record, fields, server=False)
    _number(fields, record.args.get("fd"))
    datagram = record.type != "connect"  # with an address, new to this process
    fields["fd.connected"] = not datagram and record.ret == 0
    fields["fd.name_changed"] = datagram or record.ret >= 0 or record.ret == _EINPROGRESS
    if name:
        fields["evt.arg.tuple"] = name
    if record.type == "sendto" and record.args.get("size") is not None:
        fields["evt.arg.size"] = record.args["size"]
    if record.ret == _EINPROGRESS:
        fields["evt.res"] = "EINPROGRESS"
    return name


def _accept(make: Builder, record: Record, one: Process, fields: Fields) -> str:
    name = _socket_fields(record, fields, server=True)
    if record.ret >= 0:
        _number(fields, record.ret)
    if name:
        fields["evt.arg.tuple"] = name
    return name


def _bind(make: Builder, record: Record, one: Process, fields: Fields) -> str:
    name = _socket_fields(record, fields, server=True)
    _number(fields, record.args.get("fd"))
    if name and record.type == "bind":
        fields["evt.arg.addr"] = name
    if record.args.get("backlog") is not None:
        fields["evt.arg.backlog"] = record.args["backlog"]
    return name


def _socket(make: Builder, record: Record, one: Process, fields: Fields) -> str:
    args = record.args
    domain = args.get("domain")
    fields["evt.arg.domain"] = flags.family(domain) if isinstance(domain, int) else str(domain)
    kind = args.get("type")
    if isinstance(kind, int):
        fields["evt.arg.type"] = kind & 0xF
    fields["evt.arg.proto"] = args.get("proto", 0)
    if record.ret >= 0:
        _number(fields, record.ret)
    return str(fields["evt.arg.domain"])


def _number(fields: Fields, number: Any) -> None:
    if isinstance(number, int) and number >= 0:
        fields["fd.num"] = fields["evt.arg.fd"] = number


def _dup(make: Builder, record: Record, one: Process, fields: Fields) -> str:
    args = record.args
    name = _socket_fields(record, fields, server=None)
    if record.ret >= 0:
        fields["fd.num"] = record.ret
    for key in ("oldfd", "newfd"):
        if args.get(key) is not None:
            fields[f"evt.arg.{key}"] = args[key]
    return name or str(args.get("oldfd", ""))


def _descriptor(make: Builder, record: Record, one: Process, fields: Fields) -> str:
    """A call on a file that is open: its name is asked of /proc, if the process is still there."""
    number = record.args.get("fd")
    _number(fields, number)
    if isinstance(number, int) and number >= 0:
        name = record.args.get("path") or make.processes.descriptor(one, number)
        if name:
            fields["fd.name"], fields["fd.type"], fields["fd.typechar"] = name, "file", "f"
            return name
    return "" if number is None else str(number)


def _module(make: Builder, record: Record, one: Process, fields: Fields) -> str:
    args = record.args
    fields["evt.arg.uargs"] = str(args.get("params") or "")
    if args.get("flags") is not None:
        fields["evt.arg.flags"] = flags.finit_module(int(args["flags"]))
    return _descriptor(make, record, one, fields)


def _ptrace(make: Builder, record: Record, one: Process, fields: Fields) -> str:
    args = record.args
    request = args.get("request")
    fields["evt.arg.request"] = flags.ptrace(request if isinstance(request, int) else -1)
    fields["evt.arg.pid"] = args.get("pid", 0)
    return f"{fields['evt.arg.request']} {fields['evt.arg.pid']}"


def _numbers(*keys: str, render: Callable[[int], str] | None = None, key: str = "") -> _Make:
    """Arguments as they are; ``key`` through ``render``."""

    def make(self: Builder, record: Record, one: Process, fields: Fields) -> str:
        for name in keys:
            value = record.args.get(name)
            if value is not None:
                fields[f"evt.arg.{name}"] = value
        value = record.args.get(key)
        if render is not None and isinstance(value, int):
            fields[f"evt.arg.{key}"] = render(value)
        return " ".join(str(fields.get(f"evt.arg.{name}", "")) for name in (*keys, key) if name)

    return make


def _users(make: Builder, record: Record, one: Process, fields: Fields) -> str:
    """Users by name where this machine knows one, as in Falco."""
    contained = bool(one.container.full_id)
    names = make.users.group if record.type == "setgid" else make.users.user
    for key in ("uid", "gid", "ruid", "euid", "suid"):
        value = record.args.get(key)
        if isinstance(value, int):
            fields[f"evt.arg.{key}"] = names(value, contained=contained) or value
    return str(fields.get("evt.arg.uid", fields.get("evt.arg.euid", "")))


def _memfd(make: Builder, record: Record, one: Process, fields: Fields) -> str:
    name = str(record.args.get("name") or "")
    fields["evt.arg.name"] = name
    fields["evt.arg.flags"] = flags.memfd(int(record.args.get("flags") or 0))
    if record.ret >= 0:
        _number(fields, record.ret)
        fields["fd.name"], fields["fd.type"], fields["fd.typechar"] = f"memfd:{name}", "memfd", "m"
    return name


def _mount(make: Builder, record: Record, one: Process, fields: Fields) -> str:
    args = record.args
    fields["evt.arg.dev"] = str(args.get("source") or "")
    fields["evt.arg.dir"] = target = make.path(one, args.get("target"), _AT_FDCWD, args.get("base"))
    fields["evt.arg.type"] = str(args.get("fstype") or "")
    fields["evt.arg.flags"] = flags.mount(int(args.get("flags") or 0))
    return target


def _umount(make: Builder, record: Record, one: Process, fields: Fields) -> str:
    fields["evt.arg.flags"] = flags.umount(int(record.args.get("flags") or 0))
    base = record.args.get("base")
    fields["evt.arg.name"] = target = make.path(one, record.args.get("target"), _AT_FDCWD, base)
    return target


def _kill(make: Builder, record: Record, one: Process, fields: Fields) -> str:
    fields["evt.arg.pid"] = record.args.get("pid", 0)
    fields["evt.arg.sig"] = flags.signal_name(int(record.args.get("signal") or 0))
    return f"{fields['evt.arg.pid']} {fields['evt.arg.sig']}"


_MAKERS: dict[str, _Make] = {
    **dict.fromkeys(("execve", "execveat"), _exec),
    **dict.fromkeys(("clone", "clone3", "fork", "vfork"), _clone),
    "procexit": _exit,
    **dict.fromkeys(("open", "openat", "openat2"), _open),
    "creat": _creat,
    "rename": _two_paths("oldpath", "newpath"),
    "renameat": _two_paths("oldpath", "newpath", ("olddirfd", "newdirfd")),
    "renameat2": _two_paths("oldpath", "newpath", ("olddirfd", "newdirfd")),
    "link": _two_paths("oldpath", "newpath"),
    "linkat": _two_paths("oldpath", "newpath", ("olddirfd", "newdirfd")),
    **dict.fromkeys(("symlink", "symlinkat"), _symlink),
    "unlink": _one_path("evt.arg.path"),
    "unlinkat": _unlinkat,
    "rmdir": _one_path("evt.arg.path"),
    **dict.fromkeys(("mkdir", "mkdirat"), _mkdir),
    **dict.fromkeys(("chmod", "fchmod", "fchmodat"), _chmod),
    **dict.fromkeys(("connect", "sendto", "sendmsg"), _connect),
    **dict.fromkeys(("accept", "accept4"), _accept),
    **dict.fromkeys(("bind", "listen"), _bind),
    "socket": _socket,
    **dict.fromkeys(("dup", "dup2", "dup3"), _dup),
    "ptrace": _ptrace,
    "setns": _numbers("fd", render=flags.clone, key="nstype"),
    "unshare": _numbers(render=flags.clone, key="flags"),
    **dict.fromkeys(("setuid", "setgid", "setresuid"), _users),
    **dict.fromkeys(("init_module", "finit_module"), _module),
    "bpf": _numbers(render=flags.bpf, key="cmd"),
    "userfaultfd": _numbers(render=flags.userfaultfd, key="flags"),
    "memfd_create": _memfd,
    "io_uring_setup": _numbers("entries"),
    "mount": _mount,
    "umount2": _umount,
    "chdir": _one_path("evt.arg.path"),
    "fchdir": _descriptor,
    "chroot": _one_path("evt.arg.path"),
    "kill": _kill,
}
