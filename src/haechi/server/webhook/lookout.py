"""Is an evaluator slow, and must it be stopped? Read from its cell, while something is in flight.

A policy past its time is stopped only if it worked: a process that got no processor was not slow,
the machine was, and killing it would make that worse.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import msgspec

from haechi.server.webhook.frames import Cell
from haechi.server.webhook.generation import Evaluator
from haechi.server.webhook.jobs import Job, Limits

SLOW_S = 0.1
"""What lies behind a review that takes so long is given to another evaluator."""
STARVED = 0.25
"""Less than this share of a processor: the machine was slow."""
FINAL = (Cell.NOTHING, Cell.READING, Cell.ANSWERING)
"""What a cell says when no policy is at work."""
POLICY = "policy past its time"


class Seen(msgspec.Struct, frozen=True):
    """``behind``: reviews for others to judge. ``kill``: why it must be stopped, or empty."""

    behind: tuple[Job, ...] = ()
    kill: str = ""


class Lookout:
    """Looks at evaluators. ``clock`` is that of the jobs; cells have the system's monotonic one."""

    def __init__(self, limits: Limits, clock: Callable[[], float]) -> None:
        self._limits, self._clock = limits, clock
        self._suspects: dict[int, tuple[int, float, float]] = {}

    def forget(self, evaluator: Evaluator) -> None:
        """It is gone."""
        self._suspects.pop(evaluator.pid, None)

    def look(self, evaluator: Evaluator, now: float) -> Seen:
        """What to do about an evaluator that has something to do."""
        head, limits = evaluator.jobs[0], self._limits
        count, since, review, policy = evaluator.cell.read()
        if review != head.number or policy == Cell.NOTHING:
            late = now - head.since > limits.starved_s
            return Seen(kill="does not answer" if late else "")
        elapsed = time.monotonic() - since / 1e9
        if elapsed < SLOW_S:
            late = now - head.since > limits.starved_s
            return Seen(kill="review past its time" if late else "")
        self._suspect(evaluator, count)
        kill = ""
        if elapsed >= limits.policy_s and self._worked(evaluator, count, elapsed):
            kill = POLICY if policy not in FINAL else "past its time"
        elif now - head.since > limits.review_s and head.future.done():
            kill = "review past its time"
        behind = tuple(
            job
            for job in list(evaluator.jobs)[1:]
            if job.holder is evaluator and not job.future.done()
        )
        return Seen(behind, kill)

    def _suspect(self, evaluator: Evaluator, count: int) -> None:
        """Note what it used until now."""
        known = self._suspects.get(evaluator.pid)
        if known is None or known[0] != count:
            used = evaluator.cpu_seconds()
            if used is not None:
                self._suspects[evaluator.pid] = (count, used, self._clock())

    def _worked(self, evaluator: Evaluator, count: int, elapsed: float) -> bool:
        """Whether it worked all that time, rather than having been kept from working."""
        if elapsed > self._limits.starved_s:
            return True
        used = evaluator.cpu_seconds()
        known = self._suspects.get(evaluator.pid)
        if used is None or known is None or known[0] != count:
            return used is None
        return used - known[1] >= STARVED * (self._clock() - known[2])
