"""From an incident to what is wanted: which pods, which addresses, and the key by which a cause
is answered once."""

from __future__ import annotations

import datetime as dt
import hashlib
import ipaddress
from collections.abc import Iterator

import msgspec

from haechi.model.access import NONE
from haechi.model.incident import Incident
from haechi.model.keys import k8s_key, key_parts, namespace_of
from haechi.model.resource import Resource
from haechi.model.response import ActionKind, Want
from haechi.model.threat import ThreatLevel
from haechi.respond.ground import Site, text_at
from haechi.respond.policy import Case, Response
from haechi.respond.workloads import POD, Workloads, holds, labels_of

MOST_ADDRESSES = 3
HOST = "host:"
_ADDRESSED = frozenset({ActionKind.BLOCK, ActionKind.LIMIT})
_TO_PODS = frozenset({ActionKind.ISOLATE, ActionKind.EVICT, ActionKind.DELETE})


def case_of(incident: Incident, site: Site | None, at: dt.datetime) -> Case:
    """What the policy is asked about an incident."""
    target = site.by_key.get(incident.resource) if site is not None else None
    return Case(
        level=incident.level,
        cluster=incident.cluster,
        namespace=incident.namespace,
        at=at,
        rules=tuple(incident.rules),
        tags=(*incident.tactics, *incident.techniques),
        labels=labels_of(target) if target is not None else {},
    )


def wants_of(incident: Incident, response: Response, site: Site | None) -> Iterator[Want]:
    """What a response means for an incident: one want, or one for each address."""
    incident = _placed(incident, site)
    want = Want(
        kind=response.kind,
        cluster=incident.cluster,
        namespace=incident.namespace,
        resource=incident.resource,
        node=incident.node,
        container_id=incident.container_id,
        pids=incident.pids[:20],
        incident=incident.id,
        rules=tuple(sorted(incident.rules))[:20],
        receiver=response.receiver,
        since_ns=incident.first_ns,
    )
    if response.kind in _TO_PODS:
        want = msgspec.structs.replace(want, pods=pods_of(want, site))
    if not _own(incident):
        return
    if response.kind is ActionKind.CORDON:
        if not (node := _node(incident, site)):
            return
        want = msgspec.structs.replace(want, resource=node, namespace="-")
    if response.kind not in _ADDRESSED:
        yield want
        return
    addresses = public(incident.source_ips)[:MOST_ADDRESSES]
    if not addresses and response.kind is ActionKind.LIMIT:
        yield want  # all clients together
    for address in addresses:
        yield msgspec.structs.replace(want, address=address)


def pods_of(want: Want, site: Site | None) -> tuple[str, ...]:
    """The pod of the container in which it happened; none: not known, so all are meant."""
    target = site.by_key.get(want.resource) if site is not None else None
    if site is None or target is None or not want.container_id:
        return ()
    pods = [target] if target.type == POD else Workloads(site.objects).pods(target)
    return tuple(pod.name for pod in pods if holds(pod, want.container_id))


def public(addresses: tuple[str, ...]) -> list[str]:
    """Those that can be somebody's out there: others are never an attacker's own."""
    found = []
    for text in addresses:
        try:
            ip = ipaddress.ip_address(text)
        except ValueError:
            continue
        if ip.is_global and not ip.is_multicast:
            found.append(str(ip))
    return list(dict.fromkeys(found))


def _placed(incident: Incident, site: Site | None) -> Incident:
    """An incident of a container that nobody could place when it began: by now the cluster may
    say whose it is. In no other namespace than the incident's."""
    if site is None or not incident.resource.startswith("container:") or not incident.container_id:
        return incident
    for pod in site.objects:
        if pod.type != POD or incident.namespace not in ("-", pod.namespace):
            continue
        if holds(pod, incident.container_id):
            top = Workloads(site.objects).top(pod)
            key = top.key if isinstance(top, Resource) else pod.key
            return msgspec.structs.replace(incident, resource=key)
    return incident


def _own(incident: Incident) -> bool:
    """False for an incident of a namespace that names a thing elsewhere: a node, a machine,
    another's workload. Who may speak for a namespace must not have others' things touched."""
    if incident.namespace == "-":
        return True
    if key_parts(incident.resource) is None:
        return not incident.resource.startswith(HOST)
    return namespace_of(incident.resource) == incident.namespace


def _node(incident: Incident, site: Site | None) -> str:
    """The node to be cordoned. Of an incident of a namespace it is the one that the cluster says
    its pod runs on, whatever its events say."""
    name = incident.node
    if incident.namespace != "-":
        name = _runs_on(incident, site)
    if not name:
        return ""
    return k8s_key(group="", kind="Node", namespace=None, name=name, cluster=incident.cluster)


def _runs_on(incident: Incident, site: Site | None) -> str:
    target = site.by_key.get(incident.resource) if site is not None else None
    if site is None or target is None or not incident.container_id:
        return ""
    pods = [target] if target.type == POD else Workloads(site.objects).pods(target)
    for pod in pods:
        if holds(pod, incident.container_id):
            return text_at(pod.data, "spec", "nodeName")
    return ""


def cause_key(cause: str, want: Want, window: int) -> str:
    """The idempotency key: cause, action, target, window."""
    parts = (cause, want.kind.value, want.cluster, want.resource, want.address)
    return "|".join((*parts, ",".join(sorted(want.pods)), str(window)))


def action_id(key: str) -> str:
    """The action's id: of its key, so that a plan made twice has the same names in it."""
    return f"a-{hashlib.sha256(key.encode()).hexdigest()[:16]}"


def same_target(one: Want, other: Want) -> bool:
    """True when both want the same done to the same."""
    what = (one.kind, one.cluster, one.resource, one.address)
    return what == (other.kind, other.cluster, other.resource, other.address) and (
        not one.pods or not other.pods or bool(set(one.pods) & set(other.pods))
    )


def level_of(kind: ActionKind) -> ThreatLevel:
    """The level that the guide's names of actions stand for."""
    match kind:
        case ActionKind.MONITOR | ActionKind.LIMIT:
            return ThreatLevel.HIGH
        case ActionKind.VERBOSE:
            return ThreatLevel.MEDIUM
        case _:
            return ThreatLevel.CRITICAL


def cluster_words(name: str) -> str:
    """A cluster in a sentence; ``-`` is the one of what names none."""
    return "cluster without a name" if name == NONE else f"cluster {name}"
