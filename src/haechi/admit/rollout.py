"""How far a policy has come: observe → new objects only → all, by namespace and date.

A ``PolicyRollout`` can only soften: it never makes a policy do more than it says itself. In
``new``, what was there before the stage began is told and not refused, and so is what belongs to
it: a Deployment of last year may still be scaled and rolled. Whether an object belongs to an old
one is looked up in the cluster; a reference that leads nowhere makes nothing old.
"""

from __future__ import annotations

import datetime as dt
import itertools
import re
from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Any

import msgspec
from msgspec import structs

from haechi.admit.policy import View
from haechi.checks.pods.view import items, mapping
from haechi.engines.globs import compile_glob, glob_fault
from haechi.model.admission import (
    Effect,
    FailureChoice,
    PolicyFault,
    PolicyInfo,
    PolicyStage,
    PolicyVerdict,
)
from haechi.model.resource import Resource
from haechi.model.review import Point, Review

API_VERSION = "haechi.dev/v1alpha1"
KIND = "PolicyRollout"
_OWNERS = 4
MAKERS = (
    ("apps", "DaemonSet"),
    ("apps", "Deployment"),
    ("apps", "ReplicaSet"),
    ("apps", "StatefulSet"),
    ("batch", "CronJob"),
    ("batch", "Job"),
    ("", "ReplicationController"),
)
"""Kinds of Kubernetes that make pods, or what makes them."""
CONTROLLERS = frozenset(
    {
        "system:kube-controller-manager",
        *(
            f"system:serviceaccount:kube-system:{name}-controller"
            for name in (
                "cronjob",
                "daemon-set",
                "deployment",
                "job",
                "replicaset",
                "replication",
                "statefulset",
            )
        ),
    }
)
"""Accounts that make pods, and what makes pods, for an owner: with credentials of their own
(``--use-service-account-credentials``), or under the one name of all controllers."""
_SPEC = frozenset({"policies", "stages"})
_STAGE = frozenset({"stage", "from", "namespaces"})


