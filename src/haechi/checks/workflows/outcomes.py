"""Checks that cannot fail: their failure is ignored, swallowed, or never told.

A scan that passes whatever it finds is worse than none, for people trust the green mark. Not
reported is a scan whose results go to code scanning (that is where they are judged) and a step
whose outcome a later step asks for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from haechi.checks.workflows.plain import is_true, listed, scalars, text
from haechi.checks.workflows.scanners import (
    Check,
    checks_in,
    checks_of,
    job_checks,
    passes_always,
)
from haechi.checks.workflows.scripts import Script
from haechi.checks.workflows.view import Job, Step, Workflow, view_of
from haechi.model.location import AttrPath
from haechi.model.review import Hit, Review
from haechi.rules.ci_tables import uploads

_NEVER = re.compile(r"\A\s*(?:\$\{\{\s*)?false(?:\s*\}\})?\s*\Z", re.IGNORECASE)
_SWALLOWS = frozenset({"true", ":"})
_SAYS = frozenset({"echo", "printf"})
_OUTCOME = re.compile(r"\bsteps\.([A-Za-z0-9_-]{1,100})\.(?:outcome|conclusion|outputs)\b")
_ASKS = ("$?", "PIPESTATUS", "exit $", 'exit "$', "exit ${")


def ignored(review: Review) -> Iterator[Hit]:
    """A scanner or test whose failure is passed over."""
    workflow = view_of(review)
    for job in workflow.jobs:
        checks = job_checks(workflow, job)
        if is_true(job.data.get("continue-on-error")) and checks:
            yield Hit(
                f"{job.label} runs {_names(checks)} and passes when that fails",
                (*job.path, "continue-on-error"),
            )
            continue
        for step in job.steps:
            yield from _ignored_step(workflow, job, step)


def _ignored_step(workflow: Workflow, job: Job, step: Step) -> Iterator[Hit]:
    checks = [c for c in checks_of(workflow, step) if not fails_elsewhere(workflow, job, step, c)]
    if not checks:
        return
    if is_true(step.data.get("continue-on-error")):
        if not _asked_for(workflow, job, step) and not uploaded_after(workflow, job, step):
            yield Hit(
                f"{step.label} runs {_names(checks)} and passes when that fails",
                (*step.path, "continue-on-error"),
            )
        return
    for check in swallowed(workflow.script(step)):
        yield Hit(f"{step.label} runs {check.name} and swallows its failure", (*step.path, "run"))


def fails_elsewhere(workflow: Workflow, job: Job, step: Step, check: Check) -> bool:
    """True when the same scanner runs in the job again and can fail there: this run informs."""
    if not check.scans:
        return False
    able: dict[str, set[AttrPath]] | None = workflow.memo.get(("able", job.path))
    if able is None:
        able = {}
        for other in job.steps:
            for found in checks_of(workflow, other):
                if _can_fail(workflow, job, other, found):
                    able.setdefault(found.name, set()).add(other.path)
        workflow.memo["able", job.path] = able
    return bool(able.get(check.name, set()) - {step.path})


def _can_fail(workflow: Workflow, job: Job, step: Step, check: Check) -> bool:
    if is_true(step.data.get("continue-on-error")) or _NEVER.match(step.condition):
        return False
    if any(lost.name == check.name for lost in swallowed(workflow.script(step))):
        return False
    return not passes_always(check, step, workflow.variables(job, step))


def _names(checks: Sequence[Check]) -> str:
    return listed([check.name for check in checks])


def _asked_for(workflow: Workflow, job: Job, step: Step) -> bool:
    """True when something in the job looks at how a step ended."""
    asked: frozenset[str] | None = workflow.memo.get(("asked", job.path))
    if asked is None:
        found = (_OUTCOME.findall(text_) for _, text_ in scalars(dict(job.data)))
        asked = frozenset(name for names in found for name in names)
        workflow.memo["asked", job.path] = asked
    return step.id in asked


def uploaded_after(workflow: Workflow, job: Job, step: Step) -> bool:
    """True when a later step takes results to code scanning."""
    last: int | None = workflow.memo.get(("upload", job.path))
    if last is None:
        taking = [s.index for s in job.steps if s.uses is not None and uploads(s.uses.key)]
        last = max(taking, default=-1)
        workflow.memo["upload", job.path] = last
    return last > step.index


def swallowed(script: Script) -> Iterator[Check]:
    """Checks of a script whose failure the script itself throws away."""
    told: set[str] = set()
    for check in checks_in(script):
        if check.index < 0 or check.name in told:
            continue
        if _or_true(script, check.index) or _errors_off(script, check.index):
            told.add(check.name)
            yield check


def _or_true(script: Script, index: int) -> bool:
    """True for ``scan || true`` and its like."""
    commands = script.commands
    at = index + 1
    while at < len(commands) and commands[at].operator in ("|", "|&", "&&"):
        at += 1
    if at >= len(commands) or commands[at].operator != "||":
        return False
    after = commands[at]
    if script.groups_after_or:
        return after.name in _SWALLOWS
    if after.name in _SWALLOWS or (after.name == "exit" and after.args == ("0",)):
        return True
    last = at + 1 >= len(commands) or commands[at + 1].operator in ("\n", ";")
    return after.name in _SAYS and last


def _errors_off(script: Script, index: int) -> bool:
    """True when ``set +e`` holds, the check is not the last command, and nobody asks for $?."""
    off = False
    for command in script.commands[:index]:
        if command.name == "set":
            if "+e" in command.args or ("+o" in command.args and "errexit" in command.args):
                off = True
            elif any(arg.startswith("-") and "e" in arg[1:] for arg in command.args):
                off = False
    end = index + len(script.pipeline(index))
    return (
        off
        and end < len(script.commands)
        and not any(ask in script.text for ask in _ASKS)
        and not any(command.operator in ("||", "&&") for command in script.commands[end : end + 1])
    )


def cannot_fail(review: Review) -> Iterator[Hit]:
    """A scanner that is set up to pass whatever it finds."""
    workflow = view_of(review)
    for job, step in workflow.steps:
        if is_true(step.data.get("continue-on-error")) or uploaded_after(workflow, job, step):
            continue
        variables = workflow.variables(job, step)
        swallowed_names = {check.name for check in swallowed(workflow.script(step))}
        for check in checks_of(workflow, step):
            why = passes_always(check, step, variables)
            informs = judged_later(workflow.script(step), check) or fails_elsewhere(
                workflow, job, step, check
            )
            if why and check.name not in swallowed_names and not informs:
                key = "uses" if check.action is not None else "run"
                yield Hit(
                    f"{step.label} runs {check.name}, which passes whatever it finds ({why})",
                    (*step.path, key),
                )


def judged_later(script: Script, check: Check) -> bool:
    """True when the command's output goes to another program or a variable: that may judge."""
    if check.command is None:
        return False
    if check.index < 0:
        return True
    return len(script.pipeline(check.index)) > 1 or _read_back(script, check)


