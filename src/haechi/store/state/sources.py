"""Sources: the repositories that are looked at and the streams of events that are heard.

A stream is heard with every batch, so hearing is a note in memory that is written now and then.
"""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Iterable
from typing import Any

import msgspec
from sqlalchemy import func, insert, select, update

from haechi.model.access import NONE, Reach
from haechi.store.records import Notice, SourceStatus
from haechi.store.state.engine import Clock, Database, Transaction
from haechi.store.state.plain import bounded_json, clean, from_json
from haechi.store.state.reach import reached
from haechi.store.state.schema import source
from haechi.store.state.times import maybe_us, to_us

STALE = dt.timedelta(days=7)
"""A repository that was not looked at for longer is stale."""
SILENT = dt.timedelta(minutes=15)
"""A stream of events that is not heard for longer is silent."""
_WRITTEN_EVERY = dt.timedelta(seconds=30)
_MOST_HEARD = 1_000
"""Streams that are kept: every first screen lists them, and a sender may make up names."""
_DETAIL = 8_000


class _Heard(msgspec.Struct):
    kind: str
    name: str
    at: dt.datetime
    detail: dict[str, Any]
    written: dt.datetime | None = None


class Sources:
    """A stream's cluster is ``detail["cluster"]``."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._lock = threading.Lock()
        self._heard: dict[tuple[str, str], _Heard] = {}

    def all(self, *, within: tuple[Reach, ...]) -> list[SourceStatus]:
        """Repositories first, by name. What was heard and is not written yet counts."""
        ask = select(source).where(reached(within, source.c.cluster))
        ask = ask.order_by(source.c.kind.desc(), source.c.name, source.c.cluster)
        now = self._clock()
        with self._lock:
            heard = {key: one.at for key, one in self._heard.items()}
        with self._database.read() as connection:
            rows = connection.execute(ask).all()
        return [_status(row, heard.get((row.cluster, row.id)), now) for row in rows]

    def heard(
        self,
        id: str,
        *,
        kind: str,
        name: str,
        at: dt.datetime,
        detail: dict[str, Any],
    ) -> None:
        """Note that a source was heard; written at most every half minute."""
        if self._remember(id, kind, name, at, detail):
            self.flush()

    def streams_heard(self, streams: Iterable[tuple[str, str]], at: dt.datetime) -> None:
        """All streams of a batch, by name and cluster: new ones are written together."""
        due = [
            self._remember(f"events:{name}", "events", name, at, {"cluster": cluster})
            for name, cluster in streams
        ]
        if any(due):
            self.flush()

    def _remember(
        self, id: str, kind: str, name: str, at: dt.datetime, detail: dict[str, Any]
    ) -> bool:
        """True when it is time to write it down."""
        key = (clean(str(detail.get("cluster") or NONE), 400), clean(id, 1_000))
        with self._lock:
            known = self._heard.pop(key, None)
            if known is None and not self._room(at):
                return False
            written = known.written if known else None
            at = max(at, known.at) if known else at
            self._heard[key] = _Heard(kind, name, at, detail, written)
            return written is None or at - written >= _WRITTEN_EVERY

    def _room(self, at: dt.datetime) -> bool:
        """For one more; a stream that fell silent makes it. They stand as they were last heard."""
        if len(self._heard) < _MOST_HEARD:
            return True
        quietest = next(iter(self._heard))
        if at - self._heard[quietest].at < SILENT:
            return False
        del self._heard[quietest]
        return True

    def flush(self) -> None:
        """Write what was heard since the last time."""
        with self._lock:
            news = {k: one for k, one in self._heard.items() if one.written != one.at}
            if not news:
                return
            for one in news.values():
                one.written = one.at
        rows = {key: (one.kind, one.name, one.at, one.detail) for key, one in news.items()}
        self._database.note(lambda transaction: _write(transaction, rows))


def _write(transaction: Transaction, rows: dict[tuple[str, str], Any]) -> None:
    connection = transaction.connection
    room: int | None = None
    for (cluster, id_), (kind, name, at, detail) in rows.items():
        named = (source.c.cluster == cluster) & (source.c.id == id_)
        values = {
            "kind": clean(kind, 40),
            "name": clean(name, 1_000),
            "last_seen": to_us(at),
            "detail": bounded_json(detail, _DETAIL),
        }
        if connection.execute(update(source).where(named).values(**values)).rowcount:
            continue
        if room is None:
            known = select(func.count()).where(source.c.kind == "events")
            room = _MOST_HEARD - connection.execute(known).scalar_one()
        if room <= 0:
            continue
        room -= 1
        row = {"cluster": cluster, "id": id_, "gaps": 0, **values}
        connection.execute(insert(source), row)
        transaction.tell(Notice(topic="source", cluster=cluster, data={"id": id_}))


def _status(row: Any, heard: dt.datetime | None, now: dt.datetime) -> SourceStatus:
    written = maybe_us(row.last_seen)
    seen = max(written, heard) if written and heard else written or heard
    return SourceStatus(
        id=row.id,
        kind=row.kind,
        name=row.name,
        state=_state(row, seen, now),
        last_seen=seen,
        gaps=row.gaps,
        detail={"cluster": row.cluster, **from_json(row.detail)},
    )


def _state(row: Any, seen: dt.datetime | None, now: dt.datetime) -> str:
    if seen is None:
        return "never"
    age = now - seen
    if row.kind == "repository":
        return "stale" if age > STALE else "gaps" if row.gaps else "fresh"
    return "silent" if age > SILENT else "fresh"
