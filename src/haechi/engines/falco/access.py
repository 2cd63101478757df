"""Reading a field of an event: what is given first, then what follows from other fields.

A given value always wins, under its full name (``proc.aname[2]``) or its name. Where it is not
given, ``DERIVED`` says how it follows; what is in ``SHAPED`` is never taken as it is stored,
because its stored form (a line of ancestors, an environment, an audit object) is not the value.

``reader`` gives the function for one field once, so that whoever reads a million events does not
look names up a million times.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias

from haechi.engines.falco import derive_audit, derive_event, derive_fd, derive_process
from haechi.engines.falco.derive_event import SOURCES
from haechi.model.event import Event

__all__ = ["ENDS", "LINES", "SOURCES", "read", "reader", "spread"]

Reader: TypeAlias = Callable[[Event], Any]

ENDS = frozenset({"fd.ip", "fd.port", "fd.net", "fd.proto"})
"""Either end of a connection: a list of two; ``!=`` asks both, everything else any."""
LINES = frozenset(derive_process.SELF) - {"proc.aargs"}
"""Without an argument: any ancestor."""

FIXED = frozenset({"evt.dir", "evt.num", "evt.is_async", "evt.source"})
"""The same for every event of a source: tests on them are decided before any event comes."""

DERIVED: dict[str, Reader] = {
    "evt.hostname": derive_event.hostname,
    "evt.pluginname": derive_event.plugin,
    "evt.count": derive_event.count,
    "syscall.type": derive_event.syscall,
    "evt.rawres": derive_event.rawres,
    "evt.res": derive_event.res,
    "evt.failed": derive_event.failed,
    "evt.is_open_read": derive_event.is_open_read,
    "evt.is_open_write": derive_event.is_open_write,
    "evt.is_open_exec": derive_event.is_open_exec,
    "evt.is_open_create": derive_event.is_open_create,
    "evt.is_io": derive_event.is_io,
    "evt.is_io_read": derive_event.is_io_read,
    "evt.is_io_write": derive_event.is_io_write,
    "evt.io_dir": derive_event.io_dir,
    "evt.is_wait": derive_event.is_wait,
    "evt.category": derive_event.category,
    "evt.args": derive_event.arguments,
    "evt.info": derive_event.arguments,
    "fd.type": derive_fd.kind,
    "fd.typechar": derive_fd.typechar,
    "fd.nameraw": derive_fd.nameraw,
    "fd.directory": derive_fd.directory,
    "fd.filename": derive_fd.filename,
    "fd.cip": derive_fd.cip,
    "fd.sip": derive_fd.sip,
    "fd.cport": derive_fd.cport,
    "fd.sport": derive_fd.sport,
    "fd.lip": derive_fd.lip,
    "fd.rip": derive_fd.rip,
    "fd.lport": derive_fd.lport,
    "fd.rport": derive_fd.rport,
    "fd.cnet": derive_fd.cip,
    "fd.snet": derive_fd.sip,
    "fd.lnet": derive_fd.lnet,
    "fd.rnet": derive_fd.rnet,
    "fd.cproto": derive_fd.cproto,
    "fd.sproto": derive_fd.sproto,
    "fd.lproto": derive_fd.lproto,
    "fd.rproto": derive_fd.rproto,
    "fd.l4proto": derive_fd.l4proto,
    "fd.sockfamily": derive_fd.sockfamily,
    "fd.is_server": derive_fd.is_server,
    "fd.containername": derive_fd.containername,
    "fd.containerdirectory": derive_fd.containerdirectory,
    "fs.path.name": derive_fd.path_name,
    "fs.path.nameraw": derive_fd.path_nameraw,
    "fs.path.source": derive_fd.path_source,
    "fs.path.sourceraw": derive_fd.path_sourceraw,
    "fs.path.target": derive_fd.path_target,
    "fs.path.targetraw": derive_fd.path_targetraw,
    "proc.cmdline": derive_process.cmdline,
    "proc.exeline": derive_process.exeline,
    "proc.cmdnargs": derive_process.cmdnargs,
    "proc.cmdlenargs": derive_process.cmdlenargs,
    "proc.loginshellid": derive_process.loginshell,
    "proc.duration": derive_process.duration,
    "proc.ppid.duration": derive_process.parent_duration,
    "proc.is_sid_leader": derive_process.is_sid_leader,
    "proc.is_vpgid_leader": derive_process.is_vpgid_leader,
    "proc.is_pgid_leader": derive_process.is_pgid_leader,
    "thread.ismain": derive_process.is_main_thread,
    "thread.nametid": derive_process.name_and_thread,
    "container.id": derive_process.container_id,
    "container.full_id": derive_process.container_full_id,
    "container.name": derive_process.container_host,
    "container.type": derive_process.container_host,
    "container.image": derive_process.image,
    "container.image.repository": derive_process.repository,
    "container.image.tag": derive_process.tag,
    "k8s.ns.name": derive_process.namespace,
    **{
        own: partial(derive_process.ancestor, name=name, index=index)
        for name, both in derive_process.SELF.items()
        for index, own in enumerate(both)
        if own and own not in ("proc.cmdline", "proc.args", "proc.env")
    },
}  # fmt: skip
"""How a field follows when it is not given."""

SHAPED: dict[str, Reader] = {
    "evt.type": derive_event.type_of,
    "evt.rawtime": derive_event.rawtime,
    "evt.rawtime.s": derive_event.rawtime_s,
    "evt.rawtime.ns": derive_event.rawtime_ns,
    "evt.time": derive_event.clock,
    "evt.time.s": derive_event.clock_s,
    "evt.time.iso8601": derive_event.iso8601,
    "evt.datetime": derive_event.datetime,
    "evt.datetime.s": derive_event.datetime_s,
    "evt.dir": derive_event.direction,
    "evt.num": derive_event.number,
    "evt.is_async": derive_event.is_async,
    "evt.source": derive_event.source,
    "fd.ip": derive_fd.both_ips,
    "fd.net": derive_fd.both_ips,
    "fd.port": derive_fd.both_ports,
    "fd.proto": derive_fd.both_ports,
    "proc.args": derive_process.args,
    "proc.env": derive_process.environment,
    "proc.aargs": derive_process.ancestor_arguments,
    "jevt.obj": derive_audit.whole,
    "json.obj": derive_audit.whole,
    "jevt.rawtime": derive_audit.rawtime,
    "json.rawtime": derive_audit.rawtime,
    **{name: partial(derive_process.ancestors, name=name) for name in LINES},
}
"""How a field is made of its stored form, which is not its value."""

_KEYED: dict[str, Callable[[Event, str], Any]] = {
    "proc.env": derive_process.variable,
    "jevt.value": derive_audit.value,
    "json.value": derive_audit.value,
}


def spread(name: str, arg: str | None) -> str:
    """``ends`` or ``line`` for a field whose several values are asked one by one, else ""."""
    if arg is None and name in ENDS:
        return "ends"
    return "line" if arg is None and name in LINES else ""


def given(name: str, arg: str | None) -> str | None:
    """The key under which a value, when it is there, is the field's value; None for SHAPED."""
    if arg is None:
        return None if name in SHAPED else name
    return f"evt.arg.{arg}" if name == "evt.arg" and not arg.isdecimal() else f"{name}[{arg}]"


