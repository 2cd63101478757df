"""A cluster's network as one value: pods, namespaces and all policies, read once.

What cannot be read, or is of a kind that is not understood, stays in it by name: an answer that
it might change is "not known".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import msgspec

from haechi.checks.reach.cilium import read_cilium
from haechi.checks.reach.kubernetes import read_network_policy
from haechi.checks.reach.pods import Pod, pod_of, spaces_of
from haechi.checks.reach.policy import Maker, Policy, Stage, in_namespace
from haechi.checks.reach.selectors import EVERYTHING, Labels, Unreadable
from haechi.checks.reach.tiers import read_tiered
from haechi.model.resource import Resource

_TIERED = "policy.networking.k8s.io"
_MAKERS = {
    "networking.k8s.io/NetworkPolicy": (Maker.NETWORK_POLICY, Stage.MIDDLE),
    "extensions/NetworkPolicy": (Maker.NETWORK_POLICY, Stage.MIDDLE),
    f"{_TIERED}/AdminNetworkPolicy": (Maker.ANP, Stage.ADMIN),
    f"{_TIERED}/BaselineAdminNetworkPolicy": (Maker.ANP, Stage.BASELINE),
    f"{_TIERED}/ClusterNetworkPolicy": (Maker.CNP, Stage.ADMIN),
    "cilium.io/CiliumNetworkPolicy": (Maker.CILIUM, Stage.MIDDLE),
    "cilium.io/CiliumClusterwideNetworkPolicy": (Maker.CILIUM, Stage.MIDDLE),
}
_MIRRORED = "knp.default."
"""Calico's API shows each NetworkPolicy again under this name."""


class Network(msgspec.Struct, frozen=True, kw_only=True):
    """``foreign`` are policies of kinds that are not understood; ``nodes`` the nodes' names."""

    pods: tuple[Pod, ...]
    spaces: Mapping[str, Labels]
    policies: tuple[Policy, ...]
    foreign: tuple[Resource, ...] = ()

    def with_policies(self, more: Sequence[Policy]) -> Network:
        return msgspec.structs.replace(self, policies=(*self.policies, *more))

    def unknown(self, pod: Pod) -> Iterator[str]:
        """What might govern the pod and cannot be judged."""
        for policy in self.policies:
            if policy.unreadable and policy.selects(pod.labels, pod.space) is not False:
                yield f"{policy.label} cannot be read: {policy.unreadable}"
        for one in self.foreign:
            if one.namespace in (None, "", pod.namespace):
                yield f"{one.label} ({one.group}) is of a kind whose rules are not known here"
        if pod.more_networks:
            yield f"pod {pod.namespace}/{pod.name} has more networks, where policies do not reach"


def network_of(objects: Sequence[Resource]) -> Network:
    """Reads pods, namespaces and policies; never raises for what they hold."""
    spaces = spaces_of(objects)
    pods = (pod_of(one, spaces) for one in objects if one.type == "core/Pod")
    return Network(
        pods=tuple(pod for pod in pods if pod is not None),
        spaces=spaces,
        policies=tuple(policy for one in objects for policy in policies_of(one)),
        foreign=tuple(one for one in objects if is_foreign(one)),
    )


def policies_of(resource: Resource) -> Iterator[Policy]:
    """The policies that an object holds; one marked unreadable where it cannot be read."""
    known = _MAKERS.get(resource.type)
    if known is None:
        return
    try:
        yield from list(_read(resource, known[0]))
    except Unreadable as error:
        maker, stage = known
        own = in_namespace(resource.namespace) if resource.namespace else EVERYTHING
        yield Policy(
            key=resource.key,
            label=resource.label,
            maker=maker,
            stage=stage,
            namespaces=own,
            pods=EVERYTHING,
            exact=False,
            unreadable=str(error),
        )


def _read(resource: Resource, maker: Maker) -> Iterator[Policy]:
    match maker:
        case Maker.NETWORK_POLICY:
            yield read_network_policy(resource)
        case Maker.CILIUM:
            yield from read_cilium(resource)
        case _:
            yield read_tiered(resource)


def is_foreign(resource: Resource) -> bool:
    """A policy of another maker: Calico's, Antrea's, a cloud's."""
    return (
        resource.kind.endswith("NetworkPolicy")
        and not resource.kind.startswith("Staged")
        and resource.type not in _MAKERS
        and not resource.name.startswith(_MIRRORED)
    )
