"""Pods, addresses and containers lead to their workloads, and nowhere once they are gone."""

from __future__ import annotations

from typing import Any

import pytest

from haechi.world.kube.cluster import Kept, kept_of
from haechi.world.kube.places import Named, Places


def kept(kind: str, name: str, *, owner: tuple[str, str, str] | None = None, **parts: Any) -> Kept:
    group = {"Pod": "v1", "Service": "v1", "Node": "v1", "Job": "batch/v1"}.get(kind, "apps/v1")
    metadata: dict[str, Any] = {"name": name, "namespace": "shop"}
    if owner is not None:
        api, kind_, name_ = owner
        metadata["ownerReferences"] = [
            {"apiVersion": "x/v1", "kind": "Other", "name": "no"},
            {"apiVersion": api, "kind": kind_, "name": name_, "controller": True},
        ]
    found = kept_of({"apiVersion": group, "kind": kind, "metadata": metadata, **parts})
    assert found is not None
    return found


def running(ip: str, *containers: str, **more: Any) -> dict[str, Any]:
    statuses = [{"name": "c", "containerID": f"containerd://{one}"} for one in containers]
    return {"status": {"phase": "Running", "podIP": ip, "containerStatuses": statuses, **more}}


@pytest.mark.parametrize(
    ("owners", "top"),
    [
        ([], ("", "Pod", "p")),
        ([("apps/v1", "ReplicaSet", "r")], ("apps", "ReplicaSet", "r")),
        (
            [("apps/v1", "ReplicaSet", "r"), ("apps/v1", "Deployment", "d")],
            ("apps", "Deployment", "d"),
        ),
        (
            [("apps/v1", "ReplicaSet", "r"), ("argoproj.io/v1alpha1", "Rollout", "o")],
            ("argoproj.io", "Rollout", "o"),
        ),
        ([("batch/v1", "Job", "j"), ("batch/v1", "CronJob", "c")], ("batch", "CronJob", "c")),
        ([("apps/v1", "StatefulSet", "s")], ("apps", "StatefulSet", "s")),
        ([("v1", "Node", "n")], ("", "Pod", "p")),
    ],
    ids=["alone", "replicas", "deployment", "rollout", "cron", "stateful", "static"],
)
def test_owners_are_followed_to_the_top(
    owners: list[tuple[str, str, str]], top: tuple[str, str, str]
) -> None:
    places = Places()
    name, kind = "p", "Pod"
    for owner in [*owners, None]:
        if kind in ("Pod", "ReplicaSet", "Job"):
            places.put(
                kept(kind, name, owner=owner, **(running("10.0.0.1") if kind == "Pod" else {}))
            )
        if owner is not None:
            _, kind, name = owner
    group, kind_, name_ = top
    wanted = Named(group, kind_, "shop", name_)
    assert places.workload_of("shop", "p") == wanted
    assert places.of_address("10.0.0.1") == wanted


def test_an_address_that_a_later_pod_took_over_stays_with_that() -> None:
    places = Places()
    old = kept("Pod", "old", **running("10.0.0.1", "a" * 64))
    places.put(old)
    places.put(kept("Pod", "new", **running("10.0.0.1", "b" * 64)))
    places.drop(old.type, "shop", "old")
    found = places.of_address("10.0.0.1")
    assert found is not None and found.name == "new"
    assert places.pod_of("a" * 64) is None
    assert places.pod_of("b" * 12) == ("shop", "new")


@pytest.mark.parametrize(
    "parts",
    [
        running("10.0.0.1", phase="Succeeded"),
        running("10.0.0.1", phase="Failed"),
        {**running("10.0.0.1"), "spec": {"hostNetwork": True}},
        {},
    ],
    ids=["done", "failed", "host", "new"],
)
def test_an_address_that_is_not_its_own_is_not_taken(parts: dict[str, Any]) -> None:
    places = Places()
    places.put(kept("Pod", "p", **parts))
    assert places.of_address("10.0.0.1") is None
    assert places.workload_of("shop", "p") == Named("", "Pod", "shop", "p")


def test_both_families_services_and_nodes() -> None:
    places = Places()
    places.put(
        kept("Pod", "p", **running("10.0.0.1", podIPs=[{"ip": "10.0.0.1"}, {"ip": "fd00::1"}]))
    )
    places.put(
        kept(
            "Service",
            "s",
            spec={"clusterIP": "None", "clusterIPs": ["None"], "externalIPs": ["203.0.113.5"]},
            status={"loadBalancer": {"ingress": [{"ip": "203.0.113.6"}, {"hostname": "x"}]}},
        )
    )
    addresses = [
        {"type": "InternalIP", "address": "192.0.2.1"},
        {"type": "Hostname", "address": "node"},
    ]
    places.put(kept("Node", "n", status={"addresses": addresses}))
    asked = ("fd00::1", "203.0.113.5", "203.0.113.6", "192.0.2.1", "None", "node")
    found = [places.of_address(one) for one in asked]
    assert [one.name if one else "" for one in found] == ["p", "s", "s", "n", "", ""]


def test_owners_in_a_circle_end() -> None:
    places = Places()
    for one, other in (("a", "b"), ("b", "a")):
        places.put(kept("ReplicaSet", one, owner=("apps/v1", "ReplicaSet", other)))
    places.put(kept("Pod", "p", owner=("apps/v1", "ReplicaSet", "a")))
    found = places.workload_of("shop", "p")
    assert found is not None and found.kind == "ReplicaSet"


def test_a_pod_that_is_not_as_pods_are_is_passed_over() -> None:
    places = Places()
    places.put(kept("Pod", "p", status={"podIP": 5}))
    assert places.workload_of("shop", "p") is None
