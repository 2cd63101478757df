"""The first screen."""

from __future__ import annotations

from haechi.model.access import Role
from haechi.server.endpoint import Call, Operation
from haechi.server.readiness import parts
from haechi.server.shapes import Now
from haechi.server.work.desk import desk_of
from haechi.server.work.now import compose
from haechi.store.records import Record


class NowAsk(Record, frozen=True, kw_only=True):
    """What to narrow it to; none is all that the caller reaches."""

    cluster: list[str] = []
    namespace: list[str] = []


def shown(call: Call) -> Now:
    """What needs a person, how it stands, what changed, what is not looked at.

    Put together once for all who see the same, until something changes or the minute is over.
    """
    ask: NowAsk = call.query
    desk = desk_of(call, ask.cluster, ask.namespace)
    generation = call.world.store.state.generation
    minute = int(call.now.timestamp()) // 60
    key = ("now", generation, desk.rights, desk.within, call.url, minute)
    return call.world.memo.get(key, lambda: compose(desk, parts(call.world, write=False)))


OPERATIONS: tuple[Operation, ...] = (
    Operation(
        id="now.show",
        method="GET",
        path="/now",
        role=Role.VIEWER,
        summary="What needs a person, in ranked sentences; figures, changes and coverage",
        handler=shown,
        query=NowAsk,
        answer=Now,
    ),
)
