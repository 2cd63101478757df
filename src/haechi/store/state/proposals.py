"""Proposals: an upgrade for each package of a file with something known against it.

They follow the findings: whoever changes those (a push, an import of advisories) says what is
proposed now, and what was proposed before becomes taken or obsolete. A dismissed one stays so
until there is more to clear than was dismissed.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from sqlalchemy import Connection, func, insert, literal, select, tuple_, update

from haechi.errors import Conflict, NotFound
from haechi.model.access import NONE, Reach
from haechi.model.finding import DEPENDENCIES
from haechi.store.dependency_records import Proposal, ProposalState, ProposedFix, ProposedUpgrade
from haechi.store.records import AuditEntry, Life, Notice, Page
from haechi.store.state.bills import still_current
from haechi.store.state.bulk import next_number, parts, update_all
from haechi.store.state.dependency_tables import bill, proposal
from haechi.store.state.engine import Database, Transaction
from haechi.store.state.plain import clean, from_json, to_json
from haechi.store.state.reach import reached
from haechi.store.state.rows import SEVERITIES
from haechi.store.state.schema import finding as f
from haechi.store.state.schema import finding_change
from haechi.store.state.times import from_us, to_us

p, b, h = proposal.c, bill.c, finding_change.c
Target = tuple[str, str, str]
"""Cluster, source, branch."""
_SAID = ("versions", "target", "upgrades", "direct", "via", "development", "severity", "fixes")
_CHANGED = (*_SAID, "state", "opened", "changed", "reason", "actor")
_fixes = msgspec.json.Decoder(list[ProposedFix])
_upgrades = msgspec.json.Decoder(list[ProposedUpgrade])
_DIRECT = {False: 0, True: 1, None: 2}
_TOLD = {0: False, 1: True, 2: None}


class Proposed(msgspec.Struct, frozen=True, kw_only=True):
    """What is proposed for one package of one file; see ``dependency_records.Proposal``."""

    cluster: str
    source: str
    ref: str
    path: str
    ecosystem: str
    package: str
    versions: tuple[str, ...]
    target: str
    upgrades: tuple[ProposedUpgrade, ...]
    direct: bool | None
    via: tuple[str, ...]
    development: bool
    fixes: tuple[ProposedFix, ...]

    @property
    def id(self) -> str:
        """The same for the same place and package."""
        named = (self.cluster, self.source, self.ref, self.path, self.ecosystem, self.package)
        return hashlib.sha256("\0".join(named).encode()).hexdigest()[:24]

    @property
    def rank(self) -> int:
        """Of the worst that it clears."""
        return min((one.severity.rank for one in self.fixes if one.cleared), default=4)


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """A proposal that is over: ``taken``, or nothing is left to clear."""

    id: str
    taken: bool


class Proposals:
    """Reads narrow to ``within`` as findings about packages do: they have no namespace."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def page(
        self,
        *,
        within: tuple[Reach, ...],
        states: Sequence[ProposalState] = (),
        source: str = "",
        cluster: str = "",
        ecosystem: str = "",
        package: str = "",
        vulnerability: str = "",
        fingerprint: str = "",
        limit: int = 100,
        skip: int = 0,
    ) -> Page[Proposal]:
        """Worst first; ``states`` empty: open ones."""
        wanted = [state.value for state in states] or [ProposalState.OPEN.value]
        where: list[Any] = [_reached(within), p.state.in_(wanted)]
        for column, value in (
            (p.source, source),
            (p.cluster, cluster),
            (p.ecosystem, ecosystem),
            (p.package, package),
        ):
            where += [column == clean(value, 2_000)] if value else []
        for value in (vulnerability, fingerprint):
            quoted = to_json(clean(value, 400))
            where += [p.fixes.contains(quoted, autoescape=True)] if value else []
        ask = select(proposal).where(*where).order_by(p.severity, p.n)
        with self._database.read() as connection:
            rows = connection.execute(ask.offset(skip).limit(limit)).all()
            total = connection.execute(select(func.count()).where(*where)).scalar_one()
        return Page(items=[_record(row) for row in rows], total=total)

    def one(self, id_: str, *, within: tuple[Reach, ...]) -> Proposal:
        """NotFound when there is none within reach."""
        with self._database.read() as connection:
            return _record(_row(connection, id_, within))

    def of(self, targets: Iterable[tuple[str, str, str]]) -> dict[tuple[str, str, str], Any]:
        """Open and dismissed ones by (cluster, source, ref)."""
        found: dict[tuple[str, str, str], list[Proposal]] = {one: [] for one in targets}
        live = (ProposalState.OPEN.value, ProposalState.DISMISSED.value)
        with self._database.read() as connection:
            for some in parts(found, 300):
                ask = select(proposal).where(
                    p.source.in_([source for _, source, _ in some]), p.state.in_(live)
                )
                for row in connection.execute(ask):
                    known = found.get((row.cluster, row.source, row.ref))
                    if known is not None:
                        known.append(_record(row))
        return found

    def dismiss(self, id_: str, reason: str, *, by: str, within: tuple[Reach, ...]) -> Proposal:
        """Not made, for a reason. Conflict for one that is not open."""

        def work(transaction: Transaction) -> Proposal:
            connection = transaction.connection
            row = _row(connection, id_, within)
            if row.state != ProposalState.OPEN.value:
                raise Conflict(f"the proposal is {row.state} already", do="list the open ones")
            values = {
                "state": ProposalState.DISMISSED.value,
                "changed": to_us(transaction.now),
                "reason": clean(reason.strip(), 2_000),
                "actor": by,
            }
            connection.execute(update(proposal).where(p.n == row.n).values(**values))
            done = _record(_row(connection, id_, within))
            detail = {"package": done.package, "target": done.target, "reason": done.reason}
            detail |= {"source": done.source, "path": done.path}
            entry = AuditEntry(
                at=transaction.now,
                actor=by,
                action="proposal.dismiss",
                object=id_,
                cluster=done.cluster,
                detail=detail,
            )
            transaction.audit(entry)
            data = {"id": id_, "what": "dismissed", "source": done.source}
            transaction.tell(Notice(topic="proposal", cluster=done.cluster, data=data))
            return done

        return self._database.write(work)

    def unsettled(self, since: dt.datetime) -> set[Target]:
        """Repositories with a finding that was accepted since then and stands in an open proposal,
        or that is accepted no more, has a fix, and stands in none."""
        accepting = select(h.finding).where(
            h.at >= to_us(since), h.what.in_(("waived", "unwaived"))
        )
        ask = select(f.c.cluster, f.c.source, f.c.ref, f.c.fingerprint, f.c.state, f.c.fix).where(
            f.c.n.in_(accepting), f.c.live == 1, f.c.domain == DEPENDENCIES
        )
        with self._database.read() as connection:
            rows = connection.execute(ask).all()
        known = self.of({(row.cluster, row.source, row.ref) for row in rows})
        told: dict[Target, dict[str, bool]] = {
            target: {fix.fingerprint: one.state is ProposalState.OPEN
                     for one in proposals for fix in one.fixes}
            for target, proposals in known.items()
        }  # fmt: skip
        found: set[Target] = set()
        for row in rows:
            target = (row.cluster, row.source, row.ref)
            shown = told[target].get(row.fingerprint)
            if shown if row.state == Life.WAIVED else (shown is None and row.fix):
                found.add(target)
        return found

    def bills(self, targets: Iterable[Target]) -> list[int]:
        """Numbers of the current SBOMs of some repositories."""
        found: list[int] = []
        with self._database.read() as connection:
            for some in parts(targets, 200):
                ask = select(b.n).where(tuple_(b.cluster, b.source, b.ref).in_(some))
                found += connection.execute(ask.where(b.is_current == 1)).scalars()
        return found

    def settle(
        self, bill: int, proposed: Sequence[Proposed], ended: Sequence[Ended], *, cluster: str
    ) -> dict[str, int]:
        """What is proposed about an SBOM while it is current; counts by what changed."""

        def work(transaction: Transaction) -> dict[str, int]:
            if not still_current(transaction.connection, [bill]):
                return {}
            changed = settle(transaction, proposed, ended, by="waivers")
            transaction.tell(Notice(topic="proposal", cluster=cluster, data={"what": "changed"}))
            return changed

        return self._database.write(work)

    def counts(self) -> dict[tuple[str, str], int]:
        """(severity, state) → how many, for metrics."""
        ask = select(p.severity, p.state, func.count()).group_by(p.severity, p.state)
        with self._database.read() as connection:
            return {
                (SEVERITIES[rank].value, state): count
                for rank, state, count in connection.execute(ask)
            }


