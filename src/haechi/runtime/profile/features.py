"""What of an event counts for a profile: whose behaviour it is, and what was done.

Names that hardly ever come twice are taken together: numbers and long hexadecimal words in paths
become ``*``, files elsewhere than in the places where each one matters count by their folder, a
peer by its /16 and port, ports that the kernel gives out by ``high``. What an event is made of
is worked out once for each text, as the same processes, files and peers come all the time.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

from haechi.model.event import Event

PROGRAM, LINEAGE, FILE, PEER, PORT, CALL, ORDER = range(7)
FAMILIES = ("program", "lineage", "file", "peer", "port", "call", "order")
"""By number. ``order`` is the order of events and holds no values."""
MOST = (128, 256, 512, 256, 64, 64)
"""Values that each family keeps."""
EXEC, FILES, NET, OTHER = range(4)
"""Kinds of events, each with scores of its own."""

_OPENS = ("open", "openat", "openat2", "creat")
_CHANGES = {
    "rename": "moves", "renameat": "moves", "renameat2": "moves",
    "unlink": "deletes", "unlinkat": "deletes",
    "link": "links", "linkat": "links", "symlink": "links", "symlinkat": "links",
    "chmod": "chmods", "fchmod": "chmods", "fchmodat": "chmods",
}  # fmt: skip
_WRITES = re.compile("O_WRONLY|O_RDWR|O_CREAT")
_EXECS = frozenset({"execve", "execveat"})
_PEERS = ("connect", "sendto", "sendmsg")
_CALLS = (
    "bpf", "chroot", "finit_module", "init_module", "mount", "ptrace", "setns", "unshare",
    "userfaultfd", "memfd_create", "setuid", "setgid", "dup2", "dup3", "capset", "umount2",
)  # fmt: skip
TYPES: dict[str, int] = {
    "execve": EXEC,
    "execveat": EXEC,
    **dict.fromkeys(_OPENS, FILES),
    **dict.fromkeys(_CHANGES, FILES),
    **dict.fromkeys(_PEERS, NET),
    "listen": NET,
    "bind": NET,
    **dict.fromkeys(_CALLS, OTHER),
}
SYMBOLS = {name: number for number, name in enumerate(TYPES)}
"""Types of events as the order model has them."""
SOURCES = frozenset({"sensor", "tetragon"})

_VARIES = re.compile(r"(?<![A-Za-z])[0-9a-f-]{16,}(?![A-Za-z])|(?<=[-_.@])[0-9a-f]{8,}\b|\d{3,}")
_EACH = ("/etc/", "/root/", "/proc/", "/boot/", "/dev/")
"""Below these, and in hidden folders, every file counts by itself, unless it lies deep."""
_SECRETS = ("/var/run/secrets/", "/run/secrets/")
_INTERPRETERS = re.compile(
    r"(?:.*/)?(?:python|pypy|perl|ruby|node|php|lua|bash|dash|sh|zsh|ksh|busybox|java)[\d.]*\Z"
)
_DEPTH, _LONGEST = 4, 160
EPHEMERAL = 32_768
_MEMO = 20_000


class Workload(NamedTuple):
    """Whose behaviour it is. ``image`` is empty on a host, where ``command`` is the program (of
    an interpreter: with its script)."""

    cluster: str
    namespace: str
    resource: str
    image: str
    command: str

    @property
    def likeness(self) -> tuple[str, str]:
        """What workloads share that may begin with each other's profile."""
        return self.image, self.command


class Doing(NamedTuple):
    """What was done: values by family, two at most."""

    kind: int
    parts: tuple[tuple[int, str], ...]


def plain_path(path: str) -> str:
    """A path without the parts that vary."""
    return _VARIES.sub("*", path[: 2 * _LONGEST])[:_LONGEST]


def file_area(path: str) -> str:
    """The file, where each one matters; else its folder, four deep at most."""
    path = plain_path(path)
    parts = path.split("/")
    each = path.startswith(_EACH) or "/." in path
    if path.startswith(_SECRETS) or (each and len(parts) <= _DEPTH + 1):
        return path
    return "/".join(parts[: min(len(parts) - 1, _DEPTH + 1)]) + "/"


