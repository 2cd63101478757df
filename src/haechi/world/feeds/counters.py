"""What came of a source, as a value: how much, what became of it, how late it is."""

from __future__ import annotations

import msgspec

_SECOND_NS = 10**9


class SourceCounters(msgspec.Struct, frozen=True, kw_only=True):
    """``received`` records; of their events ``accepted`` ones are stored, ``duplicates`` were
    known. ``refused`` and ``skipped`` are records; ``lost`` is what the source itself says it
    dropped. ``lag_s`` is how old the newest event was when it came; ``last_seen`` is when
    anything came (seconds since 1970, 0 for never)."""

    received: int = 0
    accepted: int = 0
    refused: int = 0
    skipped: int = 0
    duplicates: int = 0
    lost: int = 0
    lag_s: float | None = None
    last_seen: float = 0.0

    def plus(
        self,
        *,
        now_ns: int,
        received: int = 0,
        accepted: int = 0,
        refused: int = 0,
        skipped: int = 0,
        duplicates: int = 0,
        lost: int = 0,
        newest_ns: int | None = None,
    ) -> SourceCounters:
        """The counters after a batch whose newest event is of ``newest_ns``. An event from the
        future is not early but told by a clock that is wrong: its lag is 0."""
        lag = self.lag_s
        if newest_ns is not None:
            lag = max(0, now_ns - newest_ns) / _SECOND_NS
        return SourceCounters(
            received=self.received + received,
            accepted=self.accepted + accepted,
            refused=self.refused + refused,
            skipped=self.skipped + skipped,
            duplicates=self.duplicates + duplicates,
            lost=self.lost + lost,
            lag_s=lag,
            last_seen=now_ns / _SECOND_NS,
        )
