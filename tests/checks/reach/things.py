"""Pods, namespaces and policies from short words, for tests of what may pass."""

from __future__ import annotations

from typing import Any

import yaml

from haechi.checks.reach import Enforcement, Network, Pod, may_pass, network_of
from tests.respond.clusters import Object, made, resource_of

PLAIN = Enforcement(plugin="calico", network_policy=True)
TIERS = Enforcement(plugin="made", network_policy=True, anp=True, networks=True, cnp=True)
ADMIN = Enforcement(plugin="ovn", network_policy=True, anp=True, networks=True)
CILIUM = Enforcement(plugin="cilium", network_policy=True, cilium=True)


def pod(name: str, space: str = "shop", **more: Any) -> Object:
    """A running pod; ``labels`` default to ``app: <name>``."""
    return made(
        "v1",
        "Pod",
        name,
        space,
        labels=more.get("labels", {"app": name}),
        spec={
            "nodeName": "n1",
            "containers": [{"name": "c", "image": "x", "ports": more.get("ports", [])}],
            **({"hostNetwork": True} if more.get("host") else {}),
        },
        status={"phase": more.get("phase", "Running"), "podIP": more.get("ip", "10.0.0.9")},
    )


def space(name: str, **labels: str) -> Object:
    """A namespace."""
    return made("v1", "Namespace", name, labels=labels)


def network_policy(spec: str, name: str = "np", where: str = "shop") -> Object:
    """A NetworkPolicy from its spec in YAML."""
    return made("networking.k8s.io/v1", "NetworkPolicy", name, where, spec=yaml.safe_load(spec))


def admin(spec: str, name: str = "anp", kind: str = "AdminNetworkPolicy") -> Object:
    """An AdminNetworkPolicy (or the baseline one)."""
    return made("policy.networking.k8s.io/v1alpha1", kind, name, spec=yaml.safe_load(spec))


def cluster(spec: str, name: str = "cnp") -> Object:
    """A ClusterNetworkPolicy."""
    api = "policy.networking.k8s.io/v1alpha2"
    return made(api, "ClusterNetworkPolicy", name, spec=yaml.safe_load(spec))


def cilium(spec: str, name: str = "cilium", where: str | None = "shop") -> Object:
    """A CiliumNetworkPolicy, clusterwide without a namespace."""
    kind = "CiliumNetworkPolicy" if where else "CiliumClusterwideNetworkPolicy"
    return made("cilium.io/v2", kind, name, where, spec=yaml.safe_load(spec))


def network(*objects: Object) -> Network:
    """Those objects as a network."""
    return network_of([resource_of(one) for one in objects])


def named(found: Network, name: str) -> Pod:
    """A pod of it."""
    return next(one for one in found.pods if one.name == name)


def words(found: Network, name: str, direction: str, enforcement: Enforcement) -> list[str]:
    """What may pass, as ``peer: ports``, sorted."""
    pieces = may_pass(found, named(found, name), direction, enforcement)
    return sorted({f"{piece.peer}: {piece.ports}" for piece in pieces})
