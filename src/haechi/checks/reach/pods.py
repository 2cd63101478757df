"""Pods as the network sees them, with their namespaces' labels and the workloads they are of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from haechi.checks.pods.view import items, mapping, view_of
from haechi.checks.reach.addresses import NOWHERE, Addresses, of_text
from haechi.checks.reach.ports import Name
from haechi.checks.reach.selectors import NAMESPACE_NAME, Labels
from haechi.model.resource import Resource

Owner = tuple[str, str, str]
"""Kind, name and uid of an object's controller."""
_OTHER_NETWORKS = ("k8s.v1.cni.cncf.io/networks", "v1.multus-cni.io/default-network")
_NO_NETWORKS = ("", "[]")


class Pod(msgspec.Struct, frozen=True, kw_only=True):
    """A pod, or the pods that a template will make (then without node and address).

    ``numbers`` are the ports of its containers by protocol and name. ``more_networks`` is set when
    it has interfaces besides the cluster's network, where policies do not reach.
    """

    resource: Resource
    namespace: str
    labels: Labels
    space: Labels
    host_network: bool = False
    ended: bool = False
    addresses: Addresses = NOWHERE
    numbers: Mapping[Name, tuple[int, ...]] = {}
    node: str = ""
    owner: Owner | None = None
    uid: str = ""
    more_networks: bool = False

    @property
    def name(self) -> str:
        return self.resource.name

    def relabelled(self, labels: Mapping[str, str]) -> Pod:
        """The same pod with other labels."""
        return msgspec.structs.replace(self, labels=Labels(values=labels))


def labels_of(metadata: Any) -> dict[str, str]:
    """The labels that are text; others the API server would not have taken."""
    pairs = mapping(mapping(metadata).get("labels"))
    return {str(key): value for key, value in pairs.items() if isinstance(value, str)}


def spaces_of(objects: Sequence[Resource]) -> dict[str, Labels]:
    """Labels by namespace, with the one that the API server puts on each."""
    found: dict[str, Labels] = {}
    for one in objects:
        if one.type == "core/Namespace":
            labels = labels_of(mapping(one.data).get("metadata"))
            found[one.name] = Labels(values={**labels, NAMESPACE_NAME: one.name})
    return found


def space(name: str, known: Mapping[str, Labels]) -> Labels:
    """A namespace that was not read is known by its name alone."""
    return known.get(name) or Labels(values={NAMESPACE_NAME: name}, complete=False)


def pod_of(resource: Resource, spaces: Mapping[str, Labels]) -> Pod | None:
    """A pod, or the pods of a workload's template; None for what has none."""
    view = view_of(resource)
    if view is None:
        return None
    namespace = resource.namespace or "default"
    real = resource.type == "core/Pod"
    status = mapping(mapping(resource.data).get("status")) if real else {}
    metadata = mapping(mapping(resource.data).get("metadata"))
    notes = mapping(view.metadata.get("annotations"))
    return Pod(
        resource=resource,
        namespace=namespace,
        labels=Labels(values=labels_of(view.metadata)),
        space=space(namespace, spaces),
        host_network=view.spec.get("hostNetwork") is True,
        ended=status.get("phase") in ("Succeeded", "Failed"),
        addresses=_addresses(status),
        numbers=_numbers(item.data for item in view.containers),
        node=_text(view.spec.get("nodeName")),
        owner=owner_of(metadata) if real else None,
        uid=_text(metadata.get("uid")) if real else "",
        more_networks=any(
            _text(notes.get(key)).strip() not in _NO_NETWORKS for key in _OTHER_NETWORKS
        ),
    )


def owner_of(metadata: Mapping[str, Any]) -> Owner | None:
    """The controller among the owners."""
    for entry in items(metadata.get("ownerReferences")):
        found = mapping(entry)
        if found.get("controller") is True:
            return _text(found.get("kind")), _text(found.get("name")), _text(found.get("uid"))
    return None


def _addresses(status: Mapping[str, Any]) -> Addresses:
    texts = [status.get("podIP"), *(mapping(one).get("ip") for one in items(status.get("podIPs")))]
    found = NOWHERE
    for text in texts:
        found |= of_text(text) or NOWHERE
    return found


def _numbers(containers: Iterator[Mapping[str, Any]]) -> dict[Name, tuple[int, ...]]:
    found: dict[Name, tuple[int, ...]] = {}
    for container in containers:
        for entry in items(container.get("ports")):
            port = mapping(entry)
            name, number = port.get("name"), port.get("containerPort")
            if isinstance(name, str) and name and isinstance(number, int):
                key = (str(port.get("protocol", "TCP")), name)
                found[key] = tuple(sorted({*found.get(key, ()), number}))
    return found


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
