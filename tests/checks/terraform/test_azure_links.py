"""Azure: what judges say when resources refer to each other, and when nobody can know."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from haechi.checks.terraform import (
    azure_access,
    azure_apps,
    azure_containers,
    azure_databases,
    azure_edge,
    azure_network,
    azure_reach,
    azure_secrets,
)
from haechi.errors import NotEvaluated
from haechi.model.review import Hit, Review
from haechi.scan.iac.kubernetes import Inventory
from haechi.scan.iac.terraform.read import read_texts

Judge = Callable[[Review], Iterator[Hit]]
SUBSCRIPTION = "/subscriptions/00000000-0000-0000-0000-000000000000"
UNKNOWN = "unknown"
NOWHERE = "0.0.0.0"  # noqa: S104 - how Azure writes its own data centres


def told(judge: Judge, address: str, text: str) -> list[str]:
    """The messages about one resource of a root module; ``unknown`` last where judging ended so."""
    found = list(read_texts({"main.tf": text.encode()}).resources)
    about = next(one for one in found if one.name == address)
    out: list[str] = []
    try:
        hits = judge(Review(resource=about, scope=Inventory([], others=found)))
        out.extend(hit.message for hit in hits)
    except NotEvaluated:
        out.append(UNKNOWN)
    return out


GROUP = """
resource "azurerm_network_security_group" "web" {
  name = "web"
  %s
}
"""
RULE = """security_rule {
    name                   = "r%(priority)s"
    priority               = %(priority)s
    direction              = "Inbound"
    access                 = "%(access)s"
    protocol               = "%(protocol)s"
    source_address_prefix  = %(source)s
    destination_port_range = %(port)s
  }
"""


def rule(
    port: str = '"22"',
    access: str = "Allow",
    source: str = '"*"',
    priority: int = 100,
    protocol: str = "Tcp",
) -> str:
    return RULE % {
        "port": port,
        "access": access,
        "source": source,
        "priority": priority,
        "protocol": protocol,
    }


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ([rule()], ["* reaches SSH (22)"]),
        ([rule(source='"Internet"', port='"20-25"')], ["Internet reaches SSH (22), Telnet (23)"]),
        ([rule(source='"0.0.0.0/1"')], ["0.0.0.0/1 reaches SSH (22)"]),
        ([rule(source='"VirtualNetwork"')], []),
        ([rule(protocol="Icmp")], []),
        ([rule(protocol="Udp")], []),
        ([rule(port='"*"')], []),
        ([rule(), rule(access="Deny", port='"*"', priority=90, protocol="*")], []),
        ([rule(), rule(access="Deny", port='"*"', priority=110)], ["* reaches SSH (22)"]),
        ([rule(), rule(access="Deny", port='"23"', priority=90)], ["* reaches SSH (22)"]),
        (
            [rule(), rule(access="Deny", source='"10.0.0.0/8"', priority=90)],
            ["* reaches SSH (22)"],
        ),
        ([rule(source="var.office")], [UNKNOWN]),
        ([rule(source='"${var.office}/32"')], []),
        ([rule(port="var.office")], [UNKNOWN]),
    ],
)
def test_the_rule_that_comes_first_decides(rules: list[str], expected: list[str]) -> None:
    text = 'variable "office" {}\n' + GROUP % "".join(rules)
    assert told(azure_network.admin_open, "azurerm_network_security_group.web", text) == expected


def test_a_separate_rule_names_what_stands_behind_its_group() -> None:
    text = (
        GROUP % ""
        + """
