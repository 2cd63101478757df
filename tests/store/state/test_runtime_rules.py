"""Saved rule files: versions, conflicts, removal; switches; entries of the audit log."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from haechi.errors import Conflict, NotFound, UsageError
from haechi.store.state.runtime_rules import LARGEST, MOST_VERSIONS
from haechi.store.state.schema import audit
from haechi.store.state.state import State
from tests.store.state.made import open_state


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    made = open_state(tmp_path)
    yield made
    made.close()


def actions(state: State) -> list[tuple[str, str, str]]:
    """(action, object, actor) of what was recorded."""
    with state.read() as connection:
        ask = select(audit.c.action, audit.c.object, audit.c.actor).order_by(audit.c.n)
        return [tuple(row) for row in connection.execute(ask)]


def test_each_save_is_a_version_and_the_newest_is_in_force(state: State) -> None:
    state.rules.save("b.yaml", "one", expected=0, by="user:ana", note="first")
    state.rules.save("a.yaml", "other", expected=0, by="user:ana")
    state.rules.save("b.yaml", "two", expected=1, by="user:bo")
    assert [(one.name, one.version, one.text) for one in state.rules.files()] == [
        ("a.yaml", 1, "other"),
        ("b.yaml", 2, "two"),
    ]
    assert [(one.version, one.by, one.note) for one in state.rules.versions("b.yaml")] == [
        (2, "user:bo", ""),
        (1, "user:ana", "first"),
    ]
    assert actions(state) == [
        ("runtime.save", "b.yaml", "user:ana"),
        ("runtime.save", "a.yaml", "user:ana"),
        ("runtime.save", "b.yaml", "user:bo"),
    ]


@pytest.mark.parametrize("expected", [0, 1, 3])
def test_another_version_in_between_is_a_conflict(state: State, expected: int) -> None:
    state.rules.save("a.yaml", "one", expected=0, by="x")
    state.rules.save("a.yaml", "two", expected=1, by="x")
    with pytest.raises(Conflict):
        state.rules.save("a.yaml", "three", expected=expected, by="x")
    with pytest.raises(Conflict):
        state.rules.remove("a.yaml", expected=expected, by="x")
    assert state.rules.files()[0].text == "two"


def test_a_removed_file_keeps_its_versions_and_may_come_again(state: State) -> None:
    state.rules.save("a.yaml", "one", expected=0, by="x")
    state.rules.remove("a.yaml", expected=1, by="x")
    assert state.rules.files() == []
    assert [one.removed for one in state.rules.versions("a.yaml")] == [True, False]
    with pytest.raises(NotFound):
        state.rules.remove("a.yaml", expected=2, by="x")
    assert state.rules.save("a.yaml", "again", expected=0, by="x").version == 3
    with pytest.raises(NotFound):
        state.rules.versions("none.yaml")


def test_old_versions_go(state: State) -> None:
    for version in range(MOST_VERSIONS + 5):
        state.rules.save("a.yaml", str(version), expected=version, by="x")
    kept = state.rules.versions("a.yaml")
    assert len(kept) == MOST_VERSIONS
    assert kept[0].text == str(MOST_VERSIONS + 4)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("", "x"),
        ("a/b", "x"),
        ("a\nb", "x"),
        ("n" * 201, "x"),
        ("big.yaml", "x" * (LARGEST + 1)),
        ("nul.yaml", "x\0y"),
    ],
    ids=["no name", "slash", "line break", "long name", "large", "nul"],
)
def test_what_cannot_be_kept_is_refused(state: State, name: str, text: str) -> None:
    with pytest.raises(UsageError):
        state.rules.save(name, text, expected=0, by="x")
    assert state.rules.files() == []


def test_the_last_word_about_a_rule_counts(state: State) -> None:
    state.rules.switch("syscall", "Shell", enabled=False, by="user:ana")
    state.rules.switch("k8s_audit", "Shell", enabled=False, by="user:ana")
    state.rules.switch("syscall", "Shell", enabled=True, by="user:bo")
    words = [(one.source, one.name, one.enabled, one.by) for one in state.rules.switches()]
    assert words == [
        ("k8s_audit", "Shell", False, "user:ana"),
        ("syscall", "Shell", True, "user:bo"),
    ]
    assert [one[0] for one in actions(state)] == ["runtime.switch"] * 3
