"""Which part of a workload's own scores lies below one: a histogram of fixed size that fades.

Scores are bounded, so equal bins are enough: the rank is exact to the width of a bin. The answer
is a mid-rank, so a score that half of all events share is ordinary, and it never reaches 1: of n
scores nothing rarer than one in n + 1 can be told.
"""

from __future__ import annotations

BINS, WIDTH = 160, 0.25
"""Scores from 0 to 40."""
TAIL, TAIL_A_WINDOW = 0.995, 32
"""Of scores that are this rare, so many count in one window: a burst of attacks must not become
what is usual."""


class Quantiles:
    """Weights are forward-decayed, as in ``frequency``."""

    __slots__ = ("bins", "tail", "total", "window")

    def __init__(self) -> None:
        self.bins = [0.0] * BINS
        self.total = 0.0
        self.window = -1
        self.tail = 0

    def rank(self, score: float) -> tuple[float, float]:
        """(weight below, half of the equal ones included; weight of all)."""
        place = bin_of(score)
        return sum(self.bins[:place]) + self.bins[place] / 2, self.total

    def add(self, place: int, unit: float, window: int) -> None:
        """Count one score, by its bin."""
        bins = self.bins
        if bins[place] < self.total * (1 - TAIL) and not self._has_room(place, window):
            return
        bins[place] += unit
        self.total += unit

    def _has_room(self, place: int, window: int) -> bool:
        """Asked of thin bins alone, which is where a tail can be."""
        if sum(self.bins[place:]) > self.total * (1 - TAIL):
            return True
        if self.window != window:
            self.window, self.tail = window, 0
        self.tail += 1
        return self.tail <= TAIL_A_WINDOW

    def scale(self, by: float) -> None:
        """Multiply all weights."""
        self.bins = [weight * by for weight in self.bins]
        self.total = sum(self.bins)

    def at(self, part: float) -> float:
        """The score that this part of all lies below."""
        left = self.total * part
        for place, weight in enumerate(self.bins):
            left -= weight
            if left < 0:
                return (place + 1) * WIDTH
        return 0.0


def bin_of(score: float) -> int:
    """The bin of a score."""
    place = int(score / WIDTH)
    return 0 if place < 0 else place if place < BINS else BINS - 1


def quantile(own: Quantiles, all_: Quantiles, score: float, unit: float) -> float:
    """The quantile among scores of one kind; where these are few, all of the workload's stand in
    for ``PRIOR`` of them."""
    below, total = own.rank(score)
    below_all, total_all = all_.rank(score)
    prior = PRIOR * unit
    share = below_all / total_all if total_all else 0.0
    return (below + prior * share) / (total + prior + unit)


PRIOR = 20.0
