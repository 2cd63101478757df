"""From the bytes of a record to a ``Record``: one small function per kind, made beforehand.

Names in records are bytes of the process's choice: they become text with the undecodable ones
written as ``\\xff``, so that an event can always be stored and shown.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Callable
from typing import Any, TypeAlias

from haechi.world.sensor.programs.calls import Layout
from haechi.world.sensor.programs.frame import CUT_PATH, HEAD
from haechi.world.sensor.programs.processes import OVERLAY_MAGIC
from haechi.world.sensor.record import CUT_FRONT, Record

Arguments: TypeAlias = Callable[[bytes], dict[str, Any]]
"""A whole record, as long as its layout's fixed part at least → the record's ``args``."""

TMPFS_MAGIC = 0x01021994
MAX_ARGUMENTS = 1024
CREATED = 0x100000
"""FMODE_CREATED of f_mode."""
MAX_NAMES = 4096
_WALKED = frozenset(("open", "openat", "openat2", "creat", "execve", "execveat", "fchmod", "fchdir",
                     "finit_module"))  # fmt: skip
"""Calls whose ``path`` the kernel named, not the process."""
_MANY, _LONG = 24, 3_800
"""So many folders or bytes a path has that was cut at the kernel programs' bound, about."""


def text(raw: bytes) -> str:
    return raw.partition(b"\0")[0].decode("utf-8", "backslashreplace")


class Kind:
    """How a kind of record becomes a ``Record``."""

    __slots__ = ("arguments", "size", "type")

    def __init__(self, type: str, layout: Layout, arguments: Arguments) -> None:
        self.type = type
        self.size = HEAD.size + layout.size
        self.arguments = arguments


class Decoder:
    """Decodes records of ``kinds`` (by number); ``offset_ns`` turns boot time into wall time."""

    def __init__(self, kinds: dict[int, Kind]) -> None:
        self._kinds = kinds
        self._names: dict[bytes, str] = {}
        self.records: list[Record] = []
        self.offset_ns = 0
        self.refused = 0

    def decode(self, data: bytes) -> None:
        """Append to ``records``; ``refused`` counts when the bytes are not a record."""
        if len(data) < HEAD.size:
            self.refused += 1
            return
        ts, number, flags, thread, uid, gid, ret, cgroup, ppid, mount_ns, vpid, loginuid, comm = (
            HEAD.unpack_from(data)
        )
        kind = self._kinds.get(number)
        if kind is None or len(data) < kind.size:
            self.refused += 1
            return
        args = kind.arguments(data)
        if flags & CUT_PATH:
            args["path_cut"] = True
            mark_cut(kind.type, args)
        self.records.append(
            Record(
                kind.type,
                ts + self.offset_ns,
                thread >> 32,
                thread & 0xFFFFFFFF,
                ppid,
                uid,
                gid,
                self._names.get(comm) or self._learn(comm),
                ret,
                args,
                cgroup,
                mount_ns,
                vpid,
                loginuid,
            )
        )

    def _learn(self, comm: bytes) -> str:
        if len(self._names) >= MAX_NAMES:
            self._names.clear()
        name = self._names[comm] = text(comm)
        return name


def mark_cut(type: str, args: dict[str, Any]) -> None:
    """A path without its front must not look like a whole one: what is deep enough could call
    itself /usr/bin/sshd by its last names. The mark says no more than that one path of the record
    was cut: of several it is those that are as long as the bound."""
    named = [name for name in args if name.endswith("base") or name == "cwd"]
    if type in _WALKED:
        named.append("path")
    told = [name for name in named if str(args.get(name) or "").startswith("/")]
    if len(told) > 1:
        long = [one for one in told if args[one].count("/") >= _MANY or len(args[one]) > _LONG]
        told = long or told
    for name in told:
        args[name] = CUT_FRONT + args[name][1:]


def plain(layout: Layout) -> Arguments:
    """Numbers and texts as they are; empty bases are left out."""
    unpack, split = _splitter(layout)
    names = tuple(name for name, _ in layout.numbers)

    def arguments(data: bytes) -> dict[str, Any]:
        values = unpack(data, HEAD.size)
        args: dict[str, Any] = dict(zip(names, values, strict=False))
        args.pop("", None)
        for name, raw in split(data, values):
            if raw or not name.endswith("base"):
                args[name] = text(raw)
        return args

    return arguments


