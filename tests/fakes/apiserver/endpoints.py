"""Services' Endpoints and EndpointSlices, and the budgets' counts."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tests.fakes.apiserver import budgets
from tests.fakes.apiserver.controllers import Actor
from tests.fakes.apiserver.selectors import selects
from tests.fakes.apiserver.storage import Change, Key, Place
from tests.fakes.apiserver.world import World, finished, key_of, owner_reference, ready

Json = dict[str, Any]
SERVICES: Place = ("", "services")
ENDPOINTS: Place = ("", "endpoints")
SLICES: Place = ("discovery.k8s.io", "endpointslices")
BUDGETS: Place = ("policy", "poddisruptionbudgets")


class Endpoints:
    def __init__(self, world: World, actor: Actor) -> None:
        self._world, self._actor = world, actor

    def keys(self, change: Change) -> Iterable[Key]:
        if change.place == SERVICES:
            return [change.key]
        if change.place != ("", "pods"):
            return []
        bodies = [body for body in (change.body, change.before) if body]
        return [
            key_of(service)
            for service in self._world.all(*SERVICES, change.key[0])
            if any(_selected(service, body) for body in bodies)
        ]

    def sync(self, key: Key) -> None:
        service = self._world.store.get(SERVICES, key)
        if service is None:
            old = self._world.store.get(ENDPOINTS, key)
            if old is not None:
                self._actor.delete(ENDPOINTS, old)
            return
        if not (service.get("spec") or {}).get("selector"):
            return
        pods = [
            pod
            for pod in self._world.all("", "pods", key[0])
            if _selected(service, pod) and (pod.get("status") or {}).get("podIP")
            if not finished(pod)
        ]
        self._slice(service, key, pods)
        self._legacy(service, key, pods)

    def _slice(self, service: Json, key: Key, pods: list[Json]) -> None:
        label = {"kubernetes.io/service-name": key[1]}
        body: Json = {
            "addressType": "IPv4",
            "endpoints": [_endpoint(pod) for pod in pods],
            "ports": _ports(service, pods),
        }
        body = {name: value for name, value in body.items() if value}
        for old in self._world.all(*SLICES, key[0]):
            if (old["metadata"].get("labels") or {}).items() >= label.items():
                self._actor.modify(SLICES, key_of(old), lambda o: _head(o) | body)
                return
        made = "endpointslice-controller.k8s.io"
        meta = {
            "generateName": f"{key[1]}-",
            "namespace": key[0],
            "labels": label | {"endpointslice.kubernetes.io/managed-by": made},
            "ownerReferences": [owner_reference(service)],
        }
        self._actor.create(SLICES, body | {"metadata": meta})

    def _legacy(self, service: Json, key: Key, pods: list[Json]) -> None:
        good = [_address(pod) for pod in pods if ready(pod)]
        bad = [_address(pod) for pod in pods if not ready(pod)]
        subset: Json = {"ports": _ports(service, pods)}
        subset |= {"addresses": good} if good else {}
        subset |= {"notReadyAddresses": bad} if bad else {}
        subsets = {"subsets": [subset]} if pods else {}
        if self._world.store.get(ENDPOINTS, key) is None:
            meta = {"name": key[1], "namespace": key[0]}
            self._actor.create(ENDPOINTS, {"metadata": meta} | subsets)
        else:
            self._actor.modify(
                ENDPOINTS, key, lambda o: {k: v for k, v in o.items() if k != "subsets"} | subsets
            )


def _head(body: Json) -> Json:
    return {key: body[key] for key in ("metadata", "apiVersion", "kind") if key in body}


def _selected(service: Json, pod: Json) -> bool:
    selector = (service.get("spec") or {}).get("selector")
    return bool(selector) and selects({"matchLabels": selector}, pod["metadata"].get("labels"))


def _reference(pod: Json) -> Json:
    meta = pod["metadata"]
    return {
        "kind": "Pod",
        "name": meta["name"],
        "namespace": meta["namespace"],
        "uid": meta["uid"],
    }


def _endpoint(pod: Json) -> Json:
    leaving = bool(pod["metadata"].get("deletionTimestamp"))
    good = ready(pod)
    return {
        "addresses": [pod["status"]["podIP"]],
        "conditions": {"ready": good and not leaving, "serving": good, "terminating": leaving},
        "nodeName": pod["spec"].get("nodeName", ""),
        "targetRef": _reference(pod),
    }


def _address(pod: Json) -> Json:
    where = {"ip": pod["status"]["podIP"], "nodeName": pod["spec"].get("nodeName", "")}
    return where | {"targetRef": _reference(pod)}


def _ports(service: Json, pods: list[Json]) -> list[Json]:
    found = []
    for port in service["spec"].get("ports") or ():
        number = _number(port.get("targetPort", port.get("port")), pods)
        if number is None:
            continue
        body = {"port": number, "protocol": port.get("protocol", "TCP")}
        found.append({"name": port.get("name", "")} | body)
    return found


def _number(target: Any, pods: list[Json]) -> int | None:
    """A target port's number; a named one is looked up in the pods."""
    if isinstance(target, int):
        return target
    for pod in pods:
        for container in pod["spec"].get("containers") or ():
            for port in container.get("ports") or ():
                if port.get("name") == target:
                    return int(port["containerPort"])
    return None


class Budgets:
    def __init__(self, world: World, actor: Actor) -> None:
        self._world, self._actor = world, actor

    def keys(self, change: Change) -> Iterable[Key]:
        if change.place == BUDGETS:
            return [change.key]
        if change.place == ("", "pods"):
            return [
                key_of(each)
                for each in self._world.all(*BUDGETS, change.key[0])
                if selects(each["spec"].get("selector"), change.body["metadata"].get("labels"))
            ]
        if change.place == ("apps", "replicasets"):
            return [key_of(each) for each in self._world.all(*BUDGETS, change.key[0])]
        return []

    def sync(self, key: Key) -> None:
        budget = self._world.store.get(BUDGETS, key)
        if budget is not None:
            self._actor.set_status(BUDGETS, key, budgets.counted(self._world, budget))
