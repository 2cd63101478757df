"""Judge by what zizmor found: its results are taken, its severities are not.

zizmor sees each audit as one matter. Whether a reviewer would block on it depends on more: whose
text reaches the script, how a permission is given, what starts the workflow. So a rule names an
audit and which of its results it stands for, and several rules may share an audit.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol

from haechi.checks.origins import origin_of
from haechi.checks.workflows.plain import scalars
from haechi.checks.workflows.view import Workflow, view_of
from haechi.engines.zizmor import AuditResult
from haechi.errors import NotEvaluated
from haechi.model.location import AttrPath
from haechi.model.resource import Resource
from haechi.model.review import Hit, Review
from haechi.rules.schema import Results, Rule

SHARED = "zizmor"
"""Where a review holds the audits of its scope."""
_SHOWN = 3
_REGULAR = ["regular"]
_NAME = re.compile(r"[\w.*\[\]()' -]{1,80}\Z")
_CONTEXTS = re.compile(
    r"(?:github|inputs|env|vars|steps|needs|matrix|jobs|runner|strategy|secrets)\.|fromJSON\("
)


class Audits(Protocol):
    """What zizmor found in the files of a scope."""

    def of(self, resource: Resource) -> Sequence[AuditResult]:
        """The results about a file. Raises NotEvaluated when zizmor did not judge it."""


def audit_judge(rule: Rule) -> Callable[[Review], Iterator[Hit]]:
    """The judge of a rule that stands for results of zizmor."""
    audits = frozenset(rule.audits)
    takes = _filter(rule.results)

    def judge(review: Review) -> Iterator[Hit]:
        held: Audits | None = review.shared.get(SHARED)
        if held is None:
            raise NotEvaluated("zizmor did not run")
        workflow = view_of(review)
        found: dict[AttrPath, list[AuditResult]] = {}
        for result in held.of(review.resource):
            if result.audit in audits and takes(result, workflow):
                found.setdefault(place_of(result, review.resource), []).append(result)
        for path, results in found.items():
            if not (rule.results.outermost and _is_within(path, found)):
                yield _hit(rule, path, results, workflow)

    return judge


def place_of(result: AuditResult, resource: Resource) -> AttrPath:
    """The path of a result. Of some zizmor tells the line alone: then it is the value on that
    line which holds the text."""
    if result.path or not result.text or "\n" in result.text:
        return result.path
    for path, value in scalars(resource.data):
        if result.text in value and resource.locate(path).line == result.line:
            return path
    return ()


def _filter(wanted: Results) -> Callable[[AuditResult, Workflow], bool]:
    says = re.compile(wanted.says)
    unwanted = re.compile(wanted.unless) if wanted.unless else None
    events = frozenset(wanted.triggers)
    personas = wanted.persona or _REGULAR

    def takes(result: AuditResult, workflow: Workflow) -> bool:
        return (
            (not wanted.severity or result.severity in wanted.severity)
            and (not wanted.confidence or result.confidence in wanted.confidence)
            and result.persona in personas
            and says.search(result.says) is not None
            and (unwanted is None or unwanted.match(result.expression) is None)
            and (not wanted.origin or origin_of(result.expression) in wanted.origin)
            and (not events or not events.isdisjoint(workflow.triggers))
        )

    return takes


def _is_within(path: AttrPath, others: Mapping[AttrPath, object]) -> bool:
    return any(path[:length] in others for length in range(len(path)))


def _hit(rule: Rule, path: AttrPath, results: Sequence[AuditResult], workflow: Workflow) -> Hit:
    said = rule.message or results[0].says
    names = list(dict.fromkeys(r.expression for r in results if _is_name(r.expression)))
    if names:
        more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
        said += ": " + ", ".join(names[:_SHOWN]) + more
    where = label_of(workflow, path)
    first = results[0]
    evidence = {"audit": first.audit, "confidence": first.confidence, "line": first.line}
    return Hit(f"{where}: {said}" if where else said, path, evidence)


def _is_name(text: str) -> bool:
    """True for an expression that reads values by their names; others may quote anything."""
    return bool(_CONTEXTS.match(text) and _NAME.match(text))


def label_of(workflow: Workflow, path: AttrPath) -> str:
    """How people call the step or job that a place lies in, or ""."""
    for job in workflow.jobs:
        if path[: len(job.path)] != job.path:
            continue
        for step in job.steps:
            if path[: len(step.path)] == step.path:
                return step.label
        return job.label if job.id else ""
    return ""
