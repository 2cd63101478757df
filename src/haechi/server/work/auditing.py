"""The background audit: each followed cluster judged by its policies, at the start, on each change
and by the clock.

One thread a cluster looks at what is there, tells the process that judges what is new, and writes
what came of it: a state with since, events of what changed, findings. Judging is
``PolicySet.review`` as at the door (``Point.AUDIT``). A change is judged in seconds; what others
may be judged by (a Namespace's labels, the objects that policies read) makes the whole cluster to
be judged again, not more often than that costs a fraction of the time.
"""

from __future__ import annotations

import datetime as dt
import logging
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from haechi.errors import HaechiError, StoreError
from haechi.model.access import EVERYWHERE, NONE
from haechi.server.work.audits.objects import JUDGED, PARTIAL, DumpObjects, LiveObjects, Snapshot
from haechi.server.work.audits.policies import LABELS, PolicyTexts, labelled
from haechi.server.work.audits.process import AuditProcess, Stopped
from haechi.server.work.audits.publishing import Publishing
from haechi.server.work.audits.results import Standing
from haechi.server.work.audits.wire import AuditedObject, Done, Setup, Text
from haechi.store.records import Notice
from haechi.store.state.admission_records import AUDIT, AuditCoverage

if TYPE_CHECKING:
    from haechi.model.admission import PolicyFault, PolicyInfo
    from haechi.server.settings import ClusterSettings
    from haechi.server.work.audits.objects import Objects
    from haechi.server.world import World
    from haechi.world.kube.cluster import Kept

log = logging.getLogger("haechi.server.audit")
TICK_S, TOLD_S, AGAIN_S = 2.0, 60.0, 30.0
LEAST_S, SHARE = 30.0, 10.0
"""Between two looks at the whole of a cluster: so long, and so many times what one takes."""
_FAULTS = "haechi_policy_audit_faults_total"
_Place = tuple[str, str, str]


class Basis(msgspec.Struct, frozen=True):
    """The policies and objects of a cluster at a moment."""

    texts: list[Text]
    snapshot: Snapshot


