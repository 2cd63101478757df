"""What detections make of incidents: written in one transaction with the correlator's place.

The place is a number of ``hot.db`` and that file's epoch: a new ``hot.db`` counts from 1 again.
Whether somebody changed an incident since the correlator looked is seen by the newest step, in
the same transaction; then nothing is written, and the correlator looks again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, delete, func, insert, select, update

from haechi.model.incident import Incident
from haechi.store.records import AuditEntry, Notice
from haechi.store.state.bulk import delete_all, insert_all, next_number, parts, update_all
from haechi.store.state.engine import Transaction
from haechi.store.state.incident_tables import (
    incident,
    incident_change,
    incident_cursor,
    incident_detection,
    incident_faint,
)
from haechi.store.state.incidents_records import (
    Counted,
    Faint,
    Fold,
    Kept,
    Loaded,
    Misplaced,
    Moved,
    Row,
)
from haechi.store.state.incidents_rows import LISTED, kept, row_values, values
from haechi.store.state.plain import clean
from haechi.store.state.times import to_us

CORRELATOR = "correlator"
DETECTIONS = "detections"
MOST_TOLD = 200
"""Notices of one fold; the rest is one notice with their number."""
i, d = incident.c, incident_detection.c


def load(connection: Connection) -> Loaded:
    """All that is open, and where to go on."""
    epoch, seq = _place(connection)
    open_ = select(*LISTED, i.memory).where(i.closed_flag == 0).order_by(i.n)
    return Loaded(
        epoch=epoch,
        seq=seq,
        seen=next_number(connection, incident_change) - 1,
        next_incident=next_number(connection, incident),
        next_row=next_number(connection, incident_detection),
        next_faint=next_number(connection, incident_faint),
        kept=[kept(row) for row in connection.execute(open_)],
        rows=_rows(connection, i.closed_flag == 0),
        faint=[_faint(row) for row in connection.execute(_all_faint())],
    )


def _place(connection: Connection) -> tuple[str, int]:
    c = incident_cursor.c
    row = connection.execute(select(c.epoch, c.seq).where(c.name == DETECTIONS)).one_or_none()
    return ("", 0) if row is None else (row.epoch, row.seq)


def again(connection: Connection, ids: Sequence[str]) -> list[Kept]:
    """Those of these that are not closed."""
    found: list[Kept] = []
    for part in parts(ids, 500):
        ask = select(*LISTED, i.memory).where(i.id.in_(part), i.closed_flag == 0)
        found += [kept(row) for row in connection.execute(ask.order_by(i.n))]
    return found


def rows_of(connection: Connection, numbers: Sequence[int]) -> list[tuple[int, str, Counted]]:
    """(incident, signature, …) of these incidents."""
    found: list[tuple[int, str, Counted]] = []
    for part in parts(numbers, 500):
        found += _rows(connection, i.n.in_(part))
    return found


def _rows(connection: Connection, which: Any) -> list[tuple[int, str, Counted]]:
    ask = select(d.incident, d.signature, d.n, d.count, d.first_ns, d.last_ns)
    ask = ask.where(d.incident == i.n, which).order_by(d.n)
    return [(row[0], row[1], Counted(*row[2:])) for row in connection.execute(ask)]


def _all_faint() -> Any:
    return select(incident_faint).order_by(incident_faint.c.n)


def _faint(row: Any) -> Faint:
    counted = Counted(row.n, row.count, row.first_ns, row.last_ns)
    return Faint(place=row.place, signature=row.signature, counted=counted, detail=row.detail)


def write(transaction: Transaction, fold: Fold) -> int:
    """Write it; the number of the last step. Raises Moved, Misplaced."""
    connection = transaction.connection
    if _place(connection) != fold.place:
        raise Misplaced
    if next_number(connection, incident_change) - 1 != fold.seen:
        raise Moved
    now = to_us(transaction.now)
    opened = [_opened(connection, one, now) for one in fold.opened]
    insert_all(connection, incident, opened)
    changed = [{"row_n": one.n, **values(one, now)} for one in fold.changed]
    if changed:
        update_all(connection, incident, [name for name in changed[0] if name != "row_n"], changed)
    _write_rows(connection, fold)
    _write_faint(connection, fold)
    last = _write_steps(transaction, fold, now)
    _move(connection, fold, now)
    return last


def _opened(connection: Connection, one: Kept, now: int) -> dict[str, Any]:
    it = one.incident
    return {
        "n": one.n,
        "id": it.id,
        "cluster": it.cluster,
        "resource": clean(it.resource, 1_200),
        "node": it.node,
        "container": it.container_id,
        "cause": one.cause,
        "state": it.state.value,
        "owner": "",
        "closed_flag": 0,
        "opened": now,
        "closed": 0,
        "former": _former(connection, one),
        **values(one, now),
    }


def _former(connection: Connection, one: Kept) -> str:
    """The newest closed incident of the same cause."""
    ask = select(i.id).where(i.cause == one.cause, i.closed_flag == 1)
    return str(connection.execute(ask.order_by(i.n.desc()).limit(1)).scalar() or "")


def _write_rows(connection: Connection, fold: Fold) -> None:
    insert_all(connection, incident_detection, (row_values(one) for one in fold.rows if one.new))
    known = [_counts(one) for one in fold.rows if not one.new]
    update_all(connection, incident_detection, ("count", "first_ns", "last_ns"), known)


def _counts(one: Row) -> dict[str, Any]:
    c = one.counted
    return {"row_n": c.n, "count": c.count, "first_ns": c.first_ns, "last_ns": c.last_ns}


def _write_faint(connection: Connection, fold: Fold) -> None:
    delete_all(connection, incident_faint, fold.gone)
    fresh = [
        {
            "n": one.counted.n,
            "place": one.place,
            "signature": one.signature,
            "count": one.counted.count,
            "first_ns": one.counted.first_ns,
            "last_ns": one.counted.last_ns,
            "detail": one.detail,
        }
        for one, new in fold.faint
        if new
    ]
    insert_all(connection, incident_faint, fresh)
    known = [
        {
            "row_n": one.counted.n,
            "count": one.counted.count,
            "first_ns": one.counted.first_ns,
            "last_ns": one.counted.last_ns,
        }
        for one, new in fold.faint
        if not new
    ]
    update_all(connection, incident_faint, ("count", "first_ns", "last_ns"), known)


def _write_steps(transaction: Transaction, fold: Fold, now: int) -> int:
    if not fold.steps:
        return fold.seen
    connection = transaction.connection
    incidents = {one.n: one.incident for one in (*fold.changed, *fold.opened)}
    steps = [
        {
            "n": n,
            "incident": one.incident,
            "at": now,
            "actor": CORRELATOR,
            "what": one.what,
            "was": clean(one.before, 300),
            "became": clean(one.after, 300),
            "note": clean(one.note, 1_000),
        }
        for n, one in enumerate(fold.steps, fold.seen + 1)
    ]
    insert_all(connection, incident_change, steps)
    states = [
        {"row_n": one.incident, "new_state": one.after} for one in fold.steps if one.what == "state"
    ]
    if states:
        change = update(incident).where(i.n == bindparam("row_n"))
        connection.execute(change.values(state=bindparam("new_state")), states)
    for number, one in enumerate(fold.steps):
        it = incidents[one.incident]
        if one.what in ("opened", "raised", "state"):
            _audited(transaction, it, one.what, one.before, one.after)
        if number < MOST_TOLD:
            _told(transaction, it, one.what, one.before, one.after)
    if len(fold.steps) > MOST_TOLD:
        more = {"what": "many", "count": len(fold.steps) - MOST_TOLD}
        transaction.tell(Notice(topic="incident", data=more))
    return fold.seen + len(fold.steps)


def _audited(transaction: Transaction, it: Incident, what: str, was: str, became: str) -> None:
    transaction.audit(
        AuditEntry(
            at=transaction.now,
            actor=CORRELATOR,
            action=f"incident.{what}",
            object=it.id,
            cluster=it.cluster,
            namespace=it.namespace,
            detail={"before": was, "after": became, "resource": it.resource, "title": it.title},
        )
    )


def _told(transaction: Transaction, it: Incident, what: str, was: str, became: str) -> None:
    data = {"id": it.id, "what": what, "before": was, "after": became, "by": CORRELATOR}
    data |= {"level": it.level.word, "title": it.title}
    transaction.tell(
        Notice(topic="incident", cluster=it.cluster, namespace=it.namespace, data=data)
    )


def _move(connection: Connection, fold: Fold, now: int) -> None:
    c = incident_cursor.c
    place = {"epoch": fold.epoch, "seq": fold.seq, "at": now}
    mine = update(incident_cursor).where(c.name == DETECTIONS).values(place)
    if not connection.execute(mine).rowcount:
        connection.execute(insert(incident_cursor), {"name": DETECTIONS, **place})


def forget(connection: Connection, closed_before_us: int) -> int:
    """Remove incidents that were closed before then, with all their rows; how many."""
    old = select(i.n).where(i.closed_flag == 1, i.closed < closed_before_us).limit(20_000)
    numbers = list(connection.execute(old).scalars())
    newest = connection.execute(select(func.max(i.n))).scalar()
    step = connection.execute(select(func.max(incident_change.c.n))).scalar()
    numbers = [n for n in numbers if n != newest]  # numbers are never given twice
    for part in parts(numbers, 500):
        c = incident_change.c
        connection.execute(delete(incident_detection).where(d.incident.in_(part)))
        connection.execute(delete(incident_change).where(c.incident.in_(part), c.n != step))
        connection.execute(delete(incident).where(i.n.in_(part)))
    return len(numbers)
