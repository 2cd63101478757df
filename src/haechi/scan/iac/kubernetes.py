"""The resources of one scan, and the scope they form."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from haechi.checks.pods.view import template_path
from haechi.model.location import AttrPath
from haechi.model.resource import Resource, nearest


class Inventory:
    """The resources of one scan, by type: the scope that judges and the graph ask."""

    def __init__(
        self,
        resources: Sequence[Resource],
        templates: Mapping[str, AttrPath] | None = None,
        *,
        others: Sequence[Resource] = (),
    ) -> None:
        """``others`` answer ``of_type`` alone: blocks of Terraform."""
        self.resources = tuple(resources)
        self._by_type: dict[str, list[Resource]] = defaultdict(list)
        self._workloads: list[Resource] = []
        for resource in (*resources, *others):
            self._by_type[resource.type].append(resource)
            if resource.key.startswith("tf:"):
                self._by_type["terraform"].append(resource)
            elif template_path(resource, templates) is not None:
                self._workloads.append(resource)

    def of_type(self, type_: str) -> Sequence[Resource]:
        """All resources of ``core/Service``, ``aws_s3_bucket`` …, or ``terraform``: all of it."""
        return self._by_type.get(type_, ())

    def workloads(self) -> Sequence[Resource]:
        """All resources that carry a pod template."""
        return self._workloads

    def near(self, resource: Resource, candidates: Sequence[Resource]) -> Sequence[Resource]:
        """Candidates in the same namespace, narrowed to those closest in the tree of files."""
        return nearest(resource, [c for c in candidates if c.namespace == resource.namespace])
