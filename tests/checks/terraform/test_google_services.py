"""GKE, Cloud SQL, sinks and secrets: resources that belong together, and unknown values."""

from __future__ import annotations

import pytest

from haechi.checks.terraform import (
    google_gke,
    google_secrets,
    google_services,
    google_sql,
    google_storage,
)
from tests.checks.terraform.judged import UNKNOWN, Judge, told

CLUSTER = """
variable "x" {}
resource "google_container_cluster" "c" {
  name = "c"
  %s
}
resource "google_container_node_pool" "p" {
  cluster = google_container_cluster.c.name
  %s
}
"""
C, P = "google_container_cluster.c", "google_container_node_pool.p"


@pytest.mark.parametrize(
    ("judge", "address", "cluster", "pool", "expected"),
    [
        pytest.param(
            google_gke.default_node_account, C, "remove_default_node_pool = true", "", 0, id="pool"
        ),
        pytest.param(google_gke.default_node_account, P, "", "", 1, id="no account"),
        pytest.param(
            google_gke.default_node_account,
            P,
            "enable_autopilot = true",
            "",
            0,
            id="a pool of autopilot",
        ),
        pytest.param(
            google_gke.default_node_account,
            C,
            'node_pool {\n node_config {\n service_account = "n@s.iam.gserviceaccount.com"\n}\n}',
            "",
            0,
            id="a pool inside of the cluster",
        ),
        pytest.param(
            google_gke.wide_scopes,
            P,
            "",
            'node_config {\n oauth_scopes = ["cloud-platform"]\n}',
            1,
            id="every scope",
        ),
        pytest.param(
            google_gke.wide_scopes,
            P,
            "",
            'node_config {\n oauth_scopes = ["cloud-platform"]\n service_account = var.x\n}',
            0,
            id="an account that is named",
        ),
        pytest.param(google_gke.public_api, C, "enable_autopilot = true", "", 1, id="autopilot"),
        pytest.param(
            google_gke.public_api, C, "master_authorized_networks_config {}", "", 0, id="nobody"
        ),
        pytest.param(google_gke.no_network_policy, C, "enable_autopilot = true", "", 0, id="built"),
    ],
)
def test_clusters(judge: Judge, address: str, cluster: str, pool: str, expected: int) -> None:
    found = told(judge, address, CLUSTER % (cluster, pool))
    assert len(found) == expected
    assert UNKNOWN not in found


@pytest.mark.parametrize(
    ("judge", "address", "cluster"),
    [
        (google_gke.no_secure_boot, C, "remove_default_node_pool = var.x"),
        (google_gke.no_network_policy, C, "datapath_provider = var.x"),
        (google_gke.default_node_account, P, "enable_autopilot = var.x"),
        (
            google_gke.networks_open,
            C,
            "master_authorized_networks_config {\n cidr_blocks {\n cidr_block = var.x\n}\n}",
        ),
    ],
    ids=["own pool", "data plane", "autopilot", "networks"],
)
def test_what_nobody_knows_of_a_cluster(judge: Judge, address: str, cluster: str) -> None:
    assert told(judge, address, CLUSTER % (cluster, "")) == [UNKNOWN]


SQL = """
variable "x" {}
resource "google_sql_database_instance" "db" {
  database_version = %s
  settings {
    tier = "t"
    %s
  }
}
"""
DB = "google_sql_database_instance.db"
INFILE = 'database_flags {\n name = "local_infile"\n value = %s\n}'


@pytest.mark.parametrize(
    ("judge", "version", "body", "expected"),
    [
        pytest.param(google_sql.local_infile, '"MYSQL_8_0"', INFILE % '"on"', 1, id="on"),
        pytest.param(google_sql.local_infile, '"POSTGRES_16"', INFILE % '"on"', 0, id="no MySQL"),
        pytest.param(google_sql.local_infile, "var.x", "", UNKNOWN, id="engine unknown"),
        pytest.param(
            google_sql.local_infile, '"MYSQL_8_0"', INFILE % "var.x", UNKNOWN, id="value unknown"
        ),
        pytest.param(
            google_sql.connections_unlogged,
            '"POSTGRES_${var.x}"',
            "",
            UNKNOWN,
            id="version unknown",
        ),
        pytest.param(
            google_sql.world,
            '"MYSQL_8_0"',
            "ip_configuration {\n dynamic authorized_networks {\n for_each = var.x\n content {\n"
            "value = authorized_networks.value\n}\n}\n}",
            UNKNOWN,
            id="networks unknown",
        ),
    ],
)
def test_databases(judge: Judge, version: str, body: str, expected: int | str) -> None:
    found = told(judge, DB, SQL % (version, body))
    assert found == [UNKNOWN] if expected == UNKNOWN else len(found) == expected


