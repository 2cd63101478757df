"""One workload's profile: what it does, how usual that is, and in which state its learning is.

Learning: everything counts at once and no scores are told. Active: scores are told, and what is
new counts only hours later, so an attack stays rare however often it repeats itself.
Frozen (by hand, or while an incident is open for the workload): nothing is learnt, and what came
first in the minutes before the incident is forgotten again.

The score of an event is the sum of the rarities of what it did, each capped, with that of the
order of events; it is told as a quantile among the workload's own scores of such events.
"""

from __future__ import annotations

from enum import StrEnum
from typing import NamedTuple

import msgspec

from haechi.runtime.profile.features import (
    EXEC,
    FAMILIES,
    FILES,
    MOST,
    NET,
    ORDER,
    OTHER,
    Doing,
    Workload,
)
from haechi.runtime.profile.frequency import NEW, Frequencies
from haechi.runtime.profile.markov import Chain
from haechi.runtime.profile.quantile import Quantiles, bin_of, quantile

CAPS = (12.0, 12.0, 12.0, 12.0, 12.0, 12.0, 6.0)
"""Nats that one family may add; by number of family."""
KINDS = 4
_EARLY, _FEW = 32, 1_000
_KIND_OF = (EXEC, EXEC, FILES, NET, NET, OTHER)
"""By family: the kind of event that it is about."""
_LARGEST_UNIT = 2.0**40


class Habits(msgspec.Struct, frozen=True, kw_only=True):
    """How profiles learn. Times in seconds."""

    learn_events: int = 2_000
    learn_s: float = 24 * 3600.0
    half_life_s: float = 14 * 86_400.0
    window_s: float = 600.0
    suspect_s: float = 900.0
    """What first came so shortly before an incident is not learnt."""
    settle_s: float = 6 * 3600.0
    """What is new to an active profile is learnt so long after it first came, if no incident
    opened."""
    adopted: float = 0.5
    """Of the weight of a profile of the same image."""


class ProfileState(StrEnum):
    """As it is told; frozen covers both ways."""

    LEARNING = "learning"
    ACTIVE = "active"
    FROZEN = "frozen"


class Part(NamedTuple):
    """What one family adds to a score."""

    family: int
    value: str
    rarity: float


