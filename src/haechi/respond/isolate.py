"""Isolation of pods: the smallest change after which the model finds that nothing passes.

NetworkPolicies only add. A deny-all policy on a quarantine label changes nothing while another
policy that selects the pod allows traffic; so the plan is judged over *all* policies, as the
cluster would stand after it. The means are tried from the mildest: a deny-all policy alone, a
deny that wins over allows (Cilium), a deny tier, and taking the labels by which allowing policies
select the pod. Nobody else's policy is ever changed. What still passes is named; ``contained`` is
said only when nothing does, everything was understood, and enforcement is known.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import unquote

import msgspec

from haechi.checks.reach import DIRECTIONS, Enforcement, Network, Pod, may_pass, network_of
from haechi.checks.reach.network import policies_of
from haechi.checks.reach.policy import Policy
from haechi.model.keys import k8s_key
from haechi.model.resource import Resource
from haechi.model.response import ActionKind, Flow, Plan, Step
from haechi.respond.isolate_labels import removal
from haechi.respond.isolate_policies import (
    ACTION,
    admin_policy,
    as_resource,
    cilium_policy,
    cluster_policy,
    mark_of,
    network_policy,
    short,
)
from haechi.respond.isolate_steps import MARKED, apply_step, mark_step
from haechi.respond.isolate_target import Target, selector_matches, target_of
from haechi.respond.isolate_words import (
    ALWAYS,
    consequences,
    enforcement_words,
    flow,
    some,
)

Body = dict[str, Any]


class Containment(msgspec.Struct, frozen=True, kw_only=True):
    """What an isolation has achieved as the cluster stands."""

    contained: bool
    residual: tuple[Flow, ...]
    warnings: tuple[str, ...]


class _Means(msgspec.Struct, frozen=True, kw_only=True):
    """One way to isolate: policies, on marked pods or on the workload's selector, and whether
    labels may be taken."""

    bodies: tuple[Body, ...]
    marked: bool
    take: bool


class _Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """A way as the model judges it. ``taken`` are labels by pod key."""

    means: _Means
    resources: tuple[Resource, ...]
    taken: Mapping[str, tuple[str, ...]]
    flows: tuple[Flow, ...]


def isolate(
    objects: Sequence[Resource],
    resource: str,
    *,
    pods: Sequence[str] | None = None,
    enforcement: Enforcement,
    action_id: str,
    keep: Sequence[str] = (),
    gaps: Sequence[str] = (),
) -> Plan:
    """A plan to cut pods off the network.

    ``resource`` is the key of a pod or workload; ``pods`` are names or keys where only these are
    meant. ``keep=("dns",)`` leaves name resolution open (then it is residual). ``gaps`` name what
    of the cluster could not be read: with any, nothing is called contained. Raises InputError.
    """
    network = network_of(objects)
    mark = mark_of(action_id)
    target = target_of(objects, network, resource, pods, mark=mark)
    judge = _Judge(objects, network, target, enforcement, mark, action_id)
    outcome = judge.best(keep)
    unknown = _unknown(network, target, gaps)
    words, hit = consequences(objects, target, outcome.taken)
    steps = _steps(outcome, target, mark)
    return Plan(
        action=ActionKind.ISOLATE,
        resource=resource,
        steps=tuple(steps),
        says=_says(target, outcome),
        contained=not outcome.flows and not unknown and _is_enforced(enforcement, target),
        residual=some([*outcome.flows, *unknown]),
        warnings=_warnings(target, enforcement, words),
        touches=tuple(dict.fromkeys([*(s.target for s in steps), *_hit(target), *hit])),
    )


def verify(
    objects: Sequence[Resource],
    resource: str,
    *,
    pods: Sequence[str] | None = None,
    enforcement: Enforcement,
    action_id: str,
    gaps: Sequence[str] = (),
) -> Containment:
    """What passes now, after an isolation was applied: labels may have been put back, policies
    added, pods started since. Pods that are gone count as contained. Raises InputError."""
    network = network_of(objects)
    mark = mark_of(action_id)
    target = target_of(objects, network, resource, pods, mark=mark, gone_is_fine=True)
    flows = _flows(network, target.pods, enforcement)
    if target.whole:
        flows += _to_come(network, target, enforcement)
    unknown = _unknown(network, target, gaps)
    return Containment(
        contained=not flows and not unknown and _is_enforced(enforcement, target),
        residual=some([*flows, *unknown]),
        warnings=_warnings(target, enforcement, ()),
    )


class _Judge:
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
        self._cluster = _cluster(target.resource.key)
        self._taken_names = {one.key for one in objects}
        self._owners = [one for one in objects if one.namespace == target.namespace]

    def best(self, keep: Sequence[str]) -> _Outcome:
        """The mildest way after which nothing passes; else the one after which least does."""
        found: _Outcome | None = None
        for means in self._ways(keep):
            outcome = self._judged(means)
            if found is None or len(outcome.flows) < len(found.flows):
                found = outcome
            if not found.flows:
                break
        assert found is not None  # noqa: S101  (the first way is always there)
        return found

    def _ways(self, keep: Sequence[str]) -> Iterator[_Means]:
        for marked in (False, True):
            if not marked and not self._has_selector():
                continue
            plain = self._policy(marked, keep)
            yield _Means(bodies=(plain,), marked=marked, take=False)
            if self._enforcement.cilium and not keep:
                yield _Means(bodies=(self._cilium(marked),), marked=marked, take=False)
            tier = self._tier(marked, keep)
            if tier is not None:
                yield _Means(bodies=(tier, plain), marked=marked, take=False)
            if marked:
                yield _Means(bodies=(plain,), marked=True, take=True)
                if tier is not None:
                    yield _Means(bodies=(tier, plain), marked=True, take=True)

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

    def _named(self, group: str, kind: str, make: Any) -> Body:
        """The object under a name that nobody has, unless it is this action's own."""
        name = f"haechi-quarantine-{short(self._action_id)}"
        namespaced = group != "policy.networking.k8s.io"
        space = self._target.namespace if namespaced else None
        while (
            k8s_key(group=group, kind=kind, namespace=space, name=name, cluster=self._cluster)
            in self._taken_names
        ):
            name += "-x"
        body: Body = make(name)
        body["metadata"]["annotations"] = {ACTION: self._action_id}
        return body

    def _judged(self, means: _Means) -> _Outcome:
        resources = tuple(as_resource(body, self._cluster) for body in means.bodies)
        added = [policy for one in resources for policy in policies_of(one)]
        network = self._network.with_policies(added)
        taken = self._removals(network) if means.take else {}
        pods = [self._as_after(pod, means, taken) for pod in self._target.pods]
        flows = _flows(network, pods, self._enforcement)
        if self._target.whole:
            flows += _to_come(network, self._target, self._enforcement)
        return _Outcome(means=means, resources=resources, taken=taken, flows=some(flows))

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

    def _left(self, network: Network) -> Any:
        def count(pod: Pod) -> int:
            marked = pod.relabelled({**pod.labels.values, self._mark: MARKED})
            return len(_flows(network, [marked], self._enforcement))

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

    def _as_after(self, pod: Pod, means: _Means, taken: Mapping[str, Sequence[str]]) -> Pod:
        if not means.marked:
            return pod
        gone = taken.get(pod.resource.key, ())
        left = {key: value for key, value in pod.labels.values.items() if key not in gone}
        return pod.relabelled({**left, self._mark: MARKED})


