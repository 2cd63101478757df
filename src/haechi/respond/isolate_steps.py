"""Steps of an isolation and their inverses.

Policies come before marks: a mark without its policy would close nothing. A patch tests the pod's
uid and every label that it takes, so it never acts on a pod of the same name or on labels that
changed since the plan; its inverse puts back exactly what it took.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from haechi.checks.pods.view import mapping
from haechi.checks.reach import Pod
from haechi.model.resource import Resource
from haechi.model.response import Step

Operation = dict[str, Any]
MARKED = "true"
_LABELS = "/metadata/labels"


def apply_step(number: int, resource: Resource) -> Step:
    """Server-side apply of a planned object; undone by its deletion."""
    return Step(
        id=f"{number}-policy",
        kind="kube.apply",
        target=resource.key,
        body=resource.data,
        says=f"create {resource.label}",
        inverse={"kind": "kube.delete", "target": resource.key},
    )


def mark_step(number: int, pod: Pod, mark: str, taken: Sequence[str]) -> Step:
    """A JSON patch that marks a pod and takes labels away; undone by one that puts them back."""
    labels = mapping(mapping(mapping(pod.resource.data).get("metadata")).get("labels"))
    says = f"label pod {pod.namespace}/{pod.name} {mark}={MARKED}"
    if taken:
        says += f" and take its labels {', '.join(f'{key}={labels[key]}' for key in taken)}"
    return Step(
        id=f"{number}-mark",
        kind="kube.patch",
        target=pod.resource.key,
        body=_forward(pod, mark, taken, labels),
        says=says,
        inverse={
            "kind": "kube.patch",
            "target": pod.resource.key,
            "body": _backward(pod, mark, {key: labels[key] for key in taken}),
        },
    )


def _forward(
    pod: Pod, mark: str, taken: Sequence[str], labels: Mapping[str, Any]
) -> list[Operation]:
    operations = _same(pod)
    if (
        not labels
    ):  # a patch cannot test that there are none; the version says that they are as read
        version = mapping(mapping(pod.resource.data).get("metadata")).get("resourceVersion")
        if version:
            operations.append({"op": "test", "path": "/metadata/resourceVersion", "value": version})
        return [*operations, {"op": "add", "path": _LABELS, "value": {mark: MARKED}}]
    for key in taken:
        operations.append({"op": "test", "path": _path(key), "value": labels[key]})
        operations.append({"op": "remove", "path": _path(key)})
    return [*operations, {"op": "add", "path": _path(mark), "value": MARKED}]


def _backward(pod: Pod, mark: str, saved: Mapping[str, Any]) -> list[Operation]:
    restored = [{"op": "add", "path": _path(key), "value": saved[key]} for key in saved]
    return [*_same(pod), *restored, {"op": "remove", "path": _path(mark)}]


def _same(pod: Pod) -> list[Operation]:
    if not pod.uid:
        return []
    return [{"op": "test", "path": "/metadata/uid", "value": pod.uid}]


def _path(key: str) -> str:
    """A label as a JSON pointer (RFC 6901)."""
    return f"{_LABELS}/{key.replace('~', '~0').replace('/', '~1')}"
