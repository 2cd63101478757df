"""``haechi.lock``: an upgrade reports what is new and blocks only once it is agreed to."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from haechi.rules.catalogue import load_catalogue
from tests.cli.command import Haechi
from tests.trees import POD, write


def lock(haechi: Haechi) -> Path:
    return haechi.where / "haechi.lock"


def privileged(haechi: Haechi) -> tuple[int, str]:
    """Exit code, and the state of the finding about the privileged container."""
    done = haechi("scan", "--format", "json")
    found = [f for f in json.loads(done.out)["findings"] if f["rule"] == "k8s-privileged"]
    return done.code, found[0]["state"]


@pytest.fixture
def locked(haechi: Haechi) -> Haechi:
    """A project with a privileged pod and a current lock."""
    write(haechi.where, {"a.yaml": POD})
    assert haechi("lock", "update").code == 0
    return haechi


def change(haechi: Haechi, old: str, new: str) -> None:
    text = lock(haechi).read_text()
    assert old in text
    lock(haechi).write_text(text.replace(old, new))


def test_update_shows_and_pins_every_rule(haechi: Haechi) -> None:
    done = haechi("lock", "update")
    count = len(load_catalogue().rules)
    assert done.code == 0
    assert f"new, {count:,} rules:" in done.out
    assert f"{count:,} rules pinned" in done.out
    first = lock(haechi).read_text()
    assert "  k8s-privileged: critical r1\n" in first
    again = haechi("lock", "update")
    assert "up to date" in again.out
    assert lock(haechi).read_text() == first


def test_a_current_lock_changes_nothing(locked: Haechi) -> None:
    assert privileged(locked) == (1, "open")


def test_a_rule_that_is_not_locked_is_new_and_does_not_block(locked: Haechi) -> None:
    change(locked, "  k8s-privileged: critical r1\n", "")
    assert privileged(locked) == (0, "new")
    shown = locked("lock", "update", "--check")
    assert shown.code == 1
    assert "+ k8s-privileged: critical r1" in shown.out
    assert privileged(locked) == (0, "new")
    assert locked("lock", "update").code == 0
    assert privileged(locked) == (1, "open")
    assert locked("lock", "update", "--check").code == 0


def test_a_severity_that_rose_counts_as_it_was(locked: Haechi) -> None:
    change(locked, "k8s-privileged: critical r1", "k8s-privileged: low r1")
    assert privileged(locked) == (0, "open")
    done = locked("lock", "update", "--check")
    assert "! k8s-privileged: low r1 -> critical r1" in done.out


def test_what_is_gone_or_milder_is_shown(locked: Haechi) -> None:
    change(locked, "k8s-privileged: critical r1", "k8s-privileged: critical r9")
    change(locked, "rules:\n", "rules:\n  a-rule-of-old: low r1\n")
    done = locked("lock", "update", "--check")
    assert "~ k8s-privileged: critical r9 -> critical r1" in done.out
    assert "- a-rule-of-old: was low r1" in done.out


@pytest.mark.parametrize(
    "text", ["", "version: 2\n", "version: 1\nhaechi: x\nrules: {k8s-a: bad r1}\n", "[", "a: 1"]
)
def test_a_broken_lock_is_no_lock(locked: Haechi, text: str) -> None:
    lock(locked).write_text(text)
    for arguments in (("scan",), ("lock", "update")):
        done = locked(*arguments)
        assert done.code == 2
        assert "haechi.lock" in done.err


def test_rules_of_the_team_are_pinned_and_broken_ones_told(haechi: Haechi) -> None:
    rule = (
        "rules:\n- id: team-a\n  title: t\n  severity: low\n  why: w\n  fix: f\n  judge: cel\n"
        "  applies_to: {kinds: [pod]}\n  expression: 'true'\n  bad: [x]\n  good: [text]\n"
    )
    write(
        haechi.where,
        {"haechi.yaml": "rules: [ci]", "ci/a.yaml": rule, "ci/b.yaml": "rules: [1]"},
    )
    done = haechi("lock", "update")
    assert "  team-a: low r1\n" in lock(haechi).read_text()
    assert "ci/b.yaml:1: " in done.err