class ClusterAudit:
    """The audit of one cluster. ``tick`` does what is due; ``run`` does so until it is stopped."""

    def __init__(
        self,
        world: World,
        name: str,
        objects: Objects,
        texts: PolicyTexts,
        *,
        findings: bool = True,
        stopped: threading.Event | None = None,
    ) -> None:
        self._world, self.name, self._objects, self._texts = world, name, objects, texts
        self._findings = findings
        self._stopped = stopped or threading.Event()
        self._waivers_changed = threading.Event()
        self._process: AuditProcess | None = None
        self._standing, self._publishing = self._renewed()
        self._known: dict[_Place, Kept] = {}
        self._keys: dict[_Place, str] = {}
        self._infos: Sequence[PolicyInfo] = ()
        self._faults: Sequence[PolicyFault] = ()
        self._owners: Sequence[tuple[str, str]] = ()
        self._quiet = self._due = True
        self._off: dict[str, str] = {}
        self._day = world.clock().date()
        self._noticed = self._whole_at = self._told_at = float("-inf")
        self._took = self._cpu = 0.0
        self._coverage = AuditCoverage(cluster=name, state="waiting")
        self._fault = ""
        self._snapshot: Snapshot | None = None
        self._packs: list[str] = []
        self._labelled: tuple[Snapshot | None, bool] = (None, False)

    def _renewed(self) -> tuple[Standing, Publishing]:
        """Begin anew with nothing."""
        standing = Standing(self.name)
        made = Publishing(self._world, standing, findings=self._findings)
        self._standing, self._publishing = standing, made
        return standing, made

    def run(self) -> None:
        """Until it is stopped; what fails is told and tried again."""
        unsubscribe = self._world.store.subscribe(self._heard)
        try:
            while not self._stopped.is_set():
                pause = TICK_S
                try:
                    self.tick()
                except Stopped:
                    break
                except HaechiError as error:
                    self._failed(f"{error.what} ({error.why})" if error.why else error.what)
                    pause = AGAIN_S
                except Exception as error:  # the boundary of a thread
                    log.exception("the audit of %s failed", self.name)
                    self._failed(f"a fault of haechi: {type(error).__name__}")
                    pause = AGAIN_S
                self._stopped.wait(pause)
        finally:
            unsubscribe()
            self.close()

    def stop(self) -> None:
        """Ask for the end."""
        self._stopped.set()

    def close(self) -> None:
        """End the process and the watches."""
        self._end()
        self._objects.close()

    def tick(self) -> None:
        """Look, and judge what is to be judged. Raises HaechiError, Stopped."""
        snapshot = self._objects.look(self._infos, self._owners)
        if snapshot is None:
            self._tell(state="waiting", why="the cluster was not read yet")
            return
        packs = self._packs_for(snapshot)
        changed = self._texts.changed(snapshot.policies) or packs != self._packs
        if changed or (self._process is None and self._due):
            self._packs = packs
            self._load()
            snapshot = self._objects.look(self._infos, self._owners) or snapshot
        self._snapshot = snapshot
        if self._process is None:
            self._nothing(snapshot)
            return
        self._round(snapshot)

    def basis(self) -> Basis | None:
        """What a comparison with other policies begins with; None while nothing was read. May be
        asked from any thread: what it gives is replaced, never changed."""
        snapshot, texts = self._snapshot, self._texts.texts
        return None if snapshot is None else Basis(texts=texts, snapshot=snapshot)

    # --- policies --------------------------------------------------------------------------

    def _packs_for(self, snapshot: Snapshot) -> list[str]:
        """Those of the settings; and the labels of the cluster's Namespaces, where they ask for
        something. At the door the API server sees to these itself, and to nothing that runs."""
        settings = self._world.settings.admission
        if not settings.cluster_policies or LABELS in settings.packs:
            return settings.packs
        if snapshot is not self._labelled[0]:
            self._labelled = (snapshot, labelled(snapshot.kept.values()))
        return [*settings.packs, LABELS] if self._labelled[1] else settings.packs

    def _load(self) -> None:
        settings = self._world.settings.admission
        if not self._texts.texts and not self._packs:
            self._end()
            self._infos, self._faults, self._owners, generation = (), (), (), ""
        else:
            setup = Setup(
                texts=self._texts.texts,
                packs=self._packs,
                cluster=self.name,
                deadline_s=settings.deadline_s,
                memory_bytes=settings.memory_bytes,
            )
            made = AuditProcess(setup, self._stopped)
            self._end()
            self._process = made
            generation = made.ready.generation
            self._infos, self._faults = made.ready.policies, made.ready.faults
            self._owners = made.ready.owners
            log.info("%s: %d policies, generation %s", self.name, len(self._infos), generation)
        state = self._world.store.state
        before = {
            one.generation
            for policy in state.policies.all(within=(EVERYWHERE,))
            for one in policy.origins
            if policy.cluster == self.name and one.source == AUDIT
        }
        self._quiet = before != {generation}
        # What was there before a policy is no news of it. Until that is written down the policies
        # stand without their generation: who dies in between begins quietly again.
        stands = "" if self._quiet else generation
        state.policies.keep(self.name, AUDIT, stands, self._infos, self._faults)
        self._standing.infos = {one.id: one for one in self._infos}
        self._due, self._whole_at = True, float("-inf")

    def _nothing(self, snapshot: Snapshot) -> None:
        """There are no policies."""
        if self._due:
            self._world.store.state.policy_states.forget(self.name)
            self._renewed()
            self._due = False
        self._tell(state="idle", why=self._texts.fault or "no policies", gaps=list(snapshot.gaps))

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.close()
        self._due = True

    # --- judging ---------------------------------------------------------------------------

    def _round(self, snapshot: Snapshot) -> None:
        changed: list[Kept] = []
        gone: list[_Place] = []
        if snapshot.kept is not self._known:
            known = self._known
            changed = [
                one
                for place, one in snapshot.kept.items()
                if (old := known.get(place)) is not one and (old is None or old.body != one.body)
            ]
            gone = [place for place in known if place not in snapshot.kept]
            if not changed and not gone:
                self._known = snapshot.kept
        now = time.monotonic()
        if (changed or gone) and self._noticed == float("-inf"):
            self._noticed = now
        others = self._context(of_others=True)
        if any(one.type in others for one in changed) or any(one[0] in others for one in gone):
            self._due = True
        interval = self._world.settings.admission.interval_minutes * 60
        whole = now - self._whole_at >= interval or (self._due and self._may(now))
        if whole:
            self._judged(snapshot, list(snapshot.kept.values()), [], whole=True)
        elif changed or gone:
            self._judged(snapshot, changed, gone, whole=False)
        elif (
            self._waivers_changed.is_set()
            or snapshot.kinds != self._standing.kinds
            or self._world.clock().date() != self._day  # waivers end with a day
        ):
            self._standing.kinds = snapshot.kinds
            self._publish(None)
        self._told(snapshot)

    def _may(self, now: float) -> bool:
        return now - self._whole_at >= max(LEAST_S, SHARE * self._took)

    def _context(self, *, of_others: bool = False) -> set[str]:
        """Types of objects that policies look at. ``of_others``: on which verdicts about others
        depend; the labels of a Namespace look at pods only when they are changed at the door, and
        the owner of an object is as old as it was when it changes."""
        reads = {
            f"{group or 'core'}/{kind}"
            for one in self._infos
            for group, kind in one.reads
            if not (of_others and (one.id, kind) == ("pod-security/labels", "Pod"))
        }
        if not of_others:
            reads |= {f"{group or 'core'}/{kind}" for group, kind in self._owners}
        return reads | {"core/Namespace"}

    def _judged(
        self, snapshot: Snapshot, changed: Sequence[Kept], gone: Sequence[_Place], *, whole: bool
    ) -> None:
        process = self._process
        if process is None:
            return
        began = time.monotonic()
        judged = {one.type for one in snapshot.kinds if one.state in (JUDGED, PARTIAL)}
        asked = [one for one in changed if one.type in judged]
        started = self._world.clock()
        many = whole and len(asked) > 500
        self._tell(state="auditing", waiting=len(asked), started=started, force=many)
        context = self._context()
        news = [one for one in changed if one.type in context]
        lost = [place for place in gone if place[0] in context]
        if whole or news or lost:
            process.news(news, gone=lost, anew=whole, unknown=snapshot.unknown)
        keys = [self._keys[place] for place in gone if place in self._keys]
        found: list[AuditedObject] = []
        done: Done | None = None
        for part in process.judge(asked, anew=whole, gone=keys):
            if isinstance(part, Done):
                done = part
            else:
                found += part
        if done is None:
            return
        self._took_in(snapshot, asked, keys, found, done, whole=whole)
        self._took = time.monotonic() - began if whole else self._took
        self._cpu = done.cpu_s if whole else self._cpu
        if whole:
            self._whole_at, self._due = time.monotonic(), False
        touched = None if whole else [*keys, *(self._keys[_place(one)] for one in asked)]
        self._publish(touched)
        self._noticed = float("-inf")
        if self._quiet:
            generation = process.ready.generation
            policies = self._world.store.state.policies
            policies.keep(self.name, AUDIT, generation, self._infos, self._faults)
            self._quiet = False

    def _took_in(
        self,
        snapshot: Snapshot,
        asked: Sequence[Kept],
        gone: Sequence[str],
        found: Sequence[AuditedObject],
        done: Done,
        *,
        whole: bool,
    ) -> None:
        standing = self._standing
        if whole:
            standing.objects, self._keys = {}, {}
        self._keys |= {_place(one): _key(one, self.name) for one in asked}
        standing.forget([*gone, *(self._keys[_place(one)] for one in asked)])
        standing.take(found)
        standing.passes, standing.kinds = done.passes, snapshot.kinds
        self._known = snapshot.kept
        for policy, why in done.off.items():
            if policy not in self._off:
                log.warning("%s: the policy %s was stopped: %s", self.name, policy, why)
                self._world.metrics.count(_FAULTS, "policy")
        self._off = done.off if whole else {**self._off, **done.off}

    def _publish(self, keys: Sequence[str] | None) -> None:
        """Write what is said of these objects (None: of all)."""
        self._waivers_changed.clear()
        self._day = self._world.clock().date()
        ready = self._process.ready if self._process is not None else None
        marked = ready.marked if ready is not None and not self._quiet else ()
        self._publishing.publish(
            keys, marked=marked, took_s=round(self._took, 3), judged=len(self._keys)
        )

    # --- how it does -----------------------------------------------------------------------

    def _heard(self, notice: Notice) -> None:
        if notice.topic == "waiver":
            self._waivers_changed.set()

    def _failed(self, why: str) -> None:
        if why != self._fault:
            log.warning("the audit of %s failed: %s", self.name, why)
        self._fault = why
        self._world.metrics.count(_FAULTS, "run")
        self._end()
        try:
            self._tell(state="failed", why=why[:1_000])
        except StoreError as error:
            log.warning("how the audit of %s does cannot be kept: %s", self.name, error.what)

    def _told(self, snapshot: Snapshot) -> None:
        self._fault = ""
        now = self._world.clock()
        age = time.monotonic() - self._whole_at
        lag = time.monotonic() - self._noticed if self._noticed != float("-inf") else 0.0
        lag = max(lag, self._objects.silent_s())
        self._tell(
            state="idle",
            why=self._texts.fault,
            objects=len(self._keys),
            waiting=0,
            kinds=snapshot.kinds,
            gaps=list(snapshot.gaps[:100]),
            off=sorted(f"{policy}: {why}" for policy, why in self._off.items())[:100],
            left_out=self._publishing.left_out,
            oldest=now - dt.timedelta(seconds=age) if age != float("inf") else None,
            finished=now,
            lag_s=round(lag, 1),
            took_s=round(self._took, 3),
            cpu_s=round(self._cpu, 3),
        )

    def _tell(self, *, force: bool = True, **news: object) -> None:
        """Keep how it does: when something changed, and once a minute."""
        from msgspec.structs import replace

        ready = self._process.ready if self._process is not None else None
        coverage = replace(
            self._coverage,
            generation=ready.generation if ready is not None else "",
            policies=len(self._infos),
            faults=len(self._faults),
            **news,
        )
        same = _without_times(coverage) == _without_times(self._coverage)
        self._coverage = coverage
        if not force or (same and time.monotonic() - self._told_at < TOLD_S):
            return
        self._told_at = time.monotonic()
        self._world.store.state.policy_states.tell(coverage)


