"""Waivers that live in the store: made by approvers, previewed, listed, revoked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import Literal

from haechi.model.access import Role
from haechi.server.endpoint import Answer, Call, Operation
from haechi.server.shapes import WaiverPreview, WaiverRequest
from haechi.server.work.matching import StoreMatcher, StoreWaivers
from haechi.server.work.waiving import candidates, new_waiver
from haechi.store.records import Life, Page, Record, StoredWaiver

MOST_LOOKED_AT, MOST_SHOWN = 100_000, 20


class WaiversAsk(Record, frozen=True, kw_only=True):
    """Waivers in one state, or all; newest first."""

    state: Literal["", "active", "expired", "revoked"] = ""
    limit: int = 100
    cursor: str | None = None


def listed(call: Call) -> Page[StoredWaiver]:
    """One page of the list."""
    ask: WaiversAsk = call.query
    return _page(call, ask.limit, ask.cursor)


def rows(call: Call) -> Iterator[StoredWaiver]:
    """All rows, for the twins."""
    cursor: str | None = None
    while True:
        page = _page(call, 1000, cursor)
        yield from page.items
        if page.next is None:
            return
        cursor = page.next


def _page(call: Call, limit: int, cursor: str | None) -> Page[StoredWaiver]:
    ask: WaiversAsk = call.query
    return call.world.store.state.waivers.page(
        within=call.within, state=ask.state, limit=limit, cursor=cursor, today=call.now.date()
    )


def created(call: Call) -> Answer:
    """Accept findings for a time."""
    waiver = new_waiver(call.body, within=call.within, by=call.principal.id, now=call.now)
    made = call.world.store.state.waivers.add(
        waiver,
        by=call.principal.id,
        within=call.within,
        matches=StoreMatcher(waiver),
        today=call.now.date(),
    )
    return Answer(value=made, status=201)


def previewed(call: Call) -> WaiverPreview:
    """What the same request would cover if it were sent to ``waivers.create``."""
    waiver = new_waiver(call.body, within=call.within, by=call.principal.id, now=call.now)
    matches = StoreMatcher(waiver)
    every = call.world.store.state.findings.each(
        candidates(waiver), within=(waiver.reach,), today=call.now.date()
    )
    looked = list(islice(every, MOST_LOOKED_AT + 1))
    found = [one for one in looked[:MOST_LOOKED_AT] if matches(one)]
    fresh = [one for one in found if one.state is not Life.WAIVED]
    severities = Counter(one.severity.value for one in fresh)
    return WaiverPreview(
        reach=waiver.reach,
        count=len(fresh),
        severities=dict(severities),
        waived=len(found) - len(fresh),
        findings=fresh[:MOST_SHOWN],
        complete=len(looked) <= MOST_LOOKED_AT,
    )


def revoked(call: Call) -> StoredWaiver:
    """End a waiver before its time: what it covered is open again."""
    today = call.now.date()
    return call.world.store.state.waivers.revoke(
        call.params["id"],
        by=call.principal.id,
        within=call.within,
        waived=StoreWaivers(today),
        today=today,
    )


OPERATIONS: tuple[Operation, ...] = (
    Operation(
        id="waivers.list",
        method="GET",
        path="/waivers",
        role=Role.VIEWER,
        summary="List the waivers of the store, newest first",
        handler=listed,
        query=WaiversAsk,
        answer=Page[StoredWaiver],
        rows=rows,
    ),
    Operation(
        id="waivers.create",
        method="POST",
        path="/waivers",
        role=Role.APPROVER,
        summary="Accept findings for a time: a reason, an owner and an end are required",
        handler=created,
        body=WaiverRequest,
        answer=StoredWaiver,
        status=201,
    ),
    Operation(
        id="waivers.preview",
        method="POST",
        path="/waivers/preview",
        role=Role.APPROVER,
        summary="What a waiver would cover now; nothing is changed",
        handler=previewed,
        body=WaiverRequest,
        answer=WaiverPreview,
    ),
    Operation(
        id="waivers.revoke",
        method="DELETE",
        path="/waivers/{id}",
        role=Role.APPROVER,
        summary="End a waiver before its time",
        handler=revoked,
        answer=StoredWaiver,
    ),
)
