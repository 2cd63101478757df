"""What of a detection it is grouped by, and what is kept of it as evidence.

Fields are hostile: whatever they hold, reading gives bounded texts and whole numbers, or nothing.
``place`` (cluster, namespace and workload) is where something happens; the namespace is part of
it because whoever may send for one namespace must not get into incidents of another.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from hashlib import blake2b
from typing import Any, TypeGuard

import msgspec

from haechi.engines.masking import announces_credential, masked
from haechi.model.event import Event, tags_of
from haechi.model.keys import k8s_key
from haechi.model.threat import Assessment
from haechi.runtime.incidents.supervisors import MOST as MOST_ANCESTORS
from haechi.runtime.incidents.supervisors import below
from haechi.store.events.encoding import SCOPED
from haechi.store.state.incidents_rows import EvidenceDetail, packed

NONE = "-"
APART = "\x1f"
"""In no name that an event may have."""
_WORD, _LINE, _MESSAGE, _EVIDENCE = 256, 600, 1_500, 12_000
_MOST_TAGS, _MOST_ADDRESSES, _MOST_LIST = 20, 16, 16
_MOST_PID = 1 << 22
_TECHNIQUE = re.compile(r"T\d{4}(?:\.\d{3})?")
_TACTIC = re.compile(r"mitre_[a-z_]{3,40}")
_TACTIC_IDS = {
    "TA0001": "mitre_initial_access",
    "TA0002": "mitre_execution",
    "TA0003": "mitre_persistence",
    "TA0004": "mitre_privilege_escalation",
    "TA0005": "mitre_defense_evasion",
    "TA0006": "mitre_credential_access",
    "TA0007": "mitre_discovery",
    "TA0008": "mitre_lateral_movement",
    "TA0009": "mitre_collection",
    "TA0010": "mitre_exfiltration",
    "TA0011": "mitre_command_and_control",
    "TA0040": "mitre_impact",
}
_VARIES = re.compile(
    r"[0-9a-fA-F]{8}-[0-9a-fA-F-]{14,}|(?=[A-Za-z]*\d)[0-9a-fA-F]{8,}|(?<=/)\d+(?=/|$)|\d{4,}"
)
"""Parts of names that are another one each time: hashes, ids of processes, long numbers."""
_PASSING = re.compile(r"(?:/tmp|/var/tmp|/dev/shm|/run/user/\d+)/")
_MADE_UP = re.compile(r"(?<![A-Za-z0-9])(?:tmp)?(?=[a-z_]*[0-9A-Z])[A-Za-z0-9_]{6,12}(?=/|$|\.)")
"""What ``mktemp`` and its like make, in folders where they do."""
_KEPT = (
    "proc.", "user.", "group.", "fd.", "evt.arg.", "evt.res", "evt.rawres", "container.", "k8s.",
    "ka.", "app.", "flow.", "http.", "haechi.", "falco.", "thread.cap_effective",
)  # fmt: skip
_LEFT = (
    "proc.env", "proc.aname", "proc.aexe", "proc.acmdline", "proc.apid", "proc.args",
    "proc.cmdnargs", "proc.cmdlenargs", "proc.exe_ino", "ka.req.", "ka.resp.obj",
)  # fmt: skip
_NUMBERED = {
    name: frozenset(f"{name}[{place}]" for place in range(MOST_ANCESTORS))
    for name in ("proc.apid", "proc.aname", "proc.aexepath", "proc.acmdline")
}
_AUDIT = "kubernetes-audit"
_INWARD = frozenset(("accept", "accept4", "recvfrom", "recvmsg", "listen"))
_NETWORK = frozenset(
    ("connect", "accept", "accept4", "sendto", "sendmsg", "recvfrom", "recvmsg", "flow", "http")
)


class Detection(msgspec.Struct, frozen=True, kw_only=True):
    """A detection as it is grouped. ``line`` is (pid, name) of the process and those ancestors
    that are of the same cause; ``inside`` is its container (empty on a host), which stays the same
    when the workload that it counts to does not; ``causes`` are what the same thing coming back is
    known by, the most exact one first; ``families`` are techniques without their parts
    (``T1059``)."""

    event: str
    source: str
    ts_ns: int
    last_ns: int
    count: int
    rule: str
    priority: str
    message: str
    cluster: str
    namespace: str
    node: str
    container: str
    resource: str
    place: str
    inside: str = ""
    on_host: bool
    program: str
    object: str
    signature: str
    coarse: str
    causes: tuple[str, ...]
    line: tuple[tuple[int, str], ...]
    tactics: tuple[str, ...]
    techniques: tuple[str, ...]
    families: tuple[str, ...]
    addresses: tuple[str, ...]
    network: bool
    assessment: Assessment
    scoped: bool = False
    """Its sender reaches some namespaces only: what it says of nodes and of their processes is
    compared with what senders of its kind say of them, and with nothing else."""
    tree: str = ""
    """Where the numbers of its processes are those of the same processes."""
    evidence: str = ""
    origin: Event | None = None
    """What ``evidence`` is made of when it is wanted: most detections are like one before."""


def read(event: Event, assessment: Assessment, *, count: int = 1, last_ns: int = 0) -> Detection:
    """What a detection is grouped by. Never raises for what its fields hold."""
    fields = event.fields
    rule = _text(event.rule, _WORD) or "unnamed"
    tactics, techniques = _tags(fields)
    line = tuple(below(_line(fields)))
    namespace = event.namespace or NONE
    scoped = fields.get(SCOPED) is True and namespace != NONE
    kind, resource = _resource(event, scoped=scoped)
    place = _hashed(event.cluster, namespace, kind, resource)
    program = _text(fields.get("proc.exepath")) or _text(fields.get("proc.name"))
    parent = _text(fields.get("proc.pname"))
    object_ = _object(event)
    on_host = kind == "host"
    return Detection(
        event=event.id,
        source=event.source,
        ts_ns=event.ts_ns,
        last_ns=max(event.ts_ns, last_ns),
        count=max(1, count),
        rule=rule,
        priority=event.priority,
        message="",
        cluster=event.cluster,
        namespace=namespace,
        node=event.node,
        tree=f"{namespace}{APART}{event.node}" if scoped else event.node,
        container=event.container_id,
        resource=resource,
        place=place,
        inside=_inside(event, namespace),
        on_host=on_host,
        program=program,
        object=object_,
        signature=_hashed(rule, settled(program), parent, settled(object_), event.source),
        coarse=_hashed(rule, event.source),
        causes=_causes(place, rule, settled(program), parent, on_host=on_host),
        line=line,
        tactics=tactics,
        techniques=techniques,
        families=tuple(dict.fromkeys(one.partition(".")[0] for one in techniques)),
        addresses=_addresses(event),
        network=event.type in _NETWORK or event.source in ("hubble", "envoy"),
        assessment=assessment,
        scoped=scoped,
        origin=event,
    )


def with_evidence(detection: Detection) -> Detection:
    """The detection with its words and evidence, and without the event that it was."""
    event = detection.origin
    if event is None:
        return detection
    return msgspec.structs.replace(
        detection,
        message=masked(_text(event.message, _MESSAGE)),
        evidence=_evidence(event, detection),
        origin=None,
    )


@lru_cache(maxsize=8_192)
def settled(name: str) -> str:
    """A name without what varies: ``/tmp/pip-3f2a9c11/x`` and ``/tmp/pip-77b1d0e2/x`` are alike."""
    if not name.startswith("/"):
        return name
    name = _VARIES.sub("*", name)
    return _MADE_UP.sub("*", name) if _PASSING.match(name) else name


def _causes(place: str, rule: str, program: str, parent: str, *, on_host: bool) -> tuple[str, ...]:
    """A program that comes back under another name each time has its parent in common with
    itself; on a node, where every shell is somebody's parent, that says nothing."""
    own = _hashed(place, rule, "program", program)
    if on_host or not parent:
        return (own,)
    return own, _hashed(place, rule, "parent", parent)


