"""``fd.*`` and ``fs.path.*`` that follow from others: parts of a name, both ends of a connection.

An address or port "of the descriptor" (``fd.ip``, ``fd.net``, ``fd.port``, ``fd.proto``) is either
of its ends and comes as a list: a test holds when one end does, ``!=`` when both differ. Which
end is the local one libs finds out from the machine's interfaces; here the call says it (whoever
connects is local, whoever accepts is the server).
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from haechi.engines.falco import derive_event
from haechi.model.event import Event

_CHARS = {
    "file": "f", "directory": "d", "ipv4": "4", "ipv6": "6", "unix": "u", "pipe": "p",
    "event": "e", "signalfd": "s", "eventpoll": "l", "inotify": "i", "timerfd": "t",
    "netlink": "n", "bpf": "b", "userfaultfd": "u", "io_uring": "r", "memfd": "m", "pidfd": "P",
}  # fmt: skip
_KINDS = {char: kind for kind, char in _CHARS.items() if kind != "userfaultfd"}
_OPENED = frozenset({"open", "openat", "openat2", "creat"})
_CLIENT = frozenset({"connect", "sendto", "sendmsg"})
_SERVER = frozenset({"accept", "accept4", "listen", "bind"})
_RAW = {"cip": 0, "cport": 1, "sip": 2, "sport": 3}
_LONGEST_NAME = 128
"""Characters of a connection's name; longer ones are not remembered either."""


def typechar(event: Event) -> Any:
    kind = event.fields.get("fd.type")
    if isinstance(kind, str):
        return _CHARS.get(kind, "o")
    return "f" if event.type in _OPENED else None


def kind(event: Event) -> Any:
    char = event.fields.get("fd.typechar")
    return _KINDS.get(char) if isinstance(char, str) else None


def _text(event: Event, name: str) -> str | None:
    value = event.fields.get(name)
    return value if isinstance(value, str) else None


def _char(event: Event) -> Any:
    given = event.fields.get("fd.typechar")
    return typechar(event) if given is None else given


def directory(event: Event) -> Any:
    """The part before the last slash; a directory is its own."""
    fields = event.fields
    name = fields.get("fd.name")
    if name.__class__ is not str:
        return None
    if fields.get("fd.typechar") != "f":
        char = _char(event)
        if char == "d":
            return name
        if char not in ("f", None):
            return None
    at = name.rfind("/")
    if at <= 0:
        return "/"
    return name[:at] if at < len(name) - 1 else name


def filename(event: Event) -> Any:
    """The part behind the last slash."""
    fields = event.fields
    name = fields.get("fd.name")
    if name.__class__ is not str:
        return None
    if fields.get("fd.typechar") != "f" and _char(event) != "f":
        return None
    at = name.rfind("/")
    if at < 0:
        return "/"
    return name[at + 1 :] if at < len(name) - 1 else name


def ends(name: str) -> tuple[str, str, str, str] | None:
    """``1.2.3.4:55->5.6.7.8:80`` as its four parts; IPv6 as libs prints it (the last colon) or in
    brackets."""
    return None if len(name) > _LONGEST_NAME or "->" not in name else _parsed_ends(name)


@lru_cache(maxsize=1024)
def _parsed_ends(name: str) -> tuple[str, str, str, str] | None:
    client, _, server = name.partition("->")
    cip, c, cport = client.rpartition(":")
    sip, s, sport = server.rpartition(":")
    if not (c and s and cport.isdecimal() and sport.isdecimal()):
        return None
    return cip.strip("[]"), cport, sip.strip("[]"), sport


def end(event: Event, part: str) -> Any:
    """``cip``, ``cport``, ``sip`` or ``sport``, given or out of ``fd.name``."""
    given = event.fields.get(f"fd.{part}")
    if given is not None:
        return given
    name = _text(event, "fd.name")
    parts = ends(name) if name is not None else None
    if parts is None:
        return None
    text = parts[_RAW[part]]
    return int(text) if part.endswith("port") else text


def cip(event: Event) -> Any:
    return end(event, "cip")


def sip(event: Event) -> Any:
    return end(event, "sip")


def cport(event: Event) -> Any:
    return end(event, "cport")


def sport(event: Event) -> Any:
    return end(event, "sport")


def _both(first: Any, second: Any) -> list[Any] | None:
    found = [value for value in (first, second) if value is not None]
    return found or None


def both_ips(event: Event) -> Any:
    given = _both(end(event, "cip"), end(event, "sip"))
    return given or _both(event.fields.get("fd.lip"), event.fields.get("fd.rip"))


def both_ports(event: Event) -> Any:
    given = _both(end(event, "cport"), end(event, "sport"))
    return given or _both(event.fields.get("fd.lport"), event.fields.get("fd.rport"))


def is_server(event: Event) -> Any:
    if event.type in _SERVER:
        return True
    if event.type in _CLIENT:
        return False
    return None


