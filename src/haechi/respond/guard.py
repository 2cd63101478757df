"""What is never touched: protected namespaces, owners and addresses.

A check that says no here cannot be accepted by anybody: who wants to touch these changes the
policy's file first, where that can be seen.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Any

from haechi.model.keys import namespace_of
from haechi.model.response import ActionKind, Plan, Want
from haechi.respond.block_guard import named
from haechi.respond.ground import Site
from haechi.respond.planning import WITHOUT_CLUSTER
from haechi.respond.policy import ResponsePolicy
from haechi.respond.workloads import NODE, POD, Workloads

_MOST = 5


def protected(want: Want, plan: Plan, site: Site | None, policy: ResponsePolicy) -> str:
    """Why it may not be touched; empty: nothing protects it."""
    if want.kind in WITHOUT_CLUSTER:
        return ""
    several = [*_spaces(want, plan, policy), *_owners(want, plan, site, policy)]
    if want.kind in (ActionKind.BLOCK, ActionKind.LIMIT) and want.address:
        several += _addresses(want, site, policy)
    return "; ".join(dict.fromkeys(several[:_MOST]))


def _spaces(want: Want, plan: Plan, policy: ResponsePolicy) -> Iterator[str]:
    names = {want.namespace, *(namespace_of(key) for key in plan.touches)} - {"-", ""}
    for name in sorted(names):
        if entry := policy.namespace_kept(name):
            yield f"namespace {name} is protected (protected.namespaces: {entry})"


def _owners(want: Want, plan: Plan, site: Site | None, policy: ResponsePolicy) -> Iterator[str]:
    if site is None:
        return
    workloads = Workloads(site.objects)
    for key in dict.fromkeys([want.resource, *plan.touches]):
        found = site.by_key.get(key)
        if found is None:
            continue
        kinds = [owner.kind for owner in workloads.owners(found)]
        if found.type != NODE:  # to cordon a Node is not to touch what the Node owns
            kinds.append(found.kind)
        for kind in kinds:
            if entry := policy.owner_kept(kind):
                what = "a static pod of its node" if kind == "Node" else f"of a {kind}"
                yield f"{found.label} is {what} (protected.owners: {entry})"


def _addresses(want: Want, site: Site | None, policy: ResponsePolicy) -> Iterator[str]:
    if entry := policy.address_kept(want.address):
        yield f"{want.address} is protected (protected.addresses: {entry})"
        return
    ip = ipaddress.ip_address(want.address)
    for words, network in own_networks(site) if site is not None else ():
        if ip in network:
            yield f"{want.address} is {words}"


def own_networks(site: Site) -> Iterator[tuple[str, Any]]:
    """The cluster's own addresses: its nodes, the networks of their pods, services and what is
    behind them. To block these is to cut the cluster, not an attacker."""
    for one in site.objects:
        data = one.data if isinstance(one.data, dict) else {}
        spec, status = data.get("spec") or {}, data.get("status") or {}
        if one.type == NODE:
            for entry in status.get("addresses") or ():
                yield from _network(f"an address of {one.label}", entry.get("address"))
            for text in spec.get("podCIDRs") or [spec.get("podCIDR")]:
                yield from _network(f"in the pods' network of {one.label}", text)
        elif one.type == "core/Service":
            for text in (*(spec.get("clusterIPs") or ()), *(spec.get("externalIPs") or ())):
                yield from _network(f"an address of {named(one)}", text)
            for entry in (status.get("loadBalancer") or {}).get("ingress") or ():
                yield from _network(f"a load balancer of {named(one)}", entry.get("ip"))
        elif one.type == POD:
            for entry in status.get("podIPs") or ():
                yield from _network(f"an address of {named(one)}", entry.get("ip"))


def _network(words: str, text: Any) -> Iterator[tuple[str, Any]]:
    try:
        yield words, ipaddress.ip_network(text, strict=False)
    except (ValueError, TypeError):
        return
