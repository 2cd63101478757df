"""Rules about staying up: replicas, disruption budgets, autoscalers, jobs and selectors."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from haechi.checks.labels import is_empty, selects, wording
from haechi.checks.lookup import Groups, grouped, named
from haechi.checks.neighbours import (
    belong_together,
    beside,
    may_share_namespace,
    pod_labels,
    sees_the_pods,
    selected,
    spec_of,
    view,
)
from haechi.checks.pods.view import items, mapping
from haechi.model.resource import Resource
from haechi.model.review import Hit, Review

_HPA = "autoscaling/HorizontalPodAutoscaler"
_SCALABLE = ("Deployment", "StatefulSet", "ReplicaSet", "ReplicationController")


def single_replica(review: Review) -> Iterator[Hit]:
    """One replica, and no autoscaler in the scope that would make it more."""
    replicas = spec_of(review.resource.data).get("replicas", 1)
    if replicas != 1 or _is_scaled(review, review.resource, _HPA, "keda.sh/ScaledObject"):
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
    if not any(selected(review, selector)):
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
    chosen = list(selected(review, body.get("selector"), linked=True))
    if len(chosen) != 1 or chosen[0].kind not in _SCALABLE:
        return
    replicas = spec_of(chosen[0].data).get("replicas", 1)
    if not isinstance(replicas, int) or _is_scaled(review, chosen[0], _HPA):
        return
    if 0 < replicas <= wanted:
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
    resource = review.resource
    if (kind, resource.namespace) not in _workload_places(review):
        return
    if not any(w.kind == kind and may_share_namespace(resource, w) for w in _called(review, name)):
        text = (
            f'HorizontalPodAutoscaler "{review.resource.name}" scales {kind} "{name}", which is '
            "not in these files"
        )
        yield Hit(text, ("spec", "scaleTargetRef", "name"))


def scaler_without_requests(review: Review) -> Iterator[Hit]:
    """Utilisation is a share of the request; without one the autoscaler does nothing."""
    wanted = _utilisation(spec_of(review.resource.data))
    for workload in _called(review, _target(review.resource)[1]) if wanted else ():
        if not _targets(review.resource, workload):
            continue
        if not belong_together(review.resource, workload):
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
    found = [
        service
        for service in named(review, "core/Service", name)
        if may_share_namespace(review.resource, service)
    ]
    meant = [service for service in found if belong_together(review.resource, service)]
    if meant and all(spec_of(s.data).get("clusterIP") != "None" for s in meant):
        yield Hit(f'{who} is governed by Service "{name}", which is not headless', _SERVICE_NAME)
    elif not found and beside(review, "core/Service"):
        yield Hit(f'{who} names Service "{name}", which is not in these files', _SERVICE_NAME)


_SERVICE_NAME = ("spec", "serviceName")


def _target(scaler: Resource) -> tuple[Any, str]:
    """Kind and name of what a scaler scales."""
    ref = mapping(spec_of(scaler.data).get("scaleTargetRef"))
    name = ref.get("name")
    return ref.get("kind", "Deployment"), name if isinstance(name, str) else ""


def _targets(scaler: Resource, workload: Resource) -> bool:
    return bool(_target(scaler) == (workload.kind, workload.name))


def _is_scaled(review: Review, workload: Resource, *types: str) -> bool:
    """Whether a scaler that may be in the reviewed object's namespace targets the workload."""
    for type_ in types:

        def by_target(type_: str = type_) -> Iterator[tuple[str, Resource]]:
            return ((_target(one)[1], one) for one in review.scope.of_type(type_))

        scalers = grouped(review, f"{type_} by target", by_target).get(workload.name, ())
        for scaler in scalers:
            if _targets(scaler, workload) and may_share_namespace(review.resource, scaler):
                return True
    return False


def _called(review: Review, name: str) -> Sequence[Resource]:
    """The workloads of a name, of any kind and namespace."""
    return grouped(
        review, "workloads by name", lambda: ((w.name, w) for w in review.scope.workloads())
    ).get(name, ())


def _workload_places(review: Review) -> Groups:
    """The workloads by kind and namespace."""
    return grouped(
        review,
        "workloads by kind and namespace",
        lambda: (((w.kind, w.namespace), w) for w in review.scope.workloads()),
    )


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
