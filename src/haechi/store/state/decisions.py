"""Decisions of webhooks: taken in batches once each, listed, explained, forgotten in time.

The batch's number is written in the transaction of its rows, so a batch that comes again after a
lost answer is recognised and counts nothing twice. Details are bounded in number, recorded
requests in bytes; both lose the oldest first.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterator, Sequence
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, and_, delete, func, insert, or_, select, update

from haechi.errors import NotFound
from haechi.model.access import Reach
from haechi.model.decision_record import DecisionBatch, DecisionRecord
from haechi.store.records import Notice, Page
from haechi.store.state import admission_counts, policy_infos
from haechi.store.state.admission_records import (
    WEBHOOK,
    DecisionFilter,
    DecisionWords,
    KeptReview,
    StoredDecision,
)
from haechi.store.state.admission_tables import (
    decision,
    decision_policy,
    recorded_review,
    webhook,
)
from haechi.store.state.bulk import insert_all, next_number, parts
from haechi.store.state.cursor import beyond, read_cursor, write_cursor
from haechi.store.state.engine import Database, Transaction
from haechi.store.state.plain import clean, from_json, to_json
from haechi.store.state.reach import reached
from haechi.store.state.times import from_us, to_us

TOPIC = "admission"
MOST, REPLICAS = 1_000, 100
"""Rows of a page; webhooks of a cluster."""
_NAME, _MESSAGE, _DETAIL = 400, 8_192, 200_000
_TOLD = 20
"""Places that are told to live streams of one batch, with a few decisions each."""
d, p, r, w = decision.c, decision_policy.c, recorded_review.c, webhook.c
_words = msgspec.json.Decoder(DecisionWords).decode


class Decisions:
    """Thread-safe."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def take(self, batch: DecisionBatch, cluster: str) -> bool:
        """Keep a batch of this cluster; durable when it returns. False: it was had before."""
        return self._database.write(lambda transaction: _take(transaction, batch, cluster))

    def page(
        self,
        ask: DecisionFilter,
        *,
        within: tuple[Reach, ...],
        limit: int = 100,
        cursor: str | None = None,
    ) -> Page[StoredDecision]:
        """The newest first. UsageError for a wrong cursor."""
        question = ["decisions", within, ask]
        query = select(decision).where(_where(ask, within))
        if cursor is not None:
            values = read_cursor(question, cursor, [int, int])
            query = query.where(beyond((d.at, d.n), values, backwards=True))
        limit = max(1, min(limit, MOST))
        with self._database.read() as connection:
            query = query.order_by(d.at.desc(), d.n.desc()).limit(limit + 1)
            rows = connection.execute(query).all()
        following = None
        if len(rows) > limit:
            following = write_cursor(question, [rows[limit - 1].at, rows[limit - 1].n])
        return Page(items=[_stored(row) for row in rows[:limit]], next=following)

    def each(self, ask: DecisionFilter, *, within: tuple[Reach, ...]) -> Iterator[StoredDecision]:
        """All of them, page by page."""
        cursor: str | None = None
        while True:
            page = self.page(ask, within=within, limit=MOST, cursor=cursor)
            yield from page.items
            if page.next is None:
                return
            cursor = page.next

    def show(
        self, id: str, *, within: tuple[Reach, ...]
    ) -> tuple[StoredDecision, DecisionWords, bytes, str]:
        """One, its words, its recorded request (compressed) or why there is none. NotFound."""
        ask = select(decision).where(d.id == id, reached(within, d.cluster, d.namespace))
        with self._database.read() as connection:
            row = connection.execute(ask).one_or_none()
            if row is None:
                raise NotFound("there is no such decision", do="GET /admission/decisions")
            body = None
            if row.review:
                kept = select(r.body).where(r.cluster == row.cluster, r.digest == row.review)
                body = connection.execute(kept).scalar()
        missing = row.review_missing or ("" if body else "forgotten")
        return _stored(row), _words(row.detail), body or b"", missing

    def reviews(
        self, *, cluster: str, since: dt.datetime, within: tuple[Reach, ...]
    ) -> Iterator[KeptReview]:
        """Recorded requests that came since then, the newest first; one read a part."""
        mine = (r.cluster == cluster) & (r.last >= to_us(since))
        ask = select(recorded_review).where(mine, reached(within, r.cluster, r.namespace))
        ask = ask.order_by(r.last.desc(), r.digest.desc())
        after: list[int | str] | None = None
        while True:
            query = ask.limit(_PART)
            if after is not None:
                query = query.where(beyond((r.last, r.digest), after, backwards=True))
            with self._database.read() as connection:
                rows = connection.execute(query).all()
            for row in rows:
                yield KeptReview(
                    cluster=row.cluster,
                    namespace=row.namespace,
                    digest=row.digest,
                    first=from_us(row.first),
                    last=from_us(row.last),
                    count=row.times,
                    body=row.body,
                )
            if len(rows) < _PART:
                return
            after = [rows[-1].last, rows[-1].digest]

    def recorded(self, *, within: tuple[Reach, ...]) -> int:
        """How many different requests are kept."""
        ask = select(func.count()).select_from(recorded_review)
        with self._database.read() as connection:
            found = connection.execute(ask.where(reached(within, r.cluster, r.namespace)))
            return int(found.scalar_one())

    def tidy(
        self, now: dt.datetime, *, days: int, most: int, review_days: int, review_bytes: int
    ) -> dict[str, int]:
        """Forget what is old or too much: details, recorded requests, counts, silent webhooks."""

        def work(transaction: Transaction) -> dict[str, int]:
            connection = transaction.connection
            old = to_us(now - dt.timedelta(days=days))
            gone = connection.execute(delete(decision).where(d.at < old)).rowcount
            gone += _surplus(connection, most)
            old = to_us(now - dt.timedelta(days=review_days))
            reviews = connection.execute(delete(recorded_review).where(r.last < old)).rowcount
            reviews += _heaviest(connection, review_bytes)
            silent = to_us(now - dt.timedelta(days=7))
            connection.execute(delete(webhook).where(w.heard < silent))
            counts = admission_counts.tidy(connection, now, days=max(days, review_days))
            return {"decisions": gone, "reviews": reviews, "counts": counts}

        return self._database.write(work)


