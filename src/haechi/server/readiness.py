"""Can the server do its work? Asked by /readyz and by the health of the API.

The parts are tried, not assumed: the state is written to, the log's head is read, the disk is
looked at. A stranger may ask /readyz, so the words there name no paths, and the answer is kept
for a second.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import msgspec

from haechi.errors import HaechiError
from haechi.server.shapes import Part

if TYPE_CHECKING:
    from haechi.server.world import World

KEPT_SECONDS, LONGEST_SECONDS = 1.0, 5.0
LEAST_ROOM = 64 << 20
LOW_ROOM = 512 << 20
OK, DEGRADED, FAILED = "ok", "degraded", "failed"


class Ready(msgspec.Struct, frozen=True, kw_only=True):
    """The answer of /readyz."""

    ready: bool
    parts: list[Part]


def parts(world: World, *, write: bool = True) -> list[Part]:
    """Every part that must work, tried now. It waits for the disk: call it in a thread. With
    ``write`` False the state is only read, which leaves what is remembered of it in force."""
    state = _state if write else _state_read
    return [
        _tried("state", "findings, waivers and people", lambda: state(world)),
        _tried("events", "events", lambda: _events(world)),
        _tried("audit", "the signed log", lambda: _audit(world)),
        _tried("disk", "room on the disk", lambda: _disk(world)),
        _jobs(world),
    ]


def _tried(name: str, what: str, look: Callable[[], Part | None]) -> Part:
    try:
        return look() or Part(name=name, state=OK, what=what)
    except HaechiError as error:
        return Part(name=name, state=FAILED, what=f"{what}: {error.what}", do=error.do)
    except Exception as error:  # noqa: BLE001  (a look must not end the looking)
        return Part(name=name, state=FAILED, what=f"{what}: {type(error).__name__}")


def _state(world: World) -> None:
    world.store.state.write(lambda _: None)


def _state_read(world: World) -> None:
    with world.store.state.read() as connection:
        connection.exec_driver_sql("SELECT 1")


def _events(world: World) -> Part | None:
    figures = world.store.events.figures()
    waiting, most = figures.get("queue_events", 0), figures.get("queue_events_most", 0)
    if most and waiting >= most:
        return Part(
            name="events",
            state=FAILED,
            what="events: the queue is full",
            do="send fewer, or give the server a faster disk",
            figures={"queue_events": waiting},
        )
    return None


def _audit(world: World) -> None:
    world.store.audit.head()


def _disk(world: World) -> Part:
    usage = shutil.disk_usage(world.store.folder.path)
    state = FAILED if usage.free < LEAST_ROOM else DEGRADED if usage.free < LOW_ROOM else OK
    return Part(
        name="disk",
        state=state,
        what=f"room on the disk: {usage.free >> 20} MiB",
        do="" if state == OK else "make room, or lower store.max_bytes or store.retention_days",
        figures={"free_bytes": usage.free, "total_bytes": usage.total},
    )


def _jobs(world: World) -> Part:
    failed = {name: state.error for name, state in world.jobs.states.items() if state.error}
    return Part(
        name="jobs",
        state=DEGRADED if failed else OK,
        what=f"work by the clock: {', '.join(failed)} failed" if failed else "work by the clock",
        do="see the server's log" if failed else "",
        figures={
            name: {"runs": state.runs, "failures": state.failures, "seconds": state.seconds}
            for name, state in world.jobs.states.items()
        },
    )


class Readiness:
    """Asks ``parts`` in a thread of its own (requests that hang must not make it hang)."""

    def __init__(self, world: World, look: Callable[[World], list[Part]] = parts) -> None:
        self._world = world
        self._look = look
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="haechi-ready")
        self._asking: asyncio.Future[list[Part]] | None = None
        self._known: tuple[float, Ready] | None = None

    async def now(self) -> Ready:
        """The parts as they are, at most a second old."""
        loop = asyncio.get_running_loop()
        if self._known is not None and loop.time() - self._known[0] < KEPT_SECONDS:
            return self._known[1]
        if self._asking is None or self._asking.done():
            self._asking = loop.run_in_executor(self._pool, self._look, self._world)
        done, _ = await asyncio.wait({self._asking}, timeout=LONGEST_SECONDS)
        if not done:
            late = Part(name="store", state=FAILED, what=f"no answer within {LONGEST_SECONDS:g} s")
            return Ready(ready=False, parts=[late])
        # A stranger may ask: figures are for the health of the API, which needs a sign-in.
        told = [msgspec.structs.replace(part, figures={}) for part in self._asking.result()]
        ready = Ready(ready=all(part.state != FAILED for part in told), parts=told)
        self._known = (loop.time(), ready)
        return ready

    def close(self) -> None:
        """End the thread."""
        self._pool.shutdown(wait=False, cancel_futures=True)