class Profile:
    """Not thread-safe: ``Profiles`` holds the lock."""

    __slots__ = (
        "chain",
        "changed",
        "cold_from",
        "events",
        "families",
        "frozen",
        "grown",
        "habits",
        "held_since",
        "kinds",
        "last",
        "learning",
        "nodes",
        "since",
        "start",
        "unit",
        "window",
        "workload",
    )  # fmt: skip

    def __init__(self, workload: Workload, habits: Habits, now: float) -> None:
        self.workload, self.habits = workload, habits
        self.since = self.start = self.last = self.grown = now
        """``since`` is when this state began, ``start`` when learning did."""
        self.learning, self.frozen = True, False
        self.held_since = 0.0
        """When an incident froze it; 0 when none does."""
        self.events = 0
        self.changed = True
        self.cold_from = ""
        self.families = [Frequencies(most) for most in MOST]
        self.chain = Chain()
        self.kinds = [Quantiles() for _ in range(KINDS)]
        self.unit, self.window = 1.0, int(now // habits.window_s)
        self.nodes: dict[str, None] = {}

    @property
    def state(self) -> ProfileState:
        """As it is told."""
        if self.frozen or self.held_since:
            return ProfileState.FROZEN
        return ProfileState.LEARNING if self.learning else ProfileState.ACTIVE

    @property
    def scores(self) -> bool:
        """Whether it knows enough to say what is rare."""
        return not self.learning

    # Observing ---------------------------------------------------------------------------------

    def observe(self, doing: Doing, order: float, now: float) -> float:
        """The score of an event; it is learnt then. ``order`` is the mean surprise of its
        process tree. Less than 0 for what comes all the time: who wants that score has to ask for
        its ``parts``."""
        window = int(now // self.habits.window_s)
        if window != self.window:
            self._turn(window, now)
        families, unit = self.families, self.unit
        kind, parts = doing
        if len(parts) == 1 and not (self.learning or self.frozen or self.held_since):
            family, value = parts[0]
            if families[family].again(value, now, window):
                self.last, self.changed = now, True
                self.events += 1
                return -1.0
        score = order if order < CAPS[ORDER] else CAPS[ORDER]
        for family, value in parts:
            rarity = families[family].rarity(value, unit)
            cap = CAPS[family]
            score += rarity if rarity < cap else cap
        self.last = now
        if self.frozen or self.held_since:
            return score
        self.events += 1
        self.changed = True
        patient = not self.learning
        counts, new = 0, None
        for family, value in parts:
            learnt = families[family].learn(value, unit, now, window, patient=patient)
            counts |= learnt
            if learnt == NEW and new is None:
                new = family, value
        if new is not None:
            # What is rare must not become what is usual before it is known to be harmless.
            families[new[0]].note(new[1], score)
        elif counts:
            self.kinds[kind].add(bin_of(score), unit, window)
        if self.learning:
            self._learnt(now)
        return score

    def _settled(self) -> None:
        """The scores of the beginning say nothing, as everything was new: they fade each time
        that the number of events doubles while learning (and at its end, where they were few)."""
        for one in self.kinds:
            one.scale(0.25)

    def _learnt(self, now: float) -> None:
        habits, events = self.habits, self.events
        if events & (events - 1) == 0 and events >= _EARLY:
            self._settled()
        if events >= habits.learn_events and now - self.start >= habits.learn_s:
            self.activate(now)

    def activate(self, now: float) -> None:
        """Enough is learnt: say what is rare from now on."""
        self.learning, self.since = False, now
        if self.events < _FEW:
            self._settled()

    def _turn(self, window: int, now: float) -> None:
        """A window ended: what waited is learnt, and what is long ago counts a little less."""
        habits = self.habits
        if window < self.window or self.frozen or self.held_since:
            self.window = max(window, self.window)
            self.grown = now if self.frozen or self.held_since else self.grown
            return
        self.window = window
        self.unit *= 2.0 ** min(400.0, max(0.0, now - self.grown) / habits.half_life_s)
        self.grown = now
        for kind, family in zip(_KIND_OF, self.families, strict=True):
            for score in family.settle(self.unit, now - habits.settle_s, window):
                self.kinds[kind].add(bin_of(score), self.unit, window)
        if self.unit > _LARGEST_UNIT:
            self._shrink()

    def _shrink(self) -> None:
        by = 1.0 / self.unit
        for family in self.families:
            family.scale(by)
        for scores in self.kinds:
            scores.scale(by)
        self.unit = 1.0

    def quantile(self, kind: int, score: float) -> float:
        """Which part of such events of this workload scored less, 0 to 1."""
        return quantile(self.kinds[kind], self.kinds, score, self.unit)

    def parts(self, doing: Doing, order: float) -> list[Part]:
        """What a score is made of, the rarest first."""
        found = [
            Part(family, value, min(CAPS[family], self.families[family].rarity(value, self.unit)))
            for family, value in doing.parts
        ]
        found.append(Part(ORDER, "", min(CAPS[ORDER], order)))
        return sorted(found, key=lambda part: -part.rarity)

    # States ------------------------------------------------------------------------------------

    def hold(self, now: float) -> None:
        """An incident is open for it."""
        if self.held_since:
            return
        self.held_since = self.since = now
        self._distrust(now)

    def release(self, now: float) -> None:
        """No incident is open for it any more. The time in between does not count as learning."""
        if not self.held_since:
            return
        self.start += max(0.0, now - self.held_since)
        self.held_since, self.since, self.grown, self.changed = 0.0, now, now, True

    def freeze(self, now: float) -> None:
        """By hand."""
        if not self.frozen:
            self.frozen, self.since, self.changed = True, now, True

    def unfreeze(self, now: float) -> None:
        """By hand."""
        if self.frozen:
            self.frozen, self.since, self.grown, self.changed = False, now, now, True

    def learn(self, now: float) -> None:
        """Learn on, for as long as a new one does: after a change that was meant."""
        self.learning, self.frozen = True, False
        self.since = self.start = self.grown = now
        self.events, self.changed = 0, True

    def _distrust(self, now: float) -> None:
        for one in self.families:
            one.forget_since(now - self.habits.suspect_s)
        self.changed = True

    def adopt(self, other: Profile, now: float) -> None:
        """Begin with what a profile of the same image knows. Addresses are of its own place."""
        same = other.workload.cluster == self.workload.cluster
        by = self.habits.adopted / other.unit
        for number, name in enumerate(FAMILIES[: len(MOST)]):
            if name != "peer" or same:
                self.families[number].adopt(other.families[number], by)
        other.chain.settle()
        self.chain.adopt(other.chain)
        for mine, its in zip(self.kinds, other.kinds, strict=True):
            mine.bins, mine.total = list(its.bins), its.total
            mine.scale(by)
        self.learning, self.since, self.cold_from = False, now, other.workload.image

    def size(self) -> int:
        """Bytes in memory, about: counted, not measured."""
        values = sum(len(one.cells) + len(one.waiting) for one in self.families)
        contexts = sum(len(counts) for counts in self.chain.contexts.values())
        return 8_000 + 420 * values + 90 * contexts + 240 * len(self.chain.contexts)
