"""Rows into the tables, inside of the writer's transaction.

An event is a duplicate when its time and identity are there already, in the hot tables or, for
some time after it was sealed, in ``seen``. Two different events that are taken for one need the
same nanosecond and the same 64 bits of a hash of (cluster, source, id): with a million events in
that nanosecond the odds are 1 : 10^13 for each. An id that comes again with another time is
another event, so a sensor that counts from 1 after a restart loses nothing.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from collections.abc import Sequence

from haechi.store.events.encoding import EncodedBatch, Kind, Row
from haechi.store.events.names import Names
from haechi.store.events.payloads import Dictionaries, Press
from haechi.store.events.rows import Rows
from haechi.store.events.shapes import Appended, Options
from haechi.store.events.tallies import MINUTE_NS, Tallies
from haechi.store.events.waiting import Intake

_AT = Rows("INSERT OR IGNORE INTO at (ts_ns, ident, seq, kind, resource) VALUES", 5)
_EVENT = Rows("INSERT INTO event (seq, ts_ns, version, payload) VALUES", 4)
_AtRow = tuple[int, int, int, int, int]


class Inserter:
    """What the writer remembers between transactions; made anew after one that failed."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        dictionaries: Dictionaries,
        options: Options,
        hot_rows: int | None = None,
    ) -> None:
        self._connection = connection
        self.names = Names(connection)
        self.tallies = Tallies(connection, self.names, options)
        self.press = Press(dictionaries, options)
        self.press.load(connection)
        self.waiting = Intake(connection)
        self.next_seq = next_seq(connection)
        if hot_rows is None:  # a look at every page of the table
            hot_rows = int(connection.execute("SELECT count(*) FROM at").fetchone()[0])
        self.hot_rows = hot_rows
        self._counts: Counter[tuple[int, int]] = Counter()
        self._kinds: dict[int, Kind] = {}
        """Of the batches of this transaction: by (minute, kind), and the kinds of the numbers."""
        self.sealed_to = 0
        self.refresh()

    def refresh(self) -> None:
        """After a seal: events before ``sealed_to`` may be known from sealed hours only."""
        query = "SELECT coalesce(max(to_ns), 0) FROM file"
        self.sealed_to = self._connection.execute(query).fetchone()[0]

    def insert(self, batch: EncodedBatch) -> Appended:
        """Insert a batch; what became of it once the transaction is committed."""
        at = self._insert(batch.rows)
        first, last = (at[0][2], at[-1][2]) if at else (0, 0)
        derived: list[int] = []
        if batch.derived and at:
            derived, last = self._insert_derived(batch, at)
        return Appended(
            accepted=len(at),
            duplicates=len(batch.rows) - len(at),
            first_seq=first,
            last_seq=last,
            derived=tuple(derived),
        )

    def _insert_derived(self, batch: EncodedBatch, at: list[_AtRow]) -> tuple[list[int], int]:
        """What was made of rows that were kept; their places, and the last number."""
        origins = {row[:2] for row in at}
        mine = [
            place
            for place, (origin, _) in enumerate(batch.derived)
            if batch.rows[origin][:2] in origins
        ]
        made = {row[:2] for row in self._insert([batch.derived[place][1] for place in mine])}
        kept = []
        for place in mine:
            if (key := batch.derived[place][1][:2]) in made:
                made.discard(key)
                kept.append(place)
        return kept, self.next_seq - 1

    def _insert(self, rows: Sequence[Row]) -> list[_AtRow]:
        """Insert rows; those that were new."""
        rows = self._unseen(rows)
        at, kinds = self._numbered(rows)
        kept = self._insert_at(at)
        if kept is not None:
            rows, at = [rows[index] for index in kept], [at[index] for index in kept]
        version = self.press.version
        packed = self.press.press([row[4] for row in rows])
        _EVENT.insert(
            self._connection, [(a[2], a[0], version, p) for a, p in zip(at, packed, strict=True)]
        )
        if any(kind[4] for kind in kinds.values()):  # a rule held: for the correlator
            self.waiting.add(rows, at, packed, version)
        self._kinds |= kinds
        self._counts.update([(a[0] // MINUTE_NS, a[3]) for a in at])
        if at:
            self.next_seq = at[-1][2] + 1
            self.hot_rows += len(at)
        return at

    def count(self) -> None:
        """Add what was inserted to the counts: before the end of the transaction, once for all
        its batches."""
        if self._counts:
            self.tallies.add(self._counts, self._kinds)
            self._counts, self._kinds = Counter(), {}

    def _unseen(self, rows: Sequence[Row]) -> Sequence[Row]:
        """Without those that were sealed already."""
        if not any(row[0] < self.sealed_to for row in rows):
            return rows
        query = "SELECT 1 FROM seen WHERE ts_ns=? AND ident=?"
        execute = self._connection.execute
        return [
            row
            for row in rows
            if row[0] >= self.sealed_to or execute(query, (row[0], row[1])).fetchone() is None
        ]

    def _numbered(self, rows: Sequence[Row]) -> tuple[list[_AtRow], dict[int, Kind]]:
        kind_of, resource_of = self.names.kind, self.names.resource
        kinds: dict[Kind, int] = {}
        at: list[_AtRow] = []
        seq = self.next_seq
        for ts_ns, ident, kind, resource, _ in rows:
            number = kinds.get(kind)
            if number is None:
                number = kinds[kind] = kind_of(kind)
            at.append((ts_ns, ident, seq, number, resource_of(resource)))
            seq += 1
        return at, {number: kind for kind, number in kinds.items()}

    def _insert_at(self, at: list[_AtRow]) -> list[int] | None:
        """Insert; None when all were new, else the places of those that were."""
        connection = self._connection
        connection.execute("SAVEPOINT batch")
        if _AT.insert(connection, at) == len(at):
            connection.execute("RELEASE batch")
            return None
        connection.execute("ROLLBACK TO batch")
        kept = [index for index, row in enumerate(at) if connection.execute(_AT.one, row).rowcount]
        connection.execute("RELEASE batch")
        return kept


def next_seq(connection: sqlite3.Connection) -> int:
    """The number after the highest that was ever given out (numbers are never given twice)."""
    query = """SELECT max(
      (SELECT coalesce(max(seq), 0) FROM event),
      (SELECT coalesce(max(seq_sealed), 0) FROM file),
      (SELECT coalesce(max(CAST(value AS INTEGER)), 0) FROM meta WHERE name = 'last_seq'))"""
    return int(connection.execute(query).fetchone()[0]) + 1
