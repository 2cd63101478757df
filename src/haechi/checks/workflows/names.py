"""Names of actions that lead nowhere, or to somebody else, and versions that are shut off.

What is right and wrong is a table; the one thing that is computed is a distance of one letter
to an action that everybody uses, because that is how people type and how squatters fish.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache

from haechi.checks.workflows.expressions import is_dynamic
from haechi.checks.workflows.plain import listed, shown
from haechi.checks.workflows.references import references
from haechi.checks.workflows.uses import Kind, Uses
from haechi.checks.workflows.view import Step, view_of
from haechi.model.review import Hit, Review
from haechi.rules.ci_tables import Misnamed, action_table

_MAJOR = re.compile(r"v?(\d{1,4})(?:\.|\Z)")
_SHORTEST_OWNER = 5
_ALWAYS = ("args", "entrypoint")
"""Inputs that every action in a container takes."""


def misnamed(review: Review) -> Iterator[Hit]:
    """A name under which there is no action."""
    for label, uses, path in references(review):
        if uses.kind is not Kind.ACTION:
            continue
        entry = _misnamed().get(uses.key)
        if entry is not None:
            why = f": {entry.why}" if entry.why else ""
            text = f"{label} names {uses.name}, which is no action{why}; meant is {entry.instead}"
            yield Hit(text, path)
        elif (right := _slip(uses)) is not None:
            yield Hit(
                f"{label} names {uses.owner}/{uses.repo}, which is no action; meant is {right}",
                path,
            )


def lookalike(review: Review) -> Iterator[Hit]:
    """A name whose owner is one letter away from that of a well-known action."""
    for label, uses, path in references(review):
        if not uses.remote:
            continue
        known = _by_repo().get(uses.repo.lower(), ())
        owner = uses.owner.lower()
        key = f"{owner}/{uses.repo.lower()}"
        if owner in known or key in action_table().neighbours or key in _misnamed():
            continue
        near = [other for other in known if len(other) >= _SHORTEST_OWNER and one_off(owner, other)]
        if near:
            text = f"{label} runs {uses.name}, one letter away from {near[0]}/{uses.repo.lower()}"
            yield Hit(text, path)


def retired(review: Review) -> Iterator[Hit]:
    """A version that GitHub no longer runs or updates."""
    for label, uses, path in references(review):
        major = _MAJOR.match(uses.ref)
        for entry in action_table().retired if major else ():
            if major and entry.action == uses.key and int(major[1]) in entry.majors:
                at = f"{uses.name} at {uses.ref}"
                yield Hit(f"{label} runs {at}: {entry.why}; use {entry.instead}", path)


def retired_runner(review: Review) -> Iterator[Hit]:
    """A hosted runner that is no more."""
    gone = action_table().retired_runners
    for job in view_of(review).jobs:
        runners = [runner for runner in job.runners if runner.lower() in gone]
        if runners and "self-hosted" not in job.runners:
            yield Hit(
                f"{job.label} asks for {listed(runners)}, which GitHub took away",
                (*job.path, "runs-on"),
            )


def unknown_input(review: Review) -> Iterator[Hit]:
    """An input that the action does not know: GitHub warns in the log and passes it over."""
    for _, step in view_of(review).steps:
        known = _inputs_of(step)
        if not known:
            continue
        for name in step.inputs:
            if name not in known and name not in _ALWAYS and not is_dynamic(name):
                action = step.uses.name if step.uses else ""
                meant = next((other for other in known if _same(name, other)), "")
                hint = f"; meant is {meant}" if meant else ""
                yield Hit(
                    f"{step.label} gives {action} the input {shown(name)}, which it does not "
                    f"know{hint}",
                    (*step.path, "with", _as_written(step, name)),
                )


def _inputs_of(step: Step) -> tuple[str, ...]:
    if step.uses is None or not step.uses.remote:
        return ()
    inputs = action_table().inputs
    found = inputs.get(step.uses.key, ())
    if not found and step.uses.key.startswith("snyk/actions/") and step.uses.path != "setup":
        found = inputs.get("snyk/actions/*", ())
    return found


def _as_written(step: Step, name: str) -> str:
    given = step.data.get("with")
    keys = given if isinstance(given, dict) else {}
    return next((str(key) for key in keys if str(key).lower() == name), name)


def _same(one: str, other: str) -> bool:
    """True when two names differ by a letter or by how their words are joined."""
    plain = str.maketrans("", "", "-_ .")
    return one.translate(plain) == other.translate(plain) or (
        min(len(one), len(other)) > 3 and one_off(one, other)
    )


def one_off(one: str, other: str) -> bool:
    """True when one edit, or a swap of neighbours, turns one word into the other."""
    if one == other or abs(len(one) - len(other)) > 1:
        return False
    start = 0
    while start < min(len(one), len(other)) and one[start] == other[start]:
        start += 1
    a, b = one[start:], other[start:]
    if len(a) == len(b):
        swapped = len(a) > 1 and a[:2] == b[1::-1] and a[2:] == b[2:]
        return a[1:] == b[1:] or swapped
    return a[1:] == b or a == b[1:]


def _slip(uses: Uses) -> str | None:
    """The well-known repository of the same owner that is one letter away."""
    owner, repo = uses.owner.lower(), uses.repo.lower()
    known = _by_owner().get(owner, ())
    if not known or repo in known or f"{owner}/{repo}" in action_table().neighbours:
        return None
    near = [other for other in known if len(other) > 4 and one_off(repo, other)]
    return f"{owner}/{near[0]}" if near else None


@cache
def _misnamed() -> dict[str, Misnamed]:
    return {entry.name: entry for entry in action_table().misnamed}


@cache
def _by_repo() -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for name in action_table().known:
        owner, repo = name.split("/")
        found[repo] = (*found.get(repo, ()), owner)
    return found


@cache
def _by_owner() -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for name in action_table().known:
        owner, repo = name.split("/")
        found[owner] = (*found.get(owner, ()), repo)
    return found
