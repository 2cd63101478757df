"""Policies of AWS: which grant, and which only bound what others grant."""

from __future__ import annotations

import json

import pytest

from haechi.checks.terraform.aws_iam import escalation, pass_any_role, whole_service
from tests.checks.terraform.judged import told

POLICY = """
resource "aws_iam_policy" "{0}" {{
  name   = "${{var.prefix}}-{1}"
  policy = jsonencode({{ Statement = [{{ Effect = "Allow", Action = "s3:*", Resource = "*" }}] }})
}}
variable "prefix" {{}}
"""
LIMITED = 'resource "aws_iam_role" "r" {\n  permissions_boundary = aws_iam_policy.p.arn\n}\n'
ATTACHED = (
    'resource "aws_iam_role_policy_attachment" "a" {\n  role = "r"\n'
    "  policy_arn = aws_iam_policy.p.arn\n}\n"
)
GRANTS = ["grants s3:* on every resource"]


@pytest.mark.parametrize(
    ("label", "name", "others", "expected"),
    [
        ("p", "shop", "", GRANTS),
        ("p", "shop", LIMITED, []),
        ("p", "shop", LIMITED + ATTACHED, GRANTS),
        ("p", "boundary", "", []),
        ("p", "boundary", ATTACHED, GRANTS),
        ("developer_boundary", "shop", "", []),
        ("p", "boundless", "", GRANTS),
    ],
    ids=[
        "used-by-nothing",
        "a-boundary",
        "a-boundary-that-is-attached",
        "a-boundary-by-its-name",
        "attached-whatever-its-name",
        "a-boundary-by-its-label",
        "a-name-that-only-begins-alike",
    ],
)
def test_a_permissions_boundary_grants_nothing(
    label: str, name: str, others: str, expected: list[str]
) -> None:
    text = POLICY.format(label, name) + others
    assert told(whole_service, f"aws_iam_policy.{label}", text) == expected


@pytest.mark.parametrize(
    ("actions", "escalates", "passes"),
    [
        (["lambda:UpdateFunctionCode"], True, False),
        (["iam:PassRole"], False, True),
        (["iam:passrole", "codebuild:CreateProject"], True, False),
        (["iam:*"], True, False),
        (["s3:GetObject"], False, False),
    ],
    ids=["code-of-any-function", "any-role", "any-role-for-a-build", "all-of-iam", "neither"],
)
def test_rights_that_make_themselves_larger(
    actions: list[str], escalates: bool, passes: bool
) -> None:
    text = (
        'resource "aws_iam_policy" "p" {\n  policy = jsonencode({ Statement = '
        f'[{{ Effect = "Allow", Action = {json.dumps(actions)}, Resource = "*" }}] }})\n}}\n'
    )
    assert bool(told(escalation, "aws_iam_policy.p", text)) is escalates
    assert bool(told(pass_any_role, "aws_iam_policy.p", text)) is passes
