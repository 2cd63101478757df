"""Secrets of variables and outputs: by name, by value, and what only looks like one."""

from __future__ import annotations

import pytest

from haechi.checks.terraform.configuration import (
    module_tag,
    module_unpinned,
    output_secret,
    variable_secret,
)
from tests.checks.terraform.judged import told


@pytest.mark.parametrize(
    ("name", "default", "is_secret"),
    [
        ("db_password", "Sup3rSecr3t", True),
        ("db_password", "changeme", True),
        ("api_key", "<API_KEY>", False),
        ("api_key", "dummy-shop-key", False),
        ("api_key", "replace-me", False),
        ("ssh_private_key", "../keys/shop", False),
        ("ssh_private_key", "shop.pem", False),
        ("ssm_key_password", "admin/db_password", False),
        ("api_key", "/shop/api_key", False),
        ("ssm_path_format_api_key", "/grafana/%s/api_key", False),
        ("chamber_token", "spotinst_token", False),
        ("db_password", "super_secret_password", True),
        ("kube_secret", "tailscale", False),
    ],
)
def test_the_default_of_a_variable(name: str, default: str, is_secret: bool) -> None:
    text = f'variable "{name}" {{\n  default = "{default}"\n}}\n'
    assert bool(told(variable_secret, f"var.{name}", text)) is is_secret


KEY = 'resource "aws_iam_access_key" "k" {\n  user = "ci"\n}\n'


@pytest.mark.parametrize(
    ("name", "value", "printed"),
    [
        ("secret_access_key", "aws_iam_access_key.k.secret", True),
        ("user_access_key", "aws_iam_access_key.k.id", False),
        ("db_password", "random_password.p.result", True),
        ("ssm_path_auth_token", "aws_ssm_parameter.p.value", False),
        ("dkim_verification_token", "aws_ses_domain_dkim.d.dkim_tokens", False),
    ],
)
def test_an_output(name: str, value: str, printed: bool) -> None:
    text = f'{KEY}output "{name}" {{\n  value = {value}\n}}\n'
    assert bool(told(output_secret, f"output.{name}", text)) is printed


def test_an_output_of_a_called_module_is_printed_by_nobody() -> None:
    from haechi.model.review import Review
    from haechi.scan.iac.kubernetes import Inventory
    from haechi.scan.iac.terraform.read import read_texts

    inner = f'{KEY}output "secret_access_key" {{\n  value = aws_iam_access_key.k.secret\n}}\n'
    found = read_texts(
        {"main.tf": b'module "m" {\n  source = "./m"\n}\n', "m/main.tf": inner.encode()}
    ).resources
    about = next(one for one in found if one.name == "module.m.output.secret_access_key")
    review = Review(resource=about, scope=Inventory([], others=found))
    assert list(output_secret(review)) == []


@pytest.mark.parametrize(
    ("ref", "moves", "is_tag"),
    [
        ("?ref=main", True, False),
        ("?ref=release-1.2", True, False),
        ("", True, False),
        ("?ref=v1.2.0", False, True),
        ("?ref=tags/0.7.1", False, True),
        ("?ref=refs/tags/stable", False, True),
        ("?ref=@shop/network@4.0.3", False, True),
        ("?ref=daily-2026.01.31", False, True),
        ("?ref=2aecd10f5c6d7e8f90123456789abcdef0123456", False, False),
    ],
)
def test_what_a_module_of_git_follows(ref: str, moves: bool, is_tag: bool) -> None:
    text = f'module "m" {{\n  source = "git::https://git.example.com/shop/m.git{ref}"\n}}\n'
    assert bool(told(module_unpinned, "module.m", text)) is moves
    assert bool(told(module_tag, "module.m", text)) is is_tag
