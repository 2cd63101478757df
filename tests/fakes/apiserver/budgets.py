"""PodDisruptionBudgets: which pods they count and how many disruptions they still allow."""

from __future__ import annotations

import math
from typing import Any

from tests.fakes.apiserver.selectors import selects
from tests.fakes.apiserver.world import World, controller_of, finished, ready

Json = dict[str, Any]
_SCALED = {"ReplicaSet": "replicasets", "StatefulSet": "statefulsets"}


def of_pod(world: World, pod: Json) -> list[Json]:
    labels = pod["metadata"].get("labels") or {}
    found = world.all("policy", "poddisruptionbudgets", pod["metadata"]["namespace"])
    return [each for each in found if selects((each.get("spec") or {}).get("selector"), labels)]


def counted(world: World, budget: Json) -> Json:
    """The budget's status by the pods there are now."""
    spec, space = budget.get("spec") or {}, budget["metadata"]["namespace"]
    pods = [
        pod
        for pod in world.all("", "pods", space)
        if selects(spec.get("selector"), pod["metadata"].get("labels")) and not finished(pod)
    ]
    names = {
        pod["metadata"]["name"] for pod in pods if not pod["metadata"].get("deletionTimestamp")
    }
    old = budget.get("status") or {}
    disrupted = {k: v for k, v in (old.get("disruptedPods") or {}).items() if k in names}
    healthy = sum(
        ready(pod)
        and not pod["metadata"].get("deletionTimestamp")
        and pod["metadata"]["name"] not in disrupted
        for pod in pods
    )
    expected, desired = _wanted(world, spec, pods)
    status: Json = {
        "observedGeneration": budget["metadata"].get("generation", 1),
        "currentHealthy": healthy,
        "desiredHealthy": desired,
        "expectedPods": expected,
        "disruptionsAllowed": max(healthy - desired, 0) if expected else 0,
    }
    return status | ({"disruptedPods": disrupted} if disrupted else {})


def _wanted(world: World, spec: Json, pods: list[Json]) -> tuple[int, int]:
    """How many pods there should be, and how many of them healthy."""
    lowest, highest = spec.get("minAvailable"), spec.get("maxUnavailable")
    if highest is not None:
        expected = _expected(world, pods)
        return expected, max(expected - _share(highest, expected), 0)
    if isinstance(lowest, str):
        expected = _expected(world, pods)
        return expected, _share(lowest, expected)
    return len(pods), int(lowest if lowest is not None else 1)


def _share(value: Any, whole: int) -> int:
    if isinstance(value, str) and value.endswith("%"):
        return math.ceil(int(value[:-1]) * whole / 100)
    return int(value)


def _expected(world: World, pods: list[Json]) -> int:
    """The sum of the pods' controllers' replicas; bare pods count for none."""
    owners: dict[str, int] = {}
    for pod in pods:
        owner = controller_of(pod)
        plural = _SCALED.get((owner or {}).get("kind", ""))
        if owner is None or plural is None:
            continue
        body = world.find("apps", plural, pod["metadata"]["namespace"], owner["name"])
        if body is not None:
            owners[owner["uid"]] = (body.get("spec") or {}).get("replicas", 1)
    return sum(owners.values())


def asks(budget: Json, status: Json, pod: Json) -> bool:
    """Whether evicting this pod needs the budget's leave."""
    if ready(pod):
        return True
    policy = (budget.get("spec") or {}).get("unhealthyPodEvictionPolicy", "IfHealthyBudget")
    if policy == "AlwaysAllow":
        return False
    healthy = status["currentHealthy"] >= status["desiredHealthy"] > 0
    return not healthy
