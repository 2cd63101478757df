"""What a NetworkPolicy says: its openings, the directions it restricts, who may resolve names.

NetworkPolicies only add: traffic is allowed when any policy that selects the pod allows it, and
restricted as soon as one policy selects it for that direction. Source: NetworkPolicySpec,
kubernetes ``pkg/apis/networking/v1/defaults.go`` for policyTypes.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from typing import Any

import msgspec

from haechi.checks.cidr import is_everything
from haechi.checks.labels import AUTOMATIC_POD_LABELS, selects
from haechi.checks.lookup import any_sharing, grouped
from haechi.checks.neighbours import pod_labels, spec_of, texts
from haechi.checks.pods.view import items, mapping
from haechi.model.location import AttrPath
from haechi.model.resource import Resource
from haechi.model.review import Review

POLICY = "networking.k8s.io/NetworkPolicy"
_DNS_PORT = 53
_ANYWHERE = ""


class Opening(msgspec.Struct, frozen=True, kw_only=True):
    """One entry of ``ingress`` or ``egress``: who and on which ports. No peers means anyone."""

    direction: str
    peers: list[Any]
    ports: list[Any]
    path: AttrPath
    side: str

    def peer_path(self, index: int) -> AttrPath:
        return (*self.path, self.side, index)

    def covers_port(self, number: int) -> bool:
        """Whether the ports include a number; a named port counts for DNS by its name only."""
        return not self.ports or any(_port_covers(mapping(port), number) for port in self.ports)


def openings(data: Any, direction: str) -> Iterator[Opening]:
    """The entries of one direction (``ingress`` or ``egress``)."""
    side = "from" if direction == "ingress" else "to"
    for index, entry in enumerate(items(spec_of(data).get(direction))):
        if entry is None or isinstance(entry, dict):
            found = mapping(entry)
            yield Opening(
                direction=direction,
                peers=items(found.get(side)),
                ports=items(found.get("ports")),
                path=("spec", direction, index),
                side=side,
            )


def policy_types(data: Any) -> frozenset[str]:
    """The directions a policy restricts, with the API server's default when none are written."""
    written = frozenset(texts(spec_of(data).get("policyTypes")))
    if written:
        return written
    return frozenset({"Ingress", "Egress"} if items(spec_of(data).get("egress")) else {"Ingress"})


def is_open(opening: Opening) -> bool:
    """True when anyone is let through on every port."""
    if opening.ports:
        return False
    return not opening.peers or any(is_any_address(peer) for peer in opening.peers)


def is_any_address(peer: Any) -> bool:
    """True for a peer that is every address there is."""
    block = mapping(mapping(peer).get("ipBlock"))
    return is_everything(block.get("cidr")) and not items(block.get("except"))


def allows_dns(data: Any) -> bool:
    """True when egress to port 53 is open to somewhere."""
    return any(
        opening.covers_port(_DNS_PORT)
        or any(mapping(p).get("port") in ("dns", "dns-tcp", "domain") for p in opening.ports)
        for opening in openings(data, "egress")
    )


def any_opens_dns(review: Review) -> bool:
    """Whether a policy that may be in the reviewed one's namespace lets pods resolve names."""
    openers = grouped(
        review, "policies that open DNS", lambda: ((one.namespace, one) for one in _dns(review))
    )
    return any_sharing(openers, review.resource)


def resolves_names(review: Review, workload: Resource) -> bool:
    """Whether such a policy selects the workload."""
    labels = pod_labels(review, workload)
    policies = grouped(review, "policies that open DNS by label", lambda: _by_label(review))
    spaces = {review.resource.namespace or _ANYWHERE, None}
    pairs = [None, *((key, value) for key, value in labels.items() if _is_indexed(key, value))]
    return any(
        selects(spec_of(policy.data).get("podSelector"), labels)
        for space in spaces
        for pair in pairs
        for policy in policies.get((space, pair), ())
    )


def _by_label(review: Review) -> Iterator[tuple[Hashable, Resource]]:
    """By the namespace and a label that the selected pods must carry; None where there is none."""
    for policy in _dns(review):
        selector = mapping(spec_of(policy.data).get("podSelector"))
        wanted = mapping(selector.get("matchLabels")).items()
        pair = next((pair for pair in wanted if _is_indexed(*pair)), None)
        yield (policy.namespace, pair), policy
        yield (_ANYWHERE, pair), policy


def _dns(review: Review) -> Iterator[Resource]:
    return (one for one in review.scope.of_type(POLICY) if allows_dns(one.data))


def _is_indexed(key: str, value: Any) -> bool:
    return isinstance(value, str) and key not in AUTOMATIC_POD_LABELS


def _port_covers(port: Mapping[str, Any], number: int) -> bool:
    first = port.get("port")
    if first is None:
        return True
    if not isinstance(first, int):
        return str(first) == str(number)
    last = port.get("endPort")
    return first <= number <= (last if isinstance(last, int) else first)