def _resource(event: Event, *, scoped: bool = False) -> tuple[str, str]:
    """What it happens in, and its key. What somebody does at the API server is grouped by who,
    as it is about many things. Who reaches a namespace only speaks of no node: what has neither
    a workload nor a container is the namespace's."""
    user = _text(event.fields.get("ka.user.name"))
    if user and _AUDIT in (event.source, event.fields.get("haechi.source")):
        return "user", f"user:{event.cluster}/{user}"
    if user and event.fields.get("falco.source") == "k8s_audit":
        return "user", f"user:{event.cluster}/{user}"
    if event.resource:
        return "resource", event.resource
    container = event.container_id
    if container and container != "host":
        return "container", f"container:{event.cluster}/{container[:64]}"
    if scoped:
        named = "" if event.cluster == NONE else event.cluster
        namespace = event.namespace
        return "namespace", k8s_key(
            group="", kind="Namespace", namespace=None, name=namespace, cluster=named
        )
    return "host", f"host:{event.cluster}/{event.node or NONE}"


def _inside(event: Event, namespace: str) -> str:
    container = event.container_id[:12]
    if not container or container == "host":
        return ""
    return _hashed(event.cluster, namespace, "inside", container)


def _tags(fields: Mapping[str, Any]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    tags = tags_of(fields)
    tactics = [_TACTIC_IDS.get(one, one) for one in tags]
    tactics = [one for one in dict.fromkeys(tactics) if _TACTIC.fullmatch(one)]
    techniques = [one for one in dict.fromkeys(tags) if _TECHNIQUE.fullmatch(one)]
    return tuple(tactics[:_MOST_TAGS]), tuple(techniques[:_MOST_TAGS])


def _pids(fields: Mapping[str, Any]) -> list[int]:
    """Of the process and its ancestors. Sources that do not list them tell those of the process
    and its parent."""
    pids = [one for one in _list(fields, "proc.apid") if _is_pid(one)]
    own, above = fields.get("proc.pid"), fields.get("proc.ppid")
    if not pids or (_is_pid(own) and pids[0] != own):
        pids = [one for one in (own, above) if _is_pid(one)] if _is_pid(own) else []
    return pids[:MOST_ANCESTORS]


def _line(fields: Mapping[str, Any]) -> list[tuple[int, str]]:
    """(pid, name) of the process and its ancestors."""
    names = _list(fields, "proc.aname")
    found = []
    for place, pid in enumerate(_pids(fields)):
        name = _at(names, place)
        if not name and place < 2:
            name = _text(fields.get("proc.pname" if place else "proc.name"))
        found.append((pid, name))
    return found


def _ancestry(fields: Mapping[str, Any]) -> list[tuple[int, str, str, str]]:
    """(pid, name, program, command) of the process and its ancestors."""
    names, programs = _list(fields, "proc.aname"), _list(fields, "proc.aexepath")
    commands = _list(fields, "proc.acmdline")
    found = []
    for place, pid in enumerate(_pids(fields)):
        name, program, command = _at(names, place), _at(programs, place), _at(commands, place)
        if place == 0:
            name = name or _text(fields.get("proc.name"))
            program = program or _text(fields.get("proc.exepath"))
            command = command or _text(fields.get("proc.cmdline"), _LINE)
        elif place == 1:
            name = name or _text(fields.get("proc.pname"))
            program = program or _text(fields.get("proc.pexepath"))
            command = command or _text(fields.get("proc.pcmdline"), _LINE)
        found.append((pid, name, program, masked(command)))
    return found


def _list(fields: Mapping[str, Any], name: str) -> list[Any]:
    """A list; verbatim keys (``proc.aname[2]``) of Falco alerts count, too."""
    told = fields.get(name)
    if isinstance(told, list):
        return told[:MOST_ANCESTORS]
    if _NUMBERED[name].isdisjoint(fields):
        return []
    found: list[Any] = []
    for place in range(MOST_ANCESTORS):
        one = fields.get(f"{name}[{place}]")
        if one is None and place > 1:
            break
        found.append(one)
    return found


def _at(values: list[Any], place: int) -> str:
    return _text(values[place], _LINE) if place < len(values) else ""


def _is_pid(value: Any) -> TypeGuard[int]:
    return type(value) is int and 0 < value <= _MOST_PID


def _object(event: Event) -> str:
    """What it was done to."""
    fields = event.fields
    for name in ("fd.name", "evt.arg.path", "evt.arg.name", "evt.arg.filename", "ka.target.name"):
        if found := _text(fields.get(name)):
            if name == "fd.name" and "->" in found:
                return _peer(event) or found.partition("->")[2]
            return found
    return ""


def _peer(event: Event) -> str:
    """The other side of a connection, with its port when we went there."""
    fields = event.fields
    side = "c" if event.type in _INWARD else "s"
    address = _text(fields.get(f"fd.{side}ip")) or _text(fields.get("fd.rip"))
    port = fields.get("fd.sport", fields.get("fd.rport"))
    return f"{address}:{port}" if address and side == "s" and type(port) is int else address


def _addresses(event: Event) -> tuple[str, ...]:
    """Addresses that somebody else may be behind."""
    fields = event.fields
    told: list[Any] = [fields.get("fd.rip"), fields.get("app.ip")]
    inward = event.type in _INWARD or event.source in ("hubble", "envoy")
    told.append(fields.get("fd.cip" if inward else "fd.sip"))
    sources = fields.get("ka.sourceips")
    told += sources[:_MOST_ADDRESSES] if isinstance(sources, list) else [sources]
    found: dict[str, None] = {}
    for one in told:
        if isinstance(one, str) and len(one) <= 64 and (address := _address(one)):
            found[address] = None
    return tuple(found)[:_MOST_ADDRESSES]


@lru_cache(maxsize=8_192)
def _address(text: str) -> str:
    """An address that somebody may be at; empty for what is none."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return ""
    return "" if address.is_loopback or address.is_unspecified else str(address)


def _evidence(event: Event, detection: Detection) -> str:
    fields: dict[str, Any] = {}
    room = _EVIDENCE
    for name, value in _ranked(event.fields):
        kept = _value(name, value)
        room -= len(name) + _size(kept)
        if room < 0:
            fields["haechi.cut"] = ["fields"]
            break
        fields[name] = kept
    detail = EvidenceDetail(
        cluster=event.cluster,
        namespace=event.namespace,
        resource=event.resource or detection.resource,
        node=event.node,
        container=event.container_id,
        level=detection.assessment.level.word,
        user=_text(event.fields.get("user.name")),
        tactics=detection.tactics,
        techniques=detection.techniques,
        line=tuple(_ancestry(event.fields)),
        fields=fields,
    )
    return packed(detail)


def _ranked(fields: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Fields that matter, what our own said first: it must not be crowded out."""
    names = [
        name
        for name in fields
        if len(name) <= _WORD and name.startswith(_KEPT) and not name.startswith(_LEFT)
    ]
    names.sort(key=lambda name: not name.startswith(("haechi.", "proc.", "fd.")))
    for name in names:
        yield name, fields[name]


def _value(name: str, value: Any) -> Any:
    if isinstance(value, str):
        return "***" if announces_credential(name) and value else masked(value[:_LINE])
    if isinstance(value, bool | float) or value is None:
        return value
    if isinstance(value, int):
        return value if -(2**63) <= value < 2**63 else str(value)[:40]
    if isinstance(value, list):
        return [_value(name, one) for one in value[:_MOST_LIST] if not isinstance(one, dict)]
    return None


def _size(value: Any) -> int:
    if isinstance(value, list):
        return sum(_size(one) for one in value) + 2
    return len(value) if isinstance(value, str) else 20


def _text(value: Any, most: int = _WORD) -> str:
    """A text; numbers and lists are none."""
    return value[:most] if isinstance(value, str) else ""


def _hashed(*words: str) -> str:
    text = "\0".join(words).encode("utf-8", "surrogatepass")
    return blake2b(text, digest_size=10).hexdigest()
