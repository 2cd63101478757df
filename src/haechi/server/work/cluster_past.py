"""A cluster's past: what is written of each change, and reading a moment again.

Written is what judges read. A pod's restart counts, conditions and times change all day and say
nothing about what may reach it, so they are left out, and a change of them alone is no change.
"""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import msgspec

from haechi.model.keys import k8s_key
from haechi.store.state.objects import Followed, ObjectChange, Objects
from haechi.world.kube.cluster import Frozen, Kept

if TYPE_CHECKING:
    from haechi.world.kube.mirror import KindState, Mirror, Seen

MOST_WAITING = 100_000
AT_ONCE = 1_000
_STATUS = {
    "core/Pod": ("phase", "podIP", "podIPs", "hostIP"),
    "core/Node": ("addresses",),
    "core/Service": ("loadBalancer",),
    "apps/DaemonSet": ("desiredNumberScheduled", "numberReady"),
}
"""What of a status is kept."""
_METADATA = (
    "name",
    "namespace",
    "uid",
    "labels",
    "annotations",
    "ownerReferences",
    "creationTimestamp",
    "deletionTimestamp",
)
_NOISE = frozenset(
    {
        "kubectl.kubernetes.io/last-applied-configuration",
        "deployment.kubernetes.io/revision",
        "control-plane.alpha.kubernetes.io/leader",
    }
)


def remembered(kept: Kept) -> bytes:
    """What is written of an object: JSON with sorted keys, so that equal is equal."""
    body: dict[str, Any] = msgspec.json.decode(kept.body)
    metadata = body.get("metadata") or {}
    shown = {name: metadata[name] for name in _METADATA if name in metadata}
    if isinstance(annotations := shown.get("annotations"), dict):
        shown["annotations"] = {k: v for k, v in annotations.items() if k not in _NOISE}
    status = body.pop("status", None)
    wanted = _STATUS.get(kept.type, ())
    if isinstance(status, dict):
        left = {name: status[name] for name in wanted if name in status}
        if kept.type == "core/Pod":
            left["conditions"] = _ready(status.get("conditions"))
        if left:
            body["status"] = left
    return msgspec.json.encode({**body, "metadata": shown}, order="sorted")


def _ready(conditions: Any) -> list[dict[str, Any]]:
    """Of a pod's conditions whether it is ready, without when it became so."""
    return [
        {"type": one["type"], "status": one.get("status")}
        for one in (conditions if isinstance(conditions, list) else ())
        if isinstance(one, dict) and one.get("type") == "Ready"
    ]


class Recorder:
    """Takes what a mirror sees, and writes it now and then. ``seen`` never waits for the disk:
    several changes of one object between two writings are one."""

    def __init__(self, objects: Objects, cluster: str, clock: Callable[[], dt.datetime]) -> None:
        self._objects, self._cluster, self._clock = objects, cluster, clock
        self._lock = threading.Lock()
        self._waiting: dict[str, ObjectChange] = {}
        self._settled: list[Seen] = []
        self._since: dict[str, dt.datetime] = {}
        self.lost = 0
        """Changes that found no room; the next full read finds what they came to."""

    def seen(self, one: Seen) -> None:
        """A change, from any of the mirror's threads."""
        if one.synced:
            with self._lock:
                self._settled.append(one)
            return
        key = self._key(one.kind.group, one.kind.kind, one.namespace, one.name)
        kept = one.kept
        change = ObjectChange(
            key=key,
            type=one.kind.type,
            namespace=one.namespace,
            uid=kept.uid if kept else "",
            version=kept.version if kept else "",
            at=self._clock(),
            body=remembered(kept) if kept else b"",
        )
        with self._lock:
            if key not in self._waiting and len(self._waiting) >= MOST_WAITING:
                self.lost += 1
                return
            self._waiting.pop(key, None)
            self._waiting[key] = change

    def write(self, mirror: Mirror) -> int:
        """Write what waits, end what is gone, and mark how far this followed. What cannot be
        written goes on waiting. Raises StoreError."""
        with self._lock:
            waiting, self._waiting = self._waiting, {}
            settled, self._settled = self._settled, []
        changes = list(waiting.values())
        written = 0
        try:
            while changes:
                written += self._objects.keep(self._cluster, changes[:AT_ONCE])
                del changes[:AT_ONCE]
            while settled:
                self._settle(mirror, settled[0])
                settled.pop(0)
            self._objects.mark(self._cluster, self._times(mirror.states))
        except BaseException:
            with self._lock:
                left = {change.key: change for change in changes}
                self._waiting = left | self._waiting
                self._settled = [*settled, *self._settled]
            raise
        return written

    def _settle(self, mirror: Mirror, one: Seen) -> None:
        """The objects of a type that are not there any more ended while nobody followed."""
        there = [
            self._key(one.kind.group, one.kind.kind, kept.namespace, kept.name)
            for kept in mirror.kept(one.kind.type)
        ]
        alone = one.name and not one.kind.namespaced
        key = self._key(one.kind.group, one.kind.kind, "", one.name) if alone else None
        self._objects.settle(
            self._cluster,
            one.kind.type,
            there,
            self._clock(),
            namespace=one.namespace or None,
            key=key,
        )

    def _times(self, states: Iterable[KindState]) -> list[Followed]:
        """From when to when each type was followed: until now while it is heard."""
        found: dict[str, Followed] = {}
        now = self._clock()
        for state in states:
            type_ = state.kind.type
            if not state.synced or state.fault or state.absent or state.name:
                self._since.pop(type_, None)
                continue
            since = self._since.setdefault(type_, now)
            found[type_] = Followed(type=type_, since=since, until=now)
        return list(found.values())

    def _key(self, group: str, kind: str, namespace: str, name: str) -> str:
        return k8s_key(
            group=group, kind=kind, namespace=namespace, name=name, cluster=self._cluster
        )


def past(objects: Objects, cluster: str, when: dt.datetime, types: Iterable[str]) -> Frozen:
    """The cluster as it was. ``types`` are those that one follows: what was not followed at that
    moment is a gap."""
    followed = objects.followed(cluster, when)
    gaps = [f"{one}: not followed at that time" for one in sorted(set(types) - followed)]
    kept = (
        Kept(one.type, one.namespace, _name(one.body), one.uid, one.version, one.body)
        for one in objects.at(cluster, when)
    )
    return Frozen(cluster, "history", when, kept, gaps=gaps)


class _Name(msgspec.Struct, frozen=True):
    name: str = ""


class _Named(msgspec.Struct, frozen=True):
    metadata: _Name = _Name()


def _name(body: bytes) -> str:
    return msgspec.json.decode(body, type=_Named).metadata.name
