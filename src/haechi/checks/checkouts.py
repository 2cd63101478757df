"""A stranger's code brought into a run that has the repository's rights.

On ``pull_request_target``, ``workflow_run`` and ``issue_comment`` the run has secrets and a token
that may write, on ``pull_request`` of a fork it has neither. Whoever checks out the pull request
there and builds it runs the stranger's code with both. A condition on the repository that the
change comes from keeps strangers out; one on labels or people leaves it to a person's care.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from haechi.checks.workflows.expressions import secrets_in
from haechi.checks.workflows.plain import mapping, named, scalars, text
from haechi.checks.workflows.uses import Kind
from haechi.checks.workflows.view import Job, Step, Workflow, view_of
from haechi.model.location import AttrPath
from haechi.model.review import Hit, Review

_EVENTS = ("pull_request_target", "workflow_run", "issue_comment")
_HEAD = re.compile(
    r"github\.(?:head_ref\b|event\.(?:"
    r"pull_request\.(?:head\.(?:sha|ref|label)|merge_commit_sha|number)\b"
    r"|workflow_run\.(?:head_(?:sha|branch)|head_commit\.id|pull_requests\S*head\.(?:sha|ref))"
    r"|number\b|issue\.number\b))",
    re.IGNORECASE,
)
_FETCHED = re.compile(
    r"\bgh\s+pr\s+checkout\b"
    r"|\bgit\s+(?:fetch|pull)\b[^\n;&|]*(?:\bpull/|\brefs/pull/|github\.head_ref|\.head\.ref\b)"
)
_OWN = re.compile(
    r"head\.repo\.(?:full_name|fork|owner|id)\b|head_repository\.(?:full_name|fork|owner|id)\b"
    r"|workflow_run\.event\s*(?:==\s*'(?!pull_request)\w+'|!=\s*'pull_request)",
    re.IGNORECASE,
)
_GUARDED = re.compile(
    r"\blabels?\b|author_association|\.merged\b|github\.(?:triggering_)?actor\b|user\.login"
    r"|(?:steps|needs)\.[\w-]+\.(?:outputs|result)",
    re.IGNORECASE,
)
_ASKS = re.compile(
    r"collaborators?/|author_association|check[-_ ]?(?:user[-_ ]?)?permission|is[-_]?member"
    r"|team[-_]?member|memberships?/|authori[sz]e|approv",
    re.IGNORECASE,
)
_RUNS = re.compile(
    r"(?:^|[;&|(]|\bthen\b|\bdo\b|\bsudo\b|\btime\b)[ \t]*(?:\w+=\S*[ \t]+)*"
    r"(\.{1,2}/[\w./-]+|(?:npm|npx|yarn|pnpm|bun|deno|node|make|cmake|ninja|just|task|bazel|mvn"
    r"|gradle|sbt|cargo|tox|nox|pytest|poetry|rake|bundle|composer|phpunit|dotnet|mix|flutter"
    r"|swift|xcodebuild|terraform|ansible-playbook|pre-commit|mkdocs|hugo|jekyll"
    r"|go[ \t]+(?:build|test|run|generate|vet|install)|pip3?[ \t]+install"
    r"|uv[ \t]+(?:run|sync|pip)|python3?|ruby|perl|php|(?:ba|z|da)?sh"
    r"|docker[ \t]+(?:build|buildx|compose))(?=[ \t]+[^-\s]|[ \t]+-(?!-?version\b)|[ \t]*$))",
    re.MULTILINE,
)
_BUILDS = frozenset({"docker/build-push-action", "gradle/gradle-build-action", "pre-commit/action"})


class _Brought(msgspec.Struct, frozen=True, kw_only=True):
    """A stranger's files in a job: by which step, and what runs them afterwards."""

    job: Job
    step: Step
    path: AttrPath
    runs: str
    guarded: bool


def executed(review: Review) -> Iterator[Hit]:
    """What a pull request brought is run with the repository's rights, by nobody's leave."""
    workflow = view_of(review)
    for each in _brought(workflow):
        if each.runs and not each.guarded and _has_rights(workflow, each.job):
            yield Hit(
                f"{each.step.label} checks out what a stranger's pull request brings, and "
                f"{each.runs} runs it with the repository's rights",
                each.path,
            )


