"""Plans with what the checks say of them: what is shown to people, and what an action begins as."""

from __future__ import annotations

import datetime as dt
import secrets
from collections.abc import Sequence

import msgspec

from haechi.errors import HaechiError
from haechi.model.response import ActionState, Check, Plan, Said, Stage, Want
from haechi.respond.checks import Checks, Look, bars
from haechi.respond.ground import Ground, Site
from haechi.respond.journal import words_of
from haechi.respond.planning import plan_of
from haechi.respond.policy import Response, ResponsePolicy
from haechi.respond.steps.performer import unsure
from haechi.respond.wishes import action_id, cause_key, same_target
from haechi.store.state.action_records import StoredAction

PROTECTED = "protected"


class Proposal(msgspec.Struct, frozen=True, kw_only=True):
    """A plan for a want. ``id`` and ``key`` are those of the action that it would be."""

    id: str
    key: str
    want: Want
    plan: Plan
    checks: tuple[Check, ...]
    stage: Stage
    because: str
    ttl_s: int

    @property
    def bars(self) -> list[Check]:
        """The checks that stand in the way."""
        return bars(self.checks)

    @property
    def possible(self) -> bool:
        """False when no plan could be made at all."""
        return bool(self.plan.steps)


class Proposing:
    """Makes proposals. ``site`` and ``policy`` are given for each: both change."""

    def __init__(self, ground: Ground, policy: ResponsePolicy) -> None:
        self._ground, self._policy = ground, policy
        self.checks = Checks(ground)

    def proposal(
        self, want: Want, response: Response, cause: str, window: int, *, automatic: bool
    ) -> Proposal:
        """Never raises for what a cluster or a want is like: it says so in a check."""
        key = cause_key(cause, want, window)
        id_ = action_id(key)
        site = self._ground.sites(want.cluster)
        plan, found = self.planned(id_, want, site, automatic=automatic)
        return Proposal(
            id=id_,
            key=key,
            want=want,
            plan=plan,
            checks=tuple(found),
            stage=response.stage,
            because=response.because,
            ttl_s=response.ttl_s,
        )

    def planned(
        self, id_: str, want: Want, site: Site | None, *, automatic: bool
    ) -> tuple[Plan, list[Check]]:
        """The plan as of now, and all checks; a plan without steps when there can be none."""
        try:
            plan = plan_of(want, site, id_, self._ground)
        except HaechiError as error:
            nothing = Plan(
                action=want.kind, resource=want.resource, steps=(), says="there is no plan"
            )
            words = f"{words_of(error)}{f'; {error.do}' if error.do else ''}"
            said = Said.UNKNOWN if unsure(error) else Said.NO
            return nothing, [Check(name="plan", said=said, says=words)]
        if not plan.steps:
            return plan, [Check(name="plan", said=Said.NO, says=_nothing(plan))]
        look = Look(
            id=id_,
            want=want,
            plan=plan,
            site=site,
            policy=self._policy,
            automatic=automatic,
            now=self._ground.clock(),
        )
        first = Check(name="plan", said=Said.YES, says=plan.says)
        return plan, [first, *self.checks.all(look)]


def beginning(proposal: Proposal) -> tuple[ActionState, str]:
    """In which state an action begins that nobody has asked for by hand, and why."""
    standing = proposal.bars
    if not proposal.possible or any(one.name == PROTECTED for one in standing):
        return ActionState.REFUSED, _words(standing)
    match proposal.stage:
        case Stage.OBSERVE:
            return ActionState.OBSERVED, ""
        case Stage.RECOMMEND:
            return ActionState.RECOMMENDED, _words(standing)
        case Stage.APPROVE:
            return ActionState.WAITING, _words(standing)
        case Stage.ENFORCE if all(one.said is Said.UNKNOWN for one in standing):
            # What cannot be told now is asked again before anything is applied.
            return ActionState.APPROVED, _words(standing)
        case Stage.ENFORCE:
            return ActionState.WAITING, f"not applied by itself: {_words(standing)}"


def answered(want: Want, known: Sequence[StoredAction], level: int, since: dt.datetime) -> bool:
    """True when there is nothing to be asked anew: it stands or waits, was dismissed at this
    level, or was answered since then."""
    ended = (ActionState.DISMISSED, ActionState.FAILED, ActionState.UNDONE, ActionState.REFUSED)
    return any(
        (one.state is ActionState.DISMISSED and one.level >= level)
        or one.state not in ended
        or one.created > since
        for one in known
        if same_target(one.want, want)
    )


def told_before(one: Proposal, known: Sequence[StoredAction]) -> bool:
    """True when it was said before, with the same reason, that there can be no plan."""
    if one.possible:
        return False
    _, why = beginning(one)
    return any(
        each.state is ActionState.REFUSED and each.why == why and same_target(each.want, one.want)
        for each in known
    )


def _nothing(plan: Plan) -> str:
    """Why a plan has no steps."""
    return "; ".join(
        [plan.says, *plan.warnings[:3], *(one for f in plan.residual[:1] for one in f.because)]
    )


def _words(checks: list[Check]) -> str:
    return "; ".join(f"{one.name}: {one.says}" for one in checks)


def window_of(since: dt.datetime, now: dt.datetime, window_s: int) -> int:
    """Which window since the cause began it is now."""
    return max(0, int((now - since).total_seconds())) // window_s


def by_hand(by: str) -> str:
    """A cause that is its own: whoever asks twice, means it."""
    return f"{by}:{secrets.token_hex(8)}"


def same_plan(one: Plan, other: Plan) -> bool:
    """True when both do the same and achieve the same: then what was approved is what is done.
    Tests of an object's version are no part of what is done: every heartbeat changes it."""
    return (
        _done(one) == _done(other)
        and one.contained == other.contained
        and set(one.residual) == set(other.residual)
    )


def _done(plan: Plan) -> list[object]:
    return [(step.kind, step.target, msgspec.json.encode(_bare(step.body))) for step in plan.steps]


def _bare(body: object) -> object:
    if not isinstance(body, list):
        return body
    return [
        one
        for one in body
        if not (
            isinstance(one, dict)
            and one.get("op") == "test"
            and one.get("path") == "/metadata/resourceVersion"
        )
    ]
