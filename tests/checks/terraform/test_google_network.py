"""Google Cloud's firewalls: what stands before what, for which machines, from where."""

from __future__ import annotations

import pytest

from haechi.checks.terraform import google_compute, google_edge, google_network
from tests.checks.terraform.judged import UNKNOWN, told

AT = "google_compute_firewall.it"
SSH = """
variable "x" {}
resource "google_compute_network" "shop" { name = "shop" }
resource "google_compute_network" "other" { name = "other" }
resource "google_compute_firewall" "it" {
  network = google_compute_network.shop.%s
  %s
  allow {
    protocol = "tcp"
    ports    = %s
  }
}
"""
WORLD = 'source_ranges = ["0.0.0.0/0"]'
OPEN = ["0.0.0.0/0 reaches SSH (22)"]


@pytest.mark.parametrize(
    ("body", "ports", "expected"),
    [
        pytest.param(WORLD, '["22"]', OPEN, id="open"),
        pytest.param(WORLD, "[22]", OPEN, id="a port as a number"),
        pytest.param(WORLD, '["10-30"]', [OPEN[0] + ", Telnet (23)"], id="a range"),
        pytest.param(WORLD, '["443"]', [], id="the web"),
        pytest.param(WORLD, "var.x", [UNKNOWN], id="ports unknown"),
        pytest.param("source_ranges = var.x", '["22"]', [UNKNOWN], id="sources unknown"),
        pytest.param(
            'source_ranges = [var.x, "0.0.0.0/0"]', '["22"]', OPEN, id="one source unknown"
        ),
        pytest.param("", '["22"]', ["0.0.0.0/0 (no source is named) reaches SSH (22)"], id="none"),
        pytest.param('source_tags = ["a"]', '["22"]', [], id="machines inside"),
        pytest.param(WORLD + '\nsource_tags = ["a"]', '["22"]', OPEN, id="either is enough"),
        pytest.param(WORLD + "\ndisabled = true", '["22"]', [], id="disabled"),
        pytest.param(WORLD + "\ndisabled = var.x", '["22"]', [UNKNOWN], id="perhaps disabled"),
        pytest.param(WORLD + '\ndirection = "EGRESS"', '["22"]', [], id="what leaves"),
    ],
)
def test_what_is_let_in(body: str, ports: str, expected: list[str]) -> None:
    assert told(google_network.admin_open, AT, SSH % ("id", body, ports)) == expected


DENY = """
resource "google_compute_firewall" "deny" {
  network  = %s
  priority = %s
  %s
  deny {
    protocol = "%s"
  }
}
"""
SHOP = "google_compute_network.shop.id"


@pytest.mark.parametrize(
    ("network", "priority", "body", "protocol", "closed"),
    [
        pytest.param(SHOP, 900, WORLD, "tcp", True, id="before it"),
        pytest.param(SHOP, 1000, WORLD, "all", True, id="beside it, which counts first"),
        pytest.param("google_compute_network.shop.name", 900, WORLD, "tcp", True, id="by name"),
        pytest.param(SHOP, 1100, WORLD, "tcp", False, id="behind it"),
        pytest.param(SHOP, 900, WORLD, "udp", False, id="another protocol"),
        pytest.param(SHOP, 900, WORLD + "\ndisabled = true", "tcp", False, id="disabled"),
        pytest.param(SHOP, 900, WORLD + '\ntarget_tags = ["a"]', "tcp", False, id="for some only"),
        pytest.param(SHOP, 900, 'source_ranges = ["10.0.0.0/8"]', "tcp", False, id="of some only"),
        pytest.param("google_compute_network.other.id", 900, WORLD, "tcp", False, id="elsewhere"),
    ],
)
@pytest.mark.parametrize("at", ["id", "name"])
def test_a_rule_that_denies_first(
    at: str, network: str, priority: int, body: str, protocol: str, closed: bool
) -> None:
    text = SSH % (at, WORLD, '["22"]') + DENY % (network, priority, body, protocol)
    assert told(google_network.admin_open, AT, text) == ([] if closed else OPEN)


def test_denying_the_old_internet_leaves_the_new_one() -> None:
    both = 'source_ranges = ["0.0.0.0/0", "::/0"]'
    text = SSH % ("id", both, '["22"]') + DENY % (SHOP, 900, WORLD, "all")
    assert len(told(google_network.admin_open, AT, text)) == 1
    text = SSH % ("id", both, '["22"]') + DENY % (SHOP, 900, both, "all")
    assert told(google_network.admin_open, AT, text) == []


