"""How often each thing was seen, in bounded memory, with what is long ago fading.

Weights grow with time instead of fading (forward decay, Cormode et al. 2009): an observation adds
``grow(now)`` and everything is read relative to that, so nothing is touched that is not seen.
What is rare is told by a smoothed frequency after Witten and Bell: the more often new things turn
up in a family, the less one more of them says. So a flood of unique names makes novelty cheap
in this one family, fills no memory, and pushes out only what was seen least.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import log

import msgspec

COUNTED = 16
"""Of one thing in one window, so many observations count: what happens a million times in an
hour must not make a week of other behaviour rare, nor teach itself as normal in minutes."""
COUNTS, NEW = 1, 2
_WEIGHT, _COUNT, _FIRST, _LAST, _WINDOW, _INSIDE = range(6)
Cell = list[float]
"""Weight, own observations, first and last (seconds), window, observations in it."""


class Seen(msgspec.Struct, frozen=True):
    """One thing as it is told. ``share`` is of what counts in its family, 0 to 1."""

    value: str
    count: int
    share: float
    first: float
    last: float


class Frequencies:
    """One family. ``most`` bounds the things that are known, and as many again may wait."""

    __slots__ = ("cells", "count", "most", "novel", "spilt", "total", "waiting")

    def __init__(self, most: int) -> None:
        self.most = most
        self.cells: dict[str, Cell] = {}
        self.total = self.novel = 0.0
        """Weights of all observations that count, and of those that were new."""
        self.count = 0
        """Observations, all of them."""
        self.waiting: dict[str, Cell] = {}
        """New things of an active profile: learnt hours later, unless an incident
        opens before. Until then each of them is new every time."""
        self.spilt = 0

    def rarity(self, value: str, unit: float) -> float:
        """Minus the logarithm of its smoothed share (nats); ``unit`` is the weight of one
        observation now."""
        cell = self.cells.get(value)
        known = cell[_WEIGHT] if cell is not None else 0.0
        extra = self.novel + unit
        return log((self.total + extra + unit) / (known + extra))

    def again(self, value: str, now: float, window: int) -> bool:
        """Count what has counted often enough in this window already; False for anything else."""
        cell = self.cells.get(value)
        if cell is None or cell[_INSIDE] < COUNTED or cell[_WINDOW] != window:
            return False
        self.count += 1
        cell[_COUNT] += 1
        cell[_LAST] = now
        return True

    def learn(self, value: str, unit: float, now: float, window: int, *, patient: bool) -> int:
        """Count one. ``patient``: what is new waits. COUNTS; NEW when it began to wait; 0 when it
        has counted often enough already, in this window or as something new."""
        self.count += 1
        cell = self.cells.get(value)
        if cell is None:
            if patient:
                return self._wait(value, now, window)
            cell = self._enter(value, unit, now, window)
        cell[_COUNT] += 1
        cell[_LAST] = now
        if cell[_WINDOW] != window:
            cell[_WINDOW] = window
            cell[_INSIDE] = 0
        elif cell[_INSIDE] >= COUNTED:
            return 0
        cell[_INSIDE] += 1
        cell[_WEIGHT] += unit
        self.total += unit
        return COUNTS

    def _enter(self, value: str, unit: float, now: float, window: int) -> Cell:
        if len(self.cells) >= self.most:
            self._prune()
        self.novel += unit
        cell = self.cells[value] = [0.0, 0, now, now, window, 0]
        return cell

    def _prune(self) -> None:
        """Forget an eighth: those with the least weight, the oldest of equals. Their weight stays
        in the totals, as they did happen."""
        order = sorted(self.cells.items(), key=lambda item: (item[1][_WEIGHT], item[1][_LAST]))
        for value, _ in order[: max(1, self.most // 8)]:
            del self.cells[value]

    def _wait(self, value: str, now: float, window: int) -> int:
        cell = self.waiting.get(value)
        new = cell is None
        if cell is None:
            if len(self.waiting) >= self.most:
                self.spilt += 1
                return 0
            cell = self.waiting[value] = [0.0, 0, now, now, window, 0]
        cell[_COUNT] += 1
        cell[_LAST] = now
        return NEW if new else 0

    def note(self, value: str, score: float) -> None:
        """The score of what began to wait, to count with it."""
        self.waiting[value][_WEIGHT] = score

    def settle(self, unit: float, before: float, window: int) -> list[float]:
        """Learn what waits since before this time: the scores that were noted with it."""
        scores = []
        ripe = [value for value, cell in self.waiting.items() if cell[_FIRST] <= before]
        for value in ripe:
            waited = self.waiting.pop(value)
            if waited[_WEIGHT]:
                scores.append(waited[_WEIGHT])
            cell = self._enter(value, unit, waited[_FIRST], window)
            counted = min(waited[_COUNT], COUNTED)
            cell[_COUNT], cell[_LAST], cell[_INSIDE] = waited[_COUNT], waited[_LAST], counted
            cell[_WEIGHT] = counted * unit
            self.total += counted * unit
        lost, self.spilt = min(self.spilt, COUNTED), 0
        self.novel += lost * unit
        self.total += lost * unit
        return scores

    def forget_since(self, since: float) -> int:
        """Drop what waits, and what was first seen after this time: how many."""
        fresh = [value for value, cell in self.cells.items() if cell[_FIRST] > since]
        for value in fresh:
            self.total -= self.cells.pop(value)[_WEIGHT]
        self.total = max(0.0, self.total)
        gone = len(fresh) + len(self.waiting)
        self.waiting.clear()
        self.spilt = 0
        return gone

    def scale(self, by: float) -> None:
        """Multiply all weights: the unit is about to be made smaller."""
        self.total *= by
        self.novel *= by
        for cell in self.cells.values():
            cell[_WEIGHT] *= by

    def adopt(self, other: Frequencies, by: float) -> None:
        """Begin with the weights of another family; nothing of it counts as seen here."""
        for value, cell in other.cells.items():
            self.cells[value] = [cell[_WEIGHT] * by, 0, cell[_FIRST], cell[_LAST], -1, 0]
        self.total, self.novel = other.total * by, other.novel * by

    def seen(self) -> Iterator[Seen]:
        """What was seen here itself, the most frequent first."""
        total = self.total or 1.0
        for value, cell in sorted(self.cells.items(), key=lambda item: -item[1][_WEIGHT]):
            if cell[_COUNT]:
                share = min(1.0, cell[_WEIGHT] / total)
                yield Seen(value, int(cell[_COUNT]), share, cell[_FIRST], cell[_LAST])

    def fresh(self) -> Iterator[Seen]:
        """What is new and not learnt yet."""
        for value, cell in self.waiting.items():
            yield Seen(value, int(cell[_COUNT]), 0.0, cell[_FIRST], cell[_LAST])