def brought(review: Review) -> Iterator[Hit]:
    """The same where a person's care or luck stands between."""
    workflow = view_of(review)
    for each in _brought(workflow):
        rights = _has_rights(workflow, each.job)
        if each.runs and (each.guarded or not rights):
            why = "behind a check by people" if each.guarded else "with few rights"
            yield Hit(
                f"{each.step.label} checks out what a pull request brings, and {each.runs} runs "
                f"it, {why}",
                each.path,
            )
        elif rights and not each.runs and not each.guarded:
            yield Hit(
                f"{each.step.label} puts a stranger's files into a run with the repository's "
                "rights",
                each.path,
            )


def _brought(workflow: Workflow) -> Iterator[_Brought]:
    if workflow.composite or not any(event in workflow.triggers for event in _EVENTS):
        return
    if set(workflow.triggers) & set(_EVENTS) == {"pull_request_target"} and _only_closed(workflow):
        return
    for job in workflow.jobs:
        for number, step in enumerate(job.steps):
            path = _head(step)
            conditions = f"{job.condition}\n{step.condition}"
            if path is None or _OWN.search(conditions):
                continue
            yield _Brought(
                job=job,
                step=step,
                path=path,
                runs=_runner(job.steps[number + 1 :], step),
                guarded=_is_guarded(workflow, job, job.steps[:number], conditions),
            )


def _only_closed(workflow: Workflow) -> bool:
    """Merged is what a person has merged; the head of a closed one is judged like any other."""
    types = mapping(workflow.triggers.get("pull_request_target")).get("types")
    merged = all("merged" in job.condition for job in workflow.jobs)
    return types in ("closed", ["closed"]) and merged


def _head(step: Step) -> AttrPath | None:
    """Where a step says that it takes the pull request's files, or None."""
    if step.uses is not None and step.uses.key == "actions/checkout":
        for name, value in named(step.data.get("with")).items():
            if name.lower() in ("ref", "repository") and (
                _HEAD.search(value) or "head.repo" in value or "head_repository" in value
            ):
                return (*step.path, "with", name)
    if step.run and _FETCHED.search(step.run):
        return (*step.path, "run")
    return None


def _runner(later: tuple[Step, ...], step: Step) -> str:
    """The label of what runs the files, or ""."""
    for each in later:
        found = _RUNS.search(_without_comments(each.run)) if each.run else None
        if found is not None:
            return f"{each.label} ({' '.join(found[1].split())})"
        if each.uses is not None and (each.uses.kind is Kind.LOCAL or each.uses.key in _BUILDS):
            return each.label
    if step.run:
        fetched = _FETCHED.search(step.run)
        found = _RUNS.search(_without_comments(step.run[fetched.end() if fetched else 0 :]))
        if found is not None:
            return f"the same step ({' '.join(found[1].split())})"
    return ""


def _without_comments(script: str) -> str:
    return re.sub(r"(?m)(?:^|(?<=\s))#.*$", "", script[:200_000])


def _is_guarded(workflow: Workflow, job: Job, earlier: tuple[Step, ...], conditions: str) -> bool:
    """True when a person decides: by an environment, a label, membership, a job before."""
    if job.environment or _GUARDED.search(conditions):
        return True
    if any(_ASKS.search(f"{step.run} {text(step.data.get('uses'))}") for step in earlier):
        return True
    needed = {each.id: each for each in workflow.jobs if each.id in job.needs}
    return any(
        each.environment
        or _GUARDED.search(each.condition)
        or _ASKS.search(f"{each.id} {each.name}")
        for each in needed.values()
    )


def _has_rights(workflow: Workflow, job: Job) -> bool:
    """True when the job's token may write, or a secret reaches it."""
    stated = job.data.get("permissions", workflow.data.get("permissions"))
    if stated is None or text(stated) == "write-all":
        return True
    if isinstance(stated, dict) and "write" in named(stated).values():
        return True
    return any(secrets_in(value) for _, value in scalars(job.data)) or any(
        secrets_in(value) for value in named(workflow.data.get("env")).values()
    )
