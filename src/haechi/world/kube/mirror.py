"""A live cluster kept in memory: one watch for each kind, read by all, asked of nobody again.

Objects are kept as their JSON: a tenth of the memory of values, made into values when somebody
reads. A kind that may not be read, or that the server stopped to tell of, is a *gap*, and the
cluster is not complete: what is not known must never look like what is not there.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence

import msgspec

from haechi.errors import ConfigError, HaechiError, KubeError, KubeForbidden, KubeNotFound
from haechi.model.resource import Resource
from haechi.world.kube import names
from haechi.world.kube.client import KubernetesClient
from haechi.world.kube.cluster import SETTINGS, Kept, SourceName, kept_of, resources
from haechi.world.kube.names import Kind
from haechi.world.kube.places import Places
from haechi.world.kube.watching import SILENT_S, Change, ChangeType, Watch

log = logging.getLogger("haechi.kube")
MIRRORED = (
    names.NAMESPACE,
    names.NODE,
    names.POD,
    names.SERVICE,
    names.SERVICE_ACCOUNT,
    names.DEPLOYMENT,
    names.REPLICA_SET,
    names.STATEFUL_SET,
    names.DAEMON_SET,
    names.JOB,
    names.CRON_JOB,
    names.NETWORK_POLICY,
    names.INGRESS,
    names.BUDGET,
    names.ROLE,
    names.CLUSTER_ROLE,
    names.ROLE_BINDING,
    names.CLUSTER_ROLE_BINDING,
    *(kind for kind in names.EXTENSIONS if kind is not names.ENVOY_FILTER),
)
"""Not Secrets or ConfigMaps: to list them needs a right that nobody should have for this."""
NAMED = (
    (names.CUSTOM_KIND, "adminnetworkpolicies.policy.networking.k8s.io"),
    (names.CUSTOM_KIND, "clusternetworkpolicies.policy.networking.k8s.io"),
    (names.CUSTOM_KIND, "ciliumnetworkpolicies.cilium.io"),
    *((names.CONFIG_MAP, name) for name in SETTINGS),
)
"""Single objects by which one tells what enforces network policies."""
REFUSED_S, ABSENT_S = 60.0, 300.0
MOST_NAMESPACES = 20
MOST_OBJECTS = 500_000
MOST_BYTES = 2 << 30
Clock = Callable[[], dt.datetime]


class KindState(msgspec.Struct, kw_only=True):
    """How one kind is followed. ``fault`` is why not; ``refused``: for want of a right."""

    kind: Kind
    namespace: str = ""
    name: str = ""
    """Only the object of this name."""
    synced: bool = False
    absent: bool = False
    refused: bool = False
    fault: str = ""
    faulty_since: dt.datetime | None = None
    heard: dt.datetime | None = None
    changed: dt.datetime | None = None
    changes: int = 0
    lists: int = 0

    @property
    def gap(self) -> str:
        """What is missing and why; empty when nothing is."""
        where = f" in {self.namespace}" if self.namespace else ""
        if self.absent or (self.synced and not self.fault):
            return ""
        name = f" {self.name}" if self.name else ""
        return f"{self.kind.right}{name}{where}: {self.fault or 'not read yet'}"


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """Something that was seen: an object as it is now, one that is gone (``kept`` None), or that
    all of a kind was told (``synced``; ``namespace`` and ``name`` then are what was asked for)."""

    kind: Kind
    namespace: str
    name: str = ""
    kept: Kept | None = None
    synced: bool = False


class Mirror:
    """A ``Cluster`` that is live. ``start`` it, ``close`` it; the client is closed with it."""

    source: SourceName = "live"

    def __init__(
        self,
        client: KubernetesClient,
        *,
        name: str = "",
        kinds: Sequence[Kind] = MIRRORED,
        named: Sequence[tuple[Kind, str]] = NAMED,
        namespaces: Sequence[str] = (),
        seen: Callable[[Seen], None] = lambda _: None,
        clock: Clock = lambda: dt.datetime.now(dt.UTC),
        refused_s: float = REFUSED_S,
        silent: float = SILENT_S,
    ) -> None:
        """``namespaces``: only these are read of kinds that have one. ``seen`` is told of every
        change, from several threads."""
        if len(namespaces) > MOST_NAMESPACES:
            raise ConfigError(
                f"more than {MOST_NAMESPACES} namespaces of one cluster",
                do="leave them out and let the account read all",
            )
        self.name: str = name or client.name
        self.client = client
        self.places = Places()
        self._seen, self._clock, self._refused_s = seen, clock, refused_s
        self._silent = silent
        self._lock = threading.Lock()
        self._objects: dict[str, dict[tuple[str, str], Kept]] = {}
        self._count = self._bytes = 0
        self._stopped = threading.Event()
        self._synced = threading.Condition()
        self.states: tuple[KindState, ...] = (
            *(
                KindState(kind=kind, namespace=namespace)
                for kind in kinds
                for namespace in ((namespaces or ("",)) if kind.namespaced else ("",))
            ),
            *(KindState(kind=kind, name=name) for kind, name in named),
        )
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Begin to follow."""
        for state in self.states:
            thread = threading.Thread(
                target=self._follow,
                args=(state,),
                name=f"haechi-kube-{self.name[:20]}-{state.kind.plural}",
                daemon=True,
            )
            self._threads.append(thread)
            thread.start()

    def close(self, *, wait: float = 2.0) -> None:
        """End all, in ``wait`` seconds together; idempotent."""
        self._stopped.set()
        self.client.close()
        end = time.monotonic() + wait
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))
        self._threads = [one for one in self._threads if one.is_alive()]

    def wait(self, seconds: float) -> bool:
        """Until every kind was read once or will not be; False when the time is over."""
        with self._synced:
            return self._synced.wait_for(
                lambda: all(one.synced or one.absent or one.fault for one in self.states), seconds
            )

    # --- as a Cluster ----------------------------------------------------------------------

    @property
    def at(self) -> dt.datetime:
        """Now; or since when something has not been heard of any more."""
        faulty = [one.faulty_since for one in self.states if one.synced and one.faulty_since]
        return min(faulty, default=self._clock())

    @property
    def gaps(self) -> tuple[str, ...]:
        """What is missing, and why."""
        return tuple(gap for one in self.states if (gap := one.gap))

    @property
    def complete(self) -> bool:
        """True when every kind that the cluster has is read and followed."""
        return not any(one.gap for one in self.states)

    def kept(self, *types: str) -> list[Kept]:
        """The objects as they are kept."""
        with self._lock:
            return [
                one
                for type_ in types or tuple(self._objects)
                for one in self._objects.get(type_, {}).values()
            ]

    def objects(self, *types: str, namespace: str | None = None) -> list[Resource]:
        """See ``Cluster``."""
        return resources(self.kept(*types), self.name, namespace)

    def count(self, type_: str) -> int:
        """How many there are of a type."""
        return len(self._objects.get(type_, ()))

    # --- following -------------------------------------------------------------------------

    def _follow(self, state: KindState) -> None:
        watch: Watch | None = None  # the same one after a refusal: it knows what was told
        while not self._stopped.is_set():
            pause = self._refused_s
            try:
                if watch is None:
                    watch = self._watch(state)
                if watch is None:
                    self._absent(state)
                    pause = ABSENT_S
                else:
                    self._watched(state, watch)
            except KubeNotFound:
                watch = None
                self._absent(state)
                pause = ABSENT_S
            except HaechiError as error:
                self._faulty(state, error)
            except Exception:  # the boundary of a thread
                log.exception("%s: following %s failed", self.name, state.kind.right)
                self._faulty(state, KubeError("a fault of haechi: see its log"))
            self._stopped.wait(pause)

    def _watch(self, state: KindState) -> Watch | None:
        """What follows the kind; None when the cluster has no such kind. Raises KubeError."""
        kind = self._kind(state.kind)
        if kind is None:
            return None
        state.absent = False
        return Watch(
            self.client,
            kind,
            state.namespace or None,
            field_selector=f"metadata.name={state.name}" if state.name else "",
            whole=bool(state.name),
            heard=lambda error: self._heard(state, error),
            stopped=self._stopped,
            silent=self._silent,
        )

    def _kind(self, kind: Kind) -> Kind | None:
        """The kind as this cluster has it; None when it has none. Raises KubeError."""
        if kind in names.BUILT_IN:
            return kind
        discovery = self.client.discovery
        with contextlib.suppress(KubeNotFound):
            return discovery.kind(kind.group, kind.kind)
        if any(one.startswith(f"{kind.group}/") for one in discovery.found().failed):
            raise KubeError(f"the server of {kind.group} does not answer")
        return None

    def _watched(self, state: KindState, watch: Watch) -> None:
        kind = state.kind
        for change in watch.changes():
            state.lists = watch.lists
            if change.type is ChangeType.SYNCED:
                state.synced = True
                asked = Seen(kind=kind, namespace=state.namespace, name=state.name, synced=True)
                self._seen(asked)
                self._tell()
            else:
                self._changed(state, kind, change)

    def _changed(self, state: KindState, kind: Kind, change: Change) -> None:
        metadata = change.body["metadata"]
        namespace, name = str(metadata.get("namespace") or ""), str(metadata.get("name"))
        kept = None if change.type is ChangeType.DELETED else kept_of(change.body)
        self._put(kind.type, (namespace, name), kept)
        state.changes += 1
        if state.synced:
            state.changed = self._clock()
        self._seen(Seen(kind=kind, namespace=namespace, name=name, kept=kept))

    def _put(self, type_: str, key: tuple[str, str], kept: Kept | None) -> None:
        with self._lock:
            objects = self._objects.setdefault(type_, {})
            old = objects.get(key)
            self._count += (kept is not None) - (old is not None)
            self._bytes += (len(kept.body) if kept else 0) - (len(old.body) if old else 0)
            if kept is None:
                objects.pop(key, None)
            else:
                objects[key] = kept
        if self._count > MOST_OBJECTS or self._bytes > MOST_BYTES:
            raise KubeError(
                f"the cluster has more than {MOST_OBJECTS:,} objects or {MOST_BYTES >> 30} GiB",
                do="follow some of its namespaces only",
            )
        if kept is None:
            self.places.drop(type_, *key)
        else:
            self.places.put(kept)

    # --- how it goes -----------------------------------------------------------------------

    def _heard(self, state: KindState, error: KubeError | None) -> None:
        if error is not None:
            self._faulty(state, error)
            return
        state.heard = self._clock()
        if state.fault:
            log.info("%s: %s is heard again", self.name, state.kind.right)
        state.fault, state.faulty_since, state.refused = "", None, False

    def _faulty(self, state: KindState, error: HaechiError) -> None:
        if self._stopped.is_set():
            return
        fault = f"{error.what} ({error.why})" if error.why else error.what
        if not state.fault:
            log.warning("%s: %s cannot be followed: %s", self.name, state.kind.right, fault)
        state.fault = fault[:500]
        state.refused = isinstance(error, KubeForbidden)
        state.faulty_since = state.faulty_since or self._clock()
        self._tell()

    def _absent(self, state: KindState) -> None:
        """The cluster has no such kind (any more): its objects are gone with it."""
        for kept in self.kept(state.kind.type):
            if state.name and kept.name != state.name:
                continue
            self._put(kept.type, (kept.namespace, kept.name), None)
            self._seen(Seen(kind=state.kind, namespace=kept.namespace, name=kept.name))
        state.absent, state.synced = True, False
        state.fault, state.faulty_since, state.refused = "", None, False
        self._tell()

    def _tell(self) -> None:
        with self._synced:
            self._synced.notify_all()


def rights_to_read(kinds: Iterable[Kind] = MIRRORED) -> list[tuple[str, str]]:
    """(group, plural) of what an account needs list and watch for."""
    return sorted({(kind.group, kind.plural) for kind in kinds})