def peer_of(address: str, port: Any) -> str:
    """An address by its network, with its port."""
    number = port if isinstance(port, int) else -1
    where = "high" if number >= EPHEMERAL else str(number) if number >= 0 else "?"
    if address.startswith("127.") or address == "::1":
        return f"loopback:{where}"
    if ":" in address:
        head = ":".join(address.split(":")[:3])
        return f"[{head}::/48]:{where}"
    return f"{'.'.join(address.split('.')[:2])}.0.0/16:{where}"


def host_program(exepath: str, words: str) -> str:
    """A program of a host; of an interpreter with the script that it runs. ``words`` is its
    command line."""
    if _INTERPRETERS.match(exepath) is None:
        return plain_path(exepath)
    given = words[:1_000].split(" ", 12)[1:12]
    for place, word in enumerate(given):
        if word == "-m" and place + 1 < len(given):
            return f"{plain_path(exepath)} -m {plain_path(given[place + 1])}"
        if word == "-c":
            break
        if word and not word.startswith("-"):
            if "/" in word or "." in word:
                return f"{plain_path(exepath)} {plain_path(word.rsplit('/', 1)[-1])}"
            break
    return plain_path(exepath)


class Reader:
    """Reads events. What it remembers is bounded, and nothing depends on it but speed, save the
    first program of each container, which is its command. Not thread-safe."""

    def __init__(self) -> None:
        self._workloads: dict[tuple[Any, ...], Workload] = {}
        self._doings: dict[tuple[Any, ...], Doing] = {}
        self._commands: dict[tuple[str, str, str], str] = {}

    def whose(self, event: Event) -> Workload | None:
        """Whose behaviour an event is: of its container, or on a host of its program; a program
        is started by its parent. None when it cannot be told."""
        get = event.fields.get
        container = get("container.id") or event.container_id or "host"
        if container != "host":
            return self._contained(event, container)
        if event.type in _EXECS:
            exe, words = get("proc.pexepath"), get("proc.pcmdline")
        else:
            exe, words = get("proc.exepath"), get("proc.cmdline")
        if type(exe) is not str or not exe:
            return None
        if type(words) is not str:
            words = ""
        key = (event.cluster, event.namespace, exe, words)
        known = self._workloads.get(key)
        if known is None:
            command = host_program(exe, words)
            known = Workload(event.cluster, event.namespace, "", "", command)
            self._keep(self._workloads, key, known)
        return known

    def _contained(self, event: Event, container: Any) -> Workload | None:
        get = event.fields.get
        image = get("container.image.repository") or get("container.image") or ""
        if type(image) is not str or type(container) is not str:
            return None
        key = (event.cluster, event.namespace, event.resource, image, container)
        known = self._workloads.get(key)
        if known is None or (not known.command and get("proc.vpid") == 1):
            command = self._command(event, container)
            # What has neither a workload nor an image is known by its id alone.
            named = image or ("" if event.resource else container[:12])
            known = Workload(event.cluster, event.namespace, event.resource, named, command)
            self._keep(self._workloads, key, known)
        return known

    def _command(self, event: Event, container: str) -> str:
        """The program that a container began with, as soon as it is known."""
        # A sender of another namespace may name this container, too.
        place = (event.cluster, event.namespace, container)
        command = self._commands.get(place, "")
        exe = event.fields.get("proc.exepath")
        if not command and event.fields.get("proc.vpid") == 1 and type(exe) is str:
            command = plain_path(exe)
            self._keep(self._commands, place, command)
        return command

    @staticmethod
    def _keep(memory: dict[Any, Any], key: Any, value: Any) -> None:
        if len(memory) >= _MEMO:
            memory.clear()
        memory[key] = value

    def done(self, event: Event) -> Doing | None:
        """What was done, as far as it counts: None for what failed to start, and for what has no
        object."""
        kind = TYPES[event.type]
        get = event.fields.get
        result = get("evt.rawres", 0)
        fails = type(result) is int and result < 0
        if kind == FILES:
            path = get("fd.name") or get("evt.arg.name") or get("evt.arg.path")
            key: tuple[Any, ...] = (event.type, path, get("evt.arg.flags"), fails)
        elif kind == NET:
            key = (event.type, get("fd.sip"), get("fd.sport"), get("fd.name"))
            if event.type in _PEERS and key[1]:
                key = (event.type, key[1], key[2], None)  # the near end's port is any
        elif kind == EXEC:
            key = (event.type, get("proc.exepath"), parent_of(event), fails)
        else:
            return _CALL_DOINGS[event.type]
        try:
            known = self._doings.get(key)
        except TypeError:  # a list or an object where a text belongs
            return None
        if known is None:
            known = _DONE[kind](event, key)
            if known is not None:
                self._keep(self._doings, key, known)
        return known