resource "azurerm_subnet" "web" { name = "web" }
resource "azurerm_subnet_network_security_group_association" "web" {
  subnet_id                 = azurerm_subnet.web.id
  network_security_group_id = azurerm_network_security_group.web.id
}
resource "azurerm_network_security_rule" "in" {
  network_security_group_name = azurerm_network_security_group.web.name
  priority                    = 100
  direction                   = "Inbound"
  access                      = "Allow"
  protocol                    = "Tcp"
  source_address_prefixes     = ["10.0.0.0/8", "::/0"]
  destination_port_ranges     = ["80", "3389"]
}
"""
    )
    messages = told(azure_network.admin_open, "azurerm_network_security_rule.in", text)
    assert messages == ["::/0 reaches RDP (3389); azurerm_subnet.web behind it"]


CONTAINER = """
variable "name" {}
resource "azurerm_storage_account" "shop" {
  name = %s
  %s
}
resource "azurerm_storage_container" "orders" {
  container_access_type = "blob"
  %s
}
"""
BY_NAME = "storage_account_name = azurerm_storage_account.shop.name"
BY_ID = "storage_account_id = azurerm_storage_account.shop.id"
REFUSES = "allow_nested_items_to_be_public = false"
OPEN = ["everybody may read what is in it"]


@pytest.mark.parametrize(
    ("name", "account", "container", "expected"),
    [
        ('"shop"', "", BY_NAME, OPEN),
        ('"shop"', REFUSES, BY_NAME, []),
        ("var.name", REFUSES, BY_ID, []),
        ("var.name", "", BY_NAME, OPEN),
        ("var.name", "", "storage_account_name = var.name", OPEN),
        ("var.name", REFUSES, "storage_account_name = var.name", [UNKNOWN]),
        ('"shop"', "allow_nested_items_to_be_public = var.name", BY_ID, [UNKNOWN]),
    ],
    ids=["open", "refused", "refused-by-id", "name-unknown", "by-variable", "perhaps", "switch"],
)
def test_a_container_is_as_open_as_its_account_allows(
    name: str, account: str, container: str, expected: list[str]
) -> None:
    text = CONTAINER % (name, account, container)
    assert told(azure_reach.public_container, "azurerm_storage_container.orders", text) == expected


@pytest.mark.parametrize(
    ("rest", "expected"),
    [
        ("", ["nobody is told of injected queries or odd sign-ins"]),
        (
            'resource "azurerm_mssql_server_security_alert_policy" "a" {\n'
            "  server_name = azurerm_mssql_server.shop.name\n}",
            [],
        ),
        (
            'resource "azurerm_mssql_server_security_alert_policy" "a" {\n'
            "  server_name = var.name\n}",
            [UNKNOWN],
        ),
        (
            'resource "azurerm_security_center_subscription_pricing" "a" {\n'
            '  tier          = "Standard"\n  resource_type = "SqlServers"\n}',
            [],
        ),
    ],
    ids=["alone", "policy", "perhaps", "plan"],
)
def test_a_server_is_watched_by_a_policy_or_a_plan(rest: str, expected: list[str]) -> None:
    text = 'variable "name" {}\nresource "azurerm_mssql_server" "shop" { name = "shop" }\n' + rest
    assert told(azure_databases.no_alert_policy, "azurerm_mssql_server.shop", text) == expected


def test_names_that_are_not_known_say_nothing_about_absence() -> None:
    text = """
variable "stage" {}
resource "random_integer" "r" {
  min = 1
  max = 9
}
resource "azurerm_mssql_server" "shop" { name = "shop-${var.stage}${random_integer.r.result}" }
resource "azurerm_mssql_server_security_alert_policy" "a" {
  server_name = azurerm_mssql_server.shop.name
}
"""
    messages = told(azure_databases.no_alert_policy, "azurerm_mssql_server.shop", text)
    assert messages in ([UNKNOWN], [])  # [] once such a name still tells whose it is


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        (f'"{SUBSCRIPTION}"', ["Owner of a subscription"]),
        (f'"{SUBSCRIPTION}/resourceGroups/shop"', []),
        ("data.azurerm_subscription.main.id", ["Owner of a subscription"]),
        ('"/subscriptions/${var.x}"', ["Owner of a subscription"]),
        ('"/subscriptions/${var.x}/resourceGroups/shop"', []),
        ("azurerm_resource_group.shop.id", []),
        ("azurerm_management_group.all.id", ["Owner of a management group"]),
        ("var.x", [UNKNOWN]),
    ],
    ids=["text", "group", "data", "built", "built-group", "resource", "management", "variable"],
)
def test_an_owner_is_wide_by_its_scope(scope: str, expected: list[str]) -> None:
    text = f"""
variable "x" {{}}
data "azurerm_subscription" "main" {{}}
resource "azurerm_resource_group" "shop" {{ name = "shop" }}
resource "azurerm_management_group" "all" {{ display_name = "all" }}
resource "azurerm_role_assignment" "a" {{
  scope                = {scope}
  role_definition_name = "Owner"
  principal_id         = "0"
}}
"""
    assert told(azure_access.owner_assigned, "azurerm_role_assignment.a", text) == expected


def test_a_condition_narrows_an_owner() -> None:
    text = f"""
