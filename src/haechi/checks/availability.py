"""Rules about staying up: replicas, disruption budgets, autoscalers, jobs and selectors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from haechi.checks.labels import is_empty, selects, wording
from haechi.checks.neighbours import (
    belong_together,
    linked_workloads,
    of_type,
    pod_labels,
    sees_the_pods,
    spec_of,
    view,
    workloads,
)
from haechi.checks.pods.view import items, mapping
from haechi.model.resource import Resource
from haechi.model.review import Hit, Review

_SCALABLE = ("Deployment", "StatefulSet", "ReplicaSet", "ReplicationController")


def single_replica(review: Review) -> Iterator[Hit]:
    """One replica, and no autoscaler in the scope that would make it more."""
    replicas = spec_of(review.resource.data).get("replicas", 1)
    if replicas != 1 or any(
        _targets(hpa, review.resource)
        for hpa in of_type(review, "autoscaling/HorizontalPodAutoscaler", "keda.sh/ScaledObject")
    ):
        return
    text = f'{review.resource.kind} "{review.resource.name}" runs one replica'
    yield Hit(text, ("spec", "replicas"))


def selector_mismatch(review: Review) -> Iterator[Hit]:
    """A selector that does not match the workload's own template: the API server refuses it."""
    selector = spec_of(review.resource.data).get("selector")
    if review.resource.kind == "Job" or not isinstance(selector, dict) or is_empty(selector):
        return
    own = pod_labels(review, review.resource)
    if "template" in spec_of(review.resource.data) and not selects(selector, own):
        text = (
            f'{review.resource.kind} "{review.resource.name}" selects {wording(selector)}, which '
            "its own pod template does not carry"
        )
        yield Hit(text, ("spec", "selector"))


def budget_selects_nothing(review: Review) -> Iterator[Hit]:
    """A PodDisruptionBudget that no workload answers to."""
    selector = spec_of(review.resource.data).get("selector")
    if not isinstance(selector, dict) or is_empty(selector) or not sees_the_pods(review):
        return
    if not any(selects(selector, pod_labels(review, w)) for w in workloads(review)):
        text = (
            f'PodDisruptionBudget "{review.resource.name}" selects {wording(selector)}, and no '
            "workload in these files makes such pods"
        )
        yield Hit(text, ("spec", "selector"))


def budget_needs_all(review: Review) -> Iterator[Hit]:
    """minAvailable as high as the replicas of the only workload it selects."""
    body = spec_of(review.resource.data)
    wanted = body.get("minAvailable")
    if not isinstance(wanted, int) or isinstance(wanted, bool) or wanted < 1:
        return
    selector = body.get("selector")
    chosen = [w for w in linked_workloads(review) if selects(selector, pod_labels(review, w))]
    if len(chosen) != 1 or chosen[0].kind not in _SCALABLE:
        return
    replicas = spec_of(chosen[0].data).get("replicas", 1)
    scaled = any(
        _targets(hpa, chosen[0]) for hpa in of_type(review, "autoscaling/HorizontalPodAutoscaler")
    )
    if isinstance(replicas, int) and 0 < replicas <= wanted and not scaled:
        text = (
            f'PodDisruptionBudget "{review.resource.name}" wants {wanted} of the {replicas} '
            f'replicas of {chosen[0].kind} "{chosen[0].name}" available, so no node can be drained'
        )
        yield Hit(text, ("spec", "minAvailable"))


def scaler_target_missing(review: Review) -> Iterator[Hit]:
    """An autoscaler whose target is not in the scope, though others of its kind are."""
    ref = mapping(spec_of(review.resource.data).get("scaleTargetRef"))
    kind, name = ref.get("kind"), ref.get("name")
    if kind not in _SCALABLE or not isinstance(name, str):
        return
    known = [w for w in workloads(review) if w.kind == kind]
    if review.scope.near(review.resource, known) and all(w.name != name for w in known):
        text = (
            f'HorizontalPodAutoscaler "{review.resource.name}" scales {kind} "{name}", which is '
            "not in these files"
        )
        yield Hit(text, ("spec", "scaleTargetRef", "name"))


def scaler_without_requests(review: Review) -> Iterator[Hit]:
    """Utilisation is a share of the request; without one the autoscaler does nothing."""
    wanted = _utilisation(spec_of(review.resource.data))
    for workload in linked_workloads(review):
        if not wanted or not _targets(review.resource, workload):
            continue
        pod = view(review, workload)
        for container in pod.main if pod else ():
            resources = mapping(container.data.get("resources"))
            given = {**mapping(resources.get("limits")), **mapping(resources.get("requests"))}
            for name, path in wanted.items():
                if name not in given:
                    text = (
                        f'HorizontalPodAutoscaler "{review.resource.name}" scales on {name}, and '
                        f'container "{container.name}" of {workload.kind} "{workload.name}" '
                        f"requests none"
                    )
                    yield Hit(text, path)
                    return


def headless_service(review: Review) -> Iterator[Hit]:
    """A StatefulSet whose governing Service is absent or has a cluster address."""
    name = spec_of(review.resource.data).get("serviceName")
    who = f'StatefulSet "{review.resource.name}"'
    if not isinstance(name, str) or not name:
        if not {"template", "selector"} <= spec_of(review.resource.data).keys():
            return  # a patch, not the whole object
        yield Hit(f"{who} names no serviceName, so its pods get no stable names", _SERVICE_NAME)
        return
    known = of_type(review, "core/Service")
    found = [service for service in known if service.name == name]
    meant = [service for service in found if belong_together(review.resource, service)]
    if meant and all(spec_of(s.data).get("clusterIP") != "None" for s in meant):
        yield Hit(f'{who} is governed by Service "{name}", which is not headless', _SERVICE_NAME)
    elif not found and review.scope.near(review.resource, known):
        yield Hit(f'{who} names Service "{name}", which is not in these files', _SERVICE_NAME)


_SERVICE_NAME = ("spec", "serviceName")


def _targets(scaler: Resource, workload: Resource) -> bool:
    ref = mapping(spec_of(scaler.data).get("scaleTargetRef"))
    kind = ref.get("kind", "Deployment")
    return bool(kind == workload.kind and ref.get("name") == workload.name)


def _utilisation(body: Any) -> dict[str, tuple[str | int, ...]]:
    """Resources that an autoscaler measures as a share of the request, with their places."""
    wanted: dict[str, tuple[str | int, ...]] = {}
    if "targetCPUUtilizationPercentage" in body:
        wanted["cpu"] = ("spec", "targetCPUUtilizationPercentage")
    for index, entry in enumerate(items(body.get("metrics"))):
        resource = mapping(mapping(entry).get("resource"))
        name, target = resource.get("name"), mapping(resource.get("target"))
        by_share = target.get("type") == "Utilization" or "targetAverageUtilization" in resource
        if isinstance(name, str) and by_share:
            wanted[name] = ("spec", "metrics", index)
    return wanted
