"""Findings as they are listed, looked at and tended. What a push makes of them: reconcile.py."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, select, update

from haechi.errors import NotFound, UsageError
from haechi.model.access import Reach
from haechi.store.records import (
    AuditEntry,
    Bucket,
    FindingChange,
    FindingDetail,
    FindingFilter,
    Life,
    Notice,
    Page,
    StoredFinding,
)
from haechi.store.state.acceptance import STORE
from haechi.store.state.counts import Counts
from haechi.store.state.cursor import beyond, read_cursor, write_cursor
from haechi.store.state.engine import Database, Transaction
from haechi.store.state.filters import condition
from haechi.store.state.history import Step, record
from haechi.store.state.plain import clean, from_json
from haechi.store.state.reach import reached
from haechi.store.state.recent import Recent
from haechi.store.state.rows import LISTED, PLACE, to_day_text, to_finding
from haechi.store.state.schema import finding as f
from haechi.store.state.schema import finding_change, finding_text
from haechi.store.state.times import from_day, from_us, to_day, to_us
from haechi.store.state.waiver_rows import waiver_of

SORTS: dict[str, tuple[Any, ...]] = {
    "severity": (f.c.severity, f.c.due, f.c.n),
    "due": (f.c.due, f.c.severity, f.c.n),
    "changed": (f.c.changed, f.c.n),
    "first_seen": (f.c.first_seen, f.c.n),
    "rule": (f.c.rule, f.c.severity, f.c.n),
    "path": (f.c.path, f.c.line, f.c.n),
}
"""Orders, ascending: worst, soonest, oldest first. ``-`` turns one round."""

MOST = 1_000
_MOST_HISTORY = 1_000
_OWNER = 300


class Findings:
    """All methods narrow to ``within``; what is out of reach does not exist."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._counts = Counts(database)
        self._recent = Recent()

    def page(
        self,
        ask: FindingFilter,
        *,
        within: tuple[Reach, ...],
        sort: str = "",
        limit: int = 100,
        cursor: str | None = None,
        skip: int = 0,
        today: dt.date,
    ) -> Page[StoredFinding]:
        """One part of the list, ``skip`` rows after the cursor or the beginning; ``total`` comes
        without a cursor."""
        columns, backwards = _order(sort)
        question = ["findings", ask, within, sort]
        limit = max(1, min(limit, MOST))
        where = condition(ask, within, today)
        query = select(*LISTED).where(where)
        if cursor is not None:
            like = [column.type.python_type for column in columns]
            after = read_cursor(question, cursor, like)
            query = query.where(beyond(columns, after, backwards=backwards))
        order = [column.desc() if backwards else column.asc() for column in columns]
        with self._database.read() as connection:
            rows = connection.execute(query.order_by(*order).limit(limit + 1).offset(skip)).all()
        total = None
        if cursor is None:
            whole = len(rows) <= limit and not skip
            total = len(rows) if whole else self._counts.total(ask, within, today)
        day = to_day_text(today)
        items = [to_finding(row, day) for row in rows[:limit]]
        following = None
        if len(rows) > limit:
            last = rows[limit - 1]
            following = write_cursor(question, [last[PLACE[column.name]] for column in columns])
        return Page(items=items, next=following, total=total)

    def each(
        self,
        ask: FindingFilter,
        *,
        within: tuple[Reach, ...],
        sort: str = "",
        today: dt.date,
    ) -> Iterator[StoredFinding]:
        """All rows, a part at a time: a slow reader holds no snapshot open."""
        cursor: str | None = None
        while True:
            part = self.page(ask, within=within, sort=sort, limit=MOST, cursor=cursor, today=today)
            yield from part.items
            if part.next is None:
                return
            cursor = part.next

    def facets(
        self, ask: FindingFilter, *, within: tuple[Reach, ...], today: dt.date
    ) -> tuple[int, int, dict[str, list[Bucket]]]:
        """Total, overdue, and counts by facet; each facet ignores its own part of the filter."""
        return self._counts.facets(ask, within, today)

    def groups(
        self,
        by: str,
        ask: FindingFilter,
        *,
        within: tuple[Reach, ...],
        limit: int = 100,
        cursor: str | None = None,
        today: dt.date,
    ) -> Page[Bucket]:
        """By rule, resource, path, owner, source or namespace; worst and largest first."""
        return self._counts.groups(by, ask, within, max(1, min(limit, MOST)), cursor, today)

    def detail(self, id: str, *, within: tuple[Reach, ...], today: dt.date) -> FindingDetail:
        """Everything about one; NotFound when there is none within reach."""
        with self._database.read() as connection:
            row = _row(connection, id, within)
            extra = connection.execute(
                select(f.c.scan, f.c.waiver_from, finding_text.c.evidence)
                .outerjoin(finding_text, finding_text.c.n == f.c.n)
                .where(f.c.n == row[0])
            ).one()
            history = _history(connection, row[0])
            waiver = None
            if extra.waiver_from == STORE and row[PLACE["state"]] == Life.WAIVED.value:
                waiver = waiver_of(connection, row[PLACE["waiver"]], within, today)
        return FindingDetail(
            finding=to_finding(row, to_day_text(today)),
            history=history,
            evidence=from_json(extra.evidence) if extra.evidence else {},
            scan=extra.scan,
            waiver=waiver,
        )

    def tend(
        self,
        id: str,
        *,
        within: tuple[Reach, ...],
        by: str,
        owner: str | msgspec.UnsetType | None = msgspec.UNSET,
        due: dt.date | msgspec.UnsetType | None = msgspec.UNSET,
        today: dt.date,
    ) -> StoredFinding:
        """A person's word on owner and due date; None takes it away, then the scan's counts."""

        def work(transaction: Transaction) -> StoredFinding:
            row = _row(transaction.connection, id, within)
            _tend(transaction, row, by, owner, due)
            return to_finding(_row(transaction.connection, id, within), to_day_text(today))

        return self._database.write(work)

    def changes(self, since: dt.datetime, *, within: tuple[Reach, ...]) -> dict[str, int]:
        """How many of each kind of change there were, in findings that count."""
        with self._database.read() as connection:
            return self._recent.counts(connection, to_us(since), within)

    def spans_to_fix(self, since: dt.datetime, *, within: tuple[Reach, ...]) -> list[float]:
        """Days from first sight (or the last return) to the fix, of what was fixed since."""
        query = (
            select(f.c.fixed_at - f.c.opened)
            .where(f.c.fixed_at >= to_us(since), f.c.live == 0, f.c.is_default == 1)
            .where(reached(within, f.c.cluster, f.c.namespace))
            .order_by(f.c.fixed_at)
        )
        with self._database.read() as connection:
            return [span / 86_400e6 for span in connection.execute(query).scalars()]


