"""What is done with an action when it is due: the state says what, the clock says whether.

``tend`` takes an action one state further. Whatever it is interrupted by, it can be called again:
everything that it needs to know stands in the action and its steps, or in the world.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Callable
from typing import Any

import msgspec

from haechi.errors import Conflict, HaechiError, StoreError
from haechi.model.response import ActionKind, ActionState, Check, Plan, StepState
from haechi.respond.checks import accepted, bars
from haechi.respond.ground import Ground
from haechi.respond.journal import BY, Ended, Journal, words_of
from haechi.respond.performers import Performers
from haechi.respond.policy import ResponsePolicy
from haechi.respond.policy_file import NEVER_BY_ITSELF
from haechi.respond.proposals import PROTECTED, Proposing, same_plan
from haechi.respond.verifying import CONTAINED, NOT_CONTAINED, Achieved, achieved
from haechi.store.state.action_records import StoredAction
from haechi.store.state.actions import ENDED

log = logging.getLogger("haechi.respond")
A, K = ActionState, ActionKind
CLOCK = "clock"
LONGEST_WAIT = dt.timedelta(minutes=10)
LAPSES = dt.timedelta(days=7)
LOOK_AGAIN = dt.timedelta(minutes=10)
SET_BACK = dt.timedelta(minutes=1)
"""Clocks are corrected by less all the time."""
SETTLES = dt.timedelta(seconds=15)
STUCK_AFTER = 5
"""Tries to undo in a row that went wrong, before a person is called."""


class Keeper:
    """Used under the engine's lock."""

    def __init__(
        self,
        ground: Ground,
        policy: ResponsePolicy,
        proposing: Proposing,
        at: Callable[[str], None],
    ) -> None:
        self._ground, self._policy, self._proposing = ground, policy, proposing
        self._actions = ground.state.actions
        self._at = at
        self._journal = Journal(ground, at)
        self._now: dt.datetime | None = None
        """When it was last looked at the clock."""

    def tend(self, id: str, now: dt.datetime) -> None:
        """Take it further."""
        action = self._actions.get(id)
        match action.state:
            case A.RECOMMENDED | A.WAITING:
                self._waits(action, now)
            case A.APPROVED:
                self._begin(action, now)
            case A.APPLYING:
                self._go_on(action, now)
            case A.APPLIED:
                self._look(action, now)
            case A.UNDOING | A.STUCK:
                self._undo(action, now)
            case _:
                self._quiet(action, due=None)

    def later(self, id: str, now: dt.datetime) -> None:
        """After a fault of ours: again, later and later. Never raises."""
        try:
            action = self._actions.get(id)
            if action.state in ENDED:
                return
            failures = min(action.failures + 1, 1_000)
            self._quiet(action, due=now + _wait(failures), failures=failures)
        except HaechiError as error:
            log.warning("the action %s could not be put off: %s", id, error)

    # Nobody has decided yet

    def _waits(self, action: StoredAction, now: dt.datetime) -> None:
        found = self._ground.incidents(action.incident) if action.incident else None
        if found is not None and found.state.closed:
            self._dismiss(action, f"the incident is {found.state.value}")
        elif now - action.created > LAPSES:
            self._dismiss(action, f"nobody decided within {LAPSES.days} days")
        else:
            self._quiet(action, due=now + LOOK_AGAIN)

    def _dismiss(self, action: StoredAction, why: str) -> None:
        self._actions.move(action.id, A.DISMISSED, frm=(action.state,), by=CLOCK, why=why)

    def set_back(self, now: dt.datetime) -> None:
        """When the clock was set back, times that were written down before lie too far ahead:
        what stands would stand for as much longer. Its time begins anew."""
        before, self._now = self._now, now
        if before is not None and now >= before - SET_BACK:
            return
        for action in self._actions.ahead(now + SET_BACK):
            times: dict[str, Any] = {"due": now}
            if action.state is A.APPROVED:
                times["approved"] = now
            if action.expires is not None:
                left = action.expires - (action.applied or action.changed)
                times["expires"] = now + max(left, dt.timedelta(0))
            if action.applied is not None:
                times["applied"] = now
            words = "the clock was set back: its time begins anew"
            frm = (action.state,)
            self._actions.move(action.id, action.state, frm=frm, by=CLOCK, why=words, **times)

    def withdraw(self, now: dt.datetime) -> None:
        """While automation is stopped, what it has approved is not carried out."""
        self.set_back(now)
        for action in self._approved():
            going, why = self._proposing.checks.halted(action.cluster)
            if not going:
                self._recommend(action, f"not applied: {why}", now)

    def _approved(self) -> list[StoredAction]:
        from haechi.store.state.action_records import ActionFilter

        page = self._actions.page(ActionFilter(state=(A.APPROVED,)), limit=200)
        return [one for one in page.items if one.automatic]

    def _recommend(self, action: StoredAction, why: str, now: dt.datetime) -> None:
        """Back to where a person may decide."""
        self._actions.move(
            action.id,
            A.RECOMMENDED,
            frm=(A.APPROVED,),
            by=BY,
            why=why,
            approver="",
            automatic=False,
            due=now + LOOK_AGAIN,
        )

    # Approved

    def renewed(self, action: StoredAction, by: str) -> StoredAction:
        """The action with its plan and checks as of now. Conflict when the plan is another one
        than was shown: whoever approves, approves what they have seen."""
        plan, checks = self._planned(action, automatic=False)
        if not plan.steps or same_plan(plan, action.plan):
            return msgspec.structs.replace(action, checks=checks)
        self._actions.replan(action.id, plan, checks, frm=(action.state,), by=by)
        raise Conflict(
            "the world has changed since: this is another plan now",
            why=plan.says,
            do="look at the new plan, then approve it",
        )

    def _planned(self, action: StoredAction, *, automatic: bool) -> tuple[Plan, list[Check]]:
        site = self._ground.sites(action.cluster)
        return self._proposing.planned(action.id, action.want, site, automatic=automatic)

    def _begin(self, action: StoredAction, now: dt.datetime) -> None:
        if action.approved is None or now - action.approved > self._approval:
            self._recommend(action, f"the approval is older than {self._approval}", now)
            return
        plan, checks = self._planned(action, automatic=action.automatic)
        names = [one.name for one in action.checks if one.said == "accepted"]
        checks = accepted(checks, names)
        if plan.steps and not same_plan(plan, action.plan) and not action.automatic:
            self._actions.replan(action.id, plan, checks, frm=(A.APPROVED,), by=BY)
            self._recommend(action, "the world has changed since: look at the new plan", now)
            return
        standing = bars(checks)
        if standing:
            self._barred(action, checks, standing, now)
            return
        # The policy approves what it would do now; a person's plan is the same but for versions.
        action = self._actions.replan(action.id, plan, checks, frm=(A.APPROVED,), by=BY)
        self._at("begin")
        action = self._actions.move(
            action.id,
            A.APPLYING,
            frm=(A.APPROVED,),
            by=BY,
            why=action.why,
            due=now,
            failures=0,
            expires=now + dt.timedelta(seconds=action.ttl_s),
        )
        self._at("begun")
        self._go_on(action, now)

    @property
    def _approval(self) -> dt.timedelta:
        return dt.timedelta(seconds=self._policy.approval_s)

    def _barred(
        self, action: StoredAction, checks: list[Check], standing: list[Check], now: dt.datetime
    ) -> None:
        words = "; ".join(f"{one.name}: {one.says}" for one in standing)
        if any(one.said == "unknown" for one in standing) and not _refused(standing):
            self._quiet(action, due=now + _wait(action.failures + 1), failures=action.failures + 1)
            return
        breaker = any(one.name == "breaker" for one in standing)
        if breaker and action.automatic:
            self._actions.set_halt(action.cluster, stopped=True, by="respond:breaker", why=words)
        protected = any(one.name == PROTECTED for one in standing)
        self._actions.move(
            action.id,
            A.REFUSED if protected else A.RECOMMENDED,
            frm=(A.APPROVED,),
            by=BY,
            why=f"not applied: {words}",
            checks=checks,
            approver="",
            automatic=False,
            due=now + LOOK_AGAIN,
        )

    # Being applied

    def _go_on(self, action: StoredAction, now: dt.datetime) -> None:
        performers = Performers(self._ground, self._ground.sites(action.cluster), action.want)
        required = action.kind in NEVER_BY_ITSELF
        tolerant = frozenset[str]() if required else frozenset({"snapshot"})
        if action.kind is K.SNAPSHOT:
            tolerant = frozenset()
        ended, words = self._journal.carry_on(
            action, performers, lambda: self._stopped(action, now), tolerant=tolerant
        )
        if ended is Ended.LATER and action.approved and now - action.approved > self._approval:
            ended, words = Ended.REFUSED, f"not carried out in time: {words}"
        match ended:
            case Ended.DONE:
                self._at("applied")
                self._applied(action, now)
            case Ended.LATER:
                self._put_off(action, words, now)
            case Ended.REFUSED:
                self._turn_back(action, words, now)

    def _stopped(self, action: StoredAction, now: dt.datetime) -> str:
        """Why the next step is not begun; empty: go on."""
        if action.approved and now - action.approved > self._approval:
            return f"the approval is older than {self._approval}"
        if action.automatic:
            going, why = self._proposing.checks.halted(action.cluster)
            if not going:
                return why
        current = self._actions.get(action.id)
        return "" if current.state is A.APPLYING else f"it is {current.state.value}"

    def _put_off(self, action: StoredAction, words: str, now: dt.datetime) -> None:
        failures = action.failures + 1
        self._actions.move(
            action.id,
            action.state,
            frm=(action.state,),
            by=BY,
            why=words or action.why,
            quiet=True,
            failures=failures,
            due=now + _wait(failures),
        )

    def _turn_back(self, action: StoredAction, words: str, now: dt.datetime) -> None:
        """It cannot be completed: what stands of it is taken back."""
        if self._actions.get(action.id).state is A.APPLYING:
            self._actions.move(
                action.id, A.UNDOING, frm=(A.APPLYING,), by=BY, why=words, due=now, failures=0
            )
        self._at("turned")
        self._undo(self._actions.get(action.id), now)

    def _applied(self, action: StoredAction, now: dt.datetime) -> None:
        """Done: from here on its clock runs. What leaves nothing to be undone has ended."""
        lasting = any(
            step.state is StepState.APPLIED and action.plan.steps[step.place].reversible
            for step in self._actions.get(action.id).steps
        )
        expires = now + dt.timedelta(seconds=action.ttl_s)
        action = self._actions.move(
            action.id,
            A.APPLIED,
            frm=(A.APPLYING,),
            by=BY,
            why=action.why if action.approver and not action.failures else "",
            applied=now,
            expires=expires if lasting else None,
            ended=None if lasting else now,
            outcome="" if lasting else "done",
            due=now if lasting else None,
            failures=0,
        )
        self._at("kept")
        if lasting:
            self._look(action, now)

    # Applied

    def _look(self, action: StoredAction, now: dt.datetime) -> None:
        if action.ended is not None:
            self._quiet(action, due=None)
            return
        if action.expires is not None and now >= action.expires:
            self._expire(action, "its time is over", now)
            return
        found = self._ground.incidents(action.incident) if action.incident else None
        if found is not None and found.state.value == "false_positive":
            self._expire(action, "the incident is a false positive", now)
            return
        try:
            seen = achieved(action, self._ground, self._ground.sites(action.cluster))
        except StoreError:
            raise
        except HaechiError as error:
            self._unseen(action, error, now)
            return
        self._seen(action, seen, now)

    def _expire(self, action: StoredAction, why: str, now: dt.datetime) -> None:
        self._actions.move(
            action.id, A.UNDOING, frm=(A.APPLIED,), by=CLOCK, why=why, due=now, failures=0
        )
        self._at("expired")
        self._undo(self._actions.get(action.id), now)

    def _unseen(self, action: StoredAction, error: HaechiError, now: dt.datetime) -> None:
        """It could not be looked at: nothing is claimed that was not seen."""
        words = f"could not be looked at: {words_of(error)}"
        failures = action.failures + 1
        self._actions.move(
            action.id,
            A.APPLIED,
            frm=(A.APPLIED,),
            by=BY,
            why=words,
            quiet=action.why == words,
            outcome=NOT_CONTAINED if action.kind is K.ISOLATE else action.outcome,
            failures=failures,
            due=self._next(action, now, _wait(failures)),
        )

    def _seen(self, action: StoredAction, seen: Achieved, now: dt.datetime) -> None:
        news = (seen.outcome, seen.says) != (action.outcome, action.why)
        plan = action.plan
        if action.kind is K.ISOLATE:
            good = seen.outcome == CONTAINED
            plan = msgspec.structs.replace(plan, contained=good, residual=seen.residual)
            if action.incident:  # each time: the incident may have gone on in another pod
                self._ground.contained(action, good, seen.says)
        self._actions.move(
            action.id,
            A.APPLIED,
            frm=(A.APPLIED,),
            by=BY,
            why=seen.says,
            quiet=not news,
            plan=plan if news else None,
            outcome=seen.outcome,
            verified=now,
            failures=0,
            due=self._next(action, now, dt.timedelta(seconds=self._policy.verify_s)),
        )
        self._at("looked")

    def _next(self, action: StoredAction, now: dt.datetime, wait: dt.timedelta) -> dt.datetime:
        return min(now + wait, action.expires) if action.expires else now + wait

    # Being undone

    def _undo(self, action: StoredAction, now: dt.datetime) -> None:
        performers = Performers(self._ground, self._ground.sites(action.cluster), action.want)
        ended, words = self._journal.undo(action, performers, now)
        match ended:
            case Ended.DONE:
                self._at("undone")
                self._ended(action)
            case Ended.SETTLING:  # no failure: nobody is called because time has to pass
                self._quiet(action, due=now + SETTLES)
            case Ended.LATER if action.failures < STUCK_AFTER:
                self._put_off(action, action.why, now)
            case _:
                self._stuck(action, words, now)

    def _ended(self, action: StoredAction) -> None:
        """A complete one is undone; one that was never complete has failed."""
        steps = self._actions.get(action.id).steps
        left = [step.error for step in steps if step.state is StepState.UNDONE and step.error]
        why = "; ".join([action.why, *left] if action.why else left)
        to = A.UNDONE if action.applied else A.FAILED
        if action.kind is K.ISOLATE and action.incident and action.applied:
            self._ground.contained(action, None, f"{action.id} was undone: {why}")
        self._actions.move(action.id, to, frm=(A.UNDOING, A.STUCK), by=BY, why=why, failures=0)
        self._at("ended")

    def _stuck(self, action: StoredAction, words: str, now: dt.datetime) -> None:
        """A person is needed. It is tried again for ever, at most every LONGEST_WAIT."""
        news = action.state is not A.STUCK
        if news:
            log.error("the action %s could not be undone: %s", action.id, words)
        failures = action.failures + 1
        self._actions.move(
            action.id,
            A.STUCK,
            frm=(A.UNDOING, A.STUCK),
            by=BY,
            why=words,
            quiet=not news,
            failures=failures,
            due=now + _wait(failures),
        )

    def _quiet(
        self, action: StoredAction, *, due: dt.datetime | None, failures: int | None = None
    ) -> None:
        self._actions.move(
            action.id,
            action.state,
            frm=(action.state,),
            by=BY,
            why=action.why,
            quiet=True,
            due=due,
            failures=action.failures if failures is None else failures,
        )


def _wait(failures: int) -> dt.timedelta:
    """2, 4, 8 … seconds, bounded."""
    return min(dt.timedelta(seconds=2 ** min(failures, 12)), LONGEST_WAIT)


def _refused(standing: list[Check]) -> bool:
    return any(one.said == "no" for one in standing)
