"""Broken off at every boundary between two steps, by every fault of an API server: what tests and
the chaos bench share.

The world is a StatefulSet without controllers, so that after all is undone every object must be
as before, to the letter. ``Crash`` is no ``Exception``: nothing in between catches it, as nothing
catches a signal that kills.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from haechi.model.response import ActionKind, ActionState, Want
from haechi.respond.by_name import want_of
from haechi.respond.engine import AutoResponseEngine
from haechi.store.state.action_records import LIVE, ActionFilter, StoredAction
from haechi.store.state.state import State
from haechi.world.kube.client import KubernetesClient
from tests.fakes.apiserver.server import ApiServer
from tests.respond.cluster import (
    CLUSTER,
    Clock,
    Json,
    client_of,
    engine_over,
    namespace,
    plugin,
    policy,
    world_of,
)

STS = f"k8s:{CLUSTER}/apps/StatefulSet/shop/web"
NODE = f"k8s:{CLUSTER}/core/Node/-/node-1"
DONE = frozenset(
    (ActionState.UNDONE, ActionState.FAILED, ActionState.REFUSED, ActionState.DISMISSED)
)
TEXT = b"""
stage: enforce
verify: 1d
limits: {pods: 3, percent: 100, healthy: 0, hour: 100000, namespace: 100000, failures: 100000}
"""


class Crash(BaseException):
    """The process is gone."""


@dataclass
class Points:
    """Counts boundaries, and dies at one of them. ``stop`` is called there."""

    die_at: int = -1
    stop: Callable[[], None] | None = None
    seen: list[str] = field(default_factory=list)

    def __call__(self, point: str) -> None:
        self.seen.append(point)
        if len(self.seen) - 1 == self.die_at:
            if self.stop is not None:
                self.stop()
            raise Crash(point)


def wants() -> dict[str, Want]:
    """One of each kind that can be undone."""
    return {
        "isolate": want_of(ActionKind.ISOLATE, STS, pods=("web-0",)),
        "scale": want_of(ActionKind.SCALE_TO_ZERO, STS),
        "cordon": want_of(ActionKind.CORDON, NODE),
        "monitor": want_of(ActionKind.MONITOR, STS),
        "verbose": want_of(ActionKind.VERBOSE, STS),
        "snapshot": want_of(ActionKind.SNAPSHOT, STS),
        "evict": want_of(ActionKind.EVICT, STS, pods=("web-2",)),
        "delete": want_of(ActionKind.DELETE, STS, pods=("web-2",)),
    }


IRREVERSIBLE = frozenset({"snapshot", "evict", "delete"})


def still(server: ApiServer) -> None:
    """Put the world there: a StatefulSet, its pods, policies that let everything through."""
    for one in (namespace("shop"), _ready(server, plugin())):
        server.put(one)
    labels = {"app": "web", "tier": "front"}
    spec = {
        "replicas": 3,
        "serviceName": "web",
        "selector": {"matchLabels": {"app": "web"}},
        "template": {
            "metadata": {"labels": labels},
            "spec": {"containers": [{"name": "main", "image": "web:1"}]},
        },
    }
    meta = {"name": "web", "namespace": "shop"}
    body = {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": meta, "spec": spec}
    uid = server.put(body)["metadata"]["uid"]
    for number in range(3):
        server.put(pod(f"web-{number}", uid, labels))
    server.put(policy("web-open", {"app": "web"}))
    server.put(policy("front-open", {"tier": "front"}))


def _ready(server: ApiServer, daemon: Json) -> Json:
    counts = dict.fromkeys(("desiredNumberScheduled", "currentNumberScheduled", "numberReady"), 2)
    return {**daemon, "status": {**counts, "numberMisscheduled": 0}}


def pod(name: str, owner: str, labels: Json) -> Json:
    """A running pod of the StatefulSet."""
    reference = {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "web", "uid": owner}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": "shop",
            "labels": dict(labels),
            "ownerReferences": [{**reference, "controller": True, "blockOwnerDeletion": True}],
        },
        "spec": {"nodeName": "node-1", "containers": [{"name": "main", "image": "web:1"}]},
        "status": {
            "phase": "Running",
            "podIP": "10.244.1.9",
            "conditions": [{"type": "Ready", "status": "True"}],
            "containerStatuses": [
                {
                    "name": "main",
                    "image": "web:1",
                    "imageID": "x",
                    "ready": True,
                    "restartCount": 0,
                    "containerID": f"containerd://{name[-1] * 64}",
                }
            ],
        },
    }


@dataclass
class Still:
    """The world, its store's folder, and a clock; engines come and go."""

    server: ApiServer
    client: KubernetesClient
    folder: Path
    clock: Clock = field(default_factory=Clock)

    @contextmanager
    def engine(
        self, at: Callable[[str], None] = lambda point: None
    ) -> Iterator[AutoResponseEngine]:
        """A process' life: what it knows is what the store and the world say."""
        state = State(self.folder / "state.db", backups=self.folder / "backup", clock=self.clock)
        try:
            yield engine_over(state, self.folder, self.client, self.clock, text=TEXT, at=at)
        finally:
            state.close()

    def begin(self, want: Want, number: int) -> str:
        """An approved action; its id."""
        with self.engine() as engine:
            made = engine.by_hand(want, by="user:ana", approve=True, ttl_s=600 + number)
            return made.id

    def run(self, points: Points, *, turns: int = 80) -> bool:
        """Tick until nothing is to be done any more, letting time pass; False when it died."""
        try:
            with self.engine(points) as engine:
                settle(engine, self.clock, turns=turns)
        except Crash:
            return False
        return True

    def action(self, id: str) -> StoredAction:
        """As it stands in the store."""
        with self.engine() as engine:
            return engine.ground.state.actions.get(id)

    def actions(self) -> list[StoredAction]:
        """All of them."""
        with self.engine() as engine:
            return engine.ground.state.actions.page(ActionFilter(), limit=200).items

    def files(self) -> list[str]:
        """Rule files in force."""
        with self.engine() as engine:
            return [one.name for one in engine.ground.state.rules.files()]


def settle(engine: AutoResponseEngine, clock: Clock, *, turns: int = 80) -> None:
    """Tick, with the clock always moved to what is due next."""
    actions = engine.ground.state.actions
    for _ in range(turns):
        engine.tick()
        due = actions.next_due()
        begun = ActionFilter(state=(ActionState.APPROVED, *LIVE))
        if due is None or all(one.ended for one in actions.page(begun).items):
            return  # what nobody approves again may wait for days
        clock.at = max(clock.at + dt.timedelta(seconds=1), due)


@contextmanager
def still_world(folder: Path) -> Iterator[Still]:
    """The world on a fake API server."""
    (folder / "backup").mkdir(exist_ok=True)
    with ApiServer(controllers=False) as server:
        still(server)
        with client_of(server, folder) as client:
            yield Still(server=server, client=client, folder=folder)


def effects(server: ApiServer) -> list[tuple[str, str, str]]:
    """Writes that changed something: verb, kind, name."""
    found, version = [], 0
    for one in server.log.all():
        if in_writes(one) and one.version > version and version:
            found.append((one.verb, one.resource, one.name))
        version = max(version, one.version)
    return found


def in_writes(entry: Any) -> bool:
    return entry.writes and not entry.dry


def snapshot(world: Still) -> tuple[dict[str, Json], list[str]]:
    """What must be so again at the end."""
    return world_of(world.server), world.files()
