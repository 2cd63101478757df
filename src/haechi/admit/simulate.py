"""What-if: the same objects and requests under today's policies and under the new ones.

Both sides go through ``PolicySet.review`` and ``decide``; only what differs is kept. The forecast
of a rollout asks the same question stage by stage: what would be refused if the next began now.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from enum import StrEnum

import msgspec
from msgspec import structs

from haechi.admit.apart import Judging, judged_here
from haechi.admit.checking import UNJUDGED, would_deny
from haechi.admit.decide import Waive, decide, told
from haechi.admit.policies import PolicySet
from haechi.admit.policy import View
from haechi.admit.rollout import PolicyRollout, Rollouts, Stage, Step, namespace_of
from haechi.model.admission import Decision, Effect, PolicyVerdict
from haechi.model.review import Review, State

MOST = 10_000
"""Differences that are listed; all are counted."""
_REASONS = 50


class Answer(StrEnum):
    """What a decision comes to for who asks, worst first."""

    REFUSED = "refused"
    UNJUDGED = "unjudged"
    WARNED = "warned"
    LET_IN = "let-in"


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One object or request to which the new policies say something else."""

    resource: str
    label: str
    namespace: str
    operation: str
    before: Answer
    after: Answer
    appeared: tuple[str, ...]
    """Reasons that only the new policies give."""
    disappeared: tuple[str, ...]
    policies: tuple[str, ...]
    """Ids of the policies whose verdicts differ."""
    at_ns: int = 0
    user: str = ""
    file: str = ""
    line: int = 0


class PolicyChange(msgspec.Struct, frozen=True, kw_only=True):
    """How many failures one policy gives before and after."""

    policy: str
    before: int
    after: int


class WhatIf(msgspec.Struct, frozen=True, kw_only=True):
    """``counts`` are pairs before/after by answer. ``left_out``: cases that could not be asked."""

    judged: int
    before: Mapping[str, int]
    after: Mapping[str, int]
    changes: tuple[Change, ...]
    changed: int
    policies: tuple[PolicyChange, ...]
    by_namespace: Mapping[str, int]
    """Cases that are refused now and were not before, by namespace."""

    @property
    def newly_refused(self) -> int:
        """How many would now be refused that were not."""
        return sum(self.by_namespace.values())


class Case(msgspec.Struct, frozen=True, kw_only=True):
    """Something to judge. ``at_ns`` and ``user`` are those of a recorded request."""

    review: Review
    at_ns: int = 0
    user: str = ""


def what_if(
    today: PolicySet | None,
    new: PolicySet,
    cases: Iterable[Case],
    view: View,
    *,
    waive: Waive | None = None,
    judging: Judging = judged_here,
) -> WhatIf:
    """Judge every case twice and tell the difference. ``today`` None: nothing is in force."""
    before: Counter[str] = Counter()
    after: Counter[str] = Counter()
    fails: tuple[Counter[str], Counter[str]] = (Counter(), Counter())
    namespaces: Counter[str] = Counter()
    changes: list[Change] = []
    judged = changed = 0
    held = list(cases)
    sides = (_decisions(one, held, view, waive, judging) for one in (today or PolicySet(()), new))
    for case, old, fresh in zip(held, *sides, strict=True):
        judged += 1
        was, now = answer_of(old), answer_of(fresh)
        before[was] += 1
        after[now] += 1
        for counter, decision in zip(fails, (old, fresh), strict=True):
            counter.update(v.policy for v in decision.verdicts if _fails(v))
        if now is Answer.REFUSED and was is not Answer.REFUSED:
            namespaces[namespace_of(case.review) or "-"] += 1
        change = _change(case, old, fresh)
        if change is not None:
            changed += 1
            if len(changes) < MOST:
                changes.append(change)
    names = sorted(fails[0].keys() | fails[1].keys())
    return WhatIf(
        judged=judged,
        before={answer.value: before[answer] for answer in Answer},
        after={answer.value: after[answer] for answer in Answer},
        changes=tuple(sorted(changes, key=lambda one: (list(Answer).index(one.after), one.label))),
        changed=changed,
        policies=tuple(
            PolicyChange(policy=name, before=fails[0][name], after=fails[1][name])
            for name in names
            if fails[0][name] != fails[1][name]
        ),
        by_namespace=dict(sorted(namespaces.items())),
    )


def answer_of(decision: Decision) -> Answer:
    """What the decision means; a pod that would be refused later counts as refused."""
    if not decision.allowed and decision.code == 403:
        return Answer.REFUSED
    if any(would_deny(verdict) for verdict in decision.verdicts):
        return Answer.REFUSED
    if any(verdict.state in UNJUDGED for verdict in decision.verdicts):
        return Answer.UNJUDGED
    if any(_fails(verdict) and Effect.WARN in verdict.effects for verdict in decision.verdicts):
        return Answer.WARNED
    return Answer.LET_IN


