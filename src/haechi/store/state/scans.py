"""Scans: what a push brings, in one transaction, and the runs that were."""

from __future__ import annotations

import datetime as dt
import secrets
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Connection, func, insert, select, update

from haechi.errors import NotFound
from haechi.model.access import Reach
from haechi.model.push import Push, PushedRule
from haechi.model.severity import Severity
from haechi.store.records import (
    AuditEntry,
    Life,
    Notice,
    Page,
    ScanRun,
    StoredFinding,
)
from haechi.store.state.acceptance import Acceptances, Waived
from haechi.store.state.bulk import next_number
from haechi.store.state.cursor import read_cursor, write_cursor
from haechi.store.state.engine import Database, Transaction
from haechi.store.state.plain import clean, from_json, to_json
from haechi.store.state.pushed import Pushed, take
from haechi.store.state.reach import reached
from haechi.store.state.recent import branches_changed
from haechi.store.state.reconcile import Outcome, Reconciler, settle_default
from haechi.store.state.retention import trim_runs
from haechi.store.state.rows import SEVERITIES, to_day_text
from haechi.store.state.rule_texts import keep_rules, known_rules
from haechi.store.state.schema import edge, resource, scan_run, source
from haechi.store.state.schema import finding as f
from haechi.store.state.things import store_things, take_things
from haechi.store.state.times import from_us, to_us
from haechi.store.state.waiver_rows import active_waivers

_MOST = 500
_MOST_PLACES = 200
s = scan_run.c


