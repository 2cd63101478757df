"""From what is wanted to a plan of steps. Reads, and changes nothing.

Isolation, blocking and limiting of traffic are planned over the cluster's policies next door
(``isolate``, ``block``, ``limit``); the plans of what goes to pods and nodes, of rules, evidence
and requests are made here. What takes something away is preceded by evidence of it.
"""

from __future__ import annotations

import ipaddress
from typing import Any
from urllib.parse import unquote

import msgspec

from haechi.errors import InputError
from haechi.model.resource import Resource
from haechi.model.response import ActionKind, Plan, Step, Want
from haechi.respond.ground import Ground, Site, text_at
from haechi.respond.monitoring import rule_text
from haechi.respond.wishes import cluster_words
from haechi.respond.workloads import NODE, POD, Workloads, uid_of

K = ActionKind
EVIDENCE_FIRST = frozenset({K.ISOLATE, K.EVICT, K.DELETE, K.SCALE_TO_ZERO})
REMOVES = frozenset({K.EVICT, K.DELETE})
RULES = frozenset({K.MONITOR, K.VERBOSE})
WITHOUT_CLUSTER = RULES | {K.SNAPSHOT, K.WEBHOOK}
"""These change nothing in a cluster."""
MOST_PODS = 200


def plan_of(want: Want, site: Site | None, action_id: str, ground: Ground) -> Plan:
    """The plan. InputError when there can be none, with the reason."""
    plan = _planned(want, site, action_id, ground)
    if want.kind in EVIDENCE_FIRST and not want.alone:
        plan = msgspec.structs.replace(plan, steps=(_evidence(want), *plan.steps))
    return plan


def _planned(want: Want, site: Site | None, action_id: str, ground: Ground) -> Plan:
    match want.kind:
        case K.MONITOR | K.VERBOSE:
            return _rules(want, site, action_id)
        case K.SNAPSHOT:
            return _alone(want, _evidence(want), "put evidence by")
        case K.WEBHOOK:
            return _alone(want, _request(want, action_id), f"tell {want.receiver}")
        case K.BLOCK if want.resource.startswith("host:"):
            return _host_block(want, ground)
        case _:
            return _in_cluster(want, _site(want, site), action_id)


def _site(want: Want, site: Site | None) -> Site:
    if site is None:
        raise InputError(
            f"the {cluster_words(want.cluster)} is not known here",
            why="there is nothing to plan on: no objects of it were read",
            do="add it under `clusters` in the server's settings",
        )
    return site


def _in_cluster(want: Want, site: Site, action_id: str) -> Plan:
    match want.kind:
        case K.ISOLATE:
            from haechi.respond.isolate import isolate

            return isolate(
                site.objects,
                want.resource,
                pods=want.pods or None,
                enforcement=site.enforcement,
                action_id=action_id,
                gaps=site.gaps,
            )
        case K.BLOCK:
            from haechi.respond.block import block

            return block(
                site.objects,
                _address(want),
                resource=want.resource,
                enforcement=site.enforcement,
                action_id=action_id,
                gaps=site.gaps,
            )
        case K.LIMIT:
            from haechi.respond.limit import limit

            return limit(site.objects, want.resource, want.address, action_id=action_id)
        case K.CORDON:
            return _cordon(want, site)
        case K.EVICT | K.DELETE:
            return _remove(want, site)
        case K.SCALE_TO_ZERO:
            return _to_zero(want, site)
        case _:
            raise InputError(f"{want.kind.value} is not planned in a cluster")


def _address(want: Want) -> str:
    try:
        return str(ipaddress.ip_address(want.address))
    except ValueError:
        raise InputError(
            f"{want.address[:60]!r} is no IP address" if want.address else "no address is known",
            why="the incident names no source address" if not want.address else "",
            do="name one: --address 203.0.113.9",
        ) from None


def _alone(want: Want, step: Step, says: str) -> Plan:
    return Plan(
        action=want.kind,
        resource=want.resource,
        steps=(step,),
        says=f"{says} of {want.resource}" if want.kind is K.SNAPSHOT else says,
        touches=(want.resource,),
    )


def _evidence(want: Want) -> Step:
    """What it is about is the action's own want: the step needs no body."""
    return Step(
        id="evidence",
        kind="snapshot",
        target=want.resource,
        body={},
        says="put evidence by: incident, events, processes, objects, logs",
        reversible=False,
    )


def _request(want: Want, action_id: str) -> Step:
    data = {"action": action_id, "incident": want.incident, "resource": want.resource}
    data |= {"cluster": want.cluster, "namespace": want.namespace, "address": want.address}
    return Step(
        id="request",
        kind="http",
        target=want.receiver,
        body={"receiver": want.receiver, "data": data | {"rules": list(want.rules)}},
        says=f"send the incident to {want.receiver}",
        reversible=False,
    )


def _rules(want: Want, site: Site | None, action_id: str) -> Plan:
    text, watched = rule_text(want, site, action_id)
    name = f"respond-{action_id}.yaml"
    what = "watch closely" if want.kind is K.MONITOR else "log in detail"
    step = Step(
        id="rules",
        kind="rules",
        target=name,
        body={"text": text},
        says=f"save the rules {name}: {watched}",
        inverse={"remove": name},
    )
    return Plan(
        action=want.kind,
        resource=want.resource,
        steps=(step,),
        says=f"{what}: {watched} of {want.resource}",
        warnings=("sensors follow the server's rules within a minute",),
        touches=(want.resource,),
    )