class Auditing:
    """The audits of a world: one thread each."""

    def __init__(self) -> None:
        self._running: list[tuple[ClusterAudit, threading.Thread]] = []

    def open(self, world: World) -> None:
        """Begin with every followed cluster."""
        followed = world.settings.clusters.followed
        world.store.state.policy_states.retain([one.name for one in followed])
        for one in followed:
            audit = audit_of(world, one)
            world.audits[one.name] = audit
            thread = threading.Thread(
                target=audit.run, name=f"haechi-audit-{one.name[:30]}", daemon=True
            )
            self._running.append((audit, thread))
            thread.start()

    def close(self) -> None:
        """End all of them."""
        running, self._running = self._running, []
        for audit, _ in running:
            audit.stop()
        for _, thread in running:
            thread.join(5.0)


def audit_of(world: World, cluster: ClusterSettings) -> ClusterAudit:
    """The audit of a followed cluster. The folder that ``haechi up`` was started on is scanned
    already: its violations are no findings a second time."""
    from haechi.server.work.clusters import access_of
    from haechi.world.kube.cluster import Frozen
    from haechi.world.kube.mirror import Mirror

    settings = world.settings.admission

    last: list[tuple[Frozen, tuple[Sequence[Kept], tuple[str, ...]]]] = []

    def dump() -> tuple[Sequence[Kept], tuple[str, ...]] | None:
        found = world.clusters.cluster(cluster.name)
        if not isinstance(found, Frozen):
            return None
        if not last or last[0][0] is not found:
            last[:] = [(found, (found.kept(), found.gaps))]
        return last[0][1]

    def mirror() -> Mirror | None:
        found = world.clusters.cluster(cluster.name)
        return found if isinstance(found, Mirror) else None

    stopped = threading.Event()
    objects: Objects = (
        DumpObjects(dump)
        if cluster.dump
        else LiveObjects(
            mirror,
            lambda: access_of(cluster),
            namespaces=cluster.namespaces,
            stopped=stopped.is_set,
        )
    )
    texts = PolicyTexts(
        [Path(one) for one in settings.policies], of_cluster=settings.cluster_policies
    )
    declared = bool(cluster.dump) and cluster.name == NONE
    return ClusterAudit(world, cluster.name, objects, texts, findings=not declared, stopped=stopped)


async def audit_clusters(world: World) -> None:
    """Audit the followed clusters until cancelled."""
    import asyncio

    if not world.settings.admission.audit or not world.settings.clusters.followed:
        return
    auditing = Auditing()
    await asyncio.to_thread(auditing.open, world)
    try:
        await asyncio.Event().wait()
    finally:
        await asyncio.to_thread(auditing.close)


def _without_times(one: AuditCoverage) -> tuple[object, ...]:
    times = ("started", "finished", "oldest", "lag_s", "took_s", "cpu_s")
    return tuple(getattr(one, name) for name in one.__struct_fields__ if name not in times)


def _place(one: Kept) -> _Place:
    return one.type, one.namespace, one.name


def _key(one: Kept, cluster: str) -> str:
    from haechi.model.keys import k8s_key

    group, _, kind = one.type.rpartition("/")
    return k8s_key(
        group="" if group == "core" else group,
        kind=kind,
        namespace=one.namespace or None,
        name=one.name,
        cluster=cluster,
    )
