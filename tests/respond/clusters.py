"""Small random clusters with adversarial policies, made from a seed."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

from haechi.checks.reach import Enforcement
from haechi.model.keys import k8s_key
from haechi.model.resource import Resource

Object = dict[str, Any]
KEYS = ("app", "tier", "env")
VALUES = ("web", "db", "x")
SPACES = ("shop", "pay", "kube-system")
BLOCKS = ("0.0.0.0/0", "::/0", "10.0.0.0/8", "203.0.113.0/24", "203.0.113.7/32", "2001:db8::/32")
NUMBERS = (53, 80, 443, 8080, 9000)
PROTOCOLS = ("TCP", "UDP", "SCTP")
NAMES = ("http", "dns", "nothing")
WORKLOAD = "k8s:c1/apps/Deployment/shop/web"


@dataclass(frozen=True)
class Case:
    """A cluster, what is to be isolated, and what its plug-in obeys."""

    seed: int
    objects: list[Object]
    resource: str
    pods: list[str] | None
    enforcement: Enforcement


def resource_of(data: Object, cluster: str = "c1") -> Resource:
    """An object as the cluster reader gives it."""
    group, _, version = str(data["apiVersion"]).rpartition("/")
    metadata = data["metadata"]
    namespace = metadata.get("namespace")
    name = metadata["name"]
    return Resource(
        key=k8s_key(
            group=group, kind=data["kind"], namespace=namespace, name=name, cluster=cluster
        ),
        kind=data["kind"],
        data=data,
        locate=_nowhere,
        group=group,
        version=version,
        namespace=namespace,
        name=name,
    )


def _nowhere(_: object) -> Any:
    raise LookupError("made in memory")


def made(api: str, kind: str, name: str, namespace: str | None = None, **rest: Any) -> Object:
    """An object with its head."""
    metadata: Object = {"name": name}
    if namespace:
        metadata["namespace"] = namespace
    if "labels" in rest:
        metadata["labels"] = rest.pop("labels")
    return {"apiVersion": api, "kind": kind, "metadata": metadata, **rest}


def case_of(seed: int) -> Case:
    """The cluster of a seed."""
    return _Maker(seed).case()


class _Maker:
    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.dice = random.Random(seed)  # noqa: S311
        self.pods: list[Object] = []

    def case(self) -> Case:
        kinds, weights = ("plain", "anp", "cnp", "cilium", "mixed"), (55, 11, 11, 13, 10)
        flavour = self.dice.choices(kinds, weights)[0]
        objects = [*self.spaces(), *self.workload(), *self.others(), *self.nodes()]
        count = self.dice.choice((0, 1, 1, 2, 2, 3, 4))
        objects.extend(self.policy(flavour, number) for number in range(count))
        if self.dice.random() < 0.02:
            objects.append(
                made("crd.projectcalico.org/v1", "GlobalNetworkPolicy", "calico", spec={})
            )
        pods: list[str] | None = self.dice.choice((None, ["web-0"], ["web-0"], ["web-0", "web-1"]))
        return Case(
            seed=self.seed,
            objects=objects,
            resource=WORKLOAD if self.dice.random() < 0.9 else "k8s:c1/core/Pod/shop/web-0",
            pods=pods,
            enforcement=self.enforcement(flavour),
        )

    def enforcement(self, flavour: str) -> Enforcement:
        obeys: bool | None = self.dice.choices((True, None, False), (94, 3, 3))[0]
        mixed = flavour == "mixed"
        return Enforcement(
            plugin="made",
            network_policy=obeys,
            anp=flavour == "anp" or (mixed and self.dice.choice((True, False))),
            networks=self.dice.random() < 0.7,
            cnp=flavour == "cnp" or (mixed and self.dice.choice((True, None, False))),
            cilium=flavour == "cilium" or (mixed and self.dice.choice((True, None, False))),
        )

    # -- things

    def labels(self) -> dict[str, str]:
        return {key: self.dice.choice(VALUES) for key in KEYS if self.dice.random() < 0.6}

    def spaces(self) -> list[Object]:
        names = [name for name in SPACES if name == "shop" or self.dice.random() < 0.9]
        return [
            made("v1", "Namespace", name, labels={"team": self.dice.choice("ab")}) for name in names
        ]

    def workload(self) -> list[Object]:
        labels = {**self.labels(), "app": "web"}
        host = self.dice.random() < 0.03
        spec: Object = {"containers": [self.container()], **({"hostNetwork": True} if host else {})}
        template = {"metadata": {"labels": labels}, "spec": spec}
        deployment = made(
            "apps/v1",
            "Deployment",
            "web",
            "shop",
            spec={"selector": {"matchLabels": {"app": "web"}}, "template": template},
        )
        hashed = {**labels, "pod-template-hash": "abc"}
        owner = {"kind": "Deployment", "name": "web", "controller": True}
        replicas = made(
            "apps/v1",
            "ReplicaSet",
            "web-abc",
            "shop",
            spec={
                "selector": {"matchLabels": {"app": "web", "pod-template-hash": "abc"}},
                "template": template,
            },
        )
        replicas["metadata"]["ownerReferences"] = [owner]
        out = [deployment, replicas]
        for number in range(2):
            more = self.labels() if self.dice.random() < 0.2 else {}
            pod = self.pod(f"web-{number}", "shop", {**more, **hashed}, spec)
            pod["metadata"]["ownerReferences"] = [
                {"kind": "ReplicaSet", "name": "web-abc", "controller": True}
            ]
            out.append(pod)
        return out

    def others(self) -> list[Object]:
        return [
            self.pod(
                f"p{number}",
                self.dice.choice(SPACES),
                self.labels(),
                {"containers": [self.container()]},
            )
            for number in range(self.dice.randint(1, 4))
        ]

    def container(self) -> Object:
        ports: list[Object] = [
            {"name": "http", "containerPort": self.dice.choice((80, 8080))},
            {"name": "dns", "containerPort": 53, "protocol": "UDP"},
        ]
        return {
            "name": "c",
            "image": "x",
            "ports": [one for one in ports if self.dice.random() < 0.7],
        }

    def pod(self, name: str, namespace: str, labels: dict[str, str], spec: Object) -> Object:
        address = f"10.0.0.{10 + len(self.pods)}"
        pod = made(
            "v1",
            "Pod",
            name,
            namespace,
            labels=dict(labels),
            spec={**spec, "nodeName": "n1"},
            status={"phase": "Running", "podIP": address},
        )
        pod["metadata"]["uid"] = f"uid-{name}"
        self.pods.append(pod)
        return pod

    def nodes(self) -> list[Object]:
        return [made("v1", "Node", name, labels={"zone": "a"}) for name in ("n1", "n2")]

    # -- selectors and ports

    def selector(self, keys: tuple[str, ...] = KEYS, values: tuple[str, ...] = VALUES) -> Object:
        roll = self.dice.random()
        if roll < 0.18:
            return {}
        key = self.dice.choice(keys)
        if roll < 0.6:
            chosen = "web" if key == "app" and self.dice.random() < 0.6 else self.pick(values)
            return {"matchLabels": {key: chosen}}
        operator = self.dice.choice(("In", "NotIn", "Exists", "DoesNotExist"))
        one: Object = {"key": key, "operator": operator}
        if operator in ("In", "NotIn"):
            one["values"] = self.dice.sample(values, self.dice.randint(1, min(2, len(values))))
        found: Object = {"matchExpressions": [one]}
        if self.dice.random() < 0.3:
            found["matchLabels"] = {self.dice.choice(keys): self.pick(values)}
        return found

    def pick(self, values: tuple[str, ...]) -> str:
        return self.dice.choice(values)

    def space_selector(self) -> Object:
        if self.dice.random() < 0.4:
            return self.selector(("kubernetes.io/metadata.name",), SPACES)
        return self.selector(("team",), ("a", "b"))

    def number(self) -> int:
        return self.dice.choice(NUMBERS)

    def range(self) -> tuple[int, int]:
        first, last = sorted((self.number(), self.number()))
        return first, last + 1

    # -- policies

    def policy(self, flavour: str, number: int) -> Object:
        kinds = {
            "plain": (self.network_policy,),
            "anp": (self.network_policy, self.admin_policy, self.admin_policy),
            "cnp": (self.network_policy, self.cluster_policy, self.cluster_policy),
            "cilium": (self.network_policy, self.cilium_policy, self.cilium_policy),
            "mixed": (
                self.network_policy,
                self.admin_policy,
                self.cluster_policy,
                self.cilium_policy,
            ),
        }[flavour]
        policy = self.dice.choice(kinds)(f"policy-{number}")
        if self.dice.random() < 0.01:
            policy["spec"]["ingress"] = "odd"
        return policy

    def network_policy(self, name: str) -> Object:
        spec: Object = {"podSelector": self.selector()}
        for direction, side in (("ingress", "from"), ("egress", "to")):
            if self.dice.random() < 0.6:
                spec[direction] = [
                    self.rule(side) for _ in range(self.dice.choice((0, 1, 1, 1, 2)))
                ]
        if self.dice.random() < 0.5:
            spec["policyTypes"] = self.dice.choice(
                (["Ingress"], ["Egress"], ["Ingress", "Egress"], [])
            )
        space = "shop" if self.dice.random() < 0.85 else "pay"
        return made("networking.k8s.io/v1", "NetworkPolicy", name, space, spec=spec)

    def rule(self, side: str) -> Object:
        rule: Object = {}
        if self.dice.random() < 0.8:
            rule[side] = [self.peer() for _ in range(self.dice.choice((0, 1, 1, 2)))]
        if self.dice.random() < 0.5:
            rule["ports"] = [self.port() for _ in range(self.dice.choice((1, 1, 2)))]
        return rule

    def peer(self) -> Object:
        roll = self.dice.random()
        if roll < 0.25:
            cidr = self.dice.choice(BLOCKS)
            block: Object = {"cidr": cidr}
            if cidr == "0.0.0.0/0" and self.dice.random() < 0.5:
                block["except"] = [self.dice.choice(("10.0.0.0/8", "203.0.113.0/24"))]
            return {"ipBlock": block}
        peer: Object = {}
        if roll < 0.75:
            peer["podSelector"] = self.selector()
        if roll > 0.5:
            peer["namespaceSelector"] = self.space_selector()
        return peer

    def port(self) -> Object:
        one: Object = {}
        if self.dice.random() < 0.6:
            one["protocol"] = self.dice.choice(PROTOCOLS)
        roll = self.dice.random()
        if roll < 0.2:
            one["port"] = self.dice.choice(NAMES)
        elif roll < 0.4:
            one["port"], one["endPort"] = self.range()
        elif roll < 0.9:
            one["port"] = self.number()
        return one

    def subject(self) -> Object:
        if self.dice.random() < 0.4:
            return {"namespaces": self.space_selector()}
        return {
            "pods": {"namespaceSelector": self.space_selector(), "podSelector": self.selector()}
        }

    def tier_peer(self, side: str) -> Object:
        roll = self.dice.random()
        if side == "to" and roll < 0.3:
            networks = self.dice.sample(BLOCKS, self.dice.randint(1, 2))
            return self.dice.choice(({"networks": networks}, {"nodes": {}}))
        if roll < 0.6:
            return {"namespaces": self.space_selector()}
        return {
            "pods": {"namespaceSelector": self.space_selector(), "podSelector": self.selector()}
        }

    def tier_rules(self, side: str, allow: str, *, passes: bool, cluster: bool) -> list[Object]:
        out = []
        for _ in range(self.dice.choice((0, 1, 1, 2))):
            actions = (allow, "Deny", "Pass") if passes else (allow, "Deny")
            rule: Object = {
                "action": self.dice.choice(actions),
                side: [self.tier_peer(side) for _ in range(self.dice.choice((1, 1, 2)))],
            }
            if self.dice.random() < 0.4:
                rule["protocols" if cluster else "ports"] = [self.tier_port(cluster)]
            out.append(rule)
        return out

    def tier_port(self, cluster: bool) -> Object:
        protocol = self.dice.choice(PROTOCOLS)
        first, last = self.range()
        roll = self.dice.random()
        if cluster:
            if roll < 0.2:
                return {"destinationNamedPort": self.dice.choice(NAMES)}
            if roll < 0.4:
                return {
                    protocol.lower(): {"destinationPort": {"range": {"start": first, "end": last}}}
                }
            return {protocol.lower(): {"destinationPort": {"number": self.number()}}}
        if roll < 0.2:
            return {"namedPort": self.dice.choice(NAMES)}
        if roll < 0.4:
            return {"portRange": {"protocol": protocol, "start": first, "end": last}}
        return {"portNumber": {"protocol": protocol, "port": self.number()}}

    def admin_policy(self, name: str) -> Object:
        baseline = self.dice.random() < 0.2
        spec: Object = {"subject": self.subject()}
        if not baseline:
            spec["priority"] = self.dice.choice((0, 1, 1, 5, 100, 1000))
        for direction, side in (("ingress", "from"), ("egress", "to")):
            spec[direction] = self.tier_rules(side, "Allow", passes=not baseline, cluster=False)
        kind = "BaselineAdminNetworkPolicy" if baseline else "AdminNetworkPolicy"
        return made("policy.networking.k8s.io/v1alpha1", kind, name, spec=spec)

    def cluster_policy(self, name: str) -> Object:
        spec: Object = {
            "tier": self.dice.choice(("Admin", "Admin", "Admin", "Baseline")),
            "priority": self.dice.choice((0, 1, 1, 5, 100, 1000)),
            "subject": self.subject(),
        }
        for direction, side in (("ingress", "from"), ("egress", "to")):
            spec[direction] = self.tier_rules(side, "Accept", passes=True, cluster=True)
        return made("policy.networking.k8s.io/v1alpha2", "ClusterNetworkPolicy", name, spec=spec)

    def cilium_policy(self, name: str) -> Object:
        clusterwide = self.dice.random() < 0.3
        spec: Object = {"endpointSelector": self.endpoint_selector()}
        for direction, side in (("ingress", "from"), ("egress", "to")):
            for field, chance in ((direction, 0.6), (f"{direction}Deny", 0.25)):
                if self.dice.random() < chance:
                    deny = field.endswith("Deny")
                    spec[field] = [
                        self.cilium_rule(side, deny) for _ in range(self.dice.choice((0, 1, 1, 2)))
                    ]
        if self.dice.random() < 0.2:
            spec["enableDefaultDeny"] = {"ingress": self.dice.choice((True, False))}
        kind = "CiliumClusterwideNetworkPolicy" if clusterwide else "CiliumNetworkPolicy"
        return made("cilium.io/v2", kind, name, None if clusterwide else "shop", spec=spec)

    def endpoint_selector(self) -> Object:
        found = self.selector()
        if self.dice.random() < 0.3:
            key = self.dice.choice(
                ("k8s:io.kubernetes.pod.namespace", "io.kubernetes.pod.namespace")
            )
            found = {
                **found,
                "matchLabels": {**found.get("matchLabels", {}), key: self.pick(SPACES)},
            }
        return found

    def cilium_rule(self, side: str, deny: bool) -> Object:
        roll = self.dice.random()
        rule: Object = {}
        if roll < 0.35:
            rule[f"{side}Endpoints"] = [self.endpoint_selector()]
        elif roll < 0.6:
            rule[f"{side}Entities"] = [
                self.dice.choice(
                    ("all", "world", "cluster", "host", "remote-node", "kube-apiserver")
                )
            ]
        elif roll < 0.7:
            rule[f"{side}CIDR"] = [self.dice.choice(BLOCKS)]
        elif roll < 0.8:
            rule[f"{side}CIDRSet"] = [{"cidr": "0.0.0.0/0", "except": ["203.0.113.0/24"]}]
        elif roll < 0.85 and side == "to" and not deny:
            rule["toFQDNs"] = [{"matchName": "example.org"}]
        if self.dice.random() < 0.4:
            rule["toPorts"] = [{"ports": [self.cilium_port()]}]
        return rule

    def cilium_port(self) -> Object:
        one: Object = {"port": str(self.number())}
        if self.dice.random() < 0.7:
            one["protocol"] = self.dice.choice(("TCP", "UDP", "ANY"))
        roll = self.dice.random()
        if roll < 0.2:
            one["port"] = self.dice.choice(NAMES)
        elif roll < 0.3:
            one["port"] = "0"
        elif roll < 0.4:
            one["endPort"] = int(one["port"]) + 100
        return one
