"""The kernel's audit messages, put together to records.

One call is several messages with one serial number: SYSCALL, then EXECVE, CWD, PATH, SOCKADDR and
others, then EOE. Values stand in quotation marks, or as hexadecimal digits where they hold
anything else than plain characters; long arguments come in pieces (``a1[0]=``, ``a1[1]=``).
Messages hold what processes chose to write, so nothing is trusted: what cannot be read is left
out, and the number of messages, arguments and serials that wait has a bound.
"""

from __future__ import annotations

import re
import socket
import struct
from collections import OrderedDict
from typing import Any

from haechi.world.sensor.proc_fs import text_of
from haechi.world.sensor.record import Record

SYSCALL, PATH, SOCKADDR, CWD, EXECVE, EOE, OPENAT2 = 1300, 1302, 1306, 1307, 1309, 1320, 1337
_PARTS = frozenset({PATH, SOCKADDR, CWD, EXECVE, OPENAT2})
_HEAD = re.compile(r"audit\((\d{1,12})\.(\d{3}):(\d{1,20})\):\s?")
_PAIR = re.compile(r"([A-Za-z0-9_\[\]-]{1,40})=(\"[^\"]*\"|[^\s]*)")
_ARGUMENT = re.compile(r"a(\d{1,5})(?:\[(\d{1,5})\])?\Z")
_HEX = re.compile(r"(?:[0-9A-Fa-f]{2})+\Z")
_MOST_PARTS, _MOST_WAITING, _LONGEST = 512, 1024, 64 << 10
_MOST_ARGS, _LONGEST_ARG = 1024, 4096
_AT_FDCWD = -100

Pairs = dict[str, str]


def pairs(text: str) -> Pairs:
    """``key=value`` of a message; the first of a key counts."""
    found: Pairs = {}
    for match in _PAIR.finditer(text[:_LONGEST]):
        found.setdefault(match[1], match[2])
    return found


def unquoted(value: str) -> str:
    """A value that may be in quotation marks, hexadecimal, or absent."""
    if value.startswith('"'):
        return value.strip('"')
    if value in ("(null)", "(none)", "?", ""):
        return ""
    if _HEX.match(value):
        return text_of(bytes.fromhex(value)).rstrip("\0")
    return value


def arguments(messages: list[Pairs]) -> list[str]:
    """argv of EXECVE messages. An argument in pieces is hexadecimal over all of them."""
    pieces: dict[int, dict[int, str]] = {}
    for message in messages:
        for key, value in message.items():
            found = _ARGUMENT.match(key)
            if found is not None and int(found[1]) < _MOST_ARGS:
                pieces.setdefault(int(found[1]), {})[int(found[2] or 0)] = value
    argv = []
    for number in sorted(pieces):
        parts = [pieces[number][i] for i in sorted(pieces[number])]
        whole = parts[0] if len(parts) == 1 else "".join(part.strip('"') for part in parts)
        argv.append(unquoted(whole)[:_LONGEST_ARG])
    return argv


def address(saddr: str) -> dict[str, Any]:
    """``struct sockaddr`` as hexadecimal digits: family, address, port or path."""
    try:
        raw = bytes.fromhex(saddr)
        family = struct.unpack_from("=H", raw)[0]
        if family == socket.AF_INET:
            port, packed = struct.unpack_from("!H4s", raw, 2)
            return {"family": "AF_INET", "ip": socket.inet_ntop(family, packed), "port": port}
        if family == socket.AF_INET6:
            port, _, packed = struct.unpack_from("!HI16s", raw, 2)
            return {"family": "AF_INET6", "ip": socket.inet_ntop(family, packed), "port": port}
    except (ValueError, struct.error):
        return {}
    if family == socket.AF_UNIX:
        path = raw[2:]
        name = b"@" + path[1:].rstrip(b"\0") if path[:1] == b"\0" else path.split(b"\0", 1)[0]
        return {"family": "AF_UNIX", "path": text_of(name)}
    return {}


