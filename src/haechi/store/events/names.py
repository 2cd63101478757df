"""Numbers for what recurs: kinds and resources. The writer gives them out, readers look them up.

The caches are bounded; a sender of ever new names costs rows, not memory.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence

from haechi.model.access import ANY, Reach
from haechi.store.events.encoding import Kind
from haechi.store.events.shapes import EventFilter

_MOST = 50_000
Condition = tuple[str, list[object]]
_COLUMNS = ("cluster", "namespace", "source", "type", "rule", "priority")


class Names:
    """The writer's side: a number for each kind and resource, made when there is none."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._kinds: dict[Kind, int] = {}
        self._resources: dict[str, int] = {}
        self._slices: dict[tuple[int, str, str, str], int] = {}

    def forget(self) -> None:
        """After a transaction that was taken back: its numbers do not exist."""
        self._kinds.clear()
        self._resources.clear()
        self._slices.clear()

    def slice(self, slice_: tuple[int, str, str, str]) -> int:
        """Of (dimension, name, cluster, namespace), for the tallies."""
        found = self._slices.get(slice_)
        if found is None:
            found = self._number(
                "SELECT id FROM slice WHERE dim=? AND value=? AND cluster=? AND namespace=?",
                "INSERT INTO slice (dim, value, cluster, namespace) VALUES (?, ?, ?, ?)",
                slice_,
            )
            if len(self._slices) >= _MOST:
                self._slices.clear()
            self._slices[slice_] = found
        return found

    def slice_of(self, number: int) -> tuple[int, str, str, str]:
        """What a slice's number stands for."""
        sql = "SELECT dim, value, cluster, namespace FROM slice WHERE id=?"
        found: tuple[int, str, str, str] = self._connection.execute(sql, (number,)).fetchone()
        return found

    def kind(self, kind: Kind) -> int:
        found = self._kinds.get(kind)
        if found is None:
            source, type_, cluster, namespace, rule, priority = kind
            row = (cluster, namespace, source, type_, rule, priority)
            found = self._number(
                "SELECT id FROM kind WHERE cluster=? AND namespace=? AND source=? AND type=?"
                " AND rule=? AND priority=?",
                "INSERT INTO kind (cluster, namespace, source, type, rule, priority)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                row,
            )
            if len(self._kinds) >= _MOST:
                self._kinds.clear()
            self._kinds[kind] = found
        return found

    def resource(self, key: str) -> int:
        """0 is: none."""
        if not key:
            return 0
        found = self._resources.get(key)
        if found is None:
            found = self._number(
                "SELECT id FROM resource WHERE key=?",
                "INSERT INTO resource (key) VALUES (?)",
                (key,),
            )
            if len(self._resources) >= _MOST:
                self._resources.clear()
            self._resources[key] = found
        return found

    def _number(self, select: str, insert: str, row: tuple[str | int, ...]) -> int:
        for (found,) in self._connection.execute(select, row):
            return int(found)
        return int(self._connection.execute(insert, row).lastrowid or 0)


def narrowed(ask: EventFilter, within: Sequence[Reach]) -> Condition | None:
    """The condition over the columns of ``kind`` (or of a sealed file) and its values.

    None: nothing can match, since nothing is within reach.
    """
    return condition({column: getattr(ask, column) for column in _COLUMNS}, within)


def condition(wanted: Mapping[str, Sequence[str]], within: Sequence[Reach]) -> Condition | None:
    """As ``narrowed``: any of the values where there are some, and the reach."""
    parts: list[str] = []
    values: list[object] = []
    for column, some in wanted.items():
        if some:
            parts.append(f"{column} IN ({', '.join('?' * len(some))})")
            values += some
    reaches = _reach(within, values)
    if reaches is None:
        return None
    parts += [reaches] if reaches else []
    return " AND ".join(parts) or "1=1", values


def _reach(within: Sequence[Reach], values: list[object]) -> str | None:
    """The condition of reach; "" is everywhere, None nowhere."""
    parts = []
    for reach in within:
        terms = []
        for column, wanted in (("cluster", reach.cluster), ("namespace", reach.namespace)):
            if wanted != ANY:
                terms.append(f"{column} = ?")
        if not terms:
            return ""
        parts.append("(" + " AND ".join(terms) + ")")
    if not parts:
        return None
    for reach in within:
        values += [one for one in (reach.cluster, reach.namespace) if one != ANY]
    return "(" + " OR ".join(parts) + ")"
