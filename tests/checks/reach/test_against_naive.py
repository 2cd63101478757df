"""What may pass, against the naive judge, packet by packet, as clusters stand without any plan."""

from __future__ import annotations

from collections import Counter

from haechi.checks.reach import Network, Piece, Pod, may_pass, network_of
from haechi.checks.reach.addresses import of_text
from haechi.checks.reach.policy import Kind
from haechi.checks.reach.ports import OTHER, PROTOCOLS, Ports, ports
from tests.respond.clusters import Case, case_of, resource_of
from tests.respond.judging import packets
from tests.respond.naive import Naive, Obeyed, Packet

CASES = 150
KINDS = {"pod": Kind.PODS, "node": Kind.NODES, "outside": Kind.WORLD}


def asked(network: Network, packet: Packet) -> Piece:
    """The packet as the only traffic there is."""
    protocol = packet.protocol if packet.protocol in PROTOCOLS else OTHER
    only = ports([(protocol, packet.port, packet.port)], ())
    if packet.peer.kind == "pod":
        name = packet.peer.pod["metadata"]["name"]
        return Piece(kind=Kind.PODS, pod=by_name(network, name), ports=only)
    address = of_text(packet.peer.address)
    assert address is not None
    return Piece(kind=KINDS[packet.peer.kind], addresses=address, ports=only)


def by_name(network: Network, name: str) -> Pod:
    return next(pod for pod in network.pods if pod.name == name)


def holds(piece: Piece, packet: Piece) -> bool:
    """Whether traffic in symbols has the packet in it."""
    peer = packet.pod
    opened: Ports = piece.ports if peer is None else piece.ports.resolved(peer.numbers)
    if piece.kind is not packet.kind or not opened & packet.ports:
        return False
    if peer is not None:
        of_space, of_pod = piece.namespaces.matches(peer.space), piece.pods.matches(peer.labels)
        return of_space is not False and of_pod is not False
    return bool(piece.addresses & packet.addresses)


def cases() -> list[Case]:
    """Clusters in which all is known and read."""
    found = (case_of(seed) for seed in range(CASES))
    return [
        case
        for case in found
        if case.enforcement.network_policy
        and None not in (case.enforcement.cnp, case.enforcement.cilium)
        and not any(one.get("spec", {}).get("ingress") == "odd" for one in case.objects)
    ]


def test_what_passes_is_always_among_what_may_pass_and_plain_policies_are_exact() -> None:
    counts: Counter[str] = Counter()
    for case in cases():
        known = case.enforcement
        network = network_of([resource_of(one) for one in case.objects])
        naive = Naive(
            case.objects, Obeyed(True, bool(known.anp), bool(known.cnp), bool(known.cilium))
        )
        plain = not (known.anp or known.cnp or known.cilium) and not network.foreign
        for body in [one for one in case.objects if one["kind"] == "Pod"][:2]:
            pod = by_name(network, body["metadata"]["name"])
            symbols = {way: may_pass(network, pod, way, known) for way in ("ingress", "egress")}
            for packet in packets(case.objects, body):
                one = asked(network, packet)
                passes = naive.passes(body, packet)
                may = bool(may_pass(network, pod, packet.direction, known, (one,)))
                assert may or not passes, (case.seed, pod.name, packet)
                told = any(holds(piece, one) for piece in symbols[packet.direction])
                assert told or not passes, (case.seed, pod.name, packet)
                if plain and packet.peer.kind != "node":  # whose named ports are left open
                    assert may == passes, (case.seed, pod.name, packet)
                counts[f"{'passes' if passes else 'does not'}, {'may' if may else 'may not'}"] += 1
    assert counts["passes, may"] > 5_000
    assert counts["does not, may not"] > 5_000
    assert counts["does not, may"] < 0.1 * counts["does not, may not"], counts
