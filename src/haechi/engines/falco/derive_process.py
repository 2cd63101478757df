"""``proc.*``, ``container.*`` and ``k8s.*`` that follow from others; the ancestors.

``fields["proc.aname"]`` and kin are lists that begin with the process itself. A test on such a
field without an index asks the ancestors only, as libs does: the process itself is not its own
ancestor. An environment variable that is not set is an empty text, not a missing value.
"""

from __future__ import annotations

from typing import Any

from haechi.engines.falco.values import text_of
from haechi.model.event import Event

DEPTH = 64
"""Ancestors that are looked at."""
SELF = {
    "proc.aname": ("proc.name", "proc.pname"),
    "proc.apid": ("proc.pid", "proc.ppid"),
    "proc.aexe": ("proc.exe", "proc.pexe"),
    "proc.aexepath": ("proc.exepath", "proc.pexepath"),
    "proc.acmdline": ("proc.cmdline", "proc.pcmdline"),
    "proc.aargs": ("proc.args", "proc.pargs"),
    "proc.aenv": ("proc.env", ""),
}
"""The fields that say the same of the process itself and of its parent."""


def ancestor(event: Event, name: str, index: int) -> Any:
    """``proc.aname[2]``; index 0 is the process."""
    fields = event.fields
    given = fields.get(f"{name}[{index}]")
    if given is not None:
        return given
    line = fields.get(name)
    if isinstance(line, list) and index < len(line):
        return line[index]
    return fields.get(SELF[name][index]) if index < 2 else None


def ancestors(event: Event, name: str) -> list[Any] | None:
    """What is known of all ancestors, the nearest first; None when nothing is."""
    line = event.fields.get(name)
    if isinstance(line, list):
        found = [value for value in line[1:DEPTH] if value is not None]
        return found or None
    found = []
    for index in range(1, DEPTH):
        value = ancestor(event, name, index)
        if value is None:
            break
        found.append(value)
    return found or None


def ancestor_arguments(event: Event) -> Any:
    """``proc.aargs`` without an index: one text."""
    known = ancestors(event, "proc.aargs")
    if known is None:
        return None
    return " ".join(words(value) or "" for value in known)


def words(value: Any) -> str | None:
    """Arguments as one text, given as a list or as a text."""
    if isinstance(value, list):
        return " ".join(text for text in map(text_of, value) if text is not None)
    return text_of(value)


def args(event: Event) -> Any:
    return words(event.fields.get("proc.args"))


def arg(event: Event, index: int) -> Any:
    """``proc.args[1]``; an argument beyond the last is an empty text."""
    value = event.fields.get("proc.args")
    if value is None:
        return None
    listed = value if isinstance(value, list) else str(value).split(" ")
    return listed[index] if index < len(listed) else ""


def environment(event: Event) -> Any:
    value = event.fields.get("proc.env")
    if isinstance(value, dict):
        return " ".join(f"{name}={text_of(item)}" for name, item in value.items())
    return words(value)


def variable(event: Event, name: str) -> Any:
    """``proc.env[NAME]``."""
    value = event.fields.get("proc.env")
    return None if value is None else _variable(value, name)


def _variable(value: Any, name: str) -> str:
    if isinstance(value, dict):
        return text_of(value.get(name)) or ""
    listed = value if isinstance(value, list) else str(value).split(" ")
    for item in listed:
        if isinstance(item, str) and item.startswith(f"{name}="):
            return item[len(name) + 1 :].strip()
    return ""


def inherited(event: Event, name: str) -> Any:
    """``proc.aenv[NAME]``: of the nearest ancestor that has it."""
    known = ancestors(event, "proc.aenv")
    if known is None:
        return None
    return next((found for found in (_variable(env, name) for env in known) if found), "")


def _command(event: Event, first: str) -> str | None:
    head = text_of(event.fields.get(first))
    if head is None:
        return None
    tail = args(event)
    return head if tail is None else f"{head} {tail}" if tail else head


def cmdline(event: Event) -> Any:
    return _command(event, "proc.name")


def exeline(event: Event) -> Any:
    return _command(event, "proc.exe")


def cmdnargs(event: Event) -> Any:
    value = event.fields.get("proc.args")
    if value is None:
        return None
    return len(value) if isinstance(value, list) else len(str(value).split())


def cmdlenargs(event: Event) -> Any:
    value = event.fields.get("proc.args")
    if value is None:
        return None
    listed = value if isinstance(value, list) else str(value).split(" ")
    return sum(len(text) for text in map(text_of, listed) if text is not None)


def loginshell(event: Event) -> Any:
    """The process id of the farthest process of the line whose name ends in ``sh``."""
    names, ids = event.fields.get("proc.aname"), event.fields.get("proc.apid")
    if not isinstance(names, list) or not isinstance(ids, list):
        return None
    shells = [i for n, i in zip(names, ids, strict=False) if isinstance(n, str) and n[-2:] == "sh"]
    return shells[-1] if shells else None


def name_and_thread(event: Event) -> Any:
    name, thread = event.fields.get("proc.name"), event.fields.get("thread.tid")
    return f"{name}{thread}" if isinstance(name, str) and isinstance(thread, int) else None


def _since(event: Event, field: str) -> int | None:
    began = event.fields.get(field)
    return event.ts_ns - began if isinstance(began, int) and began else None


def duration(event: Event) -> Any:
    return _since(event, "proc.pid.ts")


def parent_duration(event: Event) -> Any:
    return _since(event, "proc.ppid.ts")


def _same(event: Event, first: str, second: str) -> bool | None:
    one, other = event.fields.get(first), event.fields.get(second)
    return None if one is None or other is None else bool(one == other)


def is_sid_leader(event: Event) -> Any:
    return _same(event, "proc.sid", "proc.vpid")


def is_vpgid_leader(event: Event) -> Any:
    return _same(event, "proc.vpgid", "proc.vpid")


def is_pgid_leader(event: Event) -> Any:
    return _same(event, "proc.pgid", "proc.pid")


def is_main_thread(event: Event) -> Any:
    return _same(event, "thread.tid", "proc.pid")


# -- containers and pods ----------------------------------------------------------------------


def container_id(event: Event) -> Any:
    return event.container_id[:12] or None


def container_full_id(event: Event) -> Any:
    if event.container_id:
        return event.container_id
    return "" if event.fields.get("container.id") == "host" else None


def container_host(event: Event) -> Any:
    """``container.name`` and ``container.type`` outside of containers."""
    return "host" if event.fields.get("container.id") == "host" else None


def _image(event: Event) -> tuple[str, str] | None:
    value = event.fields.get("container.image")
    if not isinstance(value, str) or not value:
        return None
    name = value.partition("@")[0]
    head, colon, tag = name.rpartition(":")
    if colon and "/" not in tag:
        return head, tag
    return name, ""


def repository(event: Event) -> Any:
    found = _image(event)
    return found[0] if found else None


def tag(event: Event) -> Any:
    found = _image(event)
    return found[1] if found else None


def image(event: Event) -> Any:
    name = event.fields.get("container.image.repository")
    if not isinstance(name, str):
        return None
    tagged = event.fields.get("container.image.tag")
    return f"{name}:{tagged}" if isinstance(tagged, str) and tagged else name


def namespace(event: Event) -> Any:
    return None if event.namespace in ("", "-") else event.namespace