class Scans:
    """All reads narrow to ``within``: a run belongs to its cluster and to no namespace."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def receive(
        self,
        push: Push,
        *,
        by: str,
        covered: Callable[[StoredFinding], bool],
        waived: Waived,
        today: dt.date,
        also: Callable[[Transaction, str], None] | None = None,
    ) -> ScanRun:
        """Take a push; it is kept whole or not at all. ``also`` is done with it, in the same
        transaction, and given the scan's id. InputError, LimitExceeded: what is wrong and
        where."""
        pushed = take(push)
        things = take_things(push, pushed)

        def work(transaction: Transaction) -> ScanRun:
            connection, at = transaction.connection, to_us(transaction.now)
            id_ = secrets.token_hex(10)
            if settle_default(connection, f, pushed):
                branches_changed(connection)
            for table in (resource, edge, scan_run):
                settle_default(connection, table, pushed)
            active = active_waivers(connection, today)
            acceptances = Acceptances(active, waived)
            reconciler = Reconciler(
                connection, pushed, acceptances, scan=id_, at=at, today=to_day_text(today)
            )
            outcome = reconciler.run(covered)
            store_things(connection, things, pushed, at)
            keep_rules(connection, push.rules, at)
            run = _run(connection, pushed, outcome, id_, by, at)
            _heard(connection, pushed, at)
            if also is not None:
                also(transaction, id_)
            trim_runs(connection, pushed.cluster, pushed.source, pushed.ref)
            _announce(transaction, run, outcome)
            return run

        return self._database.write(work)

    def page(
        self,
        *,
        within: tuple[Reach, ...],
        source: str = "",
        limit: int = 50,
        cursor: str | None = None,
    ) -> Page[ScanRun]:
        """Newest first."""
        limit = max(1, min(limit, _MOST))
        question = ["scans", within, source]
        ask = select(scan_run).where(reached(within, s.cluster))
        if source:
            ask = ask.where(s.source == source)
        if cursor is not None:
            (after,) = read_cursor(question, cursor, (int,))
            ask = ask.where(s.n < after)
        with self._database.read() as connection:
            rows = connection.execute(ask.order_by(s.n.desc()).limit(limit + 1)).all()
        following = write_cursor(question, [rows[limit - 1].n]) if len(rows) > limit else None
        return Page(items=[_record(row) for row in rows[:limit]], next=following)

    def count(self, since: dt.datetime, *, within: tuple[Reach, ...]) -> int:
        """How many came since then."""
        ask = select(func.count()).where(s.received >= to_us(since), reached(within, s.cluster))
        with self._database.read() as connection:
            return int(connection.execute(ask).scalar_one())

    def detail(self, id: str, *, within: tuple[Reach, ...]) -> ScanRun:
        """One run; NotFound when there is none within reach."""
        ask = select(scan_run).where(s.id == id, reached(within, s.cluster))
        with self._database.read() as connection:
            row = connection.execute(ask).one_or_none()
        if row is None:
            raise NotFound(f"there is no scan {clean(id, 80)!r}", do="list the scans")
        return _record(row)

    def latest(self, *, within: tuple[Reach, ...]) -> list[ScanRun]:
        """The newest of each (source, branch) that counts."""
        newest = (
            select(func.max(s.n))
            .where(s.is_default == 1, reached(within, s.cluster))
            .group_by(s.cluster, s.source, s.ref)
        )
        ask = select(scan_run).where(s.n.in_(newest)).order_by(s.n.desc())
        with self._database.read() as connection:
            return [_record(row) for row in connection.execute(ask)]

    def rules(self) -> dict[str, PushedRule]:
        """Words of rules that pushes brought, newest."""
        with self._database.read() as connection:
            return known_rules(connection)


def open_counts(connection: Connection, cluster: str, source_: str, ref: str) -> dict[str, int]:
    """Open findings of a target by severity; waived ones do not count."""
    ask = (
        select(f.c.severity, func.count())
        .where(f.c.cluster == cluster, f.c.source == source_, f.c.ref == ref)
        .where(f.c.state.in_((Life.OPEN.value, Life.REOPENED.value)))
        .group_by(f.c.severity)
    )
    counts = dict.fromkeys((severity.value for severity in Severity), 0)
    for rank, count in connection.execute(ask):
        counts[SEVERITIES[rank].value] = count
    return counts


def _run(
    connection: Connection, pushed: Pushed, outcome: Outcome, id_: str, by: str, at: int
) -> ScanRun:
    counts = open_counts(connection, pushed.cluster, pushed.source, pushed.ref)
    names = ("new", "fixed", "reopened", "unchanged", "out_of_scope")
    row = {
        "n": next_number(connection, scan_run),
        "id": id_,
        "cluster": pushed.cluster,
        "source": pushed.source,
        "ref": pushed.ref,
        "is_default": int(pushed.default),
        "commit_id": pushed.commit,
        "started": to_us(pushed.started) if pushed.started else at,
        "received": at,
        "duration_ms": round(pushed.duration_s * 1000),
        "actor": by,
        "pipeline": pushed.pipeline,
        "scope": pushed.scope,
        "coverage": pushed.coverage,
        "counts": to_json(counts),
        "changes": to_json({name: outcome.changes[name] for name in names}),
        "risks": pushed.risks,
        "answer": pushed.answer,
        "version": pushed.version,
    }
    connection.execute(insert(scan_run), row)
    return _record(connection.execute(select(scan_run).where(s.n == row["n"])).one())


def _record(row: Any) -> ScanRun:
    return ScanRun(
        id=row.id,
        source=row.source,
        ref=row.ref,
        default=bool(row.is_default),
        cluster=row.cluster,
        commit=row.commit_id,
        started=from_us(row.started),
        received=from_us(row.received),
        duration_s=row.duration_ms / 1000,
        by=row.actor,
        pipeline=row.pipeline,
        scope=from_json(row.scope),
        coverage=from_json(row.coverage),
        counts=from_json(row.counts),
        changes=from_json(row.changes),
        risks=_risks(row.risks),
        answer=row.answer,
        version=row.version,
    )


def _risks(encoded: str) -> list[dict[str, Any]]:
    """Too long ones were replaced by a note, which is no list."""
    risks = from_json(encoded)
    return risks if isinstance(risks, list) else []


def _heard(connection: Connection, pushed: Pushed, at: int) -> None:
    """The repository as a source; its branch that counts says how much was not evaluated."""
    named = (source.c.cluster == pushed.cluster) & (source.c.id == pushed.source)
    known = connection.execute(select(source.c.detail).where(named)).scalar()
    if known is not None and not pushed.default:
        return
    values = {
        "kind": "repository",
        "name": pushed.source.removeprefix("repo:"),
        "last_seen": at,
        "gaps": pushed.gaps,
        "detail": to_json({"ref": pushed.ref, "commit": pushed.commit, "cluster": pushed.cluster}),
    }
    if known is None:
        row = {"cluster": pushed.cluster, "id": pushed.source, **values}
        connection.execute(insert(source), row)
    else:
        connection.execute(update(source).where(named).values(**values))


def _announce(transaction: Transaction, run: ScanRun, outcome: Outcome) -> None:
    detail = {
        "source": run.source,
        "ref": run.ref,
        "commit": run.commit,
        "changes": run.changes,
        "answer": run.answer,
    }
    entry = AuditEntry(
        at=transaction.now,
        actor=run.by,
        action="scan.push",
        object=run.id,
        cluster=run.cluster,
        detail=detail,
    )
    transaction.audit(entry)
    told = {"id": run.id, **detail, "counts": run.counts}
    transaction.tell(Notice(topic="scan", cluster=run.cluster, data=told))
    for namespace, counts in _changed_places(outcome):
        data = {"source": run.source, "ref": run.ref, "default": run.default, **counts}
        transaction.tell(
            Notice(topic="finding", cluster=run.cluster, namespace=namespace, data=data)
        )


def _changed_places(outcome: Outcome) -> Sequence[tuple[str, dict[str, int]]]:
    """Where something changed, the most first; a bounded number."""
    changed = [
        (namespace, {what: count for what, count in counts.items() if what != "unchanged"})
        for namespace, counts in outcome.places.items()
    ]
    found = [(namespace, counts) for namespace, counts in changed if counts]
    return sorted(found, key=lambda pair: -sum(pair[1].values()))[:_MOST_PLACES]
