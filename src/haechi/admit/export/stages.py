"""A PolicyRollout in an export: the stage of the day, for the namespaces that it is in force in.

Stages begin by themselves here, and nowhere else: an export is of one day and says so.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import msgspec
from msgspec import structs

from haechi.admit.export.literals import path_glob
from haechi.admit.export.matching import NAMESPACE
from haechi.admit.export.portable import Expression, Portable
from haechi.admit.policies import PolicySet
from haechi.admit.rollout import KIND, PolicyRollout, Rollouts, Stage, Step
from haechi.checks.pods.view import items, mapping
from haechi.model.admission import Effect, FailureChoice
from haechi.model.resource import Resource

NEW_ONLY = Expression("haechi-new-objects", 'request.operation == "CREATE"')


class Segment(msgspec.Struct, frozen=True):
    """A stage, and the condition on the namespaces that are at it ("" all)."""

    stage: Stage
    condition: str
    note: str
    alone: bool


def segments(
    policies: PolicySet, policy: str, resources: Sequence[Resource], today: dt.date
) -> tuple[Segment, ...]:
    """How far a policy is, by namespaces. Without a rollout: everything counts."""
    held = policies.rollout
    rollout = held.of(policy) if isinstance(held, Rollouts) else None
    if rollout is None:
        return (Segment(Stage.ALL, "", "", True),)
    globs = _globs(rollout, resources)
    begun = [(n, step) for n, step in enumerate(rollout.steps) if step.begins <= today]
    found: list[tuple[Step, str]] = []
    taken: list[str] = []
    everything = False
    said: set[str] = set()
    for number, step in reversed(begun):
        if globs[number] and said.issuperset(globs[number]):
            continue  # a later stage has begun for all of them
        said.update(globs[number])
        test = " || ".join(path_glob(glob, "n") for glob in globs[number])
        found.append((step, _but(test, taken)))
        if not test:
            everything = True
            break
        taken.append(test)
    if not everything:
        found.append((Step(stage=Stage.OBSERVE, begins=dt.date.min), _but("", taken)))
    merged = [one for one in found if one[1] != "false"]
    note = f"PolicyRollout {rollout.name}, as of {today}: stage "
    return tuple(
        Segment(
            step.stage,
            f"[{NAMESPACE}].exists(n, {test})" if test else "",
            f"{note}{step.stage.value}",
            len(merged) == 1,
        )
        for step, test in merged
    )


def _but(test: str, taken: Sequence[str]) -> str:
    parts = ([f"({test})"] if test else []) + [f"!({one})" for one in taken]
    return " && ".join(parts)


def _globs(rollout: PolicyRollout, resources: Sequence[Resource]) -> list[list[str]]:
    """The namespaces of each stage as they are written."""
    for one in resources:
        if one.kind == KIND and one.name == rollout.name:
            stages = items(mapping(one.data.get("spec")).get("stages"))
            if len(stages) == len(rollout.steps):
                return [items(mapping(stage).get("namespaces")) for stage in stages]
    return [[] for _ in rollout.steps]


def staged(portable: Portable, several: Sequence[Segment]) -> list[Portable]:
    """The policy as it is at each stage, one for each part of the namespaces."""
    made = []
    for segment, suffix in zip(several, suffixes(several), strict=True):
        notes = (*portable.notes, segment.note) if segment.note else portable.notes
        conditions = list(portable.conditions)
        if segment.condition:
            conditions.append(Expression("haechi-rollout", segment.condition))
        one = structs.replace(portable, conditions=tuple(conditions), notes=notes)
        if not segment.alone:
            one = structs.replace(one, name=f"{portable.name}-{suffix}")
        made.append(_softened(one, segment.stage))
    return made


def suffixes(several: Sequence[Segment]) -> list[str]:
    """What parts of one policy are called after: the stage, and a number where one comes again."""
    words: list[str] = []
    for segment in several:
        count = sum(word.split("-")[0] == segment.stage.value for word in words)
        words.append(f"{segment.stage.value}-{count + 1}" if count else segment.stage.value)
    return words


def _softened(portable: Portable, stage: Stage) -> Portable:
    if stage is Stage.ALL:
        return portable
    if stage is Stage.OBSERVE:
        return structs.replace(portable, effects=(Effect.AUDIT,), failure=FailureChoice.IGNORE)
    return structs.replace(
        portable,
        conditions=(*portable.conditions, NEW_ONLY),
        notes=(
            *portable.notes,
            "new objects only, by the operation: unlike haechi, the cluster judges new pods of old"
            " workloads, too, and no updates",
        ),
    )
