"""The audit log: listed, its newest signed head, and proofs that can be checked elsewhere."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

from haechi.errors import NotFound, UsageError
from haechi.model.access import Role
from haechi.server.endpoint import Call, Operation
from haechi.server.shapes import AuditHead
from haechi.store.audit.rows import Ask, Found
from haechi.store.records import AuditRow, Page, Record

_DIGITS = 15


class AuditAsk(Record, frozen=True, kw_only=True):
    """Newest first, or with ``oldest`` the other way round. ``action`` that ends in a dot asks
    for all that begin so (``waiver.``)."""

    actor: str = ""
    action: str = ""
    object: str = ""
    since: dt.datetime | None = None
    until: dt.datetime | None = None
    oldest: bool = False
    limit: int = 100
    cursor: str | None = None


class ConsistencyAsk(Record, frozen=True, kw_only=True, rename={"size": "from"}):
    """``from``: how many records the log had when it was seen before."""

    size: int


def listed(call: Call) -> Page[AuditRow]:
    """One page of the list; it may be short where few of many records match."""
    ask: AuditAsk = call.query
    found = _page(call, ask.limit, _place(ask.cursor))
    total = call.world.store.audit.size if ask.cursor is None and not _filtered(ask) else None
    return Page(items=found.items, next=_cursor(found), total=total)


def rows(call: Call) -> Iterator[AuditRow]:
    """All rows, for the twins."""
    place: int | None = None
    while True:
        found = _page(call, 1000, place)
        yield from found.items
        if found.next is None:
            return
        place = found.next


def _page(call: Call, limit: int, place: int | None) -> Found:
    ask: AuditAsk = call.query
    given: dict[str, Any] = {}
    if place is not None:
        given = {"since_seq" if ask.oldest else "before_seq": place}
    asked = Ask(
        newest_first=not ask.oldest,
        actor=ask.actor,
        action=ask.action,
        object=ask.object,
        since=_utc(ask.since),
        until=_utc(ask.until),
        **given,
    )
    return call.world.store.audit.page(asked, limit=limit)


def head(call: Call) -> AuditHead:
    """The newest signed statement about the whole log."""
    found = call.world.store.audit.head()
    return AuditHead(
        size=found.size,
        root=found.root,
        at=found.at,
        previous=found.previous,
        keys=list(found.keys),
        algorithms=list(found.algorithms),
        unsigned=found.unsigned,
    )


def proved(call: Call) -> dict[str, Any]:
    """Proof that a record is in the log, for `haechi audit verify --proof`."""
    text = call.params["seq"]
    if not _is_number(text):
        raise NotFound(f"there is no record {text[:40]!r}", do="records are numbered from 0")
    return call.world.store.audit.prove(int(text))


def consistent(call: Call) -> dict[str, Any]:
    """Proof that a log that was seen before is the beginning of this one."""
    ask: ConsistencyAsk = call.query
    return call.world.store.audit.consistency(ask.size)


def _filtered(ask: AuditAsk) -> bool:
    return bool(ask.actor or ask.action or ask.object or ask.since or ask.until)


def _cursor(found: Found) -> str | None:
    return None if found.next is None else str(found.next)


def _place(cursor: str | None) -> int | None:
    if cursor is None:
        return None
    if not _is_number(cursor):
        raise UsageError(
            "the cursor does not belong to this list",
            do="ask again without a cursor",
            where="query.cursor",
        )
    return int(cursor)


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= _DIGITS


def _utc(value: dt.datetime | None) -> dt.datetime | None:
    """A time without a zone is UTC, as everything here is."""
    return value.replace(tzinfo=dt.UTC) if value is not None and value.tzinfo is None else value


OPERATIONS: tuple[Operation, ...] = (
    Operation(
        id="audit.list",
        method="GET",
        path="/audit",
        role=Role.VIEWER,
        everywhere=True,
        summary="List the records of the signed log, newest first",
        handler=listed,
        query=AuditAsk,
        answer=Page[AuditRow],
        rows=rows,
    ),
    Operation(
        id="audit.head",
        method="GET",
        path="/audit/head",
        role=Role.VIEWER,
        everywhere=True,
        summary="The newest signed head of the log",
        handler=head,
        answer=AuditHead,
    ),
    Operation(
        id="audit.prove",
        method="GET",
        path="/audit/{seq}/proof",
        role=Role.VIEWER,
        everywhere=True,
        summary="Proof that a record is in the log, with the signed head",
        handler=proved,
        answer=dict[str, Any],
    ),
    Operation(
        id="audit.consistency",
        method="GET",
        path="/audit/consistency",
        role=Role.VIEWER,
        everywhere=True,
        summary="Proof that the log of so many records is the beginning of this one",
        handler=consistent,
        query=ConsistencyAsk,
        answer=dict[str, Any],
    ),
)
