"""The detections: every example through the engine, and what all of them have to be."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from haechi.engines.falco.basics import given
from haechi.engines.falco.engine import Engine
from haechi.engines.falco.lint import lint
from haechi.engines.falco.load import load
from haechi.engines.falco.ruleset import RuleText
from haechi.engines.falco.syntax import And, Check, Field, Node, Not, Or, Text, Values
from haechi.engines.falco.tree import holds
from haechi.errors import InputError, RuleError
from haechi.model.severity import Severity
from haechi.rules.detection_examples import ORIGINS, detection_faults, example_event
from haechi.rules.detections import (
    FALCO_SOURCES,
    PRIORITIES,
    base_text,
    entries,
    falco_file,
    load_detections,
    resolve,
)
from haechi.rules.load import load_rules
from haechi.rules.schema import EVENT_SOURCES, Falco
from haechi.rules.schema import Rule as Entry

ENTRIES = entries()
PACK = load_detections()
ENGINE = Engine(PACK.rules)
TACTICS = {
    "mitre_initial_access",
    "mitre_execution",
    "mitre_persistence",
    "mitre_privilege_escalation",
    "mitre_defense_evasion",
    "mitre_credential_access",
    "mitre_discovery",
    "mitre_lateral_movement",
    "mitre_collection",
    "mitre_command_and_control",
    "mitre_exfiltration",
    "mitre_impact",
}
PLACES = {"host", "container", "k8s", "network", "application"}
ALSO = {
    "detect-k8s-impersonation": {"detect-k8s-secrets-listed"},
    "detect-k8s-privileged-pod": {"detect-k8s-ephemeral-container"},
    "detect-k8s-rights-asked": {"detect-k8s-stolen-token"},
    "detect-k8s-secrets-listed": {"detect-k8s-stolen-token"},
    "detect-program-in-web-root": {"detect-shell-from-web-server"},
    "detect-run-from-shared-memory": {"detect-miner-started"},
    "detect-sensitive-upload": {"detect-cluster-client-in-container"},
    "detect-shell-from-database": {"detect-download-into-shell"},
    "detect-static-pod-written": {"detect-host-files-written"},
    "detect-sudoedit-exploit": {"detect-sudo-by-service"},
    "detect-temporary-program-by-server": {"detect-shell-from-database"},
}
"""What else a rule's bad examples set off, and rightly so."""


def by_id(name: str) -> tuple[Entry, Falco]:
    return next((entry, falco) for entry, falco in ENTRIES if entry.id == name)


@pytest.mark.parametrize(("entry", "falco"), ENTRIES, ids=lambda one: getattr(one, "id", ""))
def test_a_rule_fires_on_its_bad_examples_and_no_rule_on_its_good_ones(
    entry: Entry, falco: Falco
) -> None:
    assert len(entry.bad) >= 2
    assert len(entry.good) >= 2
    also: set[str] = set()
    for text in entry.bad:
        found = {rule.id for rule in ENGINE.judge(example_event(falco, text))}
        assert entry.id in found, text
        also |= found - {entry.id}
    assert also == ALSO.get(entry.id, set())
    for text in entry.good:
        assert [rule.id for rule in ENGINE.judge(example_event(falco, text))] == [], text


@pytest.mark.parametrize(("entry", "falco"), ENTRIES, ids=lambda one: getattr(one, "id", ""))
def test_the_plain_judge_says_the_same(entry: Entry, falco: Falco) -> None:
    (rule,) = [rule for rule in PACK.rules if rule.id == entry.id]
    for text in (*entry.bad, *entry.good):
        event = example_event(falco, text)
        assert holds(rule.condition, event, falco.source) == (rule in ENGINE.judge(event)), text


def test_no_rule_is_dead_or_always_true_and_nothing_is_unused() -> None:
    assert [str(fault) for fault in lint(PACK) if fault.code != "evasion"] == []
    assert PACK.problems == ()


def test_there_are_enough_and_each_is_named_once() -> None:
    assert len(ENTRIES) >= 60
    assert set(Counter(falco.source for _, falco in ENTRIES)) == set(EVENT_SOURCES) == set(ORIGINS)
    for words in ([entry.id for entry, _ in ENTRIES], [entry.title for entry, _ in ENTRIES]):
        assert [word for word, times in Counter(words).items() if times > 1] == []
    conditions = Counter(" ".join(falco.condition.split()) for _, falco in ENTRIES)
    assert max(conditions.values()) == 1


@pytest.mark.parametrize(("entry", "falco"), ENTRIES, ids=lambda one: getattr(one, "id", ""))
def test_every_rule_names_technique_tactic_place_and_speaks_both_languages(
    entry: Entry, falco: Falco
) -> None:
    assert entry.id.startswith("detect-")
    assert [one for one in entry.refs["mitre"] if not re.fullmatch(r"T\d{4}(\.\d{3})?", one)] == []
    tags = set(falco.tags)
    assert tags & TACTICS
    assert tags & PLACES
    assert tags <= TACTICS | PLACES
    assert entry.ko is not None
    assert entry.why
    assert entry.fix


def test_the_priority_follows_from_the_severity() -> None:
    assert set(PRIORITIES) == set(Severity)
    severities = {entry.id: entry.severity for entry, _ in ENTRIES}
    for rule in PACK.rules:
        assert rule.priority == PRIORITIES[severities[rule.id]].lower()
        assert set(by_id(rule.id)[0].refs["mitre"]) <= set(rule.tags)


