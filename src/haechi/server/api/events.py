"""Taking events: a batch is answered once it is durable, each refused event with its reason.

A batch is checked in a worker thread in one go; then only a future is waited for, so senders
that wait for the disk hold no thread.
"""

from __future__ import annotations

from concurrent.futures import Future

from haechi.model.access import Role
from haechi.server.endpoint import MIB, Call, Operation
from haechi.server.shapes import IngestAnswer, Refused
from haechi.server.work.intake import Taken, take

LIMIT = 16 * MIB


def ingest(call: Call) -> IngestAnswer | Future[IngestAnswer]:
    """Take a batch."""
    batch = call.world.store.events.encode(call.body, within=call.within)
    refused = [Refused(index=one.index, why=one.why) for one in batch.refused]
    call.world.metrics.count("haechi_events_refused_total", by=len(refused))
    if not batch.rows:
        return IngestAnswer(accepted=0, duplicates=0, refused=refused)
    stored = take(call.world, batch, call.within, call.now)
    answer: Future[IngestAnswer] = Future()

    def told(done: Future[Taken]) -> None:
        if not answer.set_running_or_notify_cancel():
            return
        error = done.exception()
        if error is not None:
            answer.set_exception(error)
            return
        taken = done.result()
        answer.set_result(
            IngestAnswer(
                accepted=taken.accepted,
                duplicates=taken.duplicates,
                refused=refused,
                detections=taken.detections,
                by_rule=taken.by_rule,
            )
        )

    stored.add_done_callback(told)
    return answer


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
        sends=True,
    ),
)
