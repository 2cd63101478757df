"""Kustomize overlays: which to render, what they consume, where a rendered value was written.

Only overlays that no other overlay uses are rendered; the files that go into them are judged as
rendered, because that is what reaches the cluster. A rendered value is located in its source
file as long as it still equals what stands there, else at the overlay that changed it.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from haechi.checks.pods.view import items, mapping
from haechi.engines.documents import Document, Fault, parse_documents
from haechi.errors import InputError
from haechi.model.location import AttrPath, Location

ORIGIN = "config.kubernetes.io/origin"
_REMOTE = ("://", "git@", "git::", "github.com", "gitlab.com", "bitbucket.org", "?ref=")
_LITERAL_KEYS = frozenset(
    {"literals", "patch", "commonAnnotations", "commonLabels", "labels", "images", "vars"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlay:
    """One kustomization directory. ``uses`` are directories, ``consumes`` files it names."""

    file: str
    directory: str
    component: bool
    uses: frozenset[str]
    consumes: frozenset[str]
    obstacle: str = ""


@dataclass(frozen=True, slots=True)
class Overlays:
    """All overlays of a tree, by directory."""

    by_directory: Mapping[str, Overlay] = field(default_factory=dict)

    def roots(self) -> list[Overlay]:
        """Overlays that nothing else uses."""
        used = {d for overlay in self.by_directory.values() for d in overlay.uses}
        return [
            overlay
            for directory, overlay in sorted(self.by_directory.items())
            if directory not in used and not overlay.component
        ]

    def closure(self, overlay: Overlay) -> list[Overlay]:
        """The overlay and all that it uses, directly or not."""
        seen: dict[str, Overlay] = {}
        pending = [overlay]
        while pending:
            current = pending.pop()
            if current.directory in seen:
                continue
            seen[current.directory] = current
            pending.extend(self.by_directory[d] for d in current.uses if d in self.by_directory)
        return list(seen.values())

    def obstacle(self, overlay: Overlay) -> str:
        """Why the overlay cannot be rendered offline, or an empty text."""
        return next((o.obstacle for o in self.closure(overlay) if o.obstacle), "")


class Existing(Protocol):
    """What an overlay may refer to; ``world.files.Tree`` is one."""

    def is_file(self, path: str) -> bool:
        """A regular file at this path of the tree."""

    def is_directory(self, path: str) -> bool:
        """A directory at this path of the tree."""


def read_overlay(data: bytes, file: str, existing: Existing) -> Overlay:
    """Understand one kustomization file; ``existing`` tells what its entries are.

    Raises InputError when it cannot be parsed.
    """
    content: Mapping[str, Any] = {}
    for document in parse_documents(data):
        if isinstance(document, Fault):
            raise InputError(document.message, where=f"{file}:{document.line}")
        content = mapping(document.data)
    directory = posixpath.dirname(file)
    uses: set[str] = set()
    consumes: set[str] = {file}
    obstacle = ""
    for entry in _named(content):
        target = posixpath.normpath(posixpath.join(directory, entry))
        target = "" if target == "." else target
        if target.startswith(("../", "/")) or target == "..":
            obstacle = obstacle or f"names {entry!r}, which is outside the repository"
        elif existing.is_file(target):
            consumes.add(target)
        elif existing.is_directory(target or "."):
            uses.add(target)
        elif not obstacle:
            obstacle = f"names {entry!r}, which does not exist"
    for text in _strings(content):
        if any(mark in text for mark in _REMOTE):
            obstacle = f"needs {text!r} from the network"
            break
    if content.get("helmCharts") or content.get("helmChartInflationGenerator"):
        obstacle = "inflates Helm charts"
    return Overlay(
        file=file,
        directory=directory,
        component=content.get("kind") == "Component",
        uses=frozenset(uses),
        consumes=frozenset(consumes),
        obstacle=obstacle,
    )


def _named(content: Mapping[str, Any]) -> Iterator[str]:
    for key in ("resources", "bases", "components", "crds"):
        for entry in items(content.get(key)):
            if isinstance(entry, str) and not any(mark in entry for mark in _REMOTE):
                yield entry


def _strings(value: Any, depth: int = 0) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif depth < 6 and isinstance(value, dict):
        for key, inner in value.items():
            if key not in _LITERAL_KEYS and key not in ("apiVersion", "kind", "namespace"):
                yield from _strings(inner, depth + 1)
    elif depth < 6 and isinstance(value, list):
        for inner in value:
            yield from _strings(inner, depth + 1)


def take_origin(data: dict[str, Any], overlay: str) -> str | None:
    """Remove the origin annotation and return the source file, relative to the tree's root."""
    metadata = mapping(data.get("metadata"))
    annotations = metadata.get("annotations")
    if not isinstance(annotations, dict):
        return None
    text = annotations.pop(ORIGIN, None)
    if not annotations and isinstance(metadata, dict):
        metadata.pop("annotations", None)
    if not isinstance(text, str):
        return None
    for line in text.splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "path":
            return value.strip()
    return None


