"""A GitLab pipeline as the jobs that run, each with what it takes from ``extends`` and ``default``.

Hidden jobs (``.name``) run nothing by themselves: they are judged through the jobs that extend
them, and a finding points to where the value is written. Included files are not read; what they
define is unknown here. Anchors are already resolved by the reader.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from haechi.checks.workflows.plain import mapping, scalars, sequence, shown, text, texts
from haechi.checks.workflows.scanners import Check, checks_in
from haechi.checks.workflows.scripts import Script, parse_script
from haechi.engines.image_ref import ImageRef, parse_image
from haechi.errors import NotEvaluated
from haechi.model.location import AttrPath
from haechi.model.review import Review

_RESERVED = frozenset(
    {"default", "include", "stages", "variables", "workflow", "image", "services", "cache",
     "before_script", "after_script", "spec", "types"}
)  # fmt: skip
_STAGES = ("build", "test", "deploy")
_SCRIPTS = ("before_script", "script", "after_script")
_DEFAULTS = ("image", "services", "before_script", "after_script", "artifacts", "id_tokens")
_DEEPEST = 11  # as GitLab: ten levels of extends above the job
_MOST_LINES = 2_000
_MOST_JOBS = 1_000
_MOST_SHARED = 20_000
_MOST_TEXT = 1_500_000
"""More than GitLab runs. Lines are counted once for every job that extends them."""
_MOST_PARTS = 64


class Part(msgspec.Struct, frozen=True):
    """A mapping that contributes to a job, and where it stands."""

    data: Mapping[str, Any]
    path: AttrPath


class Line(msgspec.Struct, frozen=True):
    """One entry of a script: its text, its commands and checks, its place."""

    text: str
    path: AttrPath
    script: Script
    checks: tuple[Check, ...]


class GitlabJob(msgspec.Struct, frozen=True, kw_only=True):
    """A job that runs. ``parts`` begin with the job itself; nearer ones win."""

    name: str
    path: AttrPath
    label: str
    parts: tuple[Part, ...]
    lines: tuple[Line, ...]
    stage: int

    def field(self, name: str) -> tuple[Any, AttrPath]:
        """A keyword's value and where it is written; (None, where it would be) when absent."""
        for part in self.parts:
            if name in part.data:
                return part.data[name], (*part.path, name)
        return None, (*self.path, name)

    def own(self, name: str) -> Any:
        """A keyword's value alone."""
        return self.field(name)[0]

    @property
    def variables(self) -> Mapping[str, tuple[str, AttrPath]]:
        """Variables that the job sets or inherits from what it extends, with their places."""
        found: dict[str, tuple[str, AttrPath]] = {}
        for part in reversed(self.parts):
            found.update(variables_of(part.data, part.path))
        return found

    @property
    def needs(self) -> tuple[str, ...] | None:
        """Names of needed jobs; None when the job waits for the stages before it."""
        value = self.own("needs")
        if not isinstance(value, list):
            return None
        names = (text(mapping(n).get("job")) if isinstance(n, dict) else text(n) for n in value)
        return tuple(name for name in names if name)


class Pipeline(msgspec.Struct, frozen=True, kw_only=True):
    """The view of one file."""

    data: Mapping[str, Any]
    jobs: tuple[GitlabJob, ...]
    excess: str = ""

    @property
    def variables(self) -> Mapping[str, tuple[str, AttrPath]]:
        """Variables of the whole pipeline."""
        return variables_of(self.data, ())

    def lines(self) -> Iterator[tuple[GitlabJob, Line]]:
        """Every line of every script, once, however many jobs extend it."""
        seen: set[AttrPath] = set()
        for job in self.jobs:
            for line in job.lines:
                if line.path not in seen:
                    seen.add(line.path)
                    yield job, line


def variables_of(data: Mapping[str, Any], path: AttrPath) -> dict[str, tuple[str, AttrPath]]:
    """``variables:`` of a mapping: NAME: value, or NAME: {value: …}."""
    found: dict[str, tuple[str, AttrPath]] = {}
    for name, value in mapping(data.get("variables")).items():
        inside = isinstance(value, dict)
        given = text(mapping(value).get("value")) if inside else text(value)
        at = (*path, "variables", name)
        found[name] = (given, (*at, "value") if inside else at)
    return found


def image_of(value: Any, path: AttrPath) -> tuple[ImageRef, AttrPath] | None:
    """The image of ``image:`` or of a service; None when only the run knows it."""
    inside = isinstance(value, dict)
    name = text(mapping(value).get("name")) if inside else text(value)
    if not name.strip() or "$" in name:
        return None
    return parse_image(name.strip()), (*path, "name") if inside else path


