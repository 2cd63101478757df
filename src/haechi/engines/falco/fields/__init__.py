"""What a field is: its type, whether it is a list, what argument it takes, where it exists.

Falco knows a field by the source of the rule: ``ka.verb`` is unknown to a syscall rule. So it is
here. ``evt.type`` is the one field that Falco gives only to syscall rules and we give to all,
because every event of ours has a type.
"""

from __future__ import annotations

import re
from functools import cache

import msgspec

from haechi.engines.falco.event_table import event_kinds
from haechi.engines.falco.fields import tables

SOURCES = ("syscall", "k8s_audit", "flow", "application")
"""Sources that a rule may be of."""

_TYPES = {
    "charbuf": "string",
    "charbufarray": "string",
    "sockaddr": "string",
    "socktuple": "string",
    "sockfamily": "string",
    "fdlist": "string",
    "sigset": "string",
    "fspath": "path",
    "fsrelpath": "path",
    "bytebuf": "bytes",
    "bool": "bool",
    "reltime": "duration",
    "errno": "errno",
    "port": "port",
    "ipaddr": "address",
    "ipv4addr": "address",
    "ipv6addr": "address",
    "ipnet": "net",
    "dyn": "any",
}
_TOKEN = re.compile(
    r"(?P<name>[\w.]*\w)(?P<dot>\.)?(?:\[(?P<arg>[ik]+)\])?(?P<need>[!?])?(?P<many>\*)?(?:/(?P<marks>\w+))?"
)
_OUTDATED_TYPES = frozenset(
    {"NA", "infra", "k8s", "mesos", "scapevent", "task", "tracer"}
    | {f"task_file_{kind}" for kind in ("anon_inode", "directory", "memfd", "pipe", "regular")}
    | {f"task_file_socket_{kind}" for kind in ("inet", "inet6", "netlink", "unix")}
)
"""Names that libs still takes in a condition though no event bears them any more."""


class FieldInfo(msgspec.Struct, frozen=True, kw_only=True):
    """A field. ``type`` is what judges go by; ``kind`` is the exact type's name in libs.

    ``many`` is a list of values. ``argument`` is ``none``, ``optional`` or ``required``; ``index``
    and ``key`` tell what it may be. ``compared`` and ``transformed`` tell whether another field
    may stand beside it in a comparison and a transformer around it. ``plugin`` fields come from
    one of Falco's plugins, which say errors in other words.
    """

    name: str
    type: str
    many: bool = False
    argument: str = "none"
    index: bool = False
    source: str = "any"
    key: bool = False
    kind: str = "charbuf"
    compared: bool = True
    transformed: bool = True
    deprecated: bool = False
    listed: bool = True
    plugin: bool = False


def field(name: str, source: str) -> FieldInfo | None:
    """The field ``name`` (without its argument) for rules of ``source``, or None."""
    info = _by_name(source).get(name)
    if info is not None:
        return info
    if source == "application" and name.startswith("app."):
        return FieldInfo(name=name, type="any", kind="dyn", source="application")
    return _dotted(name) if source == "syscall" else None


def fields_of(source: str) -> tuple[FieldInfo, ...]:
    """Every field that rules of ``source`` may use, by name."""
    named = _by_name(source)
    return tuple(named[name] for name in sorted(named) if named[name].listed)


@cache
def event_types() -> frozenset[str]:
    """Every name that ``evt.type`` may be compared with in a syscall rule."""
    return frozenset(event_kinds()) | _OUTDATED_TYPES


@cache
def argument_kinds() -> dict[str, str]:
    """The arguments of events by name: their types in libs."""
    return {name: kind for kind, names in _lines(tables.ARGUMENTS) for name in names}


def _dotted(name: str) -> FieldInfo | None:
    """Fields whose argument stands behind a dot: ``evt.arg.flags``, ``thread.cgroup.cpuset``."""
    for family in ("evt.arg", "evt.rawarg"):
        if name.startswith(family + "."):
            return _argument(name, family, name[len(family) + 1 :])
    if name.startswith("thread.cgroup.") and re.fullmatch(r"[a-zA-Z_]+", name[14:]):
        return FieldInfo(name=name, type="string", source="syscall")
    if name.startswith("evt.type.is.") and name[12:] in event_kinds():
        return FieldInfo(name=name, type="number", kind="uint32", source="syscall")
    return None


def _argument(name: str, family: str, argument: str) -> FieldInfo | None:
    kind = argument_kinds().get(argument)
    if kind is None:
        return None
    if family == "evt.arg":
        return FieldInfo(name=name, type="string", source="syscall")
    return FieldInfo(
        name=name,
        type=_TYPES.get(kind, "number"),
        kind=kind,
        source="syscall",
        compared=False,
        transformed=False,
    )


@cache
def _by_name(source: str) -> dict[str, FieldInfo]:
    own = {
        "syscall": ((tables.SYSCALL, False), (tables.CONTAINER, True)),
        "k8s_audit": ((tables.AUDIT, True),),
        "flow": ((tables.FLOW, False),),
        "application": ((tables.APPLICATION, False),),
    }
    found = {info.name: info for info in _table(tables.GENERIC, "any", False)}
    found["evt.type"] = FieldInfo(name="evt.type", type="string")
    for table, plugin in own.get(source, ()):
        for info in _table(table, source, plugin):
            found[info.name] = info
    return found


def _table(table: str, source: str, plugin: bool) -> list[FieldInfo]:
    return [_info(token, kind, source, plugin) for kind, names in _lines(table) for token in names]


def _lines(table: str) -> list[tuple[str, list[str]]]:
    lines: list[tuple[str, list[str]]] = []
    for line in table.replace("\n    ", " ").strip().splitlines():
        kind, _, names = line.partition(": ")
        lines.append((kind, names.split()))
    return lines


def _info(token: str, kind: str, source: str, plugin: bool) -> FieldInfo:
    match = _TOKEN.fullmatch(token)
    if match is None:
        raise ValueError(f"not an entry of a table of fields: {token}")
    takes, marks = match["arg"] or "", match["marks"] or ""
    return FieldInfo(
        name=match["name"],
        type=_TYPES.get(kind, "number"),
        kind=kind,
        many=bool(match["many"]),
        argument={"!": "required", "?": "optional"}.get(match["need"] or "", "none"),
        index="i" in takes,
        key="k" in takes or bool(match["dot"]),
        source=source,
        compared="r" not in marks,
        transformed="t" not in marks,
        deprecated="d" in marks,
        listed="h" not in marks,
        plugin=plugin,
    )