class Assembly:
    """Collects messages until a call is whole. ``cut`` counts calls given up for lack of room."""

    def __init__(self, calls: dict[int, str]) -> None:
        self.cut = 0
        self._calls = calls
        self._waiting: OrderedDict[str, list[tuple[int, str]]] = OrderedDict()

    def take(self, kind: int, body: bytes) -> Record | None:
        """A message; the record when it ended one."""
        text = text_of(body[:_LONGEST].rstrip(b"\0\n"))
        head = _HEAD.match(text)
        if head is None:
            return None
        serial = head[3]
        if kind == EOE:
            parts = self._waiting.pop(serial, None)
            return None if parts is None else self._record(head, parts)
        if kind == SYSCALL:
            self._waiting[serial] = [(kind, text[head.end() :])]
            if len(self._waiting) > _MOST_WAITING:
                self._waiting.popitem(last=False)
                self.cut += 1
        elif kind in _PARTS:
            parts = self._waiting.get(serial)
            if parts is not None and len(parts) < _MOST_PARTS:
                parts.append((kind, text[head.end() :]))
        return None

    def _record(self, head: re.Match[str], parts: list[tuple[int, str]]) -> Record | None:
        call = pairs(parts[0][1])
        others: dict[int, list[Pairs]] = {}
        for kind, text in parts[1:]:
            others.setdefault(kind, []).append(pairs(text))
        number = _number(call.get("syscall", ""))
        name = self._calls.get(number, "")
        if not name:
            return None
        seconds, milliseconds = int(head[1]), int(head[2])
        pid, loginuid = _number(call.get("pid", "")), _number(call.get("auid", ""))
        return Record(
            name,
            seconds * 1_000_000_000 + milliseconds * 1_000_000,
            pid,
            pid,
            _number(call.get("ppid", "")),
            _number(call.get("euid", "")),
            _number(call.get("egid", "")),
            unquoted(call.get("comm", "")),
            _number(call.get("exit", "")),
            _arguments(name, call, others),
            loginuid=-1 if loginuid in (-1, 0xFFFFFFFF) else loginuid,
        )


def _number(text: str) -> int:
    try:
        return int(text) if len(text) <= 20 else 0
    except ValueError:
        return 0


def _register(call: Pairs, index: int) -> int:
    """An argument of the call: hexadecimal, unsigned."""
    try:
        return int(call.get(f"a{index}", "0")[:16], 16)
    except ValueError:
        return 0


def _signed(value: int) -> int:
    """A file descriptor is 32 bits, signed."""
    value &= 0xFFFFFFFF
    return value - (1 << 32) if value & 0x80000000 else value


class _Paths:
    """The PATH messages of a call, and the folder that it was made in."""

    def __init__(self, others: dict[int, list[Pairs]]) -> None:
        self._paths = others.get(PATH, [])
        cwd = others.get(CWD, [{}])[0]
        self.cwd = unquoted(cwd.get("cwd", ""))

    def of(self, *kinds: str, last: bool = False) -> Pairs:
        """The first (or last) message of these kinds (``nametype``), the kinds in order."""
        for kind in kinds:
            found = [one for one in self._paths if one.get("nametype") == kind]
            if found:
                return found[-1 if last else 0]
        return {}

    def name(self, one: Pairs, dirfd: int = _AT_FDCWD) -> str:
        """Its name, absolute where it starts from the working directory."""
        name = unquoted(one.get("name", ""))
        if name and not name.startswith("/") and dirfd == _AT_FDCWD and self.cwd:
            return f"{self.cwd.rstrip('/')}/{name}"
        return name


def _arguments(name: str, call: Pairs, others: dict[int, list[Pairs]]) -> dict[str, Any]:
    make = _MAKERS.get(name)
    return make(name, call, others) if make is not None else {}


def _exec(name: str, call: Pairs, others: dict[int, list[Pairs]]) -> dict[str, Any]:
    paths = _Paths(others)
    args: dict[str, Any] = {"filename": paths.name(paths.of("NORMAL", "UNKNOWN"))}
    argv = arguments(others.get(EXECVE, []))
    if argv:
        args["argv"] = argv
    exe = unquoted(call.get("exe", ""))
    if exe and call.get("success") == "yes":
        args["path"] = exe
        args["memfd"] = exe.startswith(("/memfd:", "memfd:"))
    return args


def _open(name: str, call: Pairs, others: dict[int, list[Pairs]]) -> dict[str, Any]:
    paths = _Paths(others)
    dirfd, flags, mode = _AT_FDCWD, 0, 0
    if name == "openat":
        dirfd, flags, mode = _signed(_register(call, 0)), _register(call, 2), _register(call, 3)
    elif name == "open":
        flags, mode = _register(call, 1), _register(call, 2)
    elif name == "creat":
        flags, mode = 0o1101, _register(call, 1)
    else:
        how = others.get(OPENAT2, [{}])[0]
        dirfd = _signed(_register(call, 0))
        flags, mode = _octal(how.get("oflag", "")), _octal(how.get("mode", ""))
    one = paths.of("NORMAL", "CREATE", "UNKNOWN", last=True)
    args: dict[str, Any] = {"name": paths.name(one, dirfd), "flags": flags, "mode": mode}
    args["dirfd"] = dirfd
    args["ino"] = _number(one.get("inode", ""))
    return args


def _octal(text: str) -> int:
    try:
        return int(text[:22], 8)
    except ValueError:
        return 0


def _path(*kinds: str, first: int | None = None, mode: int | None = None) -> Any:
    """A call on one path; ``first`` is the place of dirfd, ``mode`` that of a mode."""

    def make(name: str, call: Pairs, others: dict[int, list[Pairs]]) -> dict[str, Any]:
        paths = _Paths(others)
        dirfd = _AT_FDCWD if first is None else _signed(_register(call, first))
        args: dict[str, Any] = {"path": paths.name(paths.of(*kinds), dirfd)}
        if first is not None:
            args["dirfd"] = dirfd
        if mode is not None:
            args["mode"] = _register(call, mode)
        if name == "unlinkat":
            args["flags"] = _register(call, 2)
        return args

    return make


