"""Read a tree into resources: manifests, rendered overlays and charts, Dockerfiles, CI files.

Everything that could not be read becomes a gap with a reason; nothing is skipped in silence.
Budgets bound memory: past them the rest is a gap, too.
"""

from __future__ import annotations

import posixpath
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence

from msgspec.structs import replace

from haechi.engines.documents import Document, Fault, decode, parse_documents
from haechi.engines.objects import resources_of
from haechi.engines.values import LIMITS
from haechi.errors import InputError
from haechi.model.config import VariableFiles
from haechi.model.coverage import Gap
from haechi.model.resource import Resource
from haechi.scan.falco import may_be_rules, may_hold_rules, read_rules
from haechi.scan.iac.charts import (
    Template,
    TemplatePlaces,
    in_templates,
    is_library,
    last_source,
    outermost,
    source_of,
)
from haechi.scan.iac.collected import Collected, Patience
from haechi.scan.iac.dockerfiles import read_dockerfile, template_gap
from haechi.scan.iac.overlays import Overlay, Overlays, read_overlay, take_origin
from haechi.scan.iac.places import OverlayPlaces, SourceObjects, SourcePlaces
from haechi.scan.iac.sources import (
    CHART,
    KUSTOMIZATIONS,
    NEEDLES,
    PLAN,
    Source,
    classify,
    may_hold_objects,
)
from haechi.scan.iac.unrendered import is_bundled, unrendered, unrendered_object
from haechi.scan.iac.workflows import ACTION, PIPELINES, may_be_action, read_workflow
from haechi.scan.suppressions import PEER_FILES, Index, from_object, from_peer_file, from_text
from haechi.world import render
from haechi.world.files import Entry, Tree

Progress = Callable[[int, int, str], None]

MAX_TEXT = 100 * 1024 * 1024
"""Bytes of manifests held at once; about 400 MB as Python values is never reached below it."""
MAX_PLAN = 64 * 1024 * 1024
"""Bytes of a plan or state of Terraform."""
RENDER_SECONDS = 600.0
KEEP_NODES = 4 * 1024 * 1024
"""Bytes of YAML whose node trees stay in memory; later documents are composed again on demand."""
_WIDE = (b"\xff\xfe", b"\xfe\xff")
_REMEDIES = {
    "template": "render it (helm, envsubst, jinja) and scan the result",
    "syntax": "correct the YAML",
}