def opened(layout: Layout, name: str) -> Arguments:
    """Written out, since nothing comes as often as opens."""
    unpack = layout.pattern().unpack_from
    first = HEAD.size + layout.pattern().size
    with_flags, with_directory = name != "creat", name in ("openat", "openat2")

    def arguments(data: bytes) -> dict[str, Any]:
        flags, mode, dirfd, ino, dev, f_mode, path_size, name_size, base_size = unpack(
            data, HEAD.size
        )
        args: dict[str, Any] = {"mode": mode}
        if with_flags:
            args["flags"] = flags
        if with_directory:
            args["dirfd"] = dirfd
        second = first + path_size
        third = second + name_size
        asked = data[second : third - 1]
        if name_size:
            args["name"] = asked.decode("utf-8", "backslashreplace")
        if ino:
            args["ino"] = ino
            args["dev"] = (dev >> 20) << 8 | dev & 0xFF if dev & 0xFFF00 == 0 else device(dev)
            args["created"] = f_mode & CREATED != 0
        if path_size:
            path = data[first:second]
            same = path == asked
            args["path"] = args["name"] if same else path.decode("utf-8", "backslashreplace")
        if base_size:
            args["base"] = text(data[third : third + base_size])
        return args

    return arguments


def requested(layout: Layout) -> Arguments:
    """What was asked of io_uring; of a connection only the address that was given is known."""
    usual = plain(layout)
    connects = "address" in layout.texts
    first = HEAD.size + layout.pattern().size

    def arguments(data: bytes) -> dict[str, Any]:
        args = usual(data)
        args["io_uring"] = True
        if connects:
            del args["address"]
            args |= _target(data[first:])
        return args

    return arguments


def executed(layout: Layout, env: frozenset[str]) -> Arguments:
    unpack, split = _splitter(layout)
    wanted = {name.encode() for name in env}

    def arguments(data: bytes) -> dict[str, Any]:
        values = unpack(data, HEAD.size)
        effective, permitted, inheritable, argv_size, env_size = values[:5]
        magic, upper, tty, ino, dev, pgid, sid = values[5:12]
        pieces = dict(split(data, values))
        path = text(pieces["path"])
        args: dict[str, Any] = {
            "filename": text(pieces["filename"]),
            "path": path,
            "cwd": text(pieces["cwd"]),
            "tty": tty,
            "pgid": pgid,
            "sid": sid,
            "upper_layer": upper != 0,
            "lower_layer": magic == OVERLAY_MAGIC and upper == 0,
            "memfd": magic == TMPFS_MAGIC and path.startswith("memfd:"),
            "ino": ino,
            "dev": device(dev),
            "cap_effective": effective,
            "cap_permitted": permitted,
            "cap_inheritable": inheritable,
        }
        raw = pieces["argv"]
        if raw or not argv_size:
            args["argv"] = _texts(raw)
            args["argv_cut"] = argv_size > len(raw) or raw.count(b"\0") > MAX_ARGUMENTS
        if wanted and pieces["env"]:
            args["env"] = _environment(pieces["env"], wanted)
            args["env_cut"] = env_size > len(pieces["env"])
        return args

    return arguments


def device(number: int) -> int:
    """The kernel's device number as ``st_dev`` shows it."""
    return os.makedev(number >> 20, number & 0xFFFFF)


def _texts(raw: bytes) -> list[str]:
    if raw.endswith(b"\0"):
        raw = raw[:-1]
    parts = raw.split(b"\0", MAX_ARGUMENTS)[:MAX_ARGUMENTS] if raw else []
    return [part.decode("utf-8", "backslashreplace") for part in parts]


def _environment(raw: bytes, wanted: set[bytes]) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in raw.split(b"\0"):
        name, equals, value = part.partition(b"=")
        if equals and name in wanted:
            found[text(name)] = value.decode("utf-8", "backslashreplace")
    return found


def _splitter(layout: Layout) -> tuple[Any, Any]:
    """Functions that unpack the fixed part, and give the texts by name."""
    pattern = layout.pattern()
    count, first, names = len(layout.numbers), HEAD.size + pattern.size, layout.texts

    def split(data: bytes, values: tuple[int, ...]) -> list[tuple[str, bytes]]:
        place = first
        found = []
        for name, length in zip(names, values[count:], strict=True):
            found.append((name, data[place : place + length]))
            place += length
        return found

    return pattern.unpack_from, split


class SockOffsets:
    """Where the sent piece of ``struct sock_common`` has its fields."""

    def __init__(self, offsets: dict[str, int]) -> None:
        self.family = offsets["skc_family"]
        self.remote = offsets["skc_daddr"]
        self.local = offsets["skc_rcv_saddr"]
        self.remote_port = offsets["skc_dport"]
        self.local_port = offsets["skc_num"]
        self.remote6 = offsets["skc_v6_daddr"]
        self.local6 = offsets["skc_v6_rcv_saddr"]


