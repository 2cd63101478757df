"""The first screen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from haechi.model.access import Role
from haechi.server.endpoint import Call, Operation
from haechi.server.readiness import parts
from haechi.server.shapes import Now
from haechi.server.work.desk import DAY, Desk, desk_of
from haechi.server.work.now import compose
from haechi.server.work.past import Before, stood
from haechi.store.records import Record

if TYPE_CHECKING:
    from haechi.server.world import World

_MINUTES = 10


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
    return call.world.memo.get(
        key, lambda: compose(desk, parts(call.world, write=False), _yesterday(call.world, desk))
    )


def _yesterday(world: World, desk: Desk) -> Before | None:
    """How it stood a day ago, told anew every ten minutes: what changes now does not change it."""
    then = desk.now - DAY
    then = then.replace(minute=then.minute // _MINUTES * _MINUTES, second=0, microsecond=0)
    key = ("yesterday", desk.within, then)
    return world.memo.get(key, lambda: stood(world.store.state, then, within=desk.within))


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
