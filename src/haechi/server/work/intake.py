"""From checked events to durable ones: every way in comes through here (the API, feeds, files).

A batch is given its workloads and detections, committed, and only then counted, told to the
live streams and answered.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

import msgspec

from haechi.model.access import Reach
from haechi.store.records import Notice

if TYPE_CHECKING:
    from haechi.server.world import World
    from haechi.store.events.encoding import EncodedBatch, Row
    from haechi.store.events.shapes import Appended

MOST_RULES = 500
SAMPLES, MOST_PLACES, LONGEST_MESSAGE = 3, 20, 300
_payload = msgspec.json.Decoder(tuple[str, str, str, str, msgspec.Raw]).decode


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a batch. ``by_rule``: how often each rule detected something in it."""

    accepted: int = 0
    duplicates: int = 0
    detections: int = 0
    by_rule: dict[str, int] = {}


def take(
    world: World, batch: EncodedBatch, within: Sequence[Reach], now: dt.datetime
) -> Future[Taken]:
    """Take the rows of a batch; the future resolves once they are durable. Raises StoreBusy."""
    metrics = world.metrics
    batch = world.watch.judged(world, batch, within)
    notices = [*_notices(batch), *world.streams.notices(batch)]
    tally = batch.tally()
    stored = world.store.events.append(batch)
    answer: Future[Taken] = Future()

    def durable(done: Future[Appended]) -> None:
        """In the writer's thread: quick."""
        error = done.exception()
        appended = None if error is not None else done.result()
        detections: Counter[tuple[str, str]] = Counter()
        if appended is not None:
            metrics.count("haechi_events_duplicate_total", by=appended.duplicates)
            metrics.events(tally)
            detections = _detections(batch, appended)
            for (rule, priority), number in detections.items():
                metrics.count("haechi_detections_total", rule, priority, by=number)
            if appended.accepted:
                for notice in notices:
                    world.hub.publish(notice)
        if not answer.set_running_or_notify_cancel():
            return
        if error is not None:
            answer.set_exception(error)
        elif appended is not None:
            answer.set_result(_taken(appended, detections))

    stored.add_done_callback(durable)
    # Cheap: the store keeps it in memory and writes it twice a minute.
    world.store.state.sources.streams_heard(batch.sources(), now)
    world.sensors.hear(batch, now)
    return answer


def _taken(appended: Appended, detections: Counter[tuple[str, str]]) -> Taken:
    by_rule: Counter[str] = Counter()
    for (rule, _), number in detections.items():
        by_rule[rule] += number
    return Taken(
        accepted=appended.accepted,
        duplicates=appended.duplicates,
        detections=detections.total(),
        by_rule=dict(by_rule.most_common(MOST_RULES)),
    )


def _detections(batch: EncodedBatch, appended: Appended) -> Counter[tuple[str, str]]:
    """What was detected and was not known yet, by rule and priority."""
    kinds = (batch.derived[place][1][2] for place in appended.derived)
    return Counter((kind[4], kind[5]) for kind in kinds)


def _notices(batch: EncodedBatch) -> Iterator[Notice]:
    """One for each place with events, the fullest first: how many, and a few of them, detections
    before others."""
    fullest = batch.places().most_common(MOST_PLACES)
    samples: dict[tuple[str, str], list[Any]] = {place: [] for place, _ in fullest}
    missing = sum(min(SAMPLES, count) for _, count in fullest)
    for row in _newest(batch):
        if not missing:
            break
        some = samples.get(row[2][2:4])
        if some is not None and len(some) < SAMPLES:
            some.append(sample(row))
            missing -= 1
    for (cluster, namespace), count in fullest:
        yield Notice(
            topic="event",
            cluster=cluster,
            namespace=namespace,
            data={"count": count, "events": samples[cluster, namespace][::-1]},
        )


def _newest(batch: EncodedBatch) -> Iterator[Row]:
    for _, row in reversed(batch.derived):
        yield row
    yield from reversed(batch.rows)


def sample(row: Row) -> dict[str, Any]:
    """An event as a live stream shows it."""
    ts_ns, _, (source, kind, _, _, rule, priority), resource, payload = row
    id_, _, _, message, _ = _payload(payload)
    return {
        "id": id_,
        # A string: a page's numbers end at 2^53.
        "ts_ns": str(ts_ns),
        "source": source,
        "type": kind,
        "rule": rule,
        "priority": priority,
        "resource": resource,
        "message": message[:LONGEST_MESSAGE],
    }
