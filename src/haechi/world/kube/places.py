"""Which workload a pod, an address or a container belongs to, as the cluster itself says it.

Fed with changes as they come. A pod's owner is followed upwards (ReplicaSet → Deployment, Job →
CronJob) as long as each says who controls it; a pod of nobody, and one that only a node owns (a
static pod), is its own workload. An address is forgotten with the pod that had it: a later pod
may have it already.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable

import msgspec

from haechi.model.keys import k8s_key
from haechi.world.kube.cluster import Kept
from haechi.world.kube.objects import Node, Owner, Pod, Service, Thing

SHORT_ID = 12
"""Characters of a container's id by which sensors name it."""
_DEPTH = 5
_pod = msgspec.json.Decoder(Pod).decode
_thing = msgspec.json.Decoder(Thing).decode
_service = msgspec.json.Decoder(Service).decode
_node = msgspec.json.Decoder(Node).decode
_OWNERS = frozenset({"apps/ReplicaSet", "batch/Job"})


class Named(msgspec.Struct, frozen=True):
    """A workload, service or node by its names."""

    group: str
    kind: str
    namespace: str
    name: str

    def key(self, cluster: str) -> str:
        """Its ``Resource.key``."""
        return k8s_key(
            group=self.group,
            kind=self.kind,
            namespace=self.namespace,
            name=self.name,
            cluster=cluster,
        )


class _Holds(msgspec.Struct, frozen=True):
    """What is looked up by: to be forgotten when the object changes."""

    addresses: tuple[str, ...] = ()
    containers: tuple[str, ...] = ()
    owner: Named | None = None


class Places:
    """Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._objects: dict[Named, _Holds] = {}
        self._addresses: dict[str, Named] = {}
        self._containers: dict[str, Named] = {}

    def put(self, kept: Kept) -> None:
        """An object as it is now."""
        group, _, kind = kept.type.partition("/")
        named = Named("" if group == "core" else group, kind, kept.namespace, kept.name)
        try:
            holds = _holds(kept)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return  # not what such an object is: nothing can be looked up by it
        if holds is None:
            return
        with self._lock:
            self._drop(named)
            self._objects[named] = holds
            self._addresses.update(dict.fromkeys(holds.addresses, named))
            self._containers.update(dict.fromkeys(holds.containers, named))

    def drop(self, type_: str, namespace: str, name: str) -> None:
        """An object that is gone."""
        group, _, kind = type_.partition("/")
        with self._lock:
            self._drop(Named("" if group == "core" else group, kind, namespace, name))

    def workload_of(self, namespace: str, pod: str) -> Named | None:
        """What the pod belongs to; None when there is no such pod."""
        with self._lock:
            named = Named("", "Pod", namespace, pod)
            return self._top(named) if named in self._objects else None

    def of_address(self, address: str) -> Named | None:
        """The workload of the pod that has the address, or the service, or the node."""
        with self._lock:
            named = self._addresses.get(address)
            return None if named is None else self._top(named)

    def pod_of(self, container: str) -> tuple[str, str] | None:
        """(namespace, name) of the pod that a container runs in, by the start of its id."""
        with self._lock:
            named = self._containers.get(container[:SHORT_ID])
            return None if named is None else (named.namespace, named.name)

    def _top(self, named: Named) -> Named:
        for _ in range(_DEPTH):
            holds = self._objects.get(named)
            if holds is None or holds.owner is None:
                break
            named = holds.owner
        return named

    def _drop(self, named: Named) -> None:
        old = self._objects.pop(named, None)
        if old is None:
            return
        _forget(self._addresses, old.addresses, named)
        _forget(self._containers, old.containers, named)


def _forget(index: dict[str, Named], words: Iterable[str], named: Named) -> None:
    for word in words:
        if index.get(word) == named:
            del index[word]


def _holds(kept: Kept) -> _Holds | None:
    match kept.type:
        case "core/Pod":
            pod = _pod(kept.body)
            return _Holds(
                pod.addresses,
                tuple(one[:SHORT_ID] for one in pod.container_ids),
                _owner(pod.metadata.controller, kept.namespace),
            )
        case "core/Service":
            return _Holds(_service(kept.body).addresses)
        case "core/Node":
            return _Holds(_node(kept.body).addresses)
        case type_ if type_ in _OWNERS:
            return _Holds((), (), _owner(_thing(kept.body).metadata.controller, kept.namespace))
        case _:
            return None


def _owner(owner: Owner | None, namespace: str) -> Named | None:
    if owner is None or not owner.name or not owner.kind or owner.kind == "Node":
        return None
    return Named(owner.group, owner.kind, namespace, owner.name)
