"""Learnt behaviour of a server: profiles in memory, their snapshots in the store, and what is
said of detections.

Profiles are loaded when they are first needed and saved by the clock and at a stop. A crash loses
what was learnt since the last save, minutes, and nothing else: behaviour raises the rank of what
rules found, so no event and no detection depends on it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from haechi.errors import InputError

if TYPE_CHECKING:
    from haechi.model.event import Event
    from haechi.runtime.profile.profile import Profile
    from haechi.runtime.profile.profiles import Look, Profiles, Told
    from haechi.server.world import World
    from haechi.store.state.profiles import SavedProfile

log = logging.getLogger("haechi.server.behaviour")
_LOGGED_EVERY_S = 30.0
_AT_ONCE = 64
"""Events of a batch that have one time."""
_FAULTS, _HAPPENED = "haechi_runtime_faults_total", "haechi_profile_changes_total"


class Behaviour:
    """One per world, which tells it who it is (``bind``). Thread-safe."""

    def __init__(self) -> None:
        self._world: World | None = None
        self._profiles: Profiles | None = None
        self._making = threading.Lock()
        self._saving = threading.Lock()
        self._logged = -_LOGGED_EVERY_S

    def bind(self, world: World) -> None:
        """The world whose store and settings count."""
        self._world = world

    @property
    def on(self) -> bool:
        """Whether behaviour is learnt here."""
        return self._world is not None and self._world.settings.runtime.behaviour

    @property
    def profiles(self) -> Profiles:
        """All of them, loaded."""
        found = self._profiles
        if found is None:
            with self._making:
                found = self._profiles
                if found is None:
                    found = self._profiles = self._loaded()
        return found

    def observe(self, events: Iterable[Event]) -> None:
        """Learn from events that are not judged here."""
        if self.on:
            profiles = self.profiles
            for event in events:
                if profiles.wants(event.source, event.type):
                    profiles.observe(event)

    def observer(self) -> Watching | None:
        """What learns from a batch while it is judged; None while behaviour is off, or when what
        was saved cannot be read (counted and told; the events go on)."""
        if not self.on:
            return None
        world = self._bound()
        try:
            return Watching(self.profiles, lambda: world.metrics.count(_FAULTS, "behaviour"))
        except Exception:  # events go before what is learnt of them
            world.metrics.count(_FAULTS, "behaviour")
            now = time.monotonic()
            if now - self._logged > _LOGGED_EVERY_S:
                self._logged = now
                log.exception("behaviour is not learnt")
            return None

    def hold(self, resources: Iterable[str]) -> int:
        """Incidents are open for these and no others (keys of workloads, or
        ``host:<cluster>/<node>``): their profiles learn nothing until the next word. How many."""
        return self.profiles.hold(resources) if self.on else 0

    def explain(self, event: Event) -> Told | None:
        """How usual an event is for its workload, and why; None without a profile for it."""
        return self.profiles.explain(event) if self.on else None

    def change(self, id: str, to: str, *, by: str) -> Profile:
        """``learn``, ``freeze``, ``unfreeze`` or ``forget``, kept and audited. NotFound."""
        from haechi.runtime.profile.explain import named

        world, profiles = self._bound(), self.profiles
        profile = profiles.change(id, to)
        workload = profile.workload
        world.store.state.profiles.note(
            id,
            cluster=workload.cluster,
            namespace=workload.namespace,
            by=by,
            what=to,
            name=named(workload),
        )
        self.save()
        return profile

    def save(self) -> int:
        """Write what changed since the last time; how many. Raises StoreError, and then tries
        the same again next time."""
        profiles = self._profiles
        if profiles is None or self._world is None:
            return 0
        with self._saving:
            changed = profiles.saved()
            gone, profiles.forgotten = profiles.forgotten, {}
            try:
                rows = profiles.read(_row, changed)
                self._world.store.state.profiles.save(rows, gone)
            except Exception:
                for one in changed:
                    one.changed = True
                profiles.forgotten |= gone
                raise
            return len(rows)

    def _bound(self) -> World:
        if self._world is None:
            raise RuntimeError("no world is bound")
        return self._world

    def _loaded(self) -> Profiles:
        from haechi.runtime.profile.profile import Habits
        from haechi.runtime.profile.profiles import MOST_PROFILES, Profiles
        from haechi.runtime.profile.snapshot import loaded

        world = self._bound()
        runtime = world.settings.runtime
        habits = Habits(learn_events=runtime.learn_events, learn_s=runtime.learn_hours * 3600)

        def now() -> float:
            return world.clock().timestamp()

        profiles = Profiles(habits, now, tell=lambda what: world.metrics.count(_HAPPENED, what))
        found = []
        for row in world.store.state.profiles.each(most=MOST_PROFILES):
            try:
                found.append(loaded(row.body, habits, now()))
            except InputError as error:  # its workload is learnt anew
                world.metrics.count(_FAULTS, "profile")
                log.warning("the saved profile %s is not used: %s", row.id, error.explain())
        profiles.restore(found)
        return profiles


class Watching:
    """One batch's view of the profiles: an ``Observer`` of ``runtime.detect``. A fault costs one
    event's behaviour. The clock is asked once in some events: they came together."""

    def __init__(self, profiles: Profiles, fault: Callable[[], None]) -> None:
        self.wants = profiles.wants
        self._observe, self._tell, self._fault = profiles.observe, profiles.tell, fault
        self._clock, self._now, self._fresh = profiles.now, 0.0, 0

    def observe(self, event: Event) -> Look | None:
        """Learn it. Never raises."""
        try:
            if self._fresh <= 0:
                self._now, self._fresh = self._clock(), _AT_ONCE
            self._fresh -= 1
            return self._observe(event, self._now)
        except Exception as error:  # noqa: BLE001  one event's behaviour, not the event
            self._failed(error)
            return None

    def put(self, seen: Look, fields: dict[str, Any]) -> None:
        """``haechi.behaviour`` and why, once the profile knows enough. Never raises."""
        try:
            told = self._tell(seen)
        except Exception as error:  # noqa: BLE001
            self._failed(error)
            return
        if told.behaviour is not None:
            fields["haechi.behaviour"] = round(told.behaviour, 4)
            if told.why:
                fields["haechi.behaviour.why"] = list(told.why)

    def _failed(self, error: Exception) -> None:
        self._fault()
        log.debug("an event's behaviour was not looked at: %r", error)


def _row(profile: Profile) -> SavedProfile:
    from haechi.runtime.profile.profiles import profile_id
    from haechi.runtime.profile.snapshot import dumped
    from haechi.store.state.profiles import SavedProfile

    workload = profile.workload
    return SavedProfile(
        cluster=workload.cluster,
        id=profile_id(workload),
        namespace=workload.namespace,
        resource=workload.resource,
        image=workload.image,
        command=workload.command,
        state=profile.state.value,
        since=int(profile.since * 1e6),
        changed=int(profile.last * 1e6),
        events=profile.events,
        body=dumped(profile),
    )