_PART = 200


def decision_id(cluster: str, replica: str, record: DecisionRecord) -> str:
    """One request is judged once by each webhook's replica and way."""
    named = "\0".join((cluster, replica, record.uid, str(record.mutating), str(record.at_ns)))
    return hashlib.sha256(named.encode("utf-8", "replace")).hexdigest()[:24]


def _take(transaction: Transaction, batch: DecisionBatch, cluster: str) -> bool:
    connection = transaction.connection
    cluster, replica = clean(cluster, _NAME), clean(batch.replica, _NAME)
    mine = (w.cluster == cluster) & (w.replica == replica)
    known = connection.execute(select(w.run, w.number).where(mine)).one_or_none()
    if known is not None and known.run == batch.run and batch.number <= known.number:
        return False
    _keep_webhook(connection, batch, cluster, replica, to_us(transaction.now), known is not None)
    admission_counts.add(connection, cluster, batch.tallies, batch.latencies)
    state = batch.state
    if state.policies is not None:
        policy_infos.replace(
            transaction, cluster, WEBHOOK, state.generation, state.policies, state.faults or ()
        )
    rows = _keep(connection, batch.records, cluster, replica)
    for notice in _notices(cluster, rows):
        transaction.tell(notice)
    return True


def _keep_webhook(
    connection: Connection,
    batch: DecisionBatch,
    cluster: str,
    replica: str,
    now: int,
    known: bool,
) -> None:
    state = batch.state
    values = {
        "run": clean(batch.run, _NAME),
        "number": batch.number,
        "ready": int(state.ready),
        "why": clean(state.why, 2_000),
        "version": clean(state.version, _NAME),
        "generation": clean(state.generation, _NAME),
        "source": clean(state.source, _NAME),
        "started": state.started_ns // 1_000,
        "heard": now,
        "queue": state.queue,
        "dropped": state.dropped,
    }
    if known:
        mine = (w.cluster == cluster) & (w.replica == replica)
        connection.execute(update(webhook).where(mine).values(**values))
    else:
        _make_room(connection, cluster)
        connection.execute(insert(webhook), {"cluster": cluster, "replica": replica, **values})