def _host_block(want: Want, ground: Ground) -> Plan:
    address = _address(want)
    node = unquote(want.resource.rpartition("/")[2])
    here = (want.cluster, want.namespace, node) == (ground.host_cluster, "-", ground.host)
    if ground.nft is None or not here:
        raise InputError(
            f"{node} is not this host",
            why="haechi changes the packet filter of its own host only, and only if respond.host"
            " is set and the incident is of the cluster in respond.host_cluster",
            do="run haechi there, or block the address at the edge",
        )
    step = Step(
        id="nft",
        kind="nft",
        target=want.resource,
        body={"address": address},
        says=f"drop packets from and to {address} on {node} (table inet haechi)",
        inverse={"address": address},
    )
    return Plan(
        action=want.kind,
        resource=want.resource,
        steps=(step,),
        says=f"block {address} on {node}",
        touches=(want.resource,),
    )


def _object(want: Want, site: Site) -> Resource:
    found = site.by_key.get(want.resource)
    if found is None:
        raise InputError(
            f"{want.resource} is not in the cluster's state", do="look at the cluster again"
        )
    return found


def _cordon(want: Want, site: Site) -> Plan:
    node = _object(want, site)
    if node.type != NODE:
        raise InputError(f"{node.label} is no Node", do="name a Node")
    spec = node.data.get("spec") if isinstance(node.data, dict) else None
    now = spec.get("unschedulable") if isinstance(spec, dict) else None
    if now is True:
        raise InputError(f"{node.label} is cordoned already")
    tests = _same(node)
    if now is not None:
        tests.append({"op": "test", "path": "/spec/unschedulable", "value": now})
    step = Step(
        id="cordon",
        kind="kube.patch",
        target=node.key,
        body=[*tests, {"op": "add", "path": "/spec/unschedulable", "value": True}],
        says=f"{node.label} takes no new pods",
        inverse={"unschedulable": now},
    )
    return Plan(
        action=want.kind,
        resource=node.key,
        steps=(step,),
        says=f"cordon {node.label}",
        warnings=("pods that run there go on running",),
        touches=(node.key,),
    )


def _pods(want: Want, site: Site) -> list[Resource]:
    """The pods that are meant."""
    target = _object(want, site)
    if target.type == POD:
        return [target]
    pods = Workloads(site.objects).pods(target)
    if not want.pods:
        raise InputError(
            "which pods are meant is not known",
            why="the incident names no container that one of them has",
            do=f"name some: {', '.join(one.name for one in pods[:3]) or 'none runs now'}",
        )
    found = [one for one in pods if one.name in want.pods]
    missing = sorted(set(want.pods) - {one.name for one in found})
    if missing:
        raise InputError(f"no pod {missing[0][:80]} of {target.label} runs", do="plan anew")
    return found[:MOST_PODS]


def _remove(want: Want, site: Site) -> Plan:
    pods = _pods(want, site)
    evict = want.kind is K.EVICT
    steps = [
        Step(
            id=f"{number}-{'evict' if evict else 'delete'}",
            kind="kube.evict" if evict else "kube.delete",
            target=pod.key,
            body={"uid": uid_of(pod)},
            says=f"{'evict' if evict else 'delete'} {pod.label}",
            reversible=False,
        )
        for number, pod in enumerate(pods, start=1)
    ]
    names = ", ".join(pod.name for pod in pods[:3])
    return Plan(
        action=want.kind,
        resource=want.resource,
        steps=tuple(steps),
        says=f"{'evict' if evict else 'delete'} {names}",
        warnings=("this cannot be undone: what ran in it is gone",),
        touches=tuple(pod.key for pod in pods),
    )


def _to_zero(want: Want, site: Site) -> Plan:
    target = _object(want, site)
    spec = target.data.get("spec") if isinstance(target.data, dict) else None
    replicas: Any = spec.get("replicas", 1) if isinstance(spec, dict) else None
    if target.kind not in ("Deployment", "StatefulSet", "ReplicaSet") or replicas is None:
        raise InputError(
            f"{target.label} cannot be scaled", do="name a Deployment, StatefulSet or ReplicaSet"
        )
    if replicas == 0:
        raise InputError(f"{target.label} has no replicas already")
    pods = Workloads(site.objects).pods(target)
    step = Step(
        id="scale",
        kind="kube.scale",
        target=target.key,
        body={"replicas": 0},
        says=f"scale {target.label} from {replicas} to 0",
        inverse={"replicas": replicas},
    )
    return Plan(
        action=want.kind,
        resource=target.key,
        steps=(step,),
        says=f"scale {target.label} to zero",
        warnings=(
            f"all {len(pods)} pods end, and what ran in them is gone; undoing starts new ones",
        ),
        touches=(target.key, *(pod.key for pod in pods)),
    )


def _same(resource: Resource) -> list[dict[str, Any]]:
    uid = text_at(resource.data, "metadata", "uid")
    return [{"op": "test", "path": "/metadata/uid", "value": uid}] if uid else []
