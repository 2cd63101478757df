"""From a transaction to the signed log, exactly once.

A work's records are rows of its own transaction; after the commit they are appended to the log
and marked with their numbers. Between appending and marking the process may die. So each row
has a random token that stands in the log's entry (``detail.outbox``), and the log's size when
the row was written: at the next start the log is read from there, and what it has is marked
instead of appended again.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

import msgspec
from sqlalchemy import Connection, bindparam, func, insert, select, update

from haechi.errors import AuditError
from haechi.store.records import AuditEntry, AuditRow
from haechi.store.state.plain import bounded_json, clean, from_json, to_json
from haechi.store.state.schema import audit
from haechi.store.state.times import from_us, to_us

TOKEN = "outbox"  # noqa: S105  a name of a key
_PART = 1_000
_NAME = 2_000
_DETAIL = 60_000


class AuditSink(Protocol):
    """The part of the signed log that is needed here."""

    def append(self, entries: Sequence[AuditEntry]) -> range:
        """Durable when it returns."""

    def rows(self, *, since_seq: int = 0, limit: int) -> list[AuditRow]:
        """Entries from this number on, oldest first."""


class Outbox:
    """Used by the writer's thread alone. ``waiting`` says that some rows are not in the log."""

    def __init__(self) -> None:
        self.waiting = False
        self._sink: AuditSink | None = None
        self._size = 0
        self._unmarked: dict[str, int] = {}

    def put(self, connection: Connection, entry: AuditEntry) -> None:
        """Write the record down, in the transaction of what it tells of."""
        # Asked each time: a rolled back savepoint gives numbers back.
        newest = connection.execute(select(func.max(audit.c.n))).scalar() or 0
        row = {
            "n": newest + 1,
            "token": secrets.token_hex(12),
            "after_seq": self._size,
            "seq": None,
            "at": to_us(entry.at),
            "actor": clean(entry.actor, _NAME),
            "action": clean(entry.action, _NAME),
            "object": clean(entry.object, _NAME),
            "cluster": clean(entry.cluster, _NAME),
            "namespace": clean(entry.namespace, _NAME),
            "detail": bounded_json(entry.detail, _DETAIL),
            "private": to_json(
                {clean(name, 64): clean(word, _NAME) for name, word in entry.private.items()}
            ),
        }
        connection.execute(insert(audit), row)

    def attach(self, connection: Connection, sink: AuditSink) -> None:
        """Take the log; mark what a dead process appended but could not mark."""
        oldest = connection.execute(
            select(func.min(audit.c.after_seq)).where(audit.c.seq.is_(None))
        ).scalar()
        marked = connection.execute(select(func.max(audit.c.seq))).scalar()
        self._size = 0 if marked is None else marked + 1
        if oldest is not None:
            self._mark(connection, _appended(sink, oldest))
        self._sink = sink
        self.waiting = True

    def deliver(self, connection: Connection) -> None:
        """Append all that waits, in order, and mark it. What the log took is remembered until
        ``settled``: the marks may not reach the disk."""
        if self._sink is None:
            return
        self._mark(connection, self._unmarked.items())
        while rows := self._pending(connection):
            taken = _append(self._sink, rows)
            self._unmarked |= taken
            self._mark(connection, taken.items())
            self._size = max(self._size, *(seq + 1 for seq in taken.values()))

    def settled(self) -> None:
        """The marks are durable."""
        self._unmarked.clear()
        self.waiting = False

    def _pending(self, connection: Connection) -> Sequence[Any]:
        ask = select(audit).where(audit.c.seq.is_(None)).order_by(audit.c.n).limit(_PART)
        return connection.execute(ask).all()

    def _mark(self, connection: Connection, appended: Iterable[tuple[str, int]]) -> None:
        """Numbers of the log; private words live only there from now on (it can redact)."""
        values = [{"the_token": token, "seq": seq, "private": "{}"} for token, seq in appended]
        if values:
            mark = update(audit).where(audit.c.token == bindparam("the_token"))
            connection.execute(mark, values)


def _append(sink: AuditSink, rows: Sequence[Any]) -> dict[str, int]:
    """Numbers by token. An entry that the log cannot hold is logged without its detail: it must
    not keep the others waiting for ever, nor go missing."""
    try:
        numbers = sink.append([_entry(row) for row in rows])
    except AuditError as error:
        if len(rows) > 1:
            return {token: seq for row in rows for token, seq in _append(sink, [row]).items()}
        left_out = {TOKEN: rows[0].token, "left_out": clean(str(error), 500)}
        bare = msgspec.structs.replace(_entry(rows[0]), detail=left_out, private={})
        numbers = sink.append([bare])
    return dict(zip((row.token for row in rows), numbers, strict=True))


def _entry(row: Any) -> AuditEntry:
    return AuditEntry(
        at=from_us(row.at),
        actor=row.actor,
        action=row.action,
        object=row.object,
        cluster=row.cluster,
        namespace=row.namespace,
        detail={**from_json(row.detail), TOKEN: row.token},
        private=msgspec.json.decode(row.private, type=dict[str, str]),
    )


def _appended(sink: AuditSink, since: int) -> Iterable[tuple[str, int]]:
    """Tokens in the log from this number on, with their numbers."""
    while rows := sink.rows(since_seq=since, limit=_PART):
        for row in rows:
            token = row.detail.get(TOKEN)
            if isinstance(token, str):
                yield token, row.seq
        since = rows[-1].seq + 1
