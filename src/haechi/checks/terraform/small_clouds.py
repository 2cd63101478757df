"""Oracle Cloud, DigitalOcean and Cloudflare: what stands open to the internet, and old TLS."""

from __future__ import annotations

import re
from collections.abc import Iterator

from haechi.checks.terraform.aws_network import ADMIN, DATA
from haechi.checks.terraform.view import (
    Block,
    Hit,
    blocks,
    fails,
    is_unknown,
    number,
    open_to_world,
    text,
    texts,
    truth,
)
from haechi.errors import NotEvaluated
from haechi.model.review import Review

_ANYBODY = re.compile(r"\s*allow\s+any-(?:user|group)\s+to\s+(\w+)\s+([\w-]+)\s", re.IGNORECASE)
_EVERYTHING = re.compile(
    r"\s*allow\s+\S+\s+\S.*?\s+to\s+manage\s+all-resources\s+in\s+tenancy\s*\Z", re.IGNORECASE
)
_SERVICES = ADMIN | DATA
_OLD_TLS = ("1.0", "1.1")


def oracle_open(review: Review) -> Iterator[Hit]:
    """A security list or rule that lets the internet in to more than the web."""
    resource = review.resource
    if resource.kind == "oci_core_network_security_group_security_rule":
        rule = Block(resource.data, ())
        if (text(rule.get("direction")) or "").upper() == "INGRESS":
            yield from _oracle_rule(rule)
        return
    for rule in blocks(resource, "ingress_security_rules", possible=True):
        yield from _oracle_rule(rule)


def _oracle_rule(rule: Block) -> Iterator[Hit]:
    world = open_to_world(rule.get("source"))
    protocol = (text(rule.get("protocol")) or "all").lower()
    if not world or protocol not in ("all", "6", "17"):
        return
    told = _told(*_oracle_ports(rule))
    if told:
        yield Hit(f"{world} reaches {told}", rule.at("source"))


def _oracle_ports(rule: Block) -> tuple[int, int]:
    for name in ("tcp_options", "udp_options"):
        for options in blocks(rule, name):
            ranges = [options, *blocks(options, "destination_port_range")]
            for one in ranges:
                low, high = number(one.get("min")), number(one.get("max"))
                if low is not None and high is not None:
                    return int(low), int(high)
    return 0, 65535


def _told(low: int, high: int) -> str:
    """What of a range of ports is more than the web."""
    if low <= 1 and high >= 65535:
        return "every port"
    names = [f"{name} ({port})" for port, name in _SERVICES.items() if low <= port <= high]
    return ", ".join(names[:4])


def oracle_policy(review: Review) -> Iterator[Hit]:
    """A policy for everybody, or for everything."""
    for statement in texts(review.resource.data.get("statements")):
        found = _ANYBODY.match(statement + " ")
        if found and " where " not in statement.lower():
            yield fails(f"everybody may {found[1]} {found[2]}", "statements")
            return
        if _EVERYTHING.match(statement) and "group administrators" not in statement.lower():
            yield fails("its group may do everything in the tenancy", "statements")
            return


def droplets_open(review: Review) -> Iterator[Hit]:
    """A firewall of DigitalOcean that lets the internet in to more than the web."""
    for rule in blocks(review.resource, "inbound_rule", possible=True):
        world = open_to_world(rule.get("source_addresses"))
        if not world or text(rule.get("protocol")) == "icmp":
            continue
        told = _told(*_droplet_ports(rule))
        if told:
            yield Hit(f"{world} reaches {told}", rule.at("source_addresses"))


def _droplet_ports(rule: Block) -> tuple[int, int]:
    ports = text(rule.get("port_range"))
    if ports in (None, "all", "0", ""):
        return 0, 65535
    low, dash, high = str(ports).partition("-")
    try:
        return int(low), int(high if dash else low)
    except ValueError:
        raise NotEvaluated(f"{ports!r} is no port") from None


def database_open(review: Review) -> Iterator[Hit]:
    """A database of DigitalOcean that takes connections from the whole internet."""
    for rule in blocks(review.resource, "rule", possible=True):
        if text(rule.get("type")) == "ip_addr" and open_to_world(rule.get("value")):
            yield Hit("the whole internet may connect", rule.at("value"))
            return


def balancer_plain(review: Review) -> Iterator[Hit]:
    """A load balancer that answers over plain HTTP."""
    resource = review.resource
    if truth(resource.data.get("redirect_http_to_https"), False):
        return
    for rule in blocks(resource, "forwarding_rule"):
        if text(rule.get("entry_protocol")) == "http":
            yield Hit("it answers over plain HTTP", rule.at("entry_protocol"))
            return


def edge_tls(review: Review) -> Iterator[Hit]:
    """A zone of Cloudflare that takes old TLS, by default from 1.0 on."""
    for name, found, at in _settings(review):
        if name == "min_tls_version" and found in _OLD_TLS:
            yield fails(f"TLS {found} is taken", *at)


def edge_origin(review: Review) -> Iterator[Hit]:
    """Cloudflare speaks to the server behind it without TLS, or with anybody's certificate."""
    for name, found, at in _settings(review):
        if name == "ssl" and found in ("off", "flexible"):
            yield fails(f"ssl is {found}: it speaks plain HTTP to the server", *at)


def _settings(review: Review) -> Iterator[tuple[str, str, tuple[str | int, ...]]]:
    resource = review.resource
    data = resource.data
    if resource.kind == "cloudflare_zone_setting":
        name, found = text(data.get("setting_id")), data.get("value")
        if name in ("min_tls_version", "ssl") and not isinstance(found, dict):
            yield name, (text(found) or ""), ("value",)
        return
    if resource.kind == "cloudflare_zone_settings_override":
        for block in blocks(resource, "settings"):
            for name in ("min_tls_version", "ssl"):
                if block.get(name) is not None:
                    yield name, (text(block.get(name)) or ""), block.at(name)


def access_for_everybody(review: Review) -> Iterator[Hit]:
    """An Access policy that asks nobody who they are."""
    resource = review.resource
    decision = text(resource.data.get("decision")) or ""
    if decision not in ("allow", "bypass", "non_identity"):
        return
    for name in ("require", "exclude"):
        if next(blocks(resource, name), None) is not None:
            return
    for block in blocks(resource, "include"):
        everyone = block.get("everyone")
        if is_unknown(everyone):
            continue
        if isinstance(everyone, (dict, list)) or truth(everyone, False):
            yield Hit("it lets everybody in", block.at("everyone"))
            return
