"""Waivers of the store: given, revoked, ended by the clock.

Each change states the findings concerned anew in the same transaction: there is no moment in
which a waiver and its findings disagree. Whether a waiver means a finding is the caller's
matching; here it is narrowed to what the waiver's reach, source, rule and fingerprints allow.
"""

from __future__ import annotations

import datetime as dt
import re
import secrets
from collections import Counter
from collections.abc import Callable, Sequence

import msgspec
from sqlalchemy import Connection, insert, select, update

from haechi.errors import Conflict, Forbidden, InputError, LimitExceeded, NotFound
from haechi.model.access import ANY, Reach
from haechi.store.records import (
    AuditEntry,
    Bucket,
    Life,
    Notice,
    Page,
    StoredFinding,
    StoredWaiver,
)
from haechi.store.state.acceptance import STORE, Acceptances, Waived
from haechi.store.state.bulk import next_number, parts, touch_all, update_all
from haechi.store.state.engine import Database, Transaction
from haechi.store.state.filters import named
from haechi.store.state.history import Step, record
from haechi.store.state.metadata import NEVER
from haechi.store.state.plain import clean
from haechi.store.state.reach import reached
from haechi.store.state.rows import LISTED, to_day_text, to_finding
from haechi.store.state.schema import finding as f
from haechi.store.state.schema import waiver
from haechi.store.state.times import to_us
from haechi.store.state.waiver_lists import EVERY, MOST, Narrowed, waiver_page, waiver_states
from haechi.store.state.waiver_rows import active_waivers, to_row, to_waiver, w, waiver_of

_MOST_FINGERPRINTS = 5_000
_ID = re.compile(r"[A-Za-z0-9_.:-]{1,64}\Z")


def nobody(_finding: StoredFinding, _active: Sequence[StoredWaiver]) -> StoredWaiver | None:
    """A matcher for which no other waiver takes over."""
    return None


