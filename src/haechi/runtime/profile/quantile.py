"""Which part of a workload's own scores lies below one: a histogram of fixed size that fades.

Scores are bounded, so equal bins are enough: the rank is exact to the width of a bin. The answer
is a mid-rank, so a score that half of all events share is ordinary, and it never reaches 1: of n
scores nothing rarer than one in n + 1 can be told.
"""

from __future__ import annotations

from collections.abc import Sequence

BINS, WIDTH = 160, 0.25
"""Scores from 0 to 40."""
TAIL, TAIL_A_WINDOW = 0.99, 32
"""Of scores above this part of all, so many count in one window: a burst of attacks must not become
what is usual. (The same thing done again counts a few times in a window anyway.)"""


class Quantiles:
    """Weights are forward-decayed, as in ``frequency``."""

    __slots__ = ("_edge", "bins", "tail", "total", "window")

    def __init__(self) -> None:
        self.bins = [0.0] * BINS
        self.total = 0.0
        self.window = -1
        self._edge = 0
        """Where the tail begins: looked up when something falls into it in a new window."""
        self.tail = 0

    def rank(self, score: float) -> tuple[float, float]:
        """(weight below, half of the equal ones included; weight of all)."""
        place = bin_of(score)
        return sum(self.bins[:place]) + self.bins[place] / 2, self.total

    def add(self, place: int, unit: float, window: int) -> None:
        """Count one score, by its bin."""
        if place >= self._edge and not self._has_room(place, window):
            return
        self.bins[place] += unit
        self.total += unit

    def _has_room(self, place: int, window: int) -> bool:
        if self.window != window:
            self.window, self.tail = window, 0
            self._edge = bin_of(self.at(TAIL))
        self.tail += place >= self._edge
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


def quantile(own: Quantiles, every: Sequence[Quantiles], score: float, unit: float) -> float:
    """The quantile among scores of one kind; where these are few, all of the workload's stand in
    for ``PRIOR`` of them."""
    below, total = own.rank(score)
    ranks = [one.rank(score) for one in every]
    total_all = sum(rank[1] for rank in ranks)
    prior = PRIOR * unit
    if not total_all:
        return 0.0
    # What hardly ever happens at all is rare however little is known of how it happens.
    others = 1.0 - (total + unit) / (total_all + unit)
    share = max(others, sum(rank[0] for rank in ranks) / total_all)
    surest = total_all / (total_all + unit)
    return min(surest, (below + prior * share) / (total + prior))


PRIOR = 20.0
