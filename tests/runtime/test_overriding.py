"""Users' files that add to rules of our own pack."""

from __future__ import annotations

import pytest

from haechi.engines.falco.load import load
from haechi.engines.falco.ruleset import RuleSet, RuleText
from haechi.runtime.overriding import NAME, added_to, restored
from haechi.runtime.pack import builtin
from haechi.runtime.rulebook import BUILTIN, SAVED, BookFile, assembled

MINER = "Cryptocurrency miner started"
EXCEPTION = f"""
- rule: {MINER}
  exceptions:
    - name: known
      fields: [proc.name, proc.pname]
      comps: ["=", "="]
      values:
        - [xmrig, ci]
  override:
    exceptions: append
"""


def _book(text: str) -> tuple[list[str], RuleSet]:
    pack = builtin()
    book = assembled([BookFile(name="mine.yaml", text=text, origin=SAVED)], builtin=pack)
    return [str(one) for one in book.problems if one.error], pack


def test_every_rule_of_the_pack_is_the_same_when_it_is_put_before_a_file() -> None:
    pack = builtin()
    every = "\n".join(rule.name for rule in pack.rules) + "\n  override: x"
    text = added_to([RuleText(name="x", text=every)], pack)
    assert text is not None
    found = load([text])
    assert not found.problems
    assert len(found.rules) == len(pack.rules)
    assert restored(found, pack, []).rules == ()


def test_an_exception_is_added_to_a_rule_of_the_pack() -> None:
    pack = builtin()
    book = assembled([BookFile(name="mine.yaml", text=EXCEPTION, origin=SAVED)], builtin=pack)
    assert not [one for one in book.problems if one.error]
    assert len(book.rules) == len(pack.rules)
    own = book.find(MINER)
    was = next(rule for rule in pack.rules if rule.name == MINER)
    assert (own.origin, own.rule.id, own.rule.at.file) == (SAVED, was.id, "mine.yaml")
    assert own.rule.exceptions[-1].name == "known"
    assert own.rule.bare == was.bare
    others = [one for one in book.rules if one.rule.name != MINER]
    assert {one.origin for one in others} == {BUILTIN}


def test_a_macro_of_a_users_file_does_not_change_what_ours_means() -> None:
    pack = builtin()
    text = f"- macro: spawned_process\n  condition: proc.name = nothing\n{EXCEPTION}"
    book = assembled([BookFile(name="mine.yaml", text=text, origin=SAVED)], builtin=pack)
    was = next(rule for rule in pack.rules if rule.name == MINER)
    assert book.find(MINER).rule.bare == was.bare


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (EXCEPTION.replace(MINER, "No such rule"), "No such rule"),
        (EXCEPTION.replace("proc.pname]", "no.such]"), "no.such"),
        (EXCEPTION.replace("[xmrig, ci]", "[xmrig]"), "equal length"),
    ],
    ids=["a rule that is not there", "a field that is none", "too few values"],
)
def test_what_does_not_fit_is_told(text: str, fault: str) -> None:
    errors, _ = _book(text)
    assert any(fault in one for one in errors), errors
    assert not any(NAME in one for one in errors)


def test_files_that_add_nothing_cost_nothing() -> None:
    text = f"- rule: {MINER}\n  desc: mine\n"
    assert added_to([RuleText(name="x", text=text)], builtin()) is None
    assert added_to([RuleText(name="x", text=EXCEPTION)], None) is None
