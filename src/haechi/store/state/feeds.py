"""Feeds: what came from each, how late, where a follower goes on, and what could not be taken.

Senders over HTTP are heard with every request, so their counts are a note in memory that is
written now and then. A follower's place is written only after its events are durable, in one
transaction with its counts: after a crash it reads a little twice, and loses nothing.
"""

from __future__ import annotations

import datetime as dt
import threading
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import msgspec
from sqlalchemy import Connection, delete, func, insert, select, update

from haechi.errors import StoreError
from haechi.model.access import Reach
from haechi.store.records import DeadLetter, FeedCounts, FeedStatus
from haechi.store.state.bulk import next_number
from haechi.store.state.engine import Clock, Database, Transaction
from haechi.store.state.plain import clean, from_json, to_json
from haechi.store.state.reach import reached
from haechi.store.state.runtime_tables import dead_letter, feed
from haechi.store.state.sources import SILENT
from haechi.store.state.times import from_us, maybe_us, to_us

LETTERS = 100
"""Dead letters that are kept of each feed; all are counted."""
_MOST = 1_000
_COUNTS = ("accepted", "duplicates", "refused", "skipped", "lost")


class Heard(msgspec.Struct, frozen=True, kw_only=True):
    """What one batch of a feed came to. ``last_event`` is the newest event's own time;
    ``checkpoint`` stays when None; ``error`` is why a follower could not go on."""

    cluster: str
    id: str
    kind: str
    way: str
    place: str
    at: dt.datetime
    counts: FeedCounts = FeedCounts()
    last_event: dt.datetime | None = None
    letters: tuple[tuple[str, str], ...] = ()
    """(why, sample) of refused records, a few."""
    checkpoint: Any = None
    error: str = ""


