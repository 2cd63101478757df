"""Comments that suppress: what they speak for, and that many of them take no long time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from haechi.model.waiver import Waiver
from haechi.scan.suppressions import terraform
from tests.scan.iac.terraform.test_scan import ACL, scan

ALLOW = "# haechi:allow tf-test-acl\n"


def lines(waivers: Sequence[Waiver]) -> list[tuple[str | None, int | None, int | None]]:
    return [(one.path, one.first_line, one.last_line) for one in waivers]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f'{ALLOW}resource "aws_x" "a" {{\n}}\n', [(2, 3)]),
        (f'{ALLOW}# why\n/* more\n\n*/\nresource "aws_x" "a" {{\n}}\n', [(6, 7)]),
        (f'{ALLOW}\nresource "aws_x" "a" {{\n}}\n', []),
        (f'resource "aws_x" "a" {{\n}}\n{ALLOW}', []),
        (f'resource "aws_x" "a" {{\n  v = [\n  ]\n  {ALLOW}  w = [\n  ]\n}}\n', [(5, 6)]),
        (f'resource "aws_x" "a" {{\n  v = [\n    {ALLOW}    1\n  ]\n}}\n', [(4, 4)]),
        (f'resource "aws_x" "a" {{ {ALLOW}  v = 1\n}}\n', [(1, 3)]),
        (f'resource "aws_x" "a" {{\n  b {{\n    v = 1 {ALLOW}  }}\n}}\n', [(3, 3)]),
    ],
    ids=["above", "over-comments", "parted", "end", "attribute", "inside", "behind", "nested"],
)
def test_a_comment_speaks_for_what_begins_there(
    tmp_path: Path, text: str, expected: list[tuple[int, int]]
) -> None:
    part = scan(tmp_path, {"main.tf": text}, rules=(ACL,))
    assert lines(part.waivers) == [("main.tf", *one) for one in expected]


def test_lines_of_an_override_are_not_lines_of_the_file(tmp_path: Path) -> None:
    main = f'resource "aws_x" "a" {{\n  v = 1\n  {ALLOW}  acl = "public"\n}}\n'
    override = '\nresource "aws_x" "a" {\n  w = [\n    1,\n    2\n  ]\n}\n'
    part = scan(tmp_path, {"main.tf": main, "override.tf": override}, rules=(ACL,))
    assert lines(part.waivers) == [("main.tf", 4, 4)]


def test_every_line_may_be_a_comment(tmp_path: Path) -> None:
    text = ALLOW * 4_000 + 'resource "aws_x" "a" {\n}\n'
    part = scan(tmp_path, {"main.tf": text}, rules=(ACL,))
    assert lines(part.waivers) == [("main.tf", 4_001, 4_002)] * 4_000


def test_how_many_waivers_come_of_others_is_bounded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(terraform, "_MAX_WAIVERS", 5)
    main = f'{ALLOW}data "aws_iam_policy_document" "d" {{}}\n' + "".join(
        f'resource "aws_x" "a{at}" {{\n  v = data.aws_iam_policy_document.d.json\n}}\n'
        for at in range(9)
    )
    part = scan(tmp_path, {"main.tf": main}, rules=(ACL,))
    assert len(part.waivers) == 1 + 5
