"""How it stood a while ago, told from the history of findings.

Replaying backwards: whatever changed since then was, before its first change, what that change
says it was; everything else was what it is now.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Select, and_, case, func, select

from haechi.model.access import Reach
from haechi.model.severity import Severity
from haechi.server.work.lookup import standing
from haechi.store.records import Life
from haechi.store.state.reach import reached
from haechi.store.state.schema import finding, finding_change, scan_run
from haechi.store.state.state import State
from haechi.store.state.times import to_us

_OPEN = (Life.OPEN.value, Life.REOPENED.value)
_STATES = ("seen", "fixed", "reopened", "waived", "unwaived")
_SEVERITIES = tuple(Severity)


class Before(msgspec.Struct, frozen=True, kw_only=True):
    """The figures of then; ``overdue`` by the date of then."""

    open: dict[Severity, int]
    overdue: int
    waived: int


def stood(state: State, then: dt.datetime, *, within: tuple[Reach, ...]) -> Before | None:
    """How it stood then; None when the store has no scan from before."""
    first = select(func.min(scan_run.c.received)).where(scan_run.c.received < to_us(then))
    with state.read() as connection:
        if connection.execute(first).scalar() is None:
            return None
        rows = connection.execute(_changed(then, within)).all()
    now = standing(state, within=within, today=then.date())
    more = {_SEVERITIES[row.severity]: row.open for row in rows}
    return Before(
        open={one: now.open.get(one, 0) + more.get(one, 0) for one in _SEVERITIES},
        overdue=now.overdue + sum(row.overdue for row in rows),
        waived=now.waived + sum(row.waived for row in rows),
    )


def _changed(then: dt.datetime, within: tuple[Reach, ...]) -> Select[Any]:
    """By severity: how many more were open, overdue (by the date of then) and waived."""
    c = finding_change.c
    since = (
        select(c.finding, func.min(c.n).label("n"))
        .where(c.at >= to_us(then), c.what.in_(_STATES))
        .group_by(c.finding)
        .subquery()
    )
    late = finding.c.due < then.date().isoformat()
    was_open, is_open = c.was.in_(_OPEN), finding.c.state.in_(_OPEN)
    waived = Life.WAIVED.value
    return (
        select(
            finding.c.severity,
            _more(was_open, is_open).label("open"),
            _more(and_(was_open, late), and_(is_open, late)).label("overdue"),
            _more(c.was == waived, finding.c.state == waived).label("waived"),
        )
        .select_from(since)
        .join(finding_change, c.n == since.c.n)
        .join(finding, finding.c.n == since.c.finding)
        .where(finding.c.is_default == 1, reached(within, finding.c.cluster, finding.c.namespace))
        .group_by(finding.c.severity)
    )


def _more(was: ColumnElement[bool], now: ColumnElement[bool]) -> ColumnElement[int]:
    return func.sum(case((was, 1), else_=0) - case((now, 1), else_=0))
