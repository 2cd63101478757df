"""Google Cloud: grants in every spelling, what stops them, and what nobody can know."""

from __future__ import annotations

import pytest

from haechi.checks.terraform import google_iam, google_services, google_storage
from tests.checks.terraform.judged import UNKNOWN, Judge, told

MEMBER = """
variable "who" {}
variable "role" {}
resource "google_service_account" "app" { account_id = "app" }
data "google_compute_default_service_account" "it" {}
resource "google_project_iam_member" "it" {
  project = "shop"
  role    = %s
  member  = %s
}
"""
AT = "google_project_iam_member.it"


@pytest.mark.parametrize(
    ("judge", "role", "member", "expected"),
    [
        pytest.param(
            google_iam.basic_role,
            '"roles/editor"',
            "var.who",
            ["who has it may change nearly everything in it (roles/editor)"],
            id="the role is enough",
        ),
        pytest.param(
            google_iam.basic_role, "var.role", '"group:a@b.c"', [UNKNOWN], id="role unknown"
        ),
        pytest.param(
            google_iam.basic_role,
            '"projects/shop/roles/${var.role}"',
            '"group:a@b.c"',
            [],
            id="a role of one's own cannot be a basic one",
        ),
        pytest.param(google_iam.public, "var.role", "var.who", [UNKNOWN], id="member unknown"),
        pytest.param(
            google_iam.public,
            '"roles/browser"',
            '"serviceAccount:${google_service_account.app.email}"',
            [],
            id="an account is not everybody",
        ),
        pytest.param(
            google_iam.public,
            '"roles/browser"',
            '"user:${var.who}"',
            [],
            id="what begins otherwise is not everybody",
        ),
        pytest.param(
            google_iam.public,
            "var.role",
            '"allUsers"',
            ["everybody on the internet has a role that is not known (allUsers)"],
            id="everybody, whatever the role",
        ),
        pytest.param(
            google_iam.default_account_member,
            '"roles/browser"',
            '"serviceAccount:${data.google_compute_default_service_account.it.email}"',
            ["Compute Engine's default service account has roles/browser"],
            id="the default account by reference",
        ),
        pytest.param(
            google_iam.default_account_member,
            '"roles/browser"',
            "google_service_account.app.member",
            [],
            id="an account of one's own by reference",
        ),
        pytest.param(
            google_iam.default_account_member,
            '"roles/browser"',
            "var.who",
            [UNKNOWN],
            id="an account that nobody knows",
        ),
        pytest.param(
            google_iam.administering_account,
            '"roles/storage.admin"',
            "google_service_account.app.member",
            ["google_service_account.app has roles/storage.admin"],
            id="an administering account by reference",
        ),
    ],
)
def test_members_and_roles(judge: Judge, role: str, member: str, expected: list[str]) -> None:
    assert told(judge, AT, MEMBER % (role, member)) == expected


@pytest.mark.parametrize(
    "policy",
    [
        'jsonencode({ bindings = [{ role = var.role, members = [var.who, "allUsers"] }] })',
        '"{\\"bindings\\": [{\\"role\\": \\"roles/viewer\\", \\"members\\": [\\"allUsers\\"]}]}"',
        "data.google_iam_policy.open.policy_data",
    ],
    ids=["jsonencode", "text", "data source"],
)
def test_policies_are_read_however_they_are_written(policy: str) -> None:
    text = f"""
    variable "who" {{}}
    variable "role" {{}}
    data "google_iam_policy" "open" {{
      binding {{
        role    = var.role
        members = ["allUsers"]
      }}
    }}
    resource "google_project_iam_policy" "it" {{
      project     = "shop"
      policy_data = {policy}
    }}
    """
    [message] = told(google_iam.public, "google_project_iam_policy.it", text)
    assert message.startswith("everybody on the internet has ")


def test_a_policy_that_nobody_knows_is_not_judged() -> None:
    text = """
    variable "policy" {}
    resource "google_project_iam_policy" "it" {
      policy_data = var.policy
    }
    """
    assert told(google_iam.public, "google_project_iam_policy.it", text) == [UNKNOWN]


