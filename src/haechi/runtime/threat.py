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

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from haechi.model.access import NONE
from haechi.model.event import Event
from haechi.model.keys import without_cluster
from haechi.model.threat import Assessment, Reason, ThreatLevel

if TYPE_CHECKING:
    from haechi.store.state.state import State

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
_HOST_FACTS = ("privileged", "hostPID", "hostNetwork", "hostIPC", "hostPaths")
_KEYS = ("exposedBy", "mayToken", "mayTokenWeight", "cve.exploited", "cve.critical", *_HOST_FACTS)
_KEPT, _KEPT_S = 20_000, 60.0
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
        yield Reason(
            kind="exposure",
            text=f"reachable from outside by {facts.exposed_by}",
            points=_EXPOSED,
            source="attribute exposedBy",
        )
    if facts.exploited:
        yield Reason(
            kind="vulnerability",
            text=f"its image has {facts.exploited} vulnerabilities that are exploited in the wild",
            points=_EXPLOITED,
            source="attribute cve.exploited",
        )
    elif facts.critical:
        yield Reason(
            kind="vulnerability",
            text=f"its image has {facts.critical} critical vulnerabilities",
            points=_CRITICAL_CVE,
            source="attribute cve.critical",
        )
    if facts.may:
        yield Reason(
            kind="rights",
            text=f"its service account may {facts.may}",
            points=round(max(4.0, min(8.0, facts.may_weight * 0.8)), 1),
            source="attribute mayToken",
        )
    if facts.host:
        yield Reason(
            kind="workload",
            text=f"close to its node: {', '.join(facts.host)}",
            points=_HOST,
            source=f"attribute {facts.host[0]}",
        )


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


class StoredFacts:
    """Facts of the store's attributes, remembered for a minute. Thread-safe and bounded."""

    def __init__(self, state: State, now: Callable[[], float] = time.monotonic) -> None:
        self._state, self._now = state, now
        self._lock = threading.Lock()
        self._known: dict[tuple[str, str], tuple[float, WorkloadFacts]] = {}

    def __call__(self, cluster: str, resource: str) -> WorkloadFacts:
        """What the store knows of a workload; of one that no scan of the cluster told of, what a
        repository declares of the same name without naming a cluster."""
        key, now = (cluster, resource), self._now()
        found = self._known.get(key)
        if found is not None and found[0] > now:
            return found[1]
        facts = self._asked(cluster, resource)
        with self._lock:
            if len(self._known) >= _KEPT:
                self._known.clear()
            self._known[key] = (now + _KEPT_S, facts)
        return facts

    def _asked(self, cluster: str, resource: str) -> WorkloadFacts:
        from sqlalchemy import select

        from haechi.store.state.plain import from_json
        from haechi.store.state.schema import attribute
        from haechi.store.state.schema import resource as things

        a, r = attribute.c, things.c
        for place, key in dict.fromkeys(((cluster, resource), (NONE, without_cluster(resource)))):
            there = select(r.source, r.ref).where(
                r.key == key, r.cluster == place, r.is_default == 1, r.gone == 0
            )
            ask = select(a.source, a.ref, a.key, a.value).where(
                a.resource == key, a.cluster == place, a.key.in_(_KEYS)
            )
            with self._state.read() as connection:
                counted = {tuple(row) for row in connection.execute(there)}
                if not counted:
                    continue
                rows = connection.execute(ask).all()
            told = {
                row.key: from_json(row.value) for row in rows if (row.source, row.ref) in counted
            }
            return _facts(told)
        return NOTHING


def _facts(told: Mapping[str, Any]) -> WorkloadFacts:
    exposed, may = told.get("exposedBy"), told.get("mayToken")
    return WorkloadFacts(
        known=True,
        exposed_by=exposed[:300] if isinstance(exposed, str) else "",
        may=may[:300] if isinstance(may, str) else "",
        may_weight=_number(told.get("mayTokenWeight")),
        exploited=int(_number(told.get("cve.exploited"))),
        critical=int(_number(told.get("cve.critical"))),
        host=tuple(name for name in _HOST_FACTS if told.get(name)),
    )


def _number(value: Any) -> float:
    right = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if right and 0 <= value <= 1e6 else 0.0
