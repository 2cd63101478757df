"""A cluster as something to be read: its objects as ``Resource``s, wherever they come from.

Three sources give the same values: a live server (``mirror``), a folder of manifests (``dump``),
and the past (kept by the store). Judges, the graph and responses read this and cannot tell which.
What is secret or merely bulky is taken away here, for all three: values of Secrets and
ConfigMaps, ``managedFields``, and the copies of a whole Secret that tools leave in annotations.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, Protocol

import msgspec

from haechi.model.keys import k8s_key
from haechi.model.location import AttrPath, Location
from haechi.model.resource import Locator, Resource
from haechi.world.kube.names import METADATA_ONLY

SourceName = Literal["live", "dump", "history"]
_VALUES = ("data", "stringData", "binaryData")
SETTINGS = {
    "cilium-config": frozenset(
        {"enable-policy", "enable-k8s-networkpolicy", "policy-audit-mode", "labels"}
    ),
}
"""The few values of ConfigMaps that are kept: whether the network plug-in obeys policies at all,
without which nobody could say that a workload is contained."""
_HARMLESS = ("kubernetes.io/service-account.", "meta.helm.sh/", "haechi.dev/")
"""Annotations of a Secret that hold no copy of its values."""


class Cluster(Protocol):
    """A cluster at a moment (live: now). ``complete`` is False while kinds are missing that were
    asked for; ``gaps`` says which and why. Types are those of ``Resource.type``."""

    @property
    def name(self) -> str: ...
    @property
    def source(self) -> SourceName: ...
    @property
    def at(self) -> dt.datetime: ...
    @property
    def complete(self) -> bool: ...
    @property
    def gaps(self) -> tuple[str, ...]: ...

    def objects(self, *types: str, namespace: str | None = None) -> list[Resource]:
        """Objects of these types (``core/Pod``; none: of all) in a namespace (None: in all, and
        those that have none)."""


def stripped(body: dict[str, Any]) -> dict[str, Any]:
    """The object without what haechi does not keep; changes ``body`` itself."""
    metadata = body.get("metadata")
    if not isinstance(metadata, dict):
        return body
    metadata.pop("managedFields", None)
    group, _, _ = str(body.get("apiVersion", "")).rpartition("/")
    if (group, str(body.get("kind"))) in METADATA_ONLY:
        data = _settings(body, metadata)
        for name in _VALUES:
            body.pop(name, None)
        if data:
            body["data"] = data
        annotations = metadata.get("annotations")
        if isinstance(annotations, dict):
            metadata["annotations"] = {
                name: value if str(name).startswith(_HARMLESS) else ""
                for name, value in annotations.items()
            }
    return body


def _settings(body: Mapping[str, Any], metadata: Mapping[str, Any]) -> dict[str, str]:
    """What is kept of a ConfigMap of ``SETTINGS``."""
    name, data = metadata.get("name"), body.get("data")
    wanted = SETTINGS.get(name) if isinstance(name, str) else None
    if body.get("kind") != "ConfigMap" or wanted is None or not isinstance(data, dict):
        return {}
    return {key: data[key] for key in sorted(wanted & data.keys()) if isinstance(data[key], str)}


def resource_of(
    body: Mapping[str, Any], cluster: str, *, locate: Locator | None = None, file: str = ""
) -> Resource | None:
    """An object as a resource of this cluster; None when it does not say what it is."""
    api_version, kind, metadata = body.get("apiVersion"), body.get("kind"), body.get("metadata")
    if not (isinstance(api_version, str) and isinstance(kind, str) and isinstance(metadata, dict)):
        return None
    name, namespace = metadata.get("name"), metadata.get("namespace")
    if not (isinstance(name, str) and name and api_version and kind):
        return None
    namespace = namespace if isinstance(namespace, str) and namespace else None
    group, _, version = api_version.rpartition("/")
    key = k8s_key(group=group, kind=kind, namespace=namespace, name=name, cluster=cluster)
    return Resource(
        key=key,
        kind=kind,
        group=group,
        version=version,
        namespace=namespace,
        name=name,
        data=body,
        locate=locate or _nowhere(key),
        file=file,
    )


def _nowhere(key: str) -> Locator:
    def locate(_: AttrPath) -> Location:
        return Location(path=key)

    return locate


class Kept(msgspec.Struct, frozen=True):
    """An object as it is kept: its JSON, which is a tenth of its values' size in memory."""

    type: str
    namespace: str
    name: str
    uid: str
    version: str
    body: bytes

    def resource(self, cluster: str) -> Resource | None:
        """The object with its values."""
        return resource_of(msgspec.json.decode(self.body), cluster)


def kept_of(body: dict[str, Any]) -> Kept | None:
    """An object to keep, stripped; None when it does not say what it is."""
    resource = resource_of(stripped(body), "")
    if resource is None:
        return None
    metadata = body["metadata"]
    return Kept(
        type=resource.type,
        namespace=resource.namespace or "",
        name=resource.name,
        uid=_text(metadata.get("uid")),
        version=_text(metadata.get("resourceVersion")),
        body=msgspec.json.encode(body),
    )


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


class Frozen:
    """A cluster that does not change: a dump, or a moment of the past."""

    def __init__(
        self,
        name: str,
        source: SourceName,
        at: dt.datetime,
        objects: Iterable[Kept],
        *,
        gaps: Sequence[str] = (),
    ) -> None:
        self.name: str = name
        self.source: SourceName = source
        self.at: dt.datetime = at
        self.gaps: tuple[str, ...] = tuple(gaps)
        self._kept: dict[str, list[Kept]] = {}
        for one in objects:
            self._kept.setdefault(one.type, []).append(one)

    @property
    def complete(self) -> bool:
        """True when nothing is missing that was there to be read."""
        return not self.gaps

    def kept(self, *types: str) -> list[Kept]:
        """The objects as they are kept."""
        return [one for type_ in types or self._kept for one in self._kept.get(type_, ())]

    def objects(self, *types: str, namespace: str | None = None) -> list[Resource]:
        """See ``Cluster``."""
        return resources(self.kept(*types), self.name, namespace)


def resources(kept: Iterable[Kept], cluster: str, namespace: str | None) -> list[Resource]:
    """The objects with their values, in the order of their names."""
    chosen = [one for one in kept if namespace is None or one.namespace == namespace]
    chosen.sort(key=lambda one: (one.type, one.namespace, one.name))
    found = (one.resource(cluster) for one in chosen)
    return [one for one in found if one is not None]
