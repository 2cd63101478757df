"""Azure's database servers: firewall rules for the internet, audit logs, alerts, administrators.

What protects a server stands in resources of its own, which refer to it by id or by name.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network

from haechi.checks.terraform.azure_reach import beside, is_off
from haechi.checks.terraform.view import (
    Hit,
    fails,
    linked,
    require_no_doubt,
    resources,
    target,
    text,
    value,
)
from haechi.model.resource import Resource
from haechi.model.review import Review

_PUBLIC_SERVERS = (
    "server_id",
    "server_name",
    "synapse_workspace_id",
    "redis_cache_name",
    "mongo_cluster_id",
    "cluster_id",
)
_PRIVATE = tuple(map(IPv4Network, ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")))
_MANY = 2**20
"""Addresses in a range that nobody owns alone."""


def world_firewall(review: Review) -> Iterator[Hit]:
    """A database firewall rule for the internet."""
    span = _span(review.resource)
    if span is not None and span[0] != span[1] and _is_wide(*span) and _is_reachable(review):
        first, last = span
        yield fails(f"{first} to {last} may try to sign in", "start_ip_address")


def azure_firewall(review: Review) -> Iterator[Hit]:
    """A database firewall rule for everything that runs in Azure, of any customer."""
    span = _span(review.resource)
    if span is not None and int(span[0]) == int(span[1]) == 0 and _is_reachable(review):
        yield fails("every customer's machines in Azure may try to sign in", "start_ip_address")


def _span(resource: Resource) -> tuple[IPv4Address, IPv4Address] | None:
    names = ("start_ip_address", "start_ip"), ("end_ip_address", "end_ip")
    found = [
        next((text(resource.data.get(name)) for name in pair if name in resource.data), None)
        for pair in names
    ]
    try:
        first, last = (IPv4Address((one or "").strip()) for one in found)
    except ValueError:
        return None
    return first, last


def _is_wide(first: IPv4Address, last: IPv4Address) -> bool:
    private = any(first in block and last in block for block in _PRIVATE)
    return int(last) - int(first) >= _MANY and not private


def _is_reachable(review: Review) -> bool:
    """A server without a public address has no use for the rule."""
    for server in (one for name in _PUBLIC_SERVERS for one in target(review, name)):
        for switch in ("public_network_access_enabled", "public_network_access"):
            if is_off(server.data.get(switch)):
                return False
    return True


def no_auditing(review: Review) -> Iterator[Hit]:
    """A SQL server of which nobody writes down who does what."""
    resource = review.resource
    if value(resource, "extended_auditing_policy.0") is not None:
        return
    if any(linked(review, type_, reference) for type_, reference in _AUDITS):
        return
    for type_, reference in _AUDITS:
        require_no_doubt(review, type_, reference)
    yield fails("nobody writes down who does what in it")


_AUDITS = (
    ("azurerm_mssql_server_extended_auditing_policy", "server_id"),
    ("azurerm_mssql_database_extended_auditing_policy", "server_id"),
    ("azurerm_sql_server_extended_auditing_policy", "server_id"),
    ("azurerm_monitor_diagnostic_setting", "target_resource_id"),
)


def no_alert_policy(review: Review) -> Iterator[Hit]:
    """A SQL server that nobody watches, though the configuration holds no plan of Defender."""
    policies = "azurerm_mssql_server_security_alert_policy"
    if beside(review, policies, "server_name") or beside(review, policies, "server_id"):
        return
    for plan in resources(review, "azurerm_security_center_subscription_pricing"):
        if (text(plan.data.get("tier")), text(plan.data.get("resource_type"))) == (
            "Standard",
            "SqlServers",
        ):
            return
    yield fails("nobody is told of injected queries or odd sign-ins")


def no_directory_admin(review: Review) -> Iterator[Hit]:
    """A database server without an administrator from the directory."""
    resource = review.resource
    if value(resource, "azuread_administrator.0") is not None:
        return
    admins = {
        "azurerm_sql_server": "azurerm_sql_active_directory_administrator",
        "azurerm_mysql_server": "azurerm_mysql_active_directory_administrator",
        "azurerm_postgresql_server": "azurerm_postgresql_active_directory_administrator",
    }.get(resource.kind)
    if admins and beside(review, admins, "server_name"):
        return
    yield fails("only a password of its own signs in")
