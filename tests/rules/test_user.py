"""Rules of users: directories of the repository, CEL alone, every fault told."""

from __future__ import annotations

from pathlib import Path

import pytest

from haechi.rules import user
from haechi.rules.catalogue import load_catalogue
from haechi.rules.user import load_user_rules

RULE = """\
rules:
- id: %s
  title: A host
  severity: high
  why: Because
  fix: Do
  applies_to: {kinds: [core/Pod]}
  judge: cel
  expression: "true"
  bad: [text]
  good: [other]
"""


def load(root: Path, *directories: str) -> tuple[list[str], list[str]]:
    rules, faults = load_user_rules(root, directories or ("ci",), load_catalogue().by_id)
    return [rule.id for rule in rules], [str(fault) for fault in faults]


def put(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_every_yaml_file_of_the_directories_is_read(tmp_path: Path) -> None:
    put(tmp_path / "ci" / "b.yml", RULE % "team-b")
    put(tmp_path / "ci" / "deep" / "a.yaml", RULE % "team-a")
    put(tmp_path / "ci" / "note.txt", RULE % "team-note")
    put(tmp_path / "more" / "c.yaml", RULE % "team-c")
    assert load(tmp_path, "ci", "more") == (["team-b", "team-a", "team-c"], [])


def test_an_id_is_given_once(tmp_path: Path) -> None:
    put(tmp_path / "ci" / "a.yaml", RULE % "k8s-privileged")
    put(tmp_path / "ci" / "b.yaml", RULE % "team-b")
    put(tmp_path / "ci" / "c.yaml", RULE % "team-b")
    ids, faults = load(tmp_path)
    assert ids == ["team-b"]
    assert [fault.partition(": ")[2] for fault in faults] == [
        "rule k8s-privileged: the id is taken by haechi",
        "rule team-b: the id is taken by ci/b.yaml",
    ]


@pytest.mark.parametrize("directory", ["gone", "../outside", "/etc", "a.yaml"])
def test_a_directory_that_is_not_there_is_a_fault(tmp_path: Path, directory: str) -> None:
    root = tmp_path / "root"
    put(root / "a.yaml", RULE % "team-a")
    put(tmp_path / "outside" / "a.yaml", RULE % "team-a")
    ids, faults = load(root, directory)
    assert ids == []
    assert len(faults) == 1
    assert faults[0].startswith(f"{directory}:1: ")


def test_code_of_the_repository_is_refused(tmp_path: Path) -> None:
    python = (RULE % "team-a").replace("judge: cel", "judge: python\n  function: 'os:system'")
    put(tmp_path / "ci" / "a.yaml", python)
    ids, (fault,) = load(tmp_path)
    assert ids == []
    assert "judge by cel or pattern, not python" in fault


def test_links_and_huge_files_are_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(tmp_path / "outside.yaml", RULE % "team-link")
    put(tmp_path / "ci" / "huge.yaml", RULE % "team-huge" + "#" * user.MAX_FILE)
    (tmp_path / "ci" / "link.yaml").symlink_to("../outside.yaml")
    ids, faults = load(tmp_path)
    assert ids == []
    assert [fault.split(":")[0] for fault in faults] == ["ci/huge.yaml"]
    monkeypatch.setattr(user, "MAX_FILES", 1)
    put(tmp_path / "ci" / "a.yaml", RULE % "team-a")
    ids, faults = load(tmp_path)
    assert ids == ["team-a"]
    assert "more than 1 files" in faults[0]