class Waivers:
    """``within`` has to cover a waiver's whole reach to see or change it."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def add(
        self,
        waiver: StoredWaiver,
        *,
        by: str,
        within: tuple[Reach, ...],
        matches: Callable[[StoredFinding], bool],
        today: dt.date,
    ) -> StoredWaiver:
        """Give it; ``id`` may be empty. Findings that are open, matched and not accepted yet
        become waived. Forbidden where its reach is more than the asker's."""
        one = _checked(waiver, by, today)
        if not any(_includes(reach, one.reach) for reach in within):
            raise Forbidden(
                "the waiver reaches further than you do",
                why=f"cluster {one.reach.cluster}, namespace {one.reach.namespace}",
                do="narrow it to your cluster and namespace",
            )

        def work(transaction: Transaction) -> StoredWaiver:
            connection = transaction.connection
            if connection.execute(select(w.n).where(w.id == one.id)).scalar() is not None:
                raise Conflict(f"there is a waiver {one.id!r} already", do="leave out its id")
            made = msgspec.structs.replace(one, created=transaction.now)
            connection.execute(insert(_TABLE), to_row(next_number(connection, _TABLE), made))
            covered = _waive(transaction, made, by, matches, to_day_text(today))
            done = msgspec.structs.replace(made, count=sum(covered.values()))
            _told(transaction, done, by, "waiver.create", covered)
            return done

        return self._database.write(work)

    def page(
        self,
        *,
        within: tuple[Reach, ...],
        state: str = "",
        narrowed: Narrowed = EVERY,
        sort: str = "",
        limit: int = 100,
        cursor: str | None = None,
        today: dt.date,
    ) -> Page[StoredWaiver]:
        """Newest first, or by ``waiver_lists.SORTS``. ``state``: active, expired, revoked or
        all."""
        with self._database.read() as connection:
            return waiver_page(
                connection,
                within=within,
                state=state,
                narrowed=narrowed,
                sort=sort,
                limit=max(1, min(limit, MOST)),
                cursor=cursor,
                today=today,
            )

    def states(
        self, *, within: tuple[Reach, ...], narrowed: Narrowed = EVERY, today: dt.date
    ) -> list[Bucket]:
        """How many are active, expired and revoked."""
        with self._database.read() as connection:
            return waiver_states(connection, within, narrowed, today)

    def one(self, id: str, *, within: tuple[Reach, ...], today: dt.date) -> StoredWaiver:
        """One of them; NotFound when there is none within reach."""
        with self._database.read() as connection:
            found = waiver_of(connection, id, within, today)
        if found is None:
            raise _unknown(id)
        return found

    def active(self, *, today: dt.date) -> list[StoredWaiver]:
        """All in force, oldest first."""
        with self._database.read() as connection:
            return active_waivers(connection, today)

    def revoke(
        self,
        id: str,
        *,
        by: str,
        within: tuple[Reach, ...],
        waived: Waived = nobody,
        today: dt.date | None = None,
    ) -> StoredWaiver:
        """End it now. ``waived`` may name another waiver that takes over a finding."""

        def work(transaction: Transaction) -> StoredWaiver:
            connection = transaction.connection
            day = today or transaction.now.date()
            ask = select(_TABLE).where(w.id == id, reached(within, w.cluster, w.namespace))
            row = connection.execute(ask).one_or_none()
            if row is None:
                raise _unknown(id)
            if row.revoked:
                raise Conflict("the waiver was revoked before", do="nothing is to be done")
            values = {"revoked": to_us(transaction.now), "revoked_by": by}
            connection.execute(update(_TABLE).where(w.n == row.n).values(**values))
            freed = _free(transaction, [row.id], by, "revoked", waived, day)
            row = connection.execute(select(_TABLE).where(w.n == row.n)).one()
            done = to_waiver(row, day)
            _told(transaction, done, by, "waiver.revoke", freed)
            return done

        return self._database.write(work)

    def expire(self, *, today: dt.date, waived: Waived = nobody) -> int:
        """The clock's job: waivers past their day let go of their findings. How many ended."""
        past = (w.ended == 0) & (w.revoked == 0) & (w.expires < today.isoformat())
        with self._database.read() as connection:
            if connection.execute(select(w.n).where(past).limit(1)).first() is None:
                return 0

        def work(transaction: Transaction) -> int:
            connection = transaction.connection
            rows = connection.execute(select(_TABLE).where(past).order_by(w.n)).all()
            touch_all(connection, _TABLE, (row.n for row in rows), ended=to_us(transaction.now))
            for row in rows:
                freed = _free(transaction, [row.id], "clock", "expired", waived, today)
                _told(transaction, to_waiver(row, today), "clock", "waiver.expire", freed)
            return len(rows)

        return self._database.write(work)


_TABLE = waiver
Freed = Counter[tuple[str, str]]


def _checked(one: StoredWaiver, by: str, today: dt.date) -> StoredWaiver:
    if one.expires < today:
        raise InputError("the waiver has ended already", where="expires", do="name a later day")
    if len(one.fingerprints) > _MOST_FINGERPRINTS:
        raise LimitExceeded(
            f"{len(one.fingerprints):,} fingerprints are too many",
            why=f"a waiver names at most {_MOST_FINGERPRINTS:,}",
            do="name a path or a resource, or make several",
            where="fingerprints",
        )
    id_ = one.id or f"w-{secrets.token_hex(8)}"
    if not _ID.match(id_):
        raise InputError("a waiver's id is letters, digits, and . _ : -", where="id")
    return msgspec.structs.replace(
        one,
        id=id_,
        created_by=by,
        rule=clean(one.rule, 400) or "*",
        reason=clean(one.reason, 2_000),
        owner=clean(one.owner, 300),
        source=clean(one.source, 2_000),
        path=clean(one.path, 4_096),
        resource=clean(one.resource, 2_000),
        fingerprints=[clean(each, 400) for each in dict.fromkeys(one.fingerprints)],
        revoked=None,
        revoked_by="",
        state="active",
        count=0,
    )


def _includes(outer: Reach, inner: Reach) -> bool:
    return outer.cluster in (ANY, inner.cluster) and outer.namespace in (ANY, inner.namespace)


def _unknown(id_: str) -> NotFound:
    return NotFound(f"there is no waiver {clean(id_, 80)!r}", do="list the waivers")


