"""Falco rule files in a tree: told apart, read by folder, found at their lines."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haechi.engines.cel import CelEngine
from haechi.model.config import Config
from haechi.model.finding import Finding
from haechi.rules.catalogue import load_catalogue
from haechi.scan.falco import may_be_rules, may_hold_rules, read_rules
from haechi.scan.look import Looked, look
from haechi.scan.setup import Setup
from haechi.world.files import Tree
from tests.engines.falco.test_lint import GUIDE, rule
from tests.trees import write

DEAD = rule("evt.type=execve and fd.name=/etc/shadow", "Dead")
VALUES = """\
driver:
  kind: modern_ebpf
customRules:
  rules-a.yaml: |-
    - macro: ours
      condition: evt.type=execve
  rules-b.yaml: |-
    # comment
    - rule: Dead
      desc: d
      condition: ours and fd.name=/etc/shadow
      output: o
      priority: WARNING
  other: 5
"""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (DEAD, True),
        ("- macro: a\n  condition: b\n", True),
        ("- list: a\n  items: [b]\n", True),
        ('- "rule": x\n  "condition": y\n', True),
        ("groups:\n- name: a\n  rules:\n  - rule: b\n    condition: c\n", False),
        ("- hosts: all\n  tasks: []\n", False),
        ("- name: list\n  items: [a]\n", False),
        ("apiVersion: v1\nkind: List\nitems: []\n", False),
        ("", False),
    ],
)
def test_rule_files_are_told_by_their_look(text: str, expected: bool) -> None:
    assert may_be_rules(text.encode()) is expected


def test_values_of_the_chart_may_hold_rules() -> None:
    assert may_hold_rules(VALUES.encode())
    assert not may_be_rules(VALUES.encode())
    assert not may_hold_rules(b"customRules: {}\n")


def findings(tmp_path: Path, files: dict[str, str], setup: Setup) -> tuple[list[Finding], Looked]:
    write(tmp_path, files)
    looked = look(Tree(root=tmp_path), setup)
    return [f for f in looked.scan.findings if f.rule.startswith("falco-")], looked


@pytest.fixture
def setup() -> Setup:
    return Setup(
        config=Config(), rules=load_catalogue().rules, only=("iac",), expressions=CelEngine
    )


def test_a_dead_rule_is_a_finding_at_its_line(tmp_path: Path, setup: Setup) -> None:
    found, looked = findings(tmp_path, {"falco/a.yaml": f"# rules\n{DEAD}"}, setup)
    (finding,) = found
    assert finding.rule == "falco-rule-never-fires"
    assert (finding.location.path, finding.location.line) == ("falco/a.yaml", 4)
    assert "'Dead'" in finding.message
    assert "dead-control" in finding.tags
    assert looked.scan.coverage.looked["falco rule files"] == 1
    assert "falco/a.yaml" in looked.files


def test_the_guide_in_a_tree(tmp_path: Path, setup: Setup) -> None:
    found, looked = findings(tmp_path, {"rules.yaml": GUIDE}, setup)
    assert sorted(f.rule for f in found) == [
        "falco-exclusion-without-effect",
        "falco-list-undefined",
        "falco-rule-never-fires",
    ]
    gaps = [gap for gap in looked.scan.coverage.gaps if gap.kind == "falco"]
    assert [gap.path for gap in gaps] == ["rules.yaml:16"]


def test_files_of_one_folder_are_read_together(tmp_path: Path, setup: Setup) -> None:
    text = rule("evt.type=execve and not proc.name in (good_programs)")
    lists = "- list: good_programs\n  items: [a]\n"
    found, _ = findings(
        tmp_path, {"one/a.yaml": lists, "one/b.yaml": text, "two/b.yaml": text}, setup
    )
    assert {f.location.path for f in found} == {"two/b.yaml"}


def test_values_of_the_chart_are_read_on_their_lines(tmp_path: Path, setup: Setup) -> None:
    (finding,), _ = findings(tmp_path, {"values.yaml": VALUES}, setup)
    assert finding.rule == "falco-rule-never-fires"
    assert (finding.location.line, VALUES.splitlines()[finding.location.line - 1].strip()) == (
        11,
        "condition: ours and fd.name=/etc/shadow",
    )


def test_moving_a_rule_keeps_its_fingerprint(tmp_path: Path, setup: Setup) -> None:
    (before,), _ = findings(tmp_path, {"a.yaml": DEAD}, setup)
    (after,), _ = findings(tmp_path, {"a.yaml": f"# a\n\n# b\n{DEAD}"}, setup)
    assert before.fingerprint == after.fingerprint
    assert before.location.line != after.location.line


def test_a_broken_file_is_a_gap(tmp_path: Path, setup: Setup) -> None:
    text = "- rule: a\n  condition: [\n- rule: b\n  condition: x\n"
    found, looked = findings(tmp_path, {"a.yaml": text}, setup)
    assert found == []
    assert {gap.kind for gap in looked.scan.coverage.gaps} == {"falco"}


def test_a_folder_too_large_is_a_gap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("haechi.scan.falco.MAX_FOLDER", 100)
    resources, gaps = read_rules({"a/a.yaml": DEAD, "a/b.yaml": DEAD})
    assert (resources, [gap.kind for gap in gaps]) == ([], ["too-much"])


def test_many_folders_share_one_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("haechi.scan.falco.MAX_CHECKS", 1)
    resources, gaps = read_rules({"a/a.yaml": DEAD, "b/b.yaml": DEAD, "c/c.yaml": DEAD})
    assert [one.file for one in resources] == ["a/a.yaml"]
    assert [(gap.kind, gap.path) for gap in gaps] == [("too-much", "b/b.yaml")]


def test_the_bytes_of_all_folders_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("haechi.scan.falco.MAX_ALL", len(DEAD) + 5)
    resources, gaps = read_rules({"a/a.yaml": DEAD, "b/b.yaml": DEAD})
    assert [one.file for one in resources] == ["a/a.yaml"]
    assert [(gap.kind, gap.path) for gap in gaps] == [("too-much", "b/b.yaml")]


@given(st.text(alphabet="- rulemacolistn:conditevp.ype=x()[]{}\"'|>#&*!%\n\t\x00", max_size=200))
def test_any_text_is_read_to_the_end(text: str) -> None:
    for head in ("", "- rule: a\n  condition: ", "customRules:\n  a: |-\n    - rule: a\n      "):
        resources, gaps = read_rules({"a.yaml": head + text})
        assert all(resource.kind == "falco-rules" for resource in resources)
        assert all(gap.kind for gap in gaps)