resource "azurerm_role_assignment" "a" {{
  scope                = "{SUBSCRIPTION}"
  role_definition_name = "User Access Administrator"
  condition            = "((!(ActionMatches{{'...'}})))"
}}
"""
    assert told(azure_access.owner_assigned, "azurerm_role_assignment.a", text) == []


@pytest.mark.parametrize(
    ("subject", "expected"),
    [
        ("repo:example/shop:environment:production", []),
        ("repo:${var.x}/shop:ref:refs/heads/main", []),
        ("repo:example/shop:*", []),
        ("repo:example/*:ref:refs/heads/main", ["not named"]),
        ("repo:example/shop:pull_request", ["any pull request"]),
        ("*", ["names no repository"]),
    ],
    ids=["environment", "owner-unknown", "any-branch", "any-repository", "pull", "any"],
)
def test_a_subject_names_a_repository(subject: str, expected: list[str]) -> None:
    text = f"""
variable "x" {{}}
resource "azuread_application_federated_identity_credential" "ci" {{
  issuer  = "https://token.actions.githubusercontent.com"
  subject = "{subject}"
}}
"""
    address = "azuread_application_federated_identity_credential.ci"
    found = told(azure_access.wide_subject, address, text)
    assert len(found) == len(expected)
    assert all(part in message for part, message in zip(expected, found, strict=True))


@pytest.mark.parametrize(
    ("first", "last", "public", "expected"),
    [
        (NOWHERE, "255.255.255.255", "true", ["try to sign in"]),
        ("1.0.0.0", "2.0.0.0", "true", ["try to sign in"]),
        ("203.0.113.0", "203.0.113.255", "true", []),
        ("10.0.0.0", "10.255.255.255", "true", []),
        (NOWHERE, NOWHERE, "true", []),
        (NOWHERE, "255.255.255.255", "false", []),
        (NOWHERE, "255.255.255.255", "var.x", [UNKNOWN]),
        ("not", "addresses", "true", []),
    ],
    ids=["all", "wide", "office", "private", "azure", "switched-off", "unknown", "wrong"],
)
def test_a_firewall_rule_is_wide_where_the_server_is_reachable(
    first: str, last: str, public: str, expected: list[str]
) -> None:
    text = f"""
variable "x" {{}}
resource "azurerm_mssql_server" "shop" {{
  name                          = "shop"
  public_network_access_enabled = {public}
}}
resource "azurerm_mssql_firewall_rule" "in" {{
  server_id        = azurerm_mssql_server.shop.id
  start_ip_address = "{first}"
  end_ip_address   = "{last}"
}}
"""
    found = told(azure_databases.world_firewall, "azurerm_mssql_firewall_rule.in", text)
    assert len(found) == len(expected)
    assert all(part in message for part, message in zip(expected, found, strict=True))


@pytest.mark.parametrize(
    "word",
    ["1.0", "1", "1.1", "TLS1_0", "TLS1_1", "TLS10", "Tls", "Tls11", "Disabled", "TLSv1"],
)
def test_versions_that_are_broken(word: str) -> None:
    assert azure_reach.is_old(word)


@pytest.mark.parametrize("word", ["1.2", "1.3", "TLS1_2", "TLS12", "Tls12", "TLSv1_2", ""])
def test_versions_that_hold(word: str) -> None:
    assert not azure_reach.is_old(word)


@pytest.mark.parametrize(
    ("script", "found"),
    [
        ("export DB_PASSWORD=Kx7nQ2vRw9", True),
        ("$env:API_TOKEN = 'Kx7nQ2vRw9zz'", True),
        ("./join.sh --password Kx7nQ2vRw9", True),
        ("AccountName=shop;AccountKey=Kx7nQ2vRw9Kx7nQ2vRw9==", True),
        ("export DB_PASSWORD=$(cat /run/secret)", False),
        ("export DB_PASSWORD=${PASSWORD}", False),
        ("apt-get install -y nginx", False),
        ("echo 'set a password' > /etc/motd", False),
    ],
    ids=["export", "powershell", "option", "connection", "command", "variable", "plain", "prose"],
)
def test_secrets_in_scripts(script: str, found: bool) -> None:
    assert bool(azure_secrets.secret_in(script)) is found


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ('base64encode("export DB_PASSWORD=Kx7nQ2vRw9")', ["a value for DB_PASSWORD stands in it"]),
        ('"export DB_PASSWORD=${var.x}"', []),
        ("var.x", []),
    ],
    ids=["encoded", "by-variable", "unknown"],
)
def test_startup_scripts_are_read_as_far_as_they_are_written(
    data: str, expected: list[str]
) -> None:
    text = f"""
