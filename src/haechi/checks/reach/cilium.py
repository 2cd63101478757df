"""CiliumNetworkPolicy and CiliumClusterwideNetworkPolicy, read into the common shape.

What differs from NetworkPolicy: denies win over every allow, also over one of a NetworkPolicy;
selectors carry a source prefix (``k8s:``), may name the namespace by a label and mean the
policy's own where they do not; a block means the world only (nodes in one mode of the agent);
``{}`` as a rule lets nothing through, while ports without peers let everyone through. Rules of
layer 7 narrow what is allowed and are taken as an allow; names (``toFQDNs``), services, groups
and nodes by label may be any peer of their kind and close nothing.
Source: ``cilium/cilium`` ``pkg/policy/api``, ``pkg/k8s/apis/cilium.io/utils`` and its guide.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from haechi.checks.pods.view import items, mapping
from haechi.checks.reach.addresses import ALL_IPV4, ALL_IPV6, of_text
from haechi.checks.reach.kubernetes import span_of
from haechi.checks.reach.policy import (
    ALL_KINDS,
    ANYONE,
    DIRECTIONS,
    Action,
    Kind,
    Maker,
    Peer,
    Policy,
    Rule,
    Stage,
    in_namespace,
)
from haechi.checks.reach.ports import (
    ANY_PORT,
    NO_PORT,
    OTHER,
    PROTOCOLS,
    Name,
    Ports,
    Span,
    all_of,
    ports,
)
from haechi.checks.reach.selectors import (
    EVERYTHING,
    NAMESPACE_NAME,
    Labels,
    Requirement,
    Selector,
    Unreadable,
    selector_of,
)
from haechi.model.resource import Resource

_NAMESPACE = "io.kubernetes.pod.namespace"
_NAMESPACE_LABEL = "io.cilium.k8s.namespace.labels."
_NOT_COUNTED = (
    "io.cilium.",
    "io.kubernetes",
    "kubernetes.io",
    "statefulset.kubernetes.io/pod-name",
    "apps.kubernetes.io/pod-index",
    "batch.kubernetes.io/job-completion-index",
    "batch.kubernetes.io/controller-uid",
    "beta.kubernetes.io",
    "k8s.io",
    "pod-template-generation",
    "pod-template-hash",
    "controller-revision-hash",
    "controller-uid",
    "annotation.",
    "etcd_node",
)
"""Labels that say more than pods carry, or that the agent leaves out of identities by default."""
_WORLD = frozenset({Kind.WORLD})
_NODES = frozenset({Kind.NODES})
_PODS = frozenset({Kind.PODS})
_ENTITIES = {
    "all": ANYONE,
    "world": Peer(whole=_WORLD),
    "world-ipv4": Peer(block=ALL_IPV4, block_sure=_WORLD),
    "world-ipv6": Peer(block=ALL_IPV6, block_sure=_WORLD),
    "cluster": Peer(whole=_PODS | _NODES),
    "host": Peer(perhaps=_NODES),
    "remote-node": Peer(perhaps=_NODES),
    "kube-apiserver": Peer(perhaps=_NODES | _WORLD),
    "ingress": Peer(perhaps=_PODS | _NODES),
    "init": Peer(perhaps=_PODS),
    "health": Peer(perhaps=_PODS),
    "unmanaged": Peer(perhaps=_PODS),
    "none": Peer(),
}
_VAGUE = {
    "FQDNs": Peer(perhaps=_WORLD | _NODES),
    "Services": Peer(perhaps=ALL_KINDS),
    "Groups": Peer(perhaps=_WORLD | _NODES),
    "Nodes": Peer(perhaps=_NODES),
}
_MEMBERS = ("Endpoints", "CIDR", "CIDRSet", "Entities", *_VAGUE)
_BESIDE = {"toPorts", "icmps", "authentication"}
_SPEC = {
    "endpointSelector",
    "nodeSelector",
    "ingress",
    "ingressDeny",
    "egress",
    "egressDeny",
    "enableDefaultDeny",
    "labels",
    "description",
    "log",
}
_ICMP = ports([(OTHER, 0, 0)], ())


def read_cilium(resource: Resource) -> Iterator[Policy]:
    """One policy for ``spec`` and for each of ``specs`` that governs pods; raises Unreadable."""
    data = mapping(resource.data)
    own = None if resource.kind == "CiliumClusterwideNetworkPolicy" else resource.namespace
    for spec in (data.get("spec"), *items(data.get("specs"))):
        if spec is None or (mapping(spec).get("nodeSelector") and "endpointSelector" not in spec):
            continue
        if not isinstance(spec, dict) or set(spec) - _SPEC:
            raise Unreadable("a spec is no map or has unknown fields")
        yield _policy(resource, spec, own)


def _policy(resource: Resource, spec: Mapping[str, Any], own: str | None) -> Policy:
    if not isinstance(spec.get("endpointSelector"), dict):
        raise Unreadable("there is no endpointSelector")
    spaces, pods, exact = endpoints(spec["endpointSelector"], own, subject=True)
    rules = {direction: tuple(_rules(spec, direction, own)) for direction in DIRECTIONS}
    return Policy(
        key=resource.key,
        label=resource.label,
        maker=Maker.CILIUM,
        stage=Stage.MIDDLE,
        namespaces=spaces,
        pods=pods,
        exact=exact,
        isolates=frozenset(one for one in DIRECTIONS if _closes(spec, one)),
        ingress=rules["ingress"],
        egress=rules["egress"],
    )


def endpoints(
    value: Any, own: str | None, *, subject: bool = False
) -> tuple[Selector, Selector, bool]:
    """Selectors of namespaces and pods that an EndpointSelector means, and whether exactly.

    Without a namespace in it, it means the policy's own, or any for a clusterwide policy.
    """
    spaces: list[Requirement] = []
    pods: list[Requirement] = []
    exact, placed = True, False
    for need in selector_of(value).needs:
        source, _, key = need.key.rpartition(":")
        if source not in ("", "k8s", "any"):
            exact = False
        elif key == _NAMESPACE:
            placed = True
            spaces.append(Requirement(NAMESPACE_NAME, need.operator, need.values))
        elif key.startswith(_NAMESPACE_LABEL):
            placed = True
            if own is None:
                name = key.removeprefix(_NAMESPACE_LABEL)
                spaces.append(Requirement(name, need.operator, need.values))
            else:
                exact = False  # versions differ in whether it counts here
        elif key.startswith(_NOT_COUNTED):
            exact = False
        else:
            pods.append(Requirement(key, need.operator, need.values))
    if own is not None and (subject or not placed):
        # a subject that names another namespace means the policy's own, or nothing: versions differ
        here = Labels(values={NAMESPACE_NAME: own})
        exact = exact and all(need.matches(here) for need in spaces)
        return in_namespace(own), _selector(pods), exact
    return _selector(spaces), _selector(pods), exact


def _selector(needs: list[Requirement]) -> Selector:
    return Selector(tuple(sorted(set(needs)))) if needs else EVERYTHING


def _closes(spec: Mapping[str, Any], direction: str) -> bool:
    asked = mapping(spec.get("enableDefaultDeny")).get(direction)
    if isinstance(asked, bool):
        return asked
    return bool(items(spec.get(direction)) or items(spec.get(f"{direction}Deny")))


def _rules(spec: Mapping[str, Any], direction: str, own: str | None) -> Iterator[Rule]:
    for field, action in ((direction, Action.ALLOW), (f"{direction}Deny", Action.DENY)):
        if spec.get(field) is not None and not isinstance(spec[field], list):
            raise Unreadable(f"{field} is no list")
        for entry in items(spec.get(field)):
            yield from _rule(entry, "from" if direction == "ingress" else "to", action, own)


def _rule(entry: Any, side: str, action: Action, own: str | None) -> Iterator[Rule]:
    if not isinstance(entry, dict):
        raise Unreadable("a rule is no map")
    known = {f"{side}{member}" for member in (*_MEMBERS, "Requires")} | _BESIDE
    if set(entry) - known:
        unknown = ", ".join(sorted(map(str, set(entry) - known)))
        raise Unreadable(f"a rule has unknown fields: {unknown}")
    written = [member for member in _MEMBERS if entry.get(f"{side}{member}") is not None]
    narrowed = entry.get("toPorts") is not None or entry.get("icmps") is not None
    if not written and not narrowed:
        return  # lets nothing through, as the guide's default deny
    peers = tuple(_peers(entry, side, written, own))
    if not peers:  # ports without peers mean everyone; an empty list did so in old versions
        peers = (ANYONE,) if not written else (Peer(perhaps=ALL_KINDS),)
        if not narrowed:
            return
    clear = len(written) <= 1  # several members in one rule: versions differ
    opened, sure = _ports(entry)
    yield Rule(action=action, peers=peers, ports=opened, sure_ports=sure if clear else NO_PORT)


def _peers(
    entry: Mapping[str, Any], side: str, written: list[str], own: str | None
) -> Iterator[Peer]:
    for member in written:
        values = entry[f"{side}{member}"]
        if not isinstance(values, list):
            raise Unreadable(f"{side}{member} is no list")
        for value in values:
            yield _peer(member, value, own)


def _peer(member: str, value: Any, own: str | None) -> Peer:
    match member:
        case "Endpoints":
            spaces, pods, exact = endpoints(value, own)
            if not exact and any("reserved:" in key for key in _keys(value)):
                return Peer(perhaps=ALL_KINDS)
            return Peer(pods=(spaces, pods), exact=exact)
        case "Entities":
            entity = _ENTITIES.get(value) if isinstance(value, str) else None
            if entity is None:
                raise Unreadable(f"entity {value!r}")
            return entity
        case "CIDR":
            return _block(value, ())
        case "CIDRSet":
            found = mapping(value)
            if "cidr" not in found:
                return Peer(perhaps=_WORLD | _NODES)  # a group of blocks that stands elsewhere
            return _block(found["cidr"], items(found.get("except")))
        case _:
            return _VAGUE[member]


def _keys(value: Any) -> list[str]:
    return [need.key for need in selector_of(value).needs]


def _block(text: Any, excepted: Any) -> Peer:
    whole = of_text(text)
    if whole is None:
        raise Unreadable(f"no address block: {text!r}")
    for one in excepted:
        part = of_text(one)
        if part is None:
            raise Unreadable(f"no address block: {one!r}")
        whole -= part
    return Peer(block=whole, block_may=_WORLD | _NODES, block_sure=_WORLD)


def _ports(entry: Mapping[str, Any]) -> tuple[Ports, Ports]:
    """Ports that a rule may mean and those that it surely means."""
    opened, sure = NO_PORT, NO_PORT
    if entry.get("toPorts") is None and entry.get("icmps") is None:
        return ANY_PORT, ANY_PORT
    for one in items(entry.get("toPorts")):
        listed = items(mapping(one).get("ports"))
        found = _listed(listed) if listed else ANY_PORT
        opened |= found
        sure |= found if listed else NO_PORT
    if items(entry.get("icmps")):
        opened |= _ICMP
    return (opened, sure) if opened else (ANY_PORT, NO_PORT)


def _listed(listed: list[Any]) -> Ports:
    spans: list[Span] = []
    names: list[Name] = []
    for entry in listed:
        found = mapping(entry)
        port, last = str(found.get("port", "")), found.get("endPort")
        for protocol in _protocols(found.get("protocol")):
            if protocol == OTHER or port in ("0", ""):
                spans.append(all_of(protocol))
            elif port.isascii() and port.isdigit():
                number = int(port[:6])
                spans.append((protocol, *span_of(number, last or number)))
            else:
                names.append((protocol, port))
    return ports(spans, names)


def _protocols(value: Any) -> tuple[str, ...]:
    match value:
        case None | "" | "ANY":
            return PROTOCOLS
        case "TCP" | "UDP" | "SCTP":
            return (value,)
        case "ICMP" | "ICMPv6" | "ICMPV6" | "VRRP" | "IGMP":
            return (OTHER,)
        case _:
            raise Unreadable(f"protocol {value!r}")
