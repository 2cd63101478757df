"""Findings of stored SBOMs after advisories changed: the life of a finding as a push makes it, for
many repositories in one transaction.

Only what is named is touched: a finding that is seen (it opens, comes back or is told anew) or one
that is over. Whether it still is what its judge saw is looked at here: a push may have come in
between, and then its SBOM is judged another time.
"""

from __future__ import annotations

import datetime as dt
import time
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, select

from haechi.model.finding import DEPENDENCIES
from haechi.model.push import PushedRule
from haechi.store.records import Life, Notice
from haechi.store.state.acceptance import Acceptances, Waived
from haechi.store.state.advisories import counted
from haechi.store.state.bills import marked, still_current
from haechi.store.state.bulk import next_number, parts
from haechi.store.state.dependency_tables import bill
from haechi.store.state.engine import Database, Transaction
from haechi.store.state.history import Step
from haechi.store.state.proposals import Ended, Proposed, settle
from haechi.store.state.pushed import Pushed, Seen
from haechi.store.state.reconcile import KNOWN, Batch, Reconciler, finding_id
from haechi.store.state.rows import to_day_text
from haechi.store.state.rule_texts import keep_rules
from haechi.store.state.schema import finding as f
from haechi.store.state.times import to_us
from haechi.store.state.waiver_rows import active_waivers

ACTOR = "advisories:"
"""How the name of whoever opens and closes findings here begins; the generation follows."""
_NOTES = {
    "seen": "opened by advisory import",
    "reopened": "opened again by advisory import",
    "fixed": "the advisory was withdrawn or no longer names this version",
    "severity": "the advisory was rated anew",
}
_FEW = 5


class Rejudged(msgspec.Struct, frozen=True, kw_only=True):
    """One SBOM judged again: ``seen`` is known against it now, ``over`` are fingerprints of what
    no longer is. One with many findings comes in pieces, from the ``first`` to the ``last``."""

    bill: int
    cluster: str
    source: str
    ref: str
    seen: Sequence[Seen] = ()
    over: Sequence[str] = ()
    proposed: Sequence[Proposed] = ()
    ended: Sequence[Ended] = ()
    first: bool = True
    last: bool = True

    @property
    def target(self) -> Pushed:
        """What the life of a finding is told of."""
        return Pushed(
            source=self.source,
            ref=self.ref,
            cluster=self.cluster,
            default=True,
            commit="",
            pipeline="",
            domains=frozenset({"deps"}),
            folder="",
            tree=True,
            history="none",
            scope="{}",
            coverage="{}",
            risks="[]",
            gaps=0,
            answer="",
            version="",
            started=None,
            duration_s=0.0,
            findings=list(self.seen),
        )


class Generation(msgspec.Struct, frozen=True):
    """The database of advisories that judged."""

    identity: str
    number: int


class Done(msgspec.Struct, frozen=True):
    """What became of findings, and how long that held the writer."""

    changes: dict[str, int]
    seconds: float


def rejudge(
    database: Database,
    judged: Sequence[Rejudged],
    generation: Generation,
    *,
    rules: Sequence[PushedRule] = (),
    waived: Waived,
    today: dt.date,
) -> Done:
    """Write what became of some SBOMs; counts of findings by change."""

    def work(transaction: Transaction) -> Done:
        began = time.perf_counter()
        connection = transaction.connection
        current = still_current(connection, [one.bill for one in judged])
        held = [one for one in judged if one.bill in current]
        changes, retold = _findings(transaction, held, generation, waived, today)
        if rules:
            keep_rules(connection, rules, to_us(transaction.now))
        by = f"{ACTOR}{generation.number}"
        proposed = [each for one in held for each in one.proposed]
        ended = [each for one in held for each in one.ended]
        proposals = settle(transaction, proposed, ended, by=by) if proposed or ended else {}
        whole = [one.bill for one in held if one.last]
        marked(transaction, whole, generation.identity, generation.number)
        counts = {
            "sboms": len(whole),
            "affected": sum(1 for one in held if one.first and one.seen),
            "opened": changes["new"] + changes["reopened"],
            "fixed": changes["fixed"],
        }
        counted(connection, generation.identity, generation.number, counts)
        _tell(transaction, held, bool(news(changes) or retold), proposals)
        return Done(dict(changes), time.perf_counter() - began)

    return database.write(work)


def known_at(
    connection: Connection, bill_id: str, target: tuple[str, str, str], paths: Collection[str]
) -> tuple[int | None, list[str]]:
    """The number of a bill while it is current, and fingerprints of what is open or accepted in
    these files."""
    cluster, source, ref = target
    number = connection.execute(
        select(bill.c.n).where(bill.c.id == bill_id, bill.c.is_current == 1)
    ).scalar()
    ask = select(f.c.fingerprint).where(
        *(f.c.cluster == cluster, f.c.source == source, f.c.ref == ref),
        *(f.c.path.in_(list(paths)), f.c.domain == DEPENDENCIES, f.c.live == 1),
    )
    return number, list(connection.execute(ask).scalars())


