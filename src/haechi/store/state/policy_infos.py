"""Which policies are in force where, and what among them protects nothing.

A source (the audit, a webhook) tells its whole set at once; what it does not name any more is
gone. An unchanged set is only touched, so a heartbeat costs one row.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec
from sqlalchemy import delete, select, update

from haechi.errors import NotFound
from haechi.model.access import Reach
from haechi.model.admission import PolicyFault, PolicyInfo
from haechi.store.records import Notice
from haechi.store.state.admission_records import PolicyOrigin, StoredFault, StoredPolicy
from haechi.store.state.admission_tables import policy_fault, policy_info
from haechi.store.state.bulk import insert_all, next_number
from haechi.store.state.engine import Database, Transaction
from haechi.store.state.plain import clean, to_json
from haechi.store.state.times import from_us, to_us

TOPIC = "policy"
MOST = 2_000
_NAME, _TITLE, _PLACE, _BODY = 400, 1_000, 2_000, 32_000
i, f = policy_info.c, policy_fault.c
_info = msgspec.json.Decoder(PolicyInfo).decode
_fault = msgspec.json.Decoder(PolicyFault).decode


class PolicyInfos:
    """Thread-safe. Whoever reaches anything of a cluster may know its policies: they say what
    may run there, and nothing of what does."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def keep(
        self,
        cluster: str,
        source: str,
        generation: str,
        policies: Sequence[PolicyInfo],
        faults: Sequence[PolicyFault],
    ) -> None:
        """The whole set of a source; durable when it returns."""
        self._database.write(
            lambda transaction: replace(transaction, cluster, source, generation, policies, faults)
        )

    def all(self, *, within: tuple[Reach, ...]) -> list[StoredPolicy]:
        """By cluster, in the order in which they were told."""
        ask = select(policy_info).order_by(i.cluster, i.place, i.policy, i.source)
        found: dict[str, StoredPolicy] = {}
        with self._database.read() as connection:
            for row in connection.execute(ask):
                if _seen(within, row.cluster):
                    found[row.key] = _joined(found.get(row.key), row)
        return list(found.values())

    def one(self, key: str, *, within: tuple[Reach, ...]) -> StoredPolicy:
        """One policy of a cluster. NotFound."""
        found: StoredPolicy | None = None
        ask = select(policy_info).where(i.key == key).order_by(i.source)
        with self._database.read() as connection:
            for row in connection.execute(ask):
                if _seen(within, row.cluster):
                    found = _joined(found, row)
        if found is None:
            raise NotFound("there is no such policy", do="GET /policies lists them")
        return found

    def faults(self, *, within: tuple[Reach, ...]) -> list[StoredFault]:
        """What protects nothing, by cluster."""
        ask = select(policy_fault).order_by(f.cluster, f.source, f.n)
        with self._database.read() as connection:
            return [
                StoredFault(
                    cluster=row.cluster,
                    source=row.source,
                    told=from_us(row.told),
                    fault=_fault(row.body),
                )
                for row in connection.execute(ask)
                if _seen(within, row.cluster)
            ]

    def fault_counts(self) -> Counter[tuple[str, str]]:
        """By (cluster, policy)."""
        ask = select(f.cluster, f.policy, f.body).distinct()
        with self._database.read() as connection:
            return Counter((row.cluster, row.policy) for row in connection.execute(ask))


def policy_key(cluster: str, policy: str) -> str:
    """How a policy of a cluster is addressed: its id holds slashes."""
    return hashlib.sha256(f"{cluster}\0{policy}".encode("utf-8", "replace")).hexdigest()[:20]


def replace(
    transaction: Transaction,
    cluster: str,
    source: str,
    generation: str,
    policies: Sequence[PolicyInfo],
    faults: Sequence[PolicyFault],
) -> None:
    """The whole set of a source over the one before, in a transaction."""
    connection = transaction.connection
    cluster, generation, now = (
        clean(cluster, _NAME),
        clean(generation, _NAME),
        to_us(transaction.now),
    )
    every = (_row(place, one) for place, one in enumerate(policies[:MOST]))
    unique = {row["policy"]: row for row in every}
    rows = list(unique.values())
    told = [(clean(one.policy, _NAME), _bounded(one)) for one in faults[:MOST]]
    mine = (i.cluster == cluster) & (i.source == source)
    ask = select(i.policy, i.generation, i.body).where(mine).order_by(i.place)
    before = [tuple(row) for row in connection.execute(ask)]
    mine_too = (f.cluster == cluster) & (f.source == source)
    ask_too = select(f.policy, f.body).where(mine_too).order_by(f.n)
    same = [tuple(row) for row in connection.execute(ask_too)] == told
    if same and before == [(row["policy"], generation, row["body"]) for row in rows]:
        connection.execute(update(policy_info).where(mine).values(told=now))
        return
    connection.execute(delete(policy_info).where(mine))
    connection.execute(delete(policy_fault).where(mine_too))
    common = {"cluster": cluster, "source": source, "told": now}
    insert_all(
        connection,
        policy_info,
        (
            {**row, **common, "generation": generation, "key": policy_key(cluster, row["policy"])}
            for row in unique.values()
        ),
    )
    number = next_number(connection, policy_fault)
    insert_all(
        connection,
        policy_fault,
        (
            {"n": number + place, "policy": policy, "body": body, **common}
            for place, (policy, body) in enumerate(told)
        ),
    )
    data = {"source": source, "generation": generation, "policies": len(unique)}
    transaction.tell(Notice(topic=TOPIC, cluster=cluster, data={**data, "faults": len(told)}))


def _row(place: int, one: PolicyInfo) -> dict[str, Any]:
    """A stolen token of a webhook may send anything: names stay names."""
    texts = {name: clean(getattr(one, name), _NAME) for name in ("id", "name", "severity")}
    texts |= {name: clean(getattr(one, name), _PLACE) for name in ("file", "object")}
    one = msgspec.structs.replace(one, **texts, title=clean(one.title, _TITLE))
    body = to_json(one)
    if len(body) > _BODY:
        short = msgspec.structs.replace(
            one,
            description=one.description[:4_000],
            fix=one.fix[:4_000],
            matched=(),
            reads=(),
            stages=(),
            effects=tuple(dict.fromkeys(one.effects)),
        )
        body = to_json(short)
    return {"policy": clean(one.id, _NAME), "place": place, "body": body}


def _bounded(one: PolicyFault) -> str:
    texts = {
        name: clean(getattr(one, name), 2_000) for name in ("kind", "what", "why", "do", "object")
    }
    return to_json(msgspec.structs.replace(one, **texts, file=clean(one.file, 1_000)))


def _seen(within: tuple[Reach, ...], cluster: str) -> bool:
    return any(reach.cluster in ("*", cluster) for reach in within)


def _joined(known: StoredPolicy | None, row: Any) -> StoredPolicy:
    origin = PolicyOrigin(source=row.source, generation=row.generation, told=from_us(row.told))
    if known is None:
        return StoredPolicy(
            key=row.key, cluster=row.cluster, info=_info(row.body), origins=[origin]
        )
    return msgspec.structs.replace(known, origins=[*known.origins, origin])