def _two(name: str, call: Pairs, others: dict[int, list[Pairs]]) -> dict[str, Any]:
    """rename: what goes away becomes what comes; link: what is there, and what comes."""
    paths = _Paths(others)
    old_fd = new_fd = _AT_FDCWD
    args: dict[str, Any] = {}
    if name.endswith(("at", "at2")):
        old_fd, new_fd = _signed(_register(call, 0)), _signed(_register(call, 2))
        args = {"olddirfd": old_fd, "newdirfd": new_fd}
    old = paths.of("DELETE") if name.startswith("rename") else paths.of("NORMAL")
    args["oldpath"] = paths.name(old, old_fd)
    args["newpath"] = paths.name(paths.of("CREATE", last=True), new_fd)
    if name in ("linkat", "renameat2"):
        args["flags"] = _register(call, 4)
    return args


def _symlink(name: str, call: Pairs, others: dict[int, list[Pairs]]) -> dict[str, Any]:
    paths = _Paths(others)
    dirfd = _signed(_register(call, 1)) if name == "symlinkat" else _AT_FDCWD
    made = paths.name(paths.of("CREATE"), dirfd)
    args: dict[str, Any] = {"target": unquoted(paths.of("UNKNOWN").get("name", ""))}
    if name == "symlinkat":
        args["linkdirfd"] = dirfd
    return {**args, "linkpath": made}


def _connection(name: str, call: Pairs, others: dict[int, list[Pairs]]) -> dict[str, Any]:
    """The far end of connect, the own one of bind, the near and far ones of accept are not told
    together: only what the message says."""
    told = address(others.get(SOCKADDR, [{}])[0].get("saddr", ""))
    args: dict[str, Any] = {"fd": _signed(_register(call, 0))} if name != "accept" else {}
    if not told:
        return args
    args["family"] = told["family"]
    if "path" in told:
        args["path"] = told["path"]
    elif name.startswith("accept"):
        args["cip"], args["cport"] = told["ip"], told["port"]
    else:
        args["sip"], args["sport"] = told["ip"], told["port"]
    return args


def _registers(**places: int) -> Any:
    """Arguments as they are, by their places; signed as far as they are descriptors."""

    def make(name: str, call: Pairs, others: dict[int, list[Pairs]]) -> dict[str, Any]:
        return {
            key: _signed(_register(call, place)) if "fd" in key else _register(call, place)
            for key, place in places.items()
        }

    return make


def _mount(name: str, call: Pairs, others: dict[int, list[Pairs]]) -> dict[str, Any]:
    paths = _Paths(others)
    target = paths.name(paths.of("NORMAL", last=True))
    return {"target": target, "flags": _register(call, 3 if name == "mount" else 1)}


_MAKERS = {
    **dict.fromkeys(("execve", "execveat"), _exec),
    **dict.fromkeys(("open", "openat", "openat2", "creat"), _open),
    **dict.fromkeys(("rename", "renameat", "renameat2", "link", "linkat"), _two),
    **dict.fromkeys(("symlink", "symlinkat"), _symlink),
    "unlink": _path("DELETE"),
    "rmdir": _path("DELETE"),
    "unlinkat": _path("DELETE", first=0),
    "mkdir": _path("CREATE", mode=1),
    "mkdirat": _path("CREATE", first=0, mode=2),
    "chmod": _path("NORMAL", mode=1),
    "fchmod": _registers(fd=0, mode=1),
    "fchmodat": _path("NORMAL", first=0, mode=2),
    "chdir": _path("NORMAL"),
    "chroot": _path("NORMAL"),
    "fchdir": _registers(fd=0),
    **dict.fromkeys(("connect", "bind", "accept", "accept4"), _connection),
    "listen": _registers(fd=0, backlog=1),
    "socket": _registers(domain=0, type=1, proto=2),
    "dup2": _registers(oldfd=0, newfd=1),
    "dup3": _registers(oldfd=0, newfd=1, flags=2),
    "ptrace": _registers(request=0, pid=1),
    "setns": _registers(fd=0, nstype=1),
    "unshare": _registers(flags=0),
    "setuid": _registers(uid=0),
    "setgid": _registers(gid=0),
    "setresuid": _registers(ruid=0, euid=1, suid=2),
    "finit_module": _registers(fd=0, flags=2),
    "bpf": _registers(cmd=0),
    "userfaultfd": _registers(flags=0),
    "memfd_create": _registers(flags=1),
    "kill": _registers(pid=0, signal=1),
    **dict.fromkeys(("mount", "umount2"), _mount),
}
