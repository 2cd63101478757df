"""The ways to isolate, and the judge who tries them from the mildest.

A way is a set of policies, on marked pods or on the workload's own selector, with or without
taking labels. Each is judged by the model as the cluster would stand after it; the first after
which nothing passes is taken, else the one after which least does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from haechi.checks.pods.view import mapping
from haechi.checks.reach import DIRECTIONS, Enforcement, Network, Pod, may_pass
from haechi.checks.reach.network import policies_of
from haechi.checks.reach.policy import Policy
from haechi.model.resource import Resource
from haechi.model.response import Flow
from haechi.respond.isolate_labels import removal
from haechi.respond.isolate_policies import (
    ACTION,
    admin_policy,
    as_resource,
    cilium_policy,
    cluster_policy,
    network_policy,
    short,
)
from haechi.respond.isolate_steps import MARKED
from haechi.respond.isolate_target import Target, cluster_of, selector_matches
from haechi.respond.isolate_words import flows

Body = dict[str, Any]
_Make = Callable[[str], Body]
_Count = Callable[[Pod], int]


class Means(msgspec.Struct, frozen=True, kw_only=True):
    """One way to isolate: policies, on marked pods or on the workload's selector, and whether
    labels may be taken."""

    bodies: tuple[Body, ...]
    marked: bool
    take: bool


NOTHING = Means(bodies=(), marked=False, take=False)


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """A way as the model judges it. ``taken`` are labels by pod key; ``later`` is what passes for
    pods that the workload will start."""

    means: Means
    resources: tuple[Resource, ...]
    taken: Mapping[str, tuple[str, ...]]
    flows: tuple[Flow, ...]
    later: tuple[Flow, ...] = ()

    @property
    def cost(self) -> tuple[int, int]:
        """What runs counts before what may be started."""
        return len(self.flows), len(self.later)


class Judge:
    """Tries the ways for one target and keeps the best."""

    def __init__(
        self,
        objects: Sequence[Resource],
        network: Network,
        target: Target,
        enforcement: Enforcement,
        mark: str,
        action_id: str,
    ) -> None:
        self._network = network
        self._target = target
        self._enforcement = enforcement
        self._mark = mark
        self._action_id = action_id
        self._cluster = cluster_of(target.resource.key)
        self._foreign = {
            (one.group, one.kind, one.namespace, one.name)
            for one in objects
            if _action_of(one) != action_id
        }
        self._owners = [one for one in objects if one.namespace == target.namespace]

    def best(self, keep: Sequence[str]) -> Outcome:
        """The mildest way after which nothing passes; else the one after which least does."""
        found = self._judged(NOTHING)
        for means in self._ways(keep) if self._can_work() else ():
            outcome = self._judged(means)
            if outcome.cost < found.cost or found.means is NOTHING:
                found = outcome
            if found.cost == (0, 0):
                break
        return found

    def _can_work(self) -> bool:
        """Not where policies are known to be ignored, or nobody is there whom they govern."""
        template = self._target.template if self._target.whole else None
        subjects = [*self._target.pods, *([template] if template else [])]
        governed = any(not pod.host_network for pod in subjects)
        return governed and self._enforcement.network_policy is not False

    def _ways(self, keep: Sequence[str]) -> Iterator[Means]:
        for marked in (False, True):
            if not (self._target.pods if marked else self._has_selector()):
                continue
            plain = self._policy(marked, keep)
            yield Means(bodies=(plain,), marked=marked, take=False)
            if self._enforcement.cilium and not keep:
                yield Means(bodies=(self._cilium(marked),), marked=marked, take=False)
            tier = self._tier(marked, keep)
            if tier is not None:
                yield Means(bodies=(tier, plain), marked=marked, take=False)
            if marked:
                # pods still to come carry no mark: the workload's selector closes them as far
                # as it can
                rest = (self._policy(False, keep),) if self._has_selector() else ()
                yield Means(bodies=(plain, *rest), marked=True, take=True)
                if tier is not None:
                    yield Means(bodies=(tier, plain, *rest), marked=True, take=True)

    def _has_selector(self) -> bool:
        return self._target.whole and self._target.selector is not None

    def _selector(self, marked: bool) -> Mapping[str, Any]:
        own = self._target.selector
        return {"matchLabels": {self._mark: MARKED}} if marked or own is None else own

    def _policy(self, marked: bool, keep: Sequence[str]) -> Body:
        space = self._target.namespace
        return self._named(
            "networking.k8s.io",
            "NetworkPolicy",
            lambda name: network_policy(name, space, self._selector(marked), keep),
            suffix="" if marked else "-all",
        )

    def _cilium(self, marked: bool) -> Body:
        space = self._target.namespace
        return self._named(
            "cilium.io",
            "CiliumNetworkPolicy",
            lambda name: cilium_policy(name, space, self._selector(marked)),
        )

    def _tier(self, marked: bool, keep: Sequence[str]) -> Body | None:
        space, selector = self._target.namespace, self._selector(marked)
        group = "policy.networking.k8s.io"
        if self._enforcement.cnp:
            return self._named(
                group,
                "ClusterNetworkPolicy",
                lambda name: cluster_policy(name, space, selector, keep),
            )
        if self._enforcement.anp:
            networks = self._enforcement.networks
            return self._named(
                group,
                "AdminNetworkPolicy",
                lambda name: admin_policy(name, space, selector, keep, networks=networks),
            )
        return None

    def _named(self, group: str, kind: str, make: _Make, suffix: str = "") -> Body:
        """The object under a name that nobody has, unless it is this action's own."""
        name = f"haechi-quarantine-{short(self._action_id)}{suffix}"
        namespaced = group != "policy.networking.k8s.io"
        space = self._target.namespace if namespaced else None
        while (group, kind, space, name) in self._foreign:
            name += "-x"
        body = make(name)
        body["metadata"]["annotations"] = {ACTION: self._action_id}
        return body

    def _judged(self, means: Means) -> Outcome:
        resources = tuple(as_resource(body, self._cluster) for body in means.bodies)
        added = [policy for one in resources for policy in policies_of(one)]
        network = self._network.with_policies(added)
        taken = self._removals(network) if means.take else {}
        pods = [self._as_after(pod, means, taken) for pod in self._target.pods]
        later = to_come(network, self._target, self._enforcement)
        return Outcome(
            means=means,
            resources=resources,
            taken=taken,
            flows=tuple(flows_of(network, pods, self._enforcement)),
            later=tuple(later),
        )

    def _removals(self, network: Network) -> dict[str, tuple[str, ...]]:
        found: dict[str, tuple[str, ...]] = {}
        known: dict[frozenset[tuple[str, str]], tuple[str, ...]] = {}
        keys = _asked(network.policies)
        for pod in self._target.pods:
            labels = frozenset((k, v) for k, v in pod.labels.values.items() if k in keys)
            if labels not in known or pod.host_network:
                known[labels] = removal(network, pod, self._owned(pod), self._left(network))
            if known[labels]:
                found[pod.resource.key] = known[labels]
        return found

    def _left(self, network: Network) -> _Count:
        def count(pod: Pod) -> int:
            marked = pod.relabelled({**pod.labels.values, self._mark: MARKED})
            return len(flows_of(network, [marked], self._enforcement))

        return count

    def _owned(self, pod: Pod) -> frozenset[str]:
        """Labels without which the pod's controller would let it go."""
        name = pod.owner[1] if pod.owner else ""
        owners = [one for one in self._owners if one.name == name and one.type != "core/Service"]
        values = pod.labels.values
        return frozenset(
            key
            for key in values
            for owner in owners
            if selector_matches(owner, pod.labels)
            and not selector_matches(
                owner, pod.relabelled({k: v for k, v in values.items() if k != key}).labels
            )
        )

    def _as_after(self, pod: Pod, means: Means, taken: Mapping[str, Sequence[str]]) -> Pod:
        if not means.marked:
            return pod
        gone = taken.get(pod.resource.key, ())
        left = {key: value for key, value in pod.labels.values.items() if key not in gone}
        return pod.relabelled({**left, self._mark: MARKED})


