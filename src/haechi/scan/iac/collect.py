"""Read a tree into resources: manifests, rendered overlays and charts, Dockerfiles.

Everything that could not be read becomes a gap with a reason; nothing is skipped in silence.
Budgets bound memory: past them the rest is a gap, too.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from haechi.engines.dockerfile import resource_of
from haechi.engines.documents import LIMITS, Document, Fault, decode, parse_documents
from haechi.errors import InputError
from haechi.model.coverage import Gap
from haechi.model.location import AttrPath, Location
from haechi.model.resource import Resource
from haechi.model.waiver import Waiver
from haechi.scan.iac.kubernetes import resources_of
from haechi.scan.iac.overlays import (
    Overlay,
    Overlays,
    SourcePlaces,
    find_source,
    read_overlay,
    take_origin,
)
from haechi.scan.iac.sources import KUSTOMIZATIONS, NEEDLES, Source, classify, may_hold_objects
from haechi.scan.suppressions import Index, from_object, from_peer_file, from_text
from haechi.world import render
from haechi.world.files import Entry, Tree

Progress = Callable[[int, int, str], None]

MAX_TEXT = 100 * 1024 * 1024
"""Bytes of manifests held at once; about 400 MB as Python values is never reached below it."""
KEEP_NODES = 4 * 1024 * 1024
"""Bytes of YAML whose node trees stay in memory; later documents are composed again on demand."""
_PEER_FILES = frozenset({".trivyignore", ".hadolint.yaml", ".hadolint.yml"})


@dataclass(slots=True)
class Collected:
    """What one tree holds. ``rendered`` are resources that came out of an overlay or chart."""

    resources: list[Resource] = field(default_factory=list)
    dockerfiles: list[Resource] = field(default_factory=list)
    rendered: set[int] = field(default_factory=set)
    duplicates: dict[int, list[tuple[str, int]]] = field(default_factory=dict)
    waivers: list[Waiver] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    files: set[str] = field(default_factory=set)
    seen: int = 0


class Collector:
    """Collects one tree. ``index`` maps other tools' rule ids to ours for their suppressions."""

    def __init__(self, tree: Tree, index: Index, progress: Progress | None = None) -> None:
        self.tree = tree
        self.index = index
        self.out = Collected()
        self._progress = progress
        self._text = 0
        self._full = False

    def collect(self) -> Collected:
        """Walk, classify, read, render."""
        entries: dict[Source, list[Entry]] = {source: [] for source in Source}
        for entry in self.tree.walk():
            self.out.seen += 1
            source = classify(entry.path)
            if source is not Source.OTHER:
                entries[source].append(entry)
            elif entry.path.rpartition("/")[2] in _PEER_FILES:
                self._peer_file(entry)
        for unread in self.tree.unread:
            self._unread(unread.kind, unread.path, unread.reason)
        for entry in entries[Source.DOCKERFILE_TEMPLATE]:
            self._gap(
                "template", entry.path, "a template of a Dockerfile", "render it and scan that"
            )
        charts = _outermost(posixpath.dirname(entry.path) for entry in entries[Source.CHART])
        consumed = self._overlays(entries[Source.KUSTOMIZATION])
        manifests = [
            entry
            for entry in entries[Source.MANIFEST]
            if entry.path not in consumed and not _in_templates(entry.path, charts)
        ]
        self._charts(charts)
        total = len(manifests) + len(entries[Source.DOCKERFILE])
        for done, entry in enumerate(manifests):
            self._tick(done, total, entry.path)
            self._manifest(entry)
        for done, entry in enumerate(entries[Source.DOCKERFILE], len(manifests)):
            self._tick(done, total, entry.path)
            self._dockerfile(entry)
        return self.out

    # --- manifests -------------------------------------------------------------------------

    def _manifest(self, entry: Entry) -> None:
        if entry.size > LIMITS.size:
            if self.tree.contains(entry.path, NEEDLES, limit=256 << 20):
                self._too_large(entry)
            return
        data = self._read(entry)
        if data is None or not may_hold_objects(data):
            return
        self._text += len(data)
        if self._text > MAX_TEXT:
            if not self._full:
                self._gap(
                    "too-much",
                    entry.path,
                    f"manifests past {MAX_TEXT >> 20} MiB in one run are not judged",
                    "scan the subfolders one by one",
                )
            self._full = True
            return
        documents = self._documents(data, entry.path)
        found = False
        for document in documents:
            for resource in resources_of(document, entry.path):
                found = True
                self._add(resource, document)
            if self._text > KEEP_NODES:
                document.forget()
        if found:
            self.out.files.add(entry.path)
            self._inline(data, entry.path, "yaml")

    def _documents(self, data: bytes, path: str) -> list[Document]:
        documents = []
        try:
            for result in parse_documents(data):
                if isinstance(result, Fault):
                    self._fault(result, path, data)
                else:
                    documents.append(result)
        except InputError as error:
            self._gap("encoding", path, error.what, error.do)
        return documents

    def _fault(self, fault: Fault, path: str, data: bytes) -> None:
        """A broken document matters only where it could hold an object."""
        remedy = {
            "template": "render it (helm, envsubst, jinja) and scan the result",
            "syntax": "correct the YAML",
        }.get(fault.kind, "split the file")
        self._gap(fault.kind, f"{path}:{fault.line}", fault.message, remedy)

    def _add(self, resource: Resource, document: Document) -> None:
        if document.duplicates:
            self.out.duplicates[id(resource)] = document.duplicates
        self.out.resources.append(resource)
        self.out.waivers.extend(
            from_object(resource.data, resource.key, resource.locate(()), self.index)
        )

    # --- overlays and charts ---------------------------------------------------------------

    def _overlays(self, entries: list[Entry]) -> set[str]:
        """Render overlays; return the files that need not be judged on their own."""
        consumed = {entry.path for entry in entries}
        found: dict[str, Overlay] = {}
        pending = [entry.path for entry in entries]
        while pending:
            path = pending.pop()
            overlay = self._read_overlay(path)
            if overlay is not None and overlay.directory not in found:
                found[overlay.directory] = overlay
                pending.extend(self._outside_scope(overlay, found))
        overlays = Overlays(found)
        kubectl = render.kubectl_path() if found else None
        roots = overlays.roots()
        renderings = self._render(roots, overlays, kubectl)
        for overlay, rendering in zip(roots, renderings, strict=True):
            if isinstance(rendering, render.Rendering):
                self._rendered_overlay(rendering, overlay)
                consumed |= {p for part in overlays.closure(overlay) for p in part.consumes}
                continue
            self._gap(
                "kustomize",
                overlay.file,
                f"{rendering}; its files are judged as they stand",
                "run `kubectl kustomize` yourself and scan the result",
            )
        return consumed

    def _render(
        self, roots: list[Overlay], overlays: Overlays, kubectl: str | None
    ) -> Iterator[render.Rendering | str]:
        """The rendering of each root, or why there is none; kubectl runs two at a time."""

        if not roots:
            return
        from concurrent.futures import ThreadPoolExecutor

        def one(overlay: Overlay) -> render.Rendering | str:
            if kubectl is None:
                return "kubectl is not installed, so the overlay cannot be rendered"
            obstacle = overlays.obstacle(overlay)
            if obstacle:
                return obstacle
            try:
                return render.kustomize(kubectl, self.tree.root / overlay.directory)
            except InputError as error:
                return error.what

        with ThreadPoolExecutor(max_workers=2) as pool:
            for done, rendering in enumerate(pool.map(one, roots)):
                self._tick(done, len(roots), roots[done].file)
                yield rendering

    def _read_overlay(self, path: str) -> Overlay | None:
        try:
            return read_overlay(self.tree.read(path, limit=LIMITS.size), path, self.tree)
        except InputError as error:
            self._gap("kustomize", path, error.what, error.do)
            return None

    def _outside_scope(self, overlay: Overlay, found: Mapping[str, Overlay]) -> list[str]:
        """Kustomization files that an overlay uses and a narrower scan did not walk over."""
        return [
            path
            for directory in sorted(overlay.uses)
            if directory not in found
            for name in sorted(KUSTOMIZATIONS)
            if self.tree.is_file(path := posixpath.join(directory, name))
        ]

    def _rendered_overlay(self, rendering: render.Rendering, overlay: Overlay) -> None:
        sources: dict[str, list[Document]] = {}
        self.out.files.add(overlay.file)
        for document in self._documents(rendering.data, overlay.file):
            for resource in resources_of(document, overlay.file):
                origin = take_origin(resource.data, overlay.file)
                path = self._inside(origin, rendering.base)
                source = self._source(path, resource.data, sources)
                places = SourcePlaces(resource.data, overlay.file, source)
                moved = Resource(
                    key=resource.key,
                    kind=resource.kind,
                    group=resource.group,
                    version=resource.version,
                    namespace=resource.namespace,
                    name=resource.name,
                    data=resource.data,
                    locate=places,
                    file=source[2] if source else overlay.file,
                )
                self.out.rendered.add(id(moved))
                self._add(moved, document)
            document.forget()

    def _source(
        self, path: str | None, data: Mapping[str, Any], sources: dict[str, list[Document]]
    ) -> tuple[Document, AttrPath, str] | None:
        if path is None:
            return None
        if path not in sources:
            try:
                raw = self.tree.read(path, limit=LIMITS.size)
                sources[path] = [d for d in parse_documents(raw) if isinstance(d, Document)]
                self.out.files.add(path)
                self._inline(raw, path, "yaml")
            except InputError:
                sources[path] = []
        found = find_source(data, sources[path])
        return (*found, path) if found else None

    def _inside(self, origin: str | None, base: str) -> str | None:
        """An origin as a path of the tree, or None when it lies outside."""
        if origin is None:
            return None
        root = self.tree.root.resolve().as_posix()
        absolute = posixpath.normpath(posixpath.join(base, origin))
        return posixpath.relpath(absolute, root) if absolute.startswith(f"{root}/") else None

    def _charts(self, charts: list[str]) -> None:
        if not charts:
            return
        helm = render.helm_path()
        for chart in charts:
            where = f"{chart}/Chart.yaml" if chart else "Chart.yaml"
            reason = "helm is not installed, so the chart cannot be rendered"
            if helm is not None:
                try:
                    rendered = render.helm_template(helm, self.tree.root / chart)
                except InputError as error:
                    reason = error.what
                else:
                    self._rendered_chart(rendered, chart)
                    continue
            self._gap(
                "helm-chart", where, reason, f"run `helm template {chart or '.'}` and scan that"
            )

    def _rendered_chart(self, rendered: bytes, chart: str) -> None:
        texts: dict[str, list[str]] = {}
        for document in self._documents(rendered, f"{chart}/Chart.yaml"):
            source = _HELM_SOURCE.search(document.text[:2000])
            inner = source[1].partition("/")[2] if source else "Chart.yaml"
            file = posixpath.join(chart, inner)
            if file not in texts:
                try:
                    raw = self.tree.read(file, limit=LIMITS.size)
                    texts[file] = decode(raw).splitlines()
                    self._inline(raw, file, "yaml")
                except InputError:
                    texts[file] = []
            self.out.files.add(file)
            for resource in resources_of(document, file):
                moved = Resource(
                    key=resource.key,
                    kind=resource.kind,
                    group=resource.group,
                    version=resource.version,
                    namespace=resource.namespace,
                    name=resource.name,
                    data=resource.data,
                    locate=TemplatePlaces(file, texts[file]),
                    file=file,
                )
                self.out.rendered.add(id(moved))
                self._add(moved, document)
            document.forget()

    # --- Dockerfiles -----------------------------------------------------------------------

    def _dockerfile(self, entry: Entry) -> None:
        if entry.size > LIMITS.size:
            self._too_large(entry)
            return
        data = self._read(entry)
        if data is None:
            return
        try:
            text = decode(data)
        except InputError as error:
            self._gap("encoding", entry.path, error.what, error.do)
            return
        resource, faults = resource_of(text, entry.path)
        if not text.strip():
            self._gap("syntax", entry.path, "an empty Dockerfile", "delete it or write it")
            return
        for fault in faults[:5]:
            self._gap("syntax", f"{entry.path}:{fault.line}", fault.message, "correct it")
        self.out.dockerfiles.append(resource)
        self.out.files.add(entry.path)
        self._inline(data, entry.path, "dockerfile")

    # --- small parts -----------------------------------------------------------------------

    def _read(self, entry: Entry) -> bytes | None:
        try:
            return self.tree.read(entry.path, limit=LIMITS.size)
        except InputError as error:
            self._gap("unreadable", entry.path, error.what, "make it readable or exclude it")
            return None

    def _inline(self, data: bytes, path: str, kind: str) -> None:
        self.out.waivers.extend(from_text(data.decode("utf-8", "replace"), path, kind, self.index))

    def _peer_file(self, entry: Entry) -> None:
        data = self._read(entry) if entry.size < 1 << 20 else None
        if data is not None:
            text = data.decode("utf-8", "replace")
            self.out.waivers.extend(from_peer_file(entry.path, text, self.index))

    def _too_large(self, entry: Entry) -> None:
        self._gap(
            "too-large",
            entry.path,
            f"{entry.size:,} bytes; files up to {LIMITS.size:,} are judged",
            "split it",
        )

    def _unread(self, kind: str, path: str, reason: str) -> None:
        if kind == "link" and "nothing" in reason and classify(path) is Source.OTHER:
            return
        self._gap(kind, path, reason, "scan its target by itself" if kind == "link" else "")

    def _gap(self, kind: str, path: str, reason: str, do: str = "") -> None:
        self.out.gaps.append(Gap(kind=kind, path=path, reason=reason, do=do))

    def _tick(self, done: int, total: int, path: str) -> None:
        if self._progress is not None:
            self._progress(done, total, path)


