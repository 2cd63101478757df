"""A second opinion: how surprising the order of a workload's events is.

A Markov chain of order 3 over small numbers (types of events), each order smoothed by the one
below it (Witten and Bell), down to the uniform distribution over all symbols. Contexts are packed
into one number, six bits a symbol. Bounded: when there are too many contexts, the poorest half
goes.
"""

from __future__ import annotations

from math import log

SYMBOLS = 64
ORDER = 3
MOST_CONTEXTS = 512
_LATELY = 256
"""So many symbols are counted at once: a surprise that was worked out holds for them. (Fewer in
the beginning, when each changes much.)"""
_REST = 3 * _LATELY
"""Where most of what came lately was different, so many symbols are passed over."""
MOST_COUNT = 1 << 14
"""Past it a context's counts are halved, which is also how old habits fade."""
_MASKS = tuple((1 << 6 * order) - 1 for order in range(ORDER + 1))
CONTEXT = _MASKS[ORDER]
"""What of a context counts."""
_TAGS = tuple(order << 18 for order in range(ORDER + 1))
Context = dict[int, int]
"""Counts by symbol; -1 is their sum."""


class Chain:
    """``context`` is the last symbols, packed; ``after`` gives the next one."""

    __slots__ = ("_age", "_lately", "_patience", "_resting", "contexts")

    def __init__(self) -> None:
        self.contexts: dict[int, Context] = {}
        self._lately: dict[int, list[float]] = {}
        self._age, self._patience = 0, 8
        self._resting = 0

    @staticmethod
    def after(context: int, symbol: int) -> int:
        """The context with one more symbol."""
        return (context << 6 | symbol) & CONTEXT

    def step(self, context: int, symbol: int, *, learn: bool) -> float:
        """The surprise of a symbol after its context, which is counted then. Less than 0 while
        nothing is looked at, for what comes in no order says little and costs most."""
        if self._resting:
            self._resting -= 1
            return -1.0
        key = context << 6 | symbol
        known = self._lately.get(key)
        if known is None:
            known = self._lately[key] = [self._surprise(context, symbol), 0]
        if learn:
            known[1] += 1
        self._age += 1
        if self._age >= self._patience:
            self._patience = min(_LATELY, 2 * self._patience)
            if len(self._lately) > _LATELY // 2:
                self._resting = _REST
            self.settle()
        return known[0]

    def settle(self) -> None:
        """Count what came lately."""
        lately, self._lately, self._age = self._lately, {}, 0
        for key, (_, times) in lately.items():
            if times:
                self._learn(key >> 6, key & 63, int(times))

    def _surprise(self, context: int, symbol: int) -> float:
        get = self.contexts.get
        chance = 1.0 / SYMBOLS
        for order in range(ORDER + 1):
            counts = get(_TAGS[order] | context & _MASKS[order])
            if counts is None:
                break
            kinds = len(counts) - 1
            chance = (counts.get(symbol, 0) + kinds * chance) / (counts[-1] + kinds)
        return -log(chance)

    def _learn(self, context: int, symbol: int, times: int) -> None:
        """Count the symbol after its context; after shorter ones only as long as it is new in the
        longer (update exclusion, Moffat 1990), which is better and costs less."""
        contexts = self.contexts
        for order in range(ORDER, -1, -1):
            key = _TAGS[order] | context & _MASKS[order]
            counts = contexts.get(key)
            if counts is None:
                if len(contexts) >= MOST_CONTEXTS:
                    self._prune()
                counts = contexts[key] = {-1: 0}
            before = counts.get(symbol, 0)
            counts[symbol] = before + times
            counts[-1] += times
            if counts[-1] >= MOST_COUNT:
                _halve(counts)
            if before:
                return
            times = 1

    def _prune(self) -> None:
        order = sorted(self.contexts, key=lambda key: self.contexts[key][-1])
        for key in order[: MOST_CONTEXTS // 2]:
            del self.contexts[key]

    def adopt(self, other: Chain) -> None:
        """Begin with the counts of another."""
        self.contexts = {key: dict(counts) for key, counts in other.contexts.items()}


def _halve(counts: Context) -> None:
    for symbol in [one for one in counts if one >= 0]:
        counts[symbol] >>= 1
        if not counts[symbol]:
            del counts[symbol]
    counts[-1] = sum(count for symbol, count in counts.items() if symbol >= 0)
