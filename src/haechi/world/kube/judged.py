"""The objects of a live cluster that policies ask for, read once: for a what-if, an audit at hand.

Which kinds is decided by the policies: those that they match, those that they look up, Namespaces,
and policy objects themselves. A kind that may not be listed is a gap, never an empty list.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from haechi.errors import KubeError
from haechi.model.admission import PolicyInfo
from haechi.model.coverage import Gap
from haechi.model.resource import Resource
from haechi.world.kube.client import KubernetesClient
from haechi.world.kube.cluster import resource_of, stripped
from haechi.world.kube.names import Kind

POLICY_GROUPS = (
    "templates.gatekeeper.sh",
    "constraints.gatekeeper.sh",
    "mutations.gatekeeper.sh",
    "expansion.gatekeeper.sh",
    "config.gatekeeper.sh",
    "haechi.dev",
)
_POLICY_KINDS = frozenset({"ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"})
_SKIPPED = frozenset(
    {
        ("", "Event"),
        ("events.k8s.io", "Event"),
        ("coordination.k8s.io", "Lease"),
        ("", "Endpoints"),
        ("discovery.k8s.io", "EndpointSlice"),
        ("", "ComponentStatus"),
    }
)
"""What changes all the time and no policy means by ``*``; asked for by name it is read."""
MOST_OBJECTS = 200_000


class Read(msgspec.Struct, frozen=True, kw_only=True):
    """Objects and what could not be read."""

    resources: tuple[Resource, ...]
    gaps: tuple[Gap, ...]


def policy_kinds(client: KubernetesClient) -> tuple[Kind, ...]:
    """The kinds of policies that the cluster knows. Raises KubeError."""
    found = client.discovery.found().kinds
    return _newest(
        kind
        for kind in found
        if kind.group in POLICY_GROUPS
        or (kind.group == "admissionregistration.k8s.io" and kind.kind in _POLICY_KINDS)
    )


def matched_kinds(client: KubernetesClient, infos: Iterable[PolicyInfo]) -> tuple[Kind, ...]:
    """The kinds that these policies judge or look up. Raises KubeError."""
    found = client.discovery.found()
    listed = [k for k in found.kinds if "list" in found.verbs.get(k.right, ("list",))]
    wanted: dict[Kind, None] = {}
    for info in infos:
        for kind in listed:
            if _asked(kind, info):
                wanted[kind] = None
    return _newest(wanted)


def read(client: KubernetesClient, cluster: str, kinds: Iterable[Kind]) -> Read:
    """List every kind; what is secret is never asked for (see ``cluster.stripped``)."""
    resources: list[Resource] = []
    gaps: list[Gap] = []
    for kind in kinds:
        try:
            for body in client.list(kind):
                resource = resource_of(stripped(body), cluster)
                if resource is not None:
                    resources.append(resource)
                if len(resources) > MOST_OBJECTS:
                    reason = f"objects past {MOST_OBJECTS:,} are not read"
                    gaps.append(Gap(kind="too-much", path=kind.type, reason=reason))
                    return Read(resources=tuple(resources), gaps=tuple(gaps))
        except KubeError as error:
            reason = f"{kind.right} cannot be listed: {error.what}"
            gaps.append(Gap(kind="not-evaluated", path=kind.type, reason=reason, do=error.do))
    return Read(resources=tuple(resources), gaps=tuple(gaps))


def _asked(kind: Kind, info: PolicyInfo) -> bool:
    if (kind.group, kind.kind) in info.reads:
        return True
    for matched in info.matched:
        named = any(
            group in ("*", kind.group) and name in ("*", kind.kind) for group, name in matched.kinds
        )
        if matched.resources and any(g in ("*", kind.group) for g in matched.groups):
            named = named or not {"*", "*/*", kind.plural}.isdisjoint(matched.resources)
        starred = ("*", "*") in matched.kinds or not {"*", "*/*"}.isdisjoint(matched.resources)
        if named and not (starred and (kind.group, kind.kind) in _SKIPPED):
            return True
    return False


def _newest(kinds: Iterable[Kind]) -> tuple[Kind, ...]:
    """One version of each kind: the first, which is the preferred one."""
    first: dict[tuple[str, str], Kind] = {}
    for kind in kinds:
        first.setdefault((kind.group, kind.kind), kind)
    return tuple(first.values())
