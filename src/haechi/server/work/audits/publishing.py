"""From the standing result to what others see: the state in the store, events, findings."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

from haechi.server.work.audits.events import events_of, tell
from haechi.server.work.audits.findings import covering, push_of
from haechi.server.work.audits.results import Standing, Waivers, of_itself, said_as
from haechi.server.work.matching import StoreWaivers
from haechi.store.state.policy_states import Change, Said, verdict_id

if TYPE_CHECKING:
    from haechi.server.world import World
    from haechi.store.state.admission_records import AuditedKind


class Publishing:
    """Of one cluster, by one thread. ``left_out``: verdicts that are counted and not listed."""

    def __init__(self, world: World, standing: Standing, *, findings: bool) -> None:
        self._world, self._standing, self._findings = world, standing, findings
        self._said: dict[str, list[Said]] = {}
        self._kinds: Sequence[AuditedKind] = ()
        self._pushed = False
        self.left_out = 0

    def publish(
        self, keys: Sequence[str] | None, *, marked: Collection[str], took_s: float, judged: int
    ) -> None:
        """Write what is said of these objects (None: of all), with the waivers of today. Raises
        StoreError."""
        world, standing = self._world, self._standing
        waivers = Waivers(
            world.store.state.waivers.active(today=world.clock().date()), standing.cluster
        )
        if keys is None or standing.kinds != self._kinds:
            keys, self._kinds = None, standing.kinds
            self._said = {}
            for one in standing.said(waivers):
                self._said.setdefault(one.object, []).append(one)
        else:
            for key in keys:
                self._said.pop(key, None)
                found = standing.objects.get(key)
                if found is not None:
                    self._said[key] = standing.said_of(found, waivers)
        every = [one for some in self._said.values() for one in some]
        wanted = every if keys is None else [s for key in keys for s in self._said.get(key, ())]
        kept = world.store.state.policy_states.keep(
            standing.cluster, wanted, objects=keys, counts=standing.counts(every)
        )
        self.left_out = kept.left_out
        if kept.changes:
            self._events(kept.changes, marked)
        if self._findings and (kept.changes or not self._pushed):
            self._push(took_s, judged)

    def _events(self, changes: Sequence[Change], marked: Collection[str]) -> None:
        told = events_of(
            changes,
            cluster=self._standing.cluster,
            infos=self._standing.infos,
            marked=frozenset(marked),
            repeats=self._repeats(changes) if marked else frozenset(),
            now=self._world.clock(),
        )
        tell(self._world, list(told))

    def _repeats(self, changes: Sequence[Change]) -> frozenset[str]:
        """Ids of verdicts that only say again what is said of their owner."""
        standing = self._standing
        some = (standing.objects.get(key) for key in {one.said.object for one in changes})
        return frozenset(
            verdict_id(standing.cluster, said_as(one, told))
            for one in some
            if one is not None
            for told in one.verdicts
            if not of_itself(one, told, standing.objects)
        )

    def _push(self, took_s: float, judged: int) -> None:
        now = self._world.clock()
        today = now.date()
        self._world.store.state.scans.receive(
            push_of(self._standing, now=now, took_s=took_s, judged=judged),
            by="audit",
            covered=covering(self._standing),
            waived=StoreWaivers(today),
            today=today,
        )
        self._pushed = True
