"""Policies that had to be stopped: after several times in a window one is switched off for a while.

Switched off means that its word is an error, which counts by its own failure choice: a policy that
fails closed refuses then, it never becomes a permission. What it spares is the deadline that every
request would else wait for, and the child that would die for it.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable

log = logging.getLogger("haechi.webhook")
MOST_STRIKES, WINDOW_S, OFF_S = 3, 60.0, 300.0


class Strikes:
    """Counts strikes of policies by id."""

    def __init__(
        self,
        clock: Callable[[], float],
        *,
        most: int = MOST_STRIKES,
        window_s: float = WINDOW_S,
        off_s: float = OFF_S,
    ) -> None:
        self._clock, self._most, self._window_s, self._off_s = clock, most, window_s, off_s
        self._at: dict[str, deque[float]] = {}
        self._off: dict[str, tuple[float, str]] = {}

    def strike(self, policy: str, reason: str) -> None:
        """It had to be stopped."""
        now = self._clock()
        times = self._at.setdefault(policy, deque(maxlen=self._most))
        times.append(now)
        if len(times) == self._most and now - times[0] <= self._window_s:
            text = f"switched off for {self._off_s:.0f} s after {self._most} times: {reason}"
            self._off[policy] = (now + self._off_s, text)
            log.error("policy %s is %s", policy, text)

    def off(self) -> dict[str, str]:
        """Policies that may not run now, with the reason."""
        if not self._off:
            return _NONE
        now = self._clock()
        for policy in [policy for policy, (until, _) in self._off.items() if until <= now]:
            del self._off[policy]
            self._at.pop(policy, None)
            log.warning("policy %s is on again", policy)
        return {policy: text for policy, (_, text) in self._off.items()}

    def forget(self) -> None:
        """A new set of policies begins without strikes."""
        self._at.clear()
        self._off.clear()


_NONE: dict[str, str] = {}
