"""An independent, naive judge of traffic: one concrete packet at a time, each policy literally.

It shares no code with ``haechi.checks.reach`` and reads the raw objects. Where the documents leave
something open (policies of one priority, blocks against pods, how tiers and Cilium meet) a packet
passes if it passes under any reading: it is an adversary of every claim that nothing does.
Only the rules of the pod in question are looked at: what its peer refuses does not contain it.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from itertools import permutations
from typing import Any

Object = dict[str, Any]


@dataclass(frozen=True)
class Obeyed:
    """Which kinds of policy the plug-in obeys."""

    network_policy: bool = True
    anp: bool = False
    cnp: bool = False
    cilium: bool = False


@dataclass(frozen=True)
class Peer:
    """The packet's other end: a pod (its object), a node or an address outside."""

    kind: str
    address: str
    pod: Object = field(default_factory=dict)


@dataclass(frozen=True)
class Packet:
    direction: str
    peer: Peer
    protocol: str
    port: int


class Naive:
    """Answers for one list of objects."""

    def __init__(self, objects: list[Object], obeyed: Obeyed) -> None:
        self.obeyed = obeyed
        self.namespaces = {
            one["metadata"]["name"]: one["metadata"].get("labels") or {}
            for one in objects
            if one["kind"] == "Namespace"
        }
        self.by_kind: dict[str, list[Object]] = {}
        self._known: dict[tuple[str, int, str], Any] = {}  # what selects a pod, found once
        for one in objects:
            self.by_kind.setdefault(one["kind"], []).append(one)

    def passes(self, pod: Object, packet: Packet) -> bool:
        """Whether it passes under any reading of what is open."""
        if pod["spec"].get("hostNetwork"):
            return True
        admin = self._tier("Admin", pod, packet)
        middle = self._middle(pod, packet)
        if "allow" in admin:
            return True
        if self.obeyed.cilium:
            denied, allowed = self._cilium(pod, packet)
            if denied:
                return False
            if allowed:
                return True
        if "next" not in admin:
            return False
        if middle is not None:
            return middle
        return bool({"allow", "next"} & self._tier("Baseline", pod, packet))

    # -- selectors

    def _ns(self, name: str) -> dict[str, str]:
        return {**self.namespaces.get(name, {}), "kubernetes.io/metadata.name": name}

    @staticmethod
    def _match(selector: Object | None, labels: dict[str, str]) -> bool:
        selector = selector or {}
        for key, value in (selector.get("matchLabels") or {}).items():
            if labels.get(key) != value:
                return False
        for one in selector.get("matchExpressions") or []:
            key, values = one["key"], one.get("values") or []
            good = {
                "In": key in labels and labels[key] in values,
                "NotIn": key not in labels or labels[key] not in values,
                "Exists": key in labels,
                "DoesNotExist": key not in labels,
            }[one["operator"]]
            if not good:
                return False
        return True

    def _pod_matches(self, spaces: Object | None, pods: Object | None, pod: Object) -> bool:
        meta = pod["metadata"]
        return self._match(spaces, self._ns(meta["namespace"])) and self._match(
            pods, meta.get("labels") or {}
        )

    # -- ports

    @staticmethod
    def _named(pod: Object, name: str, packet: Packet) -> bool:
        for container in pod["spec"].get("containers", []):
            for port in container.get("ports", []):
                if (
                    port.get("name") == name
                    and port.get("protocol", "TCP") == packet.protocol
                    and port["containerPort"] == packet.port
                ):
                    return True
        return False

    @staticmethod
    def _destination(pod: Object, packet: Packet) -> Object:
        if packet.direction == "ingress":
            return pod
        return packet.peer.pod or {"spec": {}}

    # -- NetworkPolicy

    def _once(self, what: str, pod: Object, direction: str, find: Callable[[], Any]) -> Any:
        key = (what, id(pod), direction)
        if key not in self._known:
            self._known[key] = find()
        return self._known[key]

    def _network_policies(self, pod: Object, direction: str) -> list[Object]:
        found: list[Object] = []
        if not self.obeyed.network_policy:
            return found
        for policy in self.by_kind.get("NetworkPolicy", []):
            spec = policy["spec"]
            if policy["metadata"]["namespace"] != pod["metadata"]["namespace"]:
                continue
            if not self._match(spec.get("podSelector"), pod["metadata"].get("labels") or {}):
                continue
            types = spec.get("policyTypes")
            if not types:
                types = ["Ingress", "Egress"] if spec.get("egress") else ["Ingress"]
            if direction.capitalize() in types:
                found.append(policy)
        return found

    def _middle(self, pod: Object, packet: Packet) -> bool | None:
        """NetworkPolicy and Cilium's allows together; None when nothing selects the pod."""
        policies = self._once(
            "np",
            pod,
            packet.direction,
            lambda: self._network_policies(pod, packet.direction),
        )
        for policy in policies:
            for rule in policy["spec"].get(packet.direction) or []:
                if self._rule(policy, rule or {}, pod, packet):
                    return True
        if policies:
            return False
        return None if not self._cilium_closes(pod, packet.direction) else False

    def _rule(self, policy: Object, rule: Object, pod: Object, packet: Packet) -> bool:
        peers = rule.get("from" if packet.direction == "ingress" else "to")
        if peers and not any(self._peer(policy, one, packet.peer) for one in peers):
            return False
        if not rule.get("ports"):
            return True
        return any(self._port(one, pod, packet) for one in rule["ports"])

    def _port(self, one: Object, pod: Object, packet: Packet) -> bool:
        if one.get("protocol", "TCP") != packet.protocol:
            return False
        port: Any = one.get("port")
        if port is None:
            return True
        if isinstance(port, str):
            return self._named(self._destination(pod, packet), port, packet)
        return bool(port <= packet.port <= one.get("endPort", port))

    def _peer(self, policy: Object, peer: Object, other: Peer) -> bool:
        if "ipBlock" in peer:
            block = peer["ipBlock"]
            return _inside(other.address, [block["cidr"]]) and not _inside(
                other.address, block.get("except") or []
            )
        if other.kind != "pod":
            return False
        if "namespaceSelector" in peer:
            return self._pod_matches(peer["namespaceSelector"], peer.get("podSelector"), other.pod)
        if other.pod["metadata"]["namespace"] != policy["metadata"]["namespace"]:
            return False
        return self._match(peer["podSelector"], other.pod["metadata"].get("labels") or {})

    # -- tiers

    def _tier(self, tier: str, pod: Object, packet: Packet) -> set[str]:
        """Every outcome that some order of equals allows: allow, deny, next."""
        policies = []
        for policy in self._once(tier, pod, "", lambda: self._tiered(tier, pod)):
            action = self._first(policy, pod, packet)
            if action is not None:
                policies.append((policy["spec"].get("priority", 0), policy["kind"][0], action))
        if not policies:
            return {"next"}
        outcomes = set()
        for order in permutations(policies):
            if _is_order(order):
                outcomes.add(order[0][2])
        return outcomes

    def _tiered(self, tier: str, pod: Object) -> list[Object]:
        found = []
        for kind in ("AdminNetworkPolicy", "BaselineAdminNetworkPolicy", "ClusterNetworkPolicy"):
            if not (self.obeyed.cnp if kind == "ClusterNetworkPolicy" else self.obeyed.anp):
                continue
            for policy in self.by_kind.get(kind, []):
                own = policy["spec"].get("tier") or (
                    "Admin" if kind == "AdminNetworkPolicy" else "Baseline"
                )
                if own == tier and self._subject(policy["spec"]["subject"], pod):
                    found.append(policy)
        return found

    def _subject(self, subject: Object, pod: Object) -> bool:
        if "namespaces" in subject:
            return self._pod_matches(subject["namespaces"], {}, pod)
        chosen = subject["pods"]
        return self._pod_matches(chosen.get("namespaceSelector"), chosen.get("podSelector"), pod)

    def _first(self, policy: Object, pod: Object, packet: Packet) -> str | None:
        side = "from" if packet.direction == "ingress" else "to"
        for rule in policy["spec"].get(packet.direction) or []:
            if any(self._tier_peer(one, packet.peer) for one in rule[side]) and self._tier_port(
                rule, pod, packet
            ):
                return {"Allow": "allow", "Accept": "allow", "Deny": "deny", "Pass": "next"}[
                    rule["action"]
                ]
        return None

    def _tier_peer(self, peer: Object, other: Peer) -> bool:
        if "namespaces" in peer:
            return other.kind == "pod" and self._pod_matches(peer["namespaces"], {}, other.pod)
        if "pods" in peer:
            chosen = peer["pods"]
            return other.kind == "pod" and self._pod_matches(
                chosen.get("namespaceSelector"), chosen.get("podSelector"), other.pod
            )
        if "nodes" in peer:
            return other.kind == "node"
        if "networks" in peer:
            return _inside(other.address, peer["networks"])
        return other.kind == "outside"

    def _tier_port(self, rule: Object, pod: Object, packet: Packet) -> bool:
        ports = rule.get("ports") or rule.get("protocols")
        if not ports:
            return True
        target = self._destination(pod, packet)
        for one in ports:
            if "portNumber" in one:
                wish = one["portNumber"]
                if (wish["protocol"], wish["port"]) == (packet.protocol, packet.port):
                    return True
            elif "portRange" in one:
                wish = one["portRange"]
                if wish["protocol"] == packet.protocol and (
                    wish["start"] <= packet.port <= wish["end"]
                ):
                    return True
            elif "namedPort" in one or "destinationNamedPort" in one:
                name = one.get("namedPort") or one["destinationNamedPort"]
                if self._named(target, name, packet):
                    return True
            elif packet.protocol.lower() in one:
                wish = (one[packet.protocol.lower()] or {}).get("destinationPort")
                if wish is None:
                    return True
                if "range" in wish:
                    if wish["range"]["start"] <= packet.port <= wish["range"]["end"]:
                        return True
                elif wish["number"] == packet.port:
                    return True
        return False

    # -- Cilium

    def _cilium_policies(self, pod: Object) -> list[tuple[Object, str | None]]:
        found: list[tuple[Object, str | None]] = []
        if not self.obeyed.cilium:
            return found
        for kind in ("CiliumNetworkPolicy", "CiliumClusterwideNetworkPolicy"):
            for policy in self.by_kind.get(kind, []):
                own = policy["metadata"].get("namespace")
                if own is not None and own != pod["metadata"]["namespace"]:
                    continue
                found.extend(
                    (spec, own)
                    for spec in [policy.get("spec"), *(policy.get("specs") or [])]
                    if spec and self._endpoints(spec["endpointSelector"], None, pod)
                )
        return found

    def _endpoints(self, selector: Object, own: str | None, pod: Object) -> bool:
        """An EndpointSelector against a pod with the labels that Cilium gives it."""
        meta = pod["metadata"]
        labels = dict(meta.get("labels") or {})
        labels["io.kubernetes.pod.namespace"] = meta["namespace"]
        for key, value in self._ns(meta["namespace"]).items():
            labels[f"io.cilium.k8s.namespace.labels.{key}"] = value
        bare: Object = {
            "matchLabels": {
                _bare(key): value for key, value in (selector.get("matchLabels") or {}).items()
            },
            "matchExpressions": [
                {**one, "key": _bare(one["key"])}
                for one in (selector.get("matchExpressions") or [])
            ],
        }
        keys = [*bare["matchLabels"], *(one["key"] for one in bare["matchExpressions"])]
        if own is not None and "io.kubernetes.pod.namespace" not in keys:
            bare["matchLabels"]["io.kubernetes.pod.namespace"] = own
        return self._match(bare, labels)

    def _cilium_closes(self, pod: Object, direction: str) -> bool:
        for spec, _ in self._once("cilium", pod, "", lambda: self._cilium_policies(pod)):
            asked = (spec.get("enableDefaultDeny") or {}).get(direction)
            if asked is None:
                asked = bool(spec.get(direction) or spec.get(f"{direction}Deny"))
            if asked:
                return True
        return False

    def _cilium(self, pod: Object, packet: Packet) -> tuple[bool, bool]:
        """Whether a Cilium policy denies the packet, and whether one allows it."""
        denied = allowed = False
        for spec, own in self._once("cilium", pod, "", lambda: self._cilium_policies(pod)):
            for rule in spec.get(f"{packet.direction}Deny") or []:
                denied = denied or self._cilium_rule(rule, own, pod, packet, deny=True)
            for rule in spec.get(packet.direction) or []:
                allowed = allowed or self._cilium_rule(rule, own, pod, packet, deny=False)
        return denied, allowed

    def _cilium_rule(
        self, rule: Object, own: str | None, pod: Object, packet: Packet, *, deny: bool
    ) -> bool:
        side = "from" if packet.direction == "ingress" else "to"
        l3 = [key for key in rule if key.startswith(side) and key != "toPorts"]
        if not l3 and "toPorts" not in rule:
            return False
        if l3 and not any(self._cilium_peers(rule, key, own, packet.peer, deny) for key in l3):
            return False
        if "toPorts" not in rule:
            return True
        return any(self._cilium_ports(one, pod, packet, deny) for one in rule["toPorts"])

    def _cilium_ports(self, entry: Object, pod: Object, packet: Packet, deny: bool) -> bool:
        if not entry.get("ports"):
            return not deny
        for one in entry["ports"]:
            if one.get("protocol", "ANY") not in ("ANY", packet.protocol):
                continue
            if packet.protocol not in ("TCP", "UDP", "SCTP"):
                continue
            port = one["port"]
            if not port.isdigit():
                if self._named(self._destination(pod, packet), port, packet):
                    return True
            elif port == "0" or int(port) <= packet.port <= one.get("endPort", int(port)):
                return True
        return False

    def _cilium_peers(
        self, rule: Object, key: str, own: str | None, other: Peer, deny: bool
    ) -> bool:
        values = rule[key]
        member = key.removeprefix("from").removeprefix("to")
        match member:
            case "Endpoints":
                return other.kind == "pod" and any(
                    self._endpoints(one, own, other.pod) for one in values
                )
            case "Entities":
                return any(_entity(one, other.kind, deny) for one in values)
            case "CIDR":
                return _cilium_block(other, deny) and _inside(other.address, values)
            case "CIDRSet":
                return _cilium_block(other, deny) and any(
                    _inside(other.address, [one["cidr"]])
                    and not _inside(other.address, one.get("except") or [])
                    for one in values
                )
            case "FQDNs":
                return not deny and other.kind == "outside"
        raise AssertionError(key)