class Stage(StrEnum):
    """``observe``: written down. ``new``: new objects are judged as the policy says, others
    warned. ``all``: as the policy says."""

    OBSERVE = "observe"
    NEW = "new"
    ALL = "all"


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One stage with the day it begins and the namespaces it is about (none: all)."""

    stage: Stage
    begins: dt.date
    namespaces: tuple[re.Pattern[str], ...] = ()
    written: tuple[str, ...] = ()
    """The namespaces as they were written."""

    def concerns(self, namespace: str | None) -> bool:
        """Whether objects of this namespace come under the step."""
        return not self.namespaces or any(
            pattern.fullmatch(namespace or "") for pattern in self.namespaces
        )


class PolicyRollout(msgspec.Struct, frozen=True, kw_only=True):
    """One document."""

    name: str
    policies: tuple[re.Pattern[str], ...]
    steps: tuple[Step, ...]

    def covers(self, policy: str) -> bool:
        """Whether it names this policy."""
        return any(pattern.fullmatch(policy) for pattern in self.policies)

    def at(self, namespace: str | None, day: dt.date) -> Step:
        """The step in force: the last that has begun. Before the first, policies observe."""
        begun = [step for step in self.steps if step.begins <= day and step.concerns(namespace)]
        return begun[-1] if begun else Step(stage=Stage.OBSERVE, begins=dt.date.min)

    def after(self, namespace: str | None, day: dt.date) -> Step | None:
        """The step that comes next."""
        coming = [step for step in self.steps if step.begins > day and step.concerns(namespace)]
        return coming[0] if coming else None


class Rollouts:
    """All rollouts of a set. ``today`` is asked at each judgement: a stage begins by itself."""

    def __init__(
        self,
        rollouts: Sequence[PolicyRollout],
        today: Callable[[], dt.date] = lambda: dt.datetime.now(dt.UTC).date(),
    ) -> None:
        self.rollouts = tuple(rollouts)
        self.today = today
        self._of: dict[str, PolicyRollout | None] = {}

    @property
    def reads(self) -> tuple[tuple[str, str], ...]:
        """Kinds (group, kind) that tell how old an object is, where some stage asks for that."""
        asks = any(step.stage is Stage.NEW for one in self.rollouts for step in one.steps)
        return MAKERS if asks else ()

    def of(self, policy: str) -> PolicyRollout | None:
        """The rollout of a policy: the first that names it."""
        if policy not in self._of:
            self._of[policy] = next((one for one in self.rollouts if one.covers(policy)), None)
        return self._of[policy]

    def stages(self, policy: str) -> tuple[PolicyStage, ...]:
        """The stages of a policy, for people; none when nothing rolls it out."""
        rollout = self.of(policy)
        return tuple(
            PolicyStage(
                stage=step.stage.value, begins=step.begins.isoformat(), namespaces=step.written
            )
            for step in (rollout.steps if rollout else ())
        )

    def apply(
        self, info: PolicyInfo, review: Review, view: View, verdict: PolicyVerdict
    ) -> PolicyVerdict:
        """The verdict with what its stage leaves of the effects."""
        rollout = self.of(info.id)
        if rollout is None:
            return verdict
        step = rollout.at(namespace_of(review), self.today())
        if step.stage is Stage.ALL:
            return verdict
        if step.stage is Stage.OBSERVE:
            return softened(verdict, Effect.AUDIT)
        return softened(verdict, Effect.WARN) if is_old(review, view, step.begins) else verdict


def namespace_of(review: Review) -> str | None:
    """The namespace that a rollout goes by: of a Namespace its own name."""
    resource = review.resource
    return resource.name if resource.type == "core/Namespace" else resource.namespace


def softened(verdict: PolicyVerdict, most: Effect) -> PolicyVerdict:
    """The verdict with no effect stronger than ``most``; an error lets through, too."""
    order = list(Effect)
    effects = tuple(
        dict.fromkeys(
            effect if order.index(effect) >= order.index(most) else most
            for effect in verdict.effects
        )
    )
    return structs.replace(verdict, effects=effects, failure=FailureChoice.IGNORE)


def is_old(review: Review, view: View, begins: dt.date) -> bool:
    """Whether the object, or the one that it belongs to, was there before that day.

    Whoever may create pods may name any owner. A request is believed whom its object belongs to
    only if a controller of the cluster sent it, which names the owner that it acts for.
    """
    request = review.request or {}
    user = mapping(request.get("userInfo")).get("username")
    operation = request.get("operation")
    if operation == "CONNECT":
        return True  # to what is there; whatever it is opened to, nothing new comes in
    there = review.resource.data if _is_there(review, user) else None
    if operation in ("UPDATE", "DELETE"):
        there = review.old
    if there is not None and _made_before(there, begins):
        return True
    if (review.point is Point.ADMISSION or user) and user not in CONTROLLERS:
        return False
    return _belongs_to_old(review.resource.data or there or {}, review, view, begins)


def _is_there(review: Review, user: Any) -> bool:
    """Whether the object is the cluster's, not one that a request or a file would make."""
    return review.point is Point.AUDIT or (review.point is Point.WHAT_IF and not user)


def _belongs_to_old(body: Mapping[str, Any], review: Review, view: View, begins: dt.date) -> bool:
    namespace = review.resource.namespace
    for _ in range(_OWNERS):
        owner = _owner(body, namespace, view)
        if owner is None:
            return False
        if _made_before(owner, begins):
            return True
        body = owner
    return False


def _owner(body: Mapping[str, Any], namespace: str | None, view: View) -> Mapping[str, Any] | None:
    """The controller that an object names, if it is really there under that uid."""
    for entry in items(mapping(body.get("metadata")).get("ownerReferences")):
        reference = mapping(entry)
        if reference.get("controller") is not True:
            continue
        found = view.get(
            str(reference.get("apiVersion")),
            str(reference.get("kind")),
            namespace,
            str(reference.get("name")),
        )
        if found and mapping(found.get("metadata")).get("uid") == reference.get("uid"):
            return found
    return None


