"""May one pod open connections to another: what leaves the one and is let in by the other."""

from __future__ import annotations

from haechi.checks.reach.addresses import ALL
from haechi.checks.reach.enforcement import Enforcement
from haechi.checks.reach.network import Network
from haechi.checks.reach.pods import Pod
from haechi.checks.reach.policy import EGRESS, INGRESS, Kind
from haechi.checks.reach.ports import ANY_PORT, NO_PORT, Ports
from haechi.checks.reach.traffic import Piece
from haechi.checks.reach.verdict import may_pass


def may_talk(network: Network, source: Pod, target: Pod, enforcement: Enforcement) -> Ports:
    """The ports of ``target`` to which ``source`` may open connections; a pod reaches itself."""
    if source.resource.key == target.resource.key:
        return ANY_PORT
    out = may_pass(network, source, EGRESS, enforcement, (_as_peer(target),))
    into = may_pass(network, target, INGRESS, enforcement, (_as_peer(source),))
    return _ports(out) & _ports(into)


def _as_peer(pod: Pod) -> Piece:
    if pod.host_network:  # seen by its node's address
        return Piece(kind=Kind.NODES, addresses=pod.addresses or ALL)
    return Piece(kind=Kind.PODS, pod=pod)


def _ports(pieces: list[Piece]) -> Ports:
    found = NO_PORT
    for piece in pieces:
        found |= piece.ports
    return found
