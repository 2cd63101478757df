"""How dangerous an event is: ``ThreatDetector``, one level out of the rule's priority and of what
is known of the workload.

The priority gives a score; each fact adds points; the level is read off the sum:

    priority       emergency alert critical 72   error 52   warning 32   notice 16   others 5
    exposure       +10  somebody outside of the cluster can reach the workload
    vulnerability  +12  one that is exploited in the wild, +8 a critical one
    rights         +4 to +8  what its service account may do to the cluster
    workload       +6  privileged, or the node's processes, network or files are open to it
    behaviour      up to +9  how rare this is for the workload; it ranks, it never lifts a level

    critical from 70, high from 50, medium from 30, low from 12, info below

Facts lift a level by one at most: a pod that everybody can reach makes a warning worse, but no
number of facts turns a note into an emergency, or the level would say more of the workload than of
what happened. What is not known adds nothing, and the reasons say that nothing is known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

import msgspec

from haechi.model.event import Event
from haechi.model.threat import Assessment, Reason, ThreatLevel

BEHAVIOUR, BEHAVIOUR_WHY = "haechi.behaviour", "haechi.behaviour.why"
"""Fields of a detection: how rare it is for its workload (0 to 1), and in words why."""
_PRIORITY = {
    "emergency": 72.0,
    "alert": 72.0,
    "critical": 72.0,
    "error": 52.0,
    "warning": 32.0,
    "notice": 16.0,
}
_LEAST = 5.0
_FROM = (
    (70.0, ThreatLevel.CRITICAL),
    (50.0, ThreatLevel.HIGH),
    (30.0, ThreatLevel.MEDIUM),
    (12.0, ThreatLevel.LOW),
)
_EXPOSED, _EXPLOITED, _CRITICAL_CVE, _HOST = 10.0, 12.0, 8.0, 6.0
_RARE = ((0.999, 9.0), (0.99, 6.0), (0.95, 3.0))
HOST_FACTS = ("privileged", "hostPID", "hostNetwork", "hostIPC", "hostPaths")
"""Attributes of a workload that is close to its node."""
_HIGHEST = 100.0


class WorkloadFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a workload that bears on danger. ``known`` is false when nobody has told
    the store of it."""

    known: bool = False
    exposed_by: str = ""
    may: str = ""
    may_weight: float = 0.0
    exploited: int = 0
    critical: int = 0
    host: tuple[str, ...] = ()


Look = Callable[[str, str], WorkloadFacts]
"""(cluster, Resource.key) → facts."""
NOTHING = WorkloadFacts()


class Judged(Protocol):
    """A ``SecurityEvent``: an event by the guide's names."""

    @property
    def event(self) -> Event:
        """All of it."""


def nothing_known(cluster: str, resource: str) -> WorkloadFacts:
    """The facts of who has no store."""
    return NOTHING


class ThreatDetector:
    """Thread-safe; the same event and facts give the same level."""

    def __init__(self, facts: Look = nothing_known) -> None:
        self._facts = facts

    def analyze(self, event: Event | Judged) -> ThreatLevel:
        """The level alone."""
        return self.assess(event if isinstance(event, Event) else event.event).level

    def assess(self, event: Event) -> Assessment:
        """The level with its reasons. An event that no rule judged is ``info``."""
        facts = self._facts(event.cluster, event.resource) if event.resource else NOTHING
        return assessed(event, facts)


def assessed(event: Event, facts: WorkloadFacts) -> Assessment:
    """The level of an event with these facts; pure."""
    reasons = [_priority(event)]
    reasons += _of_workload(facts, event.resource)
    base = reasons[0].points
    sum_ = sum(one.points for one in reasons)
    level = min(level_of(sum_), min(ThreatLevel.CRITICAL, level_of(base) + 1))
    rare = _behaviour(event.fields)
    if rare is not None:
        reasons.append(rare)
        sum_ += rare.points
    return Assessment(level=ThreatLevel(level), score=min(_HIGHEST, sum_), reasons=tuple(reasons))


def level_of(score: float) -> ThreatLevel:
    """The level that a score means."""
    return next((level for least, level in _FROM if score >= least), ThreatLevel.INFO)


def _priority(event: Event) -> Reason:
    points = _PRIORITY.get(event.priority, _LEAST) if event.rule else 0.0
    if not event.rule:
        return Reason(kind="priority", text="no rule judged it", points=0.0)
    words = f"{event.rule}: {event.priority or 'no priority'}"
    return Reason(kind="priority", text=words, points=points, source=f"rule {event.rule}")


def _of_workload(facts: WorkloadFacts, resource: str) -> Iterator[Reason]:
    if not facts.known:
        words = "nothing is known of the workload" if resource else "it belongs to no workload"
        yield Reason(kind="workload", text=words, points=0.0)
        return
    if facts.exposed_by:
        words = f"reachable from outside by {facts.exposed_by}"
        yield _fact("exposure", words, _EXPOSED, "exposedBy")
    if facts.exploited:
        words = f"its image has {facts.exploited} vulnerabilities that are exploited in the wild"
        yield _fact("vulnerability", words, _EXPLOITED, "cve.exploited")
    elif facts.critical:
        words = f"its image has {facts.critical} critical vulnerabilities"
        yield _fact("vulnerability", words, _CRITICAL_CVE, "cve.critical")
    if facts.may:
        points = round(max(4.0, min(8.0, facts.may_weight * 0.8)), 1)
        yield _fact("rights", f"its service account may {facts.may}", points, "mayToken")
    if facts.host:
        words = f"close to its node: {', '.join(facts.host)}"
        yield _fact("workload", words, _HOST, facts.host[0])


def _fact(kind: str, text: str, points: float, attribute: str) -> Reason:
    return Reason(kind=kind, text=text, points=points, source=f"attribute {attribute}")


def _behaviour(fields: Mapping[str, Any]) -> Reason | None:
    rare = fields.get(BEHAVIOUR)
    if isinstance(rare, bool) or not isinstance(rare, int | float):
        return None
    points = next((points for least, points in _RARE if rare >= least), 0.0)
    why = fields.get(BEHAVIOUR_WHY)
    words = [one for one in why if isinstance(one, str)][:3] if isinstance(why, list) else []
    text = f"rarer than {min(max(float(rare), 0.0), 1.0):.1%} of what this workload does"
    return Reason(
        kind="behaviour",
        text=f"{text}: {'; '.join(words)}"[:500] if words else text,
        points=points,
        source="the workload's profile",
    )
