"""Rows of ``waiver`` as records. A waiver holds through the day of its end, as in the gate."""

from __future__ import annotations

import datetime as dt
from typing import Any

import msgspec
from sqlalchemy import Connection, func, select

from haechi.model.access import Reach
from haechi.store.records import Life, StoredWaiver
from haechi.store.state.acceptance import STORE
from haechi.store.state.plain import to_json
from haechi.store.state.reach import reached
from haechi.store.state.schema import finding as f
from haechi.store.state.schema import waiver
from haechi.store.state.times import from_us, maybe_us, to_us

w = waiver.c
_words = msgspec.json.Decoder(list[str])


def to_waiver(row: Any, today: dt.date, count: int = 0) -> StoredWaiver:
    """The record; its state by the clock."""
    expires = dt.date.fromisoformat(row.expires)
    state = "revoked" if row.revoked else "expired" if expires < today else "active"
    return StoredWaiver(
        id=row.id,
        rule=row.rule,
        reason=row.reason,
        owner=row.owner,
        expires=expires,
        created=from_us(row.created),
        created_by=row.created_by,
        reach=Reach(cluster=row.cluster, namespace=row.namespace),
        source=row.source,
        fingerprints=_words.decode(row.fingerprints),
        path=row.path,
        resource=row.resource,
        revoked=maybe_us(row.revoked),
        revoked_by=row.revoked_by,
        state=state,
        count=count,
    )


def to_row(n: int, one: StoredWaiver) -> dict[str, Any]:
    """The row of a new waiver."""
    return {
        "n": n,
        "id": one.id,
        "cluster": one.reach.cluster,
        "namespace": one.reach.namespace,
        "rule": one.rule,
        "reason": one.reason,
        "owner": one.owner,
        "expires": one.expires.isoformat(),
        "created": to_us(one.created),
        "created_by": one.created_by,
        "source": one.source,
        "fingerprints": to_json(one.fingerprints),
        "path": one.path,
        "resource": one.resource,
        "revoked": 0,
        "revoked_by": "",
        "ended": 0,
    }


def active_waivers(connection: Connection, today: dt.date) -> list[StoredWaiver]:
    """Those in force, oldest first; without counts."""
    ask = select(waiver).where(w.revoked == 0, w.ended == 0, w.expires >= today.isoformat())
    return [to_waiver(row, today) for row in connection.execute(ask.order_by(w.n))]


def waiver_of(
    connection: Connection, id_: str, within: tuple[Reach, ...], today: dt.date
) -> StoredWaiver | None:
    """One with its count; None when there is none whose whole reach is within."""
    ask = select(waiver).where(w.id == id_, reached(within, w.cluster, w.namespace))
    row = connection.execute(ask).one_or_none()
    if row is None:
        return None
    return to_waiver(row, today, counts_of(connection, [row.id]).get(row.id, 0))


def counts_of(connection: Connection, ids: list[str]) -> dict[str, int]:
    """How many findings each of these waivers covers now."""
    ask = (
        select(f.c.waiver, func.count())
        .where(f.c.waiver.in_(ids), f.c.waiver_from == STORE, f.c.state == Life.WAIVED.value)
        .group_by(f.c.waiver)
    )
    return dict(connection.execute(ask).all())
