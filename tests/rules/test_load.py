"""Rule files: one fault never takes the other rules with it, and is told with its line."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haechi.rules.load import load_rules

RULE = """\
- id: team-no-host
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
FILE = "rules:\n" + RULE
OTHER = FILE + RULE.replace("team-no-host", "team-other")


def test_rules_come_in_order_with_their_places() -> None:
    places: dict[str, str] = {}
    rules, faults = load_rules(OTHER.encode(), "a.yaml", places)
    assert [rule.id for rule in rules] == ["team-no-host", "team-other"]
    assert faults == []
    assert places == {"team-no-host": "a.yaml:9", "team-other": "a.yaml:19"}
    assert rules[0].revision == 1
    assert rules[0].ko is None


@pytest.mark.parametrize(
    ("old", "new", "line", "word"),
    [
        ("id: team-no-host", "id: Team", 2, "kebab-case"),
        ("id: team-no-host", "id: 5", 2, "Expected `str`"),
        ("title: A host", "titel: A host", 2, "titel"),
        ("severity: high", "severity: bad", 4, "Invalid enum value 'bad'"),
        ("kinds: [core/Pod]", "kinds: []", 7, "never run"),
        ("kinds: [core/Pod]", "kinds: [Pod]", 7, "'Pod' is neither"),
        ("kinds: [core/Pod]", "kinds: [core/Pod, 7]", 7, "Expected `str`"),
        ('expression: "true"', 'expression: ""', 8, "needs `expression`"),
        ("judge: cel", "judge: python", 8, "needs `function`"),
        ("judge: cel", "judge: zizmor", 2, "names `audits`"),
        ("judge: cel", "judge: cel\n  audits: [artipacked]", 9, "other rules have none"),
        ("judge: cel", "judge: zizmor\n  audits: [artipacked]", 7, "reads kinds workflow"),
        ("judge: cel", "judge: rego", 8, "Invalid enum value 'rego'"),
        ("bad: [text]", "bad: []", 10, "example"),
        ("good: [other]", "good: other", 11, "Expected `array`"),
        ("  why: Because\n", "", 2, "missing required field `why`"),
    ],
)
def test_a_fault_names_its_rule_and_line(old: str, new: str, line: int, word: str) -> None:
    assert old in FILE
    text = FILE.replace(old, new) + RULE.replace("team-no-host", "team-other")
    rules, faults = load_rules(text.encode(), "ci/a.yaml")
    assert [rule.id for rule in rules] == ["team-other"]
    (fault,) = faults
    assert (fault.path, fault.line) == ("ci/a.yaml", line)
    assert word in fault.message
    assert str(fault).startswith(f"ci/a.yaml:{line}: rule ")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("rule: []", 1),
        ("rules: {}", 1),
        ("\n\n[1]", 3),
        ("rules: []\nmore: 1", 1),
        ("rules: [", 2),
        ("text", 1),
    ],
)
def test_a_file_of_another_shape_is_a_fault(text: str, line: int) -> None:
    rules, faults = load_rules(text.encode(), "a.yaml")
    assert rules == []
    assert [fault.line for fault in faults] == [line]


def test_broken_documents_and_encodings_are_faults() -> None:
    rules, faults = load_rules(f"{FILE}---\nrules: [\n---\n{FILE}".encode(), "a.yaml")
    assert len(rules) == 2
    assert [fault.line for fault in faults] == [14]
    rules, faults = load_rules(b"rules: []\n# \xff", "a.yaml")
    assert rules == []
    assert "UTF-8" in faults[0].message
    assert load_rules(b"", "a.yaml") == ([], [])
    assert load_rules(b"# nothing yet\n", "a.yaml") == ([], [])


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["id", "title", "severity", "kinds", "name", "x"]), inner, max_size=3
        )
    ),
)
KEYS = ["id", "severity", "applies_to", "judge", "bad", "refs", "variables", "ko", "revision", "x"]


@given(st.lists(st.dictionaries(st.sampled_from(KEYS), VALUES) | VALUES, max_size=4))
def test_entries_of_any_shape_are_faults(entries: list[object]) -> None:
    rules, faults = load_rules(json.dumps({"rules": entries}).encode(), "a.yaml")
    assert rules == []
    assert len(faults) == len(entries)
    assert all(fault.line == 1 for fault in faults)
