"""Azure networks: which ports the internet reaches through network security groups, and what
hangs behind them.

A rule is written inline (``security_rule``) or as ``azurerm_network_security_rule``, its ports and
sources as one text or as lists. Azure takes the matching rule of the lowest ``priority``, so an
opening behind a wider refusal is none.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from haechi.checks.terraform.aws_network import ADMIN, DATA
from haechi.checks.terraform.view import (
    Block,
    Hit,
    blocks,
    fails,
    is_set,
    linked,
    number,
    open_to_world,
    require_no_doubt,
    target,
    text,
    texts,
    truth,
)
from haechi.model.location import AttrPath
from haechi.model.resource import Resource
from haechi.model.review import Review

GROUP = "azurerm_network_security_group"
RULE = "azurerm_network_security_rule"
_TCP = ("*", "tcp", "any", "")
_UDP = ("*", "udp", "any", "")
_AMPLIFIERS = {
    19: "chargen",
    53: "DNS",
    69: "TFTP",
    111: "portmap",
    123: "NTP",
    137: "NetBIOS",
    161: "SNMP",
    389: "CLDAP",
    1900: "SSDP",
    3702: "WS-Discovery",
    5353: "mDNS",
    11211: "memcached",
}
_LINKS = (
    ("azurerm_subnet_network_security_group_association", "subnet_id"),
    ("azurerm_network_interface_security_group_association", "network_interface_id"),
)
_OWN_RULES = (
    "AzureFirewallSubnet",
    "AzureFirewallManagementSubnet",
    "GatewaySubnet",
    "RouteServerSubnet",
    "AzureBastionSubnet",
)
"""Subnets of Azure's own services, which take no group or bring their own."""

Ports = tuple[tuple[int, int], ...]


class Opening(msgspec.Struct, frozen=True):
    """What one rule lets in from the whole internet."""

    source: str
    ports: Ports
    protocol: str
    priority: float
    path: AttrPath

    def named(self, services: dict[int, str]) -> list[str]:
        """The services that are let in."""
        found = (f"{name} ({port})" for port, name in services.items() if self.has(port, port))
        return list(dict.fromkeys(found))

    def has(self, low: int, high: int) -> bool:
        return any(first <= low and high <= last for first, last in self.ports)

    @property
    def is_all(self) -> bool:
        return self.has(1, 65535)


def openings(resource: Resource) -> Iterator[Opening]:
    """Rules of a group, or a rule of its own, that let the internet in."""
    for block in _rules(resource):
        if _word(block, "direction") == "inbound" and _word(block, "access") == "allow":
            yield from _opening(block)


def _rules(resource: Resource) -> Iterator[Block]:
    if resource.kind == RULE:
        yield Block(resource.data, ())
    else:
        yield from blocks(resource, "security_rule", possible=True)


def _opening(block: Block) -> Iterator[Opening]:
    for name in ("source_address_prefix", "source_address_prefixes"):
        source = open_to_world(block.get(name))
        if source:
            yield Opening(
                source,
                tuple(_ports(block)),
                _word(block, "protocol"),
                number(block.get("priority"), 4096) or 0,
                block.at(name),
            )
            return


def _ports(block: Block) -> Iterator[tuple[int, int]]:
    for name in ("destination_port_range", "destination_port_ranges"):
        for word in texts(block.get(name)):
            for piece in word.split(","):
                yield from _range(piece.strip())


def _range(word: str) -> Iterator[tuple[int, int]]:
    first, dash, last = word.partition("-")
    if word == "*":
        yield 0, 65535
    elif first.strip().isdigit() and (not dash or last.strip().isdigit()):
        yield int(first), int(last) if dash else int(first)


def _word(block: Block, name: str) -> str:
    return (text(block.get(name)) or "").strip().lower()


def admin_open(review: Review) -> Iterator[Hit]:
    """SSH, RDP and the like for the whole internet."""
    yield from _services(review, ADMIN)


def data_open(review: Review) -> Iterator[Hit]:
    """Databases and inner services for the whole internet."""
    yield from _services(review, DATA)


def _services(review: Review, services: dict[int, str]) -> Iterator[Hit]:
    for opening in openings(review.resource):
        if opening.is_all or opening.protocol not in _TCP:
            continue
        names = opening.named(services)
        if names and not _is_refused(review, opening):
            some = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
            yield Hit(_told(review, opening, some), opening.path)


def all_open(review: Review) -> Iterator[Hit]:
    """Every port for the whole internet."""
    for opening in openings(review.resource):
        if opening.protocol in _TCP and opening.is_all and not _is_refused(review, opening):
            yield Hit(_told(review, opening, "every port"), opening.path)


def udp_open(review: Review) -> Iterator[Hit]:
    """Services over UDP that answer strangers with more than they were asked."""
    for opening in openings(review.resource):
        if opening.protocol not in _UDP or (opening.is_all and opening.protocol != "udp"):
            continue  # all-open tells of every protocol
        names = ["every port"] if opening.is_all else opening.named(_AMPLIFIERS)
        if names and not _is_refused(review, opening):
            yield Hit(_told(review, opening, ", ".join(names[:4]) + " over UDP"), opening.path)


def _is_refused(review: Review, opening: Opening) -> bool:
    """Whether a rule of the same group that comes first refuses all that this one lets in."""
    group = _group(review)
    if group is None:
        return False
    near = [group, *linked(review, RULE, "network_security_group_name", about=group)]
    for block in (block for one in near for block in _rules(one)):
        if _word(block, "access") != "deny" or _word(block, "direction") != "inbound":
            continue
        first = (number(block.get("priority"), 4096) or 0) < opening.priority
        protocol = _word(block, "protocol")
        if not first or protocol not in ("*", opening.protocol):
            continue
        if not open_to_world(block.get("source_address_prefix")):
            continue
        refused = tuple(_ports(block))
        if all(any(a <= low and high <= b for a, b in refused) for low, high in opening.ports):
            return True
    return False


