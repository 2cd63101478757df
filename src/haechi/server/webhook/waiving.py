"""The waivers that an evaluator judges with: those of files, and those that the server told.

Which of them have expired is asked at each review, by the day (UTC, as everywhere else); the index
of the gate is made anew when waivers or the day change.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Iterable

from haechi.admit.decide import Waive
from haechi.errors import ConfigError
from haechi.gate.admission import waiving
from haechi.gate.waivers import load_waivers
from haechi.model.waiver import Waiver
from haechi.server.webhook.frames import Changes, Text

_DAY_S = 86_400


class Waiving:
    """``today()`` is what ``decide`` takes."""

    def __init__(
        self, files: Iterable[Waiver] = (), *, clock: Callable[[], float] = time.time
    ) -> None:
        self._files, self._clock = tuple(files), clock
        self._told: tuple[Waiver, ...] = ()
        self._day = -1
        self._waive: Waive | None = None

    @classmethod
    def of(cls, texts: Iterable[Text]) -> Waiving:
        """By files of waivers. Raises ConfigError with all that is wrong in one."""
        today = dt.datetime.now(dt.UTC).date()
        return cls(
            waiver for text in texts for waiver in load_waivers(_decoded(text), text.name, today)
        )

    @property
    def count(self) -> int:
        """Waivers of files, expired ones among them."""
        return len(self._files)

    def take(self, changes: Changes) -> None:
        """The server's waivers, all of them, if there is news of them."""
        if changes.waivers is not None:
            self._told = tuple(changes.waivers)
            self._day = -1
            self.today()

    def today(self) -> Waive | None:
        """Names the waiver of a verdict; None when no waiver holds today."""
        if not self._files and not self._told:
            return None
        day = int(self._clock()) // _DAY_S
        if day != self._day:
            date = dt.date(1970, 1, 1) + dt.timedelta(days=day)
            self._waive, self._day = waiving((*self._files, *self._told), date), day
        return self._waive


def _decoded(text: Text) -> str:
    try:
        return text.data.decode()
    except UnicodeDecodeError as error:
        raise ConfigError("the waivers are not UTF-8", where=text.name) from error