def _flows(network: Network, pods: Sequence[Pod], enforcement: Enforcement) -> list[Flow]:
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
                for piece in may_pass(network, pod, direction, enforcement):
                    out[flow(direction, piece)] = None
    return list(out)


def _to_come(network: Network, target: Target, enforcement: Enforcement) -> list[Flow]:
    """What passes for pods that the workload will start: they carry no mark."""
    if target.template is None:
        return []
    who = f"new pods of {target.resource.label}"
    return [
        flow(direction, piece, (who,))
        for direction in DIRECTIONS
        for piece in may_pass(network, target.template, direction, enforcement)
    ]


def _asked(policies: Sequence[Policy]) -> frozenset[str]:
    """All labels of pods that any policy's subject asks for."""
    return frozenset(need.key for policy in policies for need in policy.pods.needs)


def _unknown(network: Network, target: Target, gaps: Sequence[str]) -> list[Flow]:
    """What could not be judged, as flows that may pass."""
    subjects = [*target.pods, *([target.template] if target.whole and target.template else [])]
    reasons = dict.fromkeys([*gaps, *(why for pod in subjects for why in network.unknown(pod))])
    return [
        Flow(direction=direction, peer="not known", ports="any", because=(reason,))
        for reason in reasons
        for direction in DIRECTIONS
    ]


def _is_enforced(enforcement: Enforcement, target: Target) -> bool:
    if enforcement.doubts or not enforcement.network_policy:
        return False
    return all(enforcement.on_node(pod.node) for pod in target.pods)


def _steps(outcome: _Outcome, target: Target, mark: str) -> list[Step]:
    steps = [apply_step(number, one) for number, one in enumerate(outcome.resources, start=1)]
    if outcome.means.marked:
        for pod in target.pods:
            taken = outcome.taken.get(pod.resource.key, ())
            steps.append(mark_step(len(steps) + 1, pod, mark, taken))
    return steps


def _says(target: Target, outcome: _Outcome) -> str:
    count = f"{len(target.pods)} pod{'' if len(target.pods) == 1 else 's'}"
    who = f"{count} of {target.resource.label}"
    if target.resource.type == "core/Pod":
        who = target.resource.label
    means = ", ".join(one.kind for one in outcome.resources)
    taken = sorted({key for keys in outcome.taken.values() for key in keys})
    how = f" and without the labels {', '.join(taken)}" if taken else ""
    return f"cut {who} off the network by {means}{how}"


def _warnings(target: Target, enforcement: Enforcement, words: Sequence[str]) -> tuple[str, ...]:
    ended = [
        f"pod {pod.namespace}/{pod.name} has ended: nothing to isolate" for pod in target.ended
    ]
    if not target.pods:
        ended.append(f"no pod of {target.resource.label} runs now")
    return (*words, *enforcement_words(enforcement, target.pods), *ended, *ALWAYS)


def _hit(target: Target) -> list[str]:
    workload = [target.resource.key] if target.whole else []
    return [*workload, *(pod.resource.key for pod in target.pods)]


def _cluster(key: str) -> str:
    name = key.removeprefix("k8s:").partition("/")[0]
    return "" if name == "-" else unquote(name)


__all__ = ["Containment", "Enforcement", "isolate", "verify"]
