"""Incidents: listed, looked at, and changed by people and by the response.

What detections make of them is ``incidents_fold``. Every change is a step of its own, written
with its audit entry in the same transaction, and told to the live stream (topic ``incident``)
after the commit; ``changed_since`` reads the steps in order, for who acts on them.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from typing import Any

import msgspec
from sqlalchemy import Connection, bindparam, func, select, update

from haechi.errors import Conflict, NotFound, UsageError
from haechi.model.access import EVERYWHERE, Reach
from haechi.model.incident import Incident, IncidentState
from haechi.model.threat import Reason, ThreatLevel
from haechi.store.records import AuditEntry, Bucket, Notice, Page
from haechi.store.state import incidents_fold
from haechi.store.state.bulk import next_number
from haechi.store.state.cursor import beyond, read_cursor, write_cursor
from haechi.store.state.engine import Database, Transaction
from haechi.store.state.incident_tables import incident as table
from haechi.store.state.incident_tables import incident_change, incident_detection
from haechi.store.state.incidents_lists import FACETS, condition, facet, order_of, shared
from haechi.store.state.incidents_records import (
    LEVELS,
    Counted,
    Evidence,
    Fold,
    IncidentFilter,
    IncidentStep,
    Kept,
    Loaded,
    ProcessNode,
    StoredIncident,
)
from haechi.store.state.incidents_rows import LISTED, evidence, model, reasons_of, stored
from haechi.store.state.incidents_tree import MOST_NODES, process_tree
from haechi.store.state.plain import clean
from haechi.store.state.reach import reached
from haechi.store.state.times import from_us, to_us

i, d, s = table.c, incident_detection.c, incident_change.c
MOST, MOST_NOTE, MOST_OWNER = 1_000, 4_000, 200
_MOST_STEPS = 1_000
_EVERYWHERE = (EVERYWHERE,)
QUIET = dt.timedelta(days=30)
_MOST_SETTLED = 2_000
_RESPONSE = frozenset({IncidentState.CONTAINED, IncidentState.NOT_CONTAINED})


class Incidents:
    """All methods narrow to ``within``; what is out of reach does not exist."""

    def __init__(self, database: Database) -> None:
        self._database = database

    # what the correlator needs

    def load(self) -> Loaded:
        """All that is open, and where the correlator goes on."""
        with self._database.read() as connection:
            return incidents_fold.load(connection)

    def again(self, ids: list[str]) -> list[Kept]:
        """Those of these that are not closed."""
        with self._database.read() as connection:
            return incidents_fold.again(connection, ids)

    def rows_of(self, numbers: list[int]) -> list[tuple[int, str, Counted]]:
        """(incident, signature, counts) of the rows of these incidents."""
        with self._database.read() as connection:
            return incidents_fold.rows_of(connection, numbers)

    def fold(self, fold: Fold) -> int:
        """Write a fold and its place in one transaction; the number of the last step. Raises
        Moved: then nothing was written."""
        return self._database.write(lambda transaction: incidents_fold.write(transaction, fold))

    # reading

    def page(
        self,
        ask: IncidentFilter,
        *,
        within: tuple[Reach, ...],
        sort: str = "",
        limit: int = 100,
        cursor: str | None = None,
    ) -> Page[StoredIncident]:
        """One part of the list; ``total`` comes without a cursor."""
        columns, backwards = order_of(sort)
        question = ["incidents", ask, within, sort]
        limit = max(1, min(limit, MOST))
        where = condition(ask, within)
        # Which rows first, then the rows: sorting carries numbers, not whole incidents.
        which = select(i.n).where(where)
        if cursor is not None:
            after = read_cursor(question, cursor, [int] * len(columns))
            which = which.where(beyond(columns, after, backwards=backwards))
        order = [column.desc() if backwards else column.asc() for column in columns]
        which = which.order_by(*order).limit(limit + 1)
        total = None
        with self._database.read() as connection:
            query = select(*LISTED).where(i.n.in_(which)).order_by(*order)
            rows = connection.execute(query).all()
            if cursor is None:
                counted = select(func.count()).select_from(table).where(where)
                whole = len(rows) <= limit
                total = len(rows) if whole else int(connection.execute(counted).scalar_one())
        following = None
        if len(rows) > limit:
            last = rows[limit - 1]
            following = write_cursor(question, [getattr(last, one.name) for one in columns])
        return Page(items=[stored(row) for row in rows[:limit]], next=following, total=total)

    def each(
        self, ask: IncidentFilter, *, within: tuple[Reach, ...], sort: str = ""
    ) -> Iterator[StoredIncident]:
        """All rows, a part at a time."""
        cursor: str | None = None
        while True:
            part = self.page(ask, within=within, sort=sort, limit=MOST, cursor=cursor)
            yield from part.items
            if part.next is None:
                return
            cursor = part.next

    def counts(
        self, ask: IncidentFilter, *, within: tuple[Reach, ...]
    ) -> tuple[int, dict[str, list[Bucket]]]:
        """How many match, and how many there are of each value; each facet ignores its own part
        of the filter."""
        with self._database.read() as connection:
            total, found = shared(connection, ask, within)
            for name in FACETS:
                if name not in found:
                    found[name] = facet(connection, ask, within, name)
            return total, {name: found[name] for name in FACETS}

    def tally(self) -> dict[tuple[str, str], int]:
        """How many are not closed, by level and state."""
        ask = select(i.level, i.state, func.count()).where(i.closed_flag == 0)
        words = {int(level): word for word, level in LEVELS.items()}
        with self._database.read() as connection:
            rows = connection.execute(ask.group_by(i.level, i.state)).all()
        return {(words[level], state): number for level, state, number in rows}

    def get(self, id: str, *, within: tuple[Reach, ...] = _EVERYWHERE) -> Incident:
        """The incident as a value. NotFound."""
        with self._database.read() as connection:
            return model(_row(connection, id, within))

    def shown(
        self, id: str, *, within: tuple[Reach, ...]
    ) -> tuple[StoredIncident, list[Reason], list[str]]:
        """As it is listed, what led to its level, and ids of incidents that followed on it."""
        with self._database.read() as connection:
            row = _row(connection, id, within)
            later = select(i.id).where(
                i.cause == row.cause, i.former == id, reached(within, i.cluster, i.namespace)
            )
            return stored(row), reasons_of(row), list(connection.execute(later).scalars())

    def history(self, id: str, *, within: tuple[Reach, ...] = _EVERYWHERE) -> list[IncidentStep]:
        """Its steps, oldest first. NotFound."""
        with self._database.read() as connection:
            row = _row(connection, id, within)
            ask = select(*_STEP).where(s.incident == row.n, i.n == s.incident)
            rows = connection.execute(ask.order_by(s.n.desc()).limit(_MOST_STEPS)).all()
        steps = [_step(one) for one in reversed(rows)]
        return [msgspec.structs.replace(one, n=n) for n, one in enumerate(steps, 1)]

    def timeline(
        self,
        id: str,
        *,
        within: tuple[Reach, ...] = _EVERYWHERE,
        limit: int = 200,
        cursor: str | None = None,
        newest: bool = False,
    ) -> Page[Evidence]:
        """Its evidence in the order of time, the oldest first unless ``newest``. NotFound."""
        question = ["timeline", id, within, newest]
        columns = (d.first_ns, d.n)
        limit = max(1, min(limit, MOST))
        with self._database.read() as connection:
            row = _row(connection, id, within)
            mine = d.incident == row.n
            ask = select(incident_detection).where(mine)
            total = None
            if cursor is not None:
                after = read_cursor(question, cursor, [int, int])
                ask = ask.where(beyond(columns, after, backwards=newest))
            else:
                counted = select(func.count()).select_from(incident_detection).where(mine)
                total = int(connection.execute(counted).scalar_one())
            order = [one.desc() if newest else one.asc() for one in columns]
            rows = connection.execute(ask.order_by(*order).limit(limit + 1)).all()
        last = rows[limit - 1] if len(rows) > limit else None
        following = None if last is None else write_cursor(question, [last.first_ns, last.n])
        return Page(items=[evidence(one) for one in rows[:limit]], next=following, total=total)

    def process_tree(
        self, id: str, *, within: tuple[Reach, ...] = _EVERYWHERE
    ) -> list[ProcessNode]:
        """The processes that its evidence tells of, parents first. NotFound."""
        with self._database.read() as connection:
            row = _row(connection, id, within)
            ask = select(incident_detection).where(d.incident == row.n)
            rows = connection.execute(ask.order_by(d.first_ns, d.n).limit(MOST_NODES)).all()
        return process_tree(rows)

    def open_resources(self) -> set[str]:
        """Resources (keys, ``host:…``) with an incident that is not closed."""
        with self._database.read() as connection:
            ask = select(i.resource).where(i.closed_flag == 0).distinct()
            return set(connection.execute(ask).scalars())

    def known(self, id: str) -> bool:
        """True when some incident has this id, open or closed."""
        with self._database.read() as connection:
            return connection.execute(_KNOWN, {"known_id": id}).first() is not None

    def changed_since(self, n: int, *, limit: int = MOST) -> list[IncidentStep]:
        """Steps of all incidents with a higher number, in order."""
        ask = select(*_STEP).where(s.n > n, i.n == s.incident).order_by(s.n).limit(limit)
        with self._database.read() as connection:
            return [_step(one) for one in connection.execute(ask)]

    def last_step(self) -> int:
        """The number of the newest step; 0 without any."""
        with self._database.read() as connection:
            return next_number(connection, incident_change) - 1

    # changes

    def set_state(
        self,
        id: str,
        state: IncidentState,
        by: str,
        note: str = "",
        *,
        within: tuple[Reach, ...] = _EVERYWHERE,
        was: IncidentState | None = None,
    ) -> StoredIncident:
        """Change the state. ``was``: only from this one (Conflict). The same state again is no
        change. NotFound."""

        def work(transaction: Transaction) -> StoredIncident:
            row = _row(transaction.connection, id, within)
            before = IncidentState(row.state)
            if was is not None and before != was:
                raise Conflict(
                    f"the incident is {before.value}, not {was.value}",
                    do="look at it again, then decide",
                )
            if before == state:
                if note:
                    _note(transaction, row, by, note)
                return stored(row)
            if before.closed and state in _RESPONSE:
                raise Conflict(f"the incident is closed: {before.value}", do="reopen it first")
            return _changed(transaction, row, "state", before.value, state.value, by, note)

        return self._database.write(work)

    def assign(
        self,
        id: str,
        owner: str,
        by: str,
        *,
        within: tuple[Reach, ...] = _EVERYWHERE,
        note: str = "",
    ) -> StoredIncident:
        """Give it an owner; "" takes the owner away. NotFound."""
        name = " ".join(owner.split())
        if len(name) > MOST_OWNER:
            raise UsageError(f"an owner has at most {MOST_OWNER} characters", where="body.owner")

        def work(transaction: Transaction) -> StoredIncident:
            row = _row(transaction.connection, id, within)
            if row.owner == clean(name):
                return stored(row)
            return _changed(transaction, row, "owner", row.owner, clean(name), by, note)

        return self._database.write(work)

    def note(
        self, id: str, text: str, by: str, *, within: tuple[Reach, ...] = _EVERYWHERE
    ) -> StoredIncident:
        """Add words to its history. NotFound."""

        def work(transaction: Transaction) -> StoredIncident:
            row = _row(transaction.connection, id, within)
            _note(transaction, row, by, text)
            return stored(row)

        return self._database.write(work)


def settle(transaction: Transaction) -> int:
    """Resolve what nobody looked at, was medium at most, and has been quiet for a month: else what
    is open would only ever become more. How many."""
    before_ns = to_us(transaction.now - QUIET) * 1_000
    ask = select(*LISTED).where(
        i.closed_flag == 0,
        i.state == IncidentState.OPEN.value,
        i.owner == "",
        i.level <= int(ThreatLevel.MEDIUM),
        i.last_ns < before_ns,
    )
    rows = transaction.connection.execute(ask.limit(_MOST_SETTLED)).all()
    for row in rows:
        note = f"nothing more for {QUIET.days} days"
        resolved = IncidentState.RESOLVED.value
        _changed(transaction, row, "state", row.state, resolved, "clock", note)
    return len(rows)


_KNOWN = select(i.n).where(i.id == bindparam("known_id"))
_STEP = (s.n, i.id, i.cluster, i.namespace, s.at, s.what, s.was, s.became, s.actor, s.note)


def _step(row: Any) -> IncidentStep:
    return IncidentStep(
        n=row.n,
        incident=row.id,
        cluster=row.cluster,
        namespace=row.namespace,
        at=from_us(row.at),
        what=row.what,
        before=row.was,
        after=row.became,
        by=row.actor,
        note=row.note,
    )


def _row(connection: Connection, id: str, within: tuple[Reach, ...]) -> Any:
    ask = select(*LISTED).where(i.id == clean(id, 200), reached(within, i.cluster, i.namespace))
    row = connection.execute(ask).one_or_none()
    if row is None:
        raise NotFound(f"there is no incident {clean(id, 80)!r}", do="GET /incidents lists them")
    return row


def _changed(
    transaction: Transaction, row: Any, what: str, was: str, became: str, by: str, note: str
) -> StoredIncident:
    now = to_us(transaction.now)
    values: dict[str, Any] = {what: became, "changed": now}
    if what == "state":
        closed = IncidentState(became).closed
        values |= {"closed_flag": int(closed), "closed": now if closed else 0}
    transaction.connection.execute(update(table).where(i.n == row.n).values(values))
    step(transaction, row, what, was, became, by, note)
    told(transaction, row, what, was, became, by, note)
    return stored(_row(transaction.connection, row.id, _EVERYWHERE))


def _note(transaction: Transaction, row: Any, by: str, text: str) -> None:
    words = text.strip()
    if not words or len(words) > MOST_NOTE:
        raise UsageError(f"a note has 1 to {MOST_NOTE} characters", where="body.note")
    step(transaction, row, "note", "", "", by, words)
    told(transaction, row, "note", "", "", by, words)


def step(
    transaction: Transaction, row: Any, what: str, was: str, became: str, by: str, note: str
) -> None:
    """Write a step down."""
    connection = transaction.connection
    values = {"n": next_number(connection, incident_change), "incident": row.n, "what": what}
    values |= {"at": to_us(transaction.now), "actor": clean(by, 300), "note": clean(note, 4_000)}
    values |= {"was": clean(was, 300), "became": clean(became, 300)}
    connection.execute(incident_change.insert(), values)


def told(
    transaction: Transaction, row: Any, what: str, was: str, became: str, by: str, note: str
) -> None:
    """Have the audit log and the live stream know. The words of a note may have to be erased."""
    transaction.audit(
        AuditEntry(
            at=transaction.now,
            actor=by,
            action=f"incident.{what}",
            object=row.id,
            cluster=row.cluster,
            namespace=row.namespace,
            detail={"before": was, "after": became} if was or became else {},
            private={"note": note} if note else {},
        )
    )
    data = {"id": row.id, "what": what, "before": was, "after": became, "by": by}
    transaction.tell(
        Notice(topic="incident", cluster=row.cluster, namespace=row.namespace, data=data)
    )
