"""Blocking an address: what may be blocked at all, by what means, and what then still passes."""

from __future__ import annotations

from typing import Any

import pytest

from haechi.checks.reach import Enforcement
from haechi.errors import InputError
from haechi.model.resource import Resource
from haechi.model.response import Plan
from haechi.respond.block import NO_MEANS, block
from haechi.respond.block_guard import blockable
from tests.checks.reach.things import ADMIN, CILIUM, PLAIN, TIERS, network_policy, pod, space
from tests.respond.clusters import Object, made, resource_of
from tests.respond.naive import Naive, Obeyed, Packet, Peer

ATTACKER = "8.8.4.4"
WEB = "k8s:c1/apps/Deployment/shop/web"


def crd(*, default_deny: bool) -> Object:
    fields = {"enableDefaultDeny": {"type": "object"}} if default_deny else {}
    schema = {"openAPIV3Schema": {"properties": {"spec": {"properties": fields}}}}
    return made(
        "apiextensions.k8s.io/v1",
        "CustomResourceDefinition",
        "ciliumnetworkpolicies.cilium.io",
        spec={"versions": [{"schema": schema}]},
    )


def shop(*more: Object, host: bool = False) -> list[Object]:
    template_spec: Object = {"containers": []}
    if host:
        template_spec["hostNetwork"] = True
    template = {"metadata": {"labels": {"app": "web"}}, "spec": template_spec}
    selector = {"matchLabels": {"app": "web"}}
    deployment = made(
        "apps/v1", "Deployment", "web", "shop", spec={"selector": selector, "template": template}
    )
    mine = pod("web", host=host)
    mine["metadata"]["labels"]["pod-template-hash"] = "abc"
    mine["metadata"]["ownerReferences"] = [
        {"kind": "ReplicaSet", "name": "web-abc", "controller": True}
    ]
    return [space("shop"), deployment, mine, *more]


def resources(objects: list[Object]) -> list[Resource]:
    return [resource_of(one) for one in objects]


def plan(objects: list[Object], enforcement: Enforcement, address: str = ATTACKER) -> Plan:
    return block(resources(objects), address, resource=WEB, enforcement=enforcement, action_id="a1")


def passes(
    objects: list[Object], found: Plan, direction: str, address: str, **obeyed: bool
) -> bool:
    """The naive judge's word on the address after the plan."""
    after = [*objects, *(step.body for step in found.steps)]
    mine = next(one for one in objects if one["kind"] == "Pod")
    packet = Packet(direction, Peer("outside", address), "TCP", 443)
    return Naive(after, Obeyed(**obeyed)).passes(mine, packet)


def test_cilium_cuts_both_directions_and_leaves_everybody_else_as_they_were() -> None:
    objects = shop(crd(default_deny=True))
    found = plan(objects, CILIUM)
    assert found.contained
    for direction in ("ingress", "egress"):
        assert not passes(objects, found, direction, ATTACKER, cilium=True)
        assert passes(objects, found, direction, "1.1.1.1", cilium=True)


def test_an_old_cilium_would_close_everything_so_it_is_not_used() -> None:
    found = plan(shop(crd(default_deny=False)), CILIUM)
    assert (found.steps, found.contained) == ((), False)


@pytest.mark.parametrize("enforcement", [ADMIN, TIERS], ids=["anp", "cnp"])
def test_a_tier_cuts_what_goes_out_and_says_that_the_rest_comes_in(
    enforcement: Enforcement,
) -> None:
    objects = shop()
    found = plan(objects, enforcement)
    assert found.contained is False
    assert {one.direction for one in found.residual} == {"ingress"}
    obeyed = {"anp": bool(enforcement.anp), "cnp": bool(enforcement.cnp)}
    assert not passes(objects, found, "egress", ATTACKER, **obeyed)
    assert passes(objects, found, "egress", "1.1.1.1", **obeyed)


def test_with_a_tier_and_a_policy_that_lets_the_world_in_nowhere_nothing_is_left() -> None:
    inside = network_policy("{ingress: [{from: [{podSelector: {}}]}]}")
    assert plan(shop(inside), ADMIN).contained


def test_policies_that_only_add_cannot_block() -> None:
    found = plan(shop(), PLAIN)
    assert (found.steps, found.contained) == ((), False)
    assert NO_MEANS in found.warnings
    assert {one.peer for one in found.residual} == {"8.8.4.4/32"}


def test_pods_on_their_nodes_network_are_named() -> None:
    found = plan(shop(crd(default_deny=True), host=True), CILIUM)
    assert found.contained is False
    assert "no policy governs it" in found.residual[0].because[0]


DOORS = {
    "node port": made(
        "v1", "Service", "web", "shop", spec={"type": "NodePort", "selector": {"app": "web"}}
    ),
    "ingress": made(
        "networking.k8s.io/v1",
        "Ingress",
        "web",
        "shop",
        spec={"rules": [{"http": {"paths": [{"backend": {"service": {"name": "inner"}}}]}}]},
    ),
    "route": made(
        "gateway.networking.k8s.io/v1",
        "HTTPRoute",
        "web",
        "shop",
        spec={"rules": [{"backendRefs": [{"name": "inner"}]}]},
    ),
}
INNER = made("v1", "Service", "inner", "shop", spec={"selector": {"app": "web"}})


