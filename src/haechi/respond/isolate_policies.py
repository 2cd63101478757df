"""The objects that close pods: a deny-all NetworkPolicy, and denies in the tiers that have them.

Each carries the action's id, so that people and ``verify`` know whose it is. None of them is ever
a change to an object of somebody else.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping, Sequence
from typing import Any

from haechi.checks.reach.selectors import NAMESPACE_NAME
from haechi.model.keys import k8s_key
from haechi.model.resource import Resource

MARK_DOMAIN = "quarantine.haechi.dev"
ACTION = "haechi.dev/action"
DNS = "dns"
_VALID = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_LONGEST = 40
_EVERY_ADDRESS = ["0.0.0.0/0", "::/0"]
_DNS_PODS = {
    "namespaceSelector": {"matchLabels": {NAMESPACE_NAME: "kube-system"}},
    "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}},
}

Body = dict[str, Any]


def short(action_id: str) -> str:
    """The action's id as a part of names; one that is no name becomes its hash."""
    if len(action_id) <= _LONGEST and _VALID.fullmatch(action_id):
        return action_id
    return hashlib.sha256(action_id.encode()).hexdigest()[:16]


def mark_of(action_id: str) -> str:
    """The label that marks the pods of an action: a key of its own, so that two never meet."""
    return f"{MARK_DOMAIN}/{short(action_id)}"


def network_policy(name: str, namespace: str, pods: Mapping[str, Any], keep: Sequence[str]) -> Body:
    """Closes both directions of the selected pods, unless another policy opens them."""
    spec: Body = {"podSelector": dict(pods), "policyTypes": ["Ingress", "Egress"]}
    if DNS in keep:
        spec["egress"] = [
            {
                "to": [_DNS_PODS],
                "ports": [{"protocol": one, "port": 53} for one in ("UDP", "TCP")],
            }
        ]
    return planned_object("networking.k8s.io/v1", "NetworkPolicy", name, spec, namespace)


def cilium_policy(name: str, namespace: str, pods: Mapping[str, Any]) -> Body:
    """Denies everything; wins over every allow, also over one of a NetworkPolicy."""
    spec = {
        "endpointSelector": dict(pods),
        "ingressDeny": [{"fromEntities": ["all"]}],
        "egressDeny": [{"toEntities": ["all"]}],
    }
    return planned_object("cilium.io/v2", "CiliumNetworkPolicy", name, spec, namespace)


def cluster_policy(name: str, namespace: str, pods: Mapping[str, Any], keep: Sequence[str]) -> Body:
    """ClusterNetworkPolicy in the admin tier; its ingress can name pods only."""
    spec = {
        "tier": "Admin",
        "priority": 0,
        "subject": _subject(namespace, pods),
        "ingress": [{"name": "from-pods", "action": "Deny", "from": [{"namespaces": {}}]}],
        "egress": [
            *([_dns_rule("Accept", "protocols", _PROTOCOLS)] if DNS in keep else []),
            {"name": "to-pods", "action": "Deny", "to": [{"namespaces": {}}]},
            {"name": "to-all", "action": "Deny", "to": [{"networks": _EVERY_ADDRESS}]},
        ],
    }
    return planned_object("policy.networking.k8s.io/v1alpha2", "ClusterNetworkPolicy", name, spec)


def admin_policy(
    name: str, namespace: str, pods: Mapping[str, Any], keep: Sequence[str], *, networks: bool
) -> Body:
    """AdminNetworkPolicy; without the field ``networks`` its egress can name pods only, too."""
    egress: list[Body] = [{"name": "to-pods", "action": "Deny", "to": [{"namespaces": {}}]}]
    if networks:
        egress.append({"name": "to-all", "action": "Deny", "to": [{"networks": _EVERY_ADDRESS}]})
    if DNS in keep:
        egress.insert(0, _dns_rule("Allow", "ports", _PORTS))
    spec = {
        "priority": 0,
        "subject": _subject(namespace, pods),
        "ingress": [{"name": "from-pods", "action": "Deny", "from": [{"namespaces": {}}]}],
        "egress": egress,
    }
    return planned_object("policy.networking.k8s.io/v1alpha1", "AdminNetworkPolicy", name, spec)


_PORTS = [{"portNumber": {"protocol": one, "port": 53}} for one in ("UDP", "TCP")]
_PROTOCOLS = [{one: {"destinationPort": {"number": 53}}} for one in ("udp", "tcp")]


def _dns_rule(action: str, field: str, ports: list[Body]) -> Body:
    return {"name": "dns", "action": action, "to": [{"pods": _DNS_PODS}], field: ports}


def _subject(namespace: str, pods: Mapping[str, Any]) -> Body:
    spaces = {"matchLabels": {NAMESPACE_NAME: namespace}}
    return {"pods": {"namespaceSelector": spaces, "podSelector": dict(pods)}}


def planned_object(
    api: str, kind: str, name: str, spec: Body, namespace: str | None = None
) -> Body:
    """An object of ours with its head."""
    metadata: Body = {"name": name, "labels": {"app.kubernetes.io/managed-by": "haechi"}}
    if namespace is not None:
        metadata["namespace"] = namespace
    return {"apiVersion": api, "kind": kind, "metadata": metadata, "spec": spec}


def as_resource(body: Body, cluster: str) -> Resource:
    """A planned object as the models read objects."""
    group, _, version = str(body["apiVersion"]).rpartition("/")
    metadata = body["metadata"]
    namespace = metadata.get("namespace")
    key = k8s_key(
        group=group,
        kind=body["kind"],
        namespace=namespace,
        name=metadata["name"],
        cluster=cluster,
    )
    return Resource(
        key=key,
        kind=body["kind"],
        data=body,
        locate=_nowhere,
        group=group,
        version=version,
        namespace=namespace,
        name=metadata["name"],
    )


def _nowhere(_: object) -> Any:
    raise LookupError("an object that is only planned stands in no file")
