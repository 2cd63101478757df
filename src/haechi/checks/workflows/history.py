"""Scanners of the history that are given none: a shallow clone, or a range with nothing in it."""

from __future__ import annotations

import re
from collections.abc import Iterator

from haechi.checks.workflows.plain import mapping, texts
from haechi.checks.workflows.scanners import checks_of
from haechi.checks.workflows.view import Job, Step, Workflow, view_of
from haechi.model.location import AttrPath
from haechi.model.review import Hit, Review
from haechi.rules.ci_tables import ScanAction, scan_action

_DEFAULT_BRANCH = re.compile(r"github\.event\.repository\.default_branch")
_SWITCH = "ACTIONS_ALLOW_UNSECURE_COMMANDS"
_MAIN = ("main", "master")
_FILES_ONLY = ("--no-git", "dir", "directory", "filesystem", "stdin")


def shallow(review: Review) -> Iterator[Hit]:
    """A secret scanner that sees one commit, or none."""
    workflow = view_of(review)
    for job in workflow.jobs:
        for step in job.steps:
            name = _history_scanner(workflow, step)
            if not name:
                continue
            entry = scan_action(step.uses.key) if step.uses else None
            clone = _clone(job, step)
            equal = entry is not None and _ends_equal(workflow, step, entry)
            facts = ["the clone before it holds one commit"] if clone else []
            facts += ["on a push both ends of its range are the same commit"] if equal else []
            if facts:
                where = _where(step, entry, clone, equal=equal)
                yield Hit(f"{step.label} runs {name}, but {' and '.join(facts)}", where)


def _where(step: Step, entry: ScanAction | None, clone: Step | None, *, equal: bool) -> AttrPath:
    if equal and entry is not None:
        return (*step.path, "with", entry.base)
    return (*(clone or step).path, "with", "fetch-depth")


def _history_scanner(workflow: Workflow, step: Step) -> str:
    for check in checks_of(workflow, step):
        if check.finds != "secrets":
            continue
        if check.action is not None:
            return check.name if check.action.history else ""
        if check.command is not None and check.program is not None:
            words = check.command.args
            commits = {"git", "detect"}.intersection(words) and not set(_FILES_ONLY) & set(words)
            remote = any("://" in word and not word.startswith("file:") for word in words)
            if commits and not remote and "--staged" not in words:
                return check.name
    return ""


def _clone(job: Job, step: Step) -> Step | None:
    """The checkout before a step when it fetches one commit only."""
    last = None
    for earlier in job.steps[: step.index]:
        if earlier.uses is not None and earlier.uses.key == "actions/checkout":
            last = earlier
        elif "git fetch" in earlier.run or "--unshallow" in earlier.run:
            last = None
    if last is None or "git fetch" in step.run:
        return None
    return last if last.inputs.get("fetch-depth", "1").strip() == "1" else None


def _ends_equal(workflow: Workflow, step: Step, entry: ScanAction) -> bool:
    """True when ``base`` is the branch that a push has just moved to ``head``."""
    base = step.inputs.get(entry.base, "").strip() if entry.base else ""
    head = step.inputs.get(entry.head, "").strip()
    if not base or head not in ("", "HEAD") or "push" not in workflow.triggers:
        return False
    if "event_name" in step.condition:
        return False
    push = mapping(workflow.triggers.get("push"))
    branches = texts(push.get("branches"))
    if not branches and ("tags" in push or "branches-ignore" in push):
        return False
    if _DEFAULT_BRANCH.search(base):
        return not branches or any(name in branches for name in _MAIN)
    return base in _MAIN and (not branches or base in branches)


def only_scheduled(review: Review) -> Iterator[Hit]:
    """Scanners that see a change only after it is in."""
    workflow = view_of(review)
    events = set(workflow.triggers)
    if "schedule" not in events or not events <= {"schedule", "workflow_dispatch"}:
        return
    for _, step in workflow.steps:
        for check in checks_of(workflow, step):
            if check.finds in ("secrets", "code", "iac"):
                yield Hit(
                    f"{step.label} runs {check.name} by the clock only; no change waits for it",
                    ("on",),
                )
                return


def disabled_command(review: Review) -> Iterator[Hit]:
    """``::set-env::`` and ``::add-path::``, which the runner refuses."""
    workflow = view_of(review)
    for job, step in workflow.steps:
        if _SWITCH in workflow.variables(job, step):
            continue  # switched on again, which is another rule's
        for command in ("::set-env ", "::add-path::"):
            if command in step.run:
                text_ = f"{step.label} writes the workflow command {command.strip()}"
                yield Hit(f"{text_}, which the runner refuses", (*step.path, "run"))
