"""What every kind of policy becomes: whom it selects, what it lets through or forbids, in order.

A peer says which of three kinds of traffic it can mean: pods (of the cluster's network), nodes
(with the pods that share their network) and the world outside. Each peer carries what it *may*
match and what it *surely* matches: an allow counts by the former, a deny by the latter, so that
what is not known never closes anything.
"""

from __future__ import annotations

from enum import StrEnum

import msgspec

from haechi.checks.reach.addresses import NOWHERE, Addresses
from haechi.checks.reach.ports import ANY_PORT, Ports
from haechi.checks.reach.selectors import EVERYTHING, NAMESPACE_NAME, Labels, Selector, equals

INGRESS, EGRESS = "ingress", "egress"
DIRECTIONS = (INGRESS, EGRESS)


class Kind(StrEnum):
    """The three kinds of traffic's other end."""

    PODS = "pods"
    NODES = "nodes"
    WORLD = "world"


class Action(StrEnum):
    ALLOW = "allow"
    DENY = "deny"
    PASS = "pass"  # noqa: S105


class Stage(StrEnum):
    """When a policy speaks: admin tier, then NetworkPolicy and Cilium's, then baseline."""

    ADMIN = "admin"
    MIDDLE = "middle"
    BASELINE = "baseline"


class Maker(StrEnum):
    """Whose objects: what enforces them differs."""

    NETWORK_POLICY = "networkpolicy"
    CILIUM = "cilium"
    ANP = "adminnetworkpolicy"
    CNP = "clusternetworkpolicy"


ALL_KINDS = frozenset(Kind)


class Peer(msgspec.Struct, frozen=True, kw_only=True):
    """One alternative of a rule. ``pods`` is a pair of selectors (namespaces, pods) or None.

    ``whole`` are kinds that it means without exception, ``perhaps`` kinds of which it may mean
    any. ``block`` means the world; pods and nodes by their addresses only as ``block_may`` and
    ``block_sure`` say, for plug-ins differ there.
    """

    pods: tuple[Selector, Selector] | None = None
    exact: bool = True
    whole: frozenset[Kind] = frozenset()
    perhaps: frozenset[Kind] = frozenset()
    block: Addresses = NOWHERE
    block_may: frozenset[Kind] = frozenset()
    block_sure: frozenset[Kind] = frozenset()


ANYONE = Peer(whole=ALL_KINDS)


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """One rule of one direction. ``sure_ports`` differ from ``ports`` where a field is odd."""

    action: Action
    peers: tuple[Peer, ...]
    ports: Ports = ANY_PORT
    sure_ports: Ports = ANY_PORT


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """A policy, read. ``label`` is how people call it, ``key`` its object.

    ``namespaces`` and ``pods`` select whom it governs; ``exact`` is false when they say more than
    could be understood. ``isolates`` are the directions in which whom it selects is closed but for
    what is allowed. ``unreadable`` says why it counts as not known; then nothing else holds.
    """

    key: str
    label: str
    maker: Maker
    stage: Stage
    namespaces: Selector
    pods: Selector
    exact: bool = True
    priority: int = 0
    isolates: frozenset[str] = frozenset()
    ingress: tuple[Rule, ...] = ()
    egress: tuple[Rule, ...] = ()
    unreadable: str = ""

    def rules(self, direction: str) -> tuple[Rule, ...]:
        return self.ingress if direction == INGRESS else self.egress

    def selects(self, pod: Labels, space: Labels) -> bool | None:
        """Whether it governs a pod with these labels in a namespace with those."""
        of_space = self.namespaces.matches(space)
        of_pod = self.pods.matches(pod)
        if of_space is False or of_pod is False:
            return False
        return True if of_space and of_pod and self.exact else None


def in_namespace(name: str) -> Selector:
    """The namespace of that name; the API server labels every one by it."""
    return equals(NAMESPACE_NAME, name)


def pods_peer(namespaces: Selector, pods: Selector = EVERYTHING, *, exact: bool = True) -> Peer:
    """Pods of the cluster's network by selectors."""
    return Peer(pods=(namespaces, pods), exact=exact)