variable "x" {{}}
resource "azurerm_linux_virtual_machine" "shop" {{ custom_data = {data} }}
"""
    address = "azurerm_linux_virtual_machine.shop"
    assert told(azure_secrets.startup_script, address, text) == expected


@pytest.mark.parametrize(
    ("listener", "rule_", "expected"),
    [
        ('"web"', 'redirect_configuration_name = "https"', []),
        ('"web"', 'backend_address_pool_name = "app"', ["it serves plain HTTP"]),
        ("var.x", 'backend_address_pool_name = "app"', ["it serves plain HTTP"]),
        ("var.x", 'redirect_configuration_name = "https"', [UNKNOWN]),
    ],
    ids=["redirected", "served", "served-name-unknown", "perhaps-redirected"],
)
def test_a_listener_for_http_may_redirect(listener: str, rule_: str, expected: list[str]) -> None:
    text = f"""
variable "x" {{}}
resource "azurerm_application_gateway" "edge" {{
  http_listener {{
    name     = {listener}
    protocol = "Http"
  }}
  request_routing_rule {{
    name               = "r"
    http_listener_name = "web"
    {rule_}
  }}
}}
"""
    address = "azurerm_application_gateway.edge"
    assert told(azure_edge.gateway_plain_http, address, text) == expected


def test_azapi_bodies_are_read_through_what_is_not_known() -> None:
    text = """
variable "x" {}
resource "azapi_resource" "shop" {
  type = "Microsoft.Storage/storageAccounts@2023-01-01"
  body = {
    properties = {
      allowBlobPublicAccess = true
      minimumTlsVersion     = var.x
      networkAcls           = { defaultAction = var.x }
    }
  }
}
"""
    messages = told(azure_edge.raw_weakness, "azapi_resource.shop", text)
    assert messages == ["allowBlobPublicAccess is on: containers may be opened to everybody"]


@pytest.mark.parametrize(
    ("kind", "version", "old"),
    [
        ("php_version", "7.4", True),
        ("php_version", "8.3", False),
        ("python_version", "3.9", True),
        ("python_version", "3.12", False),
        ("node_version", "18-lts", True),
        ("node_version", "~22", False),
        ("dotnet_version", "v6.0", True),
        ("dotnet_version", "v4.0", False),
        ("dotnet_framework_version", "v4.0", False),
        ("java_version", "1.8.0_202", False),
        ("java_version", "7", True),
        ("java_version", "17", False),
    ],
)
def test_runtimes_without_fixes(kind: str, version: str, old: bool) -> None:
    text = f"""
resource "azurerm_windows_web_app" "shop" {{
  site_config {{
    application_stack {{
      {kind} = "{version}"
    }}
  }}
}}
"""
    found = told(azure_apps.old_runtime, "azurerm_windows_web_app.shop", text)
    assert bool(found) is old


@pytest.mark.parametrize(
    ("rest", "expected"),
    [
        ("", 1),
        ("oms_agent { log_analytics_workspace_id = var.x }", 0),
        ("microsoft_defender { log_analytics_workspace_id = var.x }", 0),
    ],
    ids=["alone", "agent", "defender"],
)
def test_a_cluster_is_watched(rest: str, expected: int) -> None:
    text = f'variable "x" {{}}\nresource "azurerm_kubernetes_cluster" "k" {{\n  {rest}\n}}'
    found = told(azure_containers.nobody_watches, "azurerm_kubernetes_cluster.k", text)
    assert len(found) == expected


@pytest.mark.parametrize(
    ("kind", "rest", "expected"),
    [
        ("azurerm_iothub", "", 1),
        ("azurerm_iothub", "network_rule_set {}", 0),
        ("azurerm_container_registry", "network_rule_set {}", 1),
        ("azurerm_container_registry", 'network_rule_set { default_action = "Deny" }', 0),
        ("azurerm_cosmosdb_account", 'ip_range_filter = ""', 1),
        ("azurerm_cosmosdb_account", 'ip_range_filter = "203.0.113.7"', 0),
        ("azurerm_app_configuration", 'public_network_access = "Enabled"', 1),
        ("azurerm_mysql_flexible_server", "delegated_subnet_id = azurerm_subnet.db.id", 0),
        ("azurerm_redis_cache", "subnet_id = azurerm_subnet.db.id", 0),
    ],
    ids=[
        "iothub",
        "iothub-denies",
        "registry-allows",
        "registry-denies",
        "cosmos-empty",
        "cosmos-one",
        "configuration",
        "mysql-inside",
        "redis-inside",
    ],
)
def test_who_reaches_a_service_by_its_own_defaults(kind: str, rest: str, expected: int) -> None:
    text = f"""
resource "azurerm_subnet" "db" {{ name = "db" }}
resource "{kind}" "shop" {{
  {rest}
}}
"""
    assert len(told(azure_reach.any_network, f"{kind}.shop", text)) == expected
