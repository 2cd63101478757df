"""YAML and JSON documents → Kubernetes objects as ``Resource``s with places."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from haechi.engines.documents import Document
from haechi.model.keys import k8s_key
from haechi.model.location import AttrPath, Location
from haechi.model.resource import Resource


def resources_of(document: Document, file: str) -> Iterator[Resource]:
    """Every object of a document; ``List`` kinds are taken apart. Other YAML yields nothing."""
    yield from _objects(document, document.data, (), file, 0)


def _objects(
    document: Document, data: Any, at: AttrPath, file: str, depth: int
) -> Iterator[Resource]:
    if not isinstance(data, dict):
        return
    api_version, kind = data.get("apiVersion"), data.get("kind")
    if not (isinstance(api_version, str) and isinstance(kind, str) and api_version and kind):
        return
    items = data.get("items")
    if kind.endswith("List") and isinstance(items, list) and not _is_named(data) and depth < 5:
        for index, item in enumerate(items):
            if isinstance(item, dict) and kind != "List":
                # The API machinery lets items of a typed list leave out what the list says.
                item.setdefault("apiVersion", api_version)
                item.setdefault("kind", kind.removesuffix("List"))
            yield from _objects(document, item, (*at, "items", index), file, depth + 1)
        return
    yield _resource(document, data, at, file, api_version, kind)


def _resource(
    document: Document,
    data: Mapping[str, Any],
    at: AttrPath,
    file: str,
    api_version: str,
    kind: str,
) -> Resource:
    group, _, version = api_version.rpartition("/")
    raw = data.get("metadata")
    metadata: Mapping[str, Any] = raw if isinstance(raw, dict) else {}
    name = _text(metadata.get("name")) or _text(metadata.get("generateName"))
    namespace = metadata.get("namespace")
    namespace = namespace if isinstance(namespace, str) and namespace else None

    def locate(path: AttrPath) -> Location:
        return document.location((*at, *path), file)

    return Resource(
        key=k8s_key(group=group, kind=kind, namespace=namespace, name=name),
        kind=kind,
        group=group,
        version=version,
        namespace=namespace,
        name=name,
        data=data,
        locate=locate,
        file=file,
        duplicates=tuple(path[len(at) :] for path in document.duplicates if path[: len(at)] == at),
    )


def _is_named(data: Mapping[str, Any]) -> bool:
    """True for an object whose kind merely ends in List: real lists have no name."""
    metadata = data.get("metadata")
    return isinstance(metadata, dict) and bool(_text(metadata.get("name")))


def _text(value: Any) -> str:
    """A name as text; numbers come from unquoted names, anything else is no name."""
    return str(value) if isinstance(value, str | int | float) else ""
