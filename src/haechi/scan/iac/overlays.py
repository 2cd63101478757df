"""Kustomize overlays: which to render, what goes into them, and why one cannot be rendered.

Only overlays that no other overlay uses are rendered; the files that go into them are judged as
rendered, because that is what reaches the cluster. Patches are parts of objects and are never
judged by themselves, rendered or not: what they leave out is not missing.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

import msgspec

from haechi.checks.pods.view import items, mapping
from haechi.engines.documents import Document, Fault, parse_documents
from haechi.errors import InputError
from haechi.model.location import AttrPath

ORIGIN = "config.kubernetes.io/origin"
_REMOTE = ("://", "git@", "git::", "gh:", "github.com", "gitlab.com", "bitbucket.org", "?ref=")
_LITERAL_KEYS = frozenset(
    {"literals", "patch", "commonAnnotations", "commonLabels", "labels", "images", "vars"}
)
_RESOURCES = ("resources", "bases", "components", "crds")
_PLUGINS = ("generators", "transformers", "validators", "configurations")
_MAX_PATCHES = 1_000


class Existing(Protocol):
    """What an overlay may refer to; ``world.files.Tree`` is one."""

    def is_file(self, path: str) -> bool:
        """A regular file at this path of the tree."""

    def is_directory(self, path: str) -> bool:
        """A directory at this path of the tree."""


class Patch(msgspec.Struct, frozen=True, kw_only=True):
    """A patch that an overlay names: a file of the tree, or the ``text`` written at ``at``."""

    at: AttrPath
    file: str = ""
    text: str = ""
    target: Mapping[str, Any] = msgspec.field(default_factory=dict)


class Overlay(msgspec.Struct, frozen=True, kw_only=True):
    """One kustomization directory.

    ``uses`` are directories; ``consumes`` files that become part of the rendering; ``partial``
    are files that hold no whole object.
    """

    file: str
    directory: str
    component: bool
    uses: frozenset[str]
    consumes: frozenset[str]
    patches: tuple[Patch, ...] = ()
    obstacle: str = ""
    document: Document | None = None

    @property
    def partial(self) -> frozenset[str]:
        """Files that hold patches."""
        return frozenset(patch.file for patch in self.patches if patch.file)


class Overlays(msgspec.Struct, frozen=True):
    """All overlays of a tree, by directory."""

    by_directory: Mapping[str, Overlay] = msgspec.field(default_factory=dict)

    def roots(self) -> list[Overlay]:
        """Overlays that nothing else uses, and of a circle its first one."""
        used = {d for overlay in self.by_directory.values() for d in overlay.uses}
        whole = [o for _, o in sorted(self.by_directory.items()) if not o.component]
        roots = [overlay for overlay in whole if overlay.directory not in used]
        reached = {part.directory for root in roots for part in self.closure(root)}
        for overlay in whole:
            if overlay.directory not in reached and self._in_circle(overlay):
                roots.append(overlay)
                reached |= {part.directory for part in self.closure(overlay)}
        return roots

    def closure(self, overlay: Overlay) -> list[Overlay]:
        """The overlay and all that it uses, directly or not; itself first."""
        seen: dict[str, Overlay] = {}
        pending = [overlay]
        while pending:
            current = pending.pop()
            if current.directory in seen:
                continue
            seen[current.directory] = current
            uses = sorted(current.uses, reverse=True)
            pending.extend(self.by_directory[d] for d in uses if d in self.by_directory)
        return list(seen.values())

    def obstacle(self, overlay: Overlay) -> str:
        """Why the overlay cannot be rendered offline, or an empty text."""
        for part in self.closure(overlay):
            if part.obstacle:
                where = "" if part is overlay else f"{part.file} "
                return where + part.obstacle
        return ""

    def _in_circle(self, overlay: Overlay) -> bool:
        return any(overlay.directory in part.uses for part in self.closure(overlay))


def read_overlay(data: bytes, file: str, existing: Existing) -> Overlay:
    """Understand one kustomization file; ``existing`` tells what its entries are.

    Raises InputError when it cannot be parsed.
    """
    document: Document | None = None
    for result in parse_documents(data):
        if isinstance(result, Fault):
            raise InputError(result.message, where=f"{file}:{result.line}")
        document = result
    content = mapping(document.data if document else None)
    directory = posixpath.dirname(file)
    patches = tuple(_patches(content, directory, existing))
    entries = _Entries(directory, existing, {file, *(p.file for p in patches if p.file)})
    for key in (*_RESOURCES, *_PLUGINS):
        for entry in items(content.get(key)):
            if isinstance(entry, str) and not (_is_remote(entry) or "\n" in entry):
                entries.take(entry, needed=True)
    for entry in _data_files(content):
        entries.take(entry, needed=False)
    return Overlay(
        file=file,
        directory=directory,
        component=content.get("kind") == "Component",
        uses=frozenset(entries.uses),
        consumes=frozenset(entries.consumes),
        patches=patches,
        obstacle=_obstacle(content) or entries.obstacle,
        document=document,
    )


class _Entries:
    """Sorts what an overlay names into files and directories of the tree."""

    def __init__(self, directory: str, existing: Existing, consumes: set[str]) -> None:
        self.uses: set[str] = set()
        self.consumes = consumes
        self.obstacle = ""
        self._directory = directory
        self._existing = existing

    def take(self, entry: str, *, needed: bool) -> None:
        target = _inside(self._directory, entry)
        if target is None:
            self._obstruct(f"names {entry!r}, which is outside the repository")
        elif self._existing.is_file(target):
            self.consumes.add(target)
        elif self._existing.is_directory(target or "."):
            self.uses.add(target)
        elif needed:
            self._obstruct(f"names {entry!r}, which does not exist")

    def _obstruct(self, reason: str) -> None:
        self.obstacle = self.obstacle or reason


def _inside(directory: str, entry: str) -> str | None:
    """An entry as a path of the tree, None when it leads out of it."""
    target = posixpath.normpath(posixpath.join(directory, entry))
    if target.startswith(("../", "/")) or target == "..":
        return None
    return "" if target == "." else target


def _is_remote(text: str) -> bool:
    return any(mark in text for mark in _REMOTE)


def _obstacle(content: Mapping[str, Any]) -> str:
    for text in _strings(content):
        if _is_remote(text):
            return f"needs {text[:200]!r} from the network"
    if content.get("helmCharts") or content.get("helmChartInflationGenerator"):
        return "inflates Helm charts"
    return ""


def _data_files(content: Mapping[str, Any]) -> Iterator[str]:
    """Files that generators and replacements read: data, not objects by themselves."""
    for key in ("configMapGenerator", "secretGenerator"):
        for generator in items(content.get(key)):
            entries = items(mapping(generator).get("files")) + items(mapping(generator).get("envs"))
            for entry in [*entries, mapping(generator).get("env")]:
                if isinstance(entry, str):
                    yield entry.rpartition("=")[2]
    openapi = mapping(content.get("openapi")).get("path")
    paths = [mapping(entry).get("path") for entry in items(content.get("replacements"))]
    yield from (path for path in [openapi, *paths] if isinstance(path, str))


def _patches(content: Mapping[str, Any], directory: str, existing: Existing) -> Iterator[Patch]:
    for key in ("patches", "patchesJson6902", "patchesStrategicMerge"):
        for index, entry in enumerate(items(content.get(key))[:_MAX_PATCHES]):
            at = (key, index)
            body = mapping(entry)
            named = entry if isinstance(entry, str) else body.get("path")
            text = entry if isinstance(entry, str) else body.get("patch")
            target = mapping(body.get("target"))
            file = _inside(directory, named) if isinstance(named, str) else None
            if file and "\n" not in file and existing.is_file(file):
                yield Patch(at=at, file=file, target=target)
            elif isinstance(text, str):
                step: AttrPath = at if isinstance(entry, str) else (*at, "patch")
                yield Patch(at=step, text=text, target=target)


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


def take_origin(data: dict[str, Any]) -> str | None:
    """Remove kustomize's origin annotation and return the file it names, as it names it."""
    metadata = data.get("metadata")
    annotations = metadata.get("annotations") if isinstance(metadata, dict) else None
    if not isinstance(metadata, dict) or not isinstance(annotations, dict):
        return None
    text = annotations.pop(ORIGIN, None)
    if not annotations:
        del metadata["annotations"]
    for document in parse_documents(text.encode()) if isinstance(text, str) else ():
        path = mapping(document.data).get("path") if isinstance(document, Document) else None
        return path if isinstance(path, str) else None
    return None
