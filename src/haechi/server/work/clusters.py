"""The clusters that this server knows: followed live, or read from a folder.

Each has a thread that connects (and connects again), starts the mirror, and writes its past. All
that others need is asked here: a cluster to read, a client to change it, which workload a pod or
an address belongs to. Without a configured cluster nothing is imported and nothing runs.
"""

from __future__ import annotations

import datetime as dt
import logging
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from haechi.errors import ConfigError, HaechiError, StoreError

if TYPE_CHECKING:
    from collections.abc import Callable

    from haechi.server.settings import ClusterSettings
    from haechi.server.work.cluster_past import Recorder
    from haechi.server.world import World
    from haechi.store.state.objects import Objects
    from haechi.world.kube.client import KubernetesClient
    from haechi.world.kube.cluster import Cluster, Frozen
    from haechi.world.kube.mirror import Mirror
    from haechi.world.kube.places import Named, Places

log = logging.getLogger("haechi.server.clusters")
AGAIN_S, WRITE_S, LOOK_S = 30.0, 2.0, 30.0
LAGGING = dt.timedelta(minutes=5)
"""A server tells of every kind about once a minute (bookmarks), or is asked again."""


class KindCount(msgspec.Struct, frozen=True, kw_only=True):
    """One kind of a cluster."""

    type: str
    objects: int
    state: str
    why: str = ""


class ClusterState(msgspec.Struct, frozen=True, kw_only=True):
    """How a cluster does. ``state``: ``starting``, ``connected``, ``lagging`` (something has not
    been heard of for a while), ``partial`` (some kinds may not be read), ``failed``, ``dump``."""

    name: str
    source: str
    state: str
    why: str = ""
    server: str = ""
    version: str = ""
    objects: int = 0
    gaps: tuple[str, ...] = ()
    kinds: tuple[KindCount, ...] = ()
    heard: dt.datetime | None = None
    changed: dt.datetime | None = None
    since: dt.datetime | None = None
    """How far back its past is known."""


class Clusters:
    """One per world. ``open`` starts, ``close`` ends; in between everything is thread-safe."""

    def __init__(self) -> None:
        self._followed: dict[str, Followed] = {}
        self._objects: Objects | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """The clusters that are known."""
        return tuple(self._followed)

    def open(self, world: World) -> None:
        """Begin to follow what is configured. Waits for nobody."""
        self._objects = world.store.state.objects
        for one in world.settings.clusters.followed:
            followed = Followed(one, self._objects, world.clock)
            self._followed[one.name] = followed
            followed.start()

    def close(self) -> None:
        """End all threads and connections."""
        several, self._followed = list(self._followed.values()), {}
        for one in several:
            one.stop()
        for one in several:
            one.join()

    def cluster(self, name: str) -> Cluster | None:
        """A cluster as it is now; None when there is no such one, or it was never read."""
        found = self._followed.get(name)
        return None if found is None else found.cluster()

    def client(self, name: str) -> KubernetesClient | None:
        """A client of a cluster; None when there is none (a folder, or not connected yet)."""
        found = self._followed.get(name)
        return None if found is None or found.mirror is None else found.mirror.client

    def at(self, name: str, when: dt.datetime) -> Cluster | None:
        """A cluster as it was; None when its past is not known at all."""
        if self._objects is None or self._objects.since(name) is None:
            return None
        from haechi.server.work.cluster_past import past
        from haechi.world.kube.mirror import MIRRORED
        from haechi.world.kube.names import BUILT_IN

        types = [kind.type for kind in MIRRORED if kind in BUILT_IN]
        return past(self._objects, name, when, types)

    def states(self) -> list[ClusterState]:
        """How each does, by name."""
        return [one.state() for _, one in sorted(self._followed.items())]

    # --- whose is it -----------------------------------------------------------------------

    def workload_of(self, cluster: str, namespace: str, pod: str) -> str:
        """The key of what a pod belongs to; "" when that is not known."""
        named = self.owner_of(cluster, namespace, pod)
        return "" if named is None else named.key(cluster)

    def owner_of(self, cluster: str, namespace: str, pod: str) -> Named | None:
        """The same by its names."""
        places = self._places(cluster)
        return None if places is None else places.workload_of(namespace, pod)

    def of_address(self, cluster: str, ip: str) -> str:
        """The key of the workload, service or node that has the address; "" when none has."""
        places = self._places(cluster)
        named = None if places is None else places.of_address(ip)
        return "" if named is None else named.key(cluster)

    def pod_of(self, cluster: str, container: str) -> tuple[str, str] | None:
        """(namespace, name) of the pod that a container's id belongs to."""
        places = self._places(cluster)
        return None if places is None else places.pod_of(container)

    def _places(self, cluster: str) -> Any:
        found = self._followed.get(cluster)
        return None if found is None else found.places()


