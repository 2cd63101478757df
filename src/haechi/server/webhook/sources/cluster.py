"""Policies from the cluster's own objects, and what policies may ask of the cluster.

One mirror (``world/kube``) follows the kinds of policies that the cluster has, Namespaces, and the
kinds that the policies in force read. Which kinds those are changes with templates and policies;
then a second mirror is made, and takes over once it knows all. Contents of Secrets and ConfigMaps
are never read: a policy that needs them cannot be judged, and ``unknown`` says that something is
missing.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable

import msgspec

from haechi.errors import KubeError
from haechi.server.webhook.frames import Changes, Known, Text
from haechi.server.webhook.sources import Policies, Source
from haechi.world.kube import names
from haechi.world.kube.access import Access
from haechi.world.kube.client import KubernetesClient
from haechi.world.kube.cluster import Kept
from haechi.world.kube.mirror import Mirror, Seen
from haechi.world.kube.names import METADATA_ONLY, Kind

log = logging.getLogger("haechi.webhook")
ADMISSION = "admissionregistration.k8s.io"
POLICY_GROUPS = (
    "templates.gatekeeper.sh",
    "constraints.gatekeeper.sh",
    "mutations.gatekeeper.sh",
    "config.gatekeeper.sh",
    "expansion.gatekeeper.sh",
    "haechi.dev",
)
POLICY_KINDS = (
    (ADMISSION, "ValidatingAdmissionPolicy"),
    (ADMISSION, "ValidatingAdmissionPolicyBinding"),
)
QUIET_S = 0.5
"""Policies are taken when nothing changed for so long: a bundle arrives object by object."""
SYNC_S = 60.0
KINDS_S = 30.0
GAP_S = 30.0
"""What cannot be followed for so long is not known any more: a server that restarts is no gap."""
Tell = Callable[[Changes], None]


class ClusterSource:
    """Follows one cluster. Set ``tell`` to hear news for the evaluators, from several threads.

    Without ``policies`` it only tells what policies from elsewhere ask of the cluster.
    """

    def __init__(
        self,
        access: Access,
        *,
        policies: bool = True,
        clock: Callable[[], float] = time.monotonic,
        quiet_s: float = QUIET_S,
    ) -> None:
        self._access, self._has_policies = access, policies
        self.tell: Tell = lambda changes: None
        self._clock, self._quiet_s = clock, quiet_s
        self._client = KubernetesClient(access)
        self._lock = threading.Lock()
        self._mirror: Mirror | None = None
        self._policies: frozenset[Kind] = frozenset()
        self._others: frozenset[Kind] = frozenset()
        self._reads: frozenset[tuple[str, str]] = frozenset()
        self._looked = float("-inf")
        self._changed = float("-inf")
        self._taken = float("-inf")
        self._texts: tuple[Text, ...] | None = None
        self._unserved: frozenset[tuple[str, str]] = frozenset()
        self._unknown: frozenset[tuple[str, str]] | None = None
        self._gap_since: float | None = None
        self.gaps: tuple[str, ...] = ()

    def poll(self) -> Policies | None:
        """See ``Source``."""
        if self._clock() - self._looked >= KINDS_S:
            self._look()
        mirror = self._mirror
        if mirror is not None:
            self._weigh(mirror)
        if mirror is None or not self._has_policies:
            return None
        self.gaps = (*mirror.gaps, *self._left_out())
        if self._changed <= self._taken or self._clock() - self._changed < self._quiet_s:
            return None
        self._taken = self._changed
        kept = mirror.kept(*(kind.type for kind in self._policies))
        kept.sort(key=lambda one: (one.type, one.namespace, one.name))
        texts = tuple(Text(_name_of(one), _as_written(one.body)) for one in kept)
        if texts == self._texts:
            return None
        self._texts = texts
        return Policies(texts=texts, origin=f"the cluster {self._access.name}")

    def wants(self, reads: Iterable[tuple[str, str]]) -> None:
        """What the policies in force ask the cluster for: (group, kind)."""
        wanted = frozenset(reads)
        if wanted != self._reads:
            self._reads = wanted
            self._looked = float("-inf")

    def close(self) -> None:
        """End all watches."""
        if self._mirror is not None:
            self._mirror.close()
        self._client.close()

    def _look(self) -> None:
        """Follow what is to be followed by now. Raises KubeError."""
        found = self._client.discovery.found(newer_than_s=KINDS_S / 2)
        newest = _newest(found.kinds)
        failed = {one.partition("/")[0] for one in found.failed}
        self._unserved = frozenset(one for one in self._reads - newest.keys() if one[0] in failed)
        policies = frozenset(
            kind
            for (group, name), kind in newest.items()
            if self._has_policies and (group in POLICY_GROUPS or (group, name) in POLICY_KINDS)
        )
        read = (newest.get(one) for one in self._reads - METADATA_ONLY)
        others = frozenset({names.NAMESPACE, *(kind for kind in read if kind is not None)})
        self._looked = self._clock()
        if self._mirror is not None and (policies, others) == (self._policies, self._others):
            return
        self._exchange(policies, others)

    def _exchange(self, policies: frozenset[Kind], others: frozenset[Kind]) -> None:
        wanted = sorted(policies | others, key=lambda kind: kind.right)
        types = {kind.type for kind in others}
        made = Mirror(
            KubernetesClient(self._access),
            kinds=wanted,
            named=(),
            seen=lambda seen: self._heard(seen, types),
        )
        made.start()
        made.wait(SYNC_S)
        with self._lock:
            old, self._mirror = self._mirror, made
            self._policies, self._others = policies, others
            self._changed = self._clock()
        gone = [] if old is None else _gone(old, made, types)
        self._unknown, self._gap_since = self._holes(made), None
        self.tell(Changes([_known(one, b"") for one in gone], sorted(self._unknown)))
        if old is not None:
            old.close()

    def _holes(self, mirror: Mirror) -> frozenset[tuple[str, str]]:
        """Kinds (group, kind) that are asked for and of which not all is known."""
        types = {kind.type for kind in self._others}
        kinds = [one.kind for one in mirror.states if one.gap and one.kind.type in types]
        unread = {(kind.group, kind.kind) for kind in kinds}
        return frozenset(unread | self._unserved | (self._reads & METADATA_ONLY))

    def _weigh(self, mirror: Mirror) -> None:
        """Tell when more is known by now, or for a while less."""
        unknown = self._holes(mirror)
        if self._unknown is not None and unknown <= self._unknown:
            self._gap_since = None
        elif self._gap_since is None:
            self._gap_since = self._clock()
        lasts = self._gap_since is not None and self._clock() - self._gap_since >= GAP_S
        if unknown != self._unknown and (self._gap_since is None or lasts):
            self._unknown, self._gap_since = unknown, None
            named = ", ".join(sorted(kind for _, kind in unknown))
            log.warning("the cluster is known %s", f"but for {named}" if unknown else "whole")
            self.tell(Changes([], sorted(unknown)))

    def _left_out(self) -> tuple[str, ...]:
        return tuple(
            f"{kind}: contents are never read" for _, kind in sorted(self._reads & METADATA_ONLY)
        )

    def _heard(self, seen: Seen, types: set[str]) -> None:
        kind = seen.kind
        if seen.synced:
            return
        if kind.type in types:
            body = seen.kept.body if seen.kept is not None else b""
            known = Known(kind.api_version, kind.kind, seen.namespace, seen.name, body)
            self.tell(Changes([known]))
        if kind in self._policies or self._mirror is None:
            self._changed = self._clock()


class Beside:
    """Policies from one source, and what is known of the cluster from another."""

    def __init__(self, policies: Source, cluster: ClusterSource) -> None:
        self._policies, self._cluster = policies, cluster

    def poll(self) -> Policies | None:
        """See ``Source``. A cluster that cannot be read does not hold up policies."""
        try:
            self._cluster.poll()
        except KubeError as error:
            log.warning("the cluster cannot be read: %s", error.what)
        return self._policies.poll()

    def wants(self, reads: Iterable[tuple[str, str]]) -> None:
        """What the policies in force ask the cluster for."""
        self._cluster.wants(reads)

    def close(self) -> None:
        """End both."""
        self._policies.close()
        self._cluster.close()


def _newest(kinds: Iterable[Kind]) -> dict[tuple[str, str], Kind]:
    """Each kind once: in the version that the server prefers, which it names first."""
    found: dict[tuple[str, str], Kind] = {}
    for kind in kinds:
        if "/" not in kind.plural:
            found.setdefault((kind.group, kind.kind), kind)
    return found


def _gone(old: Mirror, made: Mirror, types: set[str]) -> list[Kept]:
    """What the one mirror has and the other has not, or has in another version."""
    there = {_place(one) for one in made.kept(*types)} if types else set()
    return [one for one in old.kept() if one.type in types and _place(one) not in there]


def _place(one: Kept) -> Known:
    return _known(one, b"")


def _known(one: Kept, body: bytes) -> Known:
    resource = one.resource("")
    version = resource.version if resource is not None else ""
    group, _, kind = one.type.partition("/")
    api = version if group == "core" else f"{group}/{version}"
    return Known(api, kind, one.namespace, one.name, body)


def _as_written(body: bytes) -> bytes:
    """A policy without what others note on it: a status that changed is no other policy."""
    try:
        value = msgspec.json.decode(body)
    except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
        return body  # told as unreadable by whoever loads it
    if not isinstance(value, dict):
        return body
    value.pop("status", None)
    if isinstance(metadata := value.get("metadata"), dict):
        for field in ("managedFields", "resourceVersion"):
            metadata.pop(field, None)
    return msgspec.json.encode(value)


def _name_of(one: Kept) -> str:
    place = f"{one.namespace}/" if one.namespace else ""
    return f"{one.type}/{place}{one.name}.json"
