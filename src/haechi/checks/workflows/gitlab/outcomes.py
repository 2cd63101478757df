"""Checks of a pipeline that cannot fail, never run, or leave no trace; gates nobody waits for."""

from __future__ import annotations

import re
from collections.abc import Iterator

from haechi.checks.workflows.gates import LIVE, MOST_DEPLOYING, deploy_command
from haechi.checks.workflows.gitlab.view import GitlabJob, Line, Pipeline, pipeline_of
from haechi.checks.workflows.outcomes import judged_later, swallowed
from haechi.checks.workflows.plain import is_true, listed, mapping, sequence, shown, text
from haechi.checks.workflows.results import files_of
from haechi.checks.workflows.scanners import Check, program_passes
from haechi.errors import NotEvaluated
from haechi.model.review import Hit, Review

_TEMPLATES = frozenset(
    {"sast", "secret_detection", "dependency_scanning", "container_scanning", "dast", "iac-sast",
     "kics-iac-sast", "semgrep-sast", "gemnasium-dependency_scanning", "apifuzzer_fuzz"}
)  # fmt: skip
_SWITCH = re.compile(
    r"(?:SAST|SECRET_DETECTION|DEPENDENCY_SCANNING|CONTAINER_SCANNING|DAST|COVFUZZ|API_FUZZING)"
    r"_DISABLED\Z"
)


def checks_of(job: GitlabJob) -> list[tuple[Check, Line]]:
    """The scanners and tests of a job with the lines that run them."""
    return [(check, line) for line in job.lines for check in line.checks]


def _names(job: GitlabJob) -> str:
    names = [check.name for check, _ in checks_of(job)]
    return listed(names) or ("a scanner" if job.name in _TEMPLATES else "")


def ignored(review: Review) -> Iterator[Hit]:
    """A check whose failure is passed over."""
    told = set()
    for job in pipeline_of(review).jobs:
        names = _names(job)
        allowed, path = job.field("allow_failure")
        if names and is_true(allowed):
            if path not in told:
                told.add(path)
                yield Hit(f"{job.label} runs {names} and may fail unnoticed", path)
            continue
        for line in job.lines:
            for check in swallowed(line.script):
                if line.path not in told:
                    told.add(line.path)
                    yield Hit(f"{job.label} runs {check.name} and swallows its failure", line.path)


def cannot_fail(review: Review) -> Iterator[Hit]:
    """A scanner that is set up to pass whatever it finds."""
    pipeline = pipeline_of(review)
    for job, line in pipeline.lines():
        variables = {**pipeline.variables, **job.variables}
        lost = {check.name for check in swallowed(line.script)}
        if is_true(job.own("allow_failure")) or _reported(job):
            continue
        for check in line.checks:
            if check.program is None or check.command is None or check.name in lost:
                continue
            why = program_passes(check.program, check.command, variables)
            if why and not judged_later(line.script, check):
                yield Hit(
                    f"{job.label} runs {check.name}, which passes whatever it finds ({why})",
                    line.path,
                )


def _reported(job: GitlabJob) -> bool:
    """True when the results go to GitLab as a report: merge requests are judged by those."""
    return any(
        key not in ("junit", "dotenv", "coverage_report")
        for key in mapping(mapping(job.own("artifacts")).get("reports"))
    )


def switched_off(review: Review) -> Iterator[Hit]:
    """A check that never runs, or only when somebody starts it."""
    pipeline = pipeline_of(review)
    for source in (pipeline.variables, *(job.variables for job in pipeline.jobs)):
        for name, (value, path) in source.items():
            if _SWITCH.match(name) and value.strip().lower() in ("true", "1"):
                yield Hit(f"the variable {name} switches the scanner off", path)
    for job in pipeline.jobs:
        names = _names(job)
        if not names:
            continue
        rules, path = job.field("rules")
        if _never(rules):
            yield Hit(f"{job.label}, which runs {names}, never runs", path)
            continue
        when, path = job.field("when")
        if text(when) == "manual" and job.own("allow_failure") is not False:
            yield Hit(
                f"{job.label}, which runs {names}, waits for a hand and holds nobody up", path
            )


def _never(rules: object) -> bool:
    entries = sequence(rules)
    return bool(entries) and all(text(mapping(rule).get("when")) == "never" for rule in entries)


def report_not_kept(review: Review) -> Iterator[Hit]:
    """A scanner's report that is gone with the job."""
    for job in pipeline_of(review).jobs:
        artifacts = mapping(job.own("artifacts"))
        if artifacts.get("paths") or artifacts.get("reports") or artifacts.get("untracked"):
            continue
        for check, line in checks_of(job):
            if not check.scans:
                continue
            for file in files_of(check):
                if sum(other.text.count(file) for other in job.lines) == 1:
                    yield Hit(
                        f"{job.label} writes the report of {check.name} to {shown(file)}, and "
                        "nothing keeps it",
                        line.path,
                    )


def deploys(job: GitlabJob) -> str:
    """What shows that a job deploys; empty when nothing does."""
    environment = job.own("environment")
    name = text(mapping(environment).get("name")) or text(environment)
    action = text(mapping(environment).get("action")) or "start"
    if action != "start":
        return ""
    if LIVE.search(name):
        return f"environment {name}"
    if name or "deploy" not in job.name.lower():
        return ""
    for line in job.lines:
        known = deploy_command(line.script)
        if known:
            return known
    return ""


def gate_not_needed(review: Review) -> Iterator[Hit]:
    """A deployment that starts before the checks of its pipeline have passed."""
    pipeline = pipeline_of(review)
    deploying = [(job, what) for job in pipeline.jobs if (what := deploys(job))]
    if len(deploying) > MOST_DEPLOYING:
        raise NotEvaluated(f"more than {MOST_DEPLOYING} jobs deploy")
    checking = [job for job in pipeline.jobs if checks_of(job) and not _never(job.own("rules"))]
    for job, what in deploying:
        before = _before(pipeline, job)
        missing = [
            shown(other.name)
            for other in checking
            if other is not job and other.stage <= job.stage and other.name not in before
        ]
        if missing:
            path = job.field("needs")[1] if job.needs is not None else job.path
            yield Hit(f"{job.label} deploys ({what}) without waiting for {listed(missing)}", path)


def _before(pipeline: Pipeline, job: GitlabJob) -> set[str]:
    """Jobs that have passed when this one starts."""
    by_name = {other.name: other for other in pipeline.jobs}
    found: set[str] = set()
    open_ = [job]
    below = -1  # all jobs of stages before this one are in already
    while open_:
        current = open_.pop()
        names = current.needs
        if names is None:
            stage = current.stage
            names = tuple(o.name for o in pipeline.jobs if below <= o.stage < stage)
            below = max(below, stage)
        for name in names:
            if name not in found:
                found.add(name)
                if name in by_name:
                    open_.append(by_name[name])
    return found


def without_resource_group(review: Review) -> Iterator[Hit]:
    """Two pipelines may deploy at the same time, the older one last."""
    for job in pipeline_of(review).jobs:
        what = deploys(job)
        if what and job.own("resource_group") is None:
            yield Hit(
                f"{job.label} deploys ({what}) and may run beside itself",
                (*job.path, "resource_group"),
            )
