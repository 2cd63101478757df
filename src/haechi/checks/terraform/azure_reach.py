"""Azure's services with a public address by default: which of them take requests from every
network, which let keys stand for people, and which speak TLS that is broken.

Every service has a switch and a list of its own; the tables here say which.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import msgspec

from haechi.checks.terraform.ports import is_world
from haechi.checks.terraform.view import (
    Hit,
    fails,
    is_set,
    is_unknown,
    known,
    linked,
    require_no_doubt,
    resources,
    target,
    text,
    truth,
    value,
)
from haechi.model.resource import Resource
from haechi.model.review import Review


class Door(msgspec.Struct, frozen=True):
    """How a service is closed to strangers. ``switch``: off closes it. ``refuses``: what must be
    ``Deny``. ``narrows``: what, when set to anything but the world, lets only some in.
    ``beside``: resources that do the same, by (type, their reference, what must be ``Deny``)."""

    switch: tuple[str, ...] = ("public_network_access_enabled",)
    refuses: tuple[str, ...] = ()
    narrows: tuple[str, ...] = ()
    beside: tuple[tuple[str, str, str], ...] = ()
    assumed: str = "Allow"
    """What a block of networks does with all others where it does not say."""


_DOORS: dict[str, Door] = {
    "azurerm_storage_account": Door(
        refuses=("network_rules.0.default_action",),
        beside=(("azurerm_storage_account_network_rules", "storage_account_id", "default_action"),),
    ),
    "azurerm_key_vault": Door(refuses=("network_acls.0.default_action",)),
    "azurerm_cosmosdb_account": Door(
        narrows=("ip_range_filter", "is_virtual_network_filter_enabled")
    ),
    "azurerm_redis_cache": Door(
        narrows=("subnet_id",), beside=(("azurerm_redis_firewall_rule", "redis_cache_name", ""),)
    ),
    "azurerm_container_registry": Door(refuses=("network_rule_set.0.default_action",)),
    "azurerm_search_service": Door(narrows=("allowed_ips",)),
    "azurerm_cognitive_account": Door(refuses=("network_acls.0.default_action",)),
    "azurerm_ai_services": Door(
        switch=("public_network_access",), refuses=("network_acls.0.default_action",)
    ),
    "azurerm_servicebus_namespace": Door(
        refuses=("network_rule_set.0.default_action",),
        beside=(
            ("azurerm_servicebus_namespace_network_rule_set", "namespace_id", "default_action"),
        ),
    ),
    "azurerm_eventhub_namespace": Door(refuses=("network_rulesets.0.default_action",)),
    "azurerm_eventgrid_topic": Door(narrows=("inbound_ip_rule",)),
    "azurerm_eventgrid_domain": Door(narrows=("inbound_ip_rule",)),
    "azurerm_app_configuration": Door(switch=("public_network_access",)),
    "azurerm_iothub": Door(refuses=("network_rule_set.0.default_action",), assumed="Deny"),
    "azurerm_data_factory": Door(switch=("public_network_enabled",)),
    "azurerm_purview_account": Door(switch=("public_network_enabled",)),
    "azurerm_batch_account": Door(
        refuses=("network_profile.0.account_access.0.default_action",), assumed="Deny"
    ),
    "azurerm_kusto_cluster": Door(narrows=("allowed_ip_ranges",)),
    "azurerm_mysql_flexible_server": Door(
        switch=("public_network_access_enabled", "public_network_access"),
        narrows=("delegated_subnet_id",),
    ),
    "azurerm_postgresql_flexible_server": Door(narrows=("delegated_subnet_id",)),
}
_OLD_PROTOCOLS = (
    "min_tls_version",
    "minimum_tls_version",
    "minimal_tls_version",
    "ssl_minimal_tls_version_enforced",
    "tls_min_version",
    "site_config.0.min_tls_version",
    "site_config.0.minimum_tls_version",
    "site_config.0.scm_min_tls_version",
    "site_config.0.scm_minimum_tls_version",
    "tls.0.minimum_tls_version",
    "tls.0.min_tls_version",
    "cdn_managed_https.0.tls_version",
    "user_managed_https.0.tls_version",
)
_OLD = re.compile(r"(?:tls|ssl)?[ _v]*1?[._]?([01])?\Z", re.IGNORECASE)
_NONE = frozenset({"tlsenforcementdisabled", "disabled", "none"})
_KEYS = {
    "shared_access_key_enabled": False,
    "local_auth_enabled": False,
    "local_authentication_enabled": False,
    "local_authentication_disabled": True,
    "local_account_disabled": True,
}
"""Switches by which keys are taken, and their value that takes none."""
_ANY_AZURE = "0.0.0.0"  # noqa: S104 - how Azure writes its own data centres


def any_network(review: Review) -> Iterator[Hit]:
    """A service that takes requests from every network in the world."""
    resource = review.resource
    door = _DOORS.get(resource.kind, Door())
    if any(is_off(resource.data.get(name)) for name in door.switch):
        return
    if any(_refuses(resource, path, door.assumed) for path in door.refuses):
        return
    if any(_narrows(resource.data.get(name)) for name in door.narrows):
        return
    for type_, reference, path in door.beside:
        near = beside(review, type_, reference)
        if any(not path or _is_deny(value(one, path)) for one in near):
            return
    yield fails("requests from every network reach it", _blamed(resource, door))


def _blamed(resource: Resource, door: Door) -> str:
    for path in (*door.refuses, *door.narrows, *door.switch):
        name = path.partition(".")[0]
        if resource.data.get(name) is not None:
            return name
    return door.switch[0]


def is_off(found: Any) -> bool:
    if found is None:
        return False
    word = known(found)
    return not truth(word, True) if isinstance(word, bool) else str(word).lower() == "disabled"


def _refuses(resource: Resource, path: str, assumed: str) -> bool:
    """Whether a block of networks lets nobody else in."""
    block = value(resource, path.rpartition(".")[0])
    found = value(resource, path)
    return _is_deny(assumed if found is None and block is not None else found)


def _is_deny(found: Any) -> bool:
    return (text(found) or "").lower() == "deny"


def _narrows(found: Any) -> bool:
    """Whether a list of addresses (or a subnet, or a switch) keeps strangers out."""
    if found is None or found is False:
        return False
    if is_unknown(found):
        return is_set(found)
    if isinstance(found, bool):
        return found
    items = [one for one in found.split(",") if one] if isinstance(found, str) else list(found)
    return bool(items) and not any(_is_everyone(item) for item in items)


def _is_everyone(item: Any) -> bool:
    if is_unknown(item):
        return False
    word = item.get("ip_mask") if isinstance(item, dict) else item
    return is_world(word) or word == _ANY_AZURE


def takes_keys(review: Review) -> Iterator[Hit]:
    """A service that takes keys, which name nobody and do not end, besides identities."""
    resource = review.resource
    for name, closed in _KEYS.items():
        found = resource.data.get(name)
        if found is not None:
            if truth(found, not closed) is not closed:
                yield fails("whoever holds a key is let in", name)
            return
    yield fails("whoever holds a key is let in")


def old_tls(review: Review) -> Iterator[Hit]:
    """A service that is told to take TLS 1.0 or 1.1, or none at all. Left out means 1.2."""
    for path in _OLD_PROTOCOLS:
        word = text(value(review.resource, path))
        if word is not None and is_old(word):
            steps = tuple(int(step) if step.isdigit() else step for step in path.split("."))
            yield fails(f"{word} is taken", *steps)


def is_old(word: str) -> bool:
    """``1.0``, ``TLS1_1``, ``TLS10``, ``Tls``, ``Disabled`` …"""
    if word.strip().lower() in _NONE:
        return True
    return bool(word.strip()) and bool(_OLD.match(word.strip()))


def beside(review: Review, type_: str, reference: str) -> list[Resource]:
    """Resources of a type that refer to the reviewed one; raises when one may that is not known.

    A reference by a name that is not known before apply does not tell whose name it is.
    """
    near = linked(review, type_, reference)
    if near:
        return near
    require_no_doubt(review, type_, reference)
    if reference.endswith("_name") and is_unknown(review.resource.data.get("name")):
        for one in resources(review, type_):
            if is_unknown(one.data.get(reference)):
                known(one.data.get(reference))
    return []


def public_container(review: Review) -> Iterator[Hit]:
    """A container of blobs that strangers read, unless its account refuses that."""
    kind = (text(review.resource.data.get("container_access_type")) or "private").lower()
    if kind not in ("blob", "container"):
        return
    if any(_forbids_public(account) for account in _accounts(review)):
        return
    _require_other_account(review)
    what = "list and read" if kind == "container" else "read"
    yield fails(f"everybody may {what} what is in it", "container_access_type")


def _forbids_public(account: Resource) -> bool:
    names = ("allow_nested_items_to_be_public", "allow_blob_public_access")
    return any(not truth(account.data.get(name), True) for name in names)


def _require_other_account(review: Review) -> None:
    """Raises when the account is told by a name that is not known, and may be one that forbids."""
    name = review.resource.data.get("storage_account_name")
    if not is_unknown(name) or _accounts(review):
        return
    for account in resources(review, "azurerm_storage_account"):
        if is_unknown(account.data.get("name")) and _forbids_public(account):
            known(name)


def _accounts(review: Review) -> list[Resource]:
    return [
        *target(review, "storage_account_id", type_="azurerm_storage_account"),
        *target(review, "storage_account_name", type_="azurerm_storage_account"),
    ]


def public_blobs_allowed(review: Review) -> Iterator[Hit]:
    """An account of which containers may be opened to everybody."""
    data = review.resource.data
    if is_off(data.get("public_network_access_enabled")):
        return
    for name in ("allow_nested_items_to_be_public", "allow_blob_public_access"):
        if data.get(name) is not None:
            if truth(data.get(name), True):
                yield fails("any container of it may be opened to everybody", name)
            return
    yield fails("any container of it may be opened to everybody")


def no_soft_delete(review: Review) -> Iterator[Hit]:
    """An account for blobs in which what is deleted is gone at once."""
    data = review.resource.data
    if (text(data.get("account_kind")) or "StorageV2") == "FileStorage":
        return
    if value(review.resource, "blob_properties.0.delete_retention_policy.0") is None:
        yield fails("a deleted blob is gone at once", "blob_properties")
