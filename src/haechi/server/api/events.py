"""Taking events: a batch is answered once it is durable, each refused event with its reason.

A batch is checked in a worker thread in one go; then only a future is waited for, so senders
that wait for the disk hold no thread.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future
from typing import TYPE_CHECKING, Any

import msgspec

from haechi.model.access import Role
from haechi.server.endpoint import MIB, Call, Operation
from haechi.server.shapes import IngestAnswer, Refused
from haechi.store.records import Notice

if TYPE_CHECKING:
    import datetime as dt

    from haechi.server.world import World
    from haechi.store.events.encoding import EncodedBatch
    from haechi.store.events.shapes import Appended

LIMIT = 16 * MIB
SAMPLES, MOST_PLACES, LONGEST_MESSAGE = 3, 20, 300
_payload = msgspec.json.Decoder(tuple[str, str, str, str, msgspec.Raw]).decode


def ingest(call: Call) -> IngestAnswer | Future[IngestAnswer]:
    """Take a batch."""
    events = call.world.store.events
    batch = events.encode(call.body, within=call.within)
    refused = [Refused(index=one.index, why=one.why) for one in batch.refused]
    metrics = call.world.metrics
    metrics.count("haechi_events_refused_total", by=len(refused))
    if not batch.rows:
        return IngestAnswer(accepted=0, duplicates=0, refused=refused)
    notices = list(_notices(batch))
    tally = batch.tally()
    stored = events.append(batch)
    answer: Future[IngestAnswer] = Future()

    def durable(done: Future[Appended]) -> None:
        """In the writer's thread: quick."""
        if not answer.set_running_or_notify_cancel():
            return
        error = done.exception()
        if error is not None:
            answer.set_exception(error)
            return
        appended = done.result()
        metrics.count("haechi_events_duplicate_total", by=appended.duplicates)
        metrics.events(tally)
        answer.set_result(
            IngestAnswer(
                accepted=appended.accepted, duplicates=appended.duplicates, refused=refused
            )
        )
        if appended.accepted:
            for notice in notices:
                call.world.hub.publish(notice)

    stored.add_done_callback(durable)
    _hear(call.world, batch, call.now)
    return answer


def _hear(world: World, batch: EncodedBatch, now: dt.datetime) -> None:
    """Cheap: the store keeps it in memory and writes it twice a minute."""
    world.store.state.sources.streams_heard(batch.sources(), now)


def _notices(batch: EncodedBatch) -> Iterator[Notice]:
    """One for each place with events, the fullest first: how many, and a few of them."""
    fullest = batch.places().most_common(MOST_PLACES)
    samples: dict[tuple[str, str], list[Any]] = {place: [] for place, _ in fullest}
    missing = sum(min(SAMPLES, count) for _, count in fullest)
    for row in reversed(batch.rows):
        if not missing:
            break
        some = samples.get(row[2][2:4])
        if some is not None and len(some) < SAMPLES:
            some.append(_sample(row))
            missing -= 1
    for (cluster, namespace), count in fullest:
        yield Notice(
            topic="event",
            cluster=cluster,
            namespace=namespace,
            data={"count": count, "events": samples[cluster, namespace][::-1]},
        )


def _sample(row: tuple[int, int, tuple[str, ...], str, bytes]) -> dict[str, Any]:
    ts_ns, _, (source, kind, _, _, rule, priority), resource, payload = row
    message = _payload(payload)[3]
    return {
        # A string: a page's numbers end at 2^53.
        "ts_ns": str(ts_ns),
        "source": source,
        "type": kind,
        "rule": rule,
        "priority": priority,
        "resource": resource,
        "message": message[:LONGEST_MESSAGE],
    }


OPERATIONS: tuple[Operation, ...] = (
    Operation(
        id="events.ingest",
        method="POST",
        path="/events",
        role=Role.OPERATOR,
        summary="Send events (NDJSON or a JSON array); answered once they are durable",
        handler=ingest,
        body=bytes,
        answer=IngestAnswer,
        limit=LIMIT,
    ),
)
