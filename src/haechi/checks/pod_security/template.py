"""The pod that an object is or makes, as the standards judge it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from haechi.checks.pods.view import TEMPLATES, mapping
from haechi.model.location import AttrPath
from haechi.model.resource import Resource


class PodPart(msgspec.Struct, frozen=True):
    """Metadata and spec of a pod; ``path`` leads to them in the object."""

    metadata: Mapping[str, Any]
    spec: Mapping[str, Any]
    path: AttrPath


def pod_in(resource: Resource) -> PodPart | None:
    """The pod of a Pod, of a workload's template; None for what makes none."""
    path = TEMPLATES.get(resource.type)
    if path is None:
        return None
    template: Any = resource.data
    for part in path:
        template = mapping(template).get(str(part))
    body = mapping(template)
    if path and not mapping(body.get("spec")):
        return None
    return PodPart(mapping(body.get("metadata")), mapping(body.get("spec")), path)
