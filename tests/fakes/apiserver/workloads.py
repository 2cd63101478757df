"""Deployments, ReplicaSets, StatefulSets, DaemonSets and Jobs: who makes which pods."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any

from tests.fakes.apiserver.controllers import Actor
from tests.fakes.apiserver.selectors import selects
from tests.fakes.apiserver.storage import Change, Key, Place
from tests.fakes.apiserver.world import (
    World,
    controller_of,
    finished,
    key_of,
    owner_reference,
    ready,
)

Json = dict[str, Any]
PODS: Place = ("", "pods")
SETS: Place = ("apps", "replicasets")
DEPLOYMENTS: Place = ("apps", "deployments")
REVISION = "deployment.kubernetes.io/revision"
HASH = "pod-template-hash"
_LETTERS = "bcdfghjklmnpqrstvwxz2456789"


def digest(template: Json, length: int = 10) -> str:
    text = json.dumps(template, sort_keys=True).encode()
    number = int.from_bytes(hashlib.sha256(text).digest()[:12], "big")
    letters = []
    for _ in range(length):
        number, place = divmod(number, len(_LETTERS))
        letters.append(_LETTERS[place])
    return "".join(letters)


def active(pod: Json) -> bool:
    return not finished(pod) and not pod["metadata"].get("deletionTimestamp")


def is_owned(body: Json, owner: Json) -> bool:
    reference = controller_of(body)
    return reference is not None and reference["uid"] == owner["metadata"]["uid"]


def without_owner(owner: Json) -> Any:
    uid = owner["metadata"]["uid"]

    def change(body: Json) -> Json:
        kept = [r for r in body["metadata"].get("ownerReferences") or () if r["uid"] != uid]
        meta = {k: v for k, v in body["metadata"].items() if k != "ownerReferences"}
        return body | {"metadata": meta | ({"ownerReferences": kept} if kept else {})}

    return change


def with_owner(owner: Json) -> Any:
    def change(body: Json) -> Json:
        references = [*(body["metadata"].get("ownerReferences") or ()), owner_reference(owner)]
        return body | {"metadata": body["metadata"] | {"ownerReferences": references}}

    return change


def pod_of(owner: Json, *, name: str = "", labels: Json | None = None) -> Json:
    """A pod by the owner's template."""
    template, meta = owner["spec"]["template"], owner["metadata"]
    own = template.get("metadata") or {}
    made: Json = {
        "namespace": meta["namespace"],
        "labels": (own.get("labels") or {}) | (labels or {}),
        "ownerReferences": [owner_reference(owner)],
    }
    if own.get("annotations"):
        made["annotations"] = own["annotations"]
    made |= {"name": name} if name else {"generateName": f"{meta['name']}-"}
    return {"metadata": made, "spec": template["spec"]}


class Claims:
    """A workload's pods: those it owns, less those it must let go, plus those it may take."""

    def __init__(self, world: World, actor: Actor) -> None:
        self.world, self.actor = world, actor

    def pods(self, owner: Json) -> list[Json]:
        selector, space = owner["spec"].get("selector") or {}, owner["metadata"]["namespace"]
        if not ({"matchLabels", "matchExpressions"} & set(selector)):
            selector = {"matchLabels": selector}
        leaving = owner["metadata"].get("deletionTimestamp")
        held = []
        for pod in self.world.all("", "pods", space):
            fits = selects(selector, pod["metadata"].get("labels"))
            if is_owned(pod, owner):
                if fits or pod["metadata"].get("deletionTimestamp"):
                    held.append(pod)
                else:
                    self.actor.modify(PODS, key_of(pod), without_owner(owner))
            elif fits and controller_of(pod) is None and active(pod) and not leaving:
                self.actor.modify(PODS, key_of(pod), with_owner(owner))
                held.append(self.world.store.get(PODS, key_of(pod)) or pod)
        return held


def owner_keys(world: World, change: Change, place: Place, kind: str) -> Iterable[Key]:
    """The workloads of a kind that a change concerns: itself, its pods, and would-be owners."""
    if change.place == place:
        return [change.key]
    if change.place != PODS:
        return []
    found = []
    for body in (change.body, change.before or {}):
        owner = controller_of(body) if body else None
        if owner is not None and owner["kind"] == kind:
            found.append((change.key[0], owner["name"]))
    if controller_of(change.body) is None and change.type != "DELETED":
        labels = change.body["metadata"].get("labels")
        there = world.all(*place, change.key[0])
        found += [key_of(each) for each in there if selects(each["spec"].get("selector"), labels)]
    return found


class ReplicaSets:
    def __init__(self, world: World, actor: Actor) -> None:
        self._world, self._actor = world, actor
        self._claims = Claims(world, actor)

    def keys(self, change: Change) -> Iterable[Key]:
        return owner_keys(self._world, change, SETS, "ReplicaSet")

    def sync(self, key: Key) -> None:
        owner = self._world.store.get(SETS, key)
        if owner is None:
            return
        pods = [pod for pod in self._claims.pods(owner) if active(pod)]
        wanted = owner["spec"].get("replicas", 1)
        if not owner["metadata"].get("deletionTimestamp"):
            for _ in range(wanted - len(pods)):
                made = self._actor.create(PODS, pod_of(owner))
                if made is None:
                    break
                pods.append(made)
            for pod in sorted(pods, key=self._rank)[: max(len(pods) - wanted, 0)]:
                self._actor.delete(PODS, pod)
                pods.remove(pod)
        good = sum(ready(pod) for pod in pods)
        counts = {"replicas": len(pods), "fullyLabeledReplicas": len(pods)}
        if good:
            counts |= {"readyReplicas": good, "availableReplicas": good}
        generation = owner["metadata"].get("generation", 1)
        self._actor.set_status(SETS, key, counts | {"observedGeneration": generation})

    def _rank(self, pod: Json) -> tuple[bool, bool, bool, int, int]:
        """Who goes first, as the controller ranks: on no node, pending, not ready, cheap, young."""
        notes = pod["metadata"].get("annotations") or {}
        cost = int(notes.get("controller.kubernetes.io/pod-deletion-cost", "0"))
        started = (pod.get("status") or {}).get("phase") not in (None, "Pending")
        born = self._world.store.born(PODS, key_of(pod))
        return bool(pod["spec"].get("nodeName")), started, ready(pod), cost, -born


