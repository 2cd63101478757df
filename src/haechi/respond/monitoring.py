"""Rules that look closely at one workload: what enhanced monitoring and verbose logging are.

A response that changes nothing in the cluster: a file of runtime rules, saved under a name of its
own and removed again. Sensors ask for the server's rules each minute and watch what these read,
so monitoring brings events that nobody recorded before (reads beneath homes and state), not only
more words about those that came anyway.
"""

from __future__ import annotations

import re

import msgspec

from haechi.errors import InputError
from haechi.model.keys import object_name
from haechi.model.response import ActionKind, Want
from haechi.respond.ground import Site
from haechi.respond.workloads import POD, Workloads, container_ids

READ = ("/etc/", "/root/", "/home/", "/srv/", "/var/lib/", "/run/secrets/", "/var/run/secrets/")
"""Places whose reading is watched."""
_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
_CONTAINER = re.compile(r"[0-9a-f]{12,64}")
_MOST = 50
_EXEC = "evt.type in (execve, execveat)"
_CONNECT = "evt.type in (connect)"
_OPEN = "evt.type in (open, openat, openat2)"
_WHO = "%proc.cmdline (user %user.name, parent %proc.pname)"


class _Rule(msgspec.Struct, frozen=True, kw_only=True):
    what: str
    condition: str
    output: str


_VERBOSE = (
    _Rule(what="program started", condition=_EXEC, output=_WHO),
    _Rule(what="connection opened", condition=_CONNECT, output=f"%fd.name by {_WHO}"),
)
_MONITOR = (
    *_VERBOSE,
    _Rule(
        what="file written",
        condition=f"{_OPEN} and evt.is_open_write = true and not fd.name startswith /dev/",
        output=f"%fd.name by {_WHO}",
    ),
    _Rule(
        what="file read",
        condition=f"{_OPEN} and evt.is_open_read = true and "
        f"({' or '.join(f'fd.name startswith {place}' for place in READ)})",
        output=f"%fd.name by {_WHO}",
    ),
)


def rule_text(want: Want, site: Site | None, action_id: str) -> tuple[str, str]:
    """A file in Falco's rule format, and what it watches, in words. InputError when it cannot be
    said whom to watch."""
    scope = scope_of(want, site)
    monitor = want.kind is ActionKind.MONITOR
    title = "Enhanced monitoring" if monitor else "Verbose logging"
    rules = _MONITOR if monitor else _VERBOSE
    items = [
        {
            "rule": f"{title} {action_id}: {rule.what}",
            "desc": f"Saved by haechi's response {action_id}; removed when that is undone.",
            "condition": f"{rule.condition} and ({scope})",
            "output": f"{rule.what}: {rule.output}",
            "priority": "INFO" if monitor else "DEBUG",
            "source": "syscall",
            "tags": ["haechi_response", action_id],
        }
        for rule in rules
    ]
    lines = [f"# {title} of {want.resource} by haechi, action {action_id}"]
    for item in items:
        for number, (key, value) in enumerate(item.items()):
            lead = "- " if number == 0 else "  "
            lines.append(f"{lead}{key}: {msgspec.json.encode(value).decode()}")
    return "\n".join(lines) + "\n", ", ".join(f"every {rule.what}" for rule in rules)


def scope_of(want: Want, site: Site | None) -> str:
    """A condition that holds in the workload: by its pods' names and their containers' ids, since
    sensors know the one, the other, or both."""
    if want.resource.startswith("host:"):
        return _host(want)
    kind, name, pods = _target(want, site)
    _named(want.namespace)
    parts = []
    names = sorted(pods)[:_MOST]
    if kind == "Pod":
        parts.append(f"k8s.pod.name = {_named(name)}")
    else:
        parts.append(f"k8s.pod.name startswith {_named(name)}-")
        if others := [one for one in names if not one.startswith(f"{name}-")]:
            parts.append(f"k8s.pod.name in ({', '.join(map(_named, others))})")
    where = f"k8s.ns.name = {want.namespace} and ({' or '.join(parts)})"
    ids = {want.container_id, *(id_ for several in pods.values() for id_ in several)}
    short = sorted({id_[:12] for id_ in ids if _CONTAINER.fullmatch(id_)})[:_MOST]
    return f"({where}) or container.id in ({', '.join(short)})" if short else where


def _host(want: Want) -> str:
    """A machine does much at all times: below the incident's processes, where they are known."""
    if want.pids:
        listed = ", ".join(str(pid) for pid in want.pids[:_MOST])
        return f"container.id = host and proc.apid in ({listed})"
    return "container.id = host"


def _target(want: Want, site: Site | None) -> tuple[str, str, dict[str, list[str]]]:
    """Kind and name, and its pods with their containers where the cluster is known."""
    named = object_name(want.resource)
    if named is None:
        raise InputError(
            f"{want.resource[:80]!r} cannot be watched",
            do="name a workload (k8s:prod/apps/Deployment/shop/web) or a host (host:prod/node-1)",
        )
    found = site.by_key.get(want.resource) if site is not None else None
    if site is None or found is None:
        return named.kind, named.name, {}
    pods = [found] if found.type == POD else Workloads(site.objects).pods(found)
    return named.kind, named.name, {pod.name: list(container_ids(pod)) for pod in pods}


def _named(name: str) -> str:
    """A name as it may stand in a condition: what comes from events is never more than a word."""
    if not _NAME.fullmatch(name):
        raise InputError(f"{name[:80]!r} is no name in Kubernetes")
    return name