def _order(sort: str) -> tuple[Sequence[Any], bool]:
    name = sort.removeprefix("-") or "severity"
    if name not in SORTS:
        raise UsageError(
            f"there is no order {clean(name, 40)!r}",
            do=f"use one of {', '.join(SORTS)}, with '-' in front to turn it round",
            where="query.sort",
        )
    return SORTS[name], sort.startswith("-")


def _row(connection: Connection, id_: str, within: tuple[Reach, ...]) -> Any:
    ask = select(*LISTED).where(f.c.id == id_, reached(within, f.c.cluster, f.c.namespace))
    row = connection.execute(ask).one_or_none()
    if row is None:
        raise NotFound(f"there is no finding {clean(id_, 80)!r}", do="list the findings")
    return row


def _history(connection: Connection, n: int) -> list[FindingChange]:
    c = finding_change.c
    ask = select(c.at, c.what, c.was, c.became, c.actor, c.note).where(c.finding == n)
    rows = connection.execute(ask.order_by(c.n.desc()).limit(_MOST_HISTORY)).all()
    return [
        FindingChange(at=from_us(at), what=what, before=was, after=became, by=actor, note=note)
        for at, what, was, became, actor, note in reversed(rows)
    ]


def _tend(
    transaction: Transaction,
    row: Any,
    by: str,
    owner: str | msgspec.UnsetType | None,
    due: dt.date | msgspec.UnsetType | None,
) -> None:
    connection = transaction.connection
    told = connection.execute(select(f.c.owner_scan, f.c.due_scan).where(f.c.n == row[0])).one()
    values: dict[str, Any] = {}
    steps: list[Step] = []
    at = to_us(transaction.now)
    if owner is not msgspec.UNSET:
        word = clean(owner.strip(), _OWNER) if owner else ""
        values |= {"owner": word or told.owner_scan, "owner_by": by if word else ""}
        steps.append(Step(row[0], at, "owner", row[PLACE["owner"]], values["owner"], by))
    if due is not msgspec.UNSET:
        values |= {"due": to_day(due) if due else told.due_scan, "due_by": by if due else ""}
        was, became = (from_day(day) for day in (row[PLACE["due"]], values["due"]))
        steps.append(Step(row[0], at, "due", _shown(was), _shown(became), by))
    if not values:
        return
    connection.execute(update(f).where(f.c.n == row[0]).values(changed=at, **values))
    record(connection, steps)
    cluster, namespace = row[PLACE["cluster"]], row[PLACE["namespace"]]
    detail = {step.what: {"before": step.was, "after": step.became} for step in steps}
    transaction.audit(
        AuditEntry(
            at=transaction.now,
            actor=by,
            action="finding.tend",
            object=row[PLACE["id"]],
            cluster=cluster,
            namespace=namespace,
            detail=detail,
        )
    )
    told_data = {"id": row[PLACE["id"]], "what": sorted(detail)}
    transaction.tell(Notice(topic="finding", cluster=cluster, namespace=namespace, data=told_data))


def _shown(day: dt.date | None) -> str:
    return day.isoformat() if day else ""
