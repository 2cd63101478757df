"""Amazon VPC: which ports the internet reaches, by security groups in all their spellings and by
network ACLs, and what hangs behind them.

A rule of a security group is written inline (``ingress``), as ``aws_security_group_rule`` or as
``aws_vpc_security_group_ingress_rule``; the same judge reads all three.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from haechi.checks.terraform.view import (
    Block,
    Hit,
    blocks,
    covers,
    fails,
    is_set,
    linked,
    number,
    open_to_world,
    require_no_doubt,
    target,
    text,
    truth,
)
from haechi.model.location import AttrPath
from haechi.model.resource import Resource
from haechi.model.review import Review

GROUP = "aws_security_group"
ADMIN = {22: "SSH", 3389: "RDP", 5985: "WinRM", 5986: "WinRM", 23: "Telnet"}
DATA = {
    1433: "SQL Server",
    1521: "Oracle",
    2375: "Docker's API",
    2376: "Docker's API",
    2379: "etcd",
    3306: "MySQL",
    5432: "PostgreSQL",
    5601: "Kibana",
    5984: "CouchDB",
    6379: "Redis",
    6443: "Kubernetes' API",
    7001: "Cassandra",
    8020: "HDFS",
    9042: "Cassandra",
    9092: "Kafka",
    9200: "Elasticsearch",
    9300: "Elasticsearch",
    10250: "the kubelet",
    11211: "memcached",
    27017: "MongoDB",
    27018: "MongoDB",
    445: "SMB",
    135: "RPC",
    139: "NetBIOS",
    2049: "NFS",
}
_USERS = (
    ("aws_instance", "vpc_security_group_ids"),
    ("aws_instance", "security_groups"),
    ("aws_launch_template", "vpc_security_group_ids"),
    ("aws_launch_configuration", "security_groups"),
    ("aws_network_interface", "security_groups"),
    ("aws_lb", "security_groups"),
    ("aws_alb", "security_groups"),
    ("aws_elb", "security_groups"),
    ("aws_db_instance", "vpc_security_group_ids"),
    ("aws_rds_cluster", "vpc_security_group_ids"),
    ("aws_redshift_cluster", "vpc_security_group_ids"),
    ("aws_elasticache_cluster", "security_group_ids"),
    ("aws_eks_cluster", "vpc_config.security_group_ids"),
    ("aws_ecs_service", "network_configuration.security_groups"),
    ("aws_lambda_function", "vpc_config.security_group_ids"),
)


_DESTINATIONS = (
    "destination_cidr_block",
    "cidr_block",
    "destination_ipv6_cidr_block",
    "ipv6_cidr_block",
)


class Opening(msgspec.Struct, frozen=True):
    """What one ingress rule lets in from the whole internet. ``low`` and ``high`` are ports,
    0 and 65535 for every protocol."""

    cidr: str
    low: int
    high: int
    every: bool
    path: AttrPath

    def named(self, ports: dict[int, str]) -> list[str]:
        """The services of ``ports`` that are let in."""
        found = (f"{name} ({port})" for port, name in ports.items() if self.has(port))
        return list(dict.fromkeys(found))

    def has(self, port: int) -> bool:
        return self.every or covers(self.low, self.high, port)


def openings(resource: Resource) -> Iterator[Opening]:
    """What the internet may enter by, in any of the three spellings."""
    match resource.kind:
        case "aws_security_group" | "aws_default_security_group":
            for block in blocks(resource, "ingress", possible=True):
                yield from _opening(block, block.path, "cidr_blocks", "ipv6_cidr_blocks")
        case "aws_security_group_rule":
            if text(resource.data.get("type")) == "ingress":
                whole = Block(resource.data, ())
                yield from _opening(whole, (), "cidr_blocks", "ipv6_cidr_blocks")
        case _:
            yield from _opening(Block(resource.data, ()), (), "cidr_ipv4", "cidr_ipv6")


def _opening(block: Block, path: AttrPath, *names: str) -> Iterator[Opening]:
    protocol = (text(block.get("protocol") or block.get("ip_protocol")) or "-1").lower()
    every = protocol in ("-1", "all")
    if protocol in ("icmp", "icmpv6", "1", "58"):
        return
    for name in names:
        found = open_to_world(_listed(block.get(name)))
        if found:
            low, high = number(block.get("from_port"), 0), number(block.get("to_port"), 65535)
            yield Opening(found, int(low or 0), int(high or 0), every, (*path, name))


def _listed(found: Any) -> Any:
    return [found] if isinstance(found, str) else found


def admin_open(review: Review) -> Iterator[Hit]:
    """SSH, RDP and the like for the whole internet."""
    for opening in openings(review.resource):
        names = [] if _is_all(opening) else opening.named(ADMIN)
        if names:
            yield Hit(_told(review, opening, ", ".join(names)), opening.path)


def data_open(review: Review) -> Iterator[Hit]:
    """Databases and inner services for the whole internet."""
    for opening in openings(review.resource):
        names = [] if _is_all(opening) else opening.named(DATA)
        if names:
            some = ", ".join(names[:4]) + (f" and {len(names) - 4} more" if len(names) > 4 else "")
            yield Hit(_told(review, opening, some), opening.path)


def all_open(review: Review) -> Iterator[Hit]:
    """Every port for the whole internet."""
    for opening in openings(review.resource):
        if _is_all(opening):
            yield Hit(_told(review, opening, "every port"), opening.path)


def _is_all(opening: Opening) -> bool:
    return opening.every or (opening.low <= 1 and opening.high >= 65535)


def _told(review: Review, opening: Opening, what: str) -> str:
    group = review.resource
    if group.kind != GROUP:
        found = target(review, "security_group_id", type_=GROUP)
        group = found[0] if found else group
    users = _users(review, group)
    behind = f"; {', '.join(users[:3])} use this group" if users else ""
    return f"{opening.cidr} reaches {what}{behind}"


def _users(review: Review, group: Resource) -> list[str]:
    names = [
        one.name
        for type_, attribute in _USERS
        for one in linked(review, type_, attribute, about=group)
    ]
    return sorted(dict.fromkeys(names))


def egress_open(review: Review) -> Iterator[Hit]:
    """A group, or a rule of one, that lets everything out to everywhere."""
    resource = review.resource
    if resource.kind == "aws_security_group":
        rules = blocks(resource, "egress")
    elif resource.kind == "aws_security_group_rule" and text(resource.data.get("type")) != "egress":
        return
    else:
        rules = iter([Block(resource.data, ())])
    for rule in rules:
        if not _is_everything(rule):
            continue
        for name in ("cidr_blocks", "ipv6_cidr_blocks", "cidr_ipv4", "cidr_ipv6"):
            found = open_to_world(rule.get(name))
            if found:
                yield Hit(f"everything may leave to {found}", rule.at(name))
                return


def _is_everything(rule: Block) -> bool:
    """Every protocol, or every port of TCP, by which anything can be carried."""
    protocol = (text(rule.get("protocol") or rule.get("ip_protocol")) or "").lower()
    if protocol in ("-1", "all"):
        return True
    first, last = number(rule.get("from_port")), number(rule.get("to_port"))
    return protocol in ("tcp", "6") and (first or 0) <= 1 and (last or 0) >= 65535


def default_group_used(review: Review) -> Iterator[Hit]:
    """The default group, which everything gets that names none, lets something through."""
    resource = review.resource
    for name in ("ingress", "egress"):
        if next(blocks(resource, name), None) is not None:
            yield fails(f"the default group has a rule for {name}", name)
            return


def acl_open(review: Review) -> Iterator[Hit]:
    """A network ACL that lets administration in from everywhere."""
    resource = review.resource
    if resource.kind == "aws_network_acl_rule":
        if not truth(resource.data.get("egress"), False):
            yield from _acl_rule(Block(resource.data, ()), "cidr_block", "rule_action")
        return
    for block in blocks(resource, "ingress", possible=True):
        yield from _acl_rule(block, "cidr_block", "action")


def _acl_rule(block: Block, name: str, action: str) -> Iterator[Hit]:
    if (text(block.get(action)) or "").lower() != "allow":
        return
    found = open_to_world(_listed(block.get(name))) or open_to_world(
        _listed(block.get("ipv6_cidr_block"))
    )
    if not found:
        return
    protocol = (text(block.get("protocol")) or "-1").lower()
    low, high = (
        int(number(block.get("from_port"), 0) or 0),
        int(number(block.get("to_port"), 0) or 0),
    )
    for port, service in ADMIN.items():
        if protocol not in ("-1", "all") and low <= port <= high and high - low < 60000:
            yield Hit(f"{found} reaches {service} ({port})", block.at(name))
            return


def no_flow_log(review: Review) -> Iterator[Hit]:
    """Nobody writes down who talks to whom."""
    if linked(review, "aws_flow_log", "vpc_id"):
        return
    require_no_doubt(review, "aws_flow_log", "vpc_id")
    yield fails("nobody writes down who talks to whom in it")


def public_addresses(review: Review) -> Iterator[Hit]:
    """A subnet in which everything gets a public address."""
    if truth(review.resource.data.get("map_public_ip_on_launch"), False):
        yield fails(
            "whatever is started in it is reachable from the internet, as far as groups let it",
            "map_public_ip_on_launch",
        )


def peering_routes_all(review: Review) -> Iterator[Hit]:
    """A route that sends everything over a peering connection."""
    resource = review.resource
    whole = Block(resource.data, ())
    routes = [whole] if resource.kind == "aws_route" else list(blocks(resource, "route"))
    for route in routes:
        if not is_set(route.get("vpc_peering_connection_id")):
            continue
        if any(text(route.get(name)) in ("0.0.0.0/0", "::/0") for name in _DESTINATIONS):
            yield Hit("everything is sent into another network", route.path)
