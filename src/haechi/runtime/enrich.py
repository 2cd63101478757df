"""Which workload an event belongs to: from its pod or container to the ``Resource.key`` that scans
have told the store of.

A sensor sees a container, Falco a pod, the store knows Deployments. A pod's name leads to its
workload by how controllers name pods; a container's id leads to the pod that an earlier event
named with it. What is not in the store is not made up: the event stays with its pod, or without a
resource.
"""

from __future__ import annotations

import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache, partial
from typing import TYPE_CHECKING, NamedTuple, Protocol
from urllib.parse import unquote

import msgspec

from haechi.model.access import NONE, Reach, covered
from haechi.model.keys import k8s_key
from haechi.runtime.detect import decoded
from haechi.store.events.encoding import EncodedBatch, Row

if TYPE_CHECKING:
    from haechi.store.state.state import State

KEPT = 20_000
"""Pods and containers that are remembered, each."""
KEPT_S = 60.0
"""How long an answer of the store counts."""
MOST_ASKED = 200
"""Pods of one batch that the store is asked about."""
_TEMPLATED = re.compile(r"(?P<name>.+)-(?P<hash>[a-z0-9]{6,10})-[a-z0-9]{5}")
_SUFFIXED = re.compile(r"(?P<name>.+)-[a-z0-9]{5}")
_NUMBERED = re.compile(r"(?P<name>.+)-\d{1,5}")
_TIMED = re.compile(r"(?P<name>.+)-\d{8,10}-[a-z0-9]{5}")
_CONTROLLERS = (
    (_TEMPLATED, (("apps", "Deployment"), ("argoproj.io", "Rollout"))),
    (_TIMED, (("batch", "CronJob"),)),
    (_NUMBERED, (("apps", "StatefulSet"),)),
    (_SUFFIXED, (("apps", "DaemonSet"), ("batch", "Job"), ("apps", "ReplicaSet"))),
)
"""How controllers name their pods."""
_head = msgspec.json.Decoder(tuple[str, str, str, msgspec.Raw, msgspec.Raw]).decode
_POD, _CONTAINER, _HOST = b'"k8s.pod.name"', b'"container.id"', b'"container.id":"host"'


class Pod(NamedTuple):
    """A pod by its names."""

    cluster: str
    namespace: str
    name: str


Look = Callable[[Sequence[tuple[str, str]]], set[tuple[str, str]]]
"""Which of these (cluster, key) the store has."""


def candidates(pod: Pod) -> Iterator[tuple[str, str]]:
    """(cluster, key) of what the pod may belong to, the likeliest first."""
    found: list[tuple[str, str, str]] = []
    for pattern, kinds in _CONTROLLERS:
        if match := pattern.fullmatch(pod.name):
            found += [(group, kind, match["name"]) for group, kind in kinds]
    found.append(("", "Pod", pod.name))
    # What a repository declares without naming a cluster comes after what the cluster has.
    for cluster in dict.fromkeys((pod.cluster, NONE)):
        for group, kind, name in found:
            named = "" if cluster == NONE else cluster
            yield (
                cluster,
                k8s_key(group=group, kind=kind, namespace=pod.namespace, name=name, cluster=named),
            )