def _group(review: Review) -> Resource | None:
    if review.resource.kind == GROUP:
        return review.resource
    found = target(review, "network_security_group_name", type_=GROUP)
    return found[0] if found else None


def _told(review: Review, opening: Opening, what: str) -> str:
    group = _group(review)
    users = _users(review, group) if group else []
    behind = f"; {', '.join(users[:3])} behind it" if users else ""
    return f"{opening.source} reaches {what}{behind}"


def _users(review: Review, group: Resource) -> list[str]:
    names: list[str] = []
    for type_, attribute in _LINKS:
        for link in linked(review, type_, "network_security_group_id", about=group):
            names += [one.name for one in target(review, attribute, about=link)]
    names += [
        one.name
        for one in linked(review, "azurerm_virtual_network", "subnet.security_group", about=group)
    ]
    return sorted(dict.fromkeys(names))


def subnet_unguarded(review: Review) -> Iterator[Hit]:
    """A subnet with machines in it that no security group is attached to."""
    resource = review.resource
    if text(resource.data.get("name")) in _OWN_RULES:
        return
    links = "azurerm_subnet_network_security_group_association"
    if linked(review, links, "subnet_id"):
        return
    cards = linked(review, "azurerm_network_interface", "ip_configuration.subnet_id")
    bare = [card for card in cards if not _has_group(review, card)]
    if bare:
        require_no_doubt(review, links, "subnet_id")
        names = ", ".join(sorted(card.name for card in bare)[:3])
        yield fails(f"nothing filters what reaches {names}")


def _has_group(review: Review, card: Resource) -> bool:
    links = "azurerm_network_interface_security_group_association"
    return is_set(card.data.get("network_security_group_id")) or bool(
        linked(review, links, "network_interface_id", about=card)
    )


def public_card(review: Review) -> Iterator[Hit]:
    """A machine with a public address of its own."""
    for block in blocks(review.resource, "ip_configuration"):
        if is_set(block.get("public_ip_address_id")):
            yield Hit("it has a public address of its own", block.at("public_ip_address_id"))
            return


def open_by_default(review: Review) -> Iterator[Hit]:
    """A Basic public address without a security group: such an address lets everything in."""
    card = review.resource
    for block in blocks(card, "ip_configuration"):
        for address in target(review, "public_ip_address_id", about=_about(card, block)):
            if (text(address.data.get("sku")) or "").lower() != "basic":
                continue
            if _has_group(review, card) or _subnet_has_group(review, card):
                return
            yield Hit(
                f"{address.name} is of SKU Basic, and no security group stands before it",
                block.at("public_ip_address_id"),
            )


def _about(card: Resource, block: Block) -> Resource:
    return msgspec.structs.replace(card, data=dict(block.data))


def _subnet_has_group(review: Review, card: Resource) -> bool:
    links = "azurerm_subnet_network_security_group_association"
    subnets = target(review, "ip_configuration.subnet_id", about=card)
    require_no_doubt(review, links, "subnet_id")
    return not subnets or any(linked(review, links, "subnet_id", about=one) for one in subnets)


def flow_log_short(review: Review) -> Iterator[Hit]:
    """A flow log that is off, or forgotten within 90 days. 0 days are kept for ever."""
    resource = review.resource
    if not truth(resource.data.get("enabled"), True):
        yield fails("it is switched off", "enabled")
        return
    for block in blocks(resource, "retention_policy"):
        days = number(block.get("days"), 0) or 0
        if truth(block.get("enabled"), False) and 0 < days < 90:
            yield Hit(f"it is forgotten after {days:g} days", block.at("days"))


def firewall_allows_all(review: Review) -> Iterator[Hit]:
    """A rule of Azure Firewall that lets everything through to everywhere."""
    for block, action in _firewall_rules(review.resource):
        wide = all(
            open_to_world(_first(block, *names)) for names in (_SOURCES, _TARGETS)
        ) and "*" in texts(block.get("destination_ports"))
        if action == "allow" and wide:
            yield Hit("everything may go everywhere on every port", block.at("destination_ports"))


_SOURCES = ("source_addresses",)
_TARGETS = ("destination_addresses",)


def _firewall_rules(resource: Resource) -> Iterator[tuple[Block, str]]:
    if resource.kind == "azurerm_firewall_network_rule_collection":
        action = (text(resource.data.get("action")) or "").lower()
        for rule in blocks(resource, "rule"):
            yield rule, action
        return
    for collection in blocks(resource, "network_rule_collection"):
        action = _word(collection, "action")
        for rule in blocks(collection, "rule"):
            yield rule, action


def _first(block: Block, *names: str) -> Any:
    return next((block.get(name) for name in names if block.get(name) is not None), None)


def weak_ipsec(review: Review) -> Iterator[Hit]:
    """A tunnel that agrees to ciphers and groups which are broken."""
    for block in blocks(review.resource, "ipsec_policy"):
        for name, weak in _WEAK.items():
            word = text(block.get(name))
            if word in weak:
                yield Hit(f"{name} is {word}", block.at(name))


_WEAK = {
    "dh_group": ("None", "DHGroup1", "DHGroup2"),
    "ike_encryption": ("DES", "DES3"),
    "ike_integrity": ("MD5", "SHA1"),
    "ipsec_encryption": ("None", "DES", "DES3"),
    "ipsec_integrity": ("MD5", "SHA1"),
    "pfs_group": ("PFS1", "PFS2"),
}
