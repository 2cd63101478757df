"""A thing that can be judged: a Kubernetes object, a Dockerfile; later a Terraform block, …

``data`` holds plain values (for Kubernetes exactly what the API server would see) and carries
no positions; ``locate`` answers positions only when a finding needs one, which keeps judging
as fast as judging plain dictionaries.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from msgspec import structs

from haechi.model.location import AttrPath, Location

Locator = Callable[[AttrPath], Location]
"""Place of the value at a path, or of its nearest existing ancestor."""


class Resource(msgspec.Struct, frozen=True, kw_only=True, eq=False):
    """One judged thing. ``file`` is the file it came from, relative to the scan root.

    ``duplicates`` addresses keys that its text writes twice. ``type`` is what rules apply to:
    ``core/Service``, ``apps/Deployment``, ``dockerfile``.
    """

    key: str
    kind: str
    data: Any
    locate: Locator
    file: str = ""
    group: str = ""
    version: str = ""
    namespace: str | None = None
    name: str = ""
    duplicates: tuple[AttrPath, ...] = ()
    type: str = ""

    def __post_init__(self) -> None:
        kubernetes = self.key.startswith("k8s:")
        type_ = f"{self.group or 'core'}/{self.kind}" if kubernetes else self.kind
        structs.force_setattr(self, "type", type_)

    @property
    def label(self) -> str:
        """How people call it: ``Deployment shop/cart``, ``module.logs.aws_s3_bucket.this``."""
        if self.key.startswith("tf:"):
            return self.name
        where = f"{self.namespace}/" if self.namespace else ""
        return f"{self.kind} {where}{self.name}"


def nearest(resource: Resource, candidates: Sequence[Resource]) -> Sequence[Resource]:
    """Those candidates that share the longest leading path of folders with ``resource``.

    A repository often holds several systems that know nothing of each other; names such as
    ``app: web`` and ``default`` recur. The same file is nearest of all.
    """
    if len(candidates) < 2:
        return candidates
    closeness = [_shared_folders(resource.file, candidate.file) for candidate in candidates]
    best = max(closeness)
    return [c for c, shared in zip(candidates, closeness, strict=True) if shared == best]


def _shared_folders(one: str, other: str) -> int:
    if one == other:
        return 1_000
    shared = 0
    for a, b in zip(one.split("/")[:-1], other.split("/")[:-1], strict=False):
        if a != b:
            break
        shared += 1
    return shared
