"""Scans: pushed by pipelines, listed, looked at."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING
from urllib.parse import urlencode

from haechi.errors import Forbidden, StoreError
from haechi.model.access import ANY, EVERYWHERE, Role
from haechi.model.keys import repository_key
from haechi.model.push import Push
from haechi.server.endpoint import MIB, Answer, Call, Operation
from haechi.server.shapes import PushAnswer
from haechi.server.work.covering import Covering
from haechi.server.work.matching import StoreWaivers
from haechi.server.work.pushes import check_push, without_echoes
from haechi.store.records import Page, Record, ScanRun

if TYPE_CHECKING:
    from haechi.server.work.bills_pushed import Keeping, Taken

log = logging.getLogger("haechi.server.scans")
LARGEST = 64 * MIB
_EARLIER = 100
"""Earlier scans that are asked whether they read git's history."""


class ScansAsk(Record, frozen=True, kw_only=True):
    """Scans of one source (``repo:…``), or of all; newest first."""

    source: str = ""
    limit: int = 100
    cursor: str | None = None


def pushed(call: Call) -> Answer:
    """Receive what a run found and saw."""
    push: Push = call.body
    check_push(push)
    _may_push(call, push)
    today = call.now.date()
    push = without_echoes(push, today)
    taken = _judged(call, push)
    push = taken.push
    state = call.world.store.state
    run = state.scans.receive(
        push,
        by=call.principal.id,
        covered=Covering(
            push,
            call.world.catalogue.by_id.keys(),
            history_counts=_history_counts(call, push),
            judged=taken.judged,
        ),
        waived=StoreWaivers(today),
        today=today,
        also=_keeping(call, taken),
    )
    if taken.kept:
        call.world.advising.wake()
    return Answer(value=PushAnswer(scan=run, url=_page(call.url, run)), status=201)


def _judged(call: Call, push: Push) -> Taken:
    """With what the server's own advisories say of its packages."""
    world, today = call.world, call.now.date()
    from haechi.server.work.bills_pushed import Taken, judged_push, unjudged_push

    if push.packages is None and not world.store.folder.advisories_db.exists():
        return Taken(push=push)
    try:
        with world.advising.judge(world) as judge:
            return judged_push(world.store.state, push, judge, today)
    except StoreError as error:
        log.warning("a push could not be judged: %s", error.explain())
        return unjudged_push(world.store.state, push, today)


def _keeping(call: Call, taken: Taken) -> Keeping | None:
    """What keeps the packages in the push's transaction."""
    if not taken.kept:
        return None
    from haechi.server.work.bills_pushed import Keeping

    return Keeping(call.world.store.state, taken, by=call.principal.id)


def _may_push(call: Call, push: Push) -> None:
    """A push speaks for a whole repository, so it needs the role in all namespaces of its
    cluster."""
    origin = push.origin
    if not call.principal.may_push(origin.repository, origin.ref):
        raise Forbidden(
            f"{call.principal.name} may not push for {origin.repository} {origin.ref}".rstrip(),
            do="use a token that names this repository and branch",
        )
    if not any(
        reach.namespace == ANY and reach.covers(origin.cluster, "-") for reach in call.within
    ):
        raise Forbidden(
            "a push writes to all namespaces",
            why=f"the operator's role does not reach all of cluster {origin.cluster}",
            do="use a token with the role operator in all namespaces of the cluster",
        )


def _history_counts(call: Call, push: Push) -> bool:
    """True when some look at this branch read its history whole."""
    page = call.world.store.state.scans.page(
        within=(EVERYWHERE,),
        source=repository_key(push.origin.repository),
        limit=_EARLIER,
        cursor=None,
    )
    return any(
        run.ref == push.origin.ref and run.scope.get("history") == "full" for run in page.items
    )


def _page(url: str, run: ScanRun) -> str:
    """Where the page shows what the scan found."""
    query = {"source": run.source} if run.default else {"source": run.source, "other_refs": "true"}
    return f"{url}/findings?{urlencode(query)}"


def listed(call: Call) -> Page[ScanRun]:
    """One page of the list."""
    ask: ScansAsk = call.query
    return call.world.store.state.scans.page(
        within=call.within, source=ask.source, limit=ask.limit, cursor=ask.cursor
    )


def rows(call: Call) -> Iterator[ScanRun]:
    """All rows, for the twins."""
    ask: ScansAsk = call.query
    cursor: str | None = None
    while True:
        page = call.world.store.state.scans.page(
            within=call.within, source=ask.source, limit=200, cursor=cursor
        )
        yield from page.items
        if page.next is None:
            return
        cursor = page.next


def shown(call: Call) -> ScanRun:
    """One scan."""
    return call.world.store.state.scans.detail(call.params["id"], within=call.within)


OPERATIONS: tuple[Operation, ...] = (
    Operation(
        id="scans.push",
        method="POST",
        path="/scans",
        role=Role.OPERATOR,
        summary="Receive a scan: haechi.push/1, as `haechi scan --push` sends it",
        handler=pushed,
        body=Push,
        answer=PushAnswer,
        status=201,
        limit=LARGEST,
    ),
    Operation(
        id="scans.list",
        method="GET",
        path="/scans",
        role=Role.VIEWER,
        summary="List scans, newest first",
        handler=listed,
        query=ScansAsk,
        answer=Page[ScanRun],
        rows=rows,
    ),
    Operation(
        id="scans.show",
        method="GET",
        path="/scans/{id}",
        role=Role.VIEWER,
        summary="One scan: its scope, its gaps, what it changed",
        handler=shown,
        answer=ScanRun,
    ),
)