@pytest.mark.parametrize("door", DOORS)
def test_ways_on_which_the_address_is_hidden_are_residual(door: str) -> None:
    found = plan(shop(crd(default_deny=True), INNER, DOORS[door]), CILIUM)
    assert found.contained is False
    (only,) = found.residual
    assert only.because[0].startswith(DOORS[door]["kind"])


def test_a_load_balancer_that_keeps_the_address_is_no_such_way() -> None:
    spec = {"type": "LoadBalancer", "externalTrafficPolicy": "Local", "selector": {"app": "web"}}
    service = made("v1", "Service", "web", "shop", spec=spec)
    assert plan(shop(crd(default_deny=True), service), CILIUM).contained


CLUSTER = [
    made("v1", "Node", "n1", spec={"podCIDR": "5.5.0.0/24"}),
    made("v1", "Service", "kubernetes", "default", spec={"clusterIPs": ["6.6.6.6"]}),
    made("networking.k8s.io/v1", "ServiceCIDR", "kubernetes", spec={"cidrs": ["7.7.0.0/16"]}),
    made("crd.projectcalico.org/v1", "IPPool", "default", spec={"cidr": "9.9.0.0/16"}),
]
CLUSTER[0]["status"] = {"addresses": [{"type": "InternalIP", "address": "4.4.4.4"}]}
CLUSTER.append(
    {
        **made("discovery.k8s.io/v1", "EndpointSlice", "kubernetes", "default"),
        "endpoints": [{"addresses": ["3.3.3.3"]}],
    }
)
CLUSTER.append(
    {
        **made("v1", "Service", "lb", "shop", spec={}),
        "status": {"loadBalancer": {"ingress": [{"ip": "2.2.2.2"}]}},
    }
)
NEVER = {
    "no address": ("example.org", "single addresses are blocked"),
    "a network": ("8.8.0.0/16", "single addresses are blocked"),
    "loopback": ("127.0.0.1", "loopback"),
    "loopback of IPv6": ("::1", "loopback"),
    "loopback, mapped": ("::ffff:127.0.0.1", "loopback"),
    "unspecified": ("0.0.0.0", "unspecified"),  # noqa: S104
    "metadata service": ("169.254.169.254", "link-local"),
    "link-local": ("fe80::1", "link-local"),
    "multicast": ("224.0.1.1", "multicast"),
    "private": ("10.1.2.3", "not a global unicast"),
    "shared": ("100.64.0.1", "not a global unicast"),
    "unique local": ("fd00::1", "not a global unicast"),
    "reserved": ("240.0.0.1", "not a global unicast"),
    "broadcast": ("255.255.255.255", "not a global unicast"),
    "a node": ("4.4.4.4", "an address of Node n1"),
    "a node, by NAT64": ("64:ff9b::404:404", "an address of Node n1"),
    "a node, by 6to4": ("2002:404:404::1", "an address of Node n1"),
    "a node's pods": ("5.5.0.77", "pods' network"),
    "a service": ("6.6.6.6", "an address of Service"),
    "services": ("7.7.1.1", "services' network"),
    "a pool of pods": ("9.9.1.1", "pods' network"),
    "the API server": ("3.3.3.3", "the API server"),
    "a load balancer": ("2.2.2.2", "load balancer"),
    "own egress": ("11.22.33.44", "on the list"),
}


@pytest.mark.parametrize("name", NEVER)
def test_an_address_that_is_never_blocked_is_refused_with_the_reason(name: str) -> None:
    text, why = NEVER[name]
    with pytest.raises(InputError) as caught:
        blockable(text, resources(CLUSTER), never=["11.22.33.0/24"])
    assert why in caught.value.explain()


@pytest.mark.parametrize("name", ["a service", "a load balancer"])
def test_who_asks_about_an_address_learns_no_name_of_a_namespace(name: str) -> None:
    objects = resources(CLUSTER)
    with pytest.raises(InputError) as caught:
        blockable(NEVER[name][0], objects)
    names = [one.name for one in objects if one.kind == "Service"]
    assert names and not [one for one in names if one in caught.value.explain().split("(")[0]]
    assert "Services of this cluster" in caught.value.explain()


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("8.8.4.4", "8.8.4.4"),
        ("203.0.113.9", "203.0.113.9"),
        ("::ffff:8.8.4.4", "8.8.4.4"),
        ("2001:4860::1", "2001:4860::1"),
    ],
)
def test_an_address_of_the_world_may_be_blocked(text: str, plain: str) -> None:
    assert str(blockable(text, resources(CLUSTER))) == plain


@pytest.mark.parametrize(
    ("text", "allowed"),
    [("10.1.2.3", True), ("fd00::1", True), ("127.0.0.1", False), ("169.254.1.1", False)],
)
def test_private_addresses_only_where_asked_and_never_the_hosts_own(
    text: str, allowed: bool
) -> None:
    more: dict[str, Any] = {"private": True}
    if allowed:
        assert str(blockable(text, [], **more)) == text
    else:
        with pytest.raises(InputError):
            blockable(text, [], **more)
