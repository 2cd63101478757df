"""Rows of ``incident`` and ``incident_detection`` to values and back."""

from __future__ import annotations

from typing import Any

import msgspec

from haechi.model.incident import Incident, IncidentState
from haechi.model.threat import Reason, ThreatLevel
from haechi.store.state.incident_tables import incident as table
from haechi.store.state.incident_tables import incident_detection
from haechi.store.state.incidents_records import (
    MOST_RULES_SHOWN,
    Evidence,
    Kept,
    Memory,
    Row,
    StoredIncident,
)
from haechi.store.state.plain import clean, to_json
from haechi.store.state.times import from_us, maybe_us

i, d = table.c, incident_detection.c
_FOLDED = 4_000


class Detail(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The column ``detail``."""

    score: float = 0.0
    reasons: tuple[Reason, ...] = ()
    rules: dict[str, int] = {}
    tactics: tuple[str, ...] = ()
    techniques: tuple[str, ...] = ()
    source_ips: tuple[str, ...] = ()
    pids: tuple[int, ...] = ()


class EvidenceDetail(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The column ``evidence``. ``line`` is the process and its ancestors: pid, name, program,
    command."""

    cluster: str = "-"
    namespace: str = "-"
    resource: str = ""
    node: str = ""
    container: str = ""
    level: str = "info"
    user: str = ""
    tactics: tuple[str, ...] = ()
    techniques: tuple[str, ...] = ()
    line: tuple[tuple[int, str, str, str], ...] = ()
    fields: dict[str, Any] = {}


_detail = msgspec.json.Decoder(Detail)
_memory = msgspec.json.Decoder(Memory).decode
evidence_of = msgspec.json.Decoder(EvidenceDetail).decode
LISTED = (
    i.n,
    i.id,
    i.cluster,
    i.namespace,
    i.resource,
    i.node,
    i.container,
    i.title,
    i.state,
    i.owner,
    i.level,
    i.rank,
    i.opened,
    i.changed,
    i.closed,
    i.first_ns,
    i.last_ns,
    i.detections,
    i.former,
    i.cause,
    i.detail,
)


def packed(value: msgspec.Struct) -> str:
    """JSON that a column can hold: a NUL in some text is replaced."""
    encoded = msgspec.json.encode(value).decode()
    return to_json(msgspec.to_builtins(value)) if "\\u0000" in encoded else encoded


def rank_of(level: int, score: float) -> int:
    """Level and score in one number."""
    return int(level) * 1_000_000 + round(max(0.0, min(score, 999.0)) * 1_000)


def stored(row: Any) -> StoredIncident:
    """As it is listed."""
    detail = _detail.decode(row.detail)
    rules = sorted(detail.rules.items(), key=lambda pair: (-pair[1], pair[0]))
    return StoredIncident(
        id=row.id,
        cluster=row.cluster,
        namespace=row.namespace,
        resource=row.resource,
        node=row.node,
        container=row.container,
        title=row.title,
        level=ThreatLevel(row.level).word,
        score=round(detail.score, 3),
        state=IncidentState(row.state),
        owner=row.owner or None,
        opened=from_us(row.opened),
        changed=from_us(row.changed),
        closed=maybe_us(row.closed),
        first_seen=from_us(row.first_ns // 1_000),
        last_seen=from_us(row.last_ns // 1_000),
        detections=row.detections,
        rules=dict(rules[:MOST_RULES_SHOWN]),
        tactics=list(detail.tactics),
        techniques=list(detail.techniques),
        source_ips=list(detail.source_ips),
        former=row.former or None,
    )


def reasons_of(row: Any) -> list[Reason]:
    """What led to its level."""
    return list(_detail.decode(row.detail).reasons)


def kept(row: Any) -> Kept:
    """As the correlator has it."""
    return Kept(n=row.n, incident=model(row), cause=row.cause, memory=_memory(row.memory))


def model(row: Any) -> Incident:
    """The incident itself."""
    detail = _detail.decode(row.detail)
    return Incident(
        id=row.id,
        cluster=row.cluster,
        namespace=row.namespace,
        resource=row.resource,
        node=row.node,
        container_id=row.container,
        title=row.title,
        level=ThreatLevel(row.level),
        score=detail.score,
        reasons=detail.reasons,
        state=IncidentState(row.state),
        owner=row.owner,
        opened_ns=row.opened * 1_000,
        first_ns=row.first_ns,
        last_ns=row.last_ns,
        closed_ns=row.closed * 1_000,
        detections=row.detections,
        rules=detail.rules,
        tactics=detail.tactics,
        techniques=detail.techniques,
        source_ips=detail.source_ips,
        pids=detail.pids,
        former=row.former,
    )


def values(one: Kept, changed_us: int) -> dict[str, Any]:
    """The columns that a fold writes; what people change (owner, state) is not among them."""
    it = one.incident
    detail = Detail(
        score=it.score,
        reasons=it.reasons,
        rules=it.rules,
        tactics=it.tactics,
        techniques=it.techniques,
        source_ips=it.source_ips,
        pids=it.pids,
    )
    return {
        "namespace": it.namespace,
        "title": clean(it.title, 300),
        "level": int(it.level),
        "rank": rank_of(it.level, it.score),
        "changed": changed_us,
        "first_ns": it.first_ns,
        "last_ns": it.last_ns,
        "detections": it.detections,
        "folded": folded(it),
        "detail": packed(detail),
        "memory": packed(one.memory),
    }


def folded(it: Incident) -> str:
    """The words by which it is found."""
    words = (it.title, it.resource, it.namespace, it.cluster, it.node, it.container_id, it.id)
    lists = (*it.rules, *it.techniques, *it.tactics, *it.source_ips)
    return clean("\n".join((*words, *lists)), _FOLDED).casefold()


def row_values(row: Row) -> dict[str, Any]:
    """A new row of ``incident_detection``."""
    return {
        "n": row.counted.n,
        "incident": row.incident,
        "signature": row.signature,
        "count": row.counted.count,
        "first_ns": row.counted.first_ns,
        "last_ns": row.counted.last_ns,
        "event": clean(row.event, 600),
        "source": clean(row.source, 600),
        "rule": clean(row.rule, 600),
        "priority": clean(row.priority, 40),
        "message": clean(row.message, 2_000),
        "evidence": row.evidence,
    }


def evidence(row: Any) -> Evidence:
    """A row of ``incident_detection`` as it is shown."""
    told = evidence_of(row.evidence)
    return Evidence(
        id=row.signature,
        at=from_us(row.first_ns // 1_000),
        last=from_us(row.last_ns // 1_000),
        count=row.count,
        event=row.event,
        source=row.source,
        rule=row.rule,
        priority=row.priority,
        level=told.level,
        message=row.message,
        cluster=told.cluster,
        namespace=told.namespace,
        resource=told.resource,
        node=told.node,
        container=told.container,
        tactics=list(told.tactics),
        techniques=list(told.techniques),
        fields=told.fields,
    )
