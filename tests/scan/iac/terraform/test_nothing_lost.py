"""What one tool reads and another does not, or Terraform refuses: told or judged, never lost."""

from __future__ import annotations

import pytest

from haechi.model.unknown import Unknown
from haechi.scan.iac.terraform.modules import chosen, is_override
from tests.scan.iac.terraform.declared import data, kinds, names, read


def test_a_dynamic_block_without_a_name_is_told_and_the_rest_is_judged() -> None:
    main = (
        'resource "aws_x" "a" {\n  v = 1\n  dynamic {\n    for_each = [1]\n    content {}\n  }\n}\n'
    )
    found = read(main + 'resource "aws_x" "b" {}')
    assert names(found) == ["aws_x.a", "aws_x.b"]
    assert data(found, "aws_x.a") == {"v": 1}
    assert [(gap.kind, gap.path) for gap in found.gaps] == [("terraform-fault", "main.tf:3")]


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        (["a.tf", "a.tofu"], ["a.tofu"]),
        (["a.tf.json", "a.tofu.json"], ["a.tofu.json"]),
        (["a.tf", "a.tofu.json"], ["a.tf", "a.tofu.json"]),
        (["a.tf.json", "a.tofu"], ["a.tf.json", "a.tofu"]),
        (["x.tofu/a.tf", "x.tofu/a.tofu"], ["x.tofu/a.tofu"]),
        (
            ["override.tf", "a.tf", "b_override.tf.json"],
            ["a.tf", "b_override.tf.json", "override.tf"],
        ),
    ],
)
def test_opentofu_reads_a_file_of_its_own_instead_of_that_of_the_same_syntax(
    paths: list[str], expected: list[str]
) -> None:
    assert chosen(paths) == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("a/override.tf", True),
        ("a_override.tofu.json", True),
        ("a_override.tfvars.tf", False),
        ("overrides.tf", False),
    ],
)
def test_overrides_are_told_by_their_whole_name(path: str, expected: bool) -> None:
    assert is_override(path) is expected


@pytest.mark.parametrize("attribute", ["source_policy_documents", "override_policy_documents"])
@pytest.mark.parametrize("document", ["not JSON", "[1]"])
def test_a_policy_of_a_document_that_is_none_is_not_an_empty_one(
    attribute: str, document: str
) -> None:
    found = read(
        f'data "aws_iam_policy_document" "d" {{\n  {attribute} = ["{document}"]\n}}\n'
        'resource "aws_x" "p" { policy = data.aws_iam_policy_document.d.json }'
    )
    policy = data(found, "aws_x.p")["policy"]
    assert isinstance(policy, Unknown)
    [statement] = policy.content["Statement"]
    assert isinstance(statement, Unknown)
    assert kinds(found) == []
