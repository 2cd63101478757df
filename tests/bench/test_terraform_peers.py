"""The comparison with Checkov's cases: what it reads of them, what counts as agreement."""

from __future__ import annotations

from pathlib import Path

import pytest
from bench.terraform_peers import CORPUS, Case, Outcome, cases, compare, explained, reason_of

_TEST = """
from checkov.terraform.checks.resource.aws.Rotation import check

class TestRotation(unittest.TestCase):
    def test(self):
        test_files_dir = current_dir + "/example_Rotation"
        passing_resources = {"aws_kms_key.good"}
        failing_resources = {"aws_kms_key.bad", "aws_kms_key.unknown"}
"""
_FILE = """
variable "x" {}
resource "aws_kms_key" "good" { enable_key_rotation = true }
resource "aws_kms_key" "bad" { enable_key_rotation = false }
resource "aws_kms_key" "unknown" { enable_key_rotation = var.x }
"""


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    """A checkout with one check in Python and one over the graph."""
    files = {
        "tests/terraform/checks/resource/aws/test_Rotation.py": _TEST,
        "tests/terraform/checks/resource/aws/example_Rotation/main.tf": _FILE,
        "checkov/terraform/checks/resource/aws/Rotation.py": 'id = "CKV_AWS_7"',
        "tests/terraform/graph/checks/resources/Rotated/expected.yaml": (
            'pass:\n  - "aws_kms_key.good"\nfail:\n  - "aws_kms_key.bad"\n'
        ),
        "tests/terraform/graph/checks/resources/Rotated/main.tf": _FILE,
        "checkov/terraform/checks/graph_checks/aws/Rotated.yaml": 'metadata:\n  id: "CKV_AWS_7"\n',
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def test_cases_of_both_kinds_are_read(corpus: Path) -> None:
    found = list(cases(corpus, "aws"))
    assert [case.folder.name for case in found] == ["example_Rotation", "Rotated"]
    assert found[0] == Case(
        "CKV_AWS_7",
        found[0].folder,
        frozenset({"aws_kms_key.bad", "aws_kms_key.unknown"}),
        frozenset({"aws_kms_key.good"}),
    )
    assert list(cases(corpus, "gcp")) == []


def test_what_our_rule_says_of_each(corpus: Path) -> None:
    said = {(one.folder, one.resource): (one.ours, one.agrees) for one in compare(corpus)}
    assert said == {
        ("example_Rotation", "aws_kms_key.bad"): ("fail", True),
        ("example_Rotation", "aws_kms_key.unknown"): ("not_evaluated", False),
        ("example_Rotation", "aws_kms_key.good"): ("pass", True),
        ("Rotated", "aws_kms_key.bad"): ("fail", True),
        ("Rotated", "aws_kms_key.good"): ("pass", True),
    }


def test_reasons_from_the_narrowest() -> None:
    reasons = {"C": {"a.b": "one", "fail *": "all that fail", "*": "all"}}
    said = [
        reason_of(Outcome("C", "f", name, expected, "pass"), reasons)
        for name, expected in (("a.b", "fail"), ("a.c", "fail"), ("a.c", "pass"))
    ]
    assert said == ["one", "all that fail", "all"]
    assert reason_of(Outcome("D", "f", "a.b", "fail", "pass"), reasons) == ""


@pytest.mark.skipif(not CORPUS.is_dir(), reason="Checkov's tests are not on this machine")
def test_every_difference_for_amazon_is_explained() -> None:
    reasons = explained()
    outcomes = compare(CORPUS, cloud="aws")
    open_ = [one for one in outcomes if not one.agrees and not reason_of(one, reasons)]
    assert len(outcomes) > 500
    assert open_ == []
