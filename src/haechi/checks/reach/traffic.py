"""Sets of traffic of one pod in one direction, as pieces that allows narrow and denies cut.

A piece is a kind of peer, narrowed by selectors or addresses, and ports. Narrowing keeps all that
may match; cutting takes away only what surely matches. So what is left is never less than what
passes: too much may be named, nothing is forgotten.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

import msgspec

from haechi.checks.reach.addresses import ALL, NOWHERE, Addresses
from haechi.checks.reach.pods import Pod
from haechi.checks.reach.policy import Kind, Peer, Rule
from haechi.checks.reach.ports import ANY_PORT, Name, Ports
from haechi.checks.reach.selectors import EVERYTHING, IN, NAMESPACE_NAME, Selector

Numbers = Mapping[Name, tuple[int, ...]]
MAX_PIECES = 2_000
"""Past it nothing is cut any more: the answer stays safe and its cost bounded."""


class Piece(msgspec.Struct, frozen=True, kw_only=True):
    """Traffic with pods, nodes or the world. ``pod`` is set when one pod is asked about."""

    kind: Kind
    namespaces: Selector = EVERYTHING
    pods: Selector = EVERYTHING
    addresses: Addresses = ALL
    pod: Pod | None = None
    ports: Ports = ANY_PORT
    because: tuple[str, ...] = ()

    @property
    def peer(self) -> str:
        """Who, for people: ``namespace shop pods app=web``, ``10.0.0.0/8``, ``nodes``."""
        if self.pod is not None:
            return f"pod {self.pod.namespace}/{self.pod.name}"
        match self.kind:
            case Kind.PODS:
                return _pods(self.namespaces, self.pods)
            case Kind.NODES:
                return "nodes" if self.addresses == ALL else f"nodes in {self.addresses}"
            case Kind.WORLD:
                return "any address outside" if self.addresses == ALL else str(self.addresses)


EVERYONE = tuple(Piece(kind=kind) for kind in Kind)
_CLEAR: Numbers = {}


def _pods(namespaces: Selector, pods: Selector) -> str:
    which = f" {pods}" if pods.needs else ""
    match namespaces.needs:
        case ():
            return f"pods{which} of any namespace"
        case (need,) if (
            need.key == NAMESPACE_NAME and need.operator == IN and len(need.values) == 1
        ):
            return f"namespace {need.values[0]} pods{which or ' (all)'}"
        case _:
            return f"namespaces {namespaces} pods{which or ' (all)'}"


def narrowed(piece: Piece, rule: Rule, numbers: Numbers | None) -> Iterator[Piece]:
    """What of a piece a rule may match. ``numbers`` resolve its named ports where they are known:
    those of the pod itself for ingress, of the peer for egress."""
    if piece.pod is not None and numbers is None:
        numbers = piece.pod.numbers
    elif numbers is None and piece.kind is Kind.WORLD:
        numbers = _CLEAR  # only pods give ports names (those on a node's network perhaps, too)
    opened = rule.ports if numbers is None else rule.ports.resolved(numbers)
    common = piece.ports & opened
    if not common:
        return
    for peer in rule.peers:
        found = _meet(piece, peer)
        if found is not None:
            yield found if common == found.ports else msgspec.structs.replace(found, ports=common)


def _meet(piece: Piece, peer: Peer) -> Piece | None:
    if piece.kind in peer.whole or piece.kind in peer.perhaps:
        return piece
    if piece.kind is Kind.PODS:
        return _meet_pods(piece, peer)
    if peer.block and (piece.kind is Kind.WORLD or piece.kind in peer.block_may):
        common = piece.addresses & peer.block
        return msgspec.structs.replace(piece, addresses=common) if common else None
    return None


def _meet_pods(piece: Piece, peer: Peer) -> Piece | None:
    pod = piece.pod
    if peer.block and Kind.PODS in peer.block_may:
        # the address of a pod that is not there yet may be any
        inside = pod is None or not pod.addresses or bool(pod.addresses & peer.block)
        return piece if inside else None
    if peer.pods is None:
        return None
    spaces, pods = peer.pods
    if pod is not None:
        misses = spaces.matches(pod.space) is False or pods.matches(pod.labels) is False
        return None if misses else piece
    both = piece.namespaces.and_also(spaces), piece.pods.and_also(pods)
    if both[0] is None or both[1] is None:
        return None
    return msgspec.structs.replace(piece, namespaces=both[0], pods=both[1])


def cut(pieces: Iterable[Piece], rule: Rule, numbers: Numbers | None) -> list[Piece]:
    """What is left of pieces without what a rule surely matches."""
    left: list[Piece] = []
    for piece in pieces:
        if len(left) > MAX_PIECES:
            left.append(piece)
        else:
            left.extend(_cut(piece, rule, numbers))
    return left


def _cut(piece: Piece, rule: Rule, numbers: Numbers | None) -> Iterator[Piece]:
    if numbers is None:
        numbers = piece.pod.numbers if piece.pod is not None else _CLEAR
    closed = rule.sure_ports.surely(numbers)
    rest = piece.ports - closed
    if rest == piece.ports:
        yield piece
        return
    outside = _outside(piece, rule.peers)
    if outside is not None:
        yield outside
        if outside == piece:
            return
    if rest:
        inside = piece
        if outside is not None:
            inside = msgspec.structs.replace(piece, addresses=piece.addresses - outside.addresses)
        yield msgspec.structs.replace(inside, ports=rest)


def _outside(piece: Piece, peers: tuple[Peer, ...]) -> Piece | None:
    """The part of a piece that a rule's peers do not surely cover; None when they cover it all."""
    blocked = NOWHERE
    for peer in peers:
        if piece.kind in peer.whole:
            return None
        if piece.kind in peer.block_sure:
            blocked |= peer.block
        if piece.kind is Kind.PODS and peer.exact and peer.pods and _covers(piece, peer.pods):
            return None
    if piece.kind is Kind.PODS:
        known = piece.pod.addresses if piece.pod is not None and piece.pod.addresses else ALL
        return None if blocked.covers(known) else piece
    left = piece.addresses - blocked
    if left == piece.addresses:
        return piece
    return msgspec.structs.replace(piece, addresses=left) if left else None


def _covers(piece: Piece, selectors: tuple[Selector, Selector]) -> bool:
    spaces, pods = selectors
    if piece.pod is not None:
        return bool(spaces.matches(piece.pod.space) and pods.matches(piece.pod.labels))
    return spaces.covers(piece.namespaces) and pods.covers(piece.pods)


def merged(pieces: Iterable[Piece]) -> list[Piece]:
    """Equal traffic once, with all the reasons for it; those that another piece holds go."""
    by_peer: dict[tuple[object, ...], list[Piece]] = {}
    for piece in pieces:
        key = (piece.kind, piece.namespaces, piece.pods, piece.addresses, piece.because)
        by_peer.setdefault(key, []).append(piece)
    out: list[Piece] = []
    for same in by_peer.values():
        all_ports = same[0].ports
        for one in same[1:]:
            all_ports |= one.ports
        out.append(msgspec.structs.replace(same[0], ports=all_ports))
    return out