def _filed(event: Event, key: tuple[Any, ...]) -> Doing | None:
    _, path, flags, fails = key
    get = event.fields.get
    path = path or get("evt.arg.filename") or get("evt.arg.oldpath") or get("evt.arg.newpath")
    if type(path) is not str or not path:
        return None
    mode = "fails" if fails else _CHANGES.get(event.type, "")
    if not mode:
        writes = type(flags) is str and _WRITES.search(flags) is not None
        mode = "writes" if writes else "reads"
    return Doing(FILES, ((FILE, f"{mode} {file_area(path)}"),))


def _connected(event: Event, key: tuple[Any, ...]) -> Doing | None:
    type_, address, port, name = key
    port = port if type(port) is int else None
    if type_ in ("listen", "bind"):
        if port is None:
            return None
        return Doing(NET, ((PORT, "high" if port >= EPHEMERAL else str(port)),))
    if type(address) is str and address:
        return Doing(NET, ((PEER, peer_of(address[:64], port)),))
    if type(name) is not str or not name:
        return None
    if name.startswith("/"):
        return Doing(NET, ((PEER, f"unix:{file_area(name)}"),))
    return Doing(NET, ((PEER, peer_of(*_server_of(name))),))


def parent_of(event: Event) -> str:
    """Who started a program; on a host, where the parent is the workload, who started that."""
    get = event.fields.get
    line = get("proc.aexepath")
    if get("container.id", "host") == "host" and type(line) is list and len(line) > 2:
        parent = line[2]
    else:
        parent = get("proc.pexepath") or get("proc.pname")
    return parent if type(parent) is str and parent else "?"


def _started(event: Event, key: tuple[Any, ...]) -> Doing | None:
    _, exe, parent, fails = key
    if type(exe) is not str or not exe or fails:
        return None
    program = plain_path(exe)
    return Doing(EXEC, ((PROGRAM, program), (LINEAGE, f"{plain_path(parent)} → {program}")))


_DONE: dict[int, Callable[[Event, tuple[Any, ...]], Doing | None]] = {
    FILES: _filed,
    NET: _connected,
    EXEC: _started,
}
_CALL_DOINGS = {name: Doing(OTHER, ((CALL, name),)) for name in _CALLS}


def _server_of(name: str) -> tuple[str, int | None]:
    """Address and port of the far end in ``1.2.3.4:55->5.6.7.8:80``."""
    address, _, port = name.rpartition("->")[2].rpartition(":")
    return address[:64], int(port) if port.isascii() and port.isdecimal() and len(
        port
    ) < 6 else None


def tree_of(event: Event) -> tuple[str, Any]:
    """The process tree whose order of events is looked at: a container, or on a host what init
    started."""
    get = event.fields.get
    container = get("container.id") or "host"
    if container != "host":
        return event.node, container if type(container) is str else ""
    line = get("proc.apid")
    if type(line) is list and len(line) > 1:
        root = line[-2]
        return event.node, root if type(root) is int else 0
    pid = get("proc.sid") or get("proc.pid")
    return event.node, pid if type(pid) is int else 0
