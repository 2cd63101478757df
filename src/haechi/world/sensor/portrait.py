"""A process as event fields: who runs, who started it, in which container.

Made once for a process and copied into each of its events; made anew when it executes, moves or
changes its user, or when one of its ancestors did. What follows from others (durations, numbers of
arguments) is left to the reader of the event. Fields that cost a look into ``/proc`` each time
(capabilities, where the kernel did not tell them) are made only when a rule asks for them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from haechi.world.sensor import flags
from haechi.world.sensor.proc_fs import ProcFs
from haechi.world.sensor.processes import Process
from haechi.world.sensor.users import Users

_SETS = ("thread.cap_effective", "thread.cap_permitted", "thread.cap_inheritable")
CAPABILITIES = frozenset(_SETS)
_ANCESTOR_CMDLINE = 512
"""Characters of an ancestor's command line that an event repeats."""


class Portraits:
    """Makes the fields. ``wanted`` are the costly ones that rules ask for."""

    def __init__(self, proc: ProcFs, users: Users, wanted: frozenset[str] = frozenset()) -> None:
        self._proc = proc
        self._users = users
        self.want(wanted)

    def want(self, wanted: frozenset[str]) -> None:
        """Rules ask for these from now on; processes that are known get them at their next
        program."""
        self._capabilities = bool(wanted & CAPABILITIES)

    def of(self, one: Process, epoch: int) -> dict[str, Any]:
        """The fields, from memory when they still hold. Copy before writing into them."""
        if one.fields is None or one.epoch != epoch:
            one.fields = self._made(one)
            one.epoch = epoch
        return one.fields

    def _made(self, one: Process) -> dict[str, Any]:
        contained = bool(one.container.full_id)
        fields: dict[str, Any] = {
            "proc.name": one.comm,
            "proc.exe": one.exe,
            "proc.exepath": one.exepath,
            "proc.cmdline": one.cmdline,
            "proc.args": list(one.args),
            "proc.cwd": one.cwd,
            "proc.pid": one.pid,
            "proc.vpid": one.vpid,
            "proc.ppid": one.ppid,
            "proc.tty": one.tty,
            "proc.pid.ts": one.start_ns,
            "user.uid": one.uid,
            "user.name": self._users.user(one.uid, contained=contained),
            "user.loginuid": one.loginuid,
            "group.gid": one.gid,
            "group.name": self._users.group(one.gid, contained=contained),
        }
        if one.loginuid >= 0:
            fields["user.loginname"] = self._users.user(one.loginuid)
        self._groups(one, fields)
        _program(one, fields)
        _line(one, fields)
        if self._capabilities:
            self._held(one, fields)
        fields.update(one.container.fields)
        return {key: value for key, value in fields.items() if value != "" or key in _MAY_BE_EMPTY}

    @staticmethod
    def _groups(one: Process, fields: dict[str, Any]) -> None:
        if one.sid:
            fields["proc.sid"] = one.sid
        if one.pgid:
            fields["proc.pgid"] = one.pgid
        if one.vpgid:
            fields["proc.vpgid"] = one.vpgid
        if not one.vpid:
            del fields["proc.vpid"]

    def _held(self, one: Process, fields: dict[str, Any]) -> None:
        held = one.capabilities
        if held is None and (status := self._proc.status(one.pid)) is not None:
            held = (status.effective, status.permitted, status.inheritable)
        if held is not None:
            for name, bits in zip(_SETS, held, strict=True):
                fields[name] = flags.capabilities(bits)


_MAY_BE_EMPTY = CAPABILITIES


def _program(one: Process, fields: dict[str, Any]) -> None:
    fields["proc.is_exe_from_memfd"] = one.memfd
    if one.upper_layer is not None:
        fields["proc.is_exe_upper_layer"] = one.upper_layer
    if one.lower_layer is not None:
        fields["proc.is_exe_lower_layer"] = one.lower_layer
    if one.env:
        fields["proc.env"] = one.env
    file = one.exe_file
    if file is not None:
        fields["proc.exe_ino"] = file.ino
        fields["proc.exe_ino.ctime"] = file.ctime
        fields["proc.exe_ino.mtime"] = file.mtime
        fields["proc.is_exe_writable"] = file.writable_by(one.uid, one.gid)
        if file.ctime < one.start_ns:
            fields["proc.exe_ino.ctime_duration_proc_start"] = one.start_ns - file.ctime


def _line(one: Process, fields: dict[str, Any]) -> None:
    """The ancestors; the list begins with the process itself."""
    line = one.ancestry()
    fields["proc.aname"] = [other.comm for other in line]
    fields["proc.apid"] = [other.pid for other in line]
    fields["proc.aexe"] = [other.exe for other in line]
    fields["proc.aexepath"] = [other.exepath for other in line]
    fields["proc.acmdline"] = [other.cmdline[:_ANCESTOR_CMDLINE] for other in line]
    if len(line) > 1:
        parent = line[1]
        fields["proc.pname"] = parent.comm
        fields["proc.pexe"] = parent.exe
        fields["proc.pexepath"] = parent.exepath
        fields["proc.pcmdline"] = parent.cmdline
        fields["proc.ppid.ts"] = parent.start_ns
        if parent.vpid:
            fields["proc.pvpid"] = parent.vpid
    _leader(line, lambda other: other.sid, one.sid, "proc.sid", fields, "proc.sname")
    _leader(line, lambda other: other.pgid, one.pgid, "proc.pgid", fields, "proc.pgid.name")
    _leader(line, lambda other: other.vpgid, one.vpgid, "proc.vpgid", fields, "proc.vpgid.name")


def _leader(
    line: list[Process],
    group: Callable[[Process], int],
    number: int,
    prefix: str,
    fields: dict[str, Any],
    name: str,
) -> None:
    """The leader of a session or group: the process of that number, else the eldest of the line
    that is in it, as in Falco."""
    if not number:
        return
    leader = line[0]
    for other in line:
        if other.pid == number:
            leader = other
            break
        if group(other) != number:
            break
        leader = other
    fields[name] = leader.comm
    fields[f"{prefix}.exe"] = leader.exe
    fields[f"{prefix}.exepath"] = leader.exepath