class Collector:
    """Collects one tree. ``index`` maps other tools' rule ids to ours for their suppressions."""

    def __init__(
        self,
        tree: Tree,
        index: Index,
        progress: Progress | None = None,
        *,
        kubernetes_version: str = "",
        var_files: Sequence[VariableFiles] = (),
    ) -> None:
        self.tree = tree
        self._var_files = var_files
        self._kubernetes_version = kubernetes_version
        self._sources: dict[str, SourceObjects] = {}
        self._patience = Patience(RENDER_SECONDS)
        self.index = index
        self.out = Collected()
        self._progress = progress
        self._text = 0
        self._falco_texts: dict[str, str] = {}
        self._plans: dict[str, bytes] = {}
        self._full = False

    def collect(self) -> Collected:
        """Walk, classify, read, render."""
        entries: dict[Source, list[Entry]] = {source: [] for source in Source}
        for entry in self.tree.walk():
            self.out.seen += 1
            source = classify(entry.path)
            if entry.path.rpartition("/")[2] in PEER_FILES:
                self._peer_file(entry)
            elif source is not Source.OTHER:
                entries[source].append(entry)
        self._asked_for(entries)
        for unread in self.tree.unread:
            self._unread(unread.kind, unread.path, unread.reason)
        self._linked({entry.path for found in entries.values() for entry in found})
        for entry in entries[Source.DOCKERFILE_TEMPLATE]:
            self.out.gaps.append(template_gap(entry.path))
        self._unrendered(entries)
        charts = outermost(posixpath.dirname(entry.path) for entry in entries[Source.CHART])
        consumed = self._overlays(entries[Source.KUSTOMIZATION])
        manifests = [
            entry
            for entry in entries[Source.MANIFEST]
            if entry.path not in consumed and not in_templates(entry.path, charts)
        ]
        self._charts(charts)
        steps = [(self._manifest, entry) for entry in manifests]
        steps += [(self._dockerfile, entry) for entry in entries[Source.DOCKERFILE]]
        for source in PIPELINES:
            steps += [(self._pipeline, entry) for entry in entries[source]]
        for done, (step, entry) in enumerate(steps):
            self._tick(done, len(steps), entry.path)
            step(entry)
        self._terraform(entries)
        self.out.falco, gaps = read_rules(self._falco_texts)
        self.out.gaps.extend(gaps)
        return self.out

    def _unrendered(self, entries: Mapping[Source, list[Entry]]) -> None:
        """Files that nothing here renders."""
        charts = [posixpath.dirname(entry.path) for entry in entries[Source.CHART]]
        for source in (Source.MANIFEST_TEMPLATE, Source.PACKED_CHART, Source.HELMFILE):
            for entry in entries[source]:
                if in_templates(entry.path, charts) or is_bundled(entry.path, charts):
                    continue
                data = self._read(entry) if entry.size <= LIMITS.size else None
                gap = unrendered(source, entry.path, data) if data is not None else None
                if gap is not None:
                    self.out.gaps.append(gap)

    def _asked_for(self, entries: Mapping[Source, list[Entry]]) -> None:
        """A file named on the command line that is of no known kind was asked for in vain."""
        within = self.tree.within
        if within and not any(entries.values()) and self.tree.is_file(within):
            reason = "not a file that haechi knows by its name"
            self._gap(
                "unknown", within, reason, "name manifests *.yaml or *.json, or say --only secrets"
            )

    # --- manifests -------------------------------------------------------------------------

    def _manifest(self, entry: Entry) -> None:
        if entry.size > LIMITS.size and self._plan(entry):
            return
        if entry.size > LIMITS.size:
            if self.tree.contains(entry.path, NEEDLES, limit=256 << 20):
                self._too_large(entry)
            elif entry.size > MAX_PLAN and self.tree.contains(entry.path, PLAN, limit=256 << 20):
                self._too_large(entry, MAX_PLAN)
            return
        data = self._read(entry)
        if data is None or self._falco(data, entry.path):
            return
        if (PLAN[0] in data or data[:2] in _WIDE) and self._plan(entry):
            return
        if not may_hold_objects(data):
            return
        if not self._within_budget(len(data), entry.path):
            return
        documents = self._documents(data, lambda line: f"{entry.path}:{line}")
        found = False
        for document in documents:
            for resource in resources_of(document, entry.path):
                found = True
                self._add(resource)
            if self._text > KEEP_NODES:
                document.forget()
        if found:
            self.out.files.add(entry.path)
            self._inline(data, entry.path, "yaml")

    def _falco(self, data: bytes, path: str) -> bool:
        """Keep a file of Falco rules until all of its folder are known; True when it is one."""
        if not may_hold_rules(data) or not self._within_budget(len(data), path):
            return False
        try:
            self._falco_texts[path] = decode(data)
        except InputError as error:
            self._gap("encoding", path, error.what, error.do)
            return True
        self.out.files.add(path)
        self._inline(data, path, "yaml")
        return may_be_rules(data)

    def _within_budget(self, size: int, path: str) -> bool:
        """False once the run holds too much; said once, for the first file that is left out."""
        self._text += size
        if self._text > MAX_TEXT and not self._full:
            self._full = True
            reason = f"manifests past {MAX_TEXT >> 20} MiB in one run are not judged"
            self._gap("too-much", path, reason, "scan the subfolders one by one")
        return not self._full

    def _documents(self, data: bytes, place: Callable[[int], str]) -> list[Document]:
        """The documents of a file or a rendering; ``place`` names a line of it in gaps."""
        documents = []
        try:
            for result in parse_documents(data):
                if isinstance(result, Fault):
                    remedy = _REMEDIES.get(result.kind, "split the file")
                    self._gap(result.kind, place(result.line), result.message, remedy)
                else:
                    documents.append(result)
        except InputError as error:
            path = place(1).removesuffix(":1")
            self._gap("encoding", path, error.what, error.do)
        return documents

    def _add(self, resource: Resource) -> None:
        self.out.resources.append(resource)
        gap = unrendered_object(resource)
        if gap is not None:
            self.out.gaps.append(gap)
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
            self._gap(
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

        kubectl = render.kubectl_path(self.tree.project)

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
                    kubectl, self.tree.root / overlay.directory, tree=self.tree.project
                )
            except InputError as error:
                return error.what

        with ThreadPoolExecutor(max_workers=2) as pool:
            for first in range(0, len(roots), 2):
                self._tick(first, len(roots), roots[first].file)
                yield from pool.map(one, roots[first : first + 2])

    def _read_overlay(self, path: str) -> Overlay | None:
        try:
            return read_overlay(self.tree.read(path, limit=LIMITS.size), path, self.tree)
        except InputError as error:
            self._gap("kustomize", error.where or path, error.what, error.do or "correct it")
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

    def _rendered_overlay(
        self, rendering: render.Rendering, overlay: Overlay, closure: Sequence[Overlay]
    ) -> None:
        if not self._within_budget(len(rendering.data), overlay.file):
            return
        changes = OverlayPlaces(closure, lambda path: self._source(path).documents)
        self.out.files.update(part.file for part in closure)
        for document in self._documents(rendering.data, lambda line: overlay.file):
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
                self.out.origins[id(moved)] = origin_key
                self._add(moved)
            document.forget()

    def _source(self, path: str) -> SourceObjects:
        """The objects of a file that goes into an overlay; read once for all overlays."""
        if path not in self._sources:
            documents: list[Document] = []
            try:
                raw = self.tree.read(path, limit=LIMITS.size)
                documents = [d for d in parse_documents(raw) if isinstance(d, Document)]
            except InputError:
                raw = b""
            self._sources[path] = SourceObjects(documents)
            if documents:
                self._text += len(raw)
                self.out.files.add(path)
                self._inline(raw, path, "yaml")
            for document in documents if self._text > KEEP_NODES else ():
                document.forget()
        return self._sources[path]

    def _inside(self, origin: str | None, base: str) -> str | None:
        """An origin as a path of the tree, or None when it lies outside."""
        if origin is None:
            return None
        root = self.tree.root.resolve().as_posix()
        absolute = posixpath.normpath(posixpath.join(base, origin))
        return posixpath.relpath(absolute, root) if absolute.startswith(f"{root}/") else None

    def _charts(self, charts: list[str]) -> None:
        helm = render.helm_path(self.tree.project) if charts else None
        for done, chart in enumerate(charts):
            where = posixpath.join(chart, CHART)
            self._tick(done, len(charts), where)
            try:
                if is_library(self.tree.read(where, limit=LIMITS.size)):
                    continue
                if helm is None:
                    raise InputError("helm is not installed, so the chart cannot be rendered")
                if self._patience.is_over():
                    raise InputError(self._patience.reason)
                rendered = render.helm_template(
                    helm,
                    self.tree.root / chart,
                    kubernetes_version=self._kubernetes_version,
                    tree=self.tree.project,
                )
            except InputError as error:
                do = f"run `helm template {chart or '.'}` and scan that"
                self._gap("helm-chart", where, error.what, do)
            else:
                self._rendered_chart(rendered, chart)

    def _rendered_chart(self, rendered: bytes, chart: str) -> None:
        where = posixpath.join(chart, CHART)
        if not self._within_budget(len(rendered), where):
            return
        templates: dict[str, Template | None] = {}
        counts: Counter[tuple[str, str]] = Counter()

        def place(line: int) -> str:
            return last_source(rendered.decode("utf-8", "replace"), line, chart) or where

        for document in self._documents(rendered, place):
            file = source_of(document.text[:2000], chart) or where
            if file not in templates:
                templates[file] = self._template(file)
            template = templates[file]
            file = where if template is None else file
            self.out.files.add(file)
            for resource in resources_of(document, file):
                nth = counts[file, resource.kind]
                counts[file, resource.kind] += 1
                places = TemplatePlaces(file, template or Template(""), resource.data, nth)
                moved = replace(resource, locate=places, file=file)
                cause = places.document or resource.key
                self.out.origins[id(moved)] = f"{file}#{cause}"
                self._add(moved)
            document.forget()

    def _template(self, file: str) -> Template | None:
        """A template; None when it is in a packed subchart."""
        try:
            raw = self.tree.read(file, limit=LIMITS.size)
            template = Template(decode(raw))
        except InputError:
            return None
        self._inline(raw, file, "yaml")
        return template

    # --- Terraform -------------------------------------------------------------------------

    def _plan(self, entry: Entry) -> bool:
        """Keep a JSON file that is a plan of Terraform; True when it is one."""
        limit = LIMITS.size if entry.size <= LIMITS.size else MAX_PLAN
        if entry.size > limit or not entry.path.endswith(".json"):
            return False
        if entry.size > LIMITS.size and not self.tree.contains(entry.path, PLAN, limit=MAX_PLAN):
            return False
        try:
            data = self.tree.read(entry.path, limit=limit)
        except InputError:
            return False
        if data[:2] in _WIDE:  # what a shell of Windows writes
            data = data.decode("utf-16", "replace").encode()
        if not all(needle in data for needle in PLAN):
            return False
        if self._within_budget(len(data), entry.path):
            self._plans[entry.path] = data
        return True

    def _terraform(self, entries: Mapping[Source, list[Entry]]) -> None:
        """Everything of Terraform is imported when there is any."""
        found, terragrunt = entries[Source.TERRAFORM], entries[Source.TERRAGRUNT]
        states = {}
        for entry in entries[Source.TERRAFORM_STATE]:
            if entry.size > MAX_PLAN:
                self._too_large(entry, MAX_PLAN)
            elif (data := self._read(entry)) is not None:
                states[entry.path] = data
        if not found and not terragrunt and not states and not self._plans:
            return
        from haechi.scan.iac.terraform.collect import Found, collect_terraform, terragrunt_gap

        if terragrunt:
            self.out.gaps.append(terragrunt_gap([entry.path for entry in terragrunt]))
        self._tick(0, 1, "Terraform")
        everything = Found(found, self._plans, states)
        collect_terraform(self.tree, everything, self.out, self.index, self._var_files)

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
        resource, gaps = read_dockerfile(text, entry.path)
        self.out.gaps.extend(gaps)
        if resource is None:
            return
        self.out.dockerfiles.append(resource)
        self.out.files.add(entry.path)
        self._inline(data, entry.path, "dockerfile")

    # --- workflows, actions, pipelines -----------------------------------------------------

    def _pipeline(self, entry: Entry) -> None:
        kind = PIPELINES[classify(entry.path)]
        if entry.size > LIMITS.size:
            self._too_large(entry)
            return
        data = self._read(entry)
        if data is None:
            return
        if kind == ACTION and not may_be_action(data):
            self._manifest(entry)
            return
        if not self._within_budget(len(data), entry.path):
            return
        resource, gaps = read_workflow(data, entry.path, kind)
        self.out.gaps.extend(gaps)
        if resource is None:
            return
        self.out.workflows.append(resource)
        self.out.texts[entry.path] = data
        self.out.files.add(entry.path)
        self._inline(data, entry.path, "yaml")

    # --- small parts -----------------------------------------------------------------------

    def _read(self, entry: Entry) -> bytes | None:
        try:
            return self.tree.read(entry.path, limit=LIMITS.size)
        except InputError as error:
            self._gap("unreadable", entry.path, error.what, "make it readable or exclude it")
            return None

    def _inline(self, data: bytes, path: str, kind: str) -> None:
        try:
            text = decode(data)
        except InputError:
            text = data.decode("utf-8", "replace")
        self.out.waivers.extend(from_text(text, path, kind, self.index))

    def _peer_file(self, entry: Entry) -> None:
        data = self._read(entry) if entry.size < 1 << 20 else None
        if data is not None:
            text = data.decode("utf-8", "replace")
            self.out.waivers.extend(from_peer_file(entry.path, text, self.index))

    def _too_large(self, entry: Entry, limit: int = LIMITS.size) -> None:
        self._gap(
            "too-large",
            entry.path,
            f"{entry.size:,} bytes; files up to {limit:,} are judged",
            "split it",
        )

    def _unread(self, kind: str, path: str, reason: str) -> None:
        """Links that are no manifest by their name do not matter, unless to a whole folder."""
        to_folder = "directory" in reason or "circle" in reason
        if kind == "link" and not to_folder and classify(path) is Source.OTHER:
            return
        self._gap(kind, path, reason, "scan its target by itself" if kind == "link" else "")

    def _linked(self, known: set[str]) -> None:
        """Links within the tree to what the walk passed over: their name says manifest or folder,
        and under the target's own name nothing looks at it."""
        for path, target in self.tree.links:
            if self.tree.is_directory(target):
                seen = ("" if target == "." else target) in self.tree.walked
            else:
                seen = classify(path) is Source.OTHER or target in known
            if not seen:
                reason = f"a link to {target}, which is not looked at under that name"
                self._gap("link", path, reason, "scan its target by itself")

    def _gap(self, kind: str, path: str, reason: str, do: str = "") -> None:
        reason = reason.replace(f"{self.tree.root}/", "")
        self.out.gaps.append(Gap(kind=kind, path=path, reason=reason, do=do))

    def _tick(self, done: int, total: int, path: str) -> None:
        if self._progress is not None:
            self._progress(done, total, path)
