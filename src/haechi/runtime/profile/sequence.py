"""How unusual a trace of calls is, learnt from normal traces alone.

Three opinions that err on different traces: the order of calls (a chain over n-grams, each order
smoothed by the one below it after Witten and Bell), how rare the calls themselves are (inverse
document frequency), and whether they were ever seen in this company (distance to the nearest
normal trace by sets of calls). Their scales have nothing in common, so each is told as the
part of normal traces that score as high, which is estimated on traces that the model was not
fitted on: folds of the normal ones. The score is the sum of the logarithms (Fisher's method).

No attack is needed for fitting. What was chosen (order 6, these three, equal weights) was chosen on
the development half of ADFA-LD; ``./dev bench anomaly`` measures it. At one false alarm in a
hundred traces about a quarter of attacks are found: a reason to look first, never to page.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Sequence
from math import log

import msgspec

from haechi.errors import InputError

ORDER = 6
"""Length of the longest n-grams."""
SYMBOLS = 400
"""Calls that there may be: what a call that was never seen gets its share of."""
FOLDS = 5
MOST_GRAMS = 1_000_000
"""Contexts with their successors that are kept, all orders together."""
MOST_SETS = 4_000
_MEMO = 200_000
Trace = Sequence[int]
Gram = tuple[int, ...]


class Order:
    """An interpolated chain over n-grams."""

    def __init__(self, order: int = ORDER) -> None:
        self.order = order
        self.after: list[dict[Gram, dict[int, int]]] = [{} for _ in range(order)]
        """By length of the context: successors with their counts; -1 is their sum."""
        self.grams = 0
        self._memo: dict[Gram, float] = {}

    def learn(self, trace: Trace) -> None:
        """Count all n-grams of a trace."""
        self._memo.clear()
        for length, table in enumerate(self.after):
            for place in range(length, len(trace)):
                context = tuple(trace[place - length : place])
                counts = table.get(context)
                if counts is None:
                    counts = table[context] = {-1: 0}
                call = trace[place]
                if call in counts:
                    counts[call] += 1
                else:
                    counts[call] = 1
                    self.grams += 1
                counts[-1] += 1
        if self.grams > MOST_GRAMS:
            self._prune()

    def _prune(self) -> None:
        """Forget contexts that were seen least, the longest first, until a quarter is free."""
        least = 1
        while self.grams > MOST_GRAMS * 3 // 4:
            for table in reversed(self.after[1:]):
                rare = [context for context, counts in table.items() if counts[-1] <= least]
                for context in rare:
                    self.grams -= len(table.pop(context)) - 1
                if self.grams <= MOST_GRAMS * 3 // 4:
                    return
            if not any(self.after[1:]):
                return  # single calls alone: as many as there are calls
            least *= 2

    def surprise(self, gram: Gram) -> float:
        """Minus the logarithm (nats) of the last call's probability after the others."""
        found = self._memo.get(gram)
        if found is None:
            if len(self._memo) >= _MEMO:
                self._memo.clear()
            found = self._memo[gram] = -log(self._chance(gram))
        return found

    def _chance(self, gram: Gram) -> float:
        chance, call = 1.0 / SYMBOLS, gram[-1]
        for length in range(len(gram)):
            counts = self.after[length].get(gram[len(gram) - 1 - length : -1])
            if counts is None:
                break
            kinds = len(counts) - 1
            chance = (counts.get(call, 0) + kinds * chance) / (counts[-1] + kinds)
        return chance

    def mean(self, trace: Trace) -> float:
        """The mean surprise of a trace's calls."""
        order, surprise, calls = self.order, self.surprise, tuple(trace)
        total = sum(
            [surprise(calls[max(0, end - order) : end]) for end in range(1, len(calls) + 1)]
        )
        return total / len(calls)


