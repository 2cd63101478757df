"""Who is to be isolated: the pods behind a resource's key, and what started them.

A pod belongs to a workload by its controllers (pod → ReplicaSet → Deployment, pod → Job →
CronJob). A ReplicaSet that was not read is recognised by the name that its Deployment gives it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from haechi.checks.pods.view import mapping, template_path
from haechi.checks.reach import Network, Pod
from haechi.checks.reach.pods import Owner, owner_of, pod_of
from haechi.checks.reach.selectors import Labels, Unreadable, selector_of, selector_of_map
from haechi.errors import InputError
from haechi.model.keys import object_name
from haechi.model.resource import Resource

_OWN_SELECTOR = ("Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "ReplicationController")


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """``pods`` run now; ``whole``: the workload itself is meant, with the pods still to come.

    ``selector`` selects these pods and no pod of anybody else. ``template`` are
    the pods to come, None for a bare pod.
    """

    resource: Resource
    pods: tuple[Pod, ...]
    ended: tuple[Pod, ...] = ()
    whole: bool = True
    selector: Mapping[str, Any] | None = None
    template: Pod | None = None

    @property
    def namespace(self) -> str:
        return self.resource.namespace or "default"


def target_of(
    objects: Sequence[Resource],
    network: Network,
    resource: str,
    pods: Sequence[str] | None,
    *,
    mark: str,
    gone_is_fine: bool = False,
) -> Target:
    """Raises InputError for a resource that is not there, runs no pods, or lacks a pod asked for.

    ``mark`` is the label of this action: pods that carry it belong to it, whoever owns them now.
    """
    found = _resource(objects, resource)
    if pods is not None:
        chosen = _named(network, found, pods, gone_is_fine=gone_is_fine)
        return _target(found, chosen, whole=False)
    if found.type == "core/Pod":
        return _target(found, _named(network, found, (found.key,)), whole=False)
    owners = _Owners(objects)
    mine = [
        pod
        for pod in network.pods
        if pod.namespace == found.namespace
        and (mark in pod.labels.values or owners.belongs(pod, found))
    ]
    template = pod_of(found, network.spaces)
    running = [pod for pod in mine if not pod.ended]
    selector = _selector(found, network, running, template)
    return _target(found, mine, whole=True, selector=selector, template=template)


def _resource(objects: Sequence[Resource], key: str) -> Resource:
    for one in objects:
        if one.key == key:
            if template_path(one) is None:
                raise InputError(
                    f"{one.label} runs no pods that could be isolated",
                    do="name a Pod, Deployment, StatefulSet, DaemonSet, Job or CronJob",
                )
            return one
    raise InputError(
        f"{key} is not in the cluster's state",
        why="it was deleted, or the state is older than it",
        do="look at the cluster again, then plan anew",
    )


def _named(
    network: Network, resource: Resource, wanted: Sequence[str], *, gone_is_fine: bool = False
) -> list[Pod]:
    by_name: dict[str, Pod] = {}
    for pod in network.pods:
        if pod.namespace == resource.namespace:
            by_name[pod.resource.key] = by_name[pod.name] = pod
    missing = [name for name in wanted if name not in by_name]
    if missing and not gone_is_fine:
        raise InputError(
            f"no pod {', '.join(missing)} in namespace {resource.namespace}",
            why="it ended and was removed, or was never there",
            do="plan for the workload as a whole, or for the pods that run now",
        )
    return [by_name[name] for name in dict.fromkeys(wanted) if name in by_name]


def _target(
    resource: Resource,
    pods: Sequence[Pod],
    *,
    whole: bool,
    selector: Mapping[str, Any] | None = None,
    template: Pod | None = None,
) -> Target:
    unique = {pod.resource.key: pod for pod in pods}.values()
    return Target(
        resource=resource,
        pods=tuple(sorted((pod for pod in unique if not pod.ended), key=lambda pod: pod.name)),
        ended=tuple(pod for pod in unique if pod.ended),
        whole=whole,
        selector=selector,
        template=template,
    )


def cluster_of(key: str) -> str:
    """The cluster in the key of a Kubernetes object; empty when it names none."""
    found = object_name(key)
    return found.cluster if found is not None else ""


class _Owners:
    """Controllers of the objects between pods and workloads."""

    def __init__(self, objects: Sequence[Resource]) -> None:
        self._between: dict[tuple[str, str | None, str], Owner | None] = {
            (one.kind, one.namespace, one.name): owner_of(
                mapping(mapping(one.data).get("metadata"))
            )
            for one in objects
            if one.type in ("apps/ReplicaSet", "batch/Job")
        }

    def belongs(self, pod: Pod, workload: Resource) -> bool:
        owner, uid = pod.owner, _uid(workload)
        for _ in range(3):
            if owner is None:
                return False
            kind, name, of = owner
            if (kind, name) == (workload.kind, workload.name):
                return not (uid and of) or uid == of
            key = (kind, pod.namespace, name)
            if key not in self._between:
                return kind == "ReplicaSet" and _named_by(workload, name, pod)
            owner = self._between[key]
        return False


def _named_by(workload: Resource, name: str, pod: Pod) -> bool:
    """A ReplicaSet that was not read: a Deployment calls it by its own name and the pods' hash."""
    made = pod.labels.values.get("pod-template-hash")
    return workload.kind == "Deployment" and bool(made) and name == f"{workload.name}-{made}"


def _uid(resource: Resource) -> str:
    uid = mapping(mapping(resource.data).get("metadata")).get("uid")
    return uid if isinstance(uid, str) else ""


def selector_matches(resource: Resource, labels: Labels) -> bool:
    """Whether a controller's or Service's selector selects these labels."""
    spec = mapping(mapping(resource.data).get("spec"))
    try:
        if resource.kind in ("Service", "ReplicationController"):
            found = selector_of_map(spec.get("selector"))
        else:
            found = selector_of(spec["selector"]) if spec.get("selector") else None
    except Unreadable:
        return False
    return found is not None and bool(found.matches(labels))


def _selector(
    resource: Resource, network: Network, mine: Sequence[Pod], template: Pod | None
) -> Mapping[str, Any] | None:
    """A LabelSelector that means the workload's pods, all and alone: its own, or that of its
    template's labels."""
    raw = mapping(mapping(resource.data).get("spec")).get("selector")
    choices: list[Mapping[str, Any]] = []
    if resource.kind in _OWN_SELECTOR and isinstance(raw, dict) and raw:
        choices.append({"matchLabels": raw} if resource.kind == "ReplicationController" else raw)
    if template is not None and template.labels.values:
        choices.append({"matchLabels": dict(template.labels.values)})
    keys = {pod.resource.key for pod in mine}
    return next((one for one in choices if _means(one, resource, network, keys, template)), None)


def _means(
    value: Mapping[str, Any],
    resource: Resource,
    network: Network,
    keys: set[str],
    template: Pod | None,
) -> bool:
    try:
        selector = selector_of(value)
    except Unreadable:
        return False
    meant = {
        pod.resource.key
        for pod in network.pods
        if pod.namespace == resource.namespace and not pod.ended and selector.matches(pod.labels)
    }
    return meant == keys and template is not None and bool(selector.matches(template.labels))
