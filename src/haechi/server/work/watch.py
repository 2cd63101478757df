"""The runtime's part of a server: its rules, and what becomes of a batch on its way to the store.

Nothing here may cost an event: when rules cannot be loaded, or a look at the store fails, the
batch goes on as it came, the fault is counted and told.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from haechi.model.access import Reach

if TYPE_CHECKING:
    from haechi.engines.falco.ruleset import RuleSet
    from haechi.runtime.detect import Detector
    from haechi.runtime.enrich import Enricher
    from haechi.runtime.rulebook import Rulebook
    from haechi.server.world import World
    from haechi.store.events.encoding import EncodedBatch

log = logging.getLogger("haechi.server.runtime")
_LOGGED_EVERY_S = 30.0


class Watch:
    """One per world; what it needs of the world it is given when it is first asked. ``builtin``
    gives our own pack."""

    def __init__(self, builtin: Callable[[], RuleSet | None] | None = None) -> None:
        self._builtin = builtin
        self._engine_faults = 0
        self._making = threading.Lock()
        self._rulebook: Rulebook | None = None
        self._enricher: Enricher | None = None
        self._logged = 0.0
        self.fault = ""
        """Why rules do not judge at all; empty while they do."""

    def rulebook(self, world: World) -> Rulebook:
        """The rules of this server."""
        if self._rulebook is None:
            from haechi.runtime.rulebook import Rulebook

            with self._making:
                if self._rulebook is None:
                    self._rulebook = Rulebook(
                        world.store.state.rules,
                        paths=[Path(one) for one in world.settings.runtime.rules],
                        builtin=self._builtin,
                        faults=lambda stage: world.metrics.count(_FAULTS, stage),
                    )
        return self._rulebook

    def enricher(self, world: World) -> Enricher:
        """Which workload an event belongs to."""
        if self._enricher is None:
            from haechi.runtime.enrich import Enricher, look_in

            # Made twice by two threads at once, one of them is forgotten: a cache, no more.
            live = world.clusters if world.settings.clusters.followed else None
            self._enricher = Enricher(look_in(world.store.state), live=live)
        return self._enricher

    def judged(self, world: World, batch: EncodedBatch, within: Sequence[Reach]) -> EncodedBatch:
        """The batch with workloads and detections. Never raises."""
        if not batch.rows:
            return batch
        batch = self._tried(world, "enrich", batch, lambda: self._enriched(world, batch, within))
        if not world.settings.runtime.judge:
            return batch
        return self._tried(world, "load", batch, lambda: self._judged(world, batch))

    def _enriched(self, world: World, batch: EncodedBatch, within: Sequence[Reach]) -> EncodedBatch:
        return self.enricher(world).enriched(batch, within)

    def _judged(self, world: World, batch: EncodedBatch) -> EncodedBatch:
        from haechi.runtime.detect import judged

        detector = self.rulebook(world).book.detector
        self.fault = ""
        found = judged(
            batch,
            detector,
            world.store.events.own_row,
            lambda dropped: world.metrics.count(_DROPPED, by=dropped),
            world.behaviour.observer(),
        )
        self._count_faults(world, detector)
        return found

    def _count_faults(self, world: World, detector: Detector) -> None:
        """Rules whose code failed; their events were judged the slow way, and the rules are
        counted by the engine."""
        faults = detector.engine.faults.total()
        if faults != self._engine_faults:
            world.metrics.count(_FAULTS, "rule", by=max(0, faults - self._engine_faults) or faults)
            self._engine_faults = faults

    def _tried(
        self,
        world: World,
        stage: str,
        batch: EncodedBatch,
        work: Callable[[], EncodedBatch],
    ) -> EncodedBatch:
        try:
            return work()
        except Exception as error:  # an event goes before what is said of it
            world.metrics.count(_FAULTS, stage)
            if stage == "load":
                self.fault = f"{type(error).__name__}: {error}"[:300]
            now = time.monotonic()
            if now - self._logged > _LOGGED_EVERY_S:
                self._logged = now
                log.exception("events are taken without a look at them: %s failed", stage)
            return batch


_FAULTS, _DROPPED = "haechi_runtime_faults_total", "haechi_detections_dropped_total"
