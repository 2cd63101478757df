"""What policies say of what is there now: the background audit's verdicts, as a state with since.

A run tells all that it says of some objects; what stood there before and is not said any more is
over. What begins and ends is given back, so that whoever asked can make events of it.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, and_, delete, func, insert, or_, select, update

from haechi.model.access import ANY, Reach
from haechi.store.records import Notice, Page
from haechi.store.state.admission_records import AuditCoverage, StateCounts, Violation
from haechi.store.state.admission_tables import audit_coverage, policy_count, policy_verdict
from haechi.store.state.bulk import delete_all, insert_all, next_number, parts, update_all
from haechi.store.state.cursor import beyond, read_cursor, write_cursor
from haechi.store.state.engine import Database, Transaction
from haechi.store.state.plain import bounded_json, clean, from_json, to_json
from haechi.store.state.reach import reached
from haechi.store.state.times import from_us, to_us

TOPIC = "policy"
MOST = 1_000
MOST_KEPT = 50_000
"""Verdicts of one cluster that are listed; the rest is counted."""
_NAME, _OBJECT, _MESSAGE, _EVIDENCE = 400, 2_000, 2_000, 4_000
_STATES = {
    "pass": "passed",
    "fail": "failed",
    "waived": "waived",
    "error": "error",
    "not_evaluated": "not_evaluated",
}
v, c = policy_verdict.c, policy_count.c
_coverage = msgspec.json.Decoder(AuditCoverage).decode


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """One verdict that is no pass, about one object. ``path`` names list items by what names
    them, so that it outlives their order; ``shown`` is the same place as people write it.
    ``ordinal`` tells several of the same rule and place apart."""

    namespace: str
    object: str
    kind: str
    name: str
    policy: str
    rule: str
    state: str
    outcome: str
    waiver: str = ""
    message: str = ""
    path: str = ""
    shown: str = ""
    ordinal: int = 0
    effects: tuple[str, ...] = ()
    evidence: Mapping[str, Any] = {}
    line: int = 0
    generated: bool = False


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """A verdict that began, ended (``after`` is "") or became another outcome."""

    before: str
    after: str
    id: str
    said: Said
    since: dt.datetime


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """What became of a run's word. ``left_out``: too many to be listed."""

    changes: tuple[Change, ...]
    left_out: int


