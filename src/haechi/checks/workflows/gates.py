"""Deployments: what must come before them, and what must not run beside them.

What deploys is told by the environment's name, or by an action or command that changes a
running system in a job that has no cluster of its own. A job for end-to-end tests is none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from haechi.checks.workflows.plain import listed, scalars, shown, text
from haechi.checks.workflows.scanners import job_checks
from haechi.checks.workflows.scripts import Script
from haechi.checks.workflows.view import Job, Workflow, view_of
from haechi.engines.dockerfile.shell import walk
from haechi.errors import NotEvaluated
from haechi.model.review import Hit, Review
from haechi.rules.ci_tables import action_table

LIVE = re.compile(r"\b(?:prod(?:uction)?|live|staging|stage|prd|stg)\b", re.IGNORECASE)
"""Names of environments that people rely on."""
_TRIAL = re.compile(
    r"(?:\b|_)(?:e2e|tests?|testing|integration|conformance|smoke|lint|bench(?:mark)?|scan|kind"
    r"|clean(?:up)?|teardown|tear down|destroy|canary)(?:\b|_)",
    re.IGNORECASE,
)
_DRY = ("--dry-run", "--dry-run=client", "--dry-run=server", "--help")
_EVENT = re.compile(r"github\.event_name\s*==\s*'(pull_request|schedule|workflow_dispatch)'")
MOST_DEPLOYING = 50


def deploys(workflow: Workflow, job: Job) -> str:
    """What shows that a job deploys; empty when nothing does."""
    called = f"{job.id} {job.name}".replace("-", " ")
    if _TRIAL.search(called[:500]):
        return ""
    if LIVE.search(job.environment):
        return f"environment {job.environment}"
    if _has_own_cluster(job) or _TRIAL.search(text(workflow.data.get("name"))[:500]):
        return ""
    for step in job.steps:
        if step.uses is not None and step.uses.key in action_table().deploys:
            return step.uses.name
        known = deploy_command(workflow.script(step))
        if known:
            return known
    return ""


def deploy_command(script: Script) -> str:
    """The first command of a script that changes a running system, as the table knows it."""
    for command in walk(script.commands):
        line = " ".join(command.argv)
        if any(option in command.args for option in _DRY):
            continue
        for known in action_table().deploy_commands:
            if line == known or line.startswith(known + " "):
                return known
    return ""


def _has_own_cluster(job: Job) -> bool:
    words = action_table().local_clusters
    return any(word in found.lower() for _, found in scalars(dict(job.data)) for word in words)


def without_concurrency(review: Review) -> Iterator[Hit]:
    """Two runs may deploy at the same time, the older one last."""
    workflow = view_of(review)
    if workflow.composite or "concurrency" in workflow.data:
        return
    for job in workflow.jobs:
        what = deploys(workflow, job)
        if what and "concurrency" not in job.data:
            yield Hit(
                f"{job.label} deploys ({what}) and may run beside itself",
                (*job.path, "concurrency"),
            )


def gate_not_needed(review: Review) -> Iterator[Hit]:
    """A deployment that does not wait for the checks of its own workflow."""
    workflow = view_of(review)
    deploying = [(job, what) for job in workflow.jobs if (what := deploys(workflow, job))]
    if len(deploying) > MOST_DEPLOYING:
        raise NotEvaluated(f"more than {MOST_DEPLOYING} jobs deploy")
    if not deploying:
        return
    needs = {job.id: job.needs for job in workflow.jobs}
    needed_by: dict[str, list[str]] = {}
    for name, others in needs.items():
        for other in others:
            needed_by.setdefault(other, []).append(name)
    checking = [
        job.id
        for job in workflow.jobs
        if not _EVENT.search(job.condition) and job_checks(workflow, job)
    ]
    for job, what in deploying:
        # Jobs that come after it test what was deployed.
        around = _reach(needs, job.id) | _reach(needed_by, job.id) | {job.id}
        missing = [name for name in checking if name not in around]
        if missing and job.id not in checking:
            names = listed([shown(name) for name in missing])
            yield Hit(f"{job.label} deploys ({what}) without waiting for {names}", job.path)


def _reach(edges: Mapping[str, Sequence[str]], start: str) -> set[str]:
    """All that can be reached from a job, itself left out unless there is a circle."""
    found: set[str] = set()
    open_ = list(edges.get(start, ()))
    while open_:
        name = open_.pop()
        if name not in found:
            found.add(name)
            open_ += edges.get(name, ())
    return found


def without_timeout(review: Review) -> Iterator[Hit]:
    """Jobs without a limit run for six hours when they hang. Said once for a file."""
    workflow = view_of(review)
    if workflow.composite:
        return
    jobs = [
        job
        for job in workflow.jobs
        if job.steps
        and "timeout-minutes" not in job.data
        and not all("timeout-minutes" in step.data for step in job.steps)
    ]
    if jobs:
        what = f"{jobs[0].label} has" if len(jobs) == 1 else f"{len(jobs)} jobs have"
        yield Hit(f"{what} no timeout-minutes", (*jobs[0].path, "timeout-minutes"))
