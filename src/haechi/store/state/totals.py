"""Totals over everything, for metrics: no reach, because no name of a thing is in them."""

from __future__ import annotations

import datetime as dt

from sqlalchemy import Connection, case, func, select

from haechi.model.finding import DEPENDENCIES
from haechi.model.severity import Severity
from haechi.store.records import Life, Record
from haechi.store.state.filters import overdue
from haechi.store.state.rows import SEVERITIES
from haechi.store.state.schema import finding as f


class Total(Record, frozen=True, kw_only=True):
    """Findings of the branches that count, with one severity in one state."""

    severity: Severity
    state: str
    count: int
    overdue: int


def vulnerabilities(connection: Connection) -> dict[Severity, int]:
    """Open findings about packages, of the branches that count, by severity."""
    query = (
        select(f.c.severity, func.count())
        .where(f.c.is_default == 1, f.c.live == 1, f.c.domain == DEPENDENCIES)
        .where(f.c.state.in_((Life.OPEN.value, Life.REOPENED.value)))
        .group_by(f.c.severity)
    )
    return {SEVERITIES[rank]: count for rank, count in connection.execute(query)}


def totals(connection: Connection, today: dt.date) -> list[Total]:
    """One row for each severity and state that occurs."""
    late = func.sum(case((overdue(today), 1), else_=0))
    query = (
        select(f.c.severity, f.c.state, func.count(), late)
        .where(f.c.is_default == 1)
        .group_by(f.c.severity, f.c.state)
    )
    return [
        Total(severity=SEVERITIES[rank], state=state, count=count, overdue=int(number))
        for rank, state, count, number in connection.execute(query)
    ]
