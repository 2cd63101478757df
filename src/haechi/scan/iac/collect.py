"""Read a tree into resources: manifests, rendered overlays and charts, Dockerfiles, CI files.

Everything that could not be read becomes a gap with a reason; nothing is skipped in silence.
Budgets bound memory: past them the rest is a gap, too.
"""

from __future__ import annotations

import posixpath
from collections.abc import Mapping, Sequence

from haechi.engines.documents import decode
from haechi.engines.objects import resources_of
from haechi.engines.values import LIMITS
from haechi.errors import InputError
from haechi.model.config import VariableFiles
from haechi.scan.falco import may_be_rules, may_hold_rules, read_rules
from haechi.scan.iac.charts import in_templates, outermost
from haechi.scan.iac.collected import Collected
from haechi.scan.iac.dockerfiles import read_dockerfile, template_gap
from haechi.scan.iac.intake import Intake, Progress
from haechi.scan.iac.renderings import Renderings
from haechi.scan.iac.sources import NEEDLES, PLAN, WIDE, Source, classify, may_hold_objects
from haechi.scan.iac.terraform_files import TerraformFiles
from haechi.scan.iac.unrendered import is_bundled, unrendered
from haechi.scan.iac.workflows import ACTION, PIPELINES, may_be_action, read_workflow
from haechi.scan.suppressions import PEER_FILES, Index, from_peer_file
from haechi.world.files import Entry, Tree


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
        self._tree = tree
        self._intake = Intake(tree, index, progress)
        self._out = self._intake.out
        self._renderings = Renderings(self._intake, kubernetes_version)
        self._terraform = TerraformFiles(self._intake, var_files)
        self._falco_texts: dict[str, str] = {}

    def collect(self) -> Collected:
        """Walk, classify, read, render."""
        entries: dict[Source, list[Entry]] = {source: [] for source in Source}
        for entry in self._tree.walk():
            self._out.seen += 1
            source = classify(entry.path)
            if entry.path.rpartition("/")[2] in PEER_FILES:
                self._peer_file(entry)
            elif source is not Source.OTHER:
                entries[source].append(entry)
        self._asked_for(entries)
        for unread in self._tree.unread:
            self._unread(unread.kind, unread.path, unread.reason)
        self._linked({entry.path for found in entries.values() for entry in found})
        for entry in entries[Source.DOCKERFILE_TEMPLATE]:
            self._out.gaps.append(template_gap(entry.path))
        self._unrendered(entries)
        charts = outermost(posixpath.dirname(entry.path) for entry in entries[Source.CHART])
        consumed = self._renderings.overlays(entries[Source.KUSTOMIZATION])
        manifests = [
            entry
            for entry in entries[Source.MANIFEST]
            if entry.path not in consumed and not in_templates(entry.path, charts)
        ]
        self._renderings.charts(charts)
        steps = [(self._manifest, entry) for entry in manifests]
        steps += [(self._dockerfile, entry) for entry in entries[Source.DOCKERFILE]]
        for source in PIPELINES:
            steps += [(self._pipeline, entry) for entry in entries[source]]
        for done, (step, entry) in enumerate(steps):
            self._intake.tick(done, len(steps), entry.path)
            step(entry)
        self._terraform.take(entries)
        self._out.falco, gaps = read_rules(self._falco_texts)
        self._out.gaps.extend(gaps)
        return self._out

    def _unrendered(self, entries: Mapping[Source, list[Entry]]) -> None:
        """Files that nothing here renders."""
        charts = [posixpath.dirname(entry.path) for entry in entries[Source.CHART]]
        for source in (Source.MANIFEST_TEMPLATE, Source.PACKED_CHART, Source.HELMFILE):
            for entry in entries[source]:
                if in_templates(entry.path, charts) or is_bundled(entry.path, charts):
                    continue
                data = self._intake.read(entry) if entry.size <= LIMITS.size else None
                gap = unrendered(source, entry.path, data) if data is not None else None
                if gap is not None:
                    self._out.gaps.append(gap)

    def _asked_for(self, entries: Mapping[Source, list[Entry]]) -> None:
        """A file named on the command line that is of no known kind was asked for in vain."""
        within = self._tree.within
        if within and not any(entries.values()) and self._tree.is_file(within):
            reason = "not a file that haechi knows by its name"
            self._intake.gap(
                "unknown", within, reason, "name manifests *.yaml or *.json, or say --only secrets"
            )

    # --- manifests -------------------------------------------------------------------------

    def _manifest(self, entry: Entry) -> None:
        if entry.size > LIMITS.size:
            if not self._terraform.plan(entry) and self._intake.holds(entry, NEEDLES):
                self._intake.too_large(entry)
            return
        data = self._intake.read(entry)
        if data is None or self._falco(data, entry.path):
            return
        if (PLAN[0] in data or data[:2] in WIDE) and self._terraform.plan(entry):
            return
        if not may_hold_objects(data):
            return
        if not self._intake.within_budget(len(data), entry.path):
            return
        documents = self._intake.documents(data, lambda line: f"{entry.path}:{line}")
        found = False
        for document in documents:
            for resource in resources_of(document, entry.path):
                found = True
                self._intake.add(resource)
            if not self._intake.keeps_nodes:
                document.forget()
        if found:
            self._out.files.add(entry.path)
            self._intake.inline(data, entry.path, "yaml")

    def _falco(self, data: bytes, path: str) -> bool:
        """Keep a file of Falco rules until all of its folder are known; True when it is one."""
        if not may_hold_rules(data) or not self._intake.within_budget(len(data), path):
            return False
        try:
            self._falco_texts[path] = decode(data)
        except InputError as error:
            self._intake.gap("encoding", path, error.what, error.do)
            return True
        self._out.files.add(path)
        self._intake.inline(data, path, "yaml")
        return may_be_rules(data)

    # --- Dockerfiles -----------------------------------------------------------------------

    def _dockerfile(self, entry: Entry) -> None:
        data = self._intake.read(entry)
        if data is None:
            return
        try:
            text = decode(data)
        except InputError as error:
            self._intake.gap("encoding", entry.path, error.what, error.do)
            return
        resource, gaps = read_dockerfile(text, entry.path)
        self._out.gaps.extend(gaps)
        if resource is None:
            return
        self._out.dockerfiles.append(resource)
        self._out.files.add(entry.path)
        self._intake.inline(data, entry.path, "dockerfile")

    # --- workflows, actions, pipelines -----------------------------------------------------

    def _pipeline(self, entry: Entry) -> None:
        kind = PIPELINES[classify(entry.path)]
        data = self._intake.read(entry)
        if data is None:
            return
        if kind == ACTION and not may_be_action(data):
            self._manifest(entry)
            return
        if not self._intake.within_budget(len(data), entry.path):
            return
        resource, gaps = read_workflow(data, entry.path, kind)
        self._out.gaps.extend(gaps)
        if resource is None:
            return
        self._out.workflows.append(resource)
        self._out.texts[entry.path] = data
        self._out.files.add(entry.path)
        self._intake.inline(data, entry.path, "yaml")

    # --- small parts -----------------------------------------------------------------------

    def _peer_file(self, entry: Entry) -> None:
        data = self._intake.read(entry) if entry.size < 1 << 20 else None
        if data is not None:
            text = data.decode("utf-8", "replace")
            self._out.waivers.extend(from_peer_file(entry.path, text, self._intake.index))

    def _unread(self, kind: str, path: str, reason: str) -> None:
        """Links that are no manifest by their name do not matter, unless to a whole folder."""
        to_folder = "directory" in reason or "circle" in reason
        if kind == "link" and not to_folder and classify(path) is Source.OTHER:
            return
        self._intake.gap(kind, path, reason, "scan its target by itself" if kind == "link" else "")

    def _linked(self, known: set[str]) -> None:
        """Links within the tree to what the walk passed over: their name says manifest or folder,
        and under the target's own name nothing looks at it."""
        for path, target in self._tree.links:
            if self._tree.is_directory(target):
                seen = ("" if target == "." else target) in self._tree.walked
            else:
                seen = classify(path) is Source.OTHER or target in known
            if not seen:
                reason = f"a link to {target}, which is not looked at under that name"
                self._intake.gap("link", path, reason, "scan its target by itself")