def reader(name: str, arg: str | None = None) -> Reader:
    """The function that reads one field; it gives None for a value that is not there."""
    follows = _follows(name, arg)
    key = given(name, arg)
    if key is None:
        return follows
    return partial(_first_given, key=key, follows=follows)


def _first_given(event: Event, key: str, follows: Reader) -> Any:
    value = event.fields.get(key)
    return follows(event) if value is None else value


def derived(name: str, arg: str | None = None) -> Reader | None:
    """The function for when the key is not there; None when nothing follows."""
    follows = _follows(name, arg)
    return None if follows is _nothing else follows


def _follows(name: str, arg: str | None) -> Reader:
    if name.startswith("ka."):
        return partial(derive_audit.read, name=name, arg=arg) if _audited(name) else _nothing
    if arg is not None:
        return _with_argument(name, arg)
    if name in SHAPED:
        return SHAPED[name]
    if name.startswith("evt.rawarg."):
        return partial(_raw_argument, name=name[len("evt.rawarg.") :])
    return DERIVED.get(name, _nothing)


def _audited(name: str) -> bool:
    return name in derive_audit.READERS


def ancestor_index(name: str, arg: str | None) -> int | None:
    """The place in the line of ancestors that an argument means, None where it means none."""
    if arg is None or name not in derive_process.SELF or not arg.isdecimal() or len(arg) > 10:
        return None
    return int(arg)


def _with_argument(name: str, arg: str) -> Reader:
    index = ancestor_index(name, arg)
    if index is not None:
        return partial(derive_process.ancestor, name=name, index=index)
    if name == "proc.aenv":
        return partial(derive_process.inherited, name=arg)
    if name == "proc.args" and arg.isdecimal() and len(arg) < 7:
        return partial(derive_process.arg, index=int(arg))
    if name == "evt.rawarg":
        return partial(_raw_argument, name=arg)
    if name == "evt.type.is":
        return partial(_type_is, kind=arg)
    keyed = _KEYED.get(name)
    if keyed is not None:
        return partial(_keyed, function=keyed, arg=arg)
    return partial(_item, name=name, arg=arg) if name != "evt.arg" else _nothing


def _nothing(event: Event) -> Any:
    return None


def _keyed(event: Event, function: Callable[[Event, str], Any], arg: str) -> Any:
    return function(event, arg)


def _item(event: Event, name: str, arg: str) -> Any:
    """``container.mount.dest[/etc]`` of a field that is stored whole."""
    value = event.fields.get(name)
    if isinstance(value, dict):
        return value.get(arg)
    if isinstance(value, list) and arg.isdecimal() and len(arg) < 7 and int(arg) < len(value):
        return value[int(arg)]
    return None


def _raw_argument(event: Event, name: str) -> Any:
    if name == "res":
        return event.fields.get("evt.rawres", event.fields.get("evt.arg.res"))
    return event.fields.get(f"evt.arg.{name}")


def _type_is(event: Event, kind: str) -> Any:
    return event.type == kind


def read(event: Event, name: str, arg: str | None) -> Any | None:
    """The value of a field, or None when it is missing."""
    return reader(name, arg)(event)
