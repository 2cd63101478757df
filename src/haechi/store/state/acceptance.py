"""Who accepts a finding of a push: the report itself (a file's or inline waiver), else a waiver
of the store."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from haechi.store.records import StoredFinding, StoredWaiver
from haechi.store.state.plain import from_json
from haechi.store.state.pushed import NONE, Seen
from haechi.store.state.times import to_day

Waived = Callable[[StoredFinding, Sequence[StoredWaiver]], StoredWaiver | None]

REPORT, STORE = "report", "store"


class Acceptance(NamedTuple):
    """``words`` are the id of a waiver of the store, or what the report says."""

    words: str
    origin: str
    until: str
    note: str

    def differs(self, words: str, origin: str) -> bool:
        """True when another waiver accepts it than before. A report's waiver moves with its
        line, which is no news."""
        return self.origin != origin or (self.origin == STORE and self.words != words)


class Acceptances:
    """The waivers in force for one target. Findings that none can mean are not even built."""

    def __init__(self, active: Sequence[StoredWaiver], waived: Waived) -> None:
        self._active = tuple(active)
        self._waived = waived
        self._rules = frozenset(waiver.rule for waiver in active)
        self._any = "*" in self._rules

    def of(self, seen: Seen, make: Callable[[], StoredFinding]) -> Acceptance | None:
        """Who accepts it; None when nobody does."""
        if seen.waived:
            return Acceptance(seen.waiver, REPORT, seen.waived_until, seen.waiver)
        if not self._active or not (self._any or self._named(seen)):
            return None
        return self.by_store(make())

    def _named(self, seen: Seen) -> bool:
        return seen.rule in self._rules or (
            seen.aliases != NONE and not self._rules.isdisjoint(from_json(seen.aliases))
        )

    def by_store(self, finding: StoredFinding) -> Acceptance | None:
        """The store's waiver that covers it."""
        candidates = [
            waiver
            for waiver in self._active
            if waiver.rule in ("*", finding.rule, *finding.aliases)
            and waiver.source in ("", finding.source)
            and waiver.reach.covers(finding.cluster, finding.namespace)
        ]
        waiver = self._waived(finding, candidates) if candidates else None
        if waiver is None:
            return None
        return Acceptance(waiver.id, STORE, to_day(waiver.expires), waiver.reason)
