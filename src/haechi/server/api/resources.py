"""Resources: what scans saw, and everything known of one."""

from __future__ import annotations

from collections.abc import Iterator

from haechi.model.access import NONE, Role
from haechi.server.endpoint import Call, Operation, Skip
from haechi.server.work.desk import narrowed
from haechi.store.records import Bucket, Page, Record, ResourceDetail, StoredResource


class ResourcesAsk(Record, frozen=True, kw_only=True):
    """``text`` is looked for in name and key; ``kind`` is a resource's kind. ``skip`` leaves out
    rows after the cursor (or the beginning): for a jump."""

    kind: str = ""
    text: str = ""
    source: str = ""
    cluster: list[str] = []
    namespace: list[str] = []
    limit: int = 100
    cursor: str | None = None
    skip: Skip = 0


class KindsAsk(Record, frozen=True, kw_only=True):
    """Of which clusters and namespaces; all without."""

    cluster: list[str] = []
    namespace: list[str] = []


class ResourceAsk(Record, frozen=True, kw_only=True):
    """One resource. Its key holds slashes, so it stands in the query."""

    key: str
    cluster: str = NONE


def listed(call: Call) -> Page[StoredResource]:
    """One page of the list."""
    ask: ResourcesAsk = call.query
    return _page(call, ask.limit, ask.cursor, ask.skip)


def rows(call: Call) -> Iterator[StoredResource]:
    """All rows, for the twins."""
    cursor: str | None = None
    while True:
        page = _page(call, 1000, cursor)
        yield from page.items
        if page.next is None:
            return
        cursor = page.next


def _page(call: Call, limit: int, cursor: str | None, skip: int = 0) -> Page[StoredResource]:
    ask: ResourcesAsk = call.query
    return call.world.store.state.resources.page(
        within=narrowed(call.within, ask.cluster, ask.namespace),
        kind=ask.kind,
        text=ask.text,
        source=ask.source,
        limit=limit,
        cursor=cursor,
        skip=skip,
    )


def kinds(call: Call) -> list[Bucket]:
    """How many there are of each kind."""
    ask: KindsAsk = call.query
    within = narrowed(call.within, ask.cluster, ask.namespace)
    return call.world.store.state.resources.kinds(within=within)


def shown(call: Call) -> ResourceDetail:
    """One resource with its attributes, edges and lineage."""
    ask: ResourceAsk = call.query
    return call.world.store.state.resources.detail(ask.key, ask.cluster, within=call.within)


OPERATIONS: tuple[Operation, ...] = (
    Operation(
        id="resources.list",
        method="GET",
        path="/resources",
        role=Role.VIEWER,
        summary="List resources: repositories, files, Kubernetes objects, images",
        handler=listed,
        query=ResourcesAsk,
        answer=Page[StoredResource],
        rows=rows,
    ),
    Operation(
        id="resources.kinds",
        method="GET",
        path="/resources/kinds",
        role=Role.VIEWER,
        summary="Count resources by kind",
        handler=kinds,
        query=KindsAsk,
        answer=list[Bucket],
    ),
    Operation(
        id="resources.show",
        method="GET",
        path="/resources/show",
        role=Role.VIEWER,
        summary="Everything known of one resource",
        handler=shown,
        query=ResourceAsk,
        answer=ResourceDetail,
    ),
)
