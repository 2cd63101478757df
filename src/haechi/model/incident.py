"""An incident: what belongs together among detections, and what became of it."""

from __future__ import annotations

from enum import StrEnum

import msgspec

from haechi.model.threat import Reason, ThreatLevel


class IncidentState(StrEnum):
    """The life of an incident. The last two are its ends."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    CONTAINED = "contained"  # a response proved that nothing gets in or out any more
    NOT_CONTAINED = "not_contained"  # a response ran, and something still gets through
    RESOLVED = "resolved"
    FALSE_POSITIVE = "false_positive"

    @property
    def closed(self) -> bool:
        """True at the end of its life."""
        return self in (IncidentState.RESOLVED, IncidentState.FALSE_POSITIVE)


class Incident(msgspec.Struct, frozen=True, kw_only=True):
    """One cause. ``resource`` is the workload's ``Resource.key``; where that is not known
    ``host:<cluster>/<node>``, ``container:<cluster>/<id>``, or ``user:<cluster>/<name>`` for what
    somebody did at the API server. ``namespace`` is ``-`` once it spans several.

    Times are nanoseconds since 1970 in UTC. ``rules`` counts detections by rule, ``tactics`` and
    ``techniques`` are MITRE's (``mitre_execution``, ``T1059``), ``pids`` are process ids of the
    tree it happens in, the root first. ``score`` ranks incidents of one level. ``former`` is the
    id of the closed incident of the same cause, if there is one.
    """

    id: str
    cluster: str
    namespace: str
    resource: str
    node: str = ""
    container_id: str = ""
    title: str
    level: ThreatLevel
    score: float
    reasons: tuple[Reason, ...] = ()
    state: IncidentState = IncidentState.OPEN
    owner: str = ""
    opened_ns: int
    first_ns: int
    last_ns: int
    closed_ns: int = 0
    detections: int = 0
    rules: dict[str, int] = {}
    tactics: tuple[str, ...] = ()
    techniques: tuple[str, ...] = ()
    source_ips: tuple[str, ...] = ()
    pids: tuple[int, ...] = ()
    former: str = ""