FAMILIES = {1: "AF_UNIX", 2: "AF_INET", 10: "AF_INET6", 16: "AF_NETLINK", 17: "AF_PACKET"}
_PROTOCOLS = {1: "icmp", 58: "icmp", 6: "tcp", 17: "udp"}
_RAW = 3
_NATIVE16, _NET16 = struct.Struct("=H"), struct.Struct(">H")
End: TypeAlias = "tuple[str, int]"


def connection(layout: Layout, name: str, sock: SockOffsets) -> Arguments:
    """Client and server by the call: who connects is the client, who accepts the server."""
    unpack, split = _splitter(layout)
    numbers = tuple(each for each, _ in layout.numbers[:-2])
    count = len(numbers)

    def arguments(data: bytes) -> dict[str, Any]:
        values = unpack(data, HEAD.size)
        args: dict[str, Any] = dict(zip(numbers, values[:count], strict=True))
        (_, raw), (_, given) = split(data, values)
        if len(raw) < sock.local6 + 16:
            return args
        _fill_ends(args, name, raw, given, values[count], values[count + 1], sock)
        return args

    return arguments


def _fill_ends(
    args: dict[str, Any],
    name: str,
    raw: bytes,
    given: bytes,
    proto: int,
    type: int,
    sock: SockOffsets,
) -> None:
    (family,) = _NATIVE16.unpack_from(raw, sock.family)
    args["family"] = FAMILIES.get(family, str(family))
    if family == socket.AF_UNIX:
        args["proto"] = ""
        if len(given) > 2:
            args["path"] = _unix_name(given[2:])
        return
    if family not in (socket.AF_INET, socket.AF_INET6):
        return
    args["proto"] = "raw" if type == _RAW else _PROTOCOLS.get(proto, "")
    local, remote = _ends(raw, family, sock)
    other = address(given)
    if name == "bind":
        _put(args, "s", other if other is not None and other[1] else _bound(other, local))
        return
    if name == "listen":
        _put(args, "s", local)
        return
    if other is not None:
        remote = other
    server_side = name.startswith("accept") or (name.startswith("dup") and _serves(local, remote))
    _put(args, "s", local if server_side else remote)
    _put(args, "c", remote if server_side else local)
    if ":" not in remote[0] and ":" not in local[0]:
        args["family"] = "AF_INET"


def _target(given: bytes) -> dict[str, Any]:
    if len(given) < 2:
        return {}
    (family,) = _NATIVE16.unpack_from(given)
    args: dict[str, Any] = {"family": FAMILIES.get(family, str(family)), "proto": ""}
    if family == socket.AF_UNIX:
        return args | {"path": _unix_name(given[2:])}
    end = address(given)
    if end is not None:
        _put(args, "s", end)
        args["family"] = "AF_INET6" if ":" in end[0] else "AF_INET"
    return args


def _bound(given: End | None, local: End) -> End:
    return local if given is None else (given[0], local[1])


def _serves(local: End, remote: End) -> bool:
    """Which side of an established connection is ours, by the usual ports of clients."""
    return local[1] < 32768 <= remote[1]


def _put(args: dict[str, Any], side: str, end: End) -> None:
    args[f"{side}ip"], args[f"{side}port"] = end


def _ends(raw: bytes, family: int, sock: SockOffsets) -> tuple[End, End]:
    (local_port,) = _NATIVE16.unpack_from(raw, sock.local_port)
    (remote_port,) = _NET16.unpack_from(raw, sock.remote_port)
    if family == socket.AF_INET:
        local = socket.inet_ntoa(raw[sock.local : sock.local + 4])
        remote = socket.inet_ntoa(raw[sock.remote : sock.remote + 4])
    else:
        local = _address6(raw[sock.local6 : sock.local6 + 16])
        remote = _address6(raw[sock.remote6 : sock.remote6 + 16])
    return (local, local_port), (remote, remote_port)


def _address6(raw: bytes) -> str:
    if raw[:12] == b"\0\0\0\0\0\0\0\0\0\0\xff\xff":
        return socket.inet_ntoa(raw[12:])
    return socket.inet_ntop(socket.AF_INET6, raw)


def address(raw: bytes) -> End | None:
    """A ``struct sockaddr`` of the process; None unless it is an internet address."""
    if len(raw) < 8:
        return None
    (family,) = _NATIVE16.unpack_from(raw)
    (port,) = _NET16.unpack_from(raw, 2)
    if family == socket.AF_INET:
        return socket.inet_ntoa(raw[4:8]), port
    if family == socket.AF_INET6 and len(raw) >= 24:
        return _address6(raw[8:24]), port
    return None


def _unix_name(raw: bytes) -> str:
    if raw.startswith(b"\0"):
        # the abstract namespace, written as everyone writes it
        return "@" + raw[1:].rstrip(b"\0").decode("utf-8", "backslashreplace").replace("\0", "@")
    return text(raw)
