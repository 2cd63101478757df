"""What is to be judged: the objects of a followed cluster, of the kinds that policies want to see.

The server's own mirror has most kinds. What policies name besides (a kind of their own, quotas,
the policies themselves) is followed by a second mirror with watches of its own, so that a kind
that nobody may list is a gap of the audit, and of nothing else. Kinds whose contents are never read
(Secrets, ConfigMaps) and kinds that cannot be read are told, for each policy that names them.
"""

from __future__ import annotations

import datetime as dt
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol

import msgspec

from haechi.admit.view import EVERYTHING
from haechi.checks.pods.view import TEMPLATES
from haechi.errors import HaechiError
from haechi.model.admission import PolicyInfo
from haechi.server.webhook.selection import concerns
from haechi.server.work.audits.policies import is_policy
from haechi.store.state.admission_records import AuditedKind
from haechi.world.kube.access import Access
from haechi.world.kube.client import KubernetesClient
from haechi.world.kube.cluster import Kept
from haechi.world.kube.mirror import KindState, Mirror
from haechi.world.kube.names import BUILT_IN, METADATA_ONLY, Kind

LOOK_S, SYNC_S = 30.0, 20.0
MOST_KINDS = 60
NEVER_READ = "its contents are never read: they may be secrets"
JUDGED, PARTIAL, ABSENT, UNJUDGED = "judged", "partial", "absent", "not_evaluated"
_POD = (False, "", "Pod", "pods", "")
_Place = tuple[str, str, str]


class Snapshot(msgspec.Struct, frozen=True, kw_only=True, weakref=True):
    """The objects at a moment, all that the audit may look at. ``unknown``: the kinds (group,
    kind) that policies read and of which not all is known."""

    kept: dict[_Place, Kept]
    policies: list[Kept]
    kinds: list[AuditedKind]
    gaps: tuple[str, ...]
    unknown: tuple[tuple[str, str], ...]


class Objects(Protocol):
    """A cluster's objects. ``None`` while it was not read yet."""

    def look(
        self, infos: Sequence[PolicyInfo], owners: Sequence[tuple[str, str]] = ()
    ) -> Snapshot | None:
        """What is there now, as far as these policies want to see it, and the ``owners``: kinds
        (group, kind) that are told, not judged for that. The same value while nothing is new (the
        owners change with the policies only), so that looking costs nothing."""

    def silent_s(self) -> float:
        """For how long something of the cluster has not been heard of; 0 while all is."""

    def close(self) -> None:
        """End what it keeps open."""


def wants(infos: Iterable[PolicyInfo], kind: Kind) -> bool:
    """Whether some policy may say something of this kind."""
    sort = (False, kind.group, kind.kind, kind.plural, "")
    template = kind.type in TEMPLATES
    return any(concerns(one, sort) or (template and concerns(one, _POD)) for one in infos)


def named_by(info: PolicyInfo, kind: Kind) -> bool:
    """Whether a policy names this kind itself, not by a ``*``."""
    return any(
        (kind.group, kind.kind) in matched.kinds
        or (kind.plural in matched.resources and kind.group in matched.groups)
        for matched in info.matched
    )


def named(infos: Iterable[PolicyInfo]) -> set[tuple[str, str]]:
    """(group, kind or plural) that policies name by themselves, or read."""
    found: set[tuple[str, str]] = set()
    for info in infos:
        found |= {one for one in info.reads if "*" not in one}
        for matched in info.matched:
            found |= {one for one in matched.kinds if "*" not in one}
            found |= {
                (group, resource)
                for group in matched.groups
                for resource in matched.resources
                if group != "*" and "*" not in resource and "/" not in resource
            }
    return found


def types_named(infos: Iterable[PolicyInfo]) -> set[str]:
    """Types (``core/Pod``) that policies name by themselves; plurals as far as they are known."""
    return {kind.type for one in named(infos) if (kind := _kind_named(one)) is not None}


