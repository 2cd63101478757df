"""Secrets of a working tree by the main job: which files, which gaps, what the gate says."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from haechi.checks.secrets.forms import Forge
from haechi.cli.pipeline import Options, run
from haechi.errors import UsageError
from haechi.scan.secrets import tree as tree_module
from tests.trees import findings, gaps, scan, write

RULE = "secret-github-pat"
TOKEN = Forge("tree").make("ghp_<<base62 30>><<crc32>>")


def paths(root: Path, **options: object) -> list[str]:
    outcome = run(Options(**{"path": root, "only": ("secrets",), **options}))  # type: ignore[arg-type]
    return sorted(f.location.path for f in findings(outcome, RULE))


def test_every_kind_of_file_is_looked_at(tmp_path: Path) -> None:
    names = ["a.py", "b", "c.bin", "d/e/f.yaml", "한글.txt"]
    write(tmp_path, dict.fromkeys(names, f"x = '{TOKEN}'\n"))
    assert paths(tmp_path) == sorted(names)


def test_what_git_ignores_is_left_out_unless_asked_for(tmp_path: Path) -> None:
    write(tmp_path, {".gitignore": "*.env\n", "a.env": TOKEN, "b.txt": TOKEN})
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    assert paths(tmp_path) == ["b.txt"]
    assert paths(tmp_path, ignored=True) == ["a.env", "b.txt"]


def test_what_the_project_excludes_is_left_out(tmp_path: Path) -> None:
    write(tmp_path, {"haechi.yaml": "exclude: [testdata/**]\n", "testdata/a": TOKEN, "b": TOKEN})
    assert paths(tmp_path) == ["b"]


def test_a_folder_or_file_alone_may_be_asked_for(tmp_path: Path) -> None:
    write(tmp_path, {"a/x": TOKEN, "b/x": TOKEN})
    assert paths(tmp_path / "a") == ["a/x"]
    assert paths(tmp_path / "b" / "x") == ["b/x"]


def test_a_file_of_no_known_kind_may_be_asked_for(tmp_path: Path) -> None:
    write(tmp_path, {"notes.txt": "nothing"})
    outcome = run(Options(path=tmp_path / "notes.txt", only=("secrets",)))
    assert gaps(outcome) == []


def test_files_past_the_limit_are_a_gap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tree_module, "LARGEST", 1000)
    outcome = scan(tmp_path, {"big": "x" * 2000, "small": TOKEN}, only=("secrets",))
    assert [(gap.kind, gap.path) for gap in gaps(outcome)] == [("too-large", "big")]
    assert outcome.material.decision.exit_code == 1
    assert len(findings(outcome, RULE)) == 1


def test_large_files_are_looked_at_in_windows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tree_module, "WINDOW", 1000)
    text = "a\n" * 2000 + TOKEN + "\n" + "b\n" * 2000
    outcome = scan(tmp_path, {"big": text}, only=("secrets",))
    (found,) = findings(outcome, RULE)
    assert (found.location.line, found.location.column) == (2001, 1)


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root reads everything")
def test_a_file_that_may_not_be_read_is_a_gap(tmp_path: Path) -> None:
    write(tmp_path, {"a": TOKEN})
    (tmp_path / "a").chmod(0)
    outcome = run(Options(path=tmp_path, only=("secrets",)))
    assert [(gap.kind, gap.path) for gap in gaps(outcome)] == [("unreadable", "a")]
    assert outcome.material.decision.exit_code == 3


def test_links_are_read_where_they_lead_and_not_out_of_the_tree(tmp_path: Path) -> None:
    root = tmp_path / "project"
    (tmp_path / "outside").write_text(TOKEN)
    write(root, {"a": TOKEN})
    (root / "b").symlink_to("a")
    (root / "c").symlink_to(tmp_path / "outside")
    assert paths(root) == ["a"]


def test_a_part_of_history_cannot_be_asked_for_where_there_is_none(tmp_path: Path) -> None:
    write(tmp_path, {"a": "x"})
    with pytest.raises(UsageError, match="not in a git repository"):
        run(Options(path=tmp_path, staged=True))


def test_the_rule_of_a_user_finds_his_tokens(tmp_path: Path) -> None:
    own = """\
rules:
- id: secret-team-token
  title: Token of the team's own service
  severity: high
  judge: pattern
  pattern:
    regex: '\\b(?P<secret>team_[0-9a-f]{20})\\b'
    keywords: [team_]
    form: 'team_<<hex 20>>'
  why: It opens the service.
  fix: Rotate it.
  bad: ['k=<<secret>>']
  good: ['k=team_<<hex 19>>']
"""
    token = Forge("own").make("team_<<hex 20>>")
    files = {"haechi.yaml": "rules: [policy]\n", "policy/own.yaml": own, "a": f"{token} {TOKEN}"}
    outcome = scan(tmp_path, files, only=("secrets",))
    assert gaps(outcome) == []
    assert len(findings(outcome, "secret-team-token")) == len(findings(outcome, RULE)) == 1


def test_a_users_expression_that_cannot_be_used_is_a_gap(tmp_path: Path) -> None:
    own = """\
rules:
- id: secret-team-token
  title: t
  severity: high
  judge: pattern
  pattern: {regex: '(?=a)b', keywords: [b], form: 'b<<hex 9>>'}
  why: w
  fix: f
  bad: ['k=<<secret>>']
  good: ['k=']
"""
    files = {"haechi.yaml": "rules: [policy]\n", "policy/own.yaml": own, "a": TOKEN}
    outcome = scan(tmp_path, files, only=("secrets",))
    (gap,) = gaps(outcome)
    assert gap.kind == "rule-error"
    assert "not RE2's" in gap.reason
    assert len(findings(outcome, RULE)) == 1
