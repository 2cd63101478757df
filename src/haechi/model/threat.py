"""How dangerous something at run time is: one ordered level, and why."""

from __future__ import annotations

from enum import IntEnum

import msgspec


class ThreatLevel(IntEnum):
    """Ordered: ``INFO < LOW < MEDIUM < HIGH < CRITICAL``."""

    INFO = 0
    LOW = 1
    MEDIUM = 2
    HIGH = 3
    CRITICAL = 4

    @property
    def word(self) -> str:
        """``critical`` … ``info``, as severities are written."""
        return self.name.lower()


class Reason(msgspec.Struct, frozen=True, kw_only=True):
    """Something that moved a level. ``kind`` is one of ``priority``, ``behaviour``, ``exposure``,
    ``vulnerability``, ``rights``, ``workload``, ``tactics``, ``count``; ``points`` is how much it
    moved the score (0-100 in all); ``source`` is where the fact was read (a rule, an attribute)."""

    kind: str
    text: str
    points: float
    source: str = ""


class Assessment(msgspec.Struct, frozen=True, kw_only=True):
    """A level with all that led to it. ``score`` is the sum of the reasons, 0 to 100."""

    level: ThreatLevel
    score: float
    reasons: tuple[Reason, ...]
