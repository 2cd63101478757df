"""When a request is sent again, and after how long.

Reading is repeated after anything that may pass. A write only when it cannot have been carried
out: no byte of it left, or the server said itself that it took nothing (429 from its queue), or
when carrying it out twice is the same as once (server-side apply, a dry run). Pauses grow, with
jitter, so that several clients do not come back in step.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TypeVar

import msgspec

from haechi.errors import KubeBusy, KubeError, KubeUnreachable

T = TypeVar("T")
_PASSING = frozenset({500, 502, 504})


class Patience(msgspec.Struct, frozen=True, kw_only=True):
    """How often and how long. ``sleep`` and ``chance`` are given by tests."""

    tries: int = 4
    first: float = 0.25
    longest: float = 10.0
    in_all: float = 30.0
    sleep: Callable[[float], object] = time.sleep
    chance: Callable[[], float] = random.random

    def repeated(self, work: Callable[[], T], *, again: Callable[[KubeError], bool]) -> T:
        """The answer of ``work``, tried until it is no error for which ``again`` holds."""
        waited = 0.0
        for number in range(self.tries):
            try:
                return work()
            except KubeError as error:
                pause = self._pause(error, number)
                last = number + 1 >= self.tries or waited + pause > self.in_all
                if last or not again(error):
                    raise
                waited += pause
                self.sleep(pause)
        raise AssertionError("not reached")

    def _pause(self, error: KubeError, number: int) -> float:
        pause = min(self.longest, self.first * 2.0**number) * (0.5 + self.chance())
        if isinstance(error, KubeBusy) and error.retry_after:
            return max(pause, error.retry_after)
        return pause


def reading(error: KubeError) -> bool:
    """For what may be done any number of times."""
    return isinstance(error, KubeBusy | KubeUnreachable) or error.status in _PASSING


def writing(error: KubeError) -> bool:
    """For what must not be done twice."""
    if isinstance(error, KubeUnreachable):
        return not error.sent
    return isinstance(error, KubeBusy) and error.status == 429 and not error.budget
