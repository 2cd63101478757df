"""The objects, as etcd keeps them: one monotone version, a history to watch and to page by.

Bodies are never changed once stored. What was before a version is found by undoing the history,
so that pages of one list are consistent; where the history is compacted, that is refused (410).
"""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]
Place = tuple[str, str]  # group, plural
Key = tuple[str, str]  # namespace, name


@dataclass(frozen=True, slots=True)
class Change:
    version: int
    type: str  # ADDED, MODIFIED, DELETED
    place: Place
    key: Key
    body: Json  # of a deletion: the last state, with the deletion's version
    before: Json | None


class Stale(Exception):
    """The object is not as it was read."""


class Compacted(Exception):
    """History before this version is gone."""


class Store:
    def __init__(self, *, history: int = 100_000) -> None:
        self.lock = threading.RLock()
        self.changed = threading.Condition(self.lock)
        self.version = 1
        self.oldest = 0  # changes at or before it cannot be watched any more
        self._limit = history
        self._objects: dict[Place, dict[Key, Json]] = {}
        self._born: dict[tuple[Place, Key], int] = {}
        self._history: list[Change] = []
        self._versions: list[int] = []

    def get(self, place: Place, key: Key) -> Json | None:
        with self.lock:
            return self._objects.get(place, {}).get(key)

    def all(self, place: Place, namespace: str = "") -> list[Json]:
        """The objects of a kind, in the order of their keys."""
        with self.lock:
            held = self._objects.get(place, {})
            found = [key for key in held if not namespace or key[0] == namespace]
            return [held[key] for key in sorted(found)]

    def born(self, place: Place, key: Key) -> int:
        """The version an object was created at: finer than its timestamp."""
        return self._born.get((place, key), 0)

    def places(self) -> list[Place]:
        with self.lock:
            return [place for place, held in self._objects.items() if held]

    def snapshot(self) -> tuple[int, dict[Place, dict[Key, Json]]]:
        with self.lock:
            return self.version, {place: dict(held) for place, held in self._objects.items()}

    def at(self, place: Place, version: int) -> dict[Key, Json]:
        """The kind's objects as they were at this version."""
        with self.lock:
            if version < self.oldest:
                raise Compacted
            held = dict(self._objects.get(place, {}))
            for change in reversed(self._history[bisect_right(self._versions, version) :]):
                if change.place == place:
                    if change.before is None:
                        held.pop(change.key, None)
                    else:
                        held[change.key] = change.before
            return held

    def put(self, place: Place, key: Key, body: Json, *, seen: Json | None) -> Json:
        """Store a body in the place of the one seen; `Stale` when it is another by now."""
        with self.lock:
            held = self._objects.setdefault(place, {})
            if held.get(key) is not seen:
                raise Stale
            self.version += 1
            meta = body["metadata"] | {"resourceVersion": str(self.version)}
            stored = body | {"metadata": meta}
            held[key] = stored
            if seen is None:
                self._born[place, key] = self.version
            type_ = "MODIFIED" if seen is not None else "ADDED"
            self._note(Change(self.version, type_, place, key, stored, seen))
            return stored

    def drop(self, place: Place, key: Key, *, seen: Json) -> Json:
        with self.lock:
            held = self._objects.get(place, {})
            if held.get(key) is not seen:
                raise Stale
            self.version += 1
            del held[key]
            self._born.pop((place, key), None)
            meta = seen["metadata"] | {"resourceVersion": str(self.version)}
            last = seen | {"metadata": meta}
            self._note(Change(self.version, "DELETED", place, key, last, seen))
            return last

    def _note(self, change: Change) -> None:
        self._history.append(change)
        self._versions.append(change.version)
        if len(self._history) > 2 * self._limit:
            self._forget(len(self._history) - self._limit)
        self.changed.notify_all()

    def _forget(self, count: int) -> None:
        if count:
            self.oldest = self._versions[count - 1]
            del self._history[:count], self._versions[:count]

    def compact(self, version: int | None = None) -> None:
        """Forget the history up to this version (all of it): what lies before answers 410."""
        with self.lock:
            upto = self.version if version is None else version
            self._forget(bisect_right(self._versions, upto))
            self.oldest = max(self.oldest, upto)
            self.changed.notify_all()

    def skip(self, versions: int) -> None:
        """Use up versions, as writes to other kinds do on a busy cluster."""
        with self.lock:
            self.version += versions
            self.changed.notify_all()

    def since(self, version: int) -> list[Change]:
        """The changes after this version; `Compacted` when some of them are gone."""
        with self.lock:
            if version < self.oldest:
                raise Compacted
            return self._history[bisect_right(self._versions, version) :]

    def wait(self, version: int, seconds: float, stop: Callable[[], bool]) -> None:
        """Sleep until something is newer than this version, or the time is over."""
        with self.changed:
            self.changed.wait_for(lambda: self.version > version or stop(), timeout=seconds)

    def wake(self) -> None:
        with self.changed:
            self.changed.notify_all()

    def each(self) -> Iterator[tuple[Place, Key, Json]]:
        with self.lock:
            held = [(p, k, b) for p, objects in self._objects.items() for k, b in objects.items()]
        yield from held
