"""Fixes of workflows by name: what a rule's ``fixer:`` line may call.

A workflow that gets fewer rights may stop working, so a fix is made unasked only where it can be
shown that no step needs them; else the rule has to be named, and where a step plainly writes it
is left to a person even then.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from haechi.checks.workflows.uses import Pin, parse_uses
from haechi.model.location import AttrPath, child_at, value_at
from haechi.scan.fix.changes import Change, Refused
from haechi.scan.fix.fixer import Case
from haechi.scan.fix.pins import Pins

READ = {"contents": "read"}
_READERS = frozenset(
    {
        "actions/checkout",
        "actions/cache",
        "actions/cache/restore",
        "actions/cache/save",
        "actions/download-artifact",
        "actions/setup-dotnet",
        "actions/setup-go",
        "actions/setup-java",
        "actions/setup-node",
        "actions/setup-python",
        "actions/upload-artifact",
        "astral-sh/setup-uv",
        "docker/setup-buildx-action",
        "docker/setup-qemu-action",
        "dtolnay/rust-toolchain",
        "golangci/golangci-lint-action",
        "gradle/actions/setup-gradle",
        "hashicorp/setup-terraform",
        "pre-commit/action",
        "ruby/setup-ruby",
        "shivammathur/setup-php",
    }
)
"""Actions that use the job's token to read contents at most. Their documentation says so."""
_WRITES = re.compile(
    r"\bgit\s+(?:-\S+\s+\S+\s+)*push\b"
    r"|\bgh\s+(?:release|pr|issue|workflow|run|label|api|repo|cache|variable|secret)\b"
    r"|\b(?:npm|yarn|pnpm)\s+publish\b|\bdocker\s+(?:image\s+)?push\b|\bsemantic-release\b"
)
_TOKEN = re.compile(r"github\s*\.\s*token|GITHUB_TOKEN|GH_TOKEN", re.IGNORECASE)


class Above(msgspec.Struct, frozen=True):
    """Put a new entry into the mapping at ``path``, above its entry ``before``."""

    path: AttrPath
    before: str
    key: str
    value: Any


class Pinned(msgspec.Struct, frozen=True):
    """Give a ``uses:`` another reference and say in a comment what it was."""

    path: AttrPath
    value: str
    comment: str


WorkflowChange = Change | Above | Pinned


class WorkflowCase(Case, frozen=True, kw_only=True):
    """What a fixer of workflows is given. ``named``: its rule was asked for by name."""

    pins: Pins
    named: bool = False


WorkflowFunction = Callable[[WorkflowCase], Sequence[WorkflowChange]]


def _pin(case: WorkflowCase) -> Sequence[WorkflowChange]:
    """The commit instead of a tag or branch, with the tag behind it."""
    place = _reference(case.hit)
    value = value_at(case.resource.data, place)
    uses = parse_uses(value) if isinstance(value, str) else None
    if uses is None or not uses.remote or uses.pin not in (Pin.TAG, Pin.BRANCH):
        raise Refused("the step names no tag or branch of a repository")
    commit = case.pins.commit_of(uses, branches=case.named)
    return [Pinned(place, f"{uses.name}@{commit}", uses.ref.removeprefix("refs/tags/"))]


def _reference(hit: AttrPath) -> AttrPath:
    """The ``uses`` of the step, or of the job that calls a workflow, around a place."""
    match hit:
        case ("jobs", _, "steps", int(), *_):
            return (*hit[:4], "uses")
        case ("runs", "steps", int(), *_):
            return (*hit[:3], "uses")
        case ("jobs", _, *_):
            return (*hit[:2], "uses")
        case _:
            raise Refused("the finding points to no reference")


def _permissions(case: WorkflowCase) -> Sequence[WorkflowChange]:
    """State that the token reads contents, for all jobs that say nothing themselves."""
    data = case.resource.data
    jobs = child_at(data, "jobs")
    if not isinstance(jobs, dict) or not jobs:
        raise Refused("there are no jobs")
    unstated = {n: j for n, j in jobs.items() if child_at(j, "permissions") is None}
    _justify(unstated, data, named=case.named)
    return [Above((), "jobs", "permissions", READ)]


def _justify(jobs: Mapping[str, Any], data: Any, *, named: bool) -> None:
    """Raises Refused unless reading is shown, or at least not plainly too little, to suffice."""
    for name, job in jobs.items():
        writer = _writer(job)
        if writer:
            raise Refused(f"job {name} writes ({writer}); state its permissions by hand")
        doubt = _doubt(job, data)
        if doubt and not named:
            raise Refused(f"job {name} may need more ({doubt}); name the rule to do it anyway")


def _writer(job: Any) -> str:
    """A step that plainly writes with the token, or ""."""
    for step in _steps(job):
        script = child_at(step, "run")
        if isinstance(script, str) and (found := _WRITES.search(script)):
            return found.group()
    return ""


def _doubt(job: Any, data: Any) -> str:
    """Why it cannot be shown that reading contents is enough, or ""."""
    if child_at(job, "uses") is not None:
        return "it calls another workflow"
    if _TOKEN.search(str(child_at(data, "env")) + str(child_at(job, "env"))):
        return "its environment holds the token"
    kept = False
    for step in _steps(job):
        uses = child_at(step, "uses")
        if isinstance(uses, str):
            name = parse_uses(uses).key
            if name not in _READERS:
                return f"{uses.partition('@')[0][:80]} is given the token"
            kept = kept or (name == "actions/checkout" and not _drops_credentials(step))
        elif _TOKEN.search(str(step)):
            return "a step is given the token"
        elif kept:
            return "a script runs where the checkout left the token"
    return ""


def _drops_credentials(step: Any) -> bool:
    return child_at(child_at(step, "with"), "persist-credentials") in (False, "false")


def _steps(job: Any) -> Sequence[Any]:
    steps = child_at(job, "steps")
    return steps if isinstance(steps, list) else ()


WORKFLOWS: Mapping[str, WorkflowFunction] = {
    "pin-action": _pin,
    "state-permissions": _permissions,
}
"""``fixer:`` names."""
