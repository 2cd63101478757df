"""One view of a pod, whatever carries it: Pod, Deployment, CronJob, or a CRD by configuration.

Judges read ``containers`` and ``spec`` and add paths; none of them knows how deep the template
sits. The view is built once per review and kept in its memo.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from haechi.model.location import AttrPath
from haechi.model.resource import Resource
from haechi.model.review import Review

_WORKLOAD = ("spec", "template")
TEMPLATES: Mapping[str, AttrPath] = {
    "core/Pod": (),
    "core/PodTemplate": ("template",),
    "core/ReplicationController": _WORKLOAD,
    "apps/Deployment": _WORKLOAD,
    "apps/StatefulSet": _WORKLOAD,
    "apps/DaemonSet": _WORKLOAD,
    "apps/ReplicaSet": _WORKLOAD,
    "extensions/Deployment": _WORKLOAD,
    "extensions/DaemonSet": _WORKLOAD,
    "extensions/ReplicaSet": _WORKLOAD,
    "batch/Job": _WORKLOAD,
    "batch/CronJob": ("spec", "jobTemplate", "spec", "template"),
}
"""Where the built-in kinds keep their pod template (the object with metadata and spec)."""


class Container(msgspec.Struct, frozen=True):
    """A container with its address. ``role`` is the field it stands in.

    ``security`` is its securityContext, empty when absent; a field, for dozens of judges read it.
    """

    name: str
    data: Mapping[str, Any]
    path: AttrPath
    role: str  # containers | initContainers | ephemeralContainers
    security: Mapping[str, Any]

    @property
    def is_sidecar(self) -> bool:
        """An init container that keeps running (restartPolicy Always, Kubernetes 1.29)."""
        return self.role == "initContainers" and self.data.get("restartPolicy") == "Always"


class PodView(msgspec.Struct, frozen=True):
    """The pod template of a resource. ``path`` leads to the template, ``spec_path`` to its spec.

    ``security`` is the pod's securityContext, empty when absent. ``main`` holds the containers
    that keep running: regular ones and sidecars.
    """

    metadata: Mapping[str, Any]
    spec: Mapping[str, Any]
    path: AttrPath
    spec_path: AttrPath
    security: Mapping[str, Any]
    containers: tuple[Container, ...]
    main: tuple[Container, ...]

    @property
    def is_windows(self) -> bool:
        """True when the pod says that it runs on Windows; Linux-only fields do not apply there."""
        return "os" in self.spec and mapping(self.spec["os"]).get("name") == "windows"


def mapping(value: Any) -> Mapping[str, Any]:
    """The value if it is a mapping, else an empty one: hostile input has any type anywhere."""
    return value if isinstance(value, dict) else {}


def items(value: Any) -> list[Any]:
    """The value if it is a list, else an empty one."""
    return value if isinstance(value, list) else []


def template_path(
    resource: Resource, extra: Mapping[str, AttrPath] | None = None
) -> AttrPath | None:
    """Path of the resource's pod template, or None. ``extra`` adds kinds from haechi.yaml."""
    path = TEMPLATES.get(resource.type)
    if path is None and extra:
        path = extra.get(resource.type)
    return path


def view_of(resource: Resource, extra: Mapping[str, AttrPath] | None = None) -> PodView | None:
    """The pod view of a resource, or None when it carries no pod template."""
    path = template_path(resource, extra)
    if path is None:
        return None
    template: Any = resource.data
    for part in path:
        template = mapping(template).get(str(part))
    template = mapping(template)
    spec = mapping(template.get("spec"))
    spec_path = (*path, "spec")
    containers = tuple(_containers(spec, spec_path))
    return PodView(
        metadata=mapping(template.get("metadata")),
        spec=spec,
        path=path,
        spec_path=spec_path,
        security=mapping(spec.get("securityContext")),
        containers=containers,
        main=tuple(c for c in containers if c.role == "containers" or c.is_sidecar),
    )


def pod_of(review: Review) -> PodView:
    """The pod view of the reviewed resource; rules that apply to ``pod`` always have one."""
    view = review.memo.get("pod")
    if view is None:
        view = shared_view(review, review.resource)
        if view is None:
            raise LookupError(f"{review.resource.type} carries no pod template")
        review.memo["pod"] = view
    assert isinstance(view, PodView)
    return view


def shared_view(review: Review, workload: Resource) -> PodView | None:
    """The pod view of any workload of the scope, made once for all reviews of the scope."""
    known: dict[Resource, PodView | None] = review.shared.setdefault("pod views", {})
    if workload not in known:
        known[workload] = view_of(workload, review.memo.get("templates"))
    return known[workload]


def _containers(spec: Mapping[str, Any], spec_path: AttrPath) -> Iterator[Container]:
    for role in ("initContainers", "containers", "ephemeralContainers"):
        for index, data in enumerate(items(spec.get(role))):
            if isinstance(data, dict):
                yield Container(
                    name=str(data.get("name", index)),
                    data=data,
                    path=(*spec_path, role, index),
                    role=role,
                    security=mapping(data.get("securityContext")),
                )
