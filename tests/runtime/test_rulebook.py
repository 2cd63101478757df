"""Rules in force: what is saved counts at once, what does not load stays out and is named."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from haechi.engines.falco.load import load
from haechi.engines.falco.ruleset import RuleSet, RuleText
from haechi.errors import Conflict, NotFound
from haechi.runtime import rulebook
from haechi.runtime.rulebook import BookFile, Rejected, Rulebook, assembled
from haechi.store.state.state import State
from tests.runtime.events import SHELL, execve
from tests.store.state.made import open_state

PACK = """
- rule: Shell
  desc: ours
  condition: evt.type = execve and proc.name = bash
  output: ours
  priority: NOTICE
- rule: Ours alone
  desc: ours
  condition: evt.type = unlink
  output: ours
  priority: NOTICE
"""
BROKEN = "- rule: Broken\n  desc: x\n  condition: proc.name ==\n  output: x\n  priority: INFO\n"


def pack() -> RuleSet:
    """A pack of two."""
    return load([RuleText(name="pack.yaml", text=PACK)])


@pytest.fixture
def state(tmp_path: Path) -> Iterator[State]:
    made = open_state(tmp_path)
    yield made
    made.close()


def fired(rules: Rulebook) -> list[tuple[str, str]]:
    """What a shell makes now: (rule, priority)."""
    return [(one.rule, one.priority) for one in rules.book.detector.detect(execve())]


def test_what_is_saved_judges_at_once_and_takes_the_place_of_ours(state: State) -> None:
    rules = Rulebook(state.rules, builtin=pack)
    assert fired(rules) == [("Shell", "notice")]
    old = rules.book
    rules.save("mine.yaml", SHELL, expected=0, by="user:ana")
    assert fired(rules) == [("Shell", "warning")]
    assert [(one.rule.name, one.origin) for one in rules.book.rules] == [
        ("Shell", "saved"),
        ("Ours alone", "builtin"),
        ("Secret read", "saved"),
        ("Secrets listed", "saved"),
    ]
    assert [one.priority for one in old.detector.detect(execve())] == ["notice"]
    rules.remove("mine.yaml", expected=1, by="user:ana")
    assert fired(rules) == [("Shell", "notice")]


def test_a_file_with_errors_is_not_saved_and_says_where(state: State) -> None:
    rules = Rulebook(state.rules, builtin=pack)
    with pytest.raises(Rejected) as caught:
        rules.save("bad.yaml", BROKEN, expected=0, by="x")
    assert caught.value.problems[0].at.file == "bad.yaml"
    assert state.rules.files() == []
    rules.save("a.yaml", SHELL, expected=0, by="x")
    with pytest.raises(Rejected):
        rules.save("a.yaml", BROKEN, expected=1, by="x")
    with pytest.raises(Conflict):
        rules.save("a.yaml", SHELL, expected=0, by="x")
    assert fired(rules) == [("Shell", "warning")]


def test_a_saved_file_that_does_not_load_any_more_costs_no_other(state: State) -> None:
    state.rules.save("bad.yaml", BROKEN, expected=0, by="x")
    state.rules.save("good.yaml", SHELL, expected=0, by="x")
    rules = Rulebook(state.rules, builtin=pack)
    assert rules.book.left_out == {"bad.yaml"}
    assert [one.error for one in rules.book.problems_of("bad.yaml")] == [True]
    assert fired(rules) == [("Shell", "warning")]
    # what is broken already is in nobody's way
    rules.save("third.yaml", PACK.replace("Shell", "Third"), expected=0, by="x")
    assert ("Third", "notice") in fired(rules)


def test_a_rule_is_turned_off_and_on_whatever_its_file_says(state: State) -> None:
    rules = Rulebook(state.rules, builtin=pack)
    assert not rules.switch("Shell", "", enabled=False, by="x").enabled
    assert fired(rules) == []
    assert fired(Rulebook(state.rules, builtin=pack)) == []
    rules.switch("Shell", "syscall", enabled=True, by="x")
    assert fired(rules) == [("Shell", "notice")]
    with pytest.raises(NotFound):
        rules.switch("None", "", enabled=True, by="x")


def test_files_of_the_configuration_are_read_again_when_they_change(
    state: State, tmp_path: Path
) -> None:
    folder = tmp_path / "rules"
    folder.mkdir()
    (folder / "b.yaml").write_text(SHELL)
    (folder / "note.txt").write_text("no rules")
    rules = Rulebook(state.rules, paths=[folder, tmp_path / "missing.yaml"], builtin=pack)
    assert fired(rules) == [("Shell", "warning")]
    assert rules.book.left_out == {str(tmp_path / "missing.yaml")}
    assert not rules.refresh()
    (folder / "b.yaml").write_text(SHELL.replace("WARNING", "ERROR"))
    assert rules.refresh()
    assert fired(rules) == [("Shell", "error")]


@pytest.mark.parametrize(
    ("data", "why"),
    [(b"x" * (2 << 20), "1 MiB"), (b"\xff\xfe", "UTF-8")],
    ids=["large", "no text"],
)
def test_a_file_that_cannot_be_read_is_named(
    state: State, tmp_path: Path, data: bytes, why: str
) -> None:
    (tmp_path / "odd.yaml").write_bytes(data)
    rules = Rulebook(state.rules, paths=[tmp_path / "odd.yaml"], builtin=pack)
    [problem] = rules.book.problems_of(str(tmp_path / "odd.yaml"))
    assert why in problem.message
    assert fired(rules) == [("Shell", "notice")]


def test_well_known_names_are_given_to_files_that_use_them() -> None:
    text = SHELL.replace("evt.type = execve and", "spawned_process and")
    book = assembled([BookFile(name="a.yaml", text=text, origin="saved")])
    assert not book.left_out
    assert [one.rule for one in book.detector.detect(execve())] == ["Shell"]


def test_a_new_book_is_compiled_before_it_judges(state: State) -> None:
    rules = Rulebook(state.rules, builtin=pack)
    assert fired(rules) == [("Shell", "notice")]
    rules.save("mine.yaml", SHELL, expected=0, by="x")
    assert "execve" in rules.book.detector.engine.warmed
    rules.switch("Ours alone", "", enabled=False, by="x")
    assert "execve" in rules.book.detector.engine.warmed


def test_a_save_loads_once_and_the_book_is_as_one_that_was_loaded(
    state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    rules = Rulebook(state.rules, builtin=pack)
    assert rules.book.files == ()
    made: list[int] = []
    build = rulebook.assembled

    def counted(*args: Any, **more: Any) -> Any:
        made.append(1)
        return build(*args, **more)

    monkeypatch.setattr(rulebook, "assembled", counted)
    rules.save("mine.yaml", SHELL, expected=0, by="user:ana", note="why")
    assert made == [1]
    anew = Rulebook(state.rules, builtin=pack).book
    assert rules.book.files == anew.files
    assert [one.key for one in rules.book.rules] == [one.key for one in anew.rules]


def test_all_rules_together_are_bounded(state: State, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rulebook, "_CHECKS", 20)
    tests = " or ".join(f"proc.name = p{number}" for number in range(12))
    text = PACK.replace("evt.type = unlink", f"evt.type = unlink and ({tests})")
    rules = Rulebook(state.rules, builtin=pack)
    rules.save("a", text.replace("Ours", "a").replace("Shell", "aa"), expected=0, by="x")
    with pytest.raises(Rejected):
        rules.save("b", text.replace("Ours", "b").replace("Shell", "bb"), expected=0, by="x")
    assert ("aa", "notice") in fired(rules)