class DumpObjects:
    """A folder. What it does not hold is not there, as far as anybody can tell; ``read`` gives
    the folder's objects and gaps, the same value while they are the same (None: it was not read
    yet)."""

    def __init__(self, read: Callable[[], tuple[Sequence[Kept], tuple[str, ...]] | None]) -> None:
        self._read = read
        self._of: tuple[object, object] = (None, None)
        self._last: Snapshot | None = None

    def look(
        self, infos: Sequence[PolicyInfo], owners: Sequence[tuple[str, str]] = ()
    ) -> Snapshot | None:
        """See ``Objects``."""
        found = self._read()
        if found is None:
            return None
        if self._last is None or self._of[0] is not found or self._of[1] is not infos:
            self._of, self._last = (found, infos), self._looked(infos, owners, *found)
        return self._last

    def _looked(
        self,
        infos: Sequence[PolicyInfo],
        owners: Sequence[tuple[str, str]],
        every: Sequence[Kept],
        gaps: tuple[str, ...],
    ) -> Snapshot:
        by_type: dict[str, list[Kept]] = {}
        for one in every:
            by_type.setdefault(one.type, []).append(one)
        kept: dict[_Place, Kept] = {}
        kinds: list[AuditedKind] = []
        for type_, some in sorted(by_type.items()):
            kind = _kind_of(type_)
            if not wants(infos, kind):
                continue
            if (kind.group, kind.kind) in METADATA_ONLY:
                kinds.append(_unread(kind, len(some)))
                continue
            kept |= {(one.type, one.namespace, one.name): one for one in some}
            kinds.append(AuditedKind(type=type_, state=JUDGED, objects=len(some)))
        missing = types_named(infos)
        kinds += [
            AuditedKind(type=type_, state=ABSENT, why="none in the folder")
            for type_ in sorted(missing - by_type.keys())
        ]
        reads = {read for info in infos for read in info.reads}
        for group, name in reads.union(owners) - METADATA_ONLY:
            kept |= {
                (one.type, one.namespace, one.name): one
                for one in by_type.get(f"{group or 'core'}/{name}", ())
            }
        spaces = by_type.get("core/Namespace", ())
        kept |= {(one.type, one.namespace, one.name): one for one in spaces}
        return Snapshot(
            kept=kept,
            policies=[one for one in every if is_policy(one.type)],
            kinds=kinds,
            gaps=gaps,
            unknown=tuple(sorted(reads & METADATA_ONLY)),
        )

    def silent_s(self) -> float:
        """A folder tells nothing by itself."""
        return 0.0

    def close(self) -> None:
        """Nothing is open."""