class Owner(Protocol):
    """What a pod belongs to."""

    @property
    def group(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def namespace(self) -> str: ...
    @property
    def name(self) -> str: ...


class Live(Protocol):
    """Clusters that are followed: they know what names can only guess."""

    def owner_of(self, cluster: str, namespace: str, pod: str) -> Owner | None:
        """What a pod belongs to; None when it is not known."""

    def pod_of(self, cluster: str, container: str) -> tuple[str, str] | None:
        """(namespace, name) of the pod that a container belongs to."""


class Enricher:
    """Thread-safe; both caches are bounded."""

    def __init__(
        self,
        look: Look,
        now: Callable[[], float] = time.monotonic,
        *,
        live: Live | None = None,
    ) -> None:
        self._look, self._now, self._live = look, now, live
        self._lock = threading.Lock()
        self._workloads: dict[Pod, tuple[float, str]] = {}
        self._pods: dict[tuple[str, str], Pod] = {}

    def enriched(self, batch: EncodedBatch, within: Sequence[Reach]) -> EncodedBatch:
        """The batch with resources and namespaces where they were absent, or no more than a pod,
        and are known. Nothing is moved to where its sender may not send."""
        wanted: dict[int, Pod] = {}
        teaches = lru_cache(partial(_teaches, within))
        for place, row in enumerate(batch.rows):
            if (pod := self._pod(row, teaches)) is not None:
                wanted[place] = pod
        if not wanted:
            return batch
        found = self.workloads(set(wanted.values()))
        rows = list(batch.rows)
        for place, pod in wanted.items():
            rows[place] = _moved(rows[place], pod, found.get(pod, ""), within)
        return msgspec.structs.replace(batch, rows=rows, kinds=Counter([row[2] for row in rows]))

    def _pod(self, row: Row, teaches: Callable[[str], bool]) -> Pod | None:
        """The pod that a row tells of; what it tells of its container is remembered. Rows are
        decoded only where that is needed: this is asked of every event."""
        payload, kind = row[4], row[2]
        if row[3]:
            pod = _of_key(row[3], kind[2], kind[3])
            if pod is not None and teaches(pod.cluster) and (container := _head(payload)[2]):
                self._remember((pod.cluster, container[:12]), pod)
            return pod
        if _POD in payload:
            return self._named(row, teaches)
        if not self._pods and self._live is None:
            return None
        container = _head(payload)[2]
        if not container and _CONTAINER in payload and _HOST not in payload:
            container = str(decoded(row).fields.get("container.id") or "")
        known = self._pods.get((kind[2], container[:12])) if container else None
        if known is None and container and self._live is not None:
            found = self._live.pod_of(kind[2], container)
            known = None if found is None else Pod(kind[2], *found)
        return known if known is not None and kind[3] in (NONE, known.namespace) else None

    def _named(self, row: Row, teaches: Callable[[str], bool]) -> Pod | None:
        event = decoded(row)
        name = event.fields.get("k8s.pod.name")
        if not isinstance(name, str) or not name or event.namespace == NONE:
            return None
        container = event.container_id or str(event.fields.get("container.id") or "")
        pod = Pod(event.cluster, event.namespace, name)
        if container and container != "host" and teaches(event.cluster):
            self._remember((event.cluster, container[:12]), pod)
        return pod

    def _remember(self, key: tuple[str, str], pod: Pod) -> None:
        if self._pods.get(key) == pod:
            return
        with self._lock:
            if len(self._pods) >= KEPT:
                for old in list(self._pods)[: max(1, KEPT // 10)]:
                    del self._pods[old]
            self._pods[key] = pod

    def workloads(self, pods: set[Pod]) -> dict[Pod, str]:
        """The keys of those whose workloads are known."""
        now = self._now()
        found: dict[Pod, str] = {}
        unknown: list[Pod] = []
        for pod in pods:
            known = self._workloads.get(pod)
            if known is not None and known[0] > now:
                found[pod] = known[1]
            elif len(unknown) < MOST_ASKED:
                unknown.append(pod)
        if unknown:
            fresh = self._asked(unknown)
            found |= fresh
            with self._lock:
                if len(self._workloads) + len(fresh) > KEPT:
                    self._workloads.clear()
                for pod, key in fresh.items():
                    self._workloads[pod] = (now + KEPT_S, key)
        return {pod: key for pod, key in found.items() if key}

    def _asked(self, pods: Sequence[Pod]) -> dict[Pod, str]:
        known = {pod: self._owned(pod) for pod in pods}
        several = {pod: known[pod] or list(candidates(pod)) for pod in pods}
        there = self._look([place for places in several.values() for place in places])
        return {
            pod: next(
                (key for cluster, key in places if (cluster, key) in there),
                # What the cluster says itself is there, whether a scan has seen it or not.
                places[0][1] if known[pod] else "",
            )
            for pod, places in several.items()
        }

    def _owned(self, pod: Pod) -> list[tuple[str, str]]:
        """(cluster, key) of its owner, where the cluster is followed."""
        owner = self._live.owner_of(*pod) if self._live is not None else None
        if owner is None:
            return []
        names = {"group": owner.group, "kind": owner.kind, "namespace": owner.namespace}
        return [
            (
                cluster,
                k8s_key(**names, name=owner.name, cluster="" if cluster == NONE else cluster),
            )
            for cluster in dict.fromkeys((pod.cluster, NONE))
        ]


def _teaches(within: Sequence[Reach], cluster: str) -> bool:
    """Whether a sender's word on whose container it is counts for others' events: who may send
    for one namespace only must not draw another's containers into it."""
    return covered(within, cluster, NONE)


def _of_key(key: str, cluster: str, namespace: str) -> Pod | None:
    """The pod whose own key this is."""
    head = _pods_of(cluster, namespace)
    if namespace == NONE or not key.startswith(head):
        return None
    name = unquote(key[len(head) :])
    return Pod(cluster, namespace, name) if name and "/" not in name else None


@lru_cache(maxsize=1_024)
def _pods_of(cluster: str, namespace: str) -> str:
    """How the keys of a namespace's pods begin."""
    named = "" if cluster == NONE else cluster
    key = k8s_key(group="", kind="Pod", namespace=namespace, name="", cluster=named)
    return key.removesuffix("-")


def _moved(row: Row, pod: Pod, key: str, within: Sequence[Reach]) -> Row:
    ts_ns, ident, kind, resource, payload = row
    if kind[3] == NONE and pod.namespace != NONE:
        if not covered(within, kind[2], pod.namespace):
            return row
        kind = (kind[0], kind[1], kind[2], pod.namespace, kind[4], kind[5])
    return ts_ns, ident, kind, key or resource, payload


def look_in(state: State) -> Look:
    """Asks the store's resources of the branches that count."""
    from sqlalchemy import select

    from haechi.store.state.bulk import parts
    from haechi.store.state.schema import resource

    r = resource.c

    def look(wanted: Sequence[tuple[str, str]]) -> set[tuple[str, str]]:
        found: set[tuple[str, str]] = set()
        asked = set(wanted)
        with state.read() as connection:
            for some in parts(sorted({key for _, key in asked}), 400):
                ask = select(r.cluster, r.key).where(
                    r.key.in_(some), r.is_default == 1, r.gone == 0
                )
                found.update((cluster, key) for cluster, key in connection.execute(ask))
        return found & asked

    return look
