"""Well-known names: given only to files that use and do not define them."""

from __future__ import annotations

import pytest

from haechi.engines.falco.basics import _LISTS, _MACROS, NAME, given
from haechi.engines.falco.load import load
from haechi.engines.falco.parse import parse_condition
from haechi.engines.falco.ruleset import RuleText


def file(text: str) -> list[RuleText]:
    return [RuleText(name="a.yaml", text=text)]


def test_nothing_is_given_to_files_that_define_all() -> None:
    macro = "- macro: container\n  condition: (container.id != host)\n"
    text = f"{macro}- rule: a\n  condition: container\n"
    assert given(file(text)).file is None


def test_what_a_name_needs_comes_along() -> None:
    found = given(file("- rule: a\n  condition: modify and shell_procs\n"))
    assert set(found.macros) == {"rename", "remove", "modify", "shell_procs"}
    assert found.lists == ("shell_binaries",)


def test_own_definitions_go_first() -> None:
    text = "- macro: rename\n  condition: evt.type=rename\n- rule: a\n  condition: modify\n"
    assert "rename" not in given(file(text)).macros


def test_names_in_comments_are_not_used() -> None:
    assert given(file("# spawned_process\n- rule: a\n  condition: evt.type=open\n")).file is None


@pytest.mark.parametrize("name", _MACROS)
def test_every_definition_parses(name: str) -> None:
    parse_condition(_MACROS[name])


def test_all_of_them_load() -> None:
    words = " and ".join(_MACROS)
    basic = given(file(f"- rule: a\n  condition: {words}\n")).file
    assert basic is not None
    assert basic.name == NAME
    loaded = load([basic])
    assert [str(p) for p in loaded.problems if p.error] == []
    assert {macro.name for macro in loaded.macros} == set(_MACROS)
    assert {"shell_binaries"} <= {item.name for item in loaded.lists} <= set(_LISTS)
