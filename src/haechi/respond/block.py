"""Blocking an address, by the only means that can: a deny.

NetworkPolicies only add: none can take one address out of what others let in, and one that lets
in all but this address would open the rest. So the plan uses a deny that wins over allows: a
Cilium deny in both directions, or a deny tier for egress (its ingress cannot name addresses).
Where there is none the plan has no steps and says so. (This host's own packet filter is planned
for hosts, not for pods.)
"""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from typing import Any

from haechi.checks.pods.view import items, mapping
from haechi.checks.reach import (
    DIRECTIONS,
    EGRESS,
    INGRESS,
    Enforcement,
    Network,
    Piece,
    may_pass,
    network_of,
)
from haechi.checks.reach.addresses import of_block
from haechi.checks.reach.network import policies_of
from haechi.checks.reach.policy import Kind
from haechi.checks.reach.selectors import NAMESPACE_NAME
from haechi.model.resource import Resource
from haechi.model.response import ActionKind, Flow, Plan
from haechi.respond.block_doors import doors
from haechi.respond.block_guard import Address, blockable
from haechi.respond.isolate_policies import ACTION, as_resource, mark_of, planned_object, short
from haechi.respond.isolate_steps import apply_step
from haechi.respond.isolate_target import Target, cluster_of, target_of
from haechi.respond.isolate_words import ALWAYS, enforcement_words, flow, some

_CILIUM_CRD = "ciliumnetworkpolicies.cilium.io"
NO_MEANS = (
    "nothing here can deny an address: NetworkPolicies only add, and neither Cilium's denies nor a"
    " deny tier are there"
)
HIDDEN = (
    "a gateway, load balancer or CDN in front of the pods that hides addresses hides this one, too"
)
Body = dict[str, Any]


def block(
    objects: Sequence[Resource],
    address: str,
    *,
    resource: str,
    enforcement: Enforcement,
    action_id: str,
    pods: Sequence[str] | None = None,
    gaps: Sequence[str] = (),
    never: Sequence[str] = (),
    private: bool = False,
) -> Plan:
    """A plan that cuts an address off from the pods of ``resource``.

    The deny covers the workload where its selector means its pods alone, else its whole
    namespace. ``contained`` is about these pods. Raises InputError for an address that is never
    blocked, or a resource that is not there.
    """
    found = blockable(address, objects, never=never, private=private)
    network = network_of(objects)
    target = target_of(objects, network, resource, pods, mark=mark_of(action_id))
    bodies = _bodies(objects, target, found, enforcement, action_id)
    planned = [as_resource(body, cluster_of(resource)) for body in bodies]
    after = network.with_policies([policy for one in planned for policy in policies_of(one)])
    flows = _flows(after, target, found, enforcement)
    flows += [_flow(INGRESS, found, why) for why in doors(objects, target.pods, target.namespace)]
    unknown = dict.fromkeys([*gaps, *(why for pod in target.pods for why in network.unknown(pod))])
    flows += [_flow(direction, found, why) for why in unknown for direction in DIRECTIONS]
    steps = tuple(apply_step(number, one) for number, one in enumerate(planned, start=1))
    missing = () if planned else (NO_MEANS,)
    return Plan(
        action=ActionKind.BLOCK,
        resource=resource,
        steps=steps,
        says=_says(target, found, planned),
        contained=not flows and not enforcement.doubts,
        residual=some(flows),
        warnings=(*missing, *enforcement_words(enforcement, target.pods), HIDDEN, ALWAYS[0]),
        touches=(*(one.key for one in planned), resource, *(p.resource.key for p in target.pods)),
    )


def _says(target: Target, address: Address, planned: Sequence[Resource]) -> str:
    if not planned:
        return f"{address} cannot be blocked here"
    means = ", ".join(one.kind for one in planned)
    where = target.resource.label if _selector(target) else f"namespace {target.namespace}"
    return f"cut {address} off from {where} by {means}"


def _selector(target: Target) -> Mapping[str, Any]:
    """The workload's selector, or all pods of its namespace."""
    return target.selector or {}


def _bodies(
    objects: Sequence[Resource],
    target: Target,
    address: Address,
    enforcement: Enforcement,
    action_id: str,
) -> list[Body]:
    block = str(ipaddress.ip_network(address))
    name = f"haechi-block-{short(action_id)}"
    bodies: list[Body] = []
    if enforcement.cilium and _may_leave_open(objects):
        bodies.append(_cilium(name, target, block))
    elif enforcement.cnp:
        bodies.append(_tiered(name, target, block, "ClusterNetworkPolicy", "v1alpha2"))
    elif enforcement.anp and enforcement.networks:
        bodies.append(_tiered(name, target, block, "AdminNetworkPolicy", "v1alpha1"))
    for body in bodies:
        body["metadata"]["annotations"] = {ACTION: action_id}
    return bodies


def _cilium(name: str, target: Target, block: str) -> Body:
    """The deny alone would close whatever else the pods may do: default deny stays off."""
    spec = {
        "endpointSelector": dict(_selector(target)),
        "enableDefaultDeny": {INGRESS: False, EGRESS: False},
        "ingressDeny": [{"fromCIDR": [block]}],
        "egressDeny": [{"toCIDR": [block]}],
    }
    return planned_object("cilium.io/v2", "CiliumNetworkPolicy", name, spec, target.namespace)


def _tiered(name: str, target: Target, block: str, kind: str, version: str) -> Body:
    spaces = {"matchLabels": {NAMESPACE_NAME: target.namespace}}
    spec: Body = {
        "priority": 0,
        "subject": {"pods": {"namespaceSelector": spaces, "podSelector": dict(_selector(target))}},
        "egress": [{"name": "blocked", "action": "Deny", "to": [{"networks": [block]}]}],
    }
    if kind == "ClusterNetworkPolicy":
        spec = {"tier": "Admin", **spec}
    return planned_object(f"policy.networking.k8s.io/{version}", kind, name, spec)


def _may_leave_open(objects: Sequence[Resource]) -> bool:
    """Whether Cilium knows ``enableDefaultDeny`` (1.16). Without it a deny would put every
    selected pod into default deny, and the allow that mends that would open closed ones."""
    for one in objects:
        if one.kind == "CustomResourceDefinition" and one.name == _CILIUM_CRD:
            for version in items(mapping(mapping(one.data).get("spec")).get("versions")):
                found: Any = mapping(mapping(version).get("schema")).get("openAPIV3Schema")
                for step in ("spec", "enableDefaultDeny"):
                    found = mapping(mapping(found).get("properties")).get(step)
                if found is not None:
                    return True
    return False


def _flows(
    network: Network, target: Target, address: Address, enforcement: Enforcement
) -> list[Flow]:
    """What still passes between the address and the pods, now and to come."""
    universe = (Piece(kind=Kind.WORLD, addresses=of_block(ipaddress.ip_network(address))),)
    subjects = [*target.pods, *([target.template] if target.whole and target.template else [])]
    return [
        flow(direction, piece)
        for direction in DIRECTIONS
        for pod in subjects
        for piece in may_pass(network, pod, direction, enforcement, universe)
    ]


def _flow(direction: str, address: Address, why: str) -> Flow:
    return Flow(direction=direction, peer=str(address), ports="any", because=(why,))