@pytest.mark.parametrize(
    ("name", "locked", "expected"),
    [('"logs"', "true", 0), ('"logs"', "false", 1), ('"logs-${var.x}"', "false", 1)],
)
def test_logs_may_be_deleted_from_where_a_sink_writes(
    name: str, locked: str, expected: int
) -> None:
    text = f"""
    variable "x" {{}}
    resource "google_storage_bucket" "logs" {{
      name = {name}
      retention_policy {{
        retention_period = 1
        is_locked        = {locked}
      }}
    }}
    resource "google_logging_project_sink" "all" {{
      destination = "storage.googleapis.com/${{google_storage_bucket.logs.name}}"
    }}
    """
    judge = google_storage.unlocked_log_bucket
    assert len(told(judge, "google_logging_project_sink.all", text)) == expected


@pytest.mark.parametrize(
    ("script", "expected"),
    [
        pytest.param('"export DB_PASSWORD=kFu83jsLq"', 1, id="literal"),
        pytest.param('"export DB_PASSWORD=${var.x}"', 0, id="given from outside"),
        pytest.param('"DB_PASSWORD=$(fetch db)"', 0, id="fetched"),
        pytest.param('"export DB_PASSWORD=${var.x} API_KEY=kFu83jsLq"', 1, id="one of two"),
        pytest.param('"echo password: your-password"', 0, id="a stand-in"),
        pytest.param("var.x", 0, id="unknown"),
    ],
)
def test_secrets_in_start_scripts(script: str, expected: int) -> None:
    text = f"""
    variable "x" {{}}
    resource "google_compute_instance" "vm" {{
      metadata_startup_script = {script}
    }}
    """
    found = told(google_secrets.script_secret, "google_compute_instance.vm", text)
    assert len(found) == expected


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("DB_PASSWORD", '"kFu83jsLq"', 1),
        ("DB_PASSWORD", "var.x", 0),
        ("DB_PASSWORD_FILE", '"/secrets/db"', 0),
        ("SECRET", '"projects/shop/secrets/db"', 0),
        ("LOG_LEVEL", '"information"', 0),
    ],
)
def test_secrets_of_functions(name: str, value: str, expected: int) -> None:
    text = f"""
    variable "x" {{}}
    resource "google_cloudfunctions2_function" "f" {{
      service_config {{
        environment_variables = {{ {name} = {value} }}
      }}
    }}
    """
    found = told(google_secrets.environment_secret, "google_cloudfunctions2_function.f", text)
    assert len(found) == expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("", 1),
        ('rotation_period = "7776000s"', 0),
        ('rotation_period = "7776001s"', 1),
        ("rotation_period = 90", 1),
        ('purpose = "MAC"', 0),
    ],
)
def test_keys_are_changed(body: str, expected: int) -> None:
    text = f'resource "google_kms_crypto_key" "k" {{\n {body}\n}}'
    found = told(google_services.slow_rotation, "google_kms_crypto_key.k", text)
    assert len(found) == expected


def test_an_exception_by_tag_leaves_the_guard_rail() -> None:
    text = """
    resource "google_org_policy_policy" "p" {
      name = "projects/shop/policies/iam.disableServiceAccountKeyCreation"
      spec {
        rules {
          enforce = "FALSE"
          condition { expression = "resource.matchTag('1/keys', 'yes')" }
        }
        rules { enforce = "%s" }
      }
    }
    """
    at = "google_org_policy_policy.p"
    assert told(google_services.guard_rail_off, at, text % "TRUE") == []
    assert len(told(google_services.guard_rail_off, at, text % "FALSE")) == 1
