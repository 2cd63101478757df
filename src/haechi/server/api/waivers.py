"""Waivers that live in the store: made by approvers, previewed, listed, revoked."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from typing import Literal

from haechi.model.access import Role
from haechi.server.endpoint import Answer, Call, Operation
from haechi.server.shapes import WaiverDetail, WaiverPreview, WaiverRequest
from haechi.server.work.matching import StoreMatcher, StoreWaivers
from haechi.server.work.waiving import candidates, new_waiver
from haechi.store.records import Bucket, FindingFilter, Life, Page, Record, StoredWaiver
from haechi.store.state.state import State
from haechi.store.state.waiver_lists import Narrowed

MOST_LOOKED_AT, MOST_SHOWN = 100_000, 20


class WaiversAsk(Record, frozen=True, kw_only=True):
    """Waivers in one state, or all. ``text`` is looked for in id, rule, reason, owner and place;
    ``cluster`` and ``namespace`` list those whose reach touches them. ``sort``: created, expires;
    with ``-`` before it the other way round; newest first without."""

    state: Literal["", "active", "expired", "revoked"] = ""
    text: str = ""
    cluster: list[str] = []
    namespace: list[str] = []
    sort: str = ""
    limit: int = 100
    cursor: str | None = None


class StatesAsk(Record, frozen=True, kw_only=True):
    """As in ``WaiversAsk``."""

    text: str = ""
    cluster: list[str] = []
    namespace: list[str] = []


def listed(call: Call) -> Page[StoredWaiver]:
    """One page of the list."""
    ask: WaiversAsk = call.query
    return _page(call, ask.limit, ask.cursor)


def _reopens(state: State, waiver: StoredWaiver, today: dt.date) -> Counter[str]:
    """What would be open without it, by severity: each finding is matched with other waivers, if
    any could take it over."""
    ask = FindingFilter(waiver=[waiver.id], other_refs=True)
    others = [
        one
        for one in state.waivers.active(today=today)
        if one.id != waiver.id
        and (one.rule == waiver.rule or "*" in (one.rule, waiver.rule))
        and one.reach.overlap(waiver.reach) is not None
    ]
    if not others:
        _, _, facets = state.findings.facets(ask, within=(waiver.reach,), today=today)
        return Counter({one.value: one.count for one in facets["severity"]})
    covers = StoreWaivers(today)
    looked = islice(state.findings.each(ask, within=(waiver.reach,), today=today), MOST_LOOKED_AT)
    return Counter(one.severity.value for one in looked if covers(one, others) is None)


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
        within=call.within,
        state=ask.state,
        narrowed=_narrowed(ask),
        sort=ask.sort,
        limit=limit,
        cursor=cursor,
        today=call.now.date(),
    )


def _narrowed(ask: WaiversAsk | StatesAsk) -> Narrowed:
    return Narrowed(text=ask.text, clusters=tuple(ask.cluster), namespaces=tuple(ask.namespace))


def states(call: Call) -> list[Bucket]:
    """How many there are in each state."""
    return call.world.store.state.waivers.states(
        within=call.within, narrowed=_narrowed(call.query), today=call.now.date()
    )


def shown(call: Call) -> WaiverDetail:
    """One waiver, and what would be open again without it."""
    state, today = call.world.store.state, call.now.date()
    waiver = state.waivers.one(call.params["id"], within=call.within, today=today)
    key = ("reopens", state.generation, waiver.id, today)
    severities = call.world.memo.get(key, lambda: _reopens(state, waiver, today))
    return WaiverDetail(
        waiver=waiver,
        reopens=severities.total(),
        severities=dict(severities),
        complete=waiver.count <= max(MOST_LOOKED_AT, severities.total()),
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
    call.world.advising.wake()
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
    done = call.world.store.state.waivers.revoke(
        call.params["id"],
        by=call.principal.id,
        within=call.within,
        waived=StoreWaivers(today),
        today=today,
    )
    call.world.advising.wake()
    return done


OPERATIONS: tuple[Operation, ...] = (
    Operation(
        id="waivers.list",
        method="GET",
        path="/waivers",
        role=Role.VIEWER,
        summary="List the waivers of the store, newest first unless asked for otherwise",
        handler=listed,
        query=WaiversAsk,
        answer=Page[StoredWaiver],
        rows=rows,
    ),
    Operation(
        id="waivers.states",
        method="GET",
        path="/waivers/states",
        role=Role.VIEWER,
        summary="Count the waivers of the store by state",
        handler=states,
        query=StatesAsk,
        answer=list[Bucket],
    ),
    Operation(
        id="waivers.show",
        method="GET",
        path="/waivers/{id}",
        role=Role.VIEWER,
        summary="One waiver, and how many findings its end would open again",
        handler=shown,
        answer=WaiverDetail,
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
