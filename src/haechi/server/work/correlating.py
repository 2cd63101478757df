"""The thread that folds waiting detections into incidents.

It begins with what the database says and nothing else: incidents that are open, and up to where
detections were folded. A fold and its place are one transaction, so a process that is killed
anywhere begins again without counting twice or leaving out. One bad row costs itself: it is
logged, counted and passed by. A disk that is full holds this thread up, and nothing else.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from haechi.errors import StoreError
from haechi.model.incident import IncidentState

if TYPE_CHECKING:
    from haechi.runtime.incidents.correlate import Correlator, Folded
    from haechi.runtime.incidents.levels import Assess
    from haechi.server.world import World
    from haechi.store.events.waiting import Lot
    from haechi.store.state.incidents_records import Fold

log = logging.getLogger("haechi.server.incidents")
LOTS = 2_000
"""Rows of one fold."""
IDLE_S, RETRY_S, HOLD_S = 1.0, 1.0, 1.0
_REMOVED, _TRIES = 10_000, 20
LINGER_S, FAST = 0.15, 3_000
"""While more than so many events a second come, a fold waits so long for more: its price is mostly
its commit, and what is done after it for each incident."""
_FAULTS, _OPENED = "haechi_correlator_faults_total", "haechi_incidents_opened_total"


class Correlating:
    """One per world. ``turn`` does one fold; ``run`` is the thread's life."""

    def __init__(self) -> None:
        self._correlator: Correlator | None = None
        self._assess: Assess | None = None
        self._epoch = ""
        self._seq = 0
        self._removed = 0
        self._unremoved = 0
        self._behind_since: float | None = None
        self._held = 0.0
        self._to_hold = True
        self._turning = threading.Lock()
        self._full = False
        """The last fold took as many rows as one may: more wait."""
        self._pace = (time.monotonic(), 0)
        """When the last fold was, and how many events had been accepted by then."""
        self._left_out: int | None = None
        """As it was when this process began."""
        self._stop = threading.Event()
        self._world: World | None = None
        self.why = ""
        """What keeps it from going on; empty while nothing does."""
        self.faults = 0
        self.folded = 0

    @property
    def waiting(self) -> int:
        """Rows that are in no incident yet."""
        if self._world is None:
            return 0
        return max(0, int(self._world.store.events.waiting.figures()["waiting"]) - self._unremoved)

    @property
    def lag_s(self) -> float:
        """For how long there has been something to do."""
        since = self._behind_since
        return 0.0 if since is None else max(0.0, time.monotonic() - since)

    def figures(self) -> dict[str, Any]:
        """How it does."""
        found = {"waiting": self.waiting, "lag_s": round(self.lag_s, 3), "faults": self.faults}
        if self._world is not None:
            told = self._world.store.events.waiting.figures()
            if self._left_out is None:
                self._left_out = told["left_out"]
            found |= {"joined": told["joined"], "left_out": told["left_out"] - self._left_out}
        return found | {"folded": self.folded}

    def run(self, world: World) -> None:
        """Fold until ``stop``."""
        while not self._stop.is_set():
            try:
                busy = self.turn(world)
            except StoreError as error:
                self._failed(error.explain(), known=True)
                self._stop.wait(RETRY_S)
                continue
            except Exception as error:  # noqa: BLE001  the thread goes on with what is kept
                self._failed(f"{type(error).__name__}: {error}"[:300], known=False)
                self._stop.wait(RETRY_S)
                continue
            self.why = ""
            if self._stop.is_set():
                break
            if not busy:
                world.store.events.arrived.wait(IDLE_S)
            elif self._fast(world) and not self._full:
                self._stop.wait(LINGER_S)

    def _fast(self, world: World) -> bool:
        """Whether many events came since the last fold, for the time that it was."""
        now, accepted = time.monotonic(), world.store.events.accepted
        (since, before), self._pace = self._pace, (now, accepted)
        return accepted - before > FAST * (now - since)

    def stop(self) -> None:
        """Have ``run`` end after the fold that it is at."""
        self._stop.set()
        if self._world is not None:
            self._world.store.events.arrived.set()

    def drain(self, world: World) -> None:
        """Fold all that waits (tests, benches)."""
        while self.turn(world):
            pass

    def turn(self, world: World) -> bool:
        """One fold, if something waits; False when nothing did. Raises StoreError."""
        with self._turning:
            self._world = world
            correlator = self._correlator or self._begun(world)
            world.store.events.arrived.clear()
            lots = world.store.events.waiting.take(self._seq, LOTS)
            self._full = len(lots) >= LOTS
            if not lots:
                self._behind_since = None
                self._refresh(world, correlator)
                self._remove(world, at_least=1)
                self._hold(world)
                return False
            if self._behind_since is None:
                self._behind_since = time.monotonic()
            self._fold(world, correlator, self._read(world, lots))
            self._remove(world, at_least=_REMOVED)
            self._hold(world)
            return True

    # beginning

    def _begun(self, world: World) -> Correlator:
        from haechi.runtime.incidents.correlate import Correlator
        from haechi.runtime.threat import ThreatDetector
        from haechi.runtime.threat_facts import StoredFacts

        state, events = world.store.state, world.store.events
        loaded = state.incidents.load()
        epoch = events.waiting.epoch()
        self._epoch, self._seq = epoch, loaded.seq
        if loaded.epoch != epoch:
            self._seq = 0
            if loaded.epoch:
                log.warning("hot.db is another one than before: its detections are read from 1 on")
        elif loaded.seq > events.waiting.newest():
            self._seq = 0
            log.warning("hot.db is older than the incidents: its detections are read from 1 on")
        if self._seq:  # folded before the process ended, and not taken away yet
            events.waiting.remove(self._seq)
        self._removed, self._unremoved = self._seq, 0
        self._assess = self._assess or ThreatDetector(StoredFacts(state)).assess
        self._correlator = Correlator(loaded, exists=state.incidents.known)
        self._to_hold = True
        return self._correlator

    def _refresh(self, world: World, correlator: Correlator) -> None:
        """What people and responses changed since the last look."""
        incidents = world.store.state.incidents
        while steps := incidents.changed_since(correlator.seen):
            for one in steps:
                if one.what == "state":
                    self._to_hold = True
                    if not correlator.became(one.incident, IncidentState(one.after)):
                        for kept in incidents.again([one.incident]):
                            correlator.learn(kept, incidents.rows_of([kept.n]))
            correlator.seen = steps[-1].n

    # folding

    def _read(self, world: World, lots: Sequence[Lot]) -> list[Folded]:
        from haechi.runtime.incidents.correlate import Folded
        from haechi.runtime.incidents.reading import read

        found = []
        for lot in lots:
            detection = None
            try:
                if lot.event is None:
                    raise ValueError(lot.fault)
                assert self._assess is not None  # noqa: S101 - set by _begun
                assessment = self._assess(lot.event)
                detection = read(lot.event, assessment, count=lot.count, last_ns=lot.last_ns)
            except StoreError:
                raise
            except Exception as error:  # noqa: BLE001  one row: the others go on
                self._set_aside(world, lot.seq, error)
            found.append(Folded(lot.seq, detection))
        return found

    def _set_aside(self, world: World, seq: int, error: Exception) -> None:
        self.faults += 1
        world.metrics.count(_FAULTS)
        log.error("detection %s could not be correlated: %r", seq, error)

    def _fold(self, world: World, correlator: Correlator, lots: Sequence[Folded]) -> None:
        """Fold them; when that fails for a fault of ours, each half by itself, down to the one
        that it is, which is passed by."""
        from haechi.runtime.incidents.correlate import Folded
        from haechi.store.state.incidents_records import Misplaced

        try:
            fold = self._written(world, correlator, lots)
        except (StoreError, Misplaced):
            raise
        except Exception as error:  # the boundary of a row
            if len(lots) > 1:
                half = len(lots) // 2
                self._fold(world, correlator, lots[:half])
                self._fold(world, correlator, lots[half:])
            elif lots[0].detection is None:
                raise
            else:
                self._set_aside(world, lots[0].seq, error)
                self._fold(world, correlator, [Folded(lots[0].seq, None)])
        else:
            self._done(world, fold, len(lots))

    def _written(self, world: World, correlator: Correlator, lots: Sequence[Folded]) -> Fold:
        from haechi.store.state.incidents_records import Moved

        for _ in range(_TRIES):
            self._refresh(world, correlator)
            try:
                fold = correlator.fold(lots, epoch=self._epoch)
                seen = world.store.state.incidents.fold(fold)
            except Moved:
                correlator.undo()
                continue
            except BaseException:
                correlator.undo()
                raise
            correlator.keep(seen)
            return fold
        raise StoreError("incidents change faster than detections can be folded", do="see the log")

    def _done(self, world: World, fold: Fold, lots: int) -> None:
        self._seq = fold.seq
        self._unremoved += lots
        self.folded += lots
        for one in fold.steps:
            if one.what == "opened":
                world.metrics.count(_OPENED, one.after)
        if fold.opened:
            self._to_hold = True

    # after it

    def _remove(self, world: World, *, at_least: int) -> None:
        """What was folded need not wait any more. Once for many folds: it is a commit."""
        if self._unremoved >= at_least and self._seq > self._removed:
            world.store.events.waiting.remove(self._seq)
            self._removed, self._unremoved = self._seq, 0

    def _hold(self, world: World) -> None:
        """Behaviour is not learnt from workloads with an open incident."""
        now = time.monotonic()
        if not self._to_hold or now - self._held < HOLD_S or not world.behaviour.on:
            return
        self._to_hold, self._held = False, now
        try:
            world.behaviour.hold(world.store.state.incidents.open_resources())
        except StoreError:
            raise
        except Exception:  # behaviour only ranks
            log.exception("profiles could not be held")

    def _failed(self, why: str, *, known: bool) -> None:
        if self.why != why:
            if known:
                log.warning("detections wait: %s", why)
            else:
                log.exception("detections wait: %s", why)
        self.why = why
        self.faults += not known
        if not known:
            self._correlator = None  # what is in memory may be half of something


async def correlate(world: World) -> None:
    """Fold detections until cancelled."""
    correlating = world.correlating
    thread = threading.Thread(
        target=correlating.run, args=(world,), name="haechi-incidents", daemon=True
    )
    thread.start()
    try:
        await asyncio.Event().wait()
    finally:
        correlating.stop()
        await asyncio.to_thread(thread.join)