_HELM_SOURCE = re.compile(r"^# Source: (\S+)", re.MULTILINE)


class TemplatePlaces:
    """Locates values of a rendered chart in its template by the last key of their path."""

    def __init__(self, file: str, lines: list[str]) -> None:
        self._file = file
        self._lines = lines

    def __call__(self, path: AttrPath) -> Location:
        """The only line that writes the key; the template's first line when there are several."""
        for part in reversed(path):
            if isinstance(part, int):
                continue
            key = re.compile(rf"\s*(?:- )?[\"']?{re.escape(part)}[\"']?\s*:")
            hits = [number for number, line in enumerate(self._lines, 1) if key.match(line)]
            if len(hits) == 1:
                return Location(path=self._file, line=hits[0], end_line=hits[0])
        return Location(path=self._file)


def _outermost(directories: Iterable[str]) -> list[str]:
    """Charts that are not subcharts of another one."""
    kept: list[str] = []
    for directory in sorted(directories):
        if not any(d == "" or directory.startswith(f"{d}/") for d in kept):
            kept.append(directory)
    return kept


def _in_templates(path: str, charts: list[str]) -> bool:
    """True for files that the chart's rendering covers."""
    for chart in charts:
        inner = path.removeprefix(f"{chart}/") if chart else path
        if (chart == "" or inner != path) and re.match(r"(?:charts/[^/]+/)*templates/", inner):
            return True
    return False
