"""Findings: listed, counted, grouped, looked at, tended."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Literal

import msgspec

from haechi.errors import UsageError
from haechi.model.access import Role
from haechi.server.endpoint import Call, Operation, Skip
from haechi.server.shapes import FindingFacets, FindingPatch
from haechi.store.records import Bucket, FindingDetail, FindingFilter, Page, StoredFinding

_OWNER = 200
_YEARS = 10
Grouping = Literal["rule", "resource", "path", "owner", "source", "namespace"]


class FindingsAsk(FindingFilter, frozen=True, kw_only=True):
    """A filter, and which part of the list. ``sort``: severity, due, changed, first_seen, rule,
    path; with ``-`` before it the other way round. ``skip`` leaves out rows after the cursor (or
    the beginning): for a jump; whoever walks uses cursors alone."""

    sort: str = ""
    limit: int = 100
    cursor: str | None = None
    skip: Skip = 0


class GroupsAsk(FindingFilter, frozen=True, kw_only=True):
    """A filter, and by what to group."""

    by: Grouping
    limit: int = 100
    cursor: str | None = None


_FILTER = tuple(field.name for field in msgspec.structs.fields(FindingFilter))


def filter_of(ask: FindingFilter) -> FindingFilter:
    """The filter alone: a cursor belongs to a filter, not to the size of a page."""
    return FindingFilter(**{name: getattr(ask, name) for name in _FILTER})


def listed(call: Call) -> Page[StoredFinding]:
    """One page of the list."""
    ask: FindingsAsk = call.query
    return call.world.store.state.findings.page(
        filter_of(ask),
        within=call.within,
        sort=ask.sort,
        limit=ask.limit,
        cursor=ask.cursor,
        skip=ask.skip,
        today=call.now.date(),
    )


def rows(call: Call) -> Iterator[StoredFinding]:
    """All rows, for the twins."""
    ask: FindingsAsk = call.query
    return call.world.store.state.findings.each(
        filter_of(ask), within=call.within, sort=ask.sort, today=call.now.date()
    )


def facets(call: Call) -> FindingFacets:
    """How many there are of each value."""
    total, overdue, found = call.world.store.state.findings.facets(
        call.query, within=call.within, today=call.now.date()
    )
    return FindingFacets(total=total, overdue=overdue, facets=found)


def grouped(call: Call) -> Page[Bucket]:
    """One page of the groups."""
    ask: GroupsAsk = call.query
    return _groups(call, ask.limit, ask.cursor)


def group_rows(call: Call) -> Iterator[Bucket]:
    """All groups, for the twins."""
    cursor: str | None = None
    while True:
        page = _groups(call, 1000, cursor)
        yield from page.items
        if page.next is None:
            return
        cursor = page.next


def _groups(call: Call, limit: int, cursor: str | None) -> Page[Bucket]:
    ask: GroupsAsk = call.query
    return call.world.store.state.findings.groups(
        ask.by,
        filter_of(ask),
        within=call.within,
        limit=limit,
        cursor=cursor,
        today=call.now.date(),
    )


def shown(call: Call) -> FindingDetail:
    """One finding with its history."""
    return call.world.store.state.findings.detail(
        call.params["id"], within=call.within, today=call.now.date()
    )


def tended(call: Call) -> StoredFinding:
    """The finding after its owner or due date was changed."""
    patch: FindingPatch = call.body
    return call.world.store.state.findings.tend(
        call.params["id"],
        within=call.within,
        by=call.principal.id,
        owner=_owner(patch.owner),
        due=_due(patch.due, call.now.date()),
        today=call.now.date(),
    )


def _owner(owner: str | msgspec.UnsetType | None) -> str | msgspec.UnsetType | None:
    if not isinstance(owner, str):
        return owner
    text = " ".join(owner.split())
    if len(text) > _OWNER:
        raise UsageError(f"an owner has at most {_OWNER} characters", where="body.owner")
    return text or None


def _due(
    due: dt.date | msgspec.UnsetType | None, today: dt.date
) -> dt.date | msgspec.UnsetType | None:
    if isinstance(due, dt.date) and abs(due.year - today.year) > _YEARS:
        raise UsageError(
            f"{due} is more than {_YEARS} years away", where="body.due", do="check the year"
        )
    return due


OPERATIONS: tuple[Operation, ...] = (
    Operation(
        id="findings.list",
        method="GET",
        path="/findings",
        role=Role.VIEWER,
        summary="List findings: open and waived ones, worst first, unless asked for otherwise",
        handler=listed,
        query=FindingsAsk,
        answer=Page[StoredFinding],
        rows=rows,
    ),
    Operation(
        id="findings.facets",
        method="GET",
        path="/findings/facets",
        role=Role.VIEWER,
        summary="Count findings by state, severity, domain, rule, owner, source, place",
        handler=facets,
        query=FindingFilter,
        answer=FindingFacets,
    ),
    Operation(
        id="findings.groups",
        method="GET",
        path="/findings/groups",
        role=Role.VIEWER,
        summary="Group findings, worst and largest groups first",
        handler=grouped,
        query=GroupsAsk,
        answer=Page[Bucket],
        rows=group_rows,
    ),
    Operation(
        id="findings.show",
        method="GET",
        path="/findings/{id}",
        role=Role.VIEWER,
        summary="One finding with its history and evidence",
        handler=shown,
        answer=FindingDetail,
    ),
    Operation(
        id="findings.tend",
        method="PATCH",
        path="/findings/{id}",
        role=Role.OPERATOR,
        summary="Change who owns a finding or when it is due; null takes away",
        handler=tended,
        body=FindingPatch,
        answer=StoredFinding,
    ),
)