def _read_back(script: Script, check: Check) -> bool:
    """True when a later command of the script reads the file that the check writes."""
    command = check.command
    if command is None or check.program is None:
        return False
    files = [target for kind, target in command.redirects if kind.startswith(">")]
    for at, arg in enumerate(command.args):
        name, equals, value = arg.partition("=")
        if name in check.program.output:
            files.append(value if equals else "".join(command.args[at + 1 : at + 2]))
    later = script.commands[check.index + 1 :]
    return any(file in word for file in files if file for other in later for word in other.words)


def hidden_by_pipe(review: Review) -> Iterator[Hit]:
    """A check that is piped on, in a shell that asks only the last program of a pipe."""
    workflow = view_of(review)
    for _, step in workflow.steps:
        script = workflow.script(step)
        if step.pipefail or "pipefail" in step.run:
            continue
        for check in checks_in(script):
            if check.index < 0 or check.command is None:
                continue
            readers = script.pipeline(check.index)[1:]
            if readers and readers[-1].name in ("tee", "cat", "sed", "head", "tail", "sort"):
                if "PIPESTATUS" in script.text:
                    continue
                yield Hit(
                    f"{step.label} pipes {check.name} into {readers[-1].name}, and the step ends "
                    "as that one does",
                    (*step.path, "run"),
                )


def never_runs(review: Review) -> Iterator[Hit]:
    """A scanner or test that is switched off."""
    workflow = view_of(review)
    for job in workflow.jobs:
        checks = job_checks(workflow, job)
        if checks and _NEVER.match(text(job.data.get("if"))):
            yield Hit(
                f"{job.label}, which runs {_names(checks)}, is switched off", (*job.path, "if")
            )
            continue
        for step in job.steps:
            found = checks_of(workflow, step)
            if found and _NEVER.match(text(step.data.get("if"))):
                yield Hit(
                    f"{step.label}, which runs {_names(found)}, is switched off",
                    (*step.path, "if"),
                )
