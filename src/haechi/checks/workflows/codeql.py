"""CodeQL's steps belong together: init builds, analyze asks, and code scanning must be writable."""

from __future__ import annotations

from collections.abc import Iterator

from haechi.checks.workflows.plain import mapping, text
from haechi.checks.workflows.uses import Kind
from haechi.checks.workflows.view import Job, Step, Workflow, view_of
from haechi.model.location import AttrPath
from haechi.model.review import Hit, Review
from haechi.rules.ci_tables import uploads

_INIT = "github/codeql-action/init"
_ANALYZE = "github/codeql-action/analyze"
_SCANNING = "security-events"


def without_init(review: Review) -> Iterator[Hit]:
    """analyze in a job that never ran init."""
    for job in view_of(review).jobs:
        started = False
        for step in job.steps:
            started = started or _is(step, _INIT) or _opaque(step)
            if _is(step, _ANALYZE) and not started:
                yield Hit(
                    f"{step.label} runs CodeQL's analyze without init before it in the job: there "
                    "is no database, and the step fails",
                    (*step.path, "uses"),
                )


def without_analyze(review: Review) -> Iterator[Hit]:
    """init in a job that never asks the database anything."""
    for job in view_of(review).jobs:
        for step in job.steps:
            later = job.steps[step.index + 1 :]
            if _is(step, _INIT) and not any(
                _is(other, _ANALYZE) or _opaque(other) or "codeql" in other.run for other in later
            ):
                yield Hit(
                    f"{step.label} runs CodeQL's init, and no analyze follows: nothing is analysed",
                    (*step.path, "uses"),
                )


def _is(step: Step, action: str) -> bool:
    return step.uses is not None and step.uses.key == action


def _opaque(step: Step) -> bool:
    """True for an action of which we do not see what it runs, and which may hold the other."""
    if step.uses is None:
        return False
    if step.uses.kind is Kind.LOCAL:
        return True
    return "codeql" in step.uses.key and step.uses.owner.lower() != "github"


def upload_without_permission(review: Review) -> Iterator[Hit]:
    """Results are sent to code scanning by a token that may not write there."""
    workflow = view_of(review)
    for job, step in workflow.steps:
        if workflow.composite or step.uses is None or not _uploads(step):
            continue
        at = _forbidden(workflow, job)
        if at is not None and "token" not in step.inputs:
            yield Hit(
                f"{step.label} sends results to code scanning, but the permissions of {job.label} "
                f"hold no {_SCANNING}: write",
                at,
            )


def _uploads(step: Step) -> bool:
    if step.uses is None:
        return False
    if step.uses.key == _ANALYZE:
        return step.inputs.get("upload", "").strip().lower() not in (
            "never",
            "false",
            "failure-only",
        )
    return uploads(step.uses.key)


def _forbidden(workflow: Workflow, job: Job) -> AttrPath | None:
    """Where the permissions that apply are written, when they leave code scanning out."""
    data, path = (job.data, job.path) if "permissions" in job.data else (workflow.data, ())
    given = data.get("permissions")
    if isinstance(given, dict):
        allowed = text(mapping(given).get(_SCANNING)).lower() == "write"
        return None if allowed else (*path, "permissions")
    if isinstance(given, str) and given.strip().lower() == "read-all":
        return (*path, "permissions")
    return None