def _findings(
    transaction: Transaction,
    held: Sequence[Rejudged],
    generation: Generation,
    waived: Waived,
    today: dt.date,
) -> tuple[Counter[str], int]:
    """Counts by change, and how many were told anew."""
    connection = transaction.connection
    known = _known(connection, held)
    acceptances = Acceptances(active_waivers(connection, today), waived)
    batch = Batch()
    changes: Counter[str] = Counter()
    number = next_number(connection, f)
    writer: _Life | None = None
    for one in held:
        if not one.seen and not one.over:
            continue
        pushed = one.target
        wanted = {finding_id(pushed, each.fingerprint) for each in one.seen}
        wanted |= {finding_id(pushed, each) for each in one.over}
        writer = _Life(
            connection,
            pushed,
            acceptances,
            scan=f"{ACTOR}{generation.number}",
            at=to_us(transaction.now),
            today=to_day_text(today),
            number=number,
        )
        number = writer.judge(
            {known[id_].fingerprint: known[id_] for id_ in wanted if id_ in known},
            frozenset(one.over),
            batch,
        )
        changes.update(writer.changes)
    retold = len(batch.updates)
    if writer is not None:
        writer.flush(batch)
    return changes, retold


def _known(connection: Connection, held: Sequence[Rejudged]) -> dict[str, Any]:
    ids: list[str] = []
    for one in held:
        pushed = one.target
        ids += [finding_id(pushed, each.fingerprint) for each in one.seen]
        ids += [finding_id(pushed, each) for each in one.over]
    found: dict[str, Any] = {}
    columns = [f.c[name] for name in (*KNOWN, "id", "scan")]
    for some in parts(ids, 500):
        found.update(
            {row.id: row for row in connection.execute(select(*columns).where(f.c.id.in_(some)))}
        )
    return found


class _Life(Reconciler):
    """The reconciler of one repository that writes into a batch of many."""

    def __init__(self, *args: Any, scan: str, at: int, today: str, number: int) -> None:
        super().__init__(*args, scan=scan, at=at, today=today, number=number)
        self._actor = scan

    @property
    def changes(self) -> Counter[str]:
        """What became of them."""
        return self._outcome.changes

    def judge(self, known: Mapping[str, Any], over: frozenset[str], batch: Batch) -> int:
        """Take part in the batch; the number of the next new finding."""
        for seen in self._pushed.findings:
            row = known.get(seen.fingerprint)
            if row is None:
                self._new(seen, batch)
            else:
                self._told_anew(seen, row, batch)
        closed = [
            row.n
            for fingerprint, row in known.items()
            if fingerprint in over and row.state != Life.FIXED
        ]
        if closed:
            self._missing(closed, lambda _: True)
        return self._next

    def _told_anew(self, seen: Seen, row: Any, batch: Batch) -> None:
        """As by a scan, but that the scan which saw it last stays named, and that what did not
        change is left alone."""
        untouched = len(batch.unchanged)
        updates = len(batch.updates)
        self._again(seen, row, batch)
        del batch.unchanged[untouched:]
        for one in batch.updates[updates:]:
            one["scan"] = row.scan

    def flush(self, batch: Batch) -> None:
        """Write the batch."""
        self._write(batch)

    def _step(self, n: int, what: str, was: str, became: str, note: str = "") -> Step:
        return super()._step(n, what, was, became, note or _NOTES.get(what, ""))


def news(changes: Mapping[str, int]) -> int:
    """How many findings came or went."""
    return sum(changes.get(what, 0) for what in ("new", "reopened", "fixed"))


def _tell(
    transaction: Transaction,
    held: Sequence[Rejudged],
    moved: bool,
    proposals: Mapping[str, int],
) -> None:
    """One notice for each repository while they are few, else one for each cluster."""
    concerned = [one for one in held if one.seen or one.over]
    clusters = dict.fromkeys(one.cluster for one in concerned)
    if moved and len(concerned) <= _FEW:
        for one in concerned:
            data = {"source": one.source, "ref": one.ref, "default": True, "by": "advisories"}
            transaction.tell(Notice(topic="finding", cluster=one.cluster, data=data))
    elif moved:
        for cluster in clusters:
            data = {"default": True, "by": "advisories"}
            transaction.tell(Notice(topic="finding", cluster=cluster, data=data))
    if proposals:
        for cluster in dict.fromkeys(one.cluster for one in held):
            transaction.tell(Notice(topic="proposal", cluster=cluster, data={"what": "changed"}))
