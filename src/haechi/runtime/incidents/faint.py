"""Detections that are too faint to open an incident alone (low or informational).

They wait for as long as the window; two rules with two distinct tactics in one workload open an
incident together, and one that is opened there by a louder detection takes them as evidence.
"""

from __future__ import annotations

import msgspec

from haechi.runtime.incidents.counting import WINDOW_NS, counted_with, near
from haechi.runtime.incidents.memory import Known
from haechi.runtime.incidents.reading import Detection, with_evidence
from haechi.store.state.incidents_records import Counted, Faint
from haechi.store.state.incidents_rows import packed

MOST_FAINT_ROWS = 20_000
_MOST_AT_PLACE = 64
_RULES, _TACTICS = 2, 2
"""What they must have, at least, to open an incident together."""
_detection = msgspec.json.Decoder(Detection).decode


class FaintOnes:
    """Those that wait. ``rows`` (with: whether it is new) and ``gone`` are what a fold changes;
    what is known is changed within ``Known``, so that it can be undone."""

    def __init__(self, known: Known) -> None:
        self._known = known
        self.rows: dict[int, tuple[Faint, bool]] = {}
        self.gone: list[int] = []

    def begin(self) -> None:
        """Before a fold."""
        self.rows, self.gone = {}, []

    def taken(self, detection: Detection) -> list[Detection]:
        """Faint ones of the window become evidence of what is opened."""
        known = self._known
        found = []
        for one in known.faint.get(detection.place, ()):
            if near(one.counted, detection):
                found.append(_restored(one))
            self._forget(one)
        known.drop(known.faint, detection.place)
        return found

    def joined(self, detection: Detection) -> list[Detection] | None:
        """Keep a faint one for a while; those that it opens an incident with, if it does."""
        known, place = self._known, detection.place
        stay = []
        for one in known.faint.get(place, ()):
            if near(one.counted, detection):
                stay.append(one)
            else:
                self._forget(one)
        told = [_restored(one) for one in stay]
        rules = {detection.rule, *(one.rule for one in told)}
        tactics = {*detection.tactics, *(tactic for one in told for tactic in one.tactics)}
        if len(rules) >= _RULES and len(tactics) >= _TACTICS:
            for one in stay:
                self._forget(one)
            known.drop(known.faint, place)
            return told
        self._keep(detection, stay)
        return None

    def _keep(self, detection: Detection, stay: list[Faint]) -> None:
        known, place = self._known, detection.place
        for at, one in enumerate(stay):
            if one.signature == detection.signature:
                stay[at] = msgspec.structs.replace(
                    one, counted=counted_with(one.counted, detection)
                )
                self._note(stay[at])
                known.set(known.faint, place, tuple(stay))
                return
        if len(stay) >= _MOST_AT_PLACE:
            self._forget(stay.pop(0))
        if known.next["faint rows"] >= MOST_FAINT_ROWS:
            self._sweep(detection, place)
        counted = Counted(
            known.number("faint"), detection.count, detection.ts_ns, detection.last_ns
        )
        fresh = Faint(
            place=place,
            signature=detection.signature,
            counted=counted,
            detail=packed(with_evidence(detection)),
        )
        known.set(known.next, "faint rows", known.next["faint rows"] + 1)
        self.rows[counted.n] = (fresh, True)
        known.set(known.faint, place, (*stay, fresh))

    def _note(self, one: Faint) -> None:
        new = one.counted.n in self.rows and self.rows[one.counted.n][1]
        self.rows[one.counted.n] = (one, new)

    def _forget(self, one: Faint) -> None:
        known = self._known
        known.set(known.next, "faint rows", known.next["faint rows"] - 1)
        was = self.rows.pop(one.counted.n, None)
        if was is None or not was[1]:
            self.gone.append(one.counted.n)

    def _sweep(self, detection: Detection, but: str) -> None:
        """Too many faint ones wait: those that are over go, and the oldest half if need be."""
        known = self._known
        ages = sorted(
            (one.counted.last_ns, one.counted.n)
            for place, several in known.faint.items()
            if place != but
            for one in several
        )
        over = [age for age in ages if age[0] < detection.ts_ns - WINDOW_NS]
        gone = {n for _, n in (over or ages[: max(1, len(ages) // 2)])}
        for place in [place for place in known.faint if place != but]:
            several = known.faint[place]
            rest = tuple(one for one in several if one.counted.n not in gone)
            if len(rest) == len(several):
                continue
            for one in several:
                if one.counted.n in gone:
                    self._forget(one)
            if rest:
                known.set(known.faint, place, rest)
            else:
                known.drop(known.faint, place)


def _restored(one: Faint) -> Detection:
    """The detections behind a faint row, as one."""
    c = one.counted
    return msgspec.structs.replace(
        _detection(one.detail), count=c.count, ts_ns=c.first_ns, last_ns=c.last_ns
    )