class PolicyStates:
    """Thread-safe."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def keep(
        self,
        cluster: str,
        said: Sequence[Said],
        *,
        objects: Sequence[str] | None,
        counts: Mapping[tuple[str, str, str], int],
    ) -> Kept:
        """All that is said now of these objects (None: of all of the cluster), and the counts of
        the cluster by (policy, namespace, state). Durable when it returns."""

        def work(transaction: Transaction) -> Kept:
            return _keep(transaction, clean(cluster, _NAME), said, objects, counts)

        return self._database.write(work)

    def forget(self, cluster: str) -> None:
        """Nothing is known of a cluster any more."""
        self.keep(cluster, (), objects=None, counts={})

    def page(
        self,
        *,
        within: tuple[Reach, ...],
        cluster: str = "",
        policy: str = "",
        namespace: Sequence[str] = (),
        state: Sequence[str] = (),
        object: str = "",
        text: str = "",
        limit: int = 100,
        cursor: str | None = None,
    ) -> Page[Violation]:
        """The newest first. UsageError for a wrong cursor."""
        question = [
            *("violations", within, cluster, policy, list(namespace), list(state)),
            *(object, text),
        ]
        where: list[ColumnElement[bool]] = [reached(within, v.cluster, v.namespace)]
        for column, value in ((v.cluster, cluster), (v.policy, policy), (v.object, object)):
            if value:
                where.append(column == clean(value, 2_000))
        for column, values in ((v.namespace, namespace), (v.state, state)):
            if values:
                where.append(column.in_(list(values)))
        for word in clean(text, _NAME).casefold().split()[:10]:
            searched = (v.name, v.kind, v.namespace, v.rule, v.detail)
            where.append(or_(*(func.instr(func.lower(one), word) > 0 for one in searched)))
        limit = max(1, min(limit, MOST))
        with self._database.read() as connection:
            total = None
            query = select(policy_verdict).where(and_(*where))
            if cursor is not None:
                after = read_cursor(question, cursor, [int, int])
                query = query.where(beyond((v.since, v.n), after, backwards=True))
            else:
                counted = select(func.count()).select_from(policy_verdict).where(and_(*where))
                total = int(connection.execute(counted).scalar_one())
            rows = connection.execute(
                query.order_by(v.since.desc(), v.n.desc()).limit(limit + 1)
            ).all()
        following = None
        if len(rows) > limit:
            following = write_cursor(question, [rows[limit - 1].since, rows[limit - 1].n])
        return Page(items=[_stored(row) for row in rows[:limit]], next=following, total=total)

    def each(self, *, within: tuple[Reach, ...], **ask: Any) -> Iterator[Violation]:
        """All of them, page by page."""
        cursor: str | None = None
        while True:
            page = self.page(within=within, limit=MOST, cursor=cursor, **ask)
            yield from page.items
            if page.next is None:
                return
            cursor = page.next

    def counts(
        self, *, within: tuple[Reach, ...], cluster: str = "", policy: str = ""
    ) -> dict[tuple[str, str], dict[str, StateCounts]]:
        """Objects by state, for each (cluster, policy) and namespace in it."""
        ask = select(policy_count).where(reached(within, c.cluster, c.namespace))
        for column, value in ((c.cluster, cluster), (c.policy, policy)):
            if value:
                ask = ask.where(column == value)
        found: dict[tuple[str, str], dict[str, dict[str, int]]] = {}
        with self._database.read() as connection:
            for row in connection.execute(ask):
                places = found.setdefault((row.cluster, row.policy), {})
                word = _STATES.get(row.state)
                if word is not None:
                    place = places.setdefault(row.namespace, {})
                    place[word] = place.get(word, 0) + row.times
        return {
            key: {name: StateCounts(**counts) for name, counts in sorted(places.items())}
            for key, places in found.items()
        }

    def oldest(self, *, within: tuple[Reach, ...]) -> dict[tuple[str, str], dt.datetime]:
        """Since when the oldest failure of each (cluster, policy) stands."""
        ask = (
            select(v.cluster, v.policy, func.min(v.since))
            .where(reached(within, v.cluster, v.namespace), v.state == "fail")
            .group_by(v.cluster, v.policy)
        )
        with self._database.read() as connection:
            return {(a, b): from_us(since) for a, b, since in connection.execute(ask)}

    def waivers(self, cluster: str, policy: str, *, within: tuple[Reach, ...]) -> list[str]:
        """By what failures of a policy do not count."""
        mine = (v.cluster == cluster) & (v.policy == policy) & (v.waiver != "")
        ask = select(v.waiver).where(mine, reached(within, v.cluster, v.namespace)).distinct()
        with self._database.read() as connection:
            return sorted(connection.execute(ask.limit(200)).scalars())

    def tell(self, coverage: AuditCoverage) -> None:
        """Keep how an audit does."""

        def work(transaction: Transaction) -> None:
            connection, cluster = transaction.connection, clean(coverage.cluster, _NAME)
            mine = audit_coverage.c.cluster == cluster
            values = {"at": to_us(transaction.now), "body": bounded_json(coverage, 1 << 20)}
            if not connection.execute(update(audit_coverage).where(mine).values(**values)).rowcount:
                connection.execute(insert(audit_coverage), {"cluster": cluster, **values})

        self._database.write(work)

    def coverage(self, *, within: tuple[Reach, ...]) -> list[AuditCoverage]:
        """Of clusters that are reached whole, by name."""
        table = audit_coverage.c
        ask = select(table.body).where(reached(within, table.cluster)).order_by(table.cluster)
        with self._database.read() as connection:
            return [_coverage(body) for body in connection.execute(ask).scalars()]

    def retain(self, clusters: Sequence[str]) -> None:
        """Forget the state of clusters that are audited no more."""
        with self._database.read() as connection:
            known = set(connection.execute(select(c.cluster).distinct()).scalars())
            known |= set(connection.execute(select(v.cluster).distinct()).scalars())
            known |= set(connection.execute(select(audit_coverage.c.cluster)).scalars())
        gone = known - set(clusters)
        for cluster in sorted(gone):
            self.forget(cluster)
        if gone:
            self._database.write(
                lambda transaction: transaction.connection.execute(
                    delete(audit_coverage).where(audit_coverage.c.cluster.in_(sorted(gone)))
                )
            )


def verdict_id(cluster: str, said: Said) -> str:
    """The same while the same rule fails at the same place of the same object."""
    place = (said.rule, said.path, str(said.ordinal), "pod" if said.generated else "")
    named = (cluster, said.object, said.policy, *place)
    return hashlib.sha256("\0".join(named).encode("utf-8", "replace")).hexdigest()[:24]


def _keep(
    transaction: Transaction,
    cluster: str,
    said: Sequence[Said],
    objects: Sequence[str] | None,
    counts: Mapping[tuple[str, str, str], int],
) -> Kept:
    connection, now = transaction.connection, to_us(transaction.now)
    known = _known(transaction, cluster, objects)
    room = MOST_KEPT - _standing(transaction, cluster) + len(known)
    number, left_out = next_number(connection, policy_verdict), 0
    rows: list[dict[str, Any]] = []
    updates: list[dict[str, Any]] = []
    changes: list[Change] = []
    at = transaction.now
    for one in said:
        id_, row = verdict_id(cluster, one), _row(cluster, one)
        before = known.pop(id_, None)
        if before is None:
            if len(rows) + len(updates) >= room:
                left_out += 1
                continue
            new = {"n": number + len(rows), "id": id_, "since": now, "changed": now}
            rows.append({**row, **new})
            changes.append(Change(before="", after=one.outcome, id=id_, said=one, since=at))
        elif (before.digest, before.state) != (row["digest"], row["state"]):
            since = before.since if before.state == one.state else now
            updates.append({"row_n": before.n, **row, "since": since, "changed": now})
            if before.outcome != one.outcome:
                since_at = from_us(since)
                changes.append(
                    Change(
                        before=before.outcome, after=one.outcome, id=id_, said=one, since=since_at
                    )
                )
    changes += [
        Change(before=row.outcome, after="", id=row.id, said=_again(row), since=from_us(row.since))
        for row in known.values()
    ]
    delete_all(connection, policy_verdict, [row.n for row in known.values()])
    insert_all(connection, policy_verdict, rows)
    update_all(connection, policy_verdict, _UPDATED, updates)
    _count(transaction, cluster, counts)
    for notice in _notices(cluster, changes):
        transaction.tell(notice)
    return Kept(changes=tuple(changes), left_out=left_out)


def _known(transaction: Transaction, cluster: str, objects: Sequence[str] | None) -> dict[str, Any]:
    ask = select(policy_verdict).where(v.cluster == cluster)
    if objects is None:
        return {row.id: row for row in transaction.connection.execute(ask)}
    found: dict[str, Any] = {}
    for some in parts([clean(one, _OBJECT) for one in objects], 400):
        for row in transaction.connection.execute(ask.where(v.object.in_(some))):
            found[row.id] = row
    return found


def _standing(transaction: Transaction, cluster: str) -> int:
    ask = select(func.count()).select_from(policy_verdict).where(v.cluster == cluster)
    return int(transaction.connection.execute(ask).scalar_one())


def _row(cluster: str, one: Said) -> dict[str, Any]:
    evidence = from_json(bounded_json(dict(one.evidence), _EVIDENCE))
    detail: dict[str, Any] = {
        "message": clean(one.message, _MESSAGE),
        "path": clean(one.path, _NAME),
        "shown": clean(one.shown, _NAME),
    }
    detail |= {"effects": list(one.effects), "evidence": evidence}
    row: dict[str, Any] = {
        name: clean(getattr(one, name), _NAME)
        for name in ("kind", "name", "policy", "rule", "state", "outcome", "waiver")
    }
    more = {"line": one.line, "generated": one.generated, "ordinal": one.ordinal}
    row |= {"cluster": cluster, "namespace": clean(one.namespace, _NAME) or "-"}
    row |= {"object": clean(one.object, _OBJECT), "detail": to_json({**detail, **more})}
    said = "\0".join(str(row[name]) for name in sorted(row))
    digest = hashlib.sha256(said.encode("utf-8", "replace")).digest()[:7]
    return {**row, "digest": int.from_bytes(digest)}


_UPDATED = (
    *("namespace", "kind", "name", "state", "outcome", "waiver", "digest", "detail"),
    *("since", "changed"),
)


def _again(row: Any) -> Said:
    """What stood in a row."""
    words = from_json(row.detail)
    return Said(
        **{
            name: getattr(row, name)
            for name in (
                *("namespace", "object", "kind", "name", "policy", "rule", "state", "outcome"),
                "waiver",
            )
        },
        message=words["message"],
        path=words["path"],
        shown=words.get("shown", ""),
        ordinal=words["ordinal"],
        effects=tuple(words["effects"]),
        evidence=words["evidence"],
        line=words["line"],
        generated=words["generated"],
    )


def _count(
    transaction: Transaction, cluster: str, counts: Mapping[tuple[str, str, str], int]
) -> None:
    connection = transaction.connection
    connection.execute(delete(policy_count).where(c.cluster == cluster))
    insert_all(
        connection,
        policy_count,
        (
            {
                "cluster": cluster,
                "policy": clean(policy, _NAME),
                "namespace": clean(namespace, _NAME) or "-",
                "state": state,
                "times": count,
            }
            for (policy, namespace, state), count in counts.items()
            if count
        ),
    )


def _notices(cluster: str, changes: Sequence[Change]) -> Iterator[Notice]:
    places: dict[str, list[Change]] = {}
    for one in changes:
        places.setdefault(one.said.namespace or "-", []).append(one)
    for namespace, some in sorted(places.items(), key=lambda pair: -len(pair[1]))[:50]:
        began = sum(not one.before for one in some)
        ended = sum(not one.after for one in some)
        policies = sorted({one.said.policy for one in some})[:20]
        data = {"began": began, "ended": ended, "policies": policies}
        yield Notice(topic=TOPIC, cluster=cluster, namespace=namespace, data=data)


def _stored(row: Any) -> Violation:
    words = from_json(row.detail)
    return Violation(
        **{
            name: getattr(row, name)
            for name in (
                *("id", "cluster", "namespace", "object", "kind", "name", "policy", "rule"),
                *("state", "outcome", "waiver"),
            )
        },
        **{name: words[name] for name in ("message", "effects", "evidence", "line", "generated")},
        path=words.get("shown") or words["path"],
        since=from_us(row.since),
        changed=from_us(row.changed),
    )


def whole(within: tuple[Reach, ...], cluster: str) -> bool:
    """True when all namespaces of a cluster are reached."""
    return any(reach.namespace == ANY and reach.cluster in (ANY, cluster) for reach in within)