def pipeline_of(review: Review) -> Pipeline:
    """The view of the reviewed file, from the review's memo when it was built before.

    Raises NotEvaluated for a file that is larger than any that is run.
    """
    found = review.memo.get("pipeline")
    if not isinstance(found, Pipeline):
        found = build(mapping(review.resource.data))
        review.memo["pipeline"] = found
    if found.excess:
        raise NotEvaluated(found.excess)
    return found


def build(data: Mapping[str, Any]) -> Pipeline:
    """The view of a document."""
    if sum(len(found) for _, found in scalars(dict(data))) > _MOST_TEXT:
        return Pipeline(data={}, jobs=(), excess=f"it holds more than {_MOST_TEXT:,} characters")
    if len(data) > _MOST_JOBS:
        return Pipeline(data={}, jobs=(), excess=f"it holds more than {_MOST_JOBS:,} jobs")
    stages = [".pre", *(texts(data.get("stages")) or _STAGES), ".post"]
    order = {name: number for number, name in enumerate(stages)}
    scripts: dict[AttrPath, Line] = {}
    jobs: list[GitlabJob] = []
    shared = 0
    for name, value in data.items():
        if name in _RESERVED or name.startswith(".") or not isinstance(value, dict):
            continue
        jobs.append(_job(data, name, order, scripts))
        shared += len(jobs[-1].lines)
        if shared > _MOST_SHARED:
            excess = f"its jobs run more than {_MOST_SHARED:,} lines of script"
            return Pipeline(data={}, jobs=(), excess=excess)
    return Pipeline(data=data, jobs=tuple(jobs))


def _job(
    data: Mapping[str, Any], name: str, order: Mapping[str, int], scripts: dict[AttrPath, Line]
) -> GitlabJob:
    parts = _chain(data, name)
    if not _refuses_defaults(parts):
        default = mapping(data.get("default"))
        parts.append(Part({key: default[key] for key in _DEFAULTS if key in default}, ("default",)))
        parts.append(Part({key: data[key] for key in _DEFAULTS if key in data}, ()))
    stage = next((text(part.data["stage"]) for part in parts if "stage" in part.data), "test")
    lines = [line for key in _SCRIPTS for line in _script(data, parts, key, scripts)]
    return GitlabJob(
        name=name,
        path=(name,),
        label=f"job {shown(name)}",
        parts=tuple(parts),
        lines=tuple(lines),
        stage=order.get(stage, 1),
    )


def _chain(data: Mapping[str, Any], name: str) -> list[Part]:
    """The job and what it extends, nearest first; each at most once."""
    parts: list[Part] = []
    seen: set[str] = set()

    def add(current: str, depth: int) -> None:
        if current in seen or depth > _DEEPEST or len(parts) >= _MOST_PARTS:
            return
        seen.add(current)
        job = mapping(data.get(current))
        parts.append(Part(job, (current,)))
        for parent in reversed(texts(job.get("extends"))):
            add(parent, depth + 1)

    add(name, 0)
    return parts


def _refuses_defaults(parts: Sequence[Part]) -> bool:
    for part in parts:
        if "inherit" in part.data:
            return mapping(part.data["inherit"]).get("default") is False
    return False


def _script(
    data: Mapping[str, Any], parts: Sequence[Part], key: str, known: dict[AttrPath, Line]
) -> Iterator[Line]:
    part = next((part for part in parts if key in part.data), None)
    if part is None:
        return
    for written, path in _flat(data, part.data[key], (*part.path, key)):
        if path not in known:
            script = parse_script(written)
            known[path] = Line(written, path, script, tuple(checks_in(script)))
        yield known[path]


def _flat(data: Mapping[str, Any], value: Any, path: AttrPath) -> Iterator[tuple[str, AttrPath]]:
    """The texts of a script. A list within is a block of lines, or a !reference to another."""
    if isinstance(value, str):
        yield value, path
        return
    count = 0
    stack: list[tuple[Any, AttrPath, int]] = [(value, path, 0)]
    while stack and count < _MOST_LINES:
        item, at, depth = stack.pop()
        count += 1
        if isinstance(item, str):
            yield item, at
        elif isinstance(item, list) and depth < _DEEPEST:
            target = _referred(data, item) if depth else None
            if target is not None:
                stack.append((target[0], target[1], depth + 1))
                continue
            entries = sequence(item)
            stack.extend((entries[i], (*at, i), depth + 1) for i in reversed(range(len(entries))))


def _referred(data: Mapping[str, Any], item: Sequence[Any]) -> tuple[Any, AttrPath] | None:
    """What ``!reference [job, key]`` stands for; None when the list is no such pair."""
    if len(item) == 2 and all(isinstance(word, str) for word in item):
        job = data.get(item[0])
        if isinstance(job, dict) and item[1] in job:
            return job[item[1]], (item[0], item[1])
    return None
