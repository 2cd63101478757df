"""Secrets that reach what they should not: actions that can change, conditions, every step.

Only names of secrets are ever said; a workflow holds no values. The token of the run itself is
left out: every action may have that one without being given it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from haechi.checks.workflows.expressions import expressions, names_in, secrets_in
from haechi.checks.workflows.plain import listed, named, text
from haechi.checks.workflows.uses import Kind, Pin, Uses
from haechi.checks.workflows.view import Job, Step, Workflow, view_of
from haechi.model.location import AttrPath
from haechi.model.review import Hit, Review
from haechi.rules.ci_tables import action_table

_QUOTED = re.compile(r"(?<!\[)(?<!\[ )'[^']*'")
"""A text in a condition; the name in ``secrets['NAME']`` is none."""


def given_to_branch(review: Review) -> Iterator[Hit]:
    """A secret in the hands of an action that follows a branch, or of a latest image."""
    for label, uses, names, path in _given(review):
        if uses.pin is Pin.BRANCH or (uses.image is not None and uses.image.floating):
            yield Hit(f"{label} gives {listed(names)} to {_target(uses)}", path)


def given_to_tag(review: Review) -> Iterator[Hit]:
    """The same with a tag. GitHub's own actions could take the secret by other means."""
    for label, uses, names, path in _given(review):
        tagged = uses.pin is Pin.TAG and not uses.official
        if tagged or (uses.image is not None and not uses.image.floating):
            yield Hit(f"{label} gives {listed(names)} to {_target(uses)}", path)


def _target(uses: Uses) -> str:
    if uses.kind is Kind.DOCKER:
        return f"the image {uses.image}, which is not pinned to a digest"
    return f"{uses.name}@{uses.ref}, which is not pinned to a hash"


def _given(review: Review) -> Iterator[tuple[str, Uses, list[str], AttrPath]]:
    """(label, to whom, names of secrets, where) for all that is not pinned."""
    workflow = view_of(review)
    for job in workflow.jobs:
        if job.uses is not None and job.uses.mutable:
            passed = named(job.data.get("secrets"))
            names = [name for value in passed.values() for name in secrets_in(value)]
            if names:
                yield job.label, job.uses, names, (*job.path, "secrets")
        for step in job.steps:
            if step.uses is not None and step.uses.mutable:
                names, path = _reaching(workflow, job, step)
                if names:
                    yield step.label, step.uses, names, path


def _reaching(workflow: Workflow, job: Job, step: Step) -> tuple[list[str], AttrPath]:
    """Secrets that a step's action can read, and where the first of them is written."""
    names: list[str] = []
    path: AttrPath = ()
    for key in ("with", "env"):
        for name, value in named(step.data.get(key)).items():
            found = secrets_in(value)
            path = path or ((*step.path, key, name) if found else ())
            names += found
    names += [name for held in workflow.secrets(job, step).values() for name in held]
    return names, path or (*step.path, "uses")


def in_condition(review: Review) -> Iterator[Hit]:
    """``secrets`` in an ``if:``: the context is not there, and GitHub refuses the file."""
    for job in view_of(review).jobs:
        for label, data, path in (
            (job.label, job.data, job.path),
            *((step.label, step.data, step.path) for step in job.steps),
        ):
            condition = text(data.get("if"))
            condition = _QUOTED.sub("''", condition)
            inside = [condition[start:end] for start, end in expressions(condition)]
            names = [name for part in inside or [condition] for name in names_in(part)]
            if names:
                yield Hit(f"{label} asks for {listed(names)} in its condition", (*path, "if"))


def long_lived_key(review: Review) -> Iterator[Hit]:
    """A stored cloud key where the run's own identity would serve."""
    table = action_table()
    for _, step in view_of(review).steps:
        for key in table.cloud_keys:
            if step.uses is None or step.uses.key != key.action:
                continue
            value = step.inputs.get(key.input, "")
            if value and _is_stored(value):
                yield Hit(
                    f"{step.label} signs in to {key.cloud} with a stored key; use {key.instead}",
                    (*step.path, "with", key.input),
                )
    workflow = view_of(review)
    places: list[tuple[str, object, AttrPath]] = [("the workflow", workflow.data.get("env"), ())]
    for job in workflow.jobs:
        places.append((job.label, job.data.get("env"), job.path))
        places += [(step.label, step.data.get("env"), step.path) for step in job.steps]
    for label, env, path in places:
        for name, value in named(env).items():
            cloud = table.cloud_variables.get(name)
            if cloud and secrets_in(value):
                yield Hit(f"{label} holds a stored {cloud} key in {name}", (*path, "env", name))


def _is_stored(value: str) -> bool:
    """False for what an earlier step gave out: that is a short-lived credential."""
    return bool(secrets_in(value)) or "${{" not in value
