"""What of an event counts for a profile: whose behaviour it is, and what was done.

Names that hardly ever come twice are taken together: numbers and long hexadecimal words in paths
become ``*``, files elsewhere than in the places where each one matters count by their folder, a
peer by its /16 and port, ports that the kernel gives out by ``high``. What an event is made of
is worked out once for each text, as the same processes, files and peers come all the time.
"""

from __future__ import annotations

import re
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
_EACH = ("/etc/", "/root/", "/proc/", "/var/run/secrets/", "/run/secrets/", "/boot/", "/dev/")
"""Below these every file counts by itself."""
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
    if path.startswith(_EACH) or "/." in path:
        return path
    parts = path.split("/")
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
        self._areas: dict[str, str] = {}
        self._programs: dict[tuple[str, str], str] = {}
        self._peers: dict[tuple[Any, Any], str] = {}
        self._commands: dict[tuple[str, str], str] = {}
        self._flags: dict[str, str] = {}

    def whose(self, event: Event) -> Workload | None:
        """Whose behaviour an event is: of its container, or on a host of its program; a program
        is started by its parent. None when it cannot be told."""
        get = event.fields.get
        container = get("container.id") or event.container_id or "host"
        if container == "host":
            started = event.type in ("execve", "execveat")
            exe = get("proc.pexepath" if started else "proc.exepath")
            if not isinstance(exe, str) or not exe:
                return None
            words = get("proc.pcmdline" if started else "proc.cmdline")
            command = self._program(exe, words if isinstance(words, str) else "")
            return Workload(event.cluster, event.namespace, "", "", command)
        image = get("container.image.repository") or get("container.image") or ""
        if not isinstance(image, str) or not isinstance(container, str):
            return None
        image = image or ("" if event.resource else container[:12])
        command = self._command(event, container)
        return Workload(event.cluster, event.namespace, event.resource, image, command)

    def _command(self, event: Event, container: str) -> str:
        """The program that a container began with, as soon as it is known."""
        key = (event.cluster, container)
        known = self._commands.get(key)
        if known is not None:
            return known
        get = event.fields.get
        if get("proc.vpid") != 1:
            return ""
        exe = get("proc.exepath")
        if not isinstance(exe, str):
            return ""
        if len(self._commands) >= _MEMO:
            self._commands.clear()
        command = self._commands[key] = plain_path(exe)
        return command

    def _program(self, exe: str, words: str) -> str:
        key = (exe, words)
        found = self._programs.get(key)
        if found is None:
            if len(self._programs) >= _MEMO:
                self._programs.clear()
            found = self._programs[key] = host_program(exe, words)
        return found

    def done(self, event: Event) -> Doing | None:
        """What was done, as far as it counts: None for what failed to start, and for what has no
        object."""
        kind = TYPES[event.type]
        get = event.fields.get
        if kind == FILES:
            path = get("fd.name") or get("evt.arg.name") or get("evt.arg.path")
            path = path or get("evt.arg.filename") or get("evt.arg.oldpath")
            if not isinstance(path, str) or not path:
                return None
            return Doing(FILES, ((FILE, f"{self._mode(event)} {self._area(path)}"),))
        if kind == EXEC:
            return _started(event)
        if kind == NET:
            return self._connected(event)
        return Doing(OTHER, ((CALL, event.type),))

    def _mode(self, event: Event) -> str:
        result = event.fields.get("evt.rawres", 0)
        if type(result) is int and result < 0:
            return "fails"
        change = _CHANGES.get(event.type)
        if change is not None:
            return change
        flags = event.fields.get("evt.arg.flags")
        if not isinstance(flags, str):
            return "reads"
        found = self._flags.get(flags)
        if found is None:
            writes = "O_WRONLY" in flags or "O_RDWR" in flags or "O_CREAT" in flags
            if len(self._flags) >= _MEMO:
                self._flags.clear()
            found = self._flags[flags] = "writes" if writes else "reads"
        return found

    def _area(self, path: str) -> str:
        found = self._areas.get(path)
        if found is None:
            if len(self._areas) >= _MEMO:
                self._areas.clear()
            found = self._areas[path] = file_area(path)
        return found

    def _connected(self, event: Event) -> Doing | None:
        get = event.fields.get
        address, port = get("fd.sip"), get("fd.sport")
        if event.type in ("listen", "bind"):
            if type(port) is not int:
                return None
            return Doing(NET, ((PORT, "high" if port >= EPHEMERAL else str(port)),))
        if not isinstance(address, str) or not address:
            name = get("fd.name")
            if not isinstance(name, str) or not name:
                return None
            if not name.startswith("/"):
                name, port = _server_of(name)
                return Doing(NET, ((PEER, peer_of(name, port)),))
            return Doing(NET, ((PEER, f"unix:{self._area(name)}"),))
        if type(port) is not int:
            port = None
        key = (address, port)
        found = self._peers.get(key)
        if found is None:
            if len(self._peers) >= _MEMO:
                self._peers.clear()
            found = self._peers[key] = peer_of(address, port)
        return Doing(NET, ((PEER, found),))


def _server_of(name: str) -> tuple[str, int | None]:
    """Address and port of the far end in ``1.2.3.4:55->5.6.7.8:80``."""
    address, _, port = name.rpartition("->")[2].rpartition(":")
    return address[:64], int(port) if port.isascii() and port.isdecimal() and len(
        port
    ) < 6 else None


def _started(event: Event) -> Doing | None:
    get = event.fields.get
    exe = get("proc.exepath")
    result = get("evt.rawres", 0)
    if not isinstance(exe, str) or not exe or (type(result) is int and result < 0):
        return None
    program = plain_path(exe)
    line = get("proc.aexepath")
    if get("container.id", "host") == "host" and isinstance(line, list) and len(line) > 2:
        parent = line[2]  # the workload is the parent: what tells more is who started that
    else:
        parent = get("proc.pexepath") or get("proc.pname")
    before = plain_path(parent) if isinstance(parent, str) and parent else "?"
    return Doing(EXEC, ((PROGRAM, program), (LINEAGE, f"{before} → {program}")))


def tree_of(event: Event) -> tuple[str, Any]:
    """The process tree whose order of events is looked at: a container, or on a host what init
    started."""
    get = event.fields.get
    container = get("container.id") or "host"
    if container != "host":
        return event.node, container
    line = get("proc.apid")
    if isinstance(line, list) and len(line) > 1:
        root = line[-2]
        return event.node, root if type(root) is int else 0
    pid = get("proc.sid") or get("proc.pid")
    return event.node, pid if type(pid) is int else 0
