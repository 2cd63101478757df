"""A condition written whole parses to what it was written from."""

from __future__ import annotations

import pytest

from haechi.engines.falco.parse import parse_condition
from haechi.engines.falco.ruleset import Rule
from haechi.engines.falco.syntax import Check, Text, Values
from haechi.engines.falco.write import whole
from haechi.runtime.pack import builtin


@pytest.mark.parametrize("rule", builtin().rules, ids=lambda rule: rule.id)
def test_resolved_conditions_read_back(rule: Rule) -> None:
    text = whole(rule.condition)
    assert whole(parse_condition(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        'proc.name in (a, "b c", "d e/f") and not (fd.name startswith "/etc" or evt.type exists)',
        'tolower(proc.name) contains "\\"" or proc.aname[2] = x',
        'proc.env[PATH] icontains oneof ("a,b", c) and fd.name = val(fd.directory)',
        'join(",", (proc.name, "x")) = y and evt.rawres >= -1',
    ],
)
def test_trees_are_equal(text: str) -> None:
    tree = parse_condition(text)
    assert parse_condition(whole(tree)) == tree


@pytest.mark.parametrize("value", ["\\", "a\\b", "c:\\x"])
def test_a_bare_backslash_is_read_as_it_is_and_written_in_quotes(value: str) -> None:
    tree = parse_condition(f"proc.name in ({value})")
    assert isinstance(tree, Check)
    assert tree.right == Values(values=(Text(value=value),))
    again = parse_condition(whole(tree))
    assert isinstance(again, Check)
    assert again.right == Values(values=(Text(value=value, quoted=True),))
