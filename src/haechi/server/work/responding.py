"""The thread that responds: plans for incidents that are new or worse, and does what is due.

It follows the steps of incidents by their numbers and the actions by what they say is due, both
from the database, so it begins anywhere; notices of the store only wake it earlier. Approving and
undoing are changes of an action's state: this thread alone touches clusters and this host.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from haechi.errors import HaechiError, StoreError
from haechi.model.response import Stage
from haechi.server.work.containing import contained_of, incident_of

if TYPE_CHECKING:
    from haechi.respond.engine import AutoResponseEngine
    from haechi.respond.ground import Site
    from haechi.server.shapes_responses import HaltRequest
    from haechi.server.world import World
    from haechi.store.records import Notice

log = logging.getLogger("haechi.server.respond")
IDLE_S, RETRY_S = 2.0, 5.0
KEPT_S = 1.0
TEND_S = 2.0
"""However many incidents are planned for, what is due (clocks that end, too) is done in between."""
STEPS = 500
PLANNED_ON = frozenset({"opened", "raised", "goes_on", "spread"})
"""Steps of an incident after which the policy is asked."""
_FAULTS = "haechi_respond_faults_total"
_PLACE = "respond"


class Responding:
    """One per world."""

    def __init__(self) -> None:
        self._engine: AutoResponseEngine | None = None
        self._making = threading.Lock()
        self._stop = threading.Event()
        self._news = threading.Event()
        self._place: int | None = None
        self._begun_with: deque[str] = deque()
        self._waiting: dict[str, str] = {}
        """Incidents whose cluster was not read yet, with its name."""
        self._tended = 0.0
        self.why = ""
        """What keeps it from going on; empty while nothing does."""

    def engine(self, world: World) -> AutoResponseEngine:
        """The engine over this world. ConfigError for a policy that cannot be read."""
        with self._making:
            if self._engine is None:
                self._engine = _made(world)
            return self._engine

    def halt_file(self, world: World) -> Path:
        """Stops all automation while it lies there."""
        return world.store.folder.path / "HALT"

    def switch(self, world: World, ask: HaltRequest, *, by: str) -> None:
        """Stop automation, or let it go; at once."""
        engine = self.engine(world)
        (engine.stop if ask.stopped else engine.go)(ask.cluster, by, why=ask.why)
        self._news.set()

    def tidied(self, world: World) -> Callable[[], object]:
        """The job that forgets evidence that is too old or too much."""

        def work() -> int:
            from haechi.respond.evidence import tidied

            keep = world.settings.respond
            folder = world.store.folder.path / "evidence"
            now = world.clock().timestamp()
            return tidied(folder, now, days=keep.evidence_days, most=keep.evidence_total)

        return work

    def behind(self, world: World) -> bool:
        """True while steps of incidents wait for their plans."""
        if not world.settings.respond.enabled or self.why:
            return False
        place = self._place
        return place is None or place < world.store.state.incidents.last_step()

    # The thread

    def run(self, world: World) -> None:
        """Respond until ``stop``."""
        unsubscribe = world.store.state.subscribe(self._heard)
        try:
            while not self._stop.is_set():
                self._news.clear()
                wait = IDLE_S
                try:
                    self.turn(world)
                    self.why = ""
                except Exception as error:  # noqa: BLE001  the thread goes on with what is kept
                    wait = RETRY_S
                    self._failed(world, error)
                self._news.wait(0.0 if self._begun_with and not self.why else wait)
        finally:
            unsubscribe()

    def stop(self) -> None:
        """Have ``run`` end after the step that it is at."""
        self._stop.set()
        self._news.set()

    def _heard(self, notice: Notice) -> None:
        """In the store's writer thread: quick."""
        if notice.topic in ("incident", "response"):
            self._news.set()

    def _failed(self, world: World, error: Exception) -> None:
        self.why = f"{type(error).__name__}: {error}"[:300]
        world.metrics.count(_FAULTS, "turn")
        if isinstance(error, HaechiError):
            log.warning("responses wait: %s", error)
        else:
            log.exception("responses could not be tended")

    def turn(self, world: World) -> None:
        """Plan for what is new, then do what is due."""
        engine = self.engine(world)
        if world.settings.respond.enabled:
            self._plan(world, engine)
        self._tend(world, engine)

    def _tend(self, world: World, engine: AutoResponseEngine) -> None:
        engine.tick(world.clock())
        self._tended = time.monotonic()

    def _plan(self, world: World, engine: AutoResponseEngine) -> None:
        """An incident is planned for once however many steps it took; one that fails costs the
        others nothing."""
        incidents = world.store.state.incidents
        if self._place is None:
            self._place = self._begun(world)
        for id_, cluster in list(self._waiting.items()):
            if not self._unread(world, cluster):
                self._respond(world, engine, id_)
                self._waiting.pop(id_, None)
        while steps := incidents.changed_since(self._place, limit=STEPS):
            wanted = dict.fromkeys(one.incident for one in steps if one.what in PLANNED_ON)
            for id_ in wanted:
                if self._stop.is_set():
                    return
                self._respond(world, engine, id_)
            self._place = steps[-1].n
        self._catch_up(world, engine)

    def _catch_up(self, world: World, engine: AutoResponseEngine) -> None:
        """Some of those that were open at the start: what is new goes before them."""
        until = time.monotonic() + TEND_S
        while self._begun_with and time.monotonic() < until and not self._stop.is_set():
            self._respond(world, engine, self._begun_with[0])
            self._begun_with.popleft()

    def _unread(self, world: World, cluster: str) -> bool:
        """True for a cluster that is followed and was not read yet: after a start all of them."""
        return cluster in world.clusters.names and world.clusters.cluster(cluster) is None

    def _begun(self, world: World) -> int:
        """After a start every open incident is looked at, the worst first: what is answered
        already stays so."""
        from haechi.model.access import EVERYWHERE
        from haechi.store.state.incidents_records import IncidentFilter

        incidents = world.store.state.incidents
        place = incidents.last_step()
        opened = incidents.each(IncidentFilter(), within=(EVERYWHERE,))
        self._begun_with = deque(one.id for one in opened)
        return place

    def _respond(self, world: World, engine: AutoResponseEngine, id_: str) -> None:
        try:
            incident = world.store.state.incidents.get(id_)
            if self._unread(world, incident.cluster):
                self._waiting[id_] = incident.cluster
                return
            engine.respond_to(incident)
        except StoreError:
            raise
        except Exception as error:  # the boundary of one incident
            world.metrics.count(_FAULTS, "plan")
            log.warning("no response to %s: %s", id_, error, exc_info=not _known(error))
        if time.monotonic() - self._tended > TEND_S:
            self._tend(world, engine)


