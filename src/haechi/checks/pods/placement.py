"""Where a pod may run and how important it claims to be.

Namespaces of the system itself are left alone: their pods belong on the control plane.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from haechi.checks.pods.view import PodView, items, mapping, pod_of
from haechi.checks.pods.words import quoted
from haechi.model.location import AttrPath
from haechi.model.review import Hit, Point, Review

_CONTROL_PLANE = frozenset(
    {
        "node-role.kubernetes.io/control-plane",
        "node-role.kubernetes.io/master",
        "node-role.kubernetes.io/etcd",
        "kubernetes.io/role",
    }
)
_SYSTEM_PRIORITIES = ("system-node-critical", "system-cluster-critical")


def control_plane(review: Review) -> Iterator[Hit]:
    """A workload on, or allowed on, the nodes of the control plane."""
    if review.resource.namespace == "kube-system":
        return
    pod = pod_of(review)
    chosen = _selected(pod)
    if chosen is not None:
        yield Hit("pod is placed on control plane nodes", chosen)
        return
    # Agents of every node are DaemonSets, and need the toleration for it.
    if review.resource.kind == "DaemonSet":
        return
    for index, toleration in enumerate(items(pod.spec.get("tolerations"))):
        toleration = mapping(toleration)
        key, operator = toleration.get("key"), toleration.get("operator")
        everything = not key and operator == "Exists" and toleration.get("effect") != "NoExecute"
        if everything or (isinstance(key, str) and key in _CONTROL_PLANE):
            what = "every taint, that of the control plane included" if everything else quoted(key)
            yield Hit(f"pod tolerates {what}", (*pod.spec_path, "tolerations", index))
            return


def _selected(pod: PodView) -> AttrPath | None:
    """Path of a node selector or required affinity that asks for the control plane."""
    for key, value in mapping(pod.spec.get("nodeSelector")).items():
        if _asks_for_control_plane(key, [value]):
            return (*pod.spec_path, "nodeSelector", key)
    base: AttrPath = (
        *("affinity", "nodeAffinity"),
        *("requiredDuringSchedulingIgnoredDuringExecution", "nodeSelectorTerms"),
    )
    terms: Any = pod.spec
    for part in base:
        terms = mapping(terms).get(str(part))
    for index, term in enumerate(items(terms)):
        for expression in items(mapping(term).get("matchExpressions")):
            expression = mapping(expression)
            if expression.get("operator") in ("Exists", "In") and _asks_for_control_plane(
                expression.get("key"), items(expression.get("values"))
            ):
                return (*pod.spec_path, *base, index)
    return None


def _asks_for_control_plane(key: Any, values: list[Any]) -> bool:
    if not isinstance(key, str) or key not in _CONTROL_PLANE:
        return False
    if key == "kubernetes.io/role":
        return any(value in ("master", "control-plane") for value in values)
    return "false" not in values


def system_priority(review: Review) -> Iterator[Hit]:
    """An application that may evict everything else."""
    pod = pod_of(review)
    name = pod.spec.get("priorityClassName")
    if name in _SYSTEM_PRIORITIES and review.resource.namespace != "kube-system":
        yield Hit(
            f"pod outside kube-system claims priority {name}",
            (*pod.spec_path, "priorityClassName"),
        )


def fixed_node(review: Review) -> Iterator[Hit]:
    """A node by name: the scheduler, and with it every taint NoSchedule, is bypassed."""
    data = mapping(review.resource.data)
    live = review.point is Point.AUDIT or data.get("status")
    if live or mapping(data.get("metadata")).get("ownerReferences"):
        return  # the scheduler wrote it
    pod = pod_of(review)
    name = pod.spec.get("nodeName")
    if isinstance(name, str) and name:
        yield Hit(f"pod is tied to node {quoted(name)}", (*pod.spec_path, "nodeName"))
