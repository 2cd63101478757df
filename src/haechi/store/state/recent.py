"""How much changed lately, counted without looking at each change again and again.

The history only grows at its end, so it is counted in blocks of so many steps; what a full block
says is kept. A block is counted anew when other branches count than before. (A finding that a
later scan puts into another namespace stays counted where it was.)
"""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict
from collections.abc import Mapping
from typing import NamedTuple

from sqlalchemy import Connection, func, select

from haechi.model.access import Reach
from haechi.store.state.reach import reached
from haechi.store.state.schema import finding as f
from haechi.store.state.schema import finding_change as c
from haechi.store.state.schema import meta

BLOCK = 1_024
_KEPT = 4_096
_BRANCHES = "default_branches"
"""The entry of ``meta`` that goes up whenever other branches count."""


class _Block(NamedTuple):
    """``first`` and ``last`` are times of what is counted."""

    first: int
    last: int
    counts: Mapping[str, int]


class Recent:
    """Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._branches = 0
        self._kept: OrderedDict[tuple[tuple[Reach, ...], int], _Block] = OrderedDict()

    def counts(
        self, connection: Connection, since: int, within: tuple[Reach, ...]
    ) -> dict[str, int]:
        """How many of each kind of change there were since then, in findings that count."""
        self._check_branches(connection)
        first = select(func.min(c.c.at)).where(c.c.at >= since).scalar_subquery()
        # Steps of one transaction have one time.
        start = connection.execute(select(func.min(c.c.n)).where(c.c.at == first)).scalar()
        end = connection.execute(select(func.max(c.c.n))).scalar() or 0
        found: Counter[str] = Counter()
        if start is not None:
            for block in range(start // BLOCK, end // BLOCK + 1):
                full = (block + 1) * BLOCK <= end
                found.update(self._block(connection, block, since, within, full=full))
        return dict(found)

    def _block(
        self,
        connection: Connection,
        block: int,
        since: int,
        within: tuple[Reach, ...],
        *,
        full: bool,
    ) -> Mapping[str, int]:
        with self._lock:
            kept = self._kept.get((within, block))
        if kept is None and full:
            kept = _count(connection, block, 0, within)
            with self._lock:
                self._kept[within, block] = kept
                while len(self._kept) > _KEPT:
                    self._kept.popitem(last=False)
        if kept is None or kept.first < since <= kept.last:
            return _count(connection, block, since, within).counts
        return kept.counts if kept.first >= since else {}

    def _check_branches(self, connection: Connection) -> None:
        known = select(meta.c.value).where(meta.c.key == _BRANCHES)
        branches = int(connection.execute(known).scalar() or 0)
        with self._lock:
            if branches != self._branches:
                self._kept.clear()
                self._branches = branches


def _count(connection: Connection, block: int, since: int, within: tuple[Reach, ...]) -> _Block:
    query = (
        select(c.c.what, func.count(), func.min(c.c.at), func.max(c.c.at))
        .join(f, f.c.n == c.c.finding)
        .where(c.c.n >= block * BLOCK, c.c.n < (block + 1) * BLOCK)
        # As sums they are no reason to begin with another index.
        .where(c.c.at + 0 >= since, f.c.is_default + 0 == 1)
        .where(reached(within, f.c.cluster, f.c.namespace))
        .group_by(c.c.what)
    )
    rows = connection.execute(query).all()
    return _Block(
        first=min((row[2] for row in rows), default=0),
        last=max((row[3] for row in rows), default=0),
        counts={row[0]: row[1] for row in rows},
    )


def branches_changed(connection: Connection) -> None:
    """Other branches count than before; inside of the transaction that makes it so."""
    row = meta.c.key == _BRANCHES
    known = connection.execute(select(meta.c.value).where(row)).scalar()
    if known is None:
        connection.execute(meta.insert(), {"key": _BRANCHES, "value": "1"})
    else:
        connection.execute(meta.update().where(row).values(value=str(int(known) + 1)))