def flows_of(network: Network, pods: Sequence[Pod], enforcement: Enforcement) -> list[Flow]:
    """What may pass for the pods; those that all policies see alike are judged once."""
    keys = _asked(network.policies)
    seen: set[object] = set()
    out: dict[Flow, None] = {}
    for pod in pods:
        labels = frozenset((k, v) for k, v in pod.labels.values.items() if k in keys)
        numbers = frozenset(pod.numbers.items())
        alike = (labels, numbers, pod.namespace, pod.host_network, enforcement.on_node(pod.node))
        if alike not in seen:
            seen.add(alike)
            for direction in DIRECTIONS:
                pieces = may_pass(network, pod, direction, enforcement)
                out.update(dict.fromkeys(flows(direction, pieces)))
    return list(out)


def to_come(network: Network, target: Target, enforcement: Enforcement) -> list[Flow]:
    """What passes for pods that the workload will start: they carry no mark."""
    if target.template is None or not target.whole:
        return []
    who = f"new pods of {target.resource.label}"
    return [
        one
        for direction in DIRECTIONS
        for one in flows(
            direction, may_pass(network, target.template, direction, enforcement), (who,)
        )
    ]


def _asked(policies: Sequence[Policy]) -> frozenset[str]:
    """All labels of pods that any policy's subject asks for."""
    return frozenset(need.key for policy in policies for need in policy.pods.needs)


def _action_of(resource: Resource) -> object:
    metadata = mapping(mapping(resource.data).get("metadata"))
    return mapping(metadata.get("annotations")).get(ACTION)