def settle(
    transaction: Transaction,
    proposed: Sequence[Proposed],
    ended: Sequence[Ended],
    *,
    by: str,
) -> dict[str, int]:
    """Make it so: new ones open, known ones follow, what ended is told. Counts by what changed."""
    connection, at = transaction.connection, to_us(transaction.now)
    ids = [one.id for one in proposed] + [one.id for one in ended]
    known: dict[str, Any] = {}
    for some in parts(ids, 500):
        rows = connection.execute(select(proposal).where(p.id.in_(some)))
        known.update({row.id: row for row in rows})
    counts = {"opened": 0, "taken": 0, "obsolete": 0}
    new: list[dict[str, Any]] = []
    changed: list[dict[str, Any]] = []
    number = next_number(connection, proposal)
    for one in {one.id: one for one in proposed}.values():
        row = known.get(one.id)
        if row is None:
            new.append({"n": number + len(new), **_new(one, at, by)})
            counts["opened"] += 1
            continue
        update_ = _again(one, row, at, by)
        if update_ is not None:
            counts["opened"] += update_["opened"] == at
            changed.append(update_)
    for over in ended:
        row = known.get(over.id)
        if row is None or row.state not in (ProposalState.OPEN, ProposalState.DISMISSED):
            continue
        state = ProposalState.TAKEN if over.taken else ProposalState.OBSOLETE
        kept = {name: getattr(row, name) for name in _CHANGED}
        changed.append({"row_n": row.n, **kept, "state": state.value, "changed": at, "actor": by})
        counts[state.value] += 1
    if new:
        connection.execute(insert(proposal), new)
    if changed:
        update_all(connection, proposal, _CHANGED, changed)
    return {what: count for what, count in counts.items() if count}


