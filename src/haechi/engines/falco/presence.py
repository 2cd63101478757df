"""Which fields can be there at which event: what makes a test dead before anything happens.

Only certainties are claimed. A field "is never there" when libs' own extraction returns nothing
for every version of the event: ``fd.*`` needs an event that uses or makes a file descriptor
(``sinsp_filter_check_fd::extract_fd`` asks the event's flags), an address needs a descriptor that
can be a socket, ``fs.path.*`` a call of its table, ``evt.arg.x`` an argument of that name.
Everything else counts as possibly there. Events that the table does not know (a plugin's
asynchronous events) may carry anything.
"""

from __future__ import annotations

from haechi.engines.falco.event_table import event_kinds

_FILES_ONLY = frozenset({"open", "openat", "openat2", "creat", "open_by_handle_at"})
"""They make a descriptor that is a file or a directory, never a socket."""
SOCKET_FIELDS = frozenset(
    f"fd.{name}"
    for name in (
        *("ip", "cip", "sip", "lip", "rip", "port", "cport", "sport", "lport", "rport"),
        *("net", "cnet", "snet", "lnet", "rnet", "proto", "cproto", "sproto", "lproto", "rproto"),
        *("l4proto", "sockfamily"),
    )
)
_PATH = frozenset(
    {
        *("mkdir", "mkdirat", "rmdir", "unlink", "unlinkat", "open", "openat", "openat2"),
        *("fchmodat", "chmod", "fchmod", "chown", "lchown", "fchown", "fchownat", "quotactl"),
        *("umount", "umount2"),
    }
)
_PATHS = frozenset(
    {
        *("rename", "renameat", "renameat2", "link", "linkat", "symlink", "symlinkat", "mount"),
    }
)
_FS_PATH = {
    "fs.path.name": _PATH,
    "fs.path.nameraw": _PATH,
    "fs.path.source": _PATHS,
    "fs.path.sourceraw": _PATHS,
    "fs.path.target": _PATHS,
    "fs.path.targetraw": _PATHS,
}
_OPENING = frozenset({"open", "openat", "openat2", "open_by_handle_at"})
_IS_OPEN = {
    "evt.is_open_read": _OPENING,
    "evt.is_open_write": _OPENING,
    "evt.is_open_create": _OPENING,
    "evt.is_open_exec": _OPENING | {"creat"},
}
"""They are there at every event, and false at all but these."""
_ARGUMENTS = ("evt.arg", "evt.rawarg")


def absent(name: str, arg: str | None, event_type: str) -> str:
    """Why the field is never there at a system call of this type; empty when it may be."""
    kind = event_kinds().get(event_type)
    if kind is None or event_type == "asyncevent":
        return ""
    if name.startswith("fd."):
        if not kind.descriptor:
            return f"{event_type} has no file descriptor"
        if name in SOCKET_FIELDS and event_type in _FILES_ONLY:
            return f"the descriptor of {event_type} is a file, never a socket"
    calls = _FS_PATH.get(name)
    if calls is not None and event_type not in calls:
        return f"{name} is not filled at {event_type}"
    wanted = _argument(name, arg)
    if wanted and wanted not in kind.params:
        return f"{event_type} has no argument {wanted!r}"
    return ""


def _argument(name: str, arg: str | None) -> str:
    """The argument that ``evt.arg.flags`` or ``evt.arg[flags]`` asks for by name, or empty."""
    for prefix in _ARGUMENTS:
        if name == prefix:
            return arg.lower() if arg is not None and not arg.lstrip("-").isdigit() else ""
        if name.startswith(f"{prefix}."):
            return name[len(prefix) + 1 :].lower()
    return ""


def constant(name: str, event_type: str) -> str | None:
    """The one value that a field has at every event of this type, where there is one.

    ``evt.dir`` is ``<`` at every system call since libs 0.22 (Falco 0.42) drops the entries.
    """
    kind = event_kinds().get(event_type)
    if kind is None or not kind.syscall:
        return None
    if name == "evt.dir":
        return "<"
    opening = _IS_OPEN.get(name)
    if opening is not None and event_type not in opening:
        return "false"
    return None
