"""Every problem says where: through folding, quotes, several files and appended pieces."""

from __future__ import annotations

import pytest

from tests.engines.falco.rulefiles import errors, loaded

_RULE = """\
- rule: r
  desc: d
  output: o
  priority: debug
  condition: """

STYLES = {
    "plain": ("proc.name = a and proc.nope = b\n", (5, 32)),
    "plain, two lines": ("proc.name = a and\n    proc.exe = c and\n     proc.nope = b\n", (7, 6)),
    "double quotes": ('"proc.name = a and proc.nope = b"\n', (5, 33)),
    "double quotes, two lines": ('"proc.name = a and\n   proc.nope = b"\n', (6, 4)),
    "single quotes": ("'proc.name = a\n    and proc.nope = b'\n", (6, 9)),
    "folded": (">\n    proc.name = a and\n\n    proc.exe = c and\n      proc.nope = b\n", (9, 7)),
    "folded, stripped": (">-\n   proc.name = a\n   and proc.nope = b\n", (7, 8)),
    "literal": ("|\n    proc.name = a and\n      (proc.nope = b)\n", (7, 8)),
    "literal, the same line twice": (
        "|\n    proc.name = a and\n    proc.name = a and\n    proc.nope = b\n",
        (8, 5),
    ),
    "anchored": ("&c proc.name = a and proc.nope = b\n", (5, 35)),
}


@pytest.mark.parametrize("style", STYLES)
def test_a_condition_leads_to_its_line_and_column(style: str) -> None:
    text, (line, column) = STYLES[style]
    (found,) = errors(loaded(_RULE + text))
    if style == "anchored":  # the anchor stands before the text: the column is the item's
        assert found.startswith(f"1.yaml:{line}:")
    else:
        assert found.startswith(f"1.yaml:{line}:{column}: error LOAD_ERR_COMPILE_CONDITION: rule r")


def test_appended_pieces_lead_to_their_own_files() -> None:
    first = _RULE + "proc.name = a\n"
    second = "\n\n- rule: r\n  condition: >\n     and\n     proc.nope = b\n"
    more = "  override: {condition: append}\n"
    (found,) = errors(loaded(first, second + more))
    assert found.startswith("2.yaml:6:6: error")


def test_a_fault_in_a_macro_leads_to_the_macro_and_names_the_rule() -> None:
    macro = "- macro: m\n  condition: >\n    proc.name = a\n    or proc.nope = b\n"
    (found,) = errors(loaded(macro, _RULE + "m\n"))
    assert found.startswith("1.yaml:4:8: error LOAD_ERR_COMPILE_CONDITION: rule r")
    assert found.endswith("(in macro 'm')")


def test_later_documents_count_on() -> None:
    (found,) = errors(loaded("- {list: l, items: []}\n---\n# more\n" + _RULE + "proc.nope = a\n"))
    assert found.startswith("1.yaml:8:14: error")


def test_an_output_leads_to_its_field() -> None:
    text = _RULE.replace("output: o", "output: >\n    seen %proc.name\n    in %proc.nope")
    (found,) = errors(loaded(text + "proc.name = a\n"))
    assert found.startswith("1.yaml:5:9: error LOAD_ERR_COMPILE_OUTPUT: rule r: unknown filter:")


WRONG = {
    "- rule: r\n  desc: d": ("1:3", "Item has no mapping for key 'condition'"),
    _RULE: ("1:3", "Mapping for key 'condition' is empty"),
    _RULE + "[a]": ("5:14", "Value for 'condition' is not a scalar value"),
    _RULE + "''": ("5:14", "Value for 'condition' must be non-empty"),
    _RULE.replace("debug", "loud") + "a.b = c": ("4:13", "Invalid priority 'loud'"),
    _RULE + "a.b = c\n  enabled: maybe": ("6:12", "not true or false"),
    _RULE + "a.b = c\n  tags: t": ("6:9", "Value for 'tags' is not a sequence"),
    _RULE + "a.b = c\n  tags: [[t]]": ("6:10", "sequence value of 'tags' is not scalar"),
    _RULE + "a.b = c\n  exceptions: t": ("6:15", "Rule exceptions must be a sequence"),
    "- list: l": ("1:3", "Item has no mapping for key 'items'"),
    "- list: l\n  items: a": ("2:10", "Value for 'items' is not a sequence"),
    "- macro: m": ("1:3", "Item has no mapping for key 'condition'"),
    "- list: [l]\n  items: []": ("1:9", "Value for 'list' is not a scalar value"),
    "- [a]": ("1:3", "Unexpected element type"),
    "- a": ("1:3", "Unexpected element type"),
    "rule: r": ("1:1", "Rules content is not yaml array of objects"),
    "text": ("1:1", "Rules content is not yaml array of objects"),
}


@pytest.mark.parametrize("text", WRONG, ids=repr)
def test_a_wrong_structure_is_told_at_its_place(text: str) -> None:
    place, message = WRONG[text]
    (found,) = errors(loaded(text))
    assert found.startswith(f"1.yaml:{place}: error LOAD_ERR_YAML_VALIDATE: ")
    assert message in found


@pytest.mark.parametrize(
    ("text", "line"),
    [("- a: [", 1), ("- a\n- b: c: d\n", 2), ("- a\n\t- b\n", 2), ("- {[a]: b}", 1)],
)
def test_what_is_not_yaml_is_told_with_its_line(text: str, line: int) -> None:
    (found,) = errors(loaded(text))
    assert "LOAD_ERR_YAML_PARSE" in found
    assert int(found.split(":")[1]) >= line


@pytest.mark.parametrize("text", ["", "---\n", "# nothing\n", "[]", "- \n- ~\n", "null"])
def test_an_empty_file_is_right(text: str) -> None:
    found = loaded(text)
    assert (found.rules, found.problems) == ((), ())