class Feeds:
    """Thread-safe. A feed is known by its cluster and id."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database, self._clock = database, clock
        self._lock = threading.Lock()
        self._waiting: dict[tuple[str, str], list[Heard]] = {}

    def heard(self, one: Heard) -> None:
        """Note it in memory, for the next ``flush``: whoever tells this must not wait."""
        key = (one.cluster, one.id)
        with self._lock:
            if key not in self._waiting and len(self._waiting) >= _MOST:
                return
            some = self._waiting.setdefault(key, [])
            some.append(one)
            if len(some) > 1:
                some[:] = [_sum(some)]

    def keep(self, one: Heard) -> None:
        """Write it now, with what waits of the same feed; durable when it returns."""
        with self._lock:
            news = [*self._waiting.pop((one.cluster, one.id), ()), one]
        self._database.write(lambda transaction: _write(transaction, [_sum(news)]))

    def flush(self) -> None:
        """Write what waits. What cannot be written goes on waiting."""
        with self._lock:
            waiting, self._waiting = self._waiting, {}
        if not waiting:
            return
        news = [_sum(some) for some in waiting.values()]
        try:
            self._database.note(lambda transaction: _write(transaction, news))
        except StoreError:
            with self._lock:
                for key, some in waiting.items():
                    self._waiting[key] = [*some, *self._waiting.get(key, ())]
            raise

    def checkpoint(self, cluster: str, id: str) -> Any:
        """Where a follower goes on; None at the beginning."""
        ask = select(feed.c.checkpoint).where(feed.c.cluster == cluster, feed.c.id == id)
        with self._database.read() as connection:
            found = connection.execute(ask).scalar()
        return from_json(found) if found else None

    def all(self, *, within: tuple[Reach, ...]) -> list[FeedStatus]:
        """By kind and place."""
        with suppress(StoreError):  # a full disk keeps nobody from reading what there is
            self.flush()
        ask = select(feed).where(reached(within, feed.c.cluster))
        ask = ask.order_by(feed.c.kind, feed.c.cluster, feed.c.id)
        now = self._clock()
        with self._lock:
            waiting = {key: _sum(some) for key, some in self._waiting.items()}
        with self._database.read() as connection:
            rows = connection.execute(ask).all()
        return [_status(row, waiting.get((row.cluster, row.id)), now) for row in rows]

    def letters(
        self, *, within: tuple[Reach, ...], id: str = "", limit: int = LETTERS
    ) -> list[DeadLetter]:
        """What could not be taken, newest first."""
        with suppress(StoreError):
            self.flush()
        d = dead_letter.c
        ask = select(dead_letter).where(reached(within, d.cluster))
        if id:
            ask = ask.where(d.feed == id)
        with self._database.read() as connection:
            rows = connection.execute(ask.order_by(d.n.desc()).limit(limit)).all()
        return [
            DeadLetter(
                feed=row.feed,
                cluster=row.cluster,
                at=from_us(row.at),
                why=row.why,
                sample=row.sample,
            )
            for row in rows
        ]


def _sum(several: Sequence[Heard]) -> Heard:
    """Several in a row as one."""
    last = several[-1]
    if len(several) == 1:
        return last
    totals = {name: sum(getattr(one.counts, name) for one in several) for name in _COUNTS}
    times = [one.last_event for one in several if one.last_event is not None]
    letters = tuple(letter for one in several for letter in one.letters)[-LETTERS:]
    return msgspec.structs.replace(
        last,
        counts=FeedCounts(**totals),
        last_event=max(times, default=None),
        letters=letters,
        checkpoint=next((o.checkpoint for o in reversed(several) if o.checkpoint), None),
    )


def _write(transaction: Transaction, news: Sequence[Heard]) -> None:
    for one in news:
        cluster, id_ = clean(one.cluster, 400), clean(one.id, 1_000)
        if _keep(transaction.connection, one, cluster, id_):
            _keep_letters(transaction.connection, one, cluster, id_)


def _keep(connection: Connection, one: Heard, cluster: str, id_: str) -> bool:
    """False when there are too many feeds already."""
    mine = (feed.c.cluster == cluster) & (feed.c.id == id_)
    values: dict[str, Any] = {"error": clean(one.error, 1_000)}
    if one.counts != FeedCounts():
        values["last_seen"] = to_us(one.at)
    if one.last_event is not None:
        values |= {"last_event": to_us(one.last_event)}
        values |= {"lag": max(0, to_us(one.at) - to_us(one.last_event))}
    if one.checkpoint is not None:
        values["checkpoint"] = to_json(one.checkpoint)
    added = {name: feed.c[name] + getattr(one.counts, name) for name in _COUNTS}
    if connection.execute(update(feed).where(mine).values(**values, **added)).rowcount:
        return True
    if connection.execute(select(func.count()).select_from(feed)).scalar_one() >= _MOST:
        return False
    row: dict[str, Any] = {"cluster": cluster, "id": id_, "way": one.way}
    row |= {"kind": clean(one.kind, 40), "place": clean(one.place, 1_000)}
    row |= {"last_seen": 0, "last_event": 0, "lag": 0}
    row |= {"checkpoint": ""} | {name: getattr(one.counts, name) for name in _COUNTS}
    connection.execute(insert(feed), row | values)
    return True


def _keep_letters(connection: Connection, one: Heard, cluster: str, id_: str) -> None:
    if not one.letters:
        return
    first = next_number(connection, dead_letter)
    common = {"cluster": cluster, "feed": id_, "at": to_us(one.at)}
    rows = [
        {"n": first + place, **common, "why": clean(why, 500), "sample": clean(sample, 500)}
        for place, (why, sample) in enumerate(one.letters[-LETTERS:])
    ]
    connection.execute(insert(dead_letter), rows)
    d = dead_letter.c
    mine = (d.cluster == cluster) & (d.feed == id_)
    kept = select(d.n).where(mine).order_by(d.n.desc()).limit(LETTERS)
    connection.execute(delete(dead_letter).where(mine, d.n.not_in(kept)))


def _status(row: Any, waiting: Heard | None, now: dt.datetime) -> FeedStatus:
    counts = {name: getattr(row, name) for name in _COUNTS}
    seen, newest = maybe_us(row.last_seen), maybe_us(row.last_event)
    lag = row.lag / 1e6 if row.last_event else None
    if waiting is not None:
        counts = {name: n + getattr(waiting.counts, name) for name, n in counts.items()}
        seen = waiting.at
        if waiting.last_event is not None:
            newest = waiting.last_event
            lag = max(0.0, (waiting.at - newest).total_seconds())
    return FeedStatus(
        id=row.id,
        kind=row.kind,
        way=row.way,
        cluster=row.cluster,
        place=row.place,
        state=_state(row.error, seen, now),
        counts=FeedCounts(**counts),
        last_seen=seen,
        last_event=newest,
        lag_s=lag,
        error=row.error,
    )


def _state(error: str, seen: dt.datetime | None, now: dt.datetime) -> str:
    if error:
        return "failed"
    if seen is None:
        return "never"
    return "silent" if now - seen > SILENT else "fresh"
