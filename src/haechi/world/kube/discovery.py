"""Which kinds a cluster has: asked once, remembered for ten minutes.

Servers since 1.27 tell everything in one document for each of ``/api`` and ``/apis``
(aggregated discovery); others are asked group by group. A group whose own server is down is
missing from the list and named in ``failed``: absent is not the same as not there.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

import msgspec

from haechi.errors import KubeError, KubeNotFound
from haechi.world.kube.names import STEADY, Kind
from haechi.world.kube.wire import Answer

T = TypeVar("T")
AGGREGATED = (
    "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,"
    "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,"
    "application/json"
)
AGAIN_S = 600.0
MISSED_S = 30.0
"""A kind that was not there is asked for again after this: it may have been installed."""
MOST_GROUPS, MOST_KINDS = 500, 20_000


class _ResponseKind(msgspec.Struct, frozen=True, kw_only=True):
    group: str = ""
    version: str = ""
    kind: str = ""


class _Resource2(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    resource: str = ""
    response_kind: _ResponseKind | None = None
    scope: str = ""
    verbs: list[str] | None = None


class _Version2(msgspec.Struct, frozen=True, kw_only=True):
    version: str = ""
    resources: list[_Resource2] | None = None
    freshness: str = ""


class _Name(msgspec.Struct, frozen=True, kw_only=True):
    name: str = ""


class _Group2(msgspec.Struct, frozen=True, kw_only=True):
    metadata: _Name = _Name()
    versions: list[_Version2] | None = None


class _GroupVersion(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    group_version: str = ""
    version: str = ""


class _Group(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    name: str = ""
    versions: list[_GroupVersion] | None = None
    preferred_version: _GroupVersion | None = None


class _Document(msgspec.Struct, frozen=True, kw_only=True):
    """Either kind of answer: of one only its own fields are there."""

    kind: str = ""
    items: list[_Group2] | None = None
    versions: list[str] | None = None
    groups: list[_Group] | None = None


class _Resource(msgspec.Struct, frozen=True, kw_only=True):
    name: str = ""
    kind: str = ""
    namespaced: bool = False
    verbs: list[str] | None = None


class _Resources(msgspec.Struct, frozen=True, kw_only=True):
    resources: list[_Resource] | None = None


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """All kinds, the preferred version of each group first; groups that did not answer."""

    kinds: tuple[Kind, ...] = ()
    verbs: dict[str, tuple[str, ...]] = {}
    failed: tuple[str, ...] = ()


Ask = Callable[[str, str], Answer]
"""(path, Accept) → the answer, checked. Raises KubeError."""


class Discovery:
    """Thread-safe."""

    def __init__(self, ask: Ask, clock: Callable[[], float] = time.monotonic) -> None:
        self._ask, self._clock = ask, clock
        self._lock = threading.Lock()
        self._found: Found | None = None
        self._at = float("-inf")

    def found(self, *, newer_than_s: float = AGAIN_S) -> Found:
        """What the cluster has. Raises KubeError."""
        with self._lock:
            if self._found is None or self._clock() - self._at >= newer_than_s:
                self._found = self._looked()
                self._at = self._clock()
            return self._found

    def kind(self, group: str, kind: str, version: str = "") -> Kind:
        """One kind in this version, or in the preferred one. Raises KubeNotFound, KubeError."""
        known = STEADY.get((group, version, kind))
        if known is not None:
            return known
        for newer_than in (AGAIN_S, MISSED_S):
            for one in self.found(newer_than_s=newer_than).kinds:
                if (one.group, one.kind) == (group, kind) and version in ("", one.version):
                    return one
        raise KubeNotFound(
            f"the cluster has no kind {kind[:100]!r} of {group[:100] or 'the core group'}",
            why=f"in version {version[:40]}" if version else "",
            do="is its operator installed?",
            status=404,
        )

    def _looked(self) -> Found:
        kinds: list[Kind] = []
        verbs: dict[str, tuple[str, ...]] = {}
        failed: list[str] = []
        for root in ("/api", "/apis"):
            answer = self._ask(root, AGGREGATED)
            document = _decoded(answer, _Document, root)
            if document.kind == "APIGroupDiscoveryList":
                found = _aggregated(document, failed)
            else:
                found = self._plain(root, document, failed)
            for kind, said in found:
                if len(kinds) >= MOST_KINDS:
                    failed.append(f"more than {MOST_KINDS:,} kinds")
                    break
                kinds.append(kind)
                verbs[f"{kind.api_version}/{kind.plural}"] = said
        return Found(kinds=tuple(kinds), verbs=verbs, failed=tuple(failed))

    def _plain(
        self, root: str, document: _Document, failed: list[str]
    ) -> Iterator[tuple[Kind, tuple[str, ...]]]:
        for group, versions in _versions(document)[:MOST_GROUPS]:
            for version in versions[:20]:
                path = f"{root}/{group}/{version}" if group else f"{root}/{version}"
                try:
                    answer = self._ask(path, "application/json")
                    resources = _decoded(answer, _Resources, path).resources
                except KubeError:
                    failed.append(f"{group}/{version}" if group else version)
                    continue
                for one in resources or ():
                    if "/" not in one.name and one.name and one.kind:
                        yield (
                            Kind(
                                group=group,
                                version=version,
                                kind=one.kind,
                                plural=one.name,
                                namespaced=one.namespaced,
                            ),
                            tuple(one.verbs or ()),
                        )


def _versions(document: _Document) -> list[tuple[str, list[str]]]:
    """(group, versions), the preferred version first."""
    if document.versions:
        return [("", document.versions)]
    found = []
    for group in document.groups or ():
        preferred = group.preferred_version.version if group.preferred_version else ""
        names = [one.version for one in group.versions or ()]
        found.append((group.name, sorted(names, key=lambda name: name != preferred)))
    return found


def _aggregated(document: _Document, failed: list[str]) -> Iterator[tuple[Kind, tuple[str, ...]]]:
    for group in (document.items or [])[:MOST_GROUPS]:
        for version in group.versions or ():
            if version.freshness == "Stale":
                failed.append(f"{group.metadata.name}/{version.version}")
            for one in version.resources or ():
                kind = one.response_kind.kind if one.response_kind else ""
                if one.resource and kind:
                    yield (
                        Kind(
                            group=group.metadata.name,
                            version=version.version,
                            kind=kind,
                            plural=one.resource,
                            namespaced=one.scope == "Namespaced",
                        ),
                        tuple(one.verbs or ()),
                    )


def _decoded(answer: Answer, type_: type[T], where: str) -> T:
    from haechi.world.kube.answers import not_json

    try:
        return msgspec.json.decode(answer.body, type=type_, strict=False)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError) as error:
        raise not_json(where) from error
