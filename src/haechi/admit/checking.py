"""Judging many objects by one set of policies: files, a cluster, a what-if."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from haechi.admit.apart import Judging, judged_here
from haechi.admit.decide import Waive, decide
from haechi.admit.policies import PolicySet
from haechi.admit.policy import View
from haechi.admit.reviews import review_of
from haechi.model.admission import Decision, Effect, PolicyVerdict
from haechi.model.resource import Resource
from haechi.model.review import Point, Review, State

UNJUDGED = (State.ERROR, State.NOT_EVALUATED)


class Judged(msgspec.Struct, frozen=True):
    """One object with what the policies say of it."""

    review: Review
    decision: Decision

    @property
    def resource(self) -> Resource:
        return self.review.resource

    @property
    def refused(self) -> tuple[PolicyVerdict, ...]:
        """Failures that would refuse the object, or the pod that it makes."""
        return tuple(v for v in self.decision.verdicts if would_deny(v))

    @property
    def warned(self) -> tuple[PolicyVerdict, ...]:
        """Failures that let it through and say so."""
        return tuple(
            v
            for v in self.decision.verdicts
            if v.state is State.FAIL and v.waiver is None and not would_deny(v)
        )

    @property
    def unjudged(self) -> tuple[PolicyVerdict, ...]:
        """Policies that came to no answer."""
        return tuple(v for v in self.decision.verdicts if v.state in UNJUDGED)


def would_deny(verdict: PolicyVerdict) -> bool:
    """Whether a failure refuses, be it only the pod that a controller would create later."""
    return verdict.state is State.FAIL and verdict.waiver is None and Effect.DENY in verdict.effects


def judge_all(
    policies: PolicySet,
    resources: Iterable[Resource],
    view: View,
    *,
    point: Point,
    waive: Waive | None = None,
    judging: Judging = judged_here,
) -> Iterator[Judged]:
    """Every Kubernetes object among the resources, judged in order."""
    reviews = [
        review_of(resource, view, point=point)
        for resource in resources
        if resource.key.startswith("k8s:")
    ]
    found = judging(policies, reviews, view)
    for review, verdicts in zip(reviews, found, strict=True):
        yield Judged(review, decide(verdicts, review, generation=policies.generation, waive=waive))