def _near(event: Event, local: bool, what: str) -> Any:
    server = event.fields.get("fd.is_server")
    server = is_server(event) if server is None else server
    if server is None:
        return None
    return end(event, ("s" if bool(server) == local else "c") + what)


def lip(event: Event) -> Any:
    return _near(event, True, "ip")


def rip(event: Event) -> Any:
    return _near(event, False, "ip")


def lport(event: Event) -> Any:
    return _near(event, True, "port")


def rport(event: Event) -> Any:
    return _near(event, False, "port")


def _address(event: Event, which: str, far: Any) -> Any:
    given = event.fields.get(which)
    return far(event) if given is None else given


def lnet(event: Event) -> Any:
    return _address(event, "fd.lip", lip)


def rnet(event: Event) -> Any:
    return _address(event, "fd.rip", rip)


def _protocol(port: Any) -> str | None:
    return str(port) if isinstance(port, int) and 0 <= port < 65_536 else None


def cproto(event: Event) -> Any:
    return _protocol(end(event, "cport"))


def sproto(event: Event) -> Any:
    return _protocol(end(event, "sport"))


def lproto(event: Event) -> Any:
    return _protocol(_address(event, "fd.lport", lport))


def rproto(event: Event) -> Any:
    return _protocol(_address(event, "fd.rport", rport))


def l4proto(event: Event) -> Any:
    """libs says ``<NA>`` of a descriptor that is known and is no socket."""
    char = event.fields.get("fd.typechar")
    return None if char is None or char in ("4", "6") else "<NA>"


def sockfamily(event: Event) -> Any:
    char = _char(event)
    if char in ("4", "6"):
        return "ip"
    return "unix" if char == "u" else None


def containername(event: Event) -> Any:
    return _contained(event, event.fields.get("fd.name"))


def containerdirectory(event: Event) -> Any:
    given = event.fields.get("fd.directory")
    return _contained(event, directory(event) if given is None else given)


def _contained(event: Event, name: Any) -> str | None:
    container = event.fields.get("container.id")
    if not isinstance(container, str) or not isinstance(name, str):
        return None
    return f"{container}:{name}"


# -- fs.path: the paths that a call is about, when it succeeded --------------------------------

_PATH = {
    "mkdir": "path", "mkdirat": "path", "rmdir": "path", "unlink": "path", "unlinkat": "name",
    "open": "name", "openat": "name", "openat2": "name", "fchmodat": "filename",
    "chmod": "filename", "chown": "path", "lchown": "path", "fchownat": "pathname",
    "quotactl": "special", "umount": "name", "umount2": "name",
}  # fmt: skip
_SOURCE = {
    "rename": "oldpath", "renameat": "oldpath", "renameat2": "oldpath", "link": "newpath",
    "linkat": "newpath", "symlink": "linkpath", "symlinkat": "linkpath", "mount": "dev",
}  # fmt: skip
_TARGET = {
    "rename": "newpath", "renameat": "newpath", "renameat2": "newpath", "link": "oldpath",
    "linkat": "oldpath", "symlink": "target", "symlinkat": "target", "mount": "dir",
}  # fmt: skip


def _argument(event: Event, table: dict[str, str]) -> str | None:
    code = derive_event.result(event)
    code = derive_event.rawres(event) if code is None else code
    if code is None or code < 0:
        return None
    if table is _PATH and event.type in ("fchmod", "fchown"):
        return _text(event, "fd.name")
    name = table.get(event.type)
    return None if name is None else _text(event, f"evt.arg.{name}")


def _resolved(event: Event, path: str | None) -> str | None:
    if path is None:
        return None
    if not path.startswith("/"):
        if event.type in ("openat", "openat2"):
            return _text(event, "fd.name")
        folder = _text(event, "proc.cwd")
        if folder is None or "at" in event.type:
            return None
        path = f"{folder}/{path}"
    return normal(path)


def normal(path: str) -> str:
    """An absolute path without ``.``, ``..`` and doubled slashes."""
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            del parts[-1:]
        elif part not in ("", "."):
            parts.append(part)
    return "/" + "/".join(parts)


def nameraw(event: Event) -> Any:
    """Left out where the file was asked for by its whole name; of files alone, as in Falco."""
    return event.fields.get("fd.name") if event.type in _OPENED else None


def path_name(event: Event) -> Any:
    return _resolved(event, _argument(event, _PATH))


def path_nameraw(event: Event) -> Any:
    return _argument(event, _PATH)


def path_source(event: Event) -> Any:
    return _resolved(event, _argument(event, _SOURCE))


def path_sourceraw(event: Event) -> Any:
    return _argument(event, _SOURCE)


def path_target(event: Event) -> Any:
    return _resolved(event, _argument(event, _TARGET))


def path_targetraw(event: Event) -> Any:
    return _argument(event, _TARGET)
