"""The providers of Kubernetes and Helm, and the smaller clouds: spellings and unknown values."""

from __future__ import annotations

import pytest

from haechi.checks.terraform import kubernetes_provider, small_clouds
from tests.checks.terraform.judged import UNKNOWN, Judge, told

RELEASE = """
variable "x" {}
resource "helm_release" "r" {
  name       = "r"
  chart      = "c"
  repository = %s
  %s
}
"""
AT = "helm_release.r"
HTTPS = '"https://charts.example.com"'


def one(name: str, value: str, block: str = "set") -> str:
    """A value of a release."""
    return f"{block} {{\n name = {name}\n value = {value}\n}}"


@pytest.mark.parametrize(
    ("judge", "repository", "body", "expected"),
    [
        pytest.param(
            kubernetes_provider.plain_repository, '"http://charts.example.com"', "", 1, id="plain"
        ),
        pytest.param(
            kubernetes_provider.plain_repository, '"http://${var.x}/charts"', "", 1, id="in part"
        ),
        pytest.param(
            kubernetes_provider.plain_repository, '"http://localhost:8080"', "", 0, id="own machine"
        ),
        pytest.param(
            kubernetes_provider.release_secret,
            HTTPS,
            one('"auth.rootPassword"', '"kFu83jsLq"'),
            1,
            id="a password by its name",
        ),
        pytest.param(
            kubernetes_provider.release_secret,
            HTTPS,
            one('"anything"', '"kFu83jsLq"', "set_sensitive"),
            1,
            id="a secret by its block",
        ),
        pytest.param(
            kubernetes_provider.release_secret,
            HTTPS,
            one('"auth.password"', "var.x", "set_sensitive"),
            0,
            id="from a variable",
        ),
        pytest.param(
            kubernetes_provider.release_secret,
            HTTPS,
            one('"auth.existingSecret"', '"credentials"'),
            0,
            id="the name of a Secret",
        ),
        pytest.param(kubernetes_provider.unpinned_chart, HTTPS, "", 1, id="newest"),
        pytest.param(
            kubernetes_provider.unpinned_chart, HTTPS, "version = var.x", 0, id="version given"
        ),
        pytest.param(kubernetes_provider.unpinned_chart, "null", "", 0, id="a chart beside it"),
    ],
)
def test_releases(judge: Judge, repository: str, body: str, expected: int) -> None:
    found = told(judge, AT, RELEASE % (repository, body))
    assert len(found) == expected
    assert UNKNOWN not in found


LIST = """
variable "x" {}
resource "oci_core_security_list" "l" {
  ingress_security_rules {
    protocol = "6"
    source   = %s
    %s
  }
}
"""


@pytest.mark.parametrize(
    ("source", "options", "expected"),
    [
        ('"0.0.0.0/0"', "", ["0.0.0.0/0 reaches every port"]),
        ('"0.0.0.0/0"', "tcp_options {\n min = 443\n max = 443\n}", []),
        ('"0.0.0.0/0"', "tcp_options {\n min = 20\n max = 22\n}", ["0.0.0.0/0 reaches SSH (22)"]),
        ("var.x", "", [UNKNOWN]),
        ('"10.0.0.0/8"', "", []),
    ],
)
def test_security_lists_of_oracle(source: str, options: str, expected: list[str]) -> None:
    text = LIST % (source, options)
    assert told(small_clouds.oracle_open, "oci_core_security_list.l", text) == expected


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ("Allow any-user to read objects in tenancy", 1),
        ("Allow any-user to read objects in tenancy where request.principal.type = 'x'", 0),
        ("Allow group Shop to manage all-resources in tenancy", 1),
        ("Allow group Administrators to manage all-resources in tenancy", 0),
        ("Allow group Shop to manage all-resources in compartment shop", 0),
    ],
)
def test_policies_of_oracle(statement: str, expected: int) -> None:
    text = f'resource "oci_identity_policy" "p" {{\n statements = ["{statement}"]\n}}'
    assert len(told(small_clouds.oracle_policy, "oci_identity_policy.p", text)) == expected


@pytest.mark.parametrize(
    ("include", "expected"),
    [
        ("include {\n everyone = true\n}", 1),
        ('include {\n everyone = true\n}\nrequire {\n email_domain = ["a.b"]\n}', 0),
        ('include {\n everyone = false\n email_domain = ["a.b"]\n}', 0),
    ],
    ids=["everybody", "with a requirement", "a domain"],
)
def test_access_for_everybody(include: str, expected: int) -> None:
    text = f'resource "cloudflare_access_policy" "p" {{\n decision = "allow"\n {include}\n}}'
    judge = small_clouds.access_for_everybody
    assert len(told(judge, "cloudflare_access_policy.p", text)) == expected
