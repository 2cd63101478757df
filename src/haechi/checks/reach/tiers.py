"""AdminNetworkPolicy, BaselineAdminNetworkPolicy (v1alpha1) and ClusterNetworkPolicy (v1alpha2).

One reader: they differ in names of fields and of actions only. Lower priority speaks first; what
policies of one priority say of the same traffic may come in any order. An ingress rule names pods
only, never addresses or nodes: no tier closes a pod to the world by itself.
Source: ``kubernetes-sigs/network-policy-api``, ``apis/v1alpha1`` and ``apis/v1alpha2``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from haechi.checks.pods.view import items, mapping
from haechi.checks.reach.addresses import NOWHERE, of_text
from haechi.checks.reach.kubernetes import span_of
from haechi.checks.reach.policy import (
    ALL_KINDS,
    DIRECTIONS,
    INGRESS,
    Action,
    Kind,
    Maker,
    Peer,
    Policy,
    Rule,
    Stage,
    pods_peer,
)
from haechi.checks.reach.ports import (
    ANY_PORT,
    NO_PORT,
    PROTOCOLS,
    Name,
    Ports,
    Span,
    all_of,
    ports,
)
from haechi.checks.reach.selectors import EVERYTHING, Selector, Unreadable, selector_of
from haechi.model.resource import Resource

_ACTIONS = {
    "Allow": Action.ALLOW,
    "Accept": Action.ALLOW,
    "Deny": Action.DENY,
    "Pass": Action.PASS,
}
_LOWEST = 1_000


def read_tiered(resource: Resource) -> Policy:
    """Any of the three kinds; raises Unreadable."""
    spec = mapping(mapping(resource.data).get("spec"))
    spaces, pods = _subject(spec.get("subject"))
    rules = {direction: _rules(spec, direction) for direction in DIRECTIONS}
    return Policy(
        key=resource.key,
        label=resource.label,
        maker=Maker.CNP if resource.kind == "ClusterNetworkPolicy" else Maker.ANP,
        stage=_stage(resource, spec),
        namespaces=spaces,
        pods=pods,
        priority=_priority(resource, spec),
        ingress=rules["ingress"],
        egress=rules["egress"],
    )


def _stage(resource: Resource, spec: Mapping[str, Any]) -> Stage:
    if resource.kind != "ClusterNetworkPolicy":
        return Stage.ADMIN if resource.kind == "AdminNetworkPolicy" else Stage.BASELINE
    match spec.get("tier"):
        case "Admin":
            return Stage.ADMIN
        case "Baseline":
            return Stage.BASELINE
        case other:
            raise Unreadable(f"tier {other!r}")


def _priority(resource: Resource, spec: Mapping[str, Any]) -> int:
    if resource.kind == "BaselineAdminNetworkPolicy":
        return 0
    number = spec.get("priority")
    if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number <= _LOWEST:
        raise Unreadable(f"priority {number!r}")
    return number


def _subject(value: Any) -> tuple[Selector, Selector]:
    found = {key: one for key, one in mapping(value).items() if one is not None}
    match list(found):
        case ["namespaces"]:
            return selector_of(found["namespaces"]), EVERYTHING
        case ["pods"]:
            return _namespaced(found["pods"])
        case _:
            raise Unreadable("a subject is neither namespaces nor pods")


def _namespaced(value: Any) -> tuple[Selector, Selector]:
    found = mapping(value)
    if set(found) - {"namespaceSelector", "podSelector"}:
        raise Unreadable("pods are chosen by unknown fields")
    return (
        selector_of(found.get("namespaceSelector", {})),
        selector_of(found.get("podSelector", {})),
    )


def _rules(spec: Mapping[str, Any], direction: str) -> tuple[Rule, ...]:
    written = spec.get(direction)
    if written is not None and not isinstance(written, list):
        raise Unreadable(f"{direction} is no list")
    return tuple(_rule(mapping(entry), direction) for entry in items(written))


def _rule(entry: Mapping[str, Any], direction: str) -> Rule:
    action = _ACTIONS.get(str(entry.get("action")))
    side = "from" if direction == INGRESS else "to"
    if action is None or set(entry) - {"name", "action", side, "ports", "protocols"}:
        raise Unreadable(f"a rule with action {entry.get('action')!r} or unknown fields")
    peers = tuple(_peer(mapping(one), direction) for one in items(entry.get(side)))
    if not peers:
        raise Unreadable(f"a rule without {side}")
    written = entry.get("ports", entry.get("protocols"))
    if written is None:
        return Rule(action=action, peers=peers)
    if not items(written):  # valid nowhere; taken by its worse meaning
        return Rule(action=action, peers=peers, ports=ANY_PORT, sure_ports=NO_PORT)
    opened = _ports(items(written))
    return Rule(action=action, peers=peers, ports=opened, sure_ports=opened)


def _peer(entry: Mapping[str, Any], direction: str) -> Peer:
    found = {key: one for key, one in entry.items() if one is not None}
    match list(found):
        case ["namespaces"]:
            return pods_peer(selector_of(found["namespaces"]))
        case ["pods"]:
            return pods_peer(*_namespaced(found["pods"]))
        case ["nodes"] if direction != INGRESS:
            chosen = selector_of(found["nodes"])
            all_nodes = frozenset({Kind.NODES})
            return Peer(whole=all_nodes) if chosen.is_everything else Peer(perhaps=all_nodes)
        case ["networks"] if direction != INGRESS:
            return _networks(found["networks"])
        case ["domainNames"] if direction != INGRESS:
            return Peer(perhaps=ALL_KINDS)
        case _:
            raise Unreadable(f"a peer of unknown fields: {', '.join(map(str, entry)) or 'none'}")


def _networks(value: Any) -> Peer:
    whole = NOWHERE
    for text in items(value):
        block = of_text(text)
        if block is None:
            raise Unreadable(f"no address block: {text!r}")
        whole |= block
    return Peer(block=whole, block_may=ALL_KINDS, block_sure=ALL_KINDS)


def _ports(written: list[Any]) -> Ports:
    spans: list[Span] = []
    names: list[Name] = []
    for entry in written:
        found = {key: one for key, one in mapping(entry).items() if one is not None}
        match list(found):
            case ["portNumber"]:
                one = mapping(found["portNumber"])
                spans.append(_span(one.get("protocol", "TCP"), one.get("port"), one.get("port")))
            case ["portRange"]:
                one = mapping(found["portRange"])
                spans.append(_span(one.get("protocol", "TCP"), one.get("start"), one.get("end")))
            case ["namedPort"] | ["destinationNamedPort"]:
                (name,) = found.values()
                names += [(protocol, str(name)) for protocol in PROTOCOLS]
            case [("tcp" | "udp" | "sctp") as protocol]:
                spans.append(_destination(protocol.upper(), mapping(found[protocol])))
            case _:
                raise Unreadable("a port of unknown fields")
    return ports(spans, names)


def _destination(protocol: str, value: Mapping[str, Any]) -> Span:
    port = value.get("destinationPort")
    if port is None:
        return all_of(protocol)
    found = mapping(port)
    if "range" in found:
        one = mapping(found["range"])
        return _span(protocol, one.get("start"), one.get("end"))
    return _span(protocol, found.get("number"), found.get("number"))


def _span(protocol: Any, first: Any, last: Any) -> Span:
    if protocol not in PROTOCOLS:
        raise Unreadable(f"a port of protocol {protocol!r}")
    return (protocol, *span_of(first, last))