class LiveObjects:
    """A live cluster: the server's mirror (``main``), and one more for what it lacks."""

    def __init__(
        self,
        main: Callable[[], Mirror | None],
        access: Callable[[], Access],
        *,
        namespaces: Sequence[str] = (),
        clock: Callable[[], float] = time.monotonic,
        stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        self._stopped = stopped
        self._main, self._access, self._clock = main, access, clock
        self._namespaces = tuple(namespaces)
        self._extra: Mirror | None = None
        self._wanted: frozenset[Kind] = frozenset()
        self._looked = float("-inf")
        self._for: object = None
        self._unknown: tuple[str, ...] = ()
        self._fault = ""
        self._marked: tuple[object, ...] = ()
        self._last: Snapshot | None = None

    def look(
        self, infos: Sequence[PolicyInfo], owners: Sequence[tuple[str, str]] = ()
    ) -> Snapshot | None:
        """See ``Objects``. Blocks while further kinds are read for the first time."""
        main = self._main()
        if main is None:
            return None
        self._follow(main, infos, owners)
        mirrors = [main, *([self._extra] if self._extra is not None else [])]
        mark = self._mark(mirrors, infos)
        if self._last is None or mark != self._marked:
            self._marked, self._last = mark, self._looked_at(mirrors, infos, owners)
        return self._last

    def _mark(self, mirrors: Sequence[Mirror], infos: Sequence[PolicyInfo]) -> tuple[object, ...]:
        """Changes with whatever a snapshot is made of."""
        states = tuple(
            (one.changes, one.synced, one.absent, one.fault)
            for mirror in mirrors
            for one in mirror.states
        )
        return (tuple(map(id, mirrors)), id(infos), self._fault, self._unknown, states)

    def _looked_at(
        self,
        mirrors: Sequence[Mirror],
        infos: Sequence[PolicyInfo],
        owners: Sequence[tuple[str, str]],
    ) -> Snapshot:
        kept: dict[_Place, Kept] = {}
        policies: list[Kept] = []
        kinds: dict[str, AuditedKind] = {}
        reads = {f"{group or 'core'}/{kind}" for info in infos for group, kind in info.reads}
        reads |= {f"{group or 'core'}/{kind}" for group, kind in owners}
        for mirror in mirrors:
            for type_, states in _by_type(mirror).items():
                kind = states[0].kind
                some = mirror.kept(type_)
                if is_policy(type_):
                    policies += some
                wanted = wants(infos, kind)
                if not wanted and type_ not in reads and type_ != "core/Namespace":
                    continue
                if kind.metadata_only:
                    if wanted:
                        kinds[type_] = _unread(kind, 0)
                    continue
                kept |= {(one.type, one.namespace, one.name): one for one in some}
                if wanted and type_ not in kinds:
                    kinds[type_] = _judged(type_, states, len(some))
        for type_, why in self._others(infos, kinds.keys()):
            kinds[type_] = AuditedKind(type=type_, state=UNJUDGED, why=why)
        gaps = tuple(dict.fromkeys(gap for mirror in mirrors for gap in mirror.gaps))
        return Snapshot(
            kept=kept,
            policies=policies,
            kinds=sorted(kinds.values(), key=lambda one: one.type),
            gaps=(*gaps, *((self._fault,) if self._fault else ())),
            unknown=tuple(sorted(EVERYTHING if self._fault else self._unread(infos, mirrors))),
        )

    def _unread(
        self, infos: Sequence[PolicyInfo], mirrors: Sequence[Mirror]
    ) -> Iterator[tuple[str, str]]:
        """Kinds that policies look at beside the object and of which not all is known, whether or
        not they are judged themselves. A kind that the cluster does not have is known."""
        followed = {type_: states for one in mirrors for type_, states in _by_type(one).items()}
        for group, kind in {read for info in infos for read in info.reads}:
            type_ = f"{group or 'core'}/{kind}"
            states = followed.get(type_, ())
            partly = bool(states) and _judged(type_, states, 0).state not in (JUDGED, ABSENT)
            never = (group, kind) in METADATA_ONLY or f"{group}/{kind}" in self._unknown
            if partly or never:
                yield group, kind

    def silent_s(self) -> float:
        """See ``Objects``."""
        main = self._main()
        mirrors = [one for one in (main, self._extra) if one is not None]
        now = dt.datetime.now(dt.UTC)
        since = [
            state.faulty_since
            for mirror in mirrors
            for state in mirror.states
            if state.synced and state.faulty_since is not None
        ]
        return max((max(0.0, (now - at).total_seconds()) for at in since), default=0.0)

    def close(self) -> None:
        """End the second mirror."""
        extra, self._extra = self._extra, None
        if extra is not None:
            extra.close()

    def _others(
        self, infos: Sequence[PolicyInfo], known: Iterable[str]
    ) -> Iterator[tuple[str, str]]:
        """Kinds that policies name and nobody follows, with the reason."""
        have = set(known)
        for group, kind in sorted(METADATA_ONLY):
            one = _kind_of(f"{group or 'core'}/{kind}")
            if one.type not in have and any(named_by(info, one) for info in infos):
                yield one.type, NEVER_READ
        for type_ in self._unknown:
            if type_ not in have:
                yield type_, "its API group does not answer"

    def _follow(
        self, main: Mirror, infos: Sequence[PolicyInfo], owners: Sequence[tuple[str, str]]
    ) -> None:
        """See that all kinds are followed that policies name, and the policies themselves."""
        now = self._clock()
        if now - self._looked < LOOK_S and self._for is infos:
            return
        self._looked, self._for = now, infos
        try:
            found = main.client.discovery.found(newer_than_s=LOOK_S / 2)
        except HaechiError as error:
            self._fault = f"the kinds of the cluster: {error.what}"
            return
        self._fault = ""
        have = {state.kind.type for state in main.states if not state.name}
        wished = named(infos).union(owners)
        wanted: dict[tuple[str, str], Kind] = {}
        for kind in found.kinds:
            if "/" in kind.plural or kind.type in have or kind.metadata_only:
                continue
            names = {(kind.group, kind.kind), (kind.group, kind.plural)}
            if is_policy(kind.type) or names & wished:
                wanted.setdefault((kind.group, kind.kind), kind)
        failed = {one.split("/")[0] for one in found.failed}
        self._unknown = tuple(
            f"{group}/{name}" for group, name in sorted(wished) if group in failed
        )
        chosen = sorted(wanted.values(), key=lambda kind: (not is_policy(kind.type), kind.right))
        if len(chosen) > MOST_KINDS:
            left = ", ".join(kind.right for kind in chosen[MOST_KINDS:][:5])
            self._fault = f"policies name more than {MOST_KINDS} further kinds: not {left} …"
        self._exchange(frozenset(chosen[:MOST_KINDS]))

    def _exchange(self, wanted: frozenset[Kind]) -> None:
        if wanted == self._wanted:
            return
        made: Mirror | None = None
        if wanted:
            client = KubernetesClient(self._access())
            made = Mirror(
                client,
                kinds=sorted(wanted, key=lambda kind: kind.right),
                named=(),
                namespaces=self._namespaces,
            )
            made.start()
            ends = self._clock() + SYNC_S
            while not made.wait(0.2) and self._clock() < ends and not self._stopped():
                pass
        old, self._extra, self._wanted = self._extra, made, wanted
        if old is not None:
            old.close()


def _by_type(mirror: Mirror) -> dict[str, list[KindState]]:
    found: dict[str, list[KindState]] = {}
    for state in mirror.states:
        if not state.name:  # single objects by name tell nothing of their kind
            found.setdefault(state.kind.type, []).append(state)
    return found


def _judged(type_: str, states: Sequence[KindState], objects: int) -> AuditedKind:
    why = next((one.fault for one in states if one.fault), "")
    if all(one.absent for one in states):
        return AuditedKind(type=type_, state=ABSENT, why="the cluster has no such kind")
    read = [one for one in states if one.synced]
    if not read:
        return AuditedKind(type=type_, state=UNJUDGED, why=why or "not read yet")
    state = JUDGED if len(read) == len(states) and not why else PARTIAL
    return AuditedKind(type=type_, state=state, objects=objects, why=why)


def _unread(kind: Kind, objects: int) -> AuditedKind:
    return AuditedKind(type=kind.type, state=UNJUDGED, objects=objects, why=NEVER_READ)


_KNOWN = {kind.type: kind for kind in BUILT_IN}


def _kind_of(type_: str) -> Kind:
    """The kind of a type; of one that is not known by heart with the guessed plural."""
    from haechi.admit.plurals import plural_of

    known = _KNOWN.get(type_)
    if known is not None:
        return known
    group, _, name = type_.rpartition("/")
    group = "" if group == "core" else group
    return Kind(group=group, version="", kind=name, plural=plural_of(group, name))


def _kind_named(one: tuple[str, str]) -> Kind | None:
    """The kind that (group, kind) names; None for a plural that is not known by heart."""
    group, name = one
    if name[:1].isupper():
        return _kind_of(f"{group or 'core'}/{name}")
    return next((k for k in BUILT_IN if (k.group, k.plural) == one), None)