class Company:
    """Which calls normal traces make, and which of them together."""

    def __init__(self) -> None:
        self.traces = 0
        self.holding: Counter[int] = Counter()
        """In how many traces each call is."""
        self.sets: Counter[frozenset[int]] = Counter()
        self._ready: tuple[dict[int, list[int]], list[float], dict[int, float]] | None = None

    def learn(self, trace: Trace) -> None:
        """Count a trace."""
        calls = frozenset(trace)
        self.traces += 1
        self.holding.update(calls)
        if calls in self.sets or len(self.sets) < MOST_SETS:
            self.sets[calls] += 1
        self._ready = None

    def rarity(self, trace: Trace) -> float:
        """The mean, over a trace's calls, of how few traces make such calls (nats)."""
        of = self.traces + 1
        counts = Counter(trace)
        holding = self.holding
        return sum(n * log(of / (holding[call] + 1)) for call, n in counts.items()) / len(trace)

    def distance(self, trace: Trace) -> float:
        """To the nearest normal trace: 1 minus the weighted Jaccard index of their sets of calls,
        rare ones weighing more. 0: the very same calls; 1: none of them."""
        where, weights, weight_of = self._ready or self._prepared()
        shared = [0.0] * len(weights)
        own, new = 0.0, log(self.traces + 1)
        for call in set(trace):
            weight = weight_of.get(call, new)
            own += weight
            for place in where.get(call, ()):
                shared[place] += weight
        nearest = 0.0
        for both, its in zip(shared, weights, strict=True):
            union = own + its - both
            if union > 0:
                nearest = max(nearest, both / union)
        return 1.0 - nearest

    def _prepared(self) -> tuple[dict[int, list[int]], list[float], dict[int, float]]:
        weight_of = {call: log((self.traces + 1) / n) for call, n in self.holding.items()}
        where: dict[int, list[int]] = {}
        weights = []
        for place, calls in enumerate(self.sets):
            weights.append(sum(weight_of[call] for call in calls))
            for call in calls:
                where.setdefault(call, []).append(place)
        self._ready = (where, weights, weight_of)
        return self._ready


class Opinions(msgspec.Struct, frozen=True):
    """What is measured of a trace, each on a scale of its own; higher is more unusual."""

    order: float
    rarity: float
    distance: float


class Judgement(msgspec.Struct, frozen=True, kw_only=True):
    """``score`` ranks traces. ``normal`` is, for each opinion, the part of normal traces that are
    as unusual."""

    score: float
    normal: Opinions


class TraceModel:
    """Fit it once, then judge. Thread-safe after fitting but for its memo, which any order of
    writes leaves right."""

    def __init__(self, traces: Iterable[Trace], *, order: int = ORDER, folds: int = FOLDS) -> None:
        """Raises InputError for fewer traces than two folds need, and for empty ones."""
        every = list(traces)
        if len(every) < 2 * folds:
            raise InputError(
                f"{len(every)} normal traces", why=f"at least {2 * folds} are needed to learn from"
            )
        if not all(every):
            raise InputError("a trace without any call")
        self._order = order
        held = []
        for fold in range(folds):
            rest = [trace for place, trace in enumerate(every) if place % folds != fold]
            parts = self._fitted(rest)
            held += [_opinions(parts, trace) for trace in every[fold::folds]]
        self._scales = [sorted(one) for one in zip(*map(_tuple, held), strict=True)]
        self._parts = self._fitted(every)

    def _fitted(self, traces: Iterable[Trace]) -> tuple[Order, Company]:
        order, company = Order(self._order), Company()
        for trace in traces:
            order.learn(trace)
            company.learn(trace)
        return order, company

    @property
    def grams(self) -> int:
        """N-grams that are known."""
        return self._parts[0].grams

    def judge(self, trace: Trace) -> Judgement:
        """How unusual a trace is. Raises InputError for an empty one."""
        if not trace:
            raise InputError("a trace without any call")
        values = _tuple(_opinions(self._parts, trace))
        shares = [_share(scale, one) for scale, one in zip(self._scales, values, strict=True)]
        return Judgement(score=-sum(map(log, shares)), normal=Opinions(*shares))


def _opinions(parts: tuple[Order, Company], trace: Trace) -> Opinions:
    order, company = parts
    return Opinions(order.mean(trace), company.rarity(trace), company.distance(trace))


def _tuple(one: Opinions) -> tuple[float, float, float]:
    return one.order, one.rarity, one.distance


def _share(scale: Sequence[float], value: float) -> float:
    """The part of the scale at or above the value, equal ones by half; never 0."""
    below = (bisect_left(scale, value) + bisect_right(scale, value)) / 2
    return (len(scale) - below + 1) / (len(scale) + 2)
