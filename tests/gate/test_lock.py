"""haechi.lock: round trip, strictness, and what an update would change."""

from __future__ import annotations

import datetime as dt

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haechi.errors import ConfigError
from haechi.gate.lock import Change, Lock, RulePin, difference, pins, read_lock, write_lock
from haechi.model.severity import Severity
from haechi.rules.schema import AppliesTo, JudgeKind, Rule

HIGH, LOW = RulePin(Severity.HIGH), RulePin(Severity.LOW)


def test_file_is_sorted_one_line_a_rule_and_stable() -> None:
    text = write_lock({"k8s-b": LOW, "k8s-a": RulePin(Severity.HIGH, 2)}, "0.1.0")
    assert [line for line in text.splitlines() if not line.startswith("#")] == [
        "version: 1",
        'haechi: "0.1.0"',
        "advisories: null",
        "rules:",
        "  k8s-a: high r2",
        "  k8s-b: low r1",
    ]
    assert text == write_lock({"k8s-a": RulePin(Severity.HIGH, 2), "k8s-b": LOW}, "0.1.0")


_IDS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12) | (
    st.sampled_from(["on", "null", "1.0", "k8s-a", "~", "<<", "a: b", "- x", "#", "true"])
)
_PINS = st.builds(RulePin, st.sampled_from(list(Severity)), st.integers(1, 999_999))


@given(st.dictionaries(_IDS, _PINS, max_size=8), st.dictionaries(_IDS, st.dates(), max_size=3))
def test_what_is_written_is_read_back(rules: dict[str, RulePin], days: dict[str, dt.date]) -> None:
    lock = read_lock(write_lock(rules, "0.1.0", advisories=days))
    assert lock == Lock(haechi="0.1.0", advisories=days, rules=rules)


def test_one_date_of_an_earlier_version_holds_for_every_ecosystem() -> None:
    lock = read_lock("version: 1\nhaechi: '1'\nadvisories: 2026-08-21\nrules: {}")
    assert lock.agrees("PyPI", dt.date(2026, 8, 21))
    assert not lock.agrees("Go", dt.date(2026, 8, 22))


@pytest.mark.parametrize(
    ("ecosystem", "since", "agreed"),
    [
        ("PyPI", dt.date(2024, 10, 1), True),
        ("PyPI", dt.date(2024, 10, 2), True),
        ("PyPI", dt.date(2024, 10, 3), False),
        ("PyPI", None, True),
        ("Go", dt.date(2026, 8, 21), True),
        ("npm", dt.date(2019, 1, 1), False),
        ("npm", None, False),
    ],
)
def test_advisories_may_block_up_to_the_day_of_their_ecosystem(
    ecosystem: str, since: dt.date | None, agreed: bool
) -> None:
    days = {"PyPI": dt.date(2024, 10, 2), "Go": dt.date(2026, 8, 21)}
    assert Lock(haechi="1", advisories=days).agrees(ecosystem, since) is agreed


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("", "is empty"),
        ("[]", "must be a mapping"),
        ("version: 2\nhaechi: '9'\nrules: {}", "version `2` is not known here"),
        ("version: 1\nrules: {}", "lacks `haechi`"),
        ("version: 1\nhaechi: '1'\nrules: {}\nrulez: {}", "unknown key `rulez`"),
        ("version: 1\nhaechi: '1'\nrules: {a: high}", "pinned to `high`"),
        ("version: 1\nhaechi: '1'\nrules: {a: high r0}", "pinned to `high r0`"),
        ("version: 1\nhaechi: '1'\nrules: {a: hgih r1}", "pinned to `hgih r1`"),
        ("version: 1\nhaechi: '1'\nrules: {a: 3}", "must be text"),
        ("version: 1\nhaechi: '1'\nadvisories: soon\nrules: {}", "must be"),
        ("version: 1\nhaechi: '1'\nadvisories: {PyPI: soon}\nrules: {}", "must be"),
        ("<<<<<<< ours\nversion: 1\n", "not valid YAML"),
    ],
)
def test_anything_else_is_a_configuration_error(text: str, part: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_lock(text)
    assert part in caught.value.explain()


@given(st.text(max_size=80))
def test_any_text_is_a_lock_or_a_configuration_error(text: str) -> None:
    for content in (text, f"version: 1\nhaechi: '1'\nrules:\n  {text}"):
        try:
            read_lock(content)
        except ConfigError as error:
            assert error.explain()


@pytest.mark.parametrize(
    ("before", "after", "kind"),
    [
        (None, HIGH, "added"),
        (HIGH, None, "removed"),
        (LOW, HIGH, "stricter"),
        (HIGH, LOW, "looser"),
        (HIGH, RulePin(Severity.HIGH, 2), "stricter"),
        (RulePin(Severity.HIGH, 2), HIGH, "looser"),
        (HIGH, RulePin(Severity.LOW, 2), "stricter"),
    ],
)
def test_difference_sorts_each_change(
    before: RulePin | None, after: RulePin | None, kind: str
) -> None:
    found = difference(
        Lock(haechi="1", rules={"k8s-a": before} if before else {}),
        {"k8s-a": after} if after else {},
    )
    for name in ("added", "removed", "stricter", "looser"):
        expected = (Change("k8s-a", before, after),) if name == kind else ()
        assert getattr(found, name) == expected
    assert found


def test_difference_renders_for_people() -> None:
    lock = Lock(haechi="1", rules={"k8s-a": LOW, "k8s-b": HIGH, "k8s-c": HIGH})
    text = difference(lock, {"k8s-a": HIGH, "k8s-c": LOW, "k8s-d": LOW, "k8s-e": LOW}).render()
    assert text.splitlines() == [
        "new, 2 rules:",
        "  + k8s-d: low r1",
        "  + k8s-e: low r1",
        "stricter, 1 rule:",
        "  ! k8s-a: low r1 -> high r1",
        "looser, 1 rule:",
        "  ~ k8s-c: high r1 -> low r1",
        "gone, 1 rule:",
        "  - k8s-b: was high r1",
    ]


def test_equal_lock_shows_no_difference() -> None:
    nothing = difference(Lock(haechi="1", rules={"k8s-a": LOW}), {"k8s-a": LOW})
    assert not nothing
    assert nothing.render() == "haechi.lock is up to date"


def test_without_a_lock_every_rule_is_added() -> None:
    assert [change.rule for change in difference(None, {"b": LOW, "a": LOW}).added] == ["a", "b"]


def test_pins_hold_severity_and_revision_of_the_catalogue() -> None:
    rule = Rule(
        id="k8s-a",
        title="t",
        severity=Severity.HIGH,
        why="w",
        fix="f",
        applies_to=AppliesTo(kinds=["pod"]),
        judge=JudgeKind.CEL,
        bad=["x"],
        good=["x"],
        revision=3,
    )
    assert pins([rule]) == {"k8s-a": RulePin(Severity.HIGH, 3)}
