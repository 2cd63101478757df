"""Incidents: listed, looked at, acknowledged, given to somebody, closed; and what would silence
what was none."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Literal

import msgspec

from haechi.errors import UsageError
from haechi.model.access import Role
from haechi.model.incident import IncidentState
from haechi.server.endpoint import Call, Operation
from haechi.server.shapes_incidents import (
    ExceptionProposals,
    IncidentCounts,
    IncidentDetail,
    IncidentPatch,
)
from haechi.store.records import Page, Record
from haechi.store.state.incidents_records import Evidence, IncidentFilter, StoredIncident

SHOWN = 200
"""Evidence that comes with an incident; the rest is asked for in parts."""
_FILTER = tuple(field.name for field in msgspec.structs.fields(IncidentFilter))


class IncidentsAsk(IncidentFilter, frozen=True, kw_only=True):
    """A filter, and which part of the list. ``sort``: rank (the worst first without a word),
    opened, changed, last_seen, detections; with ``-`` before it the other way round."""

    sort: str = ""
    limit: int = 100
    cursor: str | None = None


class TimelineAsk(Record, frozen=True, kw_only=True):
    """Which part; the oldest first unless ``order`` is newest."""

    order: Literal["oldest", "newest"] = "oldest"
    limit: int = SHOWN
    cursor: str | None = None


class ExceptionsAsk(Record, frozen=True, kw_only=True):
    """``incident``: proposals for these alone, false positives or not. ``noisy``: also for causes
    that are merely frequent. ``days``: how far back to measure. ``id``: put these proposals into
    the files, also those with a warning."""

    incident: list[str] = []
    id: list[str] = []
    rule: list[str] = []
    noisy: bool = True
    days: int = 7


def filter_of(ask: IncidentFilter) -> IncidentFilter:
    """The filter alone: a cursor belongs to a filter, not to the size of a page."""
    return IncidentFilter(**{name: getattr(ask, name) for name in _FILTER})


def listed(call: Call) -> Page[StoredIncident]:
    """One page of the list."""
    ask: IncidentsAsk = call.query
    return call.world.store.state.incidents.page(
        filter_of(ask), within=call.within, sort=ask.sort, limit=ask.limit, cursor=ask.cursor
    )


def rows(call: Call) -> Iterator[StoredIncident]:
    """All rows, for the twins."""
    ask: IncidentsAsk = call.query
    return call.world.store.state.incidents.each(filter_of(ask), within=call.within, sort=ask.sort)


def counted(call: Call) -> IncidentCounts:
    """How many there are of each value."""
    total, facets = call.world.store.state.incidents.counts(call.query, within=call.within)
    return IncidentCounts(total=total, facets=facets)


def shown(call: Call) -> IncidentDetail:
    """One incident with what it rests on."""
    incidents, id_ = call.world.store.state.incidents, call.params["id"]
    incident, reasons, later = incidents.shown(id_, within=call.within)
    timeline = incidents.timeline(id_, within=call.within, limit=SHOWN)
    return IncidentDetail(
        incident=incident,
        reasons=reasons,
        history=incidents.history(id_, within=call.within),
        timeline=timeline.items,
        next=timeline.next,
        evidence=timeline.total or 0,
        tree=incidents.process_tree(id_, within=call.within),
        followed_by=later,
    )


def timeline(call: Call) -> Page[Evidence]:
    """A part of its evidence."""
    ask: TimelineAsk = call.query
    return call.world.store.state.incidents.timeline(
        call.params["id"],
        within=call.within,
        limit=ask.limit,
        cursor=ask.cursor,
        newest=ask.order == "newest",
    )


def changed(call: Call) -> StoredIncident:
    """The incident after its state or owner was changed, or a note was added."""
    patch: IncidentPatch = call.body
    incidents, id_, by = call.world.store.state.incidents, call.params["id"], call.principal.id
    was = _state(patch.was)
    found: StoredIncident | None = None
    note = patch.note.strip()
    if patch.state is not None:
        state = IncidentState(patch.state)
        found = incidents.set_state(id_, state, by, note, within=call.within, was=was)
        note = ""
    if patch.owner is not msgspec.UNSET:
        owner = patch.owner or ""
        found = incidents.assign(id_, owner, by, within=call.within, note=note)
        note = ""
    if note or found is None:
        if not note:
            raise UsageError("nothing is to be changed", do="give state, owner or note")
        found = incidents.note(id_, note, by, within=call.within)
    return found


def _state(word: str) -> IncidentState | None:
    if not word:
        return None
    try:
        return IncidentState(word)
    except ValueError as error:
        states = ", ".join(IncidentState)
        raise UsageError("no state of an incident", do=f"one of {states}", where="body.was") from (
            error
        )


def exceptions(call: Call) -> ExceptionProposals:
    """What would silence false positives and noisy causes, with its measured effect."""
    from haechi.server.work.excepting import proposed

    ask: ExceptionsAsk = call.query
    if not 1 <= ask.days <= 90:
        raise UsageError("must be from 1 to 90", where="query.days")
    since = call.now - dt.timedelta(days=ask.days)
    return proposed(
        call.world,
        within=call.within,
        since=since,
        until=call.now,
        incidents=ask.incident,
        ids=ask.id,
        rules=ask.rule,
        noisy=ask.noisy and not ask.incident,
    )


OPERATIONS: tuple[Operation, ...] = (
    Operation(
        id="incidents.list",
        method="GET",
        path="/incidents",
        role=Role.VIEWER,
        summary="List incidents: those not closed, the worst first, unless asked otherwise",
        handler=listed,
        query=IncidentsAsk,
        answer=Page[StoredIncident],
        rows=rows,
    ),
    Operation(
        id="incidents.counts",
        method="GET",
        path="/incidents/counts",
        role=Role.VIEWER,
        summary="Count incidents by state, level, cluster, namespace, owner",
        handler=counted,
        query=IncidentFilter,
        answer=IncidentCounts,
    ),
    Operation(
        id="incidents.exceptions",
        method="GET",
        path="/incidents/exceptions",
        role=Role.VIEWER,
        summary="Propose exceptions for false positives and noise, with their measured effect",
        handler=exceptions,
        query=ExceptionsAsk,
        answer=ExceptionProposals,
    ),
    Operation(
        id="incidents.show",
        method="GET",
        path="/incidents/{id}",
        role=Role.VIEWER,
        summary="One incident: reasons, timeline, process tree, history",
        handler=shown,
        answer=IncidentDetail,
    ),
    Operation(
        id="incidents.timeline",
        method="GET",
        path="/incidents/{id}/timeline",
        role=Role.VIEWER,
        summary="The evidence of an incident, in parts",
        handler=timeline,
        query=TimelineAsk,
        answer=Page[Evidence],
    ),
    Operation(
        id="incidents.change",
        method="PATCH",
        path="/incidents/{id}",
        role=Role.OPERATOR,
        summary="Acknowledge, resolve or reopen an incident, give it to somebody, add a note",
        handler=changed,
        body=IncidentPatch,
        answer=StoredIncident,
    ),
)
