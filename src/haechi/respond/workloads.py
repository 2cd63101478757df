"""Which pods a workload has, and whose a pod is: by controllers, as the cluster wrote them.

Limits count by workload, whichever way an action names its target.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from haechi.model.resource import Resource

_DEEP = 5
POD, NODE = "core/Pod", "core/Node"
MIRROR = "kubernetes.io/config.mirror"


class Owner(msgspec.Struct, frozen=True):
    """A controller."""

    kind: str
    name: str
    uid: str = ""


class Workloads:
    """Of one moment of a cluster."""

    def __init__(self, objects: Sequence[Resource]) -> None:
        self._objects = objects
        self._by_name = {(one.kind, one.namespace, one.name): one for one in objects}

    def owners(self, resource: Resource) -> Iterator[Owner]:
        """Controllers above it, the nearest first."""
        current: Resource | None = resource
        for _ in range(_DEEP):
            owner = _controller(current.data) if current is not None else None
            if owner is None:
                return
            yield owner
            current = self._by_name.get((owner.kind, resource.namespace, owner.name))

    def top(self, resource: Resource) -> Resource | Owner:
        """The workload that it belongs to: an object, or its name where it was not read."""
        found: Resource | Owner = resource
        for owner in self.owners(resource):
            found = self._by_name.get((owner.kind, resource.namespace, owner.name)) or owner
        return found

    def pods(self, resource: Resource) -> list[Resource]:
        """The pods that run of the workload that this is of."""
        top = self.top(resource)
        wanted = (top.kind, top.name)
        return [
            pod
            for pod in self._objects
            if pod.type == POD
            and pod.namespace == resource.namespace
            and not ended(pod)
            and (pod is resource or wanted in {(one.kind, one.name) for one in self.owners(pod)})
        ]


def _controller(data: Any) -> Owner | None:
    metadata = data.get("metadata") if isinstance(data, Mapping) else None
    owners = metadata.get("ownerReferences") if isinstance(metadata, Mapping) else None
    for one in owners if isinstance(owners, list) else ():
        if isinstance(one, Mapping) and one.get("controller") is True:
            return Owner(str(one.get("kind")), str(one.get("name")), str(one.get("uid") or ""))
    notes = metadata.get("annotations") if isinstance(metadata, Mapping) else None
    if isinstance(notes, Mapping) and MIRROR in notes:
        return Owner("Node", "", "")
    return None


def ended(pod: Resource) -> bool:
    """True when it does not run any more."""
    return _status(pod).get("phase") in ("Succeeded", "Failed")


def ready(pod: Resource) -> bool:
    """True when it takes traffic."""
    conditions = _status(pod).get("conditions")
    return any(
        isinstance(one, Mapping) and one.get("type") == "Ready" and one.get("status") == "True"
        for one in (conditions if isinstance(conditions, list) else ())
    )


def container_ids(pod: Resource) -> Iterator[str]:
    """Ids of its containers, as the runtime gives them."""
    for name in ("containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses"):
        several = _status(pod).get(name)
        for one in several if isinstance(several, list) else ():
            id_ = one.get("containerID") if isinstance(one, Mapping) else None
            if isinstance(id_, str) and id_:
                yield id_.rpartition("//")[2]


def holds(pod: Resource, container: str) -> bool:
    """True when a container (its id, or the first twelve digits) is of this pod."""
    return bool(container) and any(id_.startswith(container) for id_ in container_ids(pod))


def labels_of(resource: Resource) -> dict[str, str]:
    """Its labels, as far as they are text."""
    metadata = resource.data.get("metadata") if isinstance(resource.data, Mapping) else None
    labels = metadata.get("labels") if isinstance(metadata, Mapping) else None
    pairs = labels.items() if isinstance(labels, Mapping) else ()
    return {str(key): value for key, value in pairs if isinstance(value, str)}


def uid_of(resource: Resource) -> str:
    """Its own id."""
    metadata = resource.data.get("metadata") if isinstance(resource.data, Mapping) else None
    return str(metadata.get("uid") or "") if isinstance(metadata, Mapping) else ""


def _status(pod: Resource) -> Mapping[str, Any]:
    status = pod.data.get("status") if isinstance(pod.data, Mapping) else None
    return status if isinstance(status, Mapping) else {}