MACHINE = """
resource "google_compute_subnetwork" "shop" {
  network = google_compute_network.shop.id
}
resource "google_compute_instance" "vm" {
  tags = %s
  network_interface {
    %s
    access_config {}
  }
}
"""
IN_NETWORK = "network = google_compute_network.shop.id"
REACHED = ["0.0.0.0/0 reaches SSH (22) through google_compute_firewall.it"]


@pytest.mark.parametrize(
    ("targets", "tags", "card", "expected"),
    [
        pytest.param('["web"]', '["web"]', IN_NETWORK, REACHED, id="by tag"),
        pytest.param('["web"]', '["db"]', IN_NETWORK, [], id="another tag"),
        pytest.param("null", "null", IN_NETWORK, REACHED, id="whole network"),
        pytest.param(
            "null",
            "null",
            "subnetwork = google_compute_subnetwork.shop.id",
            REACHED,
            id="through the subnet",
        ),
        pytest.param(
            "null", "null", "network = google_compute_network.other.id", [], id="elsewhere"
        ),
        pytest.param('["web"]', "var.x", IN_NETWORK, [UNKNOWN], id="tags unknown"),
    ],
)
def test_the_internet_reaches_a_machine(
    targets: str, tags: str, card: str, expected: list[str]
) -> None:
    rule = SSH % ("id", f"{WORLD}\ntarget_tags = {targets}", '["22"]')
    text = rule + MACHINE % (tags, card)
    judge = google_network.reachable_machine
    assert told(judge, "google_compute_instance.vm", text) == expected


def test_the_machines_that_a_rule_is_for_are_named() -> None:
    rule = SSH % ("id", WORLD + '\ntarget_tags = ["web"]', '["22"]')
    text = rule + MACHINE % ('["web"]', IN_NETWORK)
    [message] = told(google_network.admin_open, AT, text)
    assert message == OPEN[0] + "; it is for google_compute_instance.vm"


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ("{}", 1),
        ('{ enable-oslogin = "TRUE" }', 0),
        ('{ block-project-ssh-keys = "true" }', 0),
        ('{ enable-oslogin = "FALSE" }', 1),
    ],
)
def test_keys_count_where_os_login_is_off(metadata: str, expected: int) -> None:
    text = f'resource "google_compute_instance" "vm" {{\n metadata = {metadata}\n}}'
    found = told(google_compute.project_keys, "google_compute_instance.vm", text)
    assert len(found) == expected


def test_the_project_switches_on_os_login_for_its_machines() -> None:
    text = """
    resource "google_compute_project_metadata_item" "login" {
      key   = "enable-oslogin"
      value = "TRUE"
    }
    resource "google_compute_instance" "vm" {}
    resource "google_compute_instance" "other" {
      metadata = { enable-oslogin = "FALSE" }
    }
    """
    judge = google_compute.project_keys
    assert told(judge, "google_compute_instance.vm", text) == []
    assert len(told(judge, "google_compute_instance.other", text)) == 1


@pytest.mark.parametrize(
    ("account", "scopes", "fails"),
    [
        ("", "cloud-platform", True),
        ("email = google_service_account.app.email", "cloud-platform", False),
        ("email = data.google_compute_default_service_account.it.email", "cloud-platform", True),
        ("", "logging-write", False),
    ],
    ids=["default", "own", "default by reference", "few scopes"],
)
def test_every_scope_is_right_for_an_account_of_its_own(
    account: str, scopes: str, fails: bool
) -> None:
    text = f"""
    resource "google_service_account" "app" {{ account_id = "app" }}
    data "google_compute_default_service_account" "it" {{}}
    resource "google_compute_instance" "vm" {{
      service_account {{
        {account}
        scopes = ["{scopes}"]
      }}
    }}
    """
    found = told(google_compute.full_access, "google_compute_instance.vm", text)
    assert bool(found) is fails
    assert UNKNOWN not in found


def test_a_balancer_that_only_redirects_is_fine() -> None:
    text = """
    resource "google_compute_url_map" "go" {
      %s
    }
    resource "google_compute_target_http_proxy" "p" {
      url_map = google_compute_url_map.go.id
    }
    resource "google_compute_global_forwarding_rule" "it" {
      %s
      target = google_compute_target_http_proxy.p.id
    }
    """
    at = "google_compute_global_forwarding_rule.it"
    redirect = "default_url_redirect {\n https_redirect = true\n strip_query = false\n}"
    inside = 'load_balancing_scheme = "INTERNAL_MANAGED"'
    judge = google_edge.plain_balancer
    assert told(judge, at, text % (redirect, "")) == []
    assert told(judge, at, text % ("", inside)) == []
    assert told(judge, at, text % ("", "")) == ["it answers over plain HTTP"]