def _make_room(connection: Connection, cluster: str) -> None:
    """Names of replicas are the sender's: those that were not heard for longest go first."""
    mine = w.cluster == cluster
    ask = select(w.replica).where(mine).order_by(w.heard.desc(), w.replica).offset(REPLICAS - 1)
    for some in parts(list(connection.execute(ask.limit(MOST)).scalars()), 400):
        connection.execute(delete(webhook).where(mine, w.replica.in_(some)))


def _keep(
    connection: Connection, records: Sequence[DecisionRecord], cluster: str, replica: str
) -> list[dict[str, Any]]:
    """Add what is not known yet; the rows that are new."""
    named = {decision_id(cluster, replica, one): one for one in records}
    for some in parts(list(named), 400):
        for id_ in connection.execute(select(d.id).where(d.id.in_(some))).scalars():
            del named[id_]
    number = next_number(connection, decision)
    rows: list[dict[str, Any]] = []
    policies: list[dict[str, Any]] = []
    for place, (id_, record) in enumerate(named.items()):
        row = _row(record, cluster, replica)
        rows.append({"n": number + place, "id": id_, **row})
        policies += (
            {"policy": one, "decision": number + place} for one in from_json(row["policies"])
        )
        if record.review:
            _keep_review(connection, record, row)
    insert_all(connection, decision, rows)
    insert_all(connection, decision_policy, policies)
    return rows


def _row(record: DecisionRecord, cluster: str, replica: str) -> dict[str, Any]:
    words = DecisionWords(
        groups=[clean(one, _NAME) for one in record.groups],
        warnings=[clean(one, 2_000) for one in record.warnings],
        verdicts=list(record.verdicts),
        verdicts_left_out=record.verdicts_left_out,
        patches=record.patches,
    )
    detail = to_json(words)
    if len(detail) > _DETAIL:
        detail = to_json(
            DecisionWords(verdicts_left_out=len(record.verdicts) + record.verdicts_left_out)
        )
    named = dict.fromkeys(clean(one.policy, _NAME) for one in record.verdicts)
    return {
        "cluster": cluster,
        "namespace": clean(record.namespace, _NAME) or "-",
        "at": record.at_ns // 1_000,
        "replica": replica,
        "grp": clean(record.group, _NAME),
        "outcome": record.outcome.value,
        "allowed": int(record.allowed),
        "mutating": int(record.mutating),
        "dry_run": int(record.dry_run),
        "sampled": int(record.sampled),
        "code": max(0, min(record.code, 999)),
        "duration_us": record.duration_us,
        "message": clean(record.message, _MESSAGE),
        "policies": to_json(list(named)),
        "detail": detail,
        "review": hashlib.sha256(record.review).hexdigest()[:32] if record.review else "",
        "review_missing": clean(record.review_missing, _NAME),
    } | {name: clean(getattr(record, name), _NAME) for name in _TEXTS}


_TEXTS = (
    *("uid", "generation", "operation", "version", "kind", "resource", "subresource", "name"),
    "user",
)