def names(node: Node) -> list[str]:
    """Texts that names of processes are compared with as a whole."""
    match node:
        case And(parts=parts) | Or(parts=parts):
            return [name for part in parts for name in names(part)]
        case Not(part=part):
            return names(part)
        case Check(
            left=Field(name="proc.name" | "proc.pname" | "proc.aname"), op="=" | "!=" | "in"
        ):
            right = node.right
            values = right.values if isinstance(right, Values) else (right,)
            return [value.value for value in values if isinstance(value, Text)]
    return []


def test_names_of_processes_are_as_short_as_the_kernel_keeps_them() -> None:
    found = {name for rule in PACK.rules for name in names(rule.condition)}
    assert "polkit-agent-he" in found
    assert sorted(name for name in found if len(name) > 15) == []


def test_the_exported_file_loads_and_holds_the_same_rules() -> None:
    loaded = load([RuleText(name="export.yaml", text=falco_file())])
    assert [str(problem) for problem in loaded.problems] == []
    ours = [rule for rule in PACK.rules if rule.source in FALCO_SOURCES]
    assert len(ours) >= 60
    for found, expected in zip(loaded.rules, ours, strict=True):
        assert (found.name, found.source) == (expected.name, expected.source)
        assert found.condition == expected.condition
        assert (found.output, found.tags) == (expected.output, expected.tags)


RULE = """
rules:
- id: team-thing
  title: A thing
  severity: low
  why: Because
  fix: Do
  applies_to: {kinds: [event]}
  judge: falco
  falco: {condition: "evt.type = execve and proc.name = thing", output: A thing, tags: [host]}
  refs: {mitre: [T1059]}
  bad: ['{evt.type: execve, proc.name: thing}']
  good: ['{evt.type: execve, proc.name: other}']
"""


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("", "", []),
        (
            "['{evt.type: execve, proc.name: thing}']",
            "['{evt.type: execve}']",
            ["bad example 1: nothing was found"],
        ),
        ("proc.name: other", "proc.name: thing", ["good example 1: a detection was raised"]),
        ("evt.type: execve, proc.name: other", "proc.name: other", ["needs `evt.type`"]),
        ("'{evt.type: execve, proc.name: other}'", "'[1]'", ["an example is one mapping"]),
    ],
    ids=["holds", "silent", "noisy", "no-type", "no-mapping"],
)
def test_what_an_example_proves_is_told(old: str, new: str, says: list[str]) -> None:
    (rule,), faults = load_rules(RULE.replace(old, new).encode(), "a.yaml")
    assert faults == []
    found = list(detection_faults(rule))
    assert len(found) == len(says)
    for fault, part in zip(found, says, strict=True):
        assert part in fault


@pytest.mark.parametrize(
    ("old", "new", "word"),
    [
        ("kinds: [event]", "kinds: [core/Pod]", "apply to `event`"),
        ("judge: falco", "judge: cel\n  expression: 'true'", "apply to `event`"),
        ("output: A thing,", "output: A thing, source: elsewhere,", "`source` is one of"),
        ("output: A thing,", "output: A thing, prio: x,", "unknown field `prio`"),
        ("output: A thing, ", "", "missing required field `output`"),
    ],
)
def test_a_broken_detection_is_told(old: str, new: str, word: str) -> None:
    rules, (fault,) = load_rules(RULE.replace(old, new).encode(), "a.yaml")
    assert rules == []
    assert word in fault.message


def test_a_condition_that_cannot_be_read_is_told() -> None:
    (rule,), _ = load_rules(RULE.replace("evt.type = execve and", "evt.type = and").encode(), "a")
    assert rule.falco is not None
    with pytest.raises(RuleError, match="detections are broken"):
        resolve([(rule, rule.falco)])


def test_an_example_fills_in_a_quiet_machine() -> None:
    _, falco = by_id("detect-shell-in-container")
    event = example_event(falco, "{evt.type: openat, proc.name: cat, fd.name: /a, user.name: null}")
    assert event.type == "openat"
    assert event.source == "sensor"
    assert "user.name" not in event.fields
    assert event.fields["proc.exepath"] == "/usr/bin/cat"
    assert event.fields["evt.rawres"] == event.fields["fd.num"] == 3
    failed = example_event(falco, "{evt.type: openat, fd.name: /a, evt.res: EACCES}")
    assert failed.fields["evt.rawres"] == -13
    assert failed.fields["fd.num"] == -1
    with pytest.raises(InputError):
        example_event(falco, "{fd.name: /a}")


def test_macros_of_the_pack_that_falco_has_too_mean_the_same() -> None:
    """``engines/falco/basics`` gives these names to rule files that do not define them."""

    def plain(text: str) -> str:
        return re.sub(r"[\s\"'()]", "", text)

    ours = {macro.name: macro.text for macro in load([base_text()]).macros}
    text = "- rule: a\n  condition: " + " and ".join(ours)
    basic = given([RuleText(name="a", text=text)]).file
    assert basic is not None
    theirs = {macro.name: macro.text for macro in load([basic]).macros}
    both = ours.keys() & theirs.keys()
    assert len(both) >= 10
    assert {name: plain(ours[name]) for name in both} == {n: plain(theirs[n]) for n in both}