def _is_order(order: tuple[tuple[int, str, str], ...]) -> bool:
    """Lower priority first; equals, and objects of different kinds, come as they like."""
    return all(
        one[0] <= two[0] or one[1] != two[1]
        for place, one in enumerate(order)
        for two in order[place + 1 :]
    )


def _bare(key: str) -> str:
    return key.removeprefix("k8s:").removeprefix("any:")


def _entity(name: str, kind: str, deny: bool) -> bool:
    sure = {
        "all": ("pod", "node", "outside"),
        "world": ("outside",),
        "cluster": ("pod", "node"),
    }
    if name in sure:
        return kind in sure[name]
    maybe = {
        "host": ("node",),
        "remote-node": ("node",),
        "kube-apiserver": ("node", "outside"),
        "none": (),
    }
    return not deny and kind in maybe[name]


def _cilium_block(other: Peer, deny: bool) -> bool:
    """Blocks are about the world; in one mode of the agent about nodes, too."""
    return other.kind == "outside" or (other.kind == "node" and not deny)


def _inside(address: str, blocks: list[str]) -> bool:
    return any(_in(address, block) for block in blocks)


@cache
def _in(address: str, block: str) -> bool:
    one, whole = ipaddress.ip_address(address), ipaddress.ip_network(block)
    return one.version == whole.version and one in whole
