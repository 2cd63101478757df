"""The other objects of a scope, seen from one of them.

What is in a repository is not the whole cluster, and manifests often leave the namespace to
``kubectl -n``: an object without a namespace may meet any other. So "nothing matches" is
concluded only from objects that could belong together, and rules that conclude from an absent
object word it so.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from haechi.checks.pods.view import PodView, mapping, template_path, view_of
from haechi.model.resource import Resource
from haechi.model.review import Review


def may_share_namespace(one: Resource, other: Resource) -> bool:
    """True unless both name a namespace and the names differ."""
    return not one.namespace or not other.namespace or one.namespace == other.namespace


def of_type(review: Review, *types: str) -> list[Resource]:
    """Objects of these types that may be in the reviewed object's namespace, itself included."""
    return [
        other
        for type_ in types
        for other in review.scope.of_type(type_)
        if may_share_namespace(review.resource, other)
    ]


def workloads(review: Review) -> list[Resource]:
    """Everything with a pod template that may be in the reviewed object's namespace."""
    return [
        other for other in review.scope.workloads() if may_share_namespace(review.resource, other)
    ]


def near_workloads(review: Review) -> Sequence[Resource]:
    """Of ``workloads`` those that most likely are deployed together with the reviewed object."""
    return review.scope.near(review.resource, workloads(review))


def pod_labels(review: Review, workload: Resource) -> Mapping[str, Any]:
    """Labels of the pods that a workload makes."""
    path = template_path(workload, review.memo.get("templates"))
    template: Any = workload.data
    for part in path or ():
        template = mapping(template).get(str(part))
    return mapping(mapping(mapping(template).get("metadata")).get("labels"))


def view(review: Review, workload: Resource) -> PodView | None:
    """The pod view of another workload of the scope."""
    return view_of(workload, review.memo.get("templates"))


def metadata_of(data: Any) -> Mapping[str, Any]:
    """An object's metadata, empty when absent or of the wrong type."""
    return mapping(mapping(data).get("metadata"))


def annotations_of(data: Any) -> Mapping[str, Any]:
    """An object's annotations."""
    return mapping(metadata_of(data).get("annotations"))


def labels_of(data: Any) -> Mapping[str, Any]:
    """An object's labels."""
    return mapping(metadata_of(data).get("labels"))


def spec_of(data: Any) -> Mapping[str, Any]:
    """An object's spec."""
    return mapping(mapping(data).get("spec"))


def texts(value: Any) -> Iterator[str]:
    """The strings of a list; anything else in it is passed over."""
    if isinstance(value, list):
        yield from (item for item in value if isinstance(item, str))
