"""What is forgotten: scans beyond the newest 200 of a branch, the words of all but the newest
twenty, history and fixed findings after a year, branches that do not count after a month,
streams of events that were not heard for three months, incidents a year after they were closed.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from sqlalchemy import Connection, delete, func, select, update

from haechi.store.records import Life
from haechi.store.state import incidents_fold
from haechi.store.state.schema import attribute as a
from haechi.store.state.schema import audit, edge, finding_change, resource, scan_run
from haechi.store.state.schema import finding as f
from haechi.store.state.schema import source as source_table
from haechi.store.state.times import to_us

KEEP_RUNS = 200
KEEP_WORDS = 20
KEEP_FIXED = dt.timedelta(days=365)
KEEP_HISTORY = dt.timedelta(days=365)
KEEP_BRANCHES = dt.timedelta(days=30)
KEEP_AUDIT = dt.timedelta(days=90)
KEEP_SILENT = dt.timedelta(days=90)
KEEP_INCIDENTS = dt.timedelta(days=365)
_LIFE = ("seen", "fixed", "reopened", "waived", "unwaived")


def trim_runs(connection: Connection, cluster: str, source: str, ref: str) -> None:
    """Of one branch, after a new run."""
    s = scan_run.c
    target = (s.cluster == cluster) & (s.source == source) & (s.ref == ref)
    newest = select(s.n).where(target).order_by(s.n.desc())
    plain = connection.execute(newest.offset(KEEP_WORDS).limit(1)).scalar()
    if plain is not None:
        heavy = (s.n <= plain) & ((s.coverage != "{}") | (s.risks != "[]"))
        connection.execute(update(scan_run).where(target, heavy).values(coverage="{}", risks="[]"))
    last = connection.execute(newest.offset(KEEP_RUNS).limit(1)).scalar()
    if last is not None:
        connection.execute(delete(scan_run).where(target, s.n <= last))


def forget(connection: Connection, now: dt.datetime) -> dict[str, int]:
    """All that is over its time; how many rows of each kind went."""
    gone = {
        "fixed": delete(f).where(
            f.c.state == Life.FIXED.value, f.c.fixed_at < to_us(now - KEEP_FIXED)
        ),
        "history": _old_history(now),
        "audit": delete(audit).where(
            audit.c.seq.is_not(None), audit.c.at < to_us(now - KEEP_AUDIT)
        ),
        "streams": delete(source_table).where(
            source_table.c.kind == "events", source_table.c.last_seen < to_us(now - KEEP_SILENT)
        ),
    }
    counts = {name: connection.execute(how).rowcount for name, how in gone.items()}
    counts["incidents"] = incidents_fold.forget(connection, to_us(now - KEEP_INCIDENTS))
    return {**counts, "branches": _branches(connection, now)}


def _old_history(now: dt.datetime) -> Any:
    """Old steps, but for the newest of each finding's life: the rest still replays to it."""
    c = finding_change.c
    newest = select(func.max(c.n)).where(c.what.in_(_LIFE)).group_by(c.finding)
    return delete(finding_change).where(c.at < to_us(now - KEEP_HISTORY), c.n.not_in(newest))


def _branches(connection: Connection, now: dt.datetime) -> int:
    """Branches that do not count and were not looked at for a month: merged, mostly."""
    s = scan_run.c
    ask = (
        select(s.cluster, s.source, s.ref)
        .where(s.is_default == 0)
        .group_by(s.cluster, s.source, s.ref)
        .having(func.max(s.received) < to_us(now - KEEP_BRANCHES))
    )
    stale = connection.execute(ask).all()
    for cluster, source, ref in stale:
        for table in (f, resource, a, edge, scan_run):
            c = table.c
            target = (c.cluster == cluster) & (c.source == source) & (c.ref == ref)
            connection.execute(delete(table).where(target))
    return len(stale)
