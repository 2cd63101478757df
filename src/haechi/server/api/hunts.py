"""Hunts: any rules over stored events, as a stream of what would have fired."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from haechi.errors import StoreBusy, UsageError
from haechi.model.access import Role
from haechi.runtime.rulebook import SAVED, Book, BookFile, assembled
from haechi.server.api.events_read import utc
from haechi.server.endpoint import MIB, Answer, Call, Operation
from haechi.server.shapes import HuntRequest
from haechi.store.events.shapes import EventFilter
from haechi.store.state.runtime_rules import LARGEST

if TYPE_CHECKING:
    import datetime as dt

    from haechi.runtime.hunt_wire import Setup
    from haechi.server.world import World

AT_ONCE = 2
"""Hunts that one server runs at a time: each takes all cores."""
DEADLINE_S = 540.0
"""A little less than an answer may take in all, so that it ends with its last line."""
MOST_SHOWN = 10_000
_running = threading.BoundedSemaphore(AT_ONCE)


def hunted(call: Call) -> Answer:
    """``{"match": …}`` for each event that a rule would have fired on, newest hour first;
    ``{"range": …, "scanned": n, "counts": …}`` after each part of time that is done,
    ``{"scanned": n}`` now and then; at the end ``{"counts": …}`` by rule and ``{"done": …}``."""
    ask: HuntRequest = call.body
    if not 0 <= ask.limit <= MOST_SHOWN:
        raise UsageError(f"must be from 0 to {MOST_SHOWN}", where="body.limit")
    filter_ = filter_of_hunt(ask, call.now)
    setup = _setup(call, ask, filter_)
    return Answer(
        value=_lines(call.world, setup, ask.limit),
        headers={"Content-Type": "application/x-ndjson"},
    )


def _lines(world: World, setup: Setup, limit: int) -> Iterator[dict[str, Any]]:
    from haechi.runtime.hunt import Hunt

    if not _running.acquire(blocking=False):
        raise StoreBusy(f"{AT_ONCE} hunts run already", do="try again soon")
    outcome = "ended early"
    try:
        parts = world.store.events.hunt(setup.ask, within=setup.within)
        yield from Hunt(setup, parts, limit=limit, deadline_s=DEADLINE_S).lines()
        outcome = "done"
    except Exception:
        outcome = "failed"
        raise
    finally:
        _running.release()
        world.metrics.count("haechi_hunts_total", outcome)


def filter_of_hunt(ask: HuntRequest, now: dt.datetime) -> EventFilter:
    """Which events are asked for. UsageError."""
    since, until = utc(ask.since), utc(ask.until) or now
    if since is not None and since >= until:
        raise UsageError("`since` is not before `until`", where="body.since")
    return EventFilter(cluster=ask.cluster, namespace=ask.namespace, since=since, until=until)


def book_of(ask: HuntRequest) -> Book | None:
    """The rules of the files that are given; None without any. UsageError when they do not
    load."""
    if not ask.files:
        return None
    if sum(len(one.text.encode("utf-8", "surrogatepass")) for one in ask.files) > LARGEST:
        raise UsageError("the rules are larger than 1 MiB", where="body.files")
    files = [BookFile(name=one.name, text=one.text, origin=SAVED) for one in ask.files]
    book = assembled(files)
    bad = [one for one in book.problems if one.error]
    if bad:
        raise UsageError(
            f"the rules do not load: {bad[0]}", where="body.files", do="POST runtime/rules/check"
        )
    return book


def _setup(call: Call, ask: HuntRequest, filter_: EventFilter) -> Setup:
    from haechi.runtime.hunt_setup import setup_of

    return setup_of(
        book_of(ask) or call.world.watch.rulebook(call.world).book,
        ask.rules,
        folder=call.world.store.folder.cold,
        ask=filter_,
        within=call.within,
        builtin=not ask.files,
    )


OPERATIONS: tuple[Operation, ...] = (
    Operation(
        id="hunts.start",
        method="POST",
        path="/hunts",
        role=Role.VIEWER,
        summary="Run rules over stored events: NDJSON of what would have fired, newest first",
        handler=hunted,
        body=HuntRequest,
        answer=Iterator[dict[str, Any]],
        limit=2 * MIB,
    ),
)
