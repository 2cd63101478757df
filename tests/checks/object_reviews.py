"""Reviews for tests of rules about Kubernetes objects: plain data, a scope that is a list."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import yaml

from haechi.checks.pods.view import TEMPLATES
from haechi.model.keys import k8s_key
from haechi.model.location import AttrPath, Location
from haechi.model.resource import Resource
from haechi.model.review import Review

LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""In C where it is there: modules read thousands of examples when they are imported."""


class ListScope:
    """Everything that was written together is visible together."""

    def __init__(self, resources: Sequence[Resource]) -> None:
        self._resources = tuple(resources)

    def of_type(self, type_: str) -> Sequence[Resource]:
        return [r for r in self._resources if r.type == type_]

    def workloads(self) -> Sequence[Resource]:
        return [r for r in self._resources if r.type in TEMPLATES]

    def near(self, resource: Resource, candidates: Sequence[Resource]) -> Sequence[Resource]:
        return candidates


def resource_of(data: Any) -> Resource:
    """A resource from plain data of any shape."""
    body: Mapping[str, Any] = data if isinstance(data, dict) else {}
    version = body.get("apiVersion")
    group, _, number = (version if isinstance(version, str) else "v1").rpartition("/")
    kind = body.get("kind")
    meta = body.get("metadata")
    meta = meta if isinstance(meta, dict) else {}
    name, namespace = meta.get("name"), meta.get("namespace")
    name = name if isinstance(name, str) else ""
    namespace = namespace if isinstance(namespace, str) else None
    kind = kind if isinstance(kind, str) else ""

    def locate(path: AttrPath) -> Location:
        return Location(path="example.yaml")

    return Resource(
        key=k8s_key(group=group, kind=kind, namespace=namespace, name=name),
        kind=kind,
        data=data,
        locate=locate,
        file="example.yaml",
        group=group,
        version=number,
        namespace=namespace,
        name=name,
    )


def reviews(data: Sequence[Any], memo: Mapping[str, Any] | None = None) -> Iterator[Review]:
    """One review for each object, with all of them in the scope."""
    resources = [resource_of(one) for one in data]
    scope = ListScope(resources)
    for resource in resources:
        yield Review(resource=resource, scope=scope, memo=dict(memo or {}))


def document(text: str) -> Any:
    """The one document of a YAML text."""
    (one,) = yaml.load_all(text, LOADER)
    return one


def documents(text: str) -> list[Any]:
    """The objects of a YAML text."""
    return [one for one in yaml.load_all(text, LOADER) if one is not None]


def messages(judge: Any, text: str, kind: str = "", **memo: Any) -> list[str]:
    """What a Python judge says about the objects of a text (of one kind, if given)."""
    return [
        hit.message
        for review in reviews(documents(text), memo)
        if not kind or review.resource.kind == kind
        for hit in judge(review)
    ]