class Deployments:
    def __init__(self, world: World, actor: Actor) -> None:
        self._world, self._actor = world, actor

    def keys(self, change: Change) -> Iterable[Key]:
        if change.place == DEPLOYMENTS:
            return [change.key]
        if change.place != SETS:
            return []
        owner = controller_of(change.body)
        return [(change.key[0], owner["name"])] if owner else []

    def sync(self, key: Key) -> None:
        deployment = self._world.store.get(DEPLOYMENTS, key)
        if deployment is None or deployment["metadata"].get("deletionTimestamp"):
            return
        sets = [s for s in self._world.all(*SETS, key[0]) if is_owned(s, deployment)]
        current = next((s for s in sets if _same(s, deployment)), None)
        wanted = deployment["spec"].get("replicas", 1)
        if current is None:
            revision = 1 + max((_revision(s) for s in sets), default=0)
            current = self._actor.create(SETS, _set_of(deployment, revision))
            if current is None:
                return
            self._mark(key, revision)
            sets.append(current)
        else:
            revision = max(_revision(s) for s in sets)
            if _revision(current) < revision:
                self._actor.modify(SETS, key_of(current), _revised(revision + 1))
                self._mark(key, revision + 1)
        for each in sets:
            count = wanted if each["metadata"]["uid"] == current["metadata"]["uid"] else 0
            self._actor.modify(SETS, key_of(each), _scaled(count))
        self._report(deployment, current, sets)

    def _mark(self, key: Key, revision: int) -> None:
        self._actor.modify(DEPLOYMENTS, key, _revised(revision))

    def _report(self, deployment: Json, current: Json, sets: list[Json]) -> None:
        def count(which: Iterable[Json], field: str) -> int:
            states = (self._world.store.get(SETS, key_of(s)) or {} for s in which)
            return sum((state.get("status") or {}).get(field, 0) for state in states)

        good, wanted = count(sets, "readyReplicas"), deployment["spec"].get("replicas", 1)
        now = deployment["metadata"]["creationTimestamp"]
        state = "True" if good >= wanted else "False"
        reason = "MinimumReplicasAvailable" if state == "True" else "MinimumReplicasUnavailable"
        condition = {"lastTransitionTime": now, "lastUpdateTime": now}
        found: Json = {
            "observedGeneration": deployment["metadata"].get("generation", 1),
            "conditions": [condition | {"type": "Available", "status": state, "reason": reason}],
        }
        counts = {
            "replicas": count(sets, "replicas"),
            "updatedReplicas": count([current], "replicas"),
            "readyReplicas": good,
            "availableReplicas": good,
            "unavailableReplicas": max(wanted - good, 0),
        }
        found |= {name: number for name, number in counts.items() if number}
        self._actor.set_status(DEPLOYMENTS, key_of(deployment), found)


def _bare_template(body: Json) -> Json:
    template = json.loads(json.dumps(body["spec"]["template"]))
    labels = (template.get("metadata") or {}).get("labels") or {}
    labels.pop(HASH, None)
    return dict(template)


def _same(replica_set: Json, deployment: Json) -> bool:
    return _bare_template(replica_set) == _bare_template(deployment)


def _revision(body: Json) -> int:
    return int((body["metadata"].get("annotations") or {}).get(REVISION, "0"))


def _revised(revision: int) -> Any:
    def change(body: Json) -> Json:
        notes = (body["metadata"].get("annotations") or {}) | {REVISION: str(revision)}
        return body | {"metadata": body["metadata"] | {"annotations": notes}}

    return change


def _scaled(count: int) -> Any:
    return lambda body: body | {"spec": body["spec"] | {"replicas": count}}


def _set_of(deployment: Json, revision: int) -> Json:
    meta, template = deployment["metadata"], _bare_template(deployment)
    mark = digest(template)
    labels = (template["metadata"].get("labels") or {}) | {HASH: mark}
    template["metadata"] = template["metadata"] | {"labels": labels}
    selector = json.loads(json.dumps(deployment["spec"]["selector"]))
    selector.setdefault("matchLabels", {})[HASH] = mark
    notes = {
        "deployment.kubernetes.io/desired-replicas": str(deployment["spec"].get("replicas", 1)),
        REVISION: str(revision),
    }
    return {
        "metadata": {
            "name": f"{meta['name']}-{mark}",
            "namespace": meta["namespace"],
            "labels": labels,
            "annotations": notes,
            "ownerReferences": [owner_reference(deployment)],
        },
        "spec": {
            "replicas": deployment["spec"].get("replicas", 1),
            "selector": selector,
            "template": template,
        },
    }