def _made_before(body: Mapping[str, Any], day: dt.date) -> bool:
    made = mapping(body.get("metadata")).get("creationTimestamp")
    try:
        return isinstance(made, str) and dt.date.fromisoformat(made[:10]) < day
    except ValueError:
        return False


# --- reading -------------------------------------------------------------------------------


def read_rollouts(
    resources: Sequence[Resource],
) -> tuple[tuple[PolicyRollout, ...], tuple[PolicyFault, ...]]:
    """All PolicyRollout documents. One that is wrong is a fault, and its policies are in force
    as they are: a rollout only ever softens."""
    rollouts: list[PolicyRollout] = []
    faults: list[PolicyFault] = []
    for resource in resources:
        if resource.kind == KIND and resource.group == "haechi.dev":
            problems: list[tuple[tuple[str | int, ...], str]] = []
            rollout = _read(resource, problems)
            faults += [_fault(resource, path, text) for path, text in problems]
            if not problems:
                rollouts.append(rollout)
    return tuple(rollouts), tuple(faults)


def _read(resource: Resource, problems: list[tuple[tuple[str | int, ...], str]]) -> PolicyRollout:
    spec = mapping(resource.data.get("spec"))
    problems += [(("spec", key), f"unknown field {key}") for key in spec if key not in _SPEC]
    policies = _globs(spec.get("policies"), ("spec", "policies"), problems)
    if not policies:
        problems.append((("spec", "policies"), "spec.policies must name policies by id or glob"))
    steps: list[Step] = []
    for number, entry in enumerate(items(spec.get("stages"))):
        step = _step(entry, ("spec", "stages", number), problems)
        if step is not None:
            steps.append(step)
    if not steps and not problems:
        problems.append((("spec", "stages"), "spec.stages must hold at least one stage"))
    if any(a.begins > b.begins for a, b in itertools.pairwise(steps)):
        problems.append((("spec", "stages"), "stages must stand in the order of their dates"))
    return PolicyRollout(name=resource.name, policies=policies, steps=tuple(steps))


def _step(
    entry: Any,
    path: tuple[str | int, ...],
    problems: list[tuple[tuple[str | int, ...], str]],
) -> Step | None:
    stage = mapping(entry)
    problems += [((*path, key), f"unknown field {key}") for key in stage if key not in _STAGE]
    if stage.get("stage") not in list(Stage):
        known = ", ".join(Stage)
        problems.append(((*path, "stage"), f"stage must be one of {known}"))
        return None
    begins = _day(stage.get("from"))
    if begins is None:
        problems.append(((*path, "from"), "from must be a date such as 2026-12-01"))
        return None
    namespaces = _globs(stage.get("namespaces"), (*path, "namespaces"), problems)
    return Step(
        stage=Stage(stage["stage"]),
        begins=begins,
        namespaces=namespaces,
        written=tuple(map(str, items(stage.get("namespaces")))),
    )


def _day(value: Any) -> dt.date | None:
    """A date; YAML gives text, since timestamps are text to Kubernetes."""
    if isinstance(value, dt.date):
        return value
    try:
        return dt.date.fromisoformat(str(value))
    except ValueError:
        return None


def _globs(
    value: Any,
    path: tuple[str | int, ...],
    problems: list[tuple[tuple[str | int, ...], str]],
) -> tuple[re.Pattern[str], ...]:
    found = []
    if value is not None and not isinstance(value, list):
        problems.append((path, f"{path[-1]} must be a list"))
    for number, text in enumerate(items(value)):
        fault = glob_fault(text) if isinstance(text, str) else "it must be text"
        if fault:
            problems.append(((*path, number), f"{text!r}: {fault}"))
        else:
            found.append(compile_glob(text))
    return tuple(found)


def _fault(resource: Resource, path: tuple[str | int, ...], text: str) -> PolicyFault:
    place = resource.locate(path)
    return PolicyFault(
        kind="invalid",
        what=f"PolicyRollout {resource.name}: {text}",
        why="a rollout that cannot be read softens nothing: its policies are in force as they are",
        do="correct it; docs/guide/admission.md has an example",
        file=place.path,
        line=place.line,
        column=place.column,
        object=resource.key,
    )
