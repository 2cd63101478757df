"""Files that become manifests only when another tool renders them: told, never passed over."""

from __future__ import annotations

import zlib
from collections.abc import Iterable

from haechi.model.coverage import Gap
from haechi.model.resource import Resource
from haechi.scan.iac.sources import Source, may_hold_objects

_GZIP = 31  # zlib's number for a gzip header and the largest window
_HEAD = 64 * 1024
_ENVIRONMENT = "tanka.dev/Environment"


def unrendered(source: Source, path: str, data: bytes) -> Gap | None:
    """The gap of such a file; None when it holds nothing that reaches a cluster."""
    if source is Source.MANIFEST_TEMPLATE and may_hold_objects(data):
        do = "render it and scan that"
        return Gap(kind="template", path=path, reason="a template of a manifest", do=do)
    if source is Source.PACKED_CHART and _holds_chart(data):
        do = f"run `helm template {path}` and scan that"
        return Gap(kind="helm-chart", path=path, reason="a packed chart", do=do)
    if source is Source.HELMFILE:
        do = "run `helmfile template` and scan that"
        return Gap(kind="helmfile", path=path, reason="charts that helmfile renders", do=do)
    return None


def unrendered_object(resource: Resource) -> Gap | None:
    """The gap of an object that stands for manifests written in Jsonnet (Grafana Tanka)."""
    if resource.type != _ENVIRONMENT:
        return None
    do = f"run `tk show {resource.file.rpartition('/')[0] or '.'}` and scan that"
    return Gap(kind="jsonnet", path=resource.file, reason="an environment of Tanka", do=do)


def is_bundled(path: str, charts: Iterable[str]) -> bool:
    """True for a packed chart that is part of another one: it is rendered with that."""
    folder = path.rpartition("/")[0]
    return any(folder == (f"{chart}/charts" if chart else "charts") for chart in charts)


def _holds_chart(data: bytes) -> bool:
    """Helm writes Chart.yaml first: its name is near the archive's beginning."""
    try:
        head = zlib.decompressobj(_GZIP).decompress(data, _HEAD)
    except zlib.error:
        return False
    return b"/Chart.yaml\0" in head
