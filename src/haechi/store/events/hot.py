"""Reading hot rows: newest first, within a window, until enough is found or time is up."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator

from haechi.model.event import Event
from haechi.store.events.encoding import Kind
from haechi.store.events.payloads import Dictionaries
from haechi.store.events.question import Found, Position, Question, Slice, event_of, fold

_MOST = 20_000
_LOOK = 128
"""How many rows are looked at between two looks at the clock."""


class Hot:
    """Knows how rows become events. Thread-safe: its caches only ever gain true entries."""

    def __init__(self, dictionaries: Dictionaries) -> None:
        self._dictionaries = dictionaries
        self._kinds: dict[int, tuple[Kind, str]] = {}
        self._resources: dict[int, tuple[str, str]] = {0: ("", "")}

    def take(
        self,
        connection: sqlite3.Connection,
        ask: Question,
        low_ns: int,
        before: Position,
        want: int,
        deadline: float,
    ) -> Slice:
        """The newest ``want`` events from ``low_ns`` on and strictly before a position."""
        self._dictionaries.load(connection)
        sql, values = _select(connection, ask, low_ns, before, 0 if ask.needle else want)
        found: list[Found] = []
        reached = before
        rows = connection.execute(sql, values)
        for number, (ts_ns, seq, kind, resource, version, payload) in enumerate(rows):
            if number % _LOOK == 0 and time.monotonic() > deadline:
                return Slice(found, reached)
            reached = Position(ts_ns, seq)
            event = self._event(connection, ask, ts_ns, kind, resource, version, payload)
            if event is not None:
                found.append(Found(reached, event))
                if len(found) >= want:
                    return Slice(found, reached)
        return Slice(found, Position(low_ns, 0))

    def raw(
        self,
        connection: sqlite3.Connection,
        ask: Question,
        low_ns: int,
        before: Position,
        want: int,
    ) -> list[tuple[int, int, Kind, str, bytes]]:
        """As ``take``, without text and undecoded: (seq, ts_ns, kind, resource, payload)."""
        self._dictionaries.load(connection)
        sql, values = _select(connection, ask, low_ns, before, want)
        return [
            (
                seq,
                ts_ns,
                self._kind(connection, kind)[0],
                self._resource(connection, resource)[0],
                self._dictionaries.decompress(version, payload),
            )
            for ts_ns, seq, kind, resource, version, payload in connection.execute(sql, values)
        ]

    def one(self, connection: sqlite3.Connection, seq: int) -> Event | None:
        """The event of a number."""
        self._dictionaries.load(connection)
        sql = """SELECT e.ts_ns, a.kind, a.resource, e.version, e.payload FROM event e
          CROSS JOIN at a ON a.ts_ns = e.ts_ns AND a.seq = e.seq WHERE e.seq = ?"""
        for ts_ns, kind, resource, version, payload in connection.execute(sql, (seq,)):
            plain = self._dictionaries.decompress(version, payload)
            return event_of(
                ts_ns,
                self._kind(connection, kind)[0],
                self._resource(connection, resource)[0],
                plain,
            )
        return None

    def numbers(self, connection: sqlite3.Connection, idents: list[int]) -> list[int]:
        """The numbers of events by identity: one pass over the narrow table."""
        marks = ", ".join("?" * len(idents))
        sql = f"SELECT seq FROM at WHERE ident IN ({marks}) ORDER BY seq DESC LIMIT 100"  # noqa: S608
        return [seq for (seq,) in connection.execute(sql, idents)]

    def _event(
        self,
        connection: sqlite3.Connection,
        ask: Question,
        ts_ns: int,
        kind: int,
        resource: int,
        version: int,
        payload: bytes,
    ) -> Event | None:
        plain = self._dictionaries.decompress(version, payload)
        names, folded_names = self._kind(connection, kind)
        key, folded_key = self._resource(connection, resource)
        if ask.needle and not (
            ask.packed_needle in fold(plain.decode())
            or ask.needle in folded_key
            or ask.needle in folded_names
        ):
            return None
        event = event_of(ts_ns, names, key, plain)
        return event if ask.mentions(event) else None

    def _kind(self, connection: sqlite3.Connection, number: int) -> tuple[Kind, str]:
        found = self._kinds.get(number)
        if found is None:
            sql = "SELECT source, type, cluster, namespace, rule, priority FROM kind WHERE id=?"
            names: Kind = connection.execute(sql, (number,)).fetchone()
            found = (names, "\0".join(map(fold, names)))
            if len(self._kinds) >= _MOST:
                self._kinds.clear()
            self._kinds[number] = found
        return found

    def _resource(self, connection: sqlite3.Connection, number: int) -> tuple[str, str]:
        found = self._resources.get(number)
        if found is None:
            row = connection.execute("SELECT key FROM resource WHERE id=?", (number,)).fetchone()
            found = (row[0], fold(row[0]))
            if len(self._resources) >= _MOST:
                self._resources.clear()
                self._resources[0] = ("", "")
            self._resources[number] = found
        return found

    def forget(self) -> None:
        """After names were swept away: a number may come again for another name."""
        self._kinds.clear()
        self._resources.clear()
        self._resources[0] = ("", "")


def _select(
    connection: sqlite3.Connection, ask: Question, low_ns: int, before: Position, want: int
) -> tuple[str, list[object]]:
    parts = ["a.ts_ns >= ?", "a.ts_ns <= ?", "(a.ts_ns, a.seq) < (?, ?)"]
    values: list[object] = [low_ns, before.ts_ns, before.ts_ns, before.seq]
    for bounds in clearing(connection, low_ns, before.ts_ns):
        parts.append("NOT (a.ts_ns >= ? AND a.ts_ns < ? AND a.seq <= ?)")
        values += bounds
    if not ask.anything and ask.kinds is not None:
        parts.append(f"a.kind IN (SELECT id FROM kind WHERE {ask.kinds[0]})")  # noqa: S608
        values += ask.kinds[1]
    if ask.ask.resource:
        marks = ", ".join("?" * len(ask.ask.resource))
        parts.append(f"a.resource IN (SELECT id FROM resource WHERE key IN ({marks}))")  # noqa: S608
        values += ask.ask.resource
    sql = (
        "SELECT a.ts_ns, a.seq, a.kind, a.resource, e.version, e.payload"  # noqa: S608
        " FROM at a CROSS JOIN event e ON e.seq = a.seq WHERE "
        + " AND ".join(parts)
        + " ORDER BY a.ts_ns DESC, a.seq DESC"
    )
    return (f"{sql} LIMIT {want:d}" if want else sql), values


def clearing(
    connection: sqlite3.Connection, low_ns: int, high_ns: int
) -> Iterator[tuple[int, int, int]]:
    """What is sealed already but not deleted yet: (from_ns, to_ns, numbers up to)."""
    sql = """SELECT from_ns, to_ns, seq_sealed FROM file
      WHERE state = 'clearing' AND from_ns <= ? AND to_ns > ?"""
    yield from connection.execute(sql, (high_ns, low_ns))
