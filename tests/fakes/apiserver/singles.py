"""StatefulSets, DaemonSets and Jobs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tests.fakes.apiserver.controllers import Actor
from tests.fakes.apiserver.nodes import accepts
from tests.fakes.apiserver.storage import Change, Key, Place
from tests.fakes.apiserver.workloads import (
    PODS,
    Claims,
    active,
    digest,
    is_owned,
    owner_keys,
    pod_of,
)
from tests.fakes.apiserver.world import World, key_of, ready

Json = dict[str, Any]
STATEFUL: Place = ("apps", "statefulsets")
DAEMONS: Place = ("apps", "daemonsets")
JOBS: Place = ("batch", "jobs")


def _with_claims(owner: Json, pod: Json) -> Json:
    """The pod with a volume for each claim of the set's templates."""
    names = [claim["metadata"]["name"] for claim in owner["spec"].get("volumeClaimTemplates") or ()]
    if not names:
        return pod
    spec, name = pod["spec"], pod["metadata"]["name"]
    others = [one for one in spec.get("volumes") or () if one.get("name") not in names]
    made = [
        {"name": each, "persistentVolumeClaim": {"claimName": f"{each}-{name}"}} for each in names
    ]
    return pod | {"spec": spec | {"volumes": [*others, *made]}}


class StatefulSets:
    def __init__(self, world: World, actor: Actor) -> None:
        self._world, self._actor = world, actor
        self._claims = Claims(world, actor)

    def keys(self, change: Change) -> Iterable[Key]:
        return owner_keys(self._world, change, STATEFUL, "StatefulSet")

    def sync(self, key: Key) -> None:
        owner = self._world.store.get(STATEFUL, key)
        if owner is None or owner["metadata"].get("deletionTimestamp"):
            return
        held = {pod["metadata"]["name"]: pod for pod in self._claims.pods(owner)}
        mark = f"{key[1]}-{digest(owner['spec']['template'])}"
        names = [f"{key[1]}-{n}" for n in range(owner["spec"].get("replicas", 1))]
        for number, name in enumerate(names):
            pod = held.get(name)
            if pod is None:
                self._make(owner, name, number, mark)
            elif active(pod) and pod["metadata"]["labels"].get("controller-revision-hash") != mark:
                self._actor.delete(PODS, pod)
        for name in sorted(set(held) - set(names), reverse=True):
            if active(held[name]):
                self._actor.delete(PODS, held[name])
        self._report(owner, mark)

    def _make(self, owner: Json, name: str, number: int, mark: str) -> None:
        labels = {
            "apps.kubernetes.io/pod-index": str(number),
            "controller-revision-hash": mark,
            "statefulset.kubernetes.io/pod-name": name,
        }
        pod = _with_claims(owner, pod_of(owner, name=name, labels=labels))
        spec = {"hostname": name, "subdomain": owner["spec"].get("serviceName", "")}
        pod["spec"] = pod["spec"] | {k: v for k, v in spec.items() if v}
        if self._world.store.get(PODS, (owner["metadata"]["namespace"], name)) is None:
            self._actor.create(PODS, pod)

    def _report(self, owner: Json, mark: str) -> None:
        space = owner["metadata"]["namespace"]
        pods = [p for p in self._world.all("", "pods", space) if is_owned(p, owner) and active(p)]
        good = sum(ready(pod) for pod in pods)
        counts = ("replicas", "currentReplicas", "updatedReplicas")
        found: Json = dict.fromkeys(counts, len(pods)) | {
            "observedGeneration": owner["metadata"].get("generation", 1),
            "readyReplicas": good,
            "availableReplicas": good,
            "currentRevision": mark,
            "updateRevision": mark,
            "collisionCount": 0,
        }
        self._actor.set_status(STATEFUL, key_of(owner), found)