def _known(error: Exception) -> bool:
    return isinstance(error, HaechiError)


async def respond(world: World) -> None:
    """The thread as a task of the server: begins with it, ends with it."""
    responding = world.respond
    thread = threading.Thread(
        target=responding.run, args=(world,), name="haechi-respond", daemon=True
    )
    thread.start()
    try:
        await asyncio.Event().wait()
    finally:
        responding.stop()
        started = time.monotonic()
        while thread.is_alive() and time.monotonic() - started < 1.0:
            await asyncio.sleep(0.02)


def _made(world: World) -> AutoResponseEngine:
    from haechi.respond.engine import AutoResponseEngine
    from haechi.respond.ground import Ground
    from haechi.respond.policy import load_policy

    settings = world.settings.respond
    policy = load_policy(Path(settings.policy) if settings.policy else None)
    nft, host = None, ""
    if settings.host:
        import socket

        from haechi.world.nft import Nft

        nft, host = Nft(), socket.gethostname()
    sites = _sites(world)
    ground = Ground(
        state=world.store.state,
        events=world.store.events,
        folder=world.store.folder.path,
        clock=world.clock,
        sites=sites,
        incidents=incident_of(world),
        contained=contained_of(world, sites),
        rules=world.watch.rulebook(world),
        receivers=settings.receivers,
        nft=nft,
        host=host,
        host_cluster=settings.host_cluster,
        evidence_bytes=settings.evidence_bytes,
    )
    return AutoResponseEngine(ground, policy, most=Stage(settings.most))


def _sites(world: World) -> Callable[[str], Site | None]:
    """Clusters as they are now. To make values of all objects costs much, so those of a moment ago
    serve for many incidents at once; what an action changes is read from the API server itself."""
    kept: dict[str, tuple[float, Site | None]] = {}

    def site(name: str) -> Site | None:
        at, found = kept.get(name, (float("-inf"), None))
        if time.monotonic() - at > KEPT_S:
            found = made(name)
            if found is None:  # names come from events: only those of clusters are remembered
                kept.pop(name, None)
            else:
                kept[name] = (time.monotonic(), found)
        return found

    def made(name: str) -> Site | None:
        from haechi.respond.ground import Site

        reader = world.clusters.cluster(name)
        if reader is None:
            return None
        client = world.clusters.client(name) if reader.source == "live" else None
        whys = {"dump": "a folder of manifests", "history": "its past"}
        why = whys.get(reader.source, "not connected")
        return Site(name=name, reader=reader, client=client, why="" if client else why)

    return site
