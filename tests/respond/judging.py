"""Plans carried out on a list of objects for real, and the naive judge's word on them.

The patcher is a few lines of RFC 6902 of its own: nothing here is shared with what is judged.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations, product
from typing import Any

from haechi.checks.reach import Enforcement
from haechi.model.response import Plan
from haechi.respond.isolate import isolate, verify
from tests.respond.clusters import Case, Object, resource_of
from tests.respond.naive import Naive, Obeyed, Packet, Peer

PORTS = (
    *(("TCP", port) for port in (53, 80, 443, 444, 8080, 9000, 65_535)),
    *(("UDP", port) for port in (53, 8080, 9001)),
    *(("SCTP", port) for port in (80, 444)),
    ("ICMP", 0),
)
OUTSIDE = ("203.0.113.7", "203.0.113.9", "198.51.100.1", "10.200.0.1", "2001:db8::1", "2a00::1")


@dataclass(frozen=True)
class Outcome:
    """What came of one case. ``leak`` is a packet that passes although contained was said."""

    contained: bool
    leak: Packet | None
    escapable: bool
    undone: bool
    verified: bool
    took: int


def run(case: Case, *, look_for_escape: bool = True) -> Outcome:
    """Plan, carry out, judge, take back."""
    resources = [resource_of(one) for one in case.objects]
    plan = isolate(
        resources,
        case.resource,
        pods=case.pods,
        enforcement=case.enforcement,
        action_id="a1",
    )
    after = applied(case.objects, plan)
    seen = verify(
        [resource_of(one) for one in after],
        case.resource,
        pods=case.pods,
        enforcement=case.enforcement,
        action_id="a1",
    )
    leak = leaking(case, after) if plan.contained else None
    return Outcome(
        contained=bool(plan.contained),
        leak=leak,
        escapable=bool(plan.contained) or (look_for_escape and escapable(case)),
        undone=cleaned(undone(after, plan)) == cleaned(case.objects),
        verified=seen.contained == plan.contained,
        took=sum(1 for step in plan.steps if step.kind == "kube.patch"),
    )


def applied(objects: list[Object], plan: Plan) -> list[Object]:
    """The objects after the plan's steps."""
    out: list[Object] = _copied(objects)
    for step in plan.steps:
        if step.kind == "kube.apply":
            out.append(_copied(step.body))
        else:
            _patch(_found(out, step.target), step.body)
    return out


def undone(objects: list[Object], plan: Plan) -> list[Object]:
    """The objects after the inverses, last first."""
    out: list[Object] = _copied(objects)
    for step in reversed(plan.steps):
        if step.inverse["kind"] == "kube.delete":
            out.remove(_found(out, step.inverse["target"]))
        else:
            _patch(_found(out, step.inverse["target"]), step.inverse["body"])
    return out


def cleaned(objects: list[Object]) -> list[Object]:
    """As the API server stores it: no empty labels."""
    out: list[Object] = _copied(objects)
    for one in out:
        if not one["metadata"].get("labels", True):
            del one["metadata"]["labels"]
    return out


def _copied(value: Any) -> Any:
    return json.loads(json.dumps(value))


def _found(objects: list[Object], key: str) -> Object:
    kind, space, name = key.split("/")[-3:]
    return next(
        one
        for one in objects
        if (one["kind"], one["metadata"].get("namespace", "-"), one["metadata"]["name"])
        == (kind, space, name)
    )


def _patch(target: Object, operations: list[Object]) -> None:
    for operation in operations:
        *way, last = [
            part.replace("~1", "/").replace("~0", "~") for part in operation["path"].split("/")[1:]
        ]
        holder: Any = target
        for part in way:
            holder = holder[part]
        match operation["op"]:
            case "test":
                assert holder.get(last) == operation["value"], operation
            case "remove":
                del holder[last]
            case "add":
                holder[last] = _copied(operation["value"])
            case other:
                raise AssertionError(other)


