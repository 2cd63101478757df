"""Changes of verdicts as events: that something fails a policy now, or does not any more.

All are of source ``haechi`` and type ``policy``. What a policy that asks for incidents says names a
rule besides, which makes it a detection: it is folded into an incident, and the policy of responses
applies. What fails already when a policy is new, or a cluster is seen for the first time, is told
as events and opens no incident: nothing happened.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING

from haechi.admit.naming import rule_id
from haechi.model.admission import PolicyInfo
from haechi.model.event import Event
from haechi.model.severity import Severity
from haechi.store.events.encoding import OWN, EncodedBatch, Row
from haechi.store.records import Notice
from haechi.store.state.policy_states import Change

if TYPE_CHECKING:
    from haechi.server.world import World

TYPE = "policy"
MOST = 1_000
"""Events of one round; one more says how many there would have been."""
MOST_INCIDENTS = 100
_BAD = ("denied", "warned", "audited")
_PRIORITIES = {
    Severity.CRITICAL: "critical",
    Severity.HIGH: "error",
    Severity.MEDIUM: "warning",
    Severity.LOW: "notice",
    Severity.INFO: "informational",
}


def events_of(
    changes: Sequence[Change],
    *,
    cluster: str,
    infos: dict[str, PolicyInfo],
    marked: Collection[str],
    repeats: Collection[str],
    now: dt.datetime,
) -> Iterator[Event]:
    """The events of a round. ``marked`` are the policies whose violations are incidents now,
    ``repeats`` ids of verdicts that only repeat their owner's."""
    incidents = 0
    at_ns = int(now.timestamp() * 1e9)
    for number, one in enumerate(changes):
        if number == MOST:
            yield _summary(len(changes) - MOST, cluster, at_ns)
            return
        alarming = (
            one.said.policy in marked
            and one.after in _BAD
            and one.before not in _BAD
            and one.id not in repeats
            and incidents < MOST_INCIDENTS
        )
        incidents += alarming
        yield _event(one, cluster, infos.get(one.said.policy), at_ns, alarming=alarming)


def _event(
    one: Change, cluster: str, info: PolicyInfo | None, at_ns: int, *, alarming: bool
) -> Event:
    said = one.said
    title = (info.title or info.name) if info is not None else said.policy
    severity = info.severity if info is not None else "medium"
    words = {"": "no longer applies", "waived": "is waived"}
    told = said.message if one.after in _BAD else words.get(one.after, one.after)
    fields = {
        "policy.id": said.policy,
        "policy.rule": said.rule,
        "policy.outcome": one.after,
        "policy.before": one.before,
        "policy.path": said.path,
        "k8s.ns.name": said.namespace,
        "ka.target.resource": said.kind.lower(),
        "ka.target.name": said.name,
    }
    if alarming:
        fields["haechi.rule"] = rule_id(said.policy)
    return Event(
        id=f"{one.id}-{one.after or 'over'}-{at_ns}",
        ts_ns=at_ns,
        source=OWN,
        type=TYPE,
        cluster=cluster,
        namespace=said.namespace,
        resource=said.object,
        rule=title[:400] if alarming else "",
        priority=_priority(severity) if one.after in _BAD else "informational",
        message=f"{said.kind} {said.name}: {title}: {told}"[:2_000],
        fields=fields,
    )


def _priority(severity: str) -> str:
    known = {one.value: word for one, word in _PRIORITIES.items()}
    return known.get(severity, "warning")


def _summary(number: int, cluster: str, at_ns: int) -> Event:
    return Event(
        id=f"policy-more-{at_ns}",
        ts_ns=at_ns,
        source=OWN,
        type=TYPE,
        cluster=cluster,
        priority="informational",
        message=f"{number:,} more verdicts of policies changed; the page has them all",
    )


def tell(world: World, events: Sequence[Event]) -> None:
    """Store them durably, and tell the live streams."""
    rows: list[Row] = [row for one in events if (row := world.store.events.own_row(one))]
    if not rows:
        return
    kinds = Counter(row[2] for row in rows)
    size = sum(len(row[4]) + 200 for row in rows)
    batch = EncodedBatch(rows=rows, kinds=kinds, refused=[], size=size)
    world.store.events.append(batch).result(timeout=60)
    for (cluster, namespace), number in batch.places().items():
        world.hub.publish(
            Notice(
                topic="event",
                cluster=cluster,
                namespace=namespace,
                data={"count": number, "events": []},
            )
        )
    for kind, number in kinds.items():
        if kind[4]:
            world.metrics.count("haechi_detections_total", kind[4], kind[5], by=number)
