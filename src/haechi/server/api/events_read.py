"""Events: listed, searched as a stream that tells how far it looked, counted over time."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Annotated, Any, Literal

import msgspec

from haechi.errors import UsageError
from haechi.model.access import Role
from haechi.runtime.filters import made
from haechi.server.endpoint import Answer, Call, Operation
from haechi.server.shapes import EventPage
from haechi.server.work.filtered import CHUNK, filtered
from haechi.store.events.shapes import EventFilter, EventsFound, SearchedRange
from haechi.store.records import Record, Series, StoredEvent

DEADLINE_S = 2.0
MOST_FOUND, MOST_LOOKED_AT = 10_000, 5_000_000
_STEPS = 2_000
_DAY = 86_400
By = Literal["rule", "priority", "source", "namespace", "type"]


_Condition = Annotated[
    str, msgspec.Meta(max_length=4000, description="a condition in the Falco language")
]


class EventsAsk(EventFilter, frozen=True, kw_only=True):
    """A filter, and which part of the list; newest first. ``filter`` is a condition in the Falco
    language; events of sources that have not its fields do not match."""

    filter: _Condition = ""
    limit: int = 100
    cursor: str | None = None


class SearchAsk(EventFilter, frozen=True, kw_only=True):
    """A filter, and how many to find at most. ``filter`` is as in ``EventsAsk``."""

    filter: _Condition = ""
    limit: int = 1000


class SeriesAsk(Record, frozen=True, kw_only=True):
    """Counts by one name from ``since`` to ``until`` (the last 24 hours), one for each ``step``
    seconds (0: about a hundred of them)."""

    by: By = "priority"
    since: dt.datetime | None = None
    until: dt.datetime | None = None
    step: int = 0
    source: list[str] = []
    type: list[str] = []
    rule: list[str] = []
    priority: list[str] = []
    cluster: list[str] = []
    namespace: list[str] = []


_FILTER = tuple(field.name for field in msgspec.structs.fields(EventFilter))


def filter_of(ask: Any) -> EventFilter:
    """The filter alone, times in UTC."""
    values = {name: getattr(ask, name) for name in _FILTER if hasattr(ask, name)}
    for key in ("since", "until"):
        values[key] = utc(values[key])
    return EventFilter(**values)


def listed(call: Call) -> EventPage:
    """One page of the list, and what of the asked range was really searched."""
    ask: EventsAsk = call.query
    found = _page(call, ask.limit, ask.cursor)
    return EventPage(
        items=found.items,
        next=found.next,
        searched_from=found.searched_from,
        searched_to=found.searched_to,
        complete=found.complete,
    )


def rows(call: Call) -> Iterator[StoredEvent]:
    """All that match, for the twins."""
    cursor: str | None = None
    while True:
        found = _page(call, 1000, cursor)
        yield from found.items
        if found.next is None:
            return
        cursor = found.next


def _page(call: Call, limit: int, cursor: str | None) -> EventsFound:
    """A page, by the condition, too, where there is one."""
    ask: EventsAsk = call.query
    events, question = call.world.store.events, filter_of(ask)
    if not ask.filter:
        return events.page(
            question, within=call.within, limit=limit, cursor=cursor, deadline_s=DEADLINE_S
        )
    return filtered(
        made(ask.filter),
        lambda cursor, left: events.page(
            question, within=call.within, limit=CHUNK, cursor=cursor, deadline_s=left
        ),
        limit=limit,
        cursor=cursor,
        deadline_s=DEADLINE_S,
    )


def searched(call: Call) -> Answer:
    """``{"event": …}`` for each that is found, ``{"range": …}`` after each part of time that is
    done, ``{"done": …}`` at the end: whoever reads it always knows how far it looked."""
    return Answer(value=_lines(call), headers={"Content-Type": "application/x-ndjson"})


def _lines(call: Call) -> Iterator[dict[str, Any]]:
    ask: SearchAsk = call.query
    limit = min(ask.limit, MOST_FOUND)
    holds = made(ask.filter).holds if ask.filter else None
    found, last = 0, None
    for one in call.world.store.events.search(
        filter_of(ask), within=call.within, limit=MOST_LOOKED_AT if holds else limit
    ):
        if isinstance(one, SearchedRange):
            last = msgspec.structs.replace(one, found=found) if holds else one
            yield {"range": last}
        elif holds is None or holds(one.event):
            found += 1
            yield {"event": one}
            if holds and found >= limit:
                last = None if last is None else msgspec.structs.replace(last, complete=False)
                break
    yield {
        "done": {
            "found": found,
            "complete": last is not None and last.complete,
            "searched_from": last.searched_from if last else None,
            "searched_to": last.searched_to if last else None,
        }
    }


def series(call: Call) -> Series:
    """Counts over time, from the aggregates."""
    ask: SeriesAsk = call.query
    until_s = int((utc(ask.until) or call.now).timestamp())
    since = utc(ask.since)
    since_s = int(since.timestamp()) if since else until_s - _DAY
    if since_s >= until_s:
        raise UsageError("`since` is not before `until`", where="query.since", do="turn them round")
    step_s = ask.step or _step(until_s - since_s)
    if step_s < 1 or (until_s - since_s) / step_s > _STEPS:
        raise UsageError(
            f"a step of {step_s} s makes more than {_STEPS:,} steps", where="query.step", do="0"
        )
    return call.world.store.events.series(
        since_s=since_s,
        until_s=until_s,
        step_s=step_s,
        by=ask.by,
        within=call.within,
        ask=filter_of(msgspec.structs.replace(ask, since=None, until=None)),
    )


def _step(span_s: int) -> int:
    """A round step that cuts the span into about a hundred parts."""
    for step in (60, 300, 900, 3600, 3 * 3600, 6 * 3600, _DAY):
        if span_s / step <= 120:
            return step
    return 7 * _DAY


def utc(value: dt.datetime | None) -> dt.datetime | None:
    """A time without a zone is UTC, as everything here is."""
    if value is None or value.tzinfo is None:
        return value and value.replace(tzinfo=dt.UTC)
    try:
        return value.astimezone(dt.UTC)
    except OverflowError as error:  # the year 0 or 10000 there
        raise UsageError(f"{value} is no time in UTC", where="query", do="ask for less") from error


OPERATIONS: tuple[Operation, ...] = (
    Operation(
        id="events.list",
        method="GET",
        path="/events",
        role=Role.VIEWER,
        summary="List events, newest first",
        handler=listed,
        query=EventsAsk,
        answer=EventPage,
        rows=rows,
    ),
    Operation(
        id="events.search",
        method="GET",
        path="/events/search",
        role=Role.VIEWER,
        summary="Search events: NDJSON of events, ranges that are done, and a last line",
        handler=searched,
        query=SearchAsk,
        answer=Iterator[dict[str, Any]],
    ),
    Operation(
        id="events.series",
        method="GET",
        path="/events/series",
        role=Role.VIEWER,
        summary="Count events over time by rule, priority, source, namespace or type",
        handler=series,
        query=SeriesAsk,
        answer=Series,
    ),
)
