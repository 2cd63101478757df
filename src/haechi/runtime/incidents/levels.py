"""The level of an incident: that of its worst detection, raised by how many tactics there are.

Whoever goes from one tactic to another is on the way somewhere: three distinct ones make one
level more. Behaviour (in the detections' scores) ranks incidents of one level and lifts none.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from haechi.model.event import Event
from haechi.model.threat import Assessment, Reason, ThreatLevel
from haechi.store.state.incidents_records import Memory

Assess = Callable[[Event], Assessment]
TACTICS = 3
_TACTIC_POINTS, _MOST_TACTIC_POINTS, _HIGHEST = 3.0, 18.0, 100.0
_COUNT_POINTS = ((1_000, 3.0), (100, 2.0), (10, 1.0))
FAINT = ThreatLevel.LOW
"""What is no more than this opens no incident alone."""


def level_of(
    memory: Memory, tactics: Sequence[str], detections: int
) -> tuple[ThreatLevel, float, tuple[Reason, ...]]:
    """Level, score and reasons of an incident."""
    reasons = list(memory.base_reasons)
    level, score = memory.base_level, memory.base_score
    if len(tactics) >= TACTICS:
        points = min(_MOST_TACTIC_POINTS, _TACTIC_POINTS * len(tactics))
        names = ", ".join(one.removeprefix("mitre_").replace("_", " ") for one in tactics)
        raised = min(int(ThreatLevel.CRITICAL), level + 1)
        words = f"{len(tactics)} tactics: {names}"
        if raised > level:
            words = f"{words}; raised from {ThreatLevel(level).word}"
        reasons.append(
            Reason(kind="tactics", text=words[:400], points=points, source="rules' tags")
        )
        level, score = raised, score + points
    more = next((points for least, points in _COUNT_POINTS if detections >= least), 0.0)
    if more:
        least = next(least for least, points in _COUNT_POINTS if points == more)
        reasons.append(Reason(kind="count", text=f"{least:,} detections and more", points=more))
    return ThreatLevel(level), min(_HIGHEST, score + more), tuple(reasons)
