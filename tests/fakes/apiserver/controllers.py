"""The cluster's controllers, run to rest after every write instead of beside it.

Each controller names the keys a change concerns and brings one key to where it should be. They
read the store's history like a watch, and write as the real ones do: with their own field
manager, pods through admission.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from tests.fakes.apiserver import ownership, schema, status
from tests.fakes.apiserver.catalogue import Served
from tests.fakes.apiserver.deleting import Deleter
from tests.fakes.apiserver.intake import Hand
from tests.fakes.apiserver.ownership import Manager
from tests.fakes.apiserver.request import SYSTEM, Target
from tests.fakes.apiserver.storage import Change, Key, Place, Stale
from tests.fakes.apiserver.world import World, key_of
from tests.fakes.apiserver.writing import Writer

Json = dict[str, Any]
MOST_ROUNDS = 100_000
_NAME = "kube-controller-manager"


class Controller(Protocol):
    def keys(self, change: Change) -> Iterable[Key]:
        """The keys to bring in order because of this change."""

    def sync(self, key: Key) -> None:
        """Bring one key to where it should be."""


class Actor:
    """How controllers write."""

    def __init__(self, world: World, writer: Writer, deleter: Deleter) -> None:
        self.world, self._writer, self._deleter = world, writer, deleter
        self.failures: list[status.ApiError] = []

    def _served(self, place: Place) -> Served:
        found = self.world.catalogue.stored(*place)
        if found is None:
            raise KeyError(place)
        return found

    def create(self, place: Place, body: Json) -> Json | None:
        served = self._served(place)
        space = body["metadata"].get("namespace", "")
        name = body["metadata"].get("name", "")
        target = Target(served=served, namespace=space, name=name, subresource="", verb="create")
        head = {"apiVersion": served.api_version, "kind": served.kind}
        hand = Hand(user=SYSTEM, manager=_NAME, validation="Ignore")
        try:
            return self._writer.create(target, head | body, hand)
        except status.ApiError as failed:
            self.failures.append(failed)
            return None

    def modify(
        self, place: Place, key: Key, change: Callable[[Json], Json], *, below: str = ""
    ) -> None:
        """Change an object that is still there; `below` names the subresource written through."""
        served = self._served(place)
        while (old := self.world.store.get(place, key)) is not None:
            new = change(old)
            if new == old:
                return
            if new.get("spec") != old.get("spec") and "generation" in old["metadata"]:
                counted = {"generation": old["metadata"]["generation"] + 1}
                new = new | {"metadata": new["metadata"] | counted}
            manager = Manager(_NAME, "Update", served.api_version, below)
            now = self.world.clock.stamp()
            new = ownership.on_update(old, new, schema.root(served), manager, now)
            try:
                if new["metadata"].get("deletionTimestamp") and _over(new):
                    self.world.store.drop(place, key, seen=old)
                else:
                    self.world.store.put(place, key, new, seen=old)
                return
            except Stale:
                continue

    def set_status(self, place: Place, key: Key, found: Json) -> None:
        self.modify(place, key, lambda old: old | {"status": found}, below="status")

    def delete(self, place: Place, body: Json, policy: str = "Background") -> None:
        namespace, name = key_of(body)
        served = self._served(place)
        target = Target(
            served=served, namespace=namespace, name=name, subresource="", verb="delete"
        )
        options = {
            "propagationPolicy": policy,
            "preconditions": {"uid": body["metadata"]["uid"]},
        }
        try:
            self._deleter.delete(target, options, Hand(user=SYSTEM, manager=_NAME))
        except status.ApiError as failed:
            if failed.code not in (404, 409):
                self.failures.append(failed)


def _over(body: Json) -> bool:
    meta = body["metadata"]
    spaces = body.get("kind") == "Namespace" and (body.get("spec") or {}).get("finalizers")
    return not spaces and not meta.get("finalizers") and not meta.get("deletionGracePeriodSeconds")


class Controllers:
    def __init__(self, world: World, parts: list[Controller]) -> None:
        self._world, self._parts = world, parts
        self._busy, self._again = threading.Lock(), threading.Event()
        self._cursor = 0
        self._timed: list[Callable[[], Iterable[tuple[Controller, Key]]]] = []

    def settle(self) -> None:
        """Run until nothing is left to do.

        While another thread is at it, it is told to go round once more and this one does not
        wait: a webhook the controllers called may itself be writing.
        """
        self._again.set()
        while self._again.is_set() and self._busy.acquire(blocking=False):
            try:
                self._again.clear()
                self._run()
            finally:
                self._busy.release()

    def every(self, source: Callable[[], Iterable[tuple[Controller, Key]]]) -> None:
        """Keys to look at in each settling, whether anything changed or not (what is timed)."""
        self._timed.append(source)

    def _run(self) -> None:
        queue: dict[tuple[int, Key], None] = {}
        for source in self._timed:
            for part, key in source():
                queue[self._parts.index(part), key] = None
        for _ in range(MOST_ROUNDS):
            self._take(queue)
            if not queue:
                return
            number, key = next(iter(queue))
            del queue[number, key]
            self._parts[number].sync(key)
        raise RuntimeError("the controllers do not come to rest")

    def _take(self, queue: dict[tuple[int, Key], None]) -> None:
        changes = self._world.store.since(max(self._cursor, self._world.store.oldest))
        for change in changes:
            self._cursor = change.version
            for number, part in enumerate(self._parts):
                for key in part.keys(change):
                    queue[number, key] = None
