"""Google Cloud networks: what firewall rules and policies let in, from where, to which machines,
and how load balancers speak.

A rule without sources is for everybody; one that is disabled, denies, or stands behind a rule that
denies the same with a smaller number in front of it lets nothing in.
https://cloud.google.com/firewall/docs/firewalls#rule_assignment
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import msgspec

from haechi.checks.terraform.aws_network import ADMIN, DATA
from haechi.checks.terraform.google_networks import networks_of, networks_of_machine
from haechi.checks.terraform.links import root_of
from haechi.checks.terraform.ports import is_world
from haechi.checks.terraform.view import (
    Block,
    Hit,
    blocks,
    fails,
    is_set,
    is_unknown,
    number,
    open_to_world,
    resources,
    text,
    texts,
    truth,
)
from haechi.errors import NotEvaluated
from haechi.model.location import AttrPath
from haechi.model.resource import Resource
from haechi.model.review import Review

FIREWALL = "google_compute_firewall"
_FTP = {20: "FTP", 21: "FTP"}
_PORTLESS = frozenset({"icmp", "esp", "ah", "ipip", "1", "50", "51", "58", "112", "icmpv6", "vrrp"})
_MACHINES = (
    "google_compute_instance",
    "google_compute_instance_template",
    "google_compute_region_instance_template",
)
_PROXY_ONLY = (
    "INTERNAL_HTTPS_LOAD_BALANCER",
    "REGIONAL_MANAGED_PROXY",
    "GLOBAL_MANAGED_PROXY",
    "PRIVATE_SERVICE_CONNECT",
    "PRIVATE_NAT",
)


class Opening(msgspec.Struct, frozen=True):
    """What one rule lets in from the whole internet; ``worlds`` are all of its sources that are
    so wide, in IPv4 and IPv6."""

    cidr: str
    protocol: str
    ranges: tuple[tuple[int, int], ...]
    path: AttrPath
    worlds: tuple[str, ...] = ("0.0.0.0/0",)

    def has(self, port: int) -> bool:
        """Whether a port is let in over TCP or UDP."""
        if self.protocol in _PORTLESS:
            return False
        return any(low <= port <= high for low, high in self.ranges)

    @property
    def is_all(self) -> bool:
        """Every port, or nearly."""
        if self.protocol in _PORTLESS:
            return False
        return any(low <= 1 and high >= 65535 for low, high in self.ranges)

    def named(self, ports: dict[int, str]) -> list[str]:
        """The services of ``ports`` that are let in."""
        found = (f"{name} ({port})" for port, name in ports.items() if self.has(port))
        return list(dict.fromkeys(found))


def openings(review: Review, rule: Resource | None = None) -> Iterator[Opening]:
    """What the internet may enter by, through a rule of either kind."""
    resource = rule or review.resource
    if not _is_in_force(resource):
        return
    block = Block(resource.data, ())
    if resource.kind == FIREWALL:
        world = _world(resource)
        if world:
            worlds = tuple(_worlds(resource))
            for allow in blocks(resource, "allow", possible=True):
                opening = _opening(world, allow, allow.get("protocol"), allow.get("ports"))
                yield msgspec.structs.replace(opening, worlds=worlds)
        return
    if (text(block.get("action")) or "").lower() != "allow":
        return
    for match in blocks(resource, "match"):
        sources = match.get("src_ip_ranges")
        others = any(is_set(match.get(name)) for name in _OTHER_SOURCES)
        world = open_to_world(sources) if sources is not None or others else "0.0.0.0/0"
        if world:
            for layer in blocks(match, "layer4_configs", possible=True):
                yield _opening(world, layer, layer.get("ip_protocol"), layer.get("ports"))


_OTHER_SOURCES = (
    "src_secure_tags",
    "src_address_groups",
    "src_fqdns",
    "src_region_codes",
    "src_networks",
    "src_network_scope",
    "src_threat_intelligences",
)


def _opening(world: str, block: Block, protocol: Any, ports: Any) -> Opening:
    name = (text(protocol) or "all").lower()
    found = tuple(_range(port) for port in texts(ports)) if ports is not None else ()
    at = "ports" if found else ("protocol" if block.get("protocol") is not None else "ip_protocol")
    return Opening(world, name, found or ((0, 65535),), block.at(at))


def _range(port: str) -> tuple[int, int]:
    low, dash, high = port.partition("-")
    try:
        return int(low), int(high if dash else low)
    except ValueError:
        raise NotEvaluated(f"{port!r} is no port") from None


def _is_in_force(rule: Resource) -> bool:
    direction = (text(rule.data.get("direction")) or "INGRESS").upper()
    return direction == "INGRESS" and not truth(rule.data.get("disabled"), False)


def _world(rule: Resource) -> str | None:
    """The block that is the internet. A rule that names tags or accounts as its only source is
    for machines inside."""
    sources = rule.data.get("source_ranges")
    if sources is None or (not is_unknown(sources) and sources == []):
        inside = is_set(rule.data.get("source_tags")) or is_set(
            rule.data.get("source_service_accounts")
        )
        return None if inside else "0.0.0.0/0 (no source is named)"
    return open_to_world(sources)


def _worlds(rule: Resource) -> list[str]:
    found = [one for one in _told_texts(rule.data.get("source_ranges") or []) if is_world(one)]
    return found or ["0.0.0.0/0"]


def admin_open(review: Review) -> Iterator[Hit]:
    """SSH, RDP and the like for the whole internet."""
    yield from _open(review, ADMIN)


def data_open(review: Review) -> Iterator[Hit]:
    """Databases and inner services for the whole internet."""
    yield from _open(review, DATA)


def ftp_open(review: Review) -> Iterator[Hit]:
    """FTP for the whole internet."""
    yield from _open(review, _FTP)


def _open(review: Review, ports: dict[int, str]) -> Iterator[Hit]:
    for opening in openings(review):
        if opening.is_all:
            continue
        some = {p: name for p, name in ports.items() if opening.has(p)}
        some = {p: name for p, name in some.items() if not _is_denied(review, opening, (p, p))}
        names = opening.named(some)
        if names:
            told = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
            yield Hit(f"{opening.cidr} reaches {told}{_behind(review)}", opening.path)


def all_open(review: Review) -> Iterator[Hit]:
    """Every port for the whole internet."""
    for opening in openings(review):
        if opening.is_all and not _is_denied(review, opening, (0, 65535)):
            yield Hit(f"{opening.cidr} reaches every port{_behind(review)}", opening.path)


def whole_network(review: Review) -> Iterator[Hit]:
    """A rule for the internet that names no machines: it is for all of them."""
    data = review.resource.data
    if is_set(data.get("target_tags")) or is_set(data.get("target_service_accounts")):
        return
    for opening in openings(review):
        if opening.protocol not in _PORTLESS and not _is_denied(review, opening, opening.ranges[0]):
            yield Hit(f"{opening.cidr} reaches every machine of the network by it", opening.path)
            return


def _is_denied(review: Review, opening: Opening, ports: tuple[int, int]) -> bool:
    """Whether a rule with the same or a smaller number denies the internet these ports first."""
    mine = review.resource
    if mine.kind != FIREWALL:
        return False
    priority = number(mine.data.get("priority"), 1000) or 0
    return any(
        (number(one.data.get("priority"), 1000) or 0) <= priority
        and _denies(one, opening, ports)
        and _has_network_of(review, one)
        and _is_for_targets_of(one, mine)
        for one in _denying(review)
        if one is not mine and next(blocks(one, "deny"), None) is not None and _is_in_force(one)
    )


def _denying(review: Review) -> list[Resource]:
    """The rules that may deny something, sorted out once for all that allow."""
    known: dict[str, list[Resource]] = review.shared.setdefault("google denying rules", {})
    root = root_of(review.resource)
    if root not in known:
        found = resources(review, FIREWALL)
        known[root] = [one for one in found if one.data.get("deny") is not None]
    return known[root]


def _denies(rule: Resource, opening: Opening, ports: tuple[int, int]) -> bool:
    sources = rule.data.get("source_ranges")
    denied = {"0.0.0.0/0"} if sources is None else set(_told_texts(sources))
    if not set(opening.worlds) <= denied:
        return False
    for block in blocks(rule, "deny"):
        if text(block.get("protocol")) not in ("all", opening.protocol):
            continue
        ranges = [_range(port) for port in texts(block.get("ports"))] or [(0, 65535)]
        if any(low <= ports[0] and ports[1] <= high for low, high in ranges):
            return True
    return False


def _told_texts(sources: Any) -> list[str]:
    if is_unknown(sources):
        return []
    return [str(one) for one in sources if not is_unknown(one)]


def _has_network_of(review: Review, other: Resource) -> bool:
    mine = networks_of(review, review.resource)
    return bool(mine & networks_of(review, other))


def _is_for_targets_of(deny: Resource, allow: Resource) -> bool:
    """A rule without targets is for every machine."""
    for name in ("target_tags", "target_service_accounts"):
        theirs = deny.data.get(name)
        if theirs is None:
            continue
        mine = allow.data.get(name)
        if mine is None or not set(texts(mine)) <= set(texts(theirs)):
            return False
    return True


def _behind(review: Review) -> str:
    """The machines that a rule is for, as far as they are here."""
    try:
        machines = _machines(review, review.resource)
    except NotEvaluated:
        return ""
    if not machines:
        return ""
    return f"; it is for {', '.join(one.name for one in machines[:3])}"


def _machines(review: Review, rule: Resource) -> list[Resource]:
    if rule.kind != FIREWALL:
        return []
    tags = rule.data.get("target_tags")
    if tags is None:
        return []
    wanted = set(texts(tags))
    return [
        machine
        for kind in _MACHINES
        for machine in resources(review, kind)
        if not is_unknown(machine.data.get("tags"))
        and wanted & set(texts(machine.data.get("tags")))
    ]


def reachable_machine(review: Review) -> Iterator[Hit]:
    """A machine with a public address behind a rule that lets everybody administer it."""
    machine = review.resource
    place = next(public_addresses(machine), None)
    if place is None:
        return
    networks = cache(lambda: networks_of_machine(review, machine))
    for rule in resources(review, FIREWALL):
        if not _is_for(review, rule, machine, networks):
            continue
        for opening in openings(review, rule):
            about = Review(resource=rule, scope=review.scope, shared=review.shared)
            ports = [p for p in ADMIN if opening.has(p)]
            open_ = [p for p in ports if not _is_denied(about, opening, (p, p))]
            if open_:
                names = ", ".join(dict.fromkeys(f"{ADMIN[p]} ({p})" for p in open_))
                yield Hit(f"{opening.cidr} reaches {names} through {rule.name}", place)
                return


def _is_for(
    review: Review, rule: Resource, machine: Resource, networks: Callable[[], set[str]]
) -> bool:
    """Whether a rule is for a machine: a tag of it, or its network when no target is named."""
    tags = rule.data.get("target_tags")
    if is_unknown(tags) or is_set(rule.data.get("target_service_accounts")):
        return False
    if tags is not None:
        return bool(set(texts(tags)) & set(texts(machine.data.get("tags"))))
    return bool(networks_of(review, rule) & networks())


def public_addresses(machine: Resource) -> Iterator[AttrPath]:
    """Where an instance or a template asks for a public address."""
    for card in blocks(machine, "network_interface", possible=True):
        for name in ("access_config", "ipv6_access_config"):
            for block in blocks(card, name):
                yield block.path


def default_network(review: Review) -> Iterator[Hit]:
    """A machine or cluster in the network that every project begins with."""
    resource = review.resource
    if resource.kind == "google_container_cluster":
        name = text(resource.data.get("network"))
        if name in (None, "default") and resource.data.get("subnetwork") is None:
            yield fails("it is in the default network", "network")
        return
    for card in blocks(resource, "network_interface"):
        name = card.get("network")
        if not is_unknown(name) and text(name) == "default":
            yield Hit("it is in the default network", card.at("network"))
            return


def no_flow_logs(review: Review) -> Iterator[Hit]:
    """Nobody writes down who talks to whom."""
    data = review.resource.data
    if text(data.get("purpose")) in _PROXY_ONLY or data.get("log_config") is not None:
        return
    yield fails("nobody writes down who talks to whom in it", "log_config")


def no_private_access(review: Review) -> Iterator[Hit]:
    """Machines without a public address cannot reach Google's own services."""
    data = review.resource.data
    if text(data.get("purpose")) in _PROXY_ONLY:
        return
    if not truth(data.get("private_ip_google_access"), False):
        yield fails(
            "machines need a public address, or a gateway, to reach Google's APIs",
            "private_ip_google_access",
        )
