"""What a new judgement makes of findings, on its way to the store's writer: in pieces that others
hardly have to wait for.

How long a piece takes depends on the machine and on what else it does, so it is measured, and the
next ones are made as much smaller or larger. An SBOM with thousands of findings is more than one
piece; the last of them says that it was judged.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from msgspec.structs import replace

from haechi.model.push import PushedRule
from haechi.server.work.matching import StoreWaivers
from haechi.store.state.rejudged import Generation, Rejudged, rejudge

if TYPE_CHECKING:
    from haechi.server.world import World

FIRST, LEAST, MOST = 40, 10, 400
"""Rows of a piece: of the first, and the bounds of the others."""
WANTED = 0.025
"""Seconds that a piece may hold the writer."""
_RULES = 100


class Writing:
    """Writes pieces of one generation. ``changes`` counts findings by what became of them."""

    def __init__(self, world: World, generation: Generation) -> None:
        self._world, self._generation = world, generation
        self._pieces: list[Rejudged] = []
        self._rules: list[PushedRule] = []
        self._rows = 0
        self.most = FIRST
        self.changes: dict[str, int] = {}
        self.pieces, self.worst = 0, 0.0

    def add(self, one: Rejudged, rules: Sequence[PushedRule] = ()) -> None:
        """Write it, now or with the next ones."""
        self._rules += rules
        while len(self._rules) >= _RULES:
            self.flush()
        for piece in split(one, self.most):
            self._pieces.append(piece)
            self._rows += rows_of(piece)
            if self._rows >= self.most:
                self.flush()

    def flush(self) -> None:
        """Write what waits."""
        if not self._pieces and not self._rules:
            return
        now: dt.datetime = self._world.clock()
        rules, self._rules = self._rules[:_RULES], self._rules[_RULES:]
        done = rejudge(
            self._world.store.state.database,
            self._pieces,
            self._generation,
            rules=rules,
            waived=StoreWaivers(now.date()),
            today=now.date(),
        )
        for what, count in done.changes.items():
            self.changes[what] = self.changes.get(what, 0) + count
        self.pieces, self.worst = self.pieces + 1, max(self.worst, done.seconds)
        if self._rows:
            self._adapt(self._rows, done.seconds)
        self._pieces, self._rows = [], 0

    def _adapt(self, rows: int, seconds: float) -> None:
        fitting = rows * WANTED / max(seconds, 1e-4)
        if fitting < self.most:
            self.most = max(LEAST, int(fitting))
        elif rows >= self.most:
            self.most = min(MOST, int(fitting), self.most * 2)


def rows_of(one: Rejudged) -> int:
    """About how much there is to write."""
    return 1 + len(one.seen) + len(one.over) + len(one.proposed) + len(one.ended)


def split(one: Rejudged, most: int) -> Iterator[Rejudged]:
    """Pieces of at most so many rows, findings before proposals."""
    if rows_of(one) <= most:
        yield one
        return
    lists = {"seen": one.seen, "over": one.over, "proposed": one.proposed, "ended": one.ended}
    rest = [(name, item) for name, items in lists.items() for item in items]
    for start in range(0, len(rest), most):
        part = rest[start : start + most]
        held = {name: [item for at, item in part if at == name] for name in lists}
        first, last = start == 0, start + most >= len(rest)
        yield replace(one, **held, first=one.first and first, last=one.last and last)