class DaemonSets:
    def __init__(self, world: World, actor: Actor) -> None:
        self._world, self._actor = world, actor
        self._claims = Claims(world, actor)

    def keys(self, change: Change) -> Iterable[Key]:
        if change.place == ("", "nodes"):
            before = (change.before or {}).get("spec")
            if change.type == "MODIFIED" and before == change.body.get("spec"):
                return []
            return [key_of(each) for each in self._world.all(*DAEMONS)]
        return owner_keys(self._world, change, DAEMONS, "DaemonSet")

    def sync(self, key: Key) -> None:
        owner = self._world.store.get(DAEMONS, key)
        if owner is None or owner["metadata"].get("deletionTimestamp"):
            return
        mark = digest(owner["spec"]["template"])
        pods = [pod for pod in self._claims.pods(owner) if active(pod)]
        on = {_aimed(pod): pod for pod in pods}
        nodes = [
            node["metadata"]["name"]
            for node in self._world.all("", "nodes")
            if accepts(node, owner["spec"]["template"]["spec"], daemon=True)
        ]
        for name in nodes:
            pod = on.get(name)
            if pod is None:
                self._actor.create(PODS, _on_node(owner, name, mark))
            elif pod["metadata"]["labels"].get("controller-revision-hash") != mark:
                self._actor.delete(PODS, pod)
        for name in sorted(set(on) - set(nodes)):
            self._actor.delete(PODS, on[name])
        good = sum(ready(pod) for pod in pods)
        found: Json = {
            "currentNumberScheduled": len(pods),
            "desiredNumberScheduled": len(nodes),
            "numberMisscheduled": 0,
            "numberReady": good,
            "numberAvailable": good,
            "updatedNumberScheduled": len(pods),
            "observedGeneration": owner["metadata"].get("generation", 1),
        }
        self._actor.set_status(DAEMONS, key, found)


def _on_node(owner: Json, node: str, mark: str) -> Json:
    pod = pod_of(owner, labels={"controller-revision-hash": mark, "pod-template-generation": "1"})
    field = {"key": "metadata.name", "operator": "In", "values": [node]}
    terms = {"nodeSelectorTerms": [{"matchFields": [field]}]}
    required = {"requiredDuringSchedulingIgnoredDuringExecution": terms}
    tolerated = [
        {"key": "node.kubernetes.io/unschedulable", "operator": "Exists", "effect": "NoSchedule"}
    ]
    pod["spec"] = pod["spec"] | {
        "affinity": {"nodeAffinity": required},
        "tolerations": [*(pod["spec"].get("tolerations") or ()), *tolerated],
    }
    return pod


def _aimed(pod: Json) -> str:
    """The node a DaemonSet's pod is for."""
    try:
        wanted = pod["spec"]["affinity"]["nodeAffinity"]
        terms = wanted["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
        return str(terms[0]["matchFields"][0]["values"][0])
    except (KeyError, IndexError, TypeError):
        return str(pod["spec"].get("nodeName", ""))


class Jobs:
    def __init__(self, world: World, actor: Actor) -> None:
        self._world, self._actor = world, actor

    def keys(self, change: Change) -> Iterable[Key]:
        return owner_keys(self._world, change, JOBS, "Job")

    def sync(self, key: Key) -> None:
        job = self._world.store.get(JOBS, key)
        if job is None or job["metadata"].get("deletionTimestamp"):
            return
        spec = job["spec"]
        pods = [pod for pod in self._world.all("", "pods", key[0]) if is_owned(pod, job)]
        done = sum((pod.get("status") or {}).get("phase") == "Succeeded" for pod in pods)
        lost = sum((pod.get("status") or {}).get("phase") == "Failed" for pod in pods)
        running = [pod for pod in pods if active(pod)]
        left = max(spec.get("completions", 1) - done, 0)
        wanted = 0 if spec.get("suspend") else min(spec.get("parallelism", 1), left)
        failed = lost > spec.get("backoffLimit", 6)
        for _ in range(0 if failed else wanted - len(running)):
            if self._actor.create(PODS, pod_of(job)) is None:
                break
        now = self._world.clock.stamp()
        old = job.get("status") or {}
        found: Json = {"startTime": old.get("startTime", now)}
        counts = {"active": min(wanted, left), "succeeded": done, "failed": lost}
        found |= {name: number for name, number in counts.items() if number}
        kind = "Failed" if failed else "Complete" if not left else ""
        if kind:
            ended = old.get("completionTime", now)
            condition = {"type": kind, "status": "True", "lastTransitionTime": ended}
            found |= {"conditions": [condition]}
            found |= {"completionTime": ended} if kind == "Complete" else {}
        self._actor.set_status(JOBS, key, found)
