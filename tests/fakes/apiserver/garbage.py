"""What goes with what: dependents of deleted owners, the content of terminating namespaces."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tests.fakes.apiserver.controllers import Actor
from tests.fakes.apiserver.storage import Change, Key, Place
from tests.fakes.apiserver.world import World, key_of

Json = dict[str, Any]
SPACES: Place = ("", "namespaces")
_FOREGROUND, _ORPHAN = "foregroundDeletion", "orphan"


class Garbage:
    """The garbage collector. Its keys are UIDs: of owners, and of dependents."""

    def __init__(self, world: World, actor: Actor) -> None:
        self._world, self._actor = world, actor
        self._where: dict[str, tuple[Place, Key]] = {}
        self._dependents: dict[str, set[str]] = {}

    def keys(self, change: Change) -> Iterable[Key]:
        uid = change.body["metadata"]["uid"]
        owners = [each["uid"] for each in change.body["metadata"].get("ownerReferences") or ()]
        if change.type == "DELETED":
            self._where.pop(uid, None)
            for owner in owners:
                self._dependents.get(owner, set()).discard(uid)
            waiting = self._dependents.pop(uid, set())
            return [("", each) for each in sorted(waiting)] + [("", owner) for owner in owners]
        self._where[uid] = change.place, change.key
        for owner in owners:
            self._dependents.setdefault(owner, set()).add(uid)
        leaving = change.body["metadata"].get("deletionTimestamp")
        return [("", uid)] if owners or leaving else []

    def _body(self, uid: str) -> tuple[Place, Json] | None:
        where = self._where.get(uid)
        body = self._world.store.get(*where) if where else None
        if where is None or body is None or body["metadata"]["uid"] != uid:
            return None
        return where[0], body

    def sync(self, key: Key) -> None:
        found = self._body(key[1])
        if found is None:
            return
        place, body = found
        finalizers = body["metadata"].get("finalizers") or ()
        if body["metadata"].get("deletionTimestamp"):
            if _ORPHAN in finalizers:
                self._orphan(place, body)
            elif _FOREGROUND in finalizers:
                self._foreground(place, body)
            return
        self._collect(place, body)

    def _collect(self, place: Place, body: Json) -> None:
        """Delete what no owner is left of; drop references to owners that are gone."""
        references = body["metadata"].get("ownerReferences") or []
        alive = [each for each in references if self._body(each["uid"]) is not None]
        if not references or len(alive) == len(references):
            return
        if alive:
            self._actor.modify(place, key_of(body), _owned_by(alive))
        else:
            self._actor.delete(place, body)

    def _orphan(self, place: Place, body: Json) -> None:
        uid = body["metadata"]["uid"]
        for each in sorted(self._dependents.pop(uid, ())):
            found = self._body(each)
            if found is not None:
                references = found[1]["metadata"].get("ownerReferences") or ()
                kept = [r for r in references if r["uid"] != uid]
                self._actor.modify(found[0], key_of(found[1]), _owned_by(kept))
        self._actor.modify(place, key_of(body), without_finalizer(_ORPHAN))

    def _foreground(self, place: Place, body: Json) -> None:
        uid, blocking = body["metadata"]["uid"], False
        for each in sorted(self._dependents.get(uid, ())):
            found = self._body(each)
            if found is None:
                continue
            references = found[1]["metadata"].get("ownerReferences") or ()
            blocking |= any(r["uid"] == uid and r.get("blockOwnerDeletion") for r in references)
            if not found[1]["metadata"].get("deletionTimestamp"):
                self._actor.delete(found[0], found[1], "Foreground")
        if not blocking:
            self._actor.modify(place, key_of(body), without_finalizer(_FOREGROUND))


def without_finalizer(name: str) -> Any:
    def change(body: Json) -> Json:
        kept = [each for each in body["metadata"].get("finalizers") or () if each != name]
        meta = {k: v for k, v in body["metadata"].items() if k != "finalizers"}
        return body | {"metadata": meta | ({"finalizers": kept} if kept else {})}

    return change


def _owned_by(references: list[Json]) -> Any:
    def change(body: Json) -> Json:
        meta = {k: v for k, v in body["metadata"].items() if k != "ownerReferences"}
        return body | {"metadata": meta | ({"ownerReferences": references} if references else {})}

    return change


class Namespaces:
    """Gives new namespaces their ServiceAccount, empties terminating ones."""

    def __init__(self, world: World, actor: Actor) -> None:
        self._world, self._actor = world, actor

    def keys(self, change: Change) -> Iterable[Key]:
        if change.place == SPACES:
            return [change.key] if change.type != "DELETED" else []
        if change.type != "DELETED" or not change.key[0]:
            return []
        space = self._world.namespace_of(change.key[0])
        leaving = space is not None and space["metadata"].get("deletionTimestamp")
        account = change.place == ("", "serviceaccounts") and change.key[1] == "default"
        return [("", change.key[0])] if leaving or account else []

    def sync(self, key: Key) -> None:
        space = self._world.store.get(SPACES, key)
        if space is None:
            return
        if space["metadata"].get("deletionTimestamp"):
            self._empty(key)
            return
        if (space.get("status") or {}).get("phase") is None:
            self._actor.set_status(SPACES, key, {"phase": "Active"})
        meta = {"name": "default", "namespace": key[1]}
        if self._world.find("", "serviceaccounts", key[1], "default") is None:
            self._actor.create(("", "serviceaccounts"), {"metadata": meta})

    def _empty(self, key: Key) -> None:
        left = False
        for place, where, body in list(self._world.store.each()):
            if where[0] != key[1]:
                continue
            left = True
            if not body["metadata"].get("deletionTimestamp"):
                self._actor.delete(place, body)
        still = any(where[0] == key[1] for _, where, _ in self._world.store.each())
        if not left or not still:
            self._actor.modify(SPACES, key, lambda body: body | {"spec": {}})
