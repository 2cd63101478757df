"""A workflow or a composite action as jobs and steps, read from plain values of any shape.

An action is one job without a name, so that judges of steps need not tell the two apart. The
view is built once per review; scripts are split when a judge first asks.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from haechi.checks.workflows.expressions import secrets_in
from haechi.checks.workflows.plain import mapping, named, scalars, sequence, shown, text, texts
from haechi.checks.workflows.scripts import Script, parse_script
from haechi.checks.workflows.uses import Uses, parse_uses
from haechi.errors import NotEvaluated
from haechi.model.location import AttrPath
from haechi.model.review import Review

_MOST_JOBS = 500
_MOST_STEPS = 4_000
_MOST_TEXT = 1_500_000
"""More than GitHub runs. Some judges compare steps and jobs in pairs, so they need a bound."""
_TOO_LARGE: tuple[str, AttrPath] = ("too large", ())


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """A step. ``shell`` is the one that applies; ``label`` says which step it is."""

    index: int
    path: AttrPath
    data: Mapping[str, Any]
    label: str
    uses: Uses | None
    run: str
    shell: str
    windows: bool

    @property
    def inputs(self) -> Mapping[str, str]:
        """``with:`` by lower-case names, as GitHub reads them."""
        return {key.lower(): value for key, value in named(self.data.get("with")).items()}

    @property
    def id(self) -> str:
        return text(self.data.get("id"))

    @property
    def condition(self) -> str:
        return text(self.data.get("if"))

    @property
    def posix(self) -> bool:
        """True when the script is one for a POSIX shell."""
        if not self.shell:
            return not self.windows
        return self.shell.split()[0].rpartition("/")[2] in ("bash", "sh", "zsh", "dash")

    @property
    def pipefail(self) -> bool:
        """True when a pipe fails with any of its parts: only a named bash is started so."""
        return self.shell.strip() == "bash" or "pipefail" in self.shell


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """A job with its steps; ``uses`` when it calls a reusable workflow."""

    id: str
    path: AttrPath
    data: Mapping[str, Any]
    label: str
    steps: tuple[Step, ...]
    uses: Uses | None = None

    @property
    def needs(self) -> tuple[str, ...]:
        return texts(self.data.get("needs"))

    @property
    def name(self) -> str:
        return text(self.data.get("name"))

    @property
    def condition(self) -> str:
        return text(self.data.get("if"))

    @property
    def environment(self) -> str:
        """The name of the environment that it deploys to."""
        value = self.data.get("environment")
        return text(mapping(value).get("name")) if isinstance(value, dict) else text(value)

    @property
    def runners(self) -> tuple[str, ...]:
        value = self.data.get("runs-on")
        return texts(mapping(value).get("labels") if isinstance(value, dict) else value)


@dataclass(slots=True)
class Workflow:
    """The view of one file. ``scripts`` and ``memo`` keep what was worked out already."""

    data: Mapping[str, Any]
    jobs: tuple[Job, ...]
    composite: bool
    scripts: dict[AttrPath, Script] = field(default_factory=dict)
    memo: dict[tuple[str, AttrPath], Any] = field(default_factory=dict)

    @property
    def steps(self) -> Iterator[tuple[Job, Step]]:
        """Every step with its job."""
        for job in self.jobs:
            for step in job.steps:
                yield job, step

    @property
    def triggers(self) -> Mapping[str, Any]:
        """The events by name with their filters."""
        value = self.data.get("on", self.data.get("true"))
        return value if isinstance(value, dict) else dict.fromkeys(texts(value))

    def script(self, step: Step) -> Script:
        """The commands of a step's script; none when it is for another kind of shell."""
        found = self.scripts.get(step.path)
        if found is None:
            found = parse_script(step.run if step.posix else "")
            self.scripts[step.path] = found
        return found

    def variables(self, job: Job, step: Step) -> Mapping[str, Any]:
        """Variables that reach a step, with their values as written."""
        levels = (step.data, job.data, self.data)
        return ChainMap(*(_own_variables(level) for level in levels))

    def secrets(self, job: Job, step: Step) -> Mapping[str, Sequence[str]]:
        """Variables that reach a step and hold secrets, with the names of those."""
        outer: dict[str, Sequence[str]] | None = self.memo.get(("secrets", job.path))
        if outer is None:
            outer = _held({**named(self.data.get("env")), **named(job.data.get("env"))})
            self.memo["secrets", job.path] = outer
        own = named(step.data.get("env"))
        if not own:
            return outer
        return {**{name: held for name, held in outer.items() if name not in own}, **_held(own)}


