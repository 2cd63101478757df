"""Where the log has come to: its size, its tree, and the block that is being filled.

The tree is kept in two parts: complete blocks of BLOCK records, and the block at the end. A
complete block becomes a ``Line`` of the index (index.py): where it lies, from when to when its
records are, and its root, so that proofs and pages need not read the whole log.
"""

from __future__ import annotations

import msgspec

from haechi.engines.merkle import Frontier, joined
from haechi.store.audit.frames import BLOCK


class Place(msgspec.Struct, frozen=True):
    """Where a block begins: segment, byte in it, byte in the segment's private values."""

    segment: int
    offset: int
    private: int


class Line(msgspec.Struct, frozen=True):
    """A complete block. ``low`` and ``high`` are the earliest and latest Unix second in it."""

    place: Place
    low: int
    high: int
    root: bytes


_LONG_AGO, _FAR_AWAY = -(2**62), 2**62


class Tip:
    """The end of the log. Grown by ``add``; ``copy`` before what may fail."""

    __slots__ = ("blocks", "high", "inner", "low", "place")

    def __init__(self) -> None:
        self.blocks = Frontier()
        self.inner = Frontier()
        self.place = Place(0, 0, 0)
        self.low, self.high = _FAR_AWAY, _LONG_AGO

    def copy(self) -> Tip:
        """The same, to grow on its own."""
        other = Tip()
        other.blocks, other.inner = self.blocks.copy(), self.inner.copy()
        other.place, other.low, other.high = self.place, self.low, self.high
        return other

    @property
    def size(self) -> int:
        """How many records."""
        return self.blocks.size * BLOCK + self.inner.size

    def root(self) -> bytes:
        """The root of the tree over all records."""
        return joined([*self.blocks.peaks, *self.inner.peaks])

    def begin(self, place: Place) -> None:
        """The next record is written here; counts when it begins a block."""
        if not self.inner.size:
            self.place = place

    def add(self, leaf: bytes, second: int) -> Line | None:
        """Add a record's leaf hash; the block's line when that completes a block."""
        self.inner.append(leaf)
        self.low, self.high = min(self.low, second), max(self.high, second)
        if self.inner.size < BLOCK:
            return None
        line = Line(self.place, self.low, self.high, self.inner.root())
        self.take(line)
        return line

    def take(self, line: Line) -> None:
        """Go on after a complete block."""
        self.blocks.append(line.root)
        self.inner = Frontier()
        self.low, self.high = _FAR_AWAY, _LONG_AGO
