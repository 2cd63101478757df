"""NetworkPolicy of ``networking.k8s.io/v1``, read field by field.

Policies only add. ``policyTypes`` left out means Ingress, and Egress where there are egress rules.
Items of ``from`` and ``to`` are alternatives; both selectors inside one item must match. An
``ipBlock`` is meant for addresses outside; whether it meets pods and nodes by their addresses is
up to the plug-in, so it may. Source: API reference, ``pkg/apis/networking/validation``.
"""

from __future__ import annotations

from typing import Any

from haechi.checks.pods.view import items, mapping
from haechi.checks.reach.addresses import of_text
from haechi.checks.reach.policy import (
    ALL_KINDS,
    ANYONE,
    EGRESS,
    INGRESS,
    Action,
    Kind,
    Maker,
    Peer,
    Policy,
    Rule,
    Stage,
    in_namespace,
    pods_peer,
)
from haechi.checks.reach.ports import ANY_PORT, PROTOCOLS, TOP, Name, Ports, Span, all_of, ports
from haechi.checks.reach.selectors import EVERYTHING, Unreadable, selector_of
from haechi.model.resource import Resource

_TYPES = {"Ingress": INGRESS, "Egress": EGRESS}
_PEER_FIELDS = {"podSelector", "namespaceSelector", "ipBlock"}


def read_network_policy(resource: Resource) -> Policy:
    """The policy; raises Unreadable."""
    spec = mapping(mapping(resource.data).get("spec"))
    own = resource.namespace or "default"
    return Policy(
        key=resource.key,
        label=resource.label,
        maker=Maker.NETWORK_POLICY,
        stage=Stage.MIDDLE,
        namespaces=in_namespace(own),
        pods=selector_of(spec["podSelector"]) if spec.get("podSelector") else EVERYTHING,
        isolates=_directions(spec),
        ingress=_rules(spec, INGRESS, "from", own),
        egress=_rules(spec, EGRESS, "to", own),
    )


def _directions(spec: Any) -> frozenset[str]:
    written = spec.get("policyTypes")
    if not written:
        return frozenset({INGRESS, EGRESS} if items(spec.get("egress")) else {INGRESS})
    if not isinstance(written, list) or not all(one in tuple(_TYPES) for one in written):
        raise Unreadable("policyTypes holds something else than Ingress and Egress")
    return frozenset(_TYPES[one] for one in written)


def _rules(spec: Any, direction: str, side: str, own: str) -> tuple[Rule, ...]:
    written = spec.get(direction)
    if written is not None and not isinstance(written, list):
        raise Unreadable(f"{direction} is no list")
    if direction not in _directions(spec):
        return ()  # rules of a direction that policyTypes leaves out have no effect
    return tuple(_rule(entry, side, own) for entry in items(written))


def _rule(entry: Any, side: str, own: str) -> Rule:
    if entry is not None and not isinstance(entry, dict):
        raise Unreadable("a rule is no map")
    found = mapping(entry)
    if set(found) - {side, "ports"}:
        raise Unreadable(f"a rule has unknown fields: {', '.join(sorted(map(str, found)))}")
    written = found.get(side)
    if written is not None and not isinstance(written, list):
        raise Unreadable(f"{side} is no list")
    peers = tuple(_peer(one, own) for one in items(written)) or (ANYONE,)
    opened = _ports(found.get("ports"))
    return Rule(action=Action.ALLOW, peers=peers, ports=opened, sure_ports=opened)


def _peer(entry: Any, own: str) -> Peer:
    found = {key: value for key, value in mapping(entry).items() if value is not None}
    if not found or set(found) - _PEER_FIELDS:
        raise Unreadable("a peer is empty or has unknown fields")
    if "ipBlock" in found:
        if len(found) > 1:
            raise Unreadable("ipBlock stands beside selectors")
        return _block(mapping(found["ipBlock"]))
    spaces = in_namespace(own)
    if "namespaceSelector" in found:
        spaces = selector_of(found["namespaceSelector"])
    return pods_peer(spaces, selector_of(found.get("podSelector", {})))


def _block(block: Any) -> Peer:
    whole = of_text(block.get("cidr"))
    if whole is None:
        raise Unreadable(f"no address block: {block.get('cidr')!r}")
    for text in items(block.get("except")):
        part = of_text(text)
        if part is None or not whole.covers(part):
            raise Unreadable(f"an exception that is not inside its block: {text!r}")
        whole -= part
    return Peer(block=whole, block_may=ALL_KINDS, block_sure=frozenset({Kind.WORLD}))


def _ports(written: Any) -> Ports:
    if not written:
        return ANY_PORT
    spans: list[Span] = []
    names: list[Name] = []
    for entry in items(written):
        found = mapping(entry)
        protocol, port, last = found.get("protocol", "TCP"), found.get("port"), found.get("endPort")
        if protocol not in PROTOCOLS or set(found) - {"protocol", "port", "endPort"}:
            raise Unreadable(f"a port of protocol {protocol!r}")
        if port is None and last is None:
            spans.append(all_of(protocol))
        elif isinstance(port, str) and last is None and not port.isdigit():
            names.append((protocol, port))
        else:
            spans.append((protocol, *span_of(port, port if last is None else last)))
    if not spans and not names:
        raise Unreadable("ports is no list")
    return ports(spans, names)


def span_of(first: Any, last: Any) -> tuple[int, int]:
    """A range of ports; raises Unreadable when it is none."""
    whole = all(isinstance(one, int) and not isinstance(one, bool) for one in (first, last))
    if not whole or not 1 <= first <= last <= TOP:
        raise Unreadable(f"no range of ports: {first!r} to {last!r}")
    return first, last