def _keep_review(connection: Connection, record: DecisionRecord, row: dict[str, Any]) -> None:
    """Requests that are the same but for their uid are one: the digest is of what the webhook
    recorded, which holds no uid."""
    mine = (r.cluster == row["cluster"]) & (r.digest == row["review"])
    again = update(recorded_review).where(mine)
    again = again.values(last=func.max(r.last, row["at"]), times=r.times + 1)
    if connection.execute(again).rowcount:
        return
    kept = {name: row[name] for name in ("cluster", "namespace", "kind", "operation")}
    kept |= {"digest": row["review"], "first": row["at"], "last": row["at"], "times": 1}
    connection.execute(
        insert(recorded_review), {**kept, "size": len(record.review), "body": record.review}
    )


def _notices(cluster: str, rows: Sequence[dict[str, Any]]) -> Iterator[Notice]:
    """One for each namespace: how many decisions, and the newest of them."""
    places: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        places.setdefault(row["namespace"], []).append(row)
    for namespace, some in sorted(places.items(), key=lambda pair: -len(pair[1]))[:_TOLD]:
        newest = sorted(some, key=lambda row: -row["at"])[:3]
        shown = [
            {name: row[name] for name in ("id", "outcome", "kind", "name", "user", "operation")}
            | {"message": row["message"][:300]}
            for row in newest
        ]
        yield Notice(
            topic=TOPIC,
            cluster=cluster,
            namespace=namespace,
            data={"count": len(some), "decisions": shown},
        )


def _where(ask: DecisionFilter, within: tuple[Reach, ...]) -> ColumnElement[bool]:
    several: list[ColumnElement[bool]] = [reached(within, d.cluster, d.namespace)]
    several += [
        d[name].in_([clean(one, _NAME) for one in values])
        for name in ("cluster", "namespace", "outcome", "operation", "kind")
        if (values := getattr(ask, name))
    ]
    if ask.policy:
        named = [clean(one, _NAME) for one in ask.policy]
        several.append(d.n.in_(select(p.decision).where(p.policy.in_(named))))
    if ask.allowed is not None:
        several.append(d.allowed == int(ask.allowed))
    if ask.user:
        several.append(d.user == clean(ask.user, _NAME))
    if ask.since is not None:
        several.append(d.at >= to_us(ask.since))
    if ask.until is not None:
        several.append(d.at < to_us(ask.until))
    for word in clean(ask.text, _NAME).casefold().split()[:10]:
        searched = (d.name, d.user, d.message, d.policies)
        several.append(or_(*(func.instr(func.lower(one), word) > 0 for one in searched)))
    return and_(*several)


def _surplus(connection: Connection, most: int) -> int:
    count = connection.execute(select(func.count()).select_from(decision)).scalar_one()
    if count <= most:
        return 0
    plain = select(d.n).order_by(d.sampled.desc(), d.at, d.n).limit(count - most)
    return connection.execute(delete(decision).where(d.n.in_(plain))).rowcount


def _heaviest(connection: Connection, most: int) -> int:
    """Recorded requests past so many bytes, the oldest first."""
    total = connection.execute(select(func.coalesce(func.sum(r.size), 0))).scalar_one()
    gone = 0
    while total > most:
        ask = select(r.cluster, r.digest, r.size).order_by(r.last, r.digest).limit(500)
        for row in connection.execute(ask).all():
            mine = (r.cluster == row.cluster) & (r.digest == row.digest)
            connection.execute(delete(recorded_review).where(mine))
            total, gone = total - row.size, gone + 1
            if total <= most:
                break
    return gone


def _stored(row: Any) -> StoredDecision:
    return StoredDecision(
        id=row.id,
        cluster=row.cluster,
        namespace=row.namespace,
        at=from_us(row.at),
        group=row.grp,
        replica=row.replica,
        outcome=row.outcome,
        allowed=bool(row.allowed),
        mutating=bool(row.mutating),
        dry_run=bool(row.dry_run),
        sampled=bool(row.sampled),
        code=row.code,
        duration_us=row.duration_us,
        message=row.message,
        policies=from_json(row.policies),
        recorded=bool(row.review),
        **{name: getattr(row, name) for name in _TEXTS},
    )