def _new(one: Proposed, at: int, by: str) -> dict[str, Any]:
    return {
        "id": one.id,
        "cluster": one.cluster,
        "source": one.source,
        "ref": one.ref,
        "path": one.path,
        "ecosystem": one.ecosystem,
        "package": one.package,
        **_said(one),
        "state": ProposalState.OPEN.value,
        "opened": at,
        "changed": at,
        "reason": "",
        "actor": by,
    }


def _said(one: Proposed) -> dict[str, Any]:
    return {
        "versions": to_json(list(one.versions)),
        "target": one.target,
        "upgrades": to_json(list(one.upgrades)),
        "direct": _DIRECT[one.direct],
        "via": to_json(list(one.via)),
        "development": int(one.development),
        "severity": one.rank,
        "fixes": to_json(list(one.fixes)),
    }


def _again(one: Proposed, row: Any, at: int, by: str) -> dict[str, Any] | None:
    """The row as it shall be; None when nothing changed."""
    said = _said(one)
    same = all(said[name] == getattr(row, name) for name in _SAID)
    opens = row.state in (ProposalState.TAKEN, ProposalState.OBSOLETE)
    if row.state == ProposalState.DISMISSED:
        dismissed = {fix.id for fix in _fixes.decode(row.fixes) if fix.cleared}
        clears = {fix.id for fix in one.fixes if fix.cleared}
        if clears < dismissed:
            return None  # what was dismissed is remembered: a waiver may have hidden some of it
        opens = not clears <= dismissed
    if same and not opens:
        return None
    kept = {name: getattr(row, name) for name in _CHANGED}
    kept |= {"row_n": row.n, **said, "changed": at}
    if opens:
        kept |= {"state": ProposalState.OPEN.value, "opened": at, "reason": "", "actor": by}
    return kept


def _reached(within: tuple[Reach, ...]) -> Any:
    return reached(within, p.cluster, literal(NONE))


def _row(connection: Connection, id_: str, within: tuple[Reach, ...]) -> Any:
    row = connection.execute(select(proposal).where(p.id == id_, _reached(within))).one_or_none()
    if row is None:
        raise NotFound(f"there is no proposal {clean(id_, 80)!r}", do="list the proposals")
    return row


def _record(row: Any) -> Proposal:
    return Proposal(
        id=row.id,
        source=row.source,
        ref=row.ref,
        cluster=row.cluster,
        path=row.path,
        ecosystem=row.ecosystem,
        package=row.package,
        versions=from_json(row.versions),
        target=row.target,
        upgrades=_upgrades.decode(row.upgrades),
        direct=_TOLD[row.direct],
        via=from_json(row.via),
        development=bool(row.development),
        severity=SEVERITIES[row.severity],
        fixes=_fixes.decode(row.fixes),
        state=ProposalState(row.state),
        opened=from_us(row.opened),
        changed=from_us(row.changed),
        reason=row.reason,
        by=row.actor,
    )
