"""Changes of verdicts as events: that something fails a policy now, or does not any more.

All are of source ``admission`` and type ``policy``. Where a policy asks for incidents, a violation
is a detection besides: an event of source ``haechi`` with a rule that names its origin, as every
detection does. It is folded into an incident, and the policy of responses applies. What fails
already when a policy is new, or a cluster is seen for the first time, is told as events and opens
no incident: nothing happened.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterator, Sequence
from typing import TYPE_CHECKING

from msgspec import structs

from haechi.admit.naming import rule_id
from haechi.model.access import NONE
from haechi.model.admission import PolicyInfo
from haechi.model.event import Event
from haechi.model.severity import Severity
from haechi.runtime.detect import with_derived
from haechi.store.events.encoding import OWN
from haechi.store.records import Notice
from haechi.store.state.policy_states import Change

if TYPE_CHECKING:
    from haechi.server.world import World

SOURCE, TYPE, DETECTED = "admission", "policy", "violation"
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
) -> Iterator[tuple[Event, Event | None]]:
    """The events of a round, each with the detection that it is besides. ``marked`` are the
    policies whose violations are incidents now, ``repeats`` ids of verdicts that only repeat
    their owner's."""
    incidents = 0
    at_ns = int(now.timestamp() * 1e9)
    for number, one in enumerate(changes):
        if number == MOST:
            yield _summary(len(changes) - MOST, cluster, at_ns), None
            return
        alarming = (
            one.said.policy in marked
            and one.after in _BAD
            and one.before not in _BAD
            and one.id not in repeats
            and incidents < MOST_INCIDENTS
        )
        incidents += alarming
        info = infos.get(one.said.policy)
        event = _event(one, cluster, info, at_ns)
        yield event, _detection(event, one, info) if alarming else None


def _event(one: Change, cluster: str, info: PolicyInfo | None, at_ns: int) -> Event:
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
        "policy.path": said.shown,
        "ka.target.resource": said.kind.lower(),
        "ka.target.name": said.name,
    }
    if said.namespace != NONE:
        fields["k8s.ns.name"] = said.namespace
    return Event(
        id=f"{one.id}-{one.after or 'over'}-{at_ns}",
        ts_ns=at_ns,
        source=SOURCE,
        type=TYPE,
        cluster=cluster,
        namespace=said.namespace,
        resource=said.object,
        priority=_priority(severity) if one.after in _BAD else "informational",
        message=f"{said.kind} {said.name}: {title}: {told}"[:2_000],
        fields=fields,
    )


def _detection(event: Event, one: Change, info: PolicyInfo | None) -> Event:
    """What the correlator reads."""
    title = (info.title or info.name) if info is not None else one.said.policy
    named = {"haechi.rule": rule_id(one.said.policy), "haechi.source": event.source}
    return structs.replace(
        event,
        source=OWN,
        type=DETECTED,
        rule=title[:400],
        fields={**event.fields, **named, "haechi.event": event.id},
    )


def _priority(severity: str) -> str:
    known = {one.value: word for one, word in _PRIORITIES.items()}
    return known.get(severity, "warning")


def _summary(number: int, cluster: str, at_ns: int) -> Event:
    return Event(
        id=f"policy-more-{at_ns}",
        ts_ns=at_ns,
        source=SOURCE,
        type=TYPE,
        cluster=cluster,
        priority="informational",
        message=f"{number:,} more verdicts of policies changed; the page has them all",
    )


def tell(world: World, events: Sequence[tuple[Event, Event | None]]) -> None:
    """Store them durably, and tell the live streams."""
    store = world.store.events
    batch = store.encode_events([event for event, _ in events])
    refused = {one.index for one in batch.refused}
    taken = [pair for number, pair in enumerate(events) if number not in refused]
    derived = [
        (place, row)
        for place, (_, detection) in enumerate(taken)
        if detection is not None and (row := store.own_row(detection)) is not None
    ]
    if derived:
        size = sum(len(row[4]) + 200 for _, row in derived)
        batch = with_derived(batch, derived, size)
    if not batch.rows:
        return
    store.append(batch).result(timeout=60)
    world.metrics.events(batch.tally())
    for (cluster, namespace), number in batch.places().items():
        data = {"count": number, "events": []}
        notice = Notice(topic="event", cluster=cluster, namespace=namespace, data=data)
        world.hub.publish(notice)
    for _, row in derived:
        world.metrics.count("haechi_detections_total", row[2][4], row[2][5])
