"""A process as Tetragon describes it, in Falco's names: itself, its container, its ancestors."""

from __future__ import annotations

import posixpath
import re
from typing import Any

from haechi.engines.masking import MASK, announces_credential
from haechi.runtime.decode.building import short_container
from haechi.runtime.decode.values import array, dig, known, mapping, text, whole

_COMM = 15
"""Falco's ``proc.name`` is the kernel's comm, which has room for that many letters."""
_UNSET = 2**32 - 1
_MOST_ANCESTORS = 32
_MOST_CAPABILITIES = 64
_QUOTED = re.compile(r'(?:(?<= )|^)"([^"]*)"(?= |$)')


def process_fields(body: dict[str, Any]) -> dict[str, Any]:
    """``proc.*``, ``user.*``, ``container.*`` and ``k8s.*`` of an event's process."""
    process = mapping(body.get("process"))
    line = [process, *_ancestry(body)]
    parent = line[1] if len(line) > 1 else {}
    binary = text(process.get("binary"))
    fields = {
        "proc.name": comm(binary),
        "proc.exe": binary,
        "proc.exepath": binary,
        "proc.args": arguments(process),
        "proc.cmdline": command_line(process),
        "proc.pid": whole(process.get("pid")),
        "thread.tid": whole(process.get("tid")) or whole(process.get("pid")),
        "proc.vpid": whole(dig(process, "pod", "container", "pid")),
        "proc.cwd": text(process.get("cwd")),
        "proc.ppid": whole(parent.get("pid")),
        "proc.pname": comm(text(parent.get("binary"))),
        "proc.pexepath": text(parent.get("binary")),
        "proc.pcmdline": command_line(parent),
        "proc.aname": [comm(text(one.get("binary"))) for one in line],
        "proc.aexepath": [text(one.get("binary")) for one in line],
        "proc.acmdline": [command_line(one) for one in line],
        "proc.apid": _all_pids(line),
        "proc.env": _environment(process),
        "proc.is_exe_from_memfd": binary.startswith(("memfd:", "/memfd:")) or None,
        "user.uid": whole(process.get("uid")),
        "user.name": text(dig(process, "user", "name")) or _root(process),
        "user.loginuid": _login(process),
        "thread.cap_effective": _capabilities(process, "effective"),
        "thread.cap_permitted": _capabilities(process, "permitted"),
        "tetragon.flags": text(process.get("flags")),
        "tetragon.exec_id": text(process.get("exec_id"))[:200],
    }
    return known(fields) | _container(process)


def _root(process: dict[str, Any]) -> str:
    """Tetragon names users only where it is told to; 0 is root everywhere."""
    return "root" if whole(process.get("uid")) == 0 else ""


def comm(binary: str) -> str:
    """The name of a program as the kernel keeps it."""
    return posixpath.basename(binary)[:_COMM]


def arguments(process: dict[str, Any]) -> str:
    """Arguments as Falco joins them: Tetragon puts those with spaces in quotes."""
    return _QUOTED.sub(r"\1", text(process.get("arguments")))


def command_line(process: dict[str, Any]) -> str:
    """Falco's ``proc.cmdline``: the name and the arguments."""
    name = comm(text(process.get("binary")))
    given = arguments(process)
    return f"{name} {given}" if name and given else name


def _ancestry(body: dict[str, Any]) -> list[dict[str, Any]]:
    """Parent first. Tetragon's ``ancestors`` begin with the grandparent."""
    found = [mapping(body.get("parent"))] if body.get("parent") else []
    found += [mapping(one) for one in array(body.get("ancestors"))[:_MOST_ANCESTORS]]
    return found


def _all_pids(line: list[dict[str, Any]]) -> list[int] | None:
    """An index must mean the same ancestor everywhere: all of them or none."""
    found = [whole(one.get("pid")) for one in line]
    pids = [pid for pid in found if pid is not None]
    return pids if len(pids) == len(found) else None


def _login(process: dict[str, Any]) -> int | None:
    found = whole(process.get("auid"))
    return -1 if found == _UNSET else found


def _capabilities(process: dict[str, Any], kind: str) -> str:
    names = array(dig(process, "cap", kind))[:_MOST_CAPABILITIES]
    return " ".join(
        name if name.startswith("CAP_") else f"CAP_{name}" for name in names if text(name)
    )


def _environment(process: dict[str, Any]) -> dict[str, str] | None:
    """Selected variables; the values of those that announce a credential are not taken over."""
    found = {}
    for pair in array(process.get("environment_variables"))[:256]:
        name = text(dig(pair, "key")) or text(dig(pair, "Key"))
        if name:
            value = text(dig(pair, "value")) or text(dig(pair, "Value"))
            found[name] = MASK if announces_credential(name) else value
    return found or None


def _container(process: dict[str, Any]) -> dict[str, Any]:
    pod = mapping(process.get("pod"))
    container = mapping(pod.get("container"))
    full = text(container.get("id")).rpartition("://")[2] or text(process.get("docker"))
    if not full:
        return {"container.id": "host"}
    repository, tag, digest = _image(container)
    kind, name = text(pod.get("workload_kind")), text(pod.get("workload"))
    labels = mapping(pod.get("pod_labels"))
    return known(
        {
            "container.id": short_container(full),
            "container.full_id": full if len(full) == 64 else None,
            "container.name": text(container.get("name")),
            "container.image": text(dig(container, "image", "name")),
            "container.image.repository": repository,
            "container.image.tag": tag,
            "container.image.digest": digest,
            "container.privileged": _flag(dig(container, "security_context", "privileged")),
            "k8s.ns.name": text(pod.get("namespace")),
            "k8s.pod.name": text(pod.get("name")),
            "k8s.pod.uid": text(pod.get("uid")),
            "k8s.pod.label": labels or None,
            "k8s.deployment.name": name if kind == "Deployment" else None,
            "k8s.workload.name": name,
            "k8s.workload.kind": kind,
        }
    )


def _flag(value: object) -> bool | None:
    return value if isinstance(value, bool) else None


def _image(container: dict[str, Any]) -> tuple[str, str, str]:
    """Repository, tag and digest of the image's name and id."""
    name = text(dig(container, "image", "name")).partition("@")[0]
    digest = text(dig(container, "image", "id")).rpartition("@")[2]
    head, _, last = name.rpartition("/")
    last, _, tag = last.partition(":")
    repository = f"{head}/{last}" if head else last
    return repository, tag, digest if digest.startswith("sha") else ""