def _candidates(connection: Connection, one: StoredWaiver) -> list[int]:
    """Row numbers of what it may mean, as far as SQL can tell."""
    ask = select(f.c.n).where(
        f.c.live == 1,
        f.c.state != Life.WAIVED.value,
        reached((one.reach,), f.c.cluster, f.c.namespace),
    )
    if one.rule != "*":
        ask = ask.where(named(one.rule))
    if one.source:
        ask = ask.where(f.c.source == one.source)
    if one.fingerprints:
        ask = ask.where(f.c.fingerprint.in_(one.fingerprints))
    return list(connection.execute(ask.order_by(f.c.n)).scalars())


def _waive(
    transaction: Transaction,
    one: StoredWaiver,
    by: str,
    matches: Callable[[StoredFinding], bool],
    today: str,
) -> Freed:
    connection, at = transaction.connection, to_us(transaction.now)
    counts: Freed = Counter()
    for numbers in parts(_candidates(connection, one), 500):
        steps: list[Step] = []
        for row in connection.execute(select(*LISTED).where(f.c.n.in_(numbers))).all():
            found = to_finding(row, today)
            if matches(found):
                waived = Life.WAIVED.value
                steps.append(Step(row[0], at, "waived", found.state, waived, by, one.reason))
                counts[found.cluster, found.namespace] += 1
        touch_all(
            connection,
            f,
            (step.finding for step in steps),
            state=Life.WAIVED.value,
            waiver=one.id,
            waiver_from=STORE,
            waived_until=one.expires.isoformat(),
            changed=at,
        )
        record(connection, steps)
    return counts


def _free(
    transaction: Transaction, ids: list[str], by: str, note: str, waived: Waived, today: dt.date
) -> Freed:
    """State anew what these waivers covered: another one takes over, or it is open again."""
    connection, at = transaction.connection, to_us(transaction.now)
    acceptances = Acceptances(active_waivers(connection, today), waived)
    counts: Freed = Counter()
    held = select(f.c.n).where(f.c.waiver.in_(ids), f.c.waiver_from == STORE)
    held = held.where(f.c.state == Life.WAIVED.value).order_by(f.c.n)
    for numbers in parts(connection.execute(held).scalars().all(), 500):
        steps, updates = [], []
        ask = select(f.c.reopened, *LISTED).where(f.c.n.in_(numbers))
        for reopened, *row in connection.execute(ask).all():
            found = to_finding(row, to_day_text(today))
            calm = Life.REOPENED.value if reopened else Life.OPEN.value
            accepted = acceptances.by_store(found)
            now = Life.WAIVED.value if accepted else calm
            what = "waived" if accepted else "unwaived"
            why = accepted.note if accepted else note
            steps.append(Step(row[0], at, what, found.state, now, by, why))
            updates.append(
                {
                    "row_n": row[0],
                    "state": now,
                    "waiver": accepted.words if accepted else "",
                    "waiver_from": STORE if accepted else "",
                    "waived_until": accepted.until if accepted else NEVER,
                    "changed": at,
                }
            )
            if not accepted:
                counts[found.cluster, found.namespace] += 1
        columns = ("state", "waiver", "waiver_from", "waived_until", "changed")
        update_all(connection, f, columns, updates)
        record(connection, steps)
    return counts


def _told(transaction: Transaction, one: StoredWaiver, by: str, action: str, places: Freed) -> None:
    entry = AuditEntry(
        at=transaction.now,
        actor=by,
        action=action,
        object=one.id,
        cluster=one.reach.cluster,
        namespace=one.reach.namespace,
        detail={
            "rule": one.rule,
            "reason": one.reason,
            "owner": one.owner,
            "expires": one.expires.isoformat(),
            "source": one.source,
            "path": one.path,
            "resource": one.resource,
            "fingerprints": one.fingerprints[:100],
            "findings": sum(places.values()),
        },
    )
    transaction.audit(entry)
    verb = action.partition(".")[2]
    reach = {"cluster": one.reach.cluster, "namespace": one.reach.namespace}
    transaction.tell(Notice(topic="waiver", data={"id": one.id, "what": verb}, **reach))
    for (cluster, namespace), count in places.most_common(200):
        data = {"waiver": one.id, "what": verb, "count": count}
        transaction.tell(Notice(topic="finding", cluster=cluster, namespace=namespace, data=data))
