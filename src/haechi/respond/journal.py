"""Carrying out steps and taking them back, so that it can break off anywhere.

Each step goes: look at the world and keep the inverse (durable) → touch the world → write down
that it is done (durable). Whoever comes after a crash finds a step ``applying`` or ``undoing`` and
asks the world. A step whose answer never came may still be on its way to the server: before one
that seems absent is believed to be absent for good, SETTLED has to pass.

``at`` is called at every boundary; tests let the process die there.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from enum import StrEnum

import msgspec

from haechi.errors import HaechiError, StoreError
from haechi.model.response import StepState
from haechi.respond.ground import Ground
from haechi.respond.performers import Performers
from haechi.respond.steps.performer import Standing, unsure
from haechi.store.state.action_records import StoredAction, StoredStep

S = StepState
BY = "respond"
SETTLED = dt.timedelta(seconds=75)
"""Longer than an API server works on a request (60 s)."""
MOST_ATTEMPTS = 5
_TOUCHED = (S.APPLYING, S.APPLIED, S.UNDOING)


class Ended(StrEnum):
    """How a run over the steps ended."""

    DONE = "done"
    SETTLING = "settling"  # nothing is wrong: it has to be seen whether a step still comes to pass
    LATER = "later"  # the world did not answer: go on later
    REFUSED = "refused"  # it cannot be done


_WORSE = (Ended.DONE, Ended.SETTLING, Ended.LATER, Ended.REFUSED)


class Journal:
    """Runs over the steps of an action."""

    def __init__(self, ground: Ground, at: Callable[[str], None]) -> None:
        self._ground, self._at = ground, at
        self._actions = ground.state.actions

    # Forwards

    def carry_on(
        self,
        action: StoredAction,
        performers: Performers,
        go_on: Callable[[], str],
        *,
        tolerant: frozenset[str],
    ) -> tuple[Ended, str]:
        """Carry out what is left. ``go_on`` is asked before each step; words end it. Steps of
        ``tolerant`` kinds may fail."""
        for step in action.steps:
            if step.state in (S.APPLIED, S.FAILED):
                continue
            if step.state is S.PLANNED and (words := go_on()):
                return Ended.REFUSED, words
            try:
                self._forwards(action, step, performers)
            except StoreError:
                raise  # our own store, not the world: whoever comes next goes on from here
            except HaechiError as error:
                ended, words = self._failed(action, step, error, performers, tolerant)
                if ended is not Ended.DONE:
                    return ended, words
        return Ended.DONE, ""

    def _forwards(self, action: StoredAction, step: StoredStep, performers: Performers) -> None:
        performer = performers.of(step.kind)
        place = step.place
        if step.state is S.APPLYING:
            standing = performer.standing(step)
            if standing is Standing.APPLIED:
                self._applied(action, step, "carried out, as the world says after a break")
                return
            if standing is not Standing.ABSENT:
                raise _Unsettled(step, standing)
            if step.attempts >= MOST_ATTEMPTS:
                raise HaechiError(f"not carried out in {step.attempts} attempts: {step.error}")
            step = self._write(action, step, S.APPLYING, frm=(S.APPLYING,))
        else:
            inverse = performer.prepare(step)
            self._at(f"{place}:prepared")
            step = self._write(action, step, S.APPLYING, frm=(S.PLANNED,), inverse=inverse)
        self._at(f"{place}:saved")
        note = performer.apply(step)
        self._at(f"{place}:touched")
        self._applied(action, step, note)
        self._at(f"{place}:applied")

    def _applied(self, action: StoredAction, step: StoredStep, note: str) -> None:
        self._actions.step(action.id, step.place, S.APPLIED, frm=(S.APPLYING,), by=BY, error=note)

    def _write(
        self,
        action: StoredAction,
        step: StoredStep,
        to: StepState,
        *,
        frm: tuple[StepState, ...],
        inverse: object = msgspec.UNSET,
    ) -> StoredStep:
        made = self._actions.step(
            action.id, step.place, to, frm=frm, by=BY, inverse=inverse, attempt=True
        )
        return made.steps[step.place]

    def _failed(
        self,
        action: StoredAction,
        step: StoredStep,
        error: HaechiError,
        performers: Performers,
        tolerant: frozenset[str],
    ) -> tuple[Ended, str]:
        words = words_of(error)
        step = self._actions.get(action.id).steps[step.place]
        if unsure(error):
            if step.state is S.APPLYING:
                self._settle(action, step, S.APPLYING, words)
            return Ended.LATER, words
        if step.state is S.PLANNED:
            self._settle(action, step, S.FAILED, words)
        elif step.state is S.APPLYING:
            try:
                if self._refused(action, step, error, words, performers):
                    return Ended.DONE, ""
            except HaechiError as again:
                if not unsure(again):
                    raise
                return Ended.LATER, words_of(again)
        if step.kind in tolerant:
            step = self._actions.get(action.id).steps[step.place]
            if step.state is S.APPLYING:
                self._settle(action, step, S.FAILED, words)
            return Ended.DONE, ""
        return Ended.REFUSED, f"step {step.place + 1} ({step.kind}): {words}"

    def _refused(
        self,
        action: StoredAction,
        step: StoredStep,
        error: HaechiError,
        words: str,
        performers: Performers,
    ) -> bool:
        """A clear no to a step that was begun. True when the world has it all the same: an
        earlier attempt, whose answer never came, may have come through and be what a later one
        ran into. One that may still come through is left to be taken back."""
        if isinstance(error, _Unsettled):
            if error.standing is Standing.UNKNOWN:
                self._settle(action, step, S.FAILED, words)
            return False
        standing = performers.of(step.kind).standing(step)
        if standing is Standing.APPLIED:
            self._applied(action, step, "carried out, as the world says after a refusal")
            return True
        if standing is not Standing.CHANGED and step.attempts < 2:
            self._settle(action, step, S.FAILED, words)
        return False

    def _settle(self, action: StoredAction, step: StoredStep, to: StepState, words: str) -> None:
        self._actions.step(action.id, step.place, to, frm=(step.state,), by=BY, error=words)

    # Backwards

    def undo(
        self, action: StoredAction, performers: Performers, now: dt.datetime
    ) -> tuple[Ended, str]:
        """Take back all that may stand, the last first. One that cannot be taken back does not
        keep the others from it. Words of what was left are those of the steps."""
        several = [(Ended.DONE, "")]
        for step in reversed(action.steps):
            if step.state not in _TOUCHED:
                continue
            try:
                ended, said = self._backwards(action, step, performers, now)
            except StoreError:
                raise
            except HaechiError as error:
                ended = Ended.LATER if unsure(error) else Ended.REFUSED
                do = f"; {error.do}" if error.do else ""
                said = f"step {step.place + 1} ({step.kind}): {words_of(error)}{do}"
            several.append((ended, said))
        return max(several, key=lambda one: _WORSE.index(one[0]))

    def _backwards(
        self, action: StoredAction, step: StoredStep, performers: Performers, now: dt.datetime
    ) -> tuple[Ended, str]:
        performer = performers.of(step.kind)
        place = step.place
        if not action.plan.steps[place].reversible:
            if step.state is S.APPLYING:
                self._stays(action, step, performer.standing(step))
            return Ended.DONE, ""
        if step.state is S.APPLYING and performer.standing(step) is Standing.ABSENT:
            # A step that was changed later than now: the clock was set back since.
            since = step.changed if step.changed <= now else action.changed
            if now < since + SETTLED:
                return Ended.SETTLING, f"step {place + 1}: waits whether it still comes to pass"
        if step.state is not S.UNDOING:
            made = self._actions.step(
                action.id, place, S.UNDOING, frm=(S.APPLYING, S.APPLIED), by=BY, attempt=True
            )
            step = made.steps[place]
        self._at(f"undo:{place}:saved")
        note = performer.undo(step)
        self._at(f"undo:{place}:touched")
        self._actions.step(action.id, place, S.UNDONE, frm=(S.UNDOING,), by=BY, error=note)
        self._at(f"undo:{place}:done")
        return Ended.DONE, ""

    def _stays(self, action: StoredAction, step: StoredStep, standing: Standing) -> None:
        """A step that cannot be taken back, broken off: what is so is written down."""
        done = standing is Standing.APPLIED
        words = "" if done else "broken off: it may or may not have been carried out"
        to = S.APPLIED if done else S.FAILED
        self._actions.step(action.id, step.place, to, frm=(S.APPLYING,), by=BY, error=words)


class _Unsettled(HaechiError):
    """A step was broken off, and the world is neither as before nor as after."""

    def __init__(self, step: StoredStep, standing: Standing) -> None:
        super().__init__(
            "broken off: it may or may not have been carried out"
            if standing is Standing.UNKNOWN
            else "somebody else has changed it meanwhile"
        )
        self.standing = standing


def words_of(error: HaechiError) -> str:
    """A fault in one line."""
    where = f"{error.where}: " if error.where and error.where not in error.what else ""
    why = f" ({error.why})" if error.why else ""
    return f"{where}{error.what}{why}"[:1_000]
