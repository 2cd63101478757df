"""Detections that wait for the correlator: rows of ``hot.db``, written in the transaction of the
events that they are.

A row has what it takes to be read by itself (its kind in words, its payload as it was compressed
for the event), so sealing and retention of events do not matter to it. Its number is the event's,
which is never given twice in one file; ``epoch`` names the file, for who remembers numbers of it.
Rows are only ever added and, once folded, removed from the front: what was read does not change.

The backlog is bounded. Past ``FINE`` rows, those of one batch that have rule, kind and workload in
common become one with a count; past ``COARSE``, those that have priority, source and cluster in
common; past ``MOST`` nothing is added, and the number of what was left out is kept, and told.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from haechi.errors import StoreError
from haechi.model.event import Event
from haechi.store.events.encoding import Kind, Row
from haechi.store.events.payloads import Dictionaries
from haechi.store.events.question import event_of
from haechi.store.events.rows import Rows
from haechi.store.events.schema import Readers

log = logging.getLogger(__name__)
FINE, COARSE, MOST = 100_000, 200_000, 300_000
_SLICE = 20_000
_INSERT = Rows(
    "INSERT INTO waiting (seq, ts_ns, last_ns, n, kind, resource, version, payload) VALUES", 8
)
_LEFT_OUT = "waiting_left_out"
_encode = msgspec.json.Encoder().encode
_kind = msgspec.json.Decoder(tuple[str, str, str, str, str, str]).decode
_Waiting = tuple[int, int, int, int, bytes, str, int, Any]


class Lot(msgspec.Struct, frozen=True, kw_only=True):
    """One row that waits: ``count`` detections that are alike, the first of which is ``event``.
    ``event`` is None where the row could not be read; ``fault`` says why."""

    seq: int
    count: int
    last_ns: int
    event: Event | None
    fault: str = ""


class Intake:
    """The writer's side, made anew after a transaction that failed."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        fine: int = FINE,
        coarse: int = COARSE,
        most: int = MOST,
    ) -> None:
        self._connection = connection
        self._fine, self._coarse, self._most = fine, coarse, most
        self.count: int = connection.execute("SELECT count(*) FROM waiting").fetchone()[0]
        self.left_out = _left_out(connection)
        self._kinds: dict[Kind, bytes] = {}

    def add(
        self,
        rows: Sequence[Row],
        at: Sequence[tuple[int, int, int, int, int]],
        packed: Sequence[Any],
        version: int,
    ) -> None:
        """Have those of the rows wait that a rule held for; all three go together."""
        made: list[_Waiting] = [
            (a[2], a[0], a[0], 1, self._kind(row[2]), row[3], version, p)
            for row, a, p in zip(rows, at, packed, strict=True)
            if row[2][4]
        ]
        if self.count + len(made) > self._fine:
            made = self._joined(made)
        if self.count + len(made) > self._most:
            self._leave_out(sum(one[3] for one in made))
            return
        _INSERT.insert(self._connection, made)
        self.count += len(made)

    def _kind(self, kind: Kind) -> bytes:
        found = self._kinds.get(kind)
        if found is None:
            if len(self._kinds) >= 10_000:
                self._kinds.clear()
            found = self._kinds[kind] = _encode(kind)
        return found

    def _joined(self, made: list[_Waiting]) -> list[_Waiting]:
        """Fewer of them, with counts. The number is that of the last, so that all lie before it."""
        coarse = self.count > self._coarse
        found: dict[Any, _Waiting] = {}
        for one in made:
            key: Any = (one[4], one[5])
            if coarse:
                source, _, cluster, _, _, priority = _kind(one[4])
                key = (source, cluster, priority)
            first = found.get(key)
            if first is None:
                found[key] = one
            else:
                low, high = min(first[1], one[1]), max(first[2], one[2])
                found[key] = (one[0], low, high, first[3] + one[3], *first[4:])
        return sorted(found.values(), key=lambda one: one[0])

    def _leave_out(self, number: int) -> None:
        if not self.left_out:
            log.error("detections are not looked at for incidents any more: too many wait")
        self.left_out += number
        sql = "INSERT INTO meta (name, value) VALUES (?, ?) ON CONFLICT (name)"
        sql += " DO UPDATE SET value = excluded.value"
        self._connection.execute(sql, (_LEFT_OUT, str(self.left_out)))

    def removed(self, number: int) -> None:
        """So many rows are gone."""
        self.count = max(0, self.count - number)


def _left_out(connection: sqlite3.Connection) -> int:
    row = connection.execute("SELECT value FROM meta WHERE name = ?", (_LEFT_OUT,)).fetchone()
    return int(row[0]) if row is not None else 0


class Waiting:
    """The reader's side. Thread-safe; one correlator takes."""

    def __init__(
        self,
        readers: Readers,
        dictionaries: Dictionaries,
        run: Callable[[Callable[[sqlite3.Connection], int]], int],
        intake: Callable[[], Intake],
        newest: Callable[[], int],
    ) -> None:
        self._readers, self._dictionaries = readers, dictionaries
        self._run, self._intake, self._newest = run, intake, newest

    def epoch(self) -> str:
        """Which file the numbers are of."""
        with self._readers.snapshot() as connection:
            row = connection.execute("SELECT value FROM meta WHERE name = 'epoch'").fetchone()
        return str(row[0]) if row is not None else ""

    def take(self, after: int, limit: int) -> list[Lot]:
        """The next rows behind a number, in order."""
        sql = (
            "SELECT seq, ts_ns, last_ns, n, kind, resource, version, payload FROM waiting"
            " WHERE seq > ? ORDER BY seq LIMIT ?"
        )
        with self._readers.snapshot() as connection:
            self._dictionaries.load(connection)
            rows = connection.execute(sql, (after, limit)).fetchall()
        return [self._lot(row) for row in rows]

    def _lot(self, row: tuple[Any, ...]) -> Lot:
        seq, ts_ns, last_ns, count, kind, resource, version, payload = row
        try:
            whole = self._dictionaries.decompress(version, payload)
            event = event_of(ts_ns, _kind(kind), resource, whole)
        except (StoreError, msgspec.MsgspecError, ValueError) as error:
            return Lot(seq=seq, count=count, last_ns=last_ns, event=None, fault=str(error)[:300])
        return Lot(seq=seq, count=count, last_ns=last_ns, event=event)

    def newest(self) -> int:
        """The highest number that was given out in this file."""
        return self._newest()

    def remove(self, through: int) -> int:
        """Remove the rows up to a number, in parts; how many."""
        done = 0
        while True:

            def work(connection: sqlite3.Connection) -> int:
                sql = "DELETE FROM waiting WHERE seq IN"
                sql += " (SELECT seq FROM waiting WHERE seq <= ? ORDER BY seq LIMIT ?)"
                gone = connection.execute(sql, (through, _SLICE)).rowcount
                self._intake().removed(gone)
                return gone

            gone = self._run(work)
            done += gone
            if gone < _SLICE:
                return done

    def figures(self) -> dict[str, Any]:
        """How many rows there are, whether they are joined, and how many were left out ever."""
        intake = self._intake()
        return {
            "waiting": intake.count,
            "joined": intake.count > FINE,
            "left_out": intake.left_out,
        }
