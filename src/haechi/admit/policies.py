"""The policies in force, and the one function that judges a review by them.

``haechi policy check``, the webhook, the background audit and ``haechi policy simulate`` all call
``PolicySet.review``. A workload is judged twice: as itself, and as the pod that it would create
(``generated``), so that a policy about pods says the same of a Deployment in a pull request as of
its pod at the door. A policy that fails is an ``error`` verdict of itself and of nobody else.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

from msgspec import structs

from haechi.admit.policy import Mutator, Policy, View
from haechi.admit.reviews import Generated, generated_pod
from haechi.errors import NotEvaluated
from haechi.model.admission import Family, PolicyFault, PolicyInfo, PolicyStage, PolicyVerdict
from haechi.model.review import Review, State

_AS_ITSELF = frozenset({Family.RULES})
"""Families that read the pod template where it stands: the generated pod says nothing new."""


class Rollout(Protocol):
    """How far a policy has come (``admit.rollout``): it may only soften effects."""

    def stages(self, policy: str) -> tuple[PolicyStage, ...]: ...

    @property
    def reads(self) -> tuple[tuple[str, str], ...]:
        """Kinds (group, kind) that it looks up."""

    def apply(
        self, info: PolicyInfo, review: Review, view: View, verdict: PolicyVerdict
    ) -> PolicyVerdict: ...


class PolicySet:
    """Compiled policies, faults of what could not be one, and mutations, of one generation.

    ``source`` goes into ``generation``, which names this set in decisions and on the page.
    """

    def __init__(
        self,
        policies: Iterable[Policy],
        *,
        faults: Iterable[PolicyFault] = (),
        mutators: Iterable[Mutator] = (),
        rollout: Rollout | None = None,
        source: bytes = b"",
    ) -> None:
        self.policies = tuple(policies)
        self.faults = tuple(faults)
        self.mutators = tuple(mutators)
        self.rollout = rollout
        names = "\0".join(policy.info.id for policy in self.policies).encode()
        self.generation = hashlib.sha256(names + b"\0\0" + source).hexdigest()[:12]
        self._ready = tuple(
            (number, policy, policy.info, policy.info.family in _AS_ITSELF)
            for number, policy in enumerate(self.policies)
        )

    def with_rollout(self, rollout: Rollout | None) -> PolicySet:
        """The same policies under another rollout, or under none."""
        made = PolicySet(self.policies, faults=self.faults, mutators=self.mutators, rollout=rollout)
        made.generation = self.generation
        return made

    @property
    def reads(self) -> frozenset[tuple[str, str]]:
        """Kinds (group, kind) of other objects that are looked at at the door."""
        asked = {read for policy in self.policies for read in policy.info.reads}
        return frozenset(asked.union(self.rollout.reads if self.rollout is not None else ()))

    def infos(self) -> list[PolicyInfo]:
        """What the policies are, with the stages of their rollouts."""
        rollout = self.rollout
        if rollout is None:
            return [policy.info for policy in self.policies]
        return [
            structs.replace(policy.info, stages=rollout.stages(policy.info.id))
            for policy in self.policies
        ]

    def by_id(self) -> dict[str, Policy]:
        """The policies by the id of their ``info``."""
        return {policy.info.id: policy for policy in self.policies}

    def review(
        self,
        review: Review,
        view: View,
        *,
        only: Sequence[str] | None = None,
        watch: Callable[[int], None] | None = None,
        off: Mapping[int, str] | None = None,
    ) -> tuple[PolicyVerdict, ...]:
        """All verdicts about one resource, in the order of the policies.

        ``watch`` is told the number of each policy before it judges, by which a process that
        watches this one knows whom to blame; ``off`` are policies that may not run, with the
        reason, which becomes their error. ``only`` names the ids to judge by.
        """
        found: list[PolicyVerdict] = []
        self._judge(review, view, found, only, watch, off, None)
        pod = generated_pod(review)
        if pod is not None:
            self._judge(review, view, found, only, watch, off, pod)
            pod.review.memo.clear()  # what was derived points back at the review: a circle
        return tuple(found)

    def _judge(
        self,
        review: Review,
        view: View,
        found: list[PolicyVerdict],
        only: Sequence[str] | None,
        watch: Callable[[int], None] | None,
        off: Mapping[int, str] | None,
        pod: Generated | None,
    ) -> None:
        judged = review if pod is None else pod.review
        for number, policy, info, as_itself in self._ready:
            if (pod is not None and as_itself) or (only is not None and info.id not in only):
                continue
            if watch is not None:
                watch(number)
            verdicts: Sequence[PolicyVerdict]
            if off and number in off:
                verdicts = (failed(info, off[number]),)
            else:
                verdicts = _judged(policy, info, judged, view)
            for verdict in verdicts:
                if self.rollout is not None:  # a pod to be is as old as what makes it
                    verdict = self.rollout.apply(info, review, view, verdict)
                if pod is not None:
                    verdict = structs.replace(
                        verdict, generated=True, path=(*pod.path, *verdict.path)
                    )
                found.append(verdict)


def _judged(
    policy: Policy, info: PolicyInfo, review: Review, view: View
) -> Sequence[PolicyVerdict]:
    try:
        return policy.judge(review, view)
    except NotEvaluated as reason:
        return (structs.replace(failed(info, str(reason)), state=State.NOT_EVALUATED),)
    except MemoryError:
        return (failed(info, "the policy needs more memory than it may have"),)
    except Exception as error:  # noqa: BLE001 - the boundary of one policy: its fault is its own
        return (failed(info, f"{type(error).__name__}: {error}"),)


def failed(info: PolicyInfo, reason: str) -> PolicyVerdict:
    """The error that a policy is which came to no answer."""
    return PolicyVerdict(
        policy=info.id,
        state=State.ERROR,
        message=reason,
        effects=info.effects,
        failure=info.failure,
        line=info.line,
    )