class SourcePlaces:
    """Locates values of a rendered object in the document that it came from."""

    def __init__(
        self,
        rendered: Mapping[str, Any],
        overlay_file: str,
        source: tuple[Document, AttrPath, str] | None,
    ) -> None:
        self._rendered = rendered
        self._overlay = Location(path=overlay_file)
        self._source = source

    def __call__(self, path: AttrPath) -> Location:
        """The place in the source, or the overlay's first line when the overlay made it so."""
        if self._source is None:
            return self._overlay
        document, base, file = self._source
        original: Any = document.data
        for part in base:
            original = original[part]
        rendered: Any = self._rendered
        translated: list[str | int] = []
        for part in path:
            index = _same_item(rendered, original, part)
            if index is None:
                if _has(rendered, part):
                    return self._overlay
                break
            rendered, original = rendered[part], original[index]
            translated.append(index)
        if not isinstance(rendered, dict | list) and rendered != original:
            return self._overlay
        line, column, end_line, end_column = document.locate((*base, *translated))
        return Location(
            path=file, line=line, column=column, end_line=end_line, end_column=end_column
        )


def _has(value: Any, part: str | int) -> bool:
    if isinstance(part, int):
        return isinstance(value, list) and part < len(value)
    return isinstance(value, dict) and part in value


def _same_item(rendered: Any, original: Any, part: str | int) -> str | int | None:
    """The key or index under which the original holds what ``rendered[part]`` came from."""
    if isinstance(part, str):
        return part if _has(rendered, part) and _has(original, part) else None
    if not _has(rendered, part) or not isinstance(original, list):
        return None
    item = rendered[part]
    if isinstance(item, dict) and isinstance(item.get("name"), str):
        for index, candidate in enumerate(original):
            if isinstance(candidate, dict) and candidate.get("name") == item["name"]:
                return index
        return None
    same_length = len(rendered) == len(original)
    return part if part < len(original) and (same_length or original[part] == item) else None


def find_source(
    rendered: Mapping[str, Any], documents: Sequence[Document]
) -> tuple[Document, AttrPath] | None:
    """The object of a source file that a rendered one came from: same kind, same or longer name
    (``namePrefix``, ``nameSuffix`` and hashes only add)."""
    name = str(mapping(rendered.get("metadata")).get("name", ""))
    best: tuple[int, Document, AttrPath] | None = None
    for document in documents:
        for path, candidate in _candidates(document.data):
            own = str(mapping(candidate.get("metadata")).get("name", ""))
            fits = candidate.get("kind") == rendered.get("kind") and own and own in name
            if fits and (best is None or len(own) > best[0]):
                best = (len(own), document, path)
    return (best[1], best[2]) if best else None


def _candidates(data: Any) -> Iterator[tuple[AttrPath, Mapping[str, Any]]]:
    if isinstance(data, dict):
        yield (), data
        for index, item in enumerate(items(data.get("items"))):
            if isinstance(item, dict):
                yield ("items", index), item