def leaking(case: Case, after: list[Object]) -> Packet | None:
    """A packet that passes for one of the pods that are to be cut off; None when none does."""
    enforcement = case.enforcement
    options = [
        (value,) if value is not None else (True, False)
        for value in (
            enforcement.network_policy,
            enforcement.anp,
            enforcement.cnp,
            enforcement.cilium,
        )
    ]
    for network_policy, anp, cnp, cilium in product(*options):
        obeyed = Obeyed(network_policy=network_policy, anp=anp, cnp=cnp, cilium=cilium)
        naive = Naive(after, obeyed)
        for pod in meant(case, after):
            for packet in packets(after, pod):
                if naive.passes(pod, packet):
                    return packet
    return None


def meant(case: Case, objects: list[Object]) -> list[Object]:
    """The pods that the case is about; for a whole workload also one that it would start."""
    pods = [one for one in objects if one["kind"] == "Pod"]
    if case.pods is not None:
        return [pod for pod in pods if pod["metadata"]["name"] in case.pods]
    if "/Pod/" in case.resource:
        return [pod for pod in pods if pod["metadata"]["name"] == "web-0"]
    mine = [pod for pod in pods if pod["metadata"]["name"].startswith("web-")]
    deployment = next(one for one in objects if one["kind"] == "Deployment")
    template = _copied(deployment["spec"]["template"])
    template["metadata"].update(name="web-new", namespace="shop")
    return [*mine, {"kind": "Pod", **template, "status": {"podIP": "10.0.0.99"}}]


def packets(objects: list[Object], pod: Object) -> Iterator[Packet]:
    """Every packet of the model: both directions, all peers but itself and its node, all ports."""
    peers = [Peer("outside", address) for address in OUTSIDE]
    peers.append(Peer("node", "10.1.0.2"))
    for one in objects:
        if one["kind"] == "Pod" and one["metadata"]["name"] != pod["metadata"]["name"]:
            if one["spec"].get("hostNetwork"):
                peers.append(Peer("node", one["status"]["podIP"]))
            else:
                peers.append(Peer("pod", one["status"]["podIP"], one))
    for direction in ("ingress", "egress"):
        for peer in peers:
            for protocol, port in PORTS:
                yield Packet(direction, peer, protocol, port)


def escapable(case: Case) -> bool:
    """Whether a deny-all policy on a mark and taking some labels would do, found by trying all.

    For chosen pods, where NetworkPolicy is enforced and nothing is unreadable.
    """
    if case.pods is None and "/Pod/" not in case.resource:
        return False
    odd = any(one["spec"].get("ingress") == "odd" for one in case.objects if "spec" in one)
    if not case.enforcement.network_policy or odd or _has_calico(case):
        return False
    return all(_escapes(case, pod) for pod in meant(case, case.objects))


def _has_calico(case: Case) -> bool:
    return any(one["kind"] == "GlobalNetworkPolicy" for one in case.objects)


def _escapes(case: Case, pod: Object) -> bool:
    keys = list(pod["metadata"]["labels"])
    for size in range(len(keys) + 1):
        for gone in combinations(keys, size):
            objects = _copied(case.objects)
            mine = _found(objects, resource_of(pod).key)
            for key in gone:
                del mine["metadata"]["labels"][key]
            mine["metadata"]["labels"]["mark"] = "true"
            objects.append(DENY_ALL)
            only = Case(
                seed=case.seed,
                objects=objects,
                resource=resource_of(pod).key,
                pods=[pod["metadata"]["name"]],
                enforcement=case.enforcement,
            )
            if leaking(only, objects) is None:
                return True
    return False


DENY_ALL: Object = {
    "apiVersion": "networking.k8s.io/v1",
    "kind": "NetworkPolicy",
    "metadata": {"name": "deny-all", "namespace": "shop"},
    "spec": {
        "podSelector": {"matchLabels": {"mark": "true"}},
        "policyTypes": ["Ingress", "Egress"],
    },
}
ENFORCED = Enforcement(plugin="calico", network_policy=True)