def _decisions(
    policies: PolicySet, cases: Sequence[Case], view: View, waive: Waive | None, judging: Judging
) -> Iterator[Decision]:
    # What judges of one set derived must not be found by the other's.
    reviews = [structs.replace(case.review, memo={}) for case in cases]
    for review, verdicts in zip(reviews, judging(policies, reviews, view), strict=True):
        yield decide(verdicts, review, generation=policies.generation, waive=waive)


def _fails(verdict: PolicyVerdict) -> bool:
    return verdict.state is State.FAIL and verdict.waiver is None


def _change(case: Case, old: Decision, fresh: Decision) -> Change | None:
    was, now = _said(old), _said(fresh)
    before, after = answer_of(old), answer_of(fresh)
    if was.keys() == now.keys() and before is after:
        return None
    appeared = [text for text in now if text not in was]
    disappeared = [text for text in was if text not in now]
    if not appeared and not disappeared and before is after:
        return None
    resource = case.review.resource
    place = resource.locate(())
    names = dict.fromkeys([*(now[text] for text in appeared), *(was[text] for text in disappeared)])
    return Change(
        resource=resource.key,
        label=resource.label,
        namespace=resource.namespace or "",
        operation=str((case.review.request or {}).get("operation", "")),
        before=before,
        after=after,
        appeared=tuple(appeared[:_REASONS]),
        disappeared=tuple(disappeared[:_REASONS]),
        policies=tuple(names),
        at_ns=case.at_ns,
        user=case.user,
        file=place.path,
        line=place.line if place.path else 0,
    )


def _said(decision: Decision) -> dict[str, str]:
    """What is said of a case → the policy that says it; how strongly is part of it."""
    return {
        f"{strength_of(verdict)} {told(verdict)}": verdict.policy
        for verdict in decision.verdicts
        if verdict.state is not State.PASS and verdict.waiver is None
    }


def strength_of(verdict: PolicyVerdict) -> str:
    """deny, warn, audit, or error."""
    if verdict.state in UNJUDGED:
        return "error"
    return verdict.effects[0].value if verdict.effects else Effect.AUDIT.value


# --- the forecast of a rollout ---------------------------------------------------------------


class Forecast(msgspec.Struct, frozen=True, kw_only=True):
    """One policy in one namespace: where it stands, what comes next, and what that would mean
    for what is there now. ``ready`` is True when the next stage would refuse nothing."""

    policy: str
    rollout: str
    namespace: str
    stage: Stage
    next: Stage | None = None
    begins: dt.date | None = None
    refused: int = 0
    warned: int = 0
    unjudged: int = 0
    examples: tuple[str, ...] = ()

    @property
    def ready(self) -> bool:
        return self.refused == 0 and self.unjudged == 0


_EXAMPLES = 5


def forecast(
    policies: PolicySet,
    cases: Iterable[Case],
    view: View,
    *,
    today: dt.date,
    waive: Waive | None = None,
    judging: Judging = judged_here,
) -> tuple[Forecast, ...]:
    """What each coming stage of each rollout would do to the cases if it began now."""
    if not isinstance(policies.rollout, Rollouts):
        return ()
    rows: dict[tuple[str, str], list[tuple[str, Decision]]] = {}
    bare = policies.with_rollout(None)
    held = list(cases)
    for case, decision in zip(held, _decisions(bare, held, view, waive, judging), strict=True):
        namespace = namespace_of(case.review) or ""
        for name in {verdict.policy for verdict in decision.verdicts}:
            kept = [v for v in decision.verdicts if v.policy == name]
            label = case.review.resource.label
            rows.setdefault((name, namespace), []).append(
                (label, structs.replace(decision, verdicts=tuple(kept)))
            )
    found = []
    for (name, namespace), decisions in sorted(rows.items()):
        rollout = policies.rollout.of(name)
        if rollout is not None:
            found.append(_row(name, namespace, rollout, decisions, today))
    return tuple(found)


def _row(
    policy: str,
    namespace: str,
    rollout: PolicyRollout,
    decisions: list[tuple[str, Decision]],
    today: dt.date,
) -> Forecast:
    now: Step = rollout.at(namespace, today)
    coming = rollout.after(namespace, today)
    refused = [label for label, d in decisions if any(would_deny(v) for v in d.verdicts)]
    return Forecast(
        policy=policy,
        rollout=rollout.name,
        namespace=namespace,
        stage=now.stage,
        next=coming.stage if coming else None,
        begins=coming.begins if coming else None,
        refused=len(refused),
        warned=sum(answer_of(decision) is Answer.WARNED for _, decision in decisions),
        unjudged=sum(any(v.state in UNJUDGED for v in d.verdicts) for _, d in decisions),
        examples=tuple(refused[:_EXAMPLES]),
    )