BUCKET = """
variable "state" {}
resource "google_storage_bucket" "shop" {
  name = %s
  %s
}
resource "google_storage_bucket_iam_member" "it" {
  bucket = google_storage_bucket.shop.name
  role   = "roles/storage.objectViewer"
  member = "allUsers"
}
resource "google_storage_bucket_access_control" "acl" {
  bucket = google_storage_bucket.shop.name
  entity = "allUsers"
}
"""
PUBLIC = ["everybody on the internet has roles/storage.objectViewer (allUsers)"]
ACL = ["everybody on the internet is READER"]


@pytest.mark.parametrize("name", ['"shop"', '"shop-${var.state}"'], ids=["name known", "unknown"])
@pytest.mark.parametrize(
    ("setting", "granted", "listed"),
    [
        ("", PUBLIC, ACL),
        ('public_access_prevention = "enforced"', [], []),
        ('public_access_prevention = "inherited"', PUBLIC, ACL),
        ("uniform_bucket_level_access = true", PUBLIC, []),
        ("public_access_prevention = var.state", [UNKNOWN], [UNKNOWN]),
    ],
    ids=["nothing", "prevention", "inherited", "uniform access", "prevention unknown"],
)
def test_what_makes_public_grants_void(
    name: str, setting: str, granted: list[str], listed: list[str]
) -> None:
    text = BUCKET % (name, setting)
    member, acl = (
        "google_storage_bucket_iam_member.it",
        "google_storage_bucket_access_control.acl",
    )
    assert told(google_storage.bucket_public, member, text) == granted
    assert told(google_storage.bucket_acl, acl, text) == listed


@pytest.mark.parametrize(
    ("ingress", "expected"),
    [
        ("INGRESS_TRAFFIC_ALL", ["everybody on the internet may call it (allUsers)"]),
        ("INGRESS_TRAFFIC_INTERNAL_LOAD_BALANCER", []),
    ],
)
def test_a_service_inside_is_not_called_from_outside(ingress: str, expected: list[str]) -> None:
    text = f"""
    resource "google_cloud_run_v2_service" "shop" {{
      name    = "shop"
      ingress = "{ingress}"
    }}
    resource "google_cloud_run_v2_service_iam_binding" "it" {{
      name    = google_cloud_run_v2_service.shop.name
      role    = "roles/run.invoker"
      members = ["allUsers"]
    }}
    """
    address = "google_cloud_run_v2_service_iam_binding.it"
    assert told(google_services.service_public, address, text) == expected


POOL = """
variable "condition" {}
variable "organisation" {}
resource "google_iam_workload_identity_pool_provider" "ci" {
  attribute_condition = %s
  oidc { issuer_uri = "%s" }
}
"""
GITHUB = "https://token.actions.githubusercontent.com"


@pytest.mark.parametrize(
    ("condition", "faults"),
    [
        pytest.param("\"assertion.repository_owner == 'example'\"", 0, id="owner"),
        pytest.param("\"assertion.repository_owner_id == '${var.organisation}'\"", 0, id="its id"),
        pytest.param("\"attribute.repository in ['example/a', 'example/b']\"", 0, id="list"),
        pytest.param("\"assertion['repository'] == 'example/a'\"", 0, id="index"),
        pytest.param("\"assertion.sub.startsWith('repo:example/')\"", 0, id="whole owner"),
        pytest.param("\"assertion.sub.startsWith('repo:example')\"", 1, id="owner's beginning"),
        pytest.param("\"assertion.ref == 'refs/heads/main'\"", 1, id="branch only"),
        pytest.param("\"assertion.aud == 'x'\"", 1, id="audience only"),
        pytest.param('"true"', 1, id="always"),
        pytest.param("\"assertion.repository.matches('.*')\"", 1, id="any"),
    ],
)
def test_conditions_of_federation(condition: str, faults: int) -> None:
    address = "google_iam_workload_identity_pool_provider.ci"
    found = told(google_iam.federation_wide, address, POOL % (condition, GITHUB))
    assert len(found) == faults
    assert UNKNOWN not in found


def test_an_issuer_of_ones_own_needs_no_condition() -> None:
    address = "google_iam_workload_identity_pool_provider.ci"
    judge = google_iam.federation_without_condition
    assert told(judge, address, POOL % ("null", "https://sso.example.com")) == []
    assert len(told(judge, address, POOL % ("null", GITHUB))) == 1
    assert told(google_iam.federation_wide, address, POOL % ("var.condition", GITHUB)) == [UNKNOWN]
