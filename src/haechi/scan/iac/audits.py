"""Have zizmor judge the workflows and actions of a scan, all at once, before our rules ask."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from haechi.checks.audits import place_of
from haechi.engines.zizmor import AuditResult
from haechi.errors import NotEvaluated
from haechi.model.coverage import Gap
from haechi.model.resource import Resource
from haechi.rules.schema import JudgeKind, Rule
from haechi.scan.iac.collected import Collected
from haechi.scan.iac.workflows import GITLAB
from haechi.scan.suppressions import Index, from_audit
from haechi.world import zizmor

_KIND = "zizmor"


class Audited(msgspec.Struct, frozen=True, kw_only=True):
    """The results of one run, by file (``checks.audits.Audits``)."""

    results: Mapping[str, Sequence[AuditResult]]
    refused: Mapping[str, str]
    missing: str = ""

    def of(self, resource: Resource) -> Sequence[AuditResult]:
        """The results about a file. Raises NotEvaluated when there are none."""
        found = self.results.get(resource.file)
        if found is None:
            raise NotEvaluated(self.missing or self.refused.get(resource.file, "not audited"))
        return found

    def known_as(self, name: str, file: str) -> Audited:
        """The answer about the file ``name`` alone, under another name."""
        results, refused = self.results.get(name), self.refused.get(name)
        return Audited(
            results={} if results is None else {file: results},
            refused={} if refused is None else {file: refused},
            missing=self.missing,
        )


def audited(
    collected: Collected, rules: Sequence[Rule], index: Index, tree: Path
) -> Audited | None:
    """Run zizmor if a rule needs it; gaps and waivers go to ``collected``."""
    if not any(rule.judge is JudgeKind.ZIZMOR for rule in rules):
        return None
    resources = {r.file: r for r in collected.workflows if r.kind != GITLAB}
    report = zizmor.audit(inputs_of(resources, collected.texts), tree)
    if report.missing and resources:
        reason = f"{report.missing}, so its rules judged none of {len(resources):,} workflows"
        collected.gaps.append(Gap(kind=_KIND, path=".", reason=reason, do="pip install zizmor"))
    for path, reason in report.refused.items():
        said = reason if reason.startswith("zizmor") else f"zizmor does not take it: {reason}"
        collected.gaps.append(Gap(kind=_KIND, path=path, reason=said, do="correct the workflow"))
    for path, results in report.results.items():
        for result in results:
            if result.ignored is not None:
                line = resources[path].locate(place_of(result, resources[path])).line
                collected.waivers.extend(from_audit(result, path, line, index))
    return Audited(results=report.results, refused=report.refused, missing=report.missing)


class Auditing:
    """Has zizmor judge one text at a time, each text once: for fixes, which are judged again."""

    def __init__(self, tree: Path) -> None:
        self._tree = tree
        self._known: dict[tuple[str, str], Audited] = {}

    def __call__(self, resource: Resource, text: str) -> Audited:
        """What zizmor finds in the text."""
        key = (resource.file, text)
        if key not in self._known:
            one = zizmor.Input(path=resource.file, kind=resource.kind, data=text.encode())
            report = zizmor.audit([one] if resource.kind != GITLAB else [], self._tree)
            self._known[key] = Audited(
                results=report.results, refused=report.refused, missing=report.missing
            )
        return self._known[key]


def inputs_of(resources: Mapping[str, Resource], texts: Mapping[str, bytes]) -> list[zizmor.Input]:
    """What zizmor is given of these files."""
    return [
        zizmor.Input(path=path, kind=resource.kind, data=texts[path])
        for path, resource in resources.items()
    ]
