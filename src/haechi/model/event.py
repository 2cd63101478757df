"""Something that happened: ``haechi.event/1``, the one shape of every source's events.

A Falco alert, a Kubernetes audit record, a flow and a record of our own sensor all become an
``Event`` before anything judges them. ``fields`` holds Falco's field names (``proc.name``,
``fd.name``, ``k8s.ns.name`` …); what every source has stands beside them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

SCHEMA = "haechi.event/1"
PRIORITIES = (
    "emergency",
    "alert",
    "critical",
    "error",
    "warning",
    "notice",
    "informational",
    "debug",
)
"""Falco's priorities, worst first (the severities of RFC 5424)."""

SEVERITY_OF_PRIORITY = {
    "emergency": "critical",
    "alert": "critical",
    "critical": "critical",
    "error": "high",
    "warning": "medium",
    "notice": "low",
}
"""Falco's priorities as the guide's severities; the others are ``info``."""


TAGS = ("haechi.tags", "falco.tags")
"""Fields that hold the tags of the rule that judged an event: our own, Falco's."""
MOST_TAGS = 100


def tags_of(fields: Mapping[str, Any]) -> tuple[str, ...]:
    """The tags of the rule that judged an event (``mitre_execution``, ``T1059``), whosever rule
    it was."""
    told = next((fields[name] for name in TAGS if name in fields), None)
    several = told[:MOST_TAGS] if isinstance(told, list) else []
    return tuple(one for one in several if isinstance(one, str))


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """``id`` is unique within (cluster, source); an event that comes twice counts once.

    ``ts_ns`` is nanoseconds since 1970 in UTC, by the source's clock. ``resource`` is a
    ``Resource.key``; ``namespace`` is that of the workload ("-" outside of any). ``rule`` and
    ``priority`` are set where the source has judged already (Falco); priority is one of
    PRIORITIES or empty. ``message`` is one line for people.
    """

    id: str
    ts_ns: int
    source: str
    type: str
    cluster: str = "-"
    node: str = ""
    container_id: str = ""
    resource: str = ""
    namespace: str = "-"
    rule: str = ""
    priority: str = ""
    message: str = ""
    fields: dict[str, Any] = msgspec.field(default_factory=dict)