class Followed:
    """One cluster and its thread."""

    def __init__(
        self, settings: ClusterSettings, objects: Objects, clock: Callable[[], dt.datetime]
    ) -> None:
        self._settings, self._objects, self._clock = settings, objects, clock
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        self._recorder: Recorder | None = None
        self._dump: Frozen | None = None
        self._dump_places: Any = None
        self._before: Places | None = None
        self._remembering = threading.Lock()
        self.mirror: Mirror | None = None
        self.fault = ""
        self.version = ""

    def start(self) -> None:
        """Begin."""
        work = self._read if self._settings.dump else self._follow
        name = f"haechi-cluster-{self._settings.name[:30]}"
        self._thread = threading.Thread(target=self._guarded, args=(work,), name=name, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Ask for the end."""
        self._stopped.set()

    def join(self) -> None:
        """Wait for it."""
        if self._thread is not None:
            self._thread.join(3.0)

    def cluster(self) -> Cluster | None:
        """What can be read now. A live one counts once every kind was read or will not be: before
        that, what is not read yet looks like what is not there."""
        if self._dump is not None:
            return self._dump
        mirror = self.mirror
        return mirror if mirror is not None and _is_read(mirror) else None

    def places(self) -> Any:
        """Who has which address. Until the cluster was read, as it was when it was last followed:
        events do not wait for that, and what they belong to must not depend on it."""
        mirror = self.mirror
        if self._settings.dump:
            return self._dump_places
        if mirror is not None and _is_read(mirror):
            self._before = None
            return mirror.places
        return _Either(self._last_known(), None if mirror is None else mirror.places)

    def _last_known(self) -> Places:
        """Made once for each time that it is needed."""
        from haechi.server.work.cluster_past import past
        from haechi.world.kube.places import Places

        with self._remembering:
            found = self._before
            if found is None:
                found = Places()
                try:
                    for kept in past(self._objects, self._settings.name, self._clock(), ()).kept():
                        found.put(kept)
                except StoreError as error:
                    log.warning("the past of %s is not known: %s", self._settings.name, error.what)
                self._before = found
            return found

    # --- the thread ------------------------------------------------------------------------

    def _guarded(self, work: Callable[[], None]) -> None:
        """Until it is stopped; what fails is told and tried again."""
        while not self._stopped.is_set():
            try:
                work()
            except HaechiError as error:
                self._failed(f"{error.what} ({error.why})" if error.why else error.what, error)
            except Exception as error:  # the boundary of a thread
                log.exception("following the cluster %s failed", self._settings.name)
                self._failed(f"a fault of haechi: {type(error).__name__}", None)
            finally:
                self._end()
            self._stopped.wait(AGAIN_S)

    def _failed(self, fault: str, error: HaechiError | None) -> None:
        if fault != self.fault:
            do = f"; {error.do}" if error is not None and error.do else ""
            log.warning("the cluster %s cannot be followed: %s%s", self._settings.name, fault, do)
        self.fault = fault[:500]

    def _end(self) -> None:
        mirror, self.mirror = self.mirror, None
        if mirror is not None:
            mirror.close()

    def _follow(self) -> None:
        from haechi.server.work.cluster_past import Recorder
        from haechi.world.kube.client import KubernetesClient
        from haechi.world.kube.mirror import Mirror

        client = KubernetesClient(access_of(self._settings))
        try:
            self.version = client.version()
            recorder = Recorder(self._objects, self._settings.name, self._clock)
            mirror = Mirror(
                client,
                name=self._settings.name,
                namespaces=self._settings.namespaces,
                seen=recorder.seen,
                clock=self._clock,
            )
        except BaseException:
            client.close()
            raise
        self.mirror, self.fault = mirror, ""
        mirror.start()
        log.info("follows the cluster %s (%s)", self._settings.name, self.version)
        while not self._stopped.wait(WRITE_S):
            self._written(recorder, mirror)
        self._written(recorder, mirror)

    def _written(self, recorder: Recorder, mirror: Mirror) -> None:
        """The past is worth less than the present: a full disk does not end the following."""
        try:
            recorder.write(mirror)
        except StoreError as error:
            if self.fault != error.what:
                log.warning("the past of %s is not kept: %s", self._settings.name, error.what)
            self.fault = error.what
        else:
            self.fault = ""

    def _read(self) -> None:
        """Read the folder, and again when it changed."""
        from haechi.world.kube.dump import read_dump, stamp
        from haechi.world.kube.places import Places

        folder, known = Path(self._settings.dump), None
        while not self._stopped.is_set():
            if not folder.is_dir():
                raise ConfigError("there is no such folder", where=str(folder))
            began = time.monotonic()
            now = stamp(folder)
            pause = max(LOOK_S, 100 * (time.monotonic() - began))  # a large tree is no load
            if now != known:
                started = time.monotonic()
                dump, places = read_dump(folder, self._settings.name), Places()
                for kept in dump.kept():
                    places.put(kept)
                self._dump, self._dump_places, known, self.fault = dump, places, now, ""
                took = time.monotonic() - started
                log.info("read the cluster %s from %s in %.1f s", dump.name, folder, took)
            self._stopped.wait(pause)

    # --- how it does -----------------------------------------------------------------------

    def state(self) -> ClusterState:
        """See ``ClusterState``."""
        settings, mirror = self._settings, self.mirror
        common: dict[str, Any] = {
            "name": settings.name,
            "since": self._objects.since(settings.name),
        }
        if self._dump is not None:
            dump = self._dump
            return ClusterState(
                **common,
                source="dump",
                state="failed" if self.fault else "dump",
                why=self.fault,
                objects=len(dump.kept()),
                gaps=dump.gaps,
                heard=dump.at,
            )
        source = "dump" if settings.dump else "live"
        if mirror is None:
            state = "failed" if self.fault else "starting"
            return ClusterState(**common, source=source, state=state, why=self.fault)
        word, why = _judged(mirror, self._clock())
        heard = [one.heard for one in mirror.states if one.heard]
        changed = [one.changed for one in mirror.states if one.changed]
        kinds = _kinds(mirror)
        return ClusterState(
            **common,
            source=source,
            state=word,
            why=why or self.fault,
            server=mirror.client.access.server,
            version=self.version,
            objects=sum(one.objects for one in kinds),
            gaps=mirror.gaps,
            kinds=kinds,
            heard=max(heard, default=None),
            changed=max(changed, default=None),
        )


class _Either:
    """The places of two times: what the first does not know is looked for in the second."""

    def __init__(self, first: Places, second: Places | None) -> None:
        self._several = (first,) if second is None else (first, second)

    def workload_of(self, namespace: str, pod: str) -> Named | None:
        """See ``Places``."""
        found = (one.workload_of(namespace, pod) for one in self._several)
        return next((one for one in found if one is not None), None)

    def of_address(self, address: str) -> Named | None:
        """See ``Places``."""
        found = (one.of_address(address) for one in self._several)
        return next((one for one in found if one is not None), None)

    def pod_of(self, container: str) -> tuple[str, str] | None:
        """See ``Places``."""
        found = (one.pod_of(container) for one in self._several)
        return next((one for one in found if one is not None), None)


def _is_read(mirror: Mirror) -> bool:
    """Something was read, and of the rest it is known why not."""
    states = mirror.states
    return any(one.synced for one in states) and all(
        one.synced or one.absent or one.fault for one in states
    )


def _judged(mirror: Mirror, now: dt.datetime) -> tuple[str, str]:
    """One word for a live cluster, and why."""
    wanted = [one for one in mirror.states if not one.absent]
    gaps = mirror.gaps
    if wanted and all(one.fault for one in wanted):
        return "failed", wanted[0].fault
    if any(not one.synced and not one.fault for one in wanted):
        return "starting", ""
    late = [
        one
        for one in wanted
        if one.synced and (one.fault or (one.heard and now - one.heard > LAGGING))
    ]
    if late:
        return "lagging", late[0].gap or f"{late[0].kind.right}: silent since {late[0].heard}"
    return ("partial", gaps[0]) if gaps else ("connected", "")


def _kinds(mirror: Mirror) -> tuple[KindCount, ...]:
    found: dict[str, KindCount] = {}
    for one in mirror.states:
        state = "absent" if one.absent else "refused" if one.refused else ""
        state = state or ("failed" if one.fault else "followed" if one.synced else "starting")
        type_ = one.kind.type
        known = found.get(type_)
        if known is None or known.state == "followed":
            count = mirror.count(type_)
            found[type_] = KindCount(type=type_, objects=count, state=state, why=one.fault)
    return tuple(found[type_] for type_ in sorted(found))


def access_of(settings: ClusterSettings) -> Any:
    """How the settings say that a cluster is reached. Raises ConfigError."""
    from haechi.world.kube.config import from_kubeconfig, in_cluster

    if settings.in_cluster:
        return in_cluster(name=settings.name)
    path = Path(settings.kubeconfig) if settings.kubeconfig else None
    return from_kubeconfig(path, context=settings.context, name=settings.name)


async def follow_clusters(world: World) -> None:
    """Follow the configured clusters until cancelled."""
    import asyncio

    if not world.settings.clusters.followed:
        return
    await asyncio.to_thread(world.clusters.open, world)
    try:
        await asyncio.Event().wait()
    finally:
        await asyncio.to_thread(world.clusters.close)
