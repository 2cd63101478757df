"""Overlays and charts of a tree, rendered as the cluster gets them.

What the renderings hold is judged at the place in the sources that it comes from.
"""

from __future__ import annotations

import posixpath
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from msgspec.structs import replace

from haechi.engines.documents import Document, decode, parse_documents
from haechi.engines.objects import resources_of
from haechi.engines.values import LIMITS
from haechi.errors import InputError
from haechi.scan.iac.charts import Template, TemplatePlaces, is_library, last_source, source_of
from haechi.scan.iac.collected import Patience
from haechi.scan.iac.intake import Intake
from haechi.scan.iac.overlays import Overlay, Overlays, read_overlay, take_origin
from haechi.scan.iac.places import OverlayPlaces, SourceObjects, SourcePlaces
from haechi.scan.iac.sources import CHART, KUSTOMIZATIONS
from haechi.world import render
from haechi.world.files import Entry

RENDER_SECONDS = 600.0


class Renderings:
    """Renders for one run; all of it may take ``RENDER_SECONDS``."""

    def __init__(self, intake: Intake, kubernetes_version: str) -> None:
        self._intake = intake
        self._tree = intake.tree
        self._out = intake.out
        self._kubernetes_version = kubernetes_version
        self._sources: dict[str, SourceObjects] = {}
        self._patience = Patience(RENDER_SECONDS)

    def overlays(self, entries: list[Entry]) -> set[str]:
        """Render overlays; return the files that need not be judged on their own."""
        consumed = {entry.path for entry in entries}
        found: dict[str, Overlay] = {}
        pending = [entry.path for entry in entries]
        while pending:
            path = pending.pop()
            overlay = self._read_overlay(path)
            if overlay is not None and overlay.directory not in found:
                found[overlay.directory] = overlay
                consumed |= overlay.partial
                pending.extend(self._outside_scope(overlay, found))
        overlays = Overlays(found)
        roots = overlays.roots()
        for overlay, rendering in zip(roots, self._render(roots, overlays), strict=True):
            closure = overlays.closure(overlay)
            if isinstance(rendering, render.Rendering):
                self._rendered_overlay(rendering, overlay, closure)
                consumed |= {path for part in closure for path in part.consumes}
                continue
            self._intake.gap(
                "kustomize",
                overlay.file,
                f"{rendering}; its resources are judged as they stand, its patches are not",
                "run `kubectl kustomize` yourself and scan the result",
            )
        return consumed

    def _render(
        self, roots: Sequence[Overlay], overlays: Overlays
    ) -> Iterator[render.Rendering | str]:
        """The rendering of each root, or why there is none.

        kubectl runs two at a time, so that at most two finished renderings wait in memory.
        """
        if not roots:
            return
        from concurrent.futures import ThreadPoolExecutor

        kubectl = render.kubectl_path(self._tree.project)

        def one(overlay: Overlay) -> render.Rendering | str:
            if kubectl is None:
                return "kubectl is not installed, so the overlay cannot be rendered"
            obstacle = overlays.obstacle(overlay)
            if obstacle:
                return obstacle
            if self._patience.is_over():
                return self._patience.reason
            try:
                return render.kustomize(
                    kubectl, self._tree.root / overlay.directory, tree=self._tree.project
                )
            except InputError as error:
                return error.what

        with ThreadPoolExecutor(max_workers=2) as pool:
            for first in range(0, len(roots), 2):
                self._intake.tick(first, len(roots), roots[first].file)
                yield from pool.map(one, roots[first : first + 2])

    def _read_overlay(self, path: str) -> Overlay | None:
        try:
            return read_overlay(self._tree.read(path, limit=LIMITS.size), path, self._tree)
        except InputError as error:
            self._intake.gap("kustomize", error.where or path, error.what, error.do or "correct it")
            return None

    def _outside_scope(self, overlay: Overlay, found: Mapping[str, Overlay]) -> list[str]:
        """Kustomization files that an overlay uses and a narrower scan did not walk over."""
        return [
            path
            for directory in sorted(overlay.uses)
            if directory not in found
            for name in sorted(KUSTOMIZATIONS)
            if self._tree.is_file(path := posixpath.join(directory, name))
        ]

    def _rendered_overlay(
        self, rendering: render.Rendering, overlay: Overlay, closure: Sequence[Overlay]
    ) -> None:
        if not self._intake.within_budget(len(rendering.data), overlay.file):
            return
        changes = OverlayPlaces(closure, lambda path: self._source(path).documents)
        self._out.files.update(part.file for part in closure)
        for document in self._intake.documents(rendering.data, lambda line: overlay.file):
            for resource in resources_of(document, overlay.file):
                path = self._inside(take_origin(resource.data), rendering.base)
                origin = self._source(path).find(resource.data) if path else None
                source = (*origin, path) if origin and path else None
                places = SourcePlaces(resource.data, changes, source)
                file = source[2] if source else overlay.file
                origin_key = (
                    f"{file}#{source[0].offset}{source[1]}" if source else f"{file}#{resource.key}"
                )
                moved = replace(resource, locate=places, file=file)
                self._out.origins[id(moved)] = origin_key
                self._intake.add(moved)
            document.forget()

    def _source(self, path: str) -> SourceObjects:
        """The objects of a file that goes into an overlay; read once for all overlays."""
        if path not in self._sources:
            documents: list[Document] = []
            try:
                raw = self._tree.read(path, limit=LIMITS.size)
                documents = [d for d in parse_documents(raw) if isinstance(d, Document)]
            except InputError:
                raw = b""
            self._sources[path] = SourceObjects(documents)
            if documents:
                self._intake.spend(len(raw))
                self._out.files.add(path)
                self._intake.inline(raw, path, "yaml")
            for document in () if self._intake.keeps_nodes else documents:
                document.forget()
        return self._sources[path]

    def _inside(self, origin: str | None, base: str) -> str | None:
        """An origin as a path of the tree, or None when it lies outside."""
        if origin is None:
            return None
        root = self._tree.root.resolve().as_posix()
        absolute = posixpath.normpath(posixpath.join(base, origin))
        return posixpath.relpath(absolute, root) if absolute.startswith(f"{root}/") else None

    def charts(self, charts: list[str]) -> None:
        """Render charts, those that others hold with them."""
        helm = render.helm_path(self._tree.project) if charts else None
        for done, chart in enumerate(charts):
            where = posixpath.join(chart, CHART)
            self._intake.tick(done, len(charts), where)
            try:
                if is_library(self._tree.read(where, limit=LIMITS.size)):
                    continue
                if helm is None:
                    raise InputError("helm is not installed, so the chart cannot be rendered")
                if self._patience.is_over():
                    raise InputError(self._patience.reason)
                rendered = render.helm_template(
                    helm,
                    self._tree.root / chart,
                    kubernetes_version=self._kubernetes_version,
                    tree=self._tree.project,
                )
            except InputError as error:
                do = f"run `helm template {chart or '.'}` and scan that"
                self._intake.gap("helm-chart", where, error.what, do)
            else:
                self._rendered_chart(rendered, chart)

    def _rendered_chart(self, rendered: bytes, chart: str) -> None:
        where = posixpath.join(chart, CHART)
        if not self._intake.within_budget(len(rendered), where):
            return
        templates: dict[str, Template | None] = {}
        counts: Counter[tuple[str, str]] = Counter()

        def place(line: int) -> str:
            return last_source(rendered.decode("utf-8", "replace"), line, chart) or where

        for document in self._intake.documents(rendered, place):
            file = source_of(document.text[:2000], chart) or where
            if file not in templates:
                templates[file] = self._template(file)
            template = templates[file]
            file = where if template is None else file
            self._out.files.add(file)
            for resource in resources_of(document, file):
                nth = counts[file, resource.kind]
                counts[file, resource.kind] += 1
                places = TemplatePlaces(file, template or Template(""), resource.data, nth)
                moved = replace(resource, locate=places, file=file)
                cause = places.document or resource.key
                self._out.origins[id(moved)] = f"{file}#{cause}"
                self._intake.add(moved)
            document.forget()

    def _template(self, file: str) -> Template | None:
        """A template; None when it is in a packed subchart."""
        try:
            raw = self._tree.read(file, limit=LIMITS.size)
            template = Template(decode(raw))
        except InputError:
            return None
        self._intake.inline(raw, file, "yaml")
        return template
