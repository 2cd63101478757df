"""All profiles of a server: whose an event is, how many there may be, who begins with whose.

Bounded in number and in bytes. What has to go is what is still learning before what is learnt,
and the least seen first, so a flood of made-up programs or images costs the flood's own profiles.
Thread-safe: one lock, held for microseconds.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from hashlib import blake2b
from typing import Any, NamedTuple

from haechi.errors import NotFound
from haechi.model.event import Event
from haechi.runtime.profile.explain import explained
from haechi.runtime.profile.features import (
    SOURCES,
    SYMBOLS,
    TYPES,
    Doing,
    Reader,
    Workload,
    tree_of,
)
from haechi.runtime.profile.markov import CONTEXT
from haechi.runtime.profile.profile import Habits, Part, Profile, ProfileState

MOST_PROFILES, MOST_BYTES = 2_000, 96 << 20
MOST_TREES = 4_000
SMOOTH = 0.15
"""Weight of the newest event in the mean surprise of a process tree."""
MOST_NODES = 32
"""Nodes that a host's profile remembers to have been seen on."""
_WEIGHED_EVERY = 4_096
_WHY = 3


Look = tuple[Profile, Doing, float, float]
"""What an event was against its workload's profile before it was learnt: the profile, what was
done, the score, the mean surprise of its process tree. (Made for each event: a plain tuple.)"""


class Told(NamedTuple):
    """What is told of an event. ``behaviour`` is None while the profile learns."""

    id: str
    behaviour: float | None
    score: float
    why: tuple[str, ...]
    parts: tuple[Part, ...]


def profile_id(workload: Workload) -> str:
    """The same for the same workload, ever."""
    return blake2b("\0".join(workload).encode("utf-8", "replace"), digest_size=12).hexdigest()


class _Tree:
    """The last events of a process tree, and how surprising they were."""

    __slots__ = ("context", "mean")

    def __init__(self) -> None:
        self.context, self.mean = 0, 0.0