def _own_variables(data: Mapping[str, Any]) -> dict[str, Any]:
    found = data.get("env")
    return found if isinstance(found, dict) else {}


def _held(variables: Mapping[str, str]) -> dict[str, Sequence[str]]:
    found = {name: secrets_in(value) for name, value in variables.items()}
    return {name: held for name, held in found.items() if held}


def view_of(review: Review) -> Workflow:
    """The view of the reviewed file, from the review's memo when it was built before.

    Raises NotEvaluated for a file that is larger than any that is run.
    """
    found = review.memo.get("workflow")
    if not isinstance(found, Workflow):
        found = build(mapping(review.resource.data), composite=review.resource.kind == "action")
        review.memo["workflow"] = found
    if isinstance(found.memo.get(_TOO_LARGE), str):
        raise NotEvaluated(found.memo[_TOO_LARGE])
    return found


def _excess(data: Mapping[str, Any]) -> str:
    """In what the file is larger than what is judged; empty when it is not."""
    if sum(len(found) for _, found in scalars(dict(data))) > _MOST_TEXT:
        return f"it holds more than {_MOST_TEXT:,} characters"
    jobs = mapping(data.get("jobs"))
    if len(jobs) > _MOST_JOBS:
        return f"it holds more than {_MOST_JOBS:,} jobs"
    steps = [sequence(mapping(job).get("steps")) for job in (*jobs.values(), data.get("runs"))]
    if sum(map(len, steps)) > _MOST_STEPS:
        return f"it holds more than {_MOST_STEPS:,} steps"
    return ""


def build(data: Mapping[str, Any], *, composite: bool) -> Workflow:
    """The view of a document."""
    excess = _excess(data)
    if excess:
        return Workflow(data={}, jobs=(), composite=composite, memo={_TOO_LARGE: excess})
    if composite:
        runs = mapping(data.get("runs"))
        steps = _steps(runs, ("runs",), "", "", windows=False)
        job = Job(id="", path=("runs",), data=runs, label="the action", steps=steps)
        return Workflow(data={}, jobs=(job,), composite=True)
    default = _shell(data)
    jobs = tuple(
        _job(name, mapping(value), default) for name, value in mapping(data.get("jobs")).items()
    )
    return Workflow(data=data, jobs=jobs, composite=False)


def _job(name: str, data: Mapping[str, Any], shell: str) -> Job:
    path = ("jobs", name)
    uses = text(data.get("uses"))
    runners = " ".join(texts(data.get("runs-on"))).lower()
    steps = _steps(data, path, _shell(data) or shell, name, windows="windows" in runners)
    return Job(
        id=name,
        path=path,
        data=data,
        label=f"job {shown(name)}",
        steps=steps,
        uses=parse_uses(uses) if uses else None,
    )


def _steps(
    data: Mapping[str, Any], path: AttrPath, shell: str, job: str, *, windows: bool
) -> tuple[Step, ...]:
    of = f" of job {shown(job)}" if job else ""
    found = []
    for index, value in enumerate(sequence(data.get("steps"))):
        step = mapping(value)
        uses = text(step.get("uses"))
        found.append(
            Step(
                index=index,
                path=(*path, "steps", index),
                data=step,
                label=f"{_called(step, index)}{of}",
                uses=parse_uses(uses) if uses else None,
                run=text(step.get("run")),
                shell=text(step.get("shell")) or shell,
                windows=windows,
            )
        )
    return tuple(found)


def _called(step: Mapping[str, Any], index: int) -> str:
    name = text(step.get("name")) or text(step.get("id"))
    return f"step {shown(name)}" if name else f"step {index + 1}"


def _shell(data: Mapping[str, Any]) -> str:
    return text(mapping(mapping(data.get("defaults")).get("run")).get("shell"))
