"""The questions that the first screen and the list of rules ask the store, each one query that an
index answers: they are asked by every open page after every commit.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, and_, case, func, select

from haechi.model.access import Reach
from haechi.model.severity import Severity
from haechi.store.records import Life, StoredFinding
from haechi.store.state.plain import to_json
from haechi.store.state.reach import reached
from haechi.store.state.rows import LISTED, SEVERITIES, to_day_text, to_finding
from haechi.store.state.schema import DEAD, finding, finding_change
from haechi.store.state.state import State
from haechi.store.state.times import to_us

Within = tuple[Reach, ...]
Target = tuple[str, str, str]
"""(cluster, source, branch)"""

_OPEN = (Life.OPEN.value, Life.REOPENED.value)
_KEYS, _FEW = 5_000, 50
f, change = finding.c, finding_change.c


class Late(msgspec.Struct, frozen=True, kw_only=True):
    """The overdue findings of one owner ("" is nobody)."""

    owner: str
    count: int
    worst: Severity


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """How it stands: open findings by severity, waived ones, overdue ones by owner."""

    open: dict[Severity, int]
    waived: int
    late: list[Late]

    @property
    def overdue(self) -> int:
        return sum(one.count for one in self.late)


class Dead(msgspec.Struct, frozen=True, kw_only=True):
    """What one rule found of protections that cannot work; ``findings`` are the first of them."""

    rule: str
    count: int
    findings: list[StoredFinding]


class RuleCount(msgspec.Struct, frozen=True, kw_only=True):
    """What one rule found."""

    open: int = 0
    waived: int = 0
    worst: Severity = Severity.INFO


def standing(state: State, *, within: Within, today: dt.date) -> Standing:
    """One walk over an index that holds all that is counted."""
    late = case((_late(today), 1), else_=0)
    query = (
        select(f.state, f.severity, f.owner, func.count(), func.sum(late))
        .where(_counting(within))
        .group_by(f.state, f.severity, f.owner)
    )
    open_: dict[Severity, int] = {}
    owners: dict[str, tuple[int, int]] = {}
    waived = 0
    with state.read() as connection:
        for life, rank, owner, count, overdue in connection.execute(query):
            if life == Life.WAIVED:
                waived += count
                continue
            severity = SEVERITIES[rank]
            open_[severity] = open_.get(severity, 0) + count
            if overdue:
                before, worst = owners.get(owner, (0, rank))
                owners[owner] = (before + overdue, min(worst, rank))
    lates = [Late(owner=o, count=n, worst=SEVERITIES[rank]) for o, (n, rank) in owners.items()]
    lates.sort(key=lambda one: (one.worst.rank, -one.count, one.owner))
    return Standing(open=open_, waived=waived, late=lates)


def overdue_of(
    state: State, owner: str, *, within: Within, today: dt.date, most: int
) -> list[StoredFinding]:
    """The overdue findings of an owner, longest overdue first."""
    where = and_(_counting(within), _late(today), f.owner == owner)
    return _listed(state, where, (f.due, f.severity, f.n), today, most)


def known(
    state: State, asked: Iterable[tuple[Target, str]], *, within: Within, today: dt.date
) -> dict[tuple[Target, str], StoredFinding]:
    """Findings by their target and fingerprint, whatever became of them.

    The keys go as one JSON text and are looked up one by one in the index of all four columns.
    """
    keys = [[*target, fingerprint] for target, fingerprint in dict.fromkeys(asked)]
    found: dict[tuple[Target, str], StoredFinding] = {}
    for start in range(0, len(keys), _KEYS):
        one = func.json_each(to_json(keys[start : start + _KEYS])).table_valued("value")
        parts = (f.cluster, f.source, f.ref, f.fingerprint)
        where = and_(
            *(part == func.json_extract(one.c.value, f"$[{n}]") for n, part in enumerate(parts)),
            f.is_default + 0 == 1,  # as a sum it is no reason to walk over all that count
            reached(within, f.cluster, f.namespace),
        )
        for row in _listed(state, where, (), today, _KEYS):
            found[(row.cluster, row.source, row.ref), row.fingerprint] = row
    return found


def dead_controls(
    state: State, rules: Collection[str], *, within: Within, today: dt.date, most: int
) -> list[Dead]:
    """Open findings of protections that cannot work, of the ``most`` worst of these rules; a few
    of each."""
    where = and_(
        DEAD,
        # The sum keeps SQLite from walking over all open findings instead of these.
        f.is_default + f.live == 2,
        reached(within, f.cluster, f.namespace),
        f.state.in_(_OPEN),
    )
    query = select(f.rule, func.count(), func.min(f.severity)).where(where).group_by(f.rule)
    with state.read() as connection:
        groups = [row for row in connection.execute(query) if row[0] in rules]
    groups = sorted(groups, key=lambda row: (row[2], -row[1], row[0]))[:most]
    return [
        Dead(
            rule=rule,
            count=count,
            findings=_listed(state, and_(f.rule == rule, where), (f.severity, f.n), today, _FEW),
        )
        for rule, count, _ in groups
    ]


def newest(
    state: State, since: dt.datetime, *, within: Within, today: dt.date, among: int, most: int
) -> list[StoredFinding]:
    """The worst open findings among the newest of those that were first seen, or came back, since
    then."""
    came = (
        select(change.finding)
        .where(change.at >= to_us(since), change.what.in_(("seen", "reopened")))
        .order_by(change.at.desc())
        .limit(among)
        .subquery()
    )
    where = and_(
        f.n.in_(select(came.c.finding)),
        # As sums they are no reason to walk over all open findings.
        f.is_default + f.live == 2,
        reached(within, f.cluster, f.namespace),
        f.state.in_(_OPEN),
    )
    return _listed(state, where, (f.severity, f.n.desc()), today, most)


def rule_counts(state: State, *, within: Within) -> dict[str, RuleCount]:
    """Open and waived findings by rule."""
    query = (
        select(f.rule, f.state, func.count(), func.min(f.severity))
        .where(_counting(within))
        .group_by(f.rule, f.state)
    )
    found: dict[str, RuleCount] = {}
    with state.read() as connection:
        for rule, life, count, rank in connection.execute(query):
            before = found.get(rule, RuleCount())
            waived = count if life == Life.WAIVED else 0
            found[rule] = RuleCount(
                open=before.open + count - waived,
                waived=before.waived + waived,
                worst=min(before.worst, SEVERITIES[rank], key=lambda one: one.rank),
            )
    return found


def titles(state: State, rules: Collection[str], *, within: Within) -> dict[str, str]:
    """What findings say of rules that nothing else has words for."""
    if not rules:
        return {}
    query = (
        select(f.rule, func.max(f.title))
        .where(_counting(within), f.rule.in_(sorted(rules)))
        .group_by(f.rule)
    )
    with state.read() as connection:
        return {row[0]: row[1] for row in connection.execute(query)}


def _counting(within: Within) -> ColumnElement[bool]:
    """Not fixed, on a branch that counts, within reach."""
    return and_(f.is_default == 1, f.live == 1, reached(within, f.cluster, f.namespace))


def _late(day: dt.date) -> ColumnElement[bool]:
    return and_(f.due < day.isoformat(), f.state.in_(_OPEN))


def _listed(
    state: State,
    where: ColumnElement[bool],
    order: Sequence[ColumnElement[Any]],
    today: dt.date,
    most: int,
) -> list[StoredFinding]:
    query = select(*LISTED).where(where).order_by(*order).limit(most)
    day = to_day_text(today)
    with state.read() as connection:
        return [to_finding(row, day) for row in connection.execute(query)]
