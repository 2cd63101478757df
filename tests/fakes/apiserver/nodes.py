"""The scheduler's and the kubelet's stand-ins: where pods go, and what becomes of them there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from tests.fakes.apiserver.clock import seconds
from tests.fakes.apiserver.controllers import Actor
from tests.fakes.apiserver.selectors import selects
from tests.fakes.apiserver.storage import Change, Key, Place
from tests.fakes.apiserver.world import World, finished

Json = dict[str, Any]
PODS: Place = ("", "pods")


def accepts(node: Json, spec: Json, *, daemon: bool = False) -> bool:
    """Whether a pod of this spec may run on the node: selector, cordon, taints."""
    labels = node["metadata"].get("labels") or {}
    if any(labels.get(key) != value for key, value in (spec.get("nodeSelector") or {}).items()):
        return False
    own = node.get("spec") or {}
    if own.get("unschedulable") and not daemon:
        return False
    for taint in own.get("taints") or ():
        cordon = taint.get("key") == "node.kubernetes.io/unschedulable"
        if taint.get("effect") == "PreferNoSchedule" or (daemon and cordon):
            continue
        if not any(_tolerates(each, taint) for each in spec.get("tolerations") or ()):
            return False
    return _wanted(node, spec)


def _tolerates(toleration: Json, taint: Json) -> bool:
    if toleration.get("effect") not in (None, "", taint.get("effect")):
        return False
    if toleration.get("operator") == "Exists":
        return toleration.get("key") in (None, "", taint.get("key"))
    same = toleration.get("key") == taint.get("key")
    return same and toleration.get("value", "") == taint.get("value", "")


def _wanted(node: Json, spec: Json) -> bool:
    """Required node affinity."""
    affinity = (spec.get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution")
    if not required:
        return True
    labels, name = node["metadata"].get("labels") or {}, node["metadata"]["name"]
    for term in required.get("nodeSelectorTerms") or ():
        fields = all(name in (each.get("values") or ()) for each in term.get("matchFields") or ())
        if fields and selects({"matchExpressions": term.get("matchExpressions") or []}, labels):
            return True
    return False


class Scheduler:
    def __init__(self, world: World, actor: Actor) -> None:
        self._world, self._actor = world, actor

    def keys(self, change: Change) -> Iterable[Key]:
        if change.place == PODS and change.type != "DELETED":
            return [] if change.body["spec"].get("nodeName") else [change.key]
        if change.place == ("", "nodes") and change.type != "DELETED":
            before = change.before or {}
            if before.get("spec") == change.body.get("spec") and change.before:
                return []
            waiting = (p for p in self._world.all(*PODS) if not p["spec"].get("nodeName"))
            return [(p["metadata"]["namespace"], p["metadata"]["name"]) for p in waiting]
        return []

    def sync(self, key: Key) -> None:
        pod = self._world.store.get(PODS, key)
        if pod is None or pod["spec"].get("nodeName") or pod["metadata"].get("deletionTimestamp"):
            return
        if pod["spec"].get("schedulingGates"):
            return
        load = Counter(str(p["spec"].get("nodeName")) for p in self._world.all(*PODS))
        fit = [
            node["metadata"]["name"]
            for node in self._world.all("", "nodes")
            if accepts(node, pod["spec"])
            or accepts(node, pod["spec"], daemon=_cordon_proof(pod["spec"]))
        ]
        if not fit:
            return
        chosen = min(fit, key=lambda name: (load[name], name))
        self._actor.modify(PODS, key, lambda p: p | {"spec": p["spec"] | {"nodeName": chosen}})


def _cordon_proof(spec: Json) -> bool:
    taint = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}
    return any(_tolerates(each, taint) for each in spec.get("tolerations") or ())


class Kubelet:
    """Starts what is bound to a node that exists; ends what is leaving, at once or in time."""

    def __init__(self, world: World, actor: Actor) -> None:
        self._world, self._actor = world, actor
        self.prompt = True
        self._addresses = 0

    def keys(self, change: Change) -> Iterable[Key]:
        return [change.key] if change.place == PODS and change.type != "DELETED" else []

    def leaving(self) -> Iterable[Key]:
        for pod in self._world.all(*PODS):
            if pod["metadata"].get("deletionTimestamp"):
                yield pod["metadata"]["namespace"], pod["metadata"]["name"]

    def sync(self, key: Key) -> None:
        pod = self._world.store.get(PODS, key)
        if pod is None:
            return
        if pod["metadata"].get("deletionTimestamp"):
            self._end(key, pod)
        elif pod["spec"].get("nodeName") and not finished(pod):
            phase = (pod.get("status") or {}).get("phase")
            if phase in (None, "Pending"):
                self._begin(key, pod)

    def _begin(self, key: Key, pod: Json) -> None:
        node = self._world.find("", "nodes", "", pod["spec"]["nodeName"])
        if node is None:
            return
        address = _address(node) if pod["spec"].get("hostNetwork") else self._next(node)
        found = running(pod, address, _address(node), self._world.clock.stamp(), self._world.uid())
        self._actor.set_status(PODS, key, found)

    def _next(self, node: Json) -> str:
        """The next free address of the node's range (of 10.244/16 where it has none)."""
        cidr = (node.get("spec") or {}).get("podCIDR", "10.244.0.0/24")
        prefix = cidr.rsplit(".", 1)[0]
        pods = self._world.all(*PODS)
        used = {(pod.get("status") or {}).get("podIP") for pod in pods}
        for host in range(2, 255):
            if f"{prefix}.{host}" not in used:
                return f"{prefix}.{host}"
        self._addresses += 1
        high, low = divmod(self._addresses, 250)
        return f"10.{245 + high // 250}.{high % 250}.{low + 1}"

    def _end(self, key: Key, pod: Json) -> None:
        meta = pod["metadata"]
        over = seconds(meta["deletionTimestamp"]) <= self._world.clock.now()
        if not (self.prompt or over):
            return

        def ended(body: Json) -> Json:
            return body | {"metadata": body["metadata"] | {"deletionGracePeriodSeconds": 0}}

        if meta.get("deletionGracePeriodSeconds"):
            self._actor.modify(PODS, key, ended)


def _address(node: Json) -> str:
    addresses = (node.get("status") or {}).get("addresses") or ()
    return next((a["address"] for a in addresses if a.get("type") == "InternalIP"), "192.168.0.1")


def running(pod: Json, address: str, host: str, now: str, uid: str) -> Json:
    """The status of a pod all of whose containers run and are ready."""
    kinds = ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled")
    states = [
        {
            "name": each["name"],
            "image": each.get("image", ""),
            "imageID": f"docker.io/library/{each.get('image', '')}@sha256:{'0' * 64}",
            "containerID": f"containerd://{uid.replace('-', '')}{number:032x}",
            "ready": True,
            "started": True,
            "restartCount": 0,
            "state": {"running": {"startedAt": now}},
            "lastState": {},
        }
        for number, each in enumerate(pod["spec"].get("containers") or ())
    ]
    return {
        "phase": "Running",
        "hostIP": host,
        "hostIPs": [{"ip": host}],
        "podIP": address,
        "podIPs": [{"ip": address}],
        "startTime": now,
        "qosClass": "BestEffort",
        "conditions": [
            {"type": kind, "status": "True", "lastTransitionTime": now} for kind in kinds
        ],
        "containerStatuses": states,
    }