class Profiles:
    """``now`` gives seconds since 1970. ``tell`` is told of what happens to profiles, for
    counting: ``evicted``, ``adopted``."""

    def __init__(
        self,
        habits: Habits,
        now: Callable[[], float],
        *,
        most: int = MOST_PROFILES,
        most_bytes: int = MOST_BYTES,
        tell: Callable[[str], None] = lambda what: None,
    ) -> None:
        self.habits, self.now, self._tell = habits, now, tell
        self._most, self._most_bytes = most, most_bytes
        self._lock = threading.RLock()
        self._by: dict[Workload, Profile] = {}
        self._ids: dict[str, Profile] = {}
        self._alike: dict[tuple[str, str], dict[Workload, Profile]] = {}
        self._commands: dict[tuple[str, ...], dict[str, Profile]] = {}
        """By all but the command."""
        self._trees: dict[tuple[str, Any], _Tree] = {}
        self._reader = Reader()
        self._held: frozenset[str] = frozenset()
        self._until_weighed = _WEIGHED_EVERY
        self.forgotten: dict[str, str] = {}
        """Evicted since they were last saved: cluster by id."""

    # Events ------------------------------------------------------------------------------------

    @staticmethod
    def wants(source: str, kind: str) -> bool:
        """Whether such events are looked at."""
        return kind in TYPES and source in SOURCES

    def observe(self, event: Event, now: float | None = None) -> Look | None:
        """Score an event, then learn it. None for what is not looked at. ``now`` is for who asks
        the clock once for many."""
        with self._lock:
            workload = self._reader.whose(event)
            if workload is None:
                return None
            doing = self._reader.done(event)
            if doing is None:
                return None
            if now is None:
                now = self.now()
            profile = self._by.get(workload) or self._found(workload, now)
            if event.node and event.node not in profile.nodes:
                self._seen_on(profile, event.node, now)
            order = self._order(profile, event)
            return profile, doing, profile.observe(doing, order, now), order

    def _order(self, profile: Profile, event: Event) -> float:
        """The mean surprise of the process tree's last events."""
        key = tree_of(event)
        tree = self._trees.get(key) or self._tree(key)
        context, symbol = tree.context, SYMBOLS[event.type]
        tree.context = (context << 6 | symbol) & CONTEXT
        learns = not (profile.frozen or profile.held_since)
        surprise = profile.chain.step(context, symbol, learn=learns)
        if surprise >= 0:
            tree.mean += SMOOTH * (surprise - tree.mean)
        return tree.mean

    def _tree(self, key: tuple[str, Any]) -> _Tree:
        trees = self._trees
        if len(trees) >= MOST_TREES:
            for old in list(trees)[: MOST_TREES // 4]:
                del trees[old]
        found = trees[key] = _Tree()
        return found

    def tell(self, look: Look) -> Told:
        """What is said of an event that was observed."""
        with self._lock:
            return _told(look)

    def explain(self, event: Event) -> Told | None:
        """The same of an event that is not observed (again): its order counts as ordinary. None
        where there is no profile for it."""
        if event.type not in TYPES:
            return None
        with self._lock:
            workload, doing = self._reader.whose(event), self._reader.done(event)
            profile = self._known(workload)
            if profile is None or doing is None:
                return None
            order = 0.0
            parts = profile.parts(doing, order)
            score = sum(part.rarity for part in parts)
            return _told((profile, doing, score, order))

    # Making and forgetting ---------------------------------------------------------------------

    def _known(self, workload: Workload | None) -> Profile | None:
        if workload is None:
            return None
        found = self._by.get(workload)
        if found is None and not workload.command:
            commands = self._commands.get(workload[:4], {})
            found = next(iter(commands.values())) if len(commands) == 1 else None
        return found

    def _found(self, workload: Workload, now: float) -> Profile:
        """The profile of a workload that has none of its own. A container's command is known only
        once its first process did something: until then, and after a restart, it has that of the
        one command of its image there; and what was learnt before it was known becomes its."""
        if workload.image or workload.resource:
            place = workload[:4]
            commands = self._commands.get(place, {})
            if not workload.command and len(commands) == 1:
                return next(iter(commands.values()))
            early = self._by.get(Workload(*place, ""))
            if workload.command and early is not None and not commands:
                self._drop(early)
                early.workload, early.changed = workload, True
                self._put(early)
                return early
        return self._made(workload, now)

    def _made(self, workload: Workload, now: float) -> Profile:
        profile = Profile(workload, self.habits, now)
        donor = self._donor(workload)
        if donor is not None:
            profile.adopt(donor, now)
            self._tell("adopted")
        if self._affected(profile):
            profile.hold(now)
        self._put(profile)
        self._until_weighed -= 200
        self._weigh()
        return profile

    def _put(self, profile: Profile) -> None:
        self._by[profile.workload] = profile
        id_ = profile_id(profile.workload)
        self._ids[id_] = profile
        self._alike.setdefault(profile.workload.likeness, {})[profile.workload] = profile
        self.forgotten.pop(id_, None)
        if profile.workload.command:
            place = profile.workload[:4]
            self._commands.setdefault(place, {})[profile.workload.command] = profile

    def _donor(self, workload: Workload) -> Profile | None:
        """Of the same image and command, and learnt by itself: the nearest, then the one that
        saw most. Programs of a host have no image: the same program of another cluster."""
        if not workload.image and not workload.command:
            return None
        found = [one for one in self._alike.get(workload.likeness, {}).values() if _teaches(one)]
        return max(found, default=None, key=lambda one: (_near(one.workload, workload), one.events))

    def _weigh(self) -> None:
        """Make room where there are too many, and now and then look at their size. The one that
        was seen last stays."""
        excess = len(self._by) - self._most
        if excess <= 0 and self._until_weighed > 0:
            return
        order = sorted(self._by.values(), key=lambda one: (one.scores, one.last))[:-1]
        number = excess + self._most // 20 if excess > 0 else 0
        if self._until_weighed <= 0:
            self._until_weighed = _WEIGHED_EVERY
            sizes = [one.size() for one in order]
            total = sum(sizes)
            for place, size in enumerate(sizes):
                if total <= self._most_bytes:
                    break
                total, number = total - size, max(number, place + 1)
        for one in order[:number]:
            self._drop(one)
            self._tell("evicted")

    def _drop(self, profile: Profile) -> None:
        workload = profile.workload
        id_ = profile_id(workload)
        self._by.pop(workload, None)
        self._ids.pop(id_, None)
        alike = self._alike.get(workload.likeness, {})
        alike.pop(workload, None)
        if not alike:
            self._alike.pop(workload.likeness, None)
        commands = self._commands.get(workload[:4], {})
        commands.pop(workload.command, None)
        if not commands:
            self._commands.pop(workload[:4], None)
        self.forgotten[id_] = workload.cluster

    def _seen_on(self, profile: Profile, node: str, now: float) -> None:
        if len(profile.nodes) >= MOST_NODES:
            del profile.nodes[next(iter(profile.nodes))]
        profile.nodes[node] = None
        self._until_weighed -= 1
        if not profile.held_since and self._affected(profile):
            profile.hold(now)

    # States ------------------------------------------------------------------------------------

    def hold(self, resources: Iterable[str]) -> int:
        """Incidents are open for these (keys of workloads, ``host:<cluster>/<node>``) and no
        others: their profiles learn nothing. How many."""
        with self._lock:
            self._held = frozenset(resources)
            now, number = self.now(), 0
            for one in self._by.values():
                if self._affected(one):
                    one.hold(now)
                    number += 1
                else:
                    one.release(now)
            return number

    def _affected(self, profile: Profile) -> bool:
        if not self._held:
            return False
        workload = profile.workload
        if workload.resource:
            return workload.resource in self._held
        return any(f"host:{workload.cluster}/{node}" in self._held for node in profile.nodes)

    def change(self, id: str, to: str) -> Profile:
        """``learn``, ``freeze``, ``unfreeze`` or ``forget`` a profile. NotFound."""
        with self._lock:
            profile = self.one(id)
            now = self.now()
            match to:
                case "learn":
                    profile.learn(now)
                case "freeze":
                    profile.freeze(now)
                case "unfreeze":
                    profile.unfreeze(now)
                case "forget":
                    self._drop(profile)
                case _:
                    raise ValueError(to)
            return profile

    # Reading -----------------------------------------------------------------------------------

    def one(self, id: str) -> Profile:
        """NotFound."""
        found = self._ids.get(id)
        if found is None:
            raise NotFound("there is no such profile", do="GET /profiles lists them")
        return found

    def read(self, work: Callable[[Profile], Any], profiles: Iterable[Profile]) -> list[Any]:
        """Something of each, while none of them changes."""
        found = []
        for one in profiles:
            with self._lock:
                found.append(work(one))
        return found

    def all(self) -> list[Profile]:
        """Those that are there now."""
        with self._lock:
            return list(self._by.values())

    def restore(self, profiles: Iterable[Profile]) -> None:
        """Put what was saved in. What has been made since stays."""
        with self._lock:
            now = self.now()
            for one in profiles:
                if one.workload not in self._by and len(self._by) < self._most:
                    self._put(one)
                    if self._affected(one):
                        one.hold(now)

    def saved(self) -> list[Profile]:
        """Those that changed since the last time, which are taken as saved from now on."""
        with self._lock:
            found = [one for one in self._by.values() if one.changed]
            for one in found:
                one.changed = False
            return found


def _teaches(one: Profile) -> bool:
    return one.state == ProfileState.ACTIVE and not one.cold_from


def _near(one: Workload, other: Workload) -> int:
    return (one.cluster == other.cluster) * (1 + (one.namespace == other.namespace))


def _told(look: Look) -> Told:
    profile, doing, score, order = look
    parts = tuple(profile.parts(doing, order))
    if score < 0:
        score = sum(part.rarity for part in parts)
    behaviour = profile.quantile(doing.kind, score) if profile.scores else None
    why = explained(profile, doing, parts)[:_WHY] if profile.scores else ()
    return Told(profile_id(profile.workload), behaviour, score, tuple(why), parts)
