"""Addresses that are never blocked, whoever asks.

An incident's source address is chosen by the attacker as much as by us: through a proxy it is the
proxy, behind a load balancer a node. Blocking one of the cluster's own addresses cuts the cluster.
So only global unicast addresses that nothing here uses can be blocked, each form of an address
judged by what it embeds.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from haechi.checks.cidr import network
from haechi.checks.pods.view import items, mapping
from haechi.errors import InputError
from haechi.model.resource import Resource

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_API_SERVER = ("default", "kubernetes")
_EXAMPLES = tuple(
    ipaddress.ip_network(text)
    for text in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32")
)
"""Addresses of documentation stand for the world's in examples and drills; nobody has them."""


def blockable(
    text: str,
    objects: Sequence[Resource],
    *,
    never: Sequence[str] = (),
    private: bool = False,
) -> Address:
    """The address, if it may be blocked. ``never`` are further blocks (own egress, the API
    server's public address); ``private`` lets private addresses pass that nothing here uses.
    Raises InputError that says why not."""
    try:
        address: Address = ipaddress.ip_address(text.strip())
    except ValueError:
        raise InputError(
            f"{text[:60]!r} is no IP address",
            why="single addresses are blocked, never networks or names",
            do="name one address, as 203.0.113.9",
        ) from None
    address = _plain(address)
    for form in (address, *_embedded(address)):
        why = _kind(form, private=private) or _used(form, objects, never)
        if why:
            whose = "" if form == address else f", which stands for {form}"
            raise InputError(
                f"{address} is never blocked{whose}",
                why=why,
                do="block the attacker at the edge (load balancer, firewall), or isolate the pod",
            )
    return address


def _plain(address: Address) -> Address:
    """``::ffff:192.0.2.1`` is 192.0.2.1 on the wire."""
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


def _embedded(address: Address) -> Iterator[Address]:
    """Addresses of IPv4 that gateways take out of one of IPv6."""
    if isinstance(address, ipaddress.IPv4Address):
        return
    if address.sixtofour is not None:
        yield address.sixtofour
    if address.teredo is not None:
        yield from address.teredo
    if address in _NAT64:
        yield ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)


def _kind(address: Address, *, private: bool) -> str:
    if address.is_unspecified or address.is_loopback:
        return "it is a loopback or unspecified address: the host itself"
    if address.is_multicast:
        return "it is a multicast address: no single host's"
    if address.is_link_local:
        return "it is a link-local address: neighbours and metadata services of the cloud"
    if address.is_global or any(address in block for block in _EXAMPLES):
        return ""
    if private and address.is_private and not address.is_reserved:
        return ""
    return "it is not a global unicast address (private, shared or reserved)"


def _used(address: Address, objects: Sequence[Resource], never: Sequence[str]) -> str:
    for words, text in (*(("on the list of those kept", one) for one in never), *_own(objects)):
        block = network(text)
        if block is not None and address.version == block.version and address in block:
            return f"it is {words} ({text})"
    return ""


def _own(objects: Iterable[Resource]) -> Iterator[tuple[str, Any]]:
    """What the cluster itself uses: words and an address or block each."""
    for one in objects:
        data = mapping(one.data)
        spec, status = mapping(data.get("spec")), mapping(data.get("status"))
        match one.type:
            case "core/Node":
                for entry in items(status.get("addresses")):
                    yield f"an address of {one.label}", mapping(entry).get("address")
                for text in (spec.get("podCIDR"), *items(spec.get("podCIDRs"))):
                    yield f"in the pods' network of {one.label}", text
            case "core/Pod":
                for entry in (*items(status.get("podIPs")), *items(status.get("hostIPs"))):
                    yield f"an address of {named(one)}", mapping(entry).get("ip")
                for text in (status.get("podIP"), status.get("hostIP")):
                    yield f"an address of {named(one)}", text
            case "core/Service":
                yield from _service(one, spec, status)
            case "networking.k8s.io/ServiceCIDR":
                for text in items(spec.get("cidrs")):
                    yield "in the services' network", text
            case "crd.projectcalico.org/IPPool" | "projectcalico.org/IPPool":
                yield f"in the pods' network {one.name}", spec.get("cidr")
            case "core/Endpoints" | "discovery.k8s.io/EndpointSlice":
                if (one.namespace, one.name) == _API_SERVER:
                    yield from (("the API server", text) for text in _endpoints(data))


def named(one: Resource) -> str:
    """A thing of the cluster by its name; what is of a namespace by its kind alone: who asks may
    not see that namespace, and could ask about every address."""
    return f"{one.kind}s of this cluster" if one.namespace else one.label


def _service(one: Resource, spec: Any, status: Any) -> Iterator[tuple[str, Any]]:
    for text in (
        spec.get("clusterIP"),
        *items(spec.get("clusterIPs")),
        *items(spec.get("externalIPs")),
        spec.get("loadBalancerIP"),
    ):
        yield f"an address of {named(one)}", text
    for entry in items(mapping(status.get("loadBalancer")).get("ingress")):
        yield f"a load balancer of {named(one)}", mapping(entry).get("ip")


def _endpoints(data: Any) -> Iterator[Any]:
    for subset in items(data.get("subsets")):
        yield from (mapping(one).get("ip") for one in items(mapping(subset).get("addresses")))
    for endpoint in items(data.get("endpoints")):
        yield from items(mapping(endpoint).get("addresses"))
