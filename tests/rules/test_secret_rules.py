"""Every detector holds what it promises, under both engines; examples are drawn, never literal."""

from __future__ import annotations

import re
from functools import cache

import pytest

from haechi.checks.secrets.detect import Detector, sources_of
from haechi.checks.secrets.forms import Forge
from haechi.engines.patterns import Matcher, keyword_matcher
from haechi.engines.patterns.hyperscan import compile_matcher
from haechi.engines.patterns.matcher import Matching
from haechi.rules.compiled import DATA
from haechi.rules.load import load_rules
from haechi.rules.schema import JudgeKind, Rule
from haechi.scan.secrets.examples import detector_faults

FILES = sorted((DATA / "secrets").glob("*.yaml"))
LOADED = {path.name: load_rules(path.read_bytes(), path.name) for path in FILES}
RULES = [rule for rules, _ in LOADED.values() for rule in rules]
IDS = [rule.id for rule in RULES]


_RANDOM = re.compile(r"<<(?!one |secret|base64 of |pem|jwt)[^<>]+>>")


def sham_of(rule: Rule) -> str:
    """The first bad example with ``x`` for every random character of its value."""
    assert rule.pattern is not None
    blank = _RANDOM.sub(lambda part: "x" * len(Forge("sham").make(part[0])), rule.pattern.form)
    forge = Forge(rule.id)
    return forge.make(rule.bad[0], forge.make(blank))


def by_keywords(rule: Rule) -> Detector:
    return Detector([rule], keyword_matcher(sources_of([rule])))


@cache
def database() -> Matcher:
    """All rules in one database, as the program has them."""
    return compile_matcher(sources_of(RULES))


class Alone:
    """What the one database says about one rule."""

    key = "one of all"

    def __init__(self, rule: Rule) -> None:
        self._number = RULES.index(rule)

    def matching(self, data: bytes) -> Matching:
        found = database().matching(data)
        decoders = {n - len(RULES) + 1: ends for n, ends in found.items() if n >= len(RULES)}
        mine = {0: found[self._number]} if self._number in found else {}
        return {**mine, **decoders}


def by_hyperscan(rule: Rule) -> Detector:
    return Detector([rule], Alone(rule))


@pytest.mark.parametrize("name", LOADED)
def test_a_rule_file_is_whole(name: str) -> None:
    rules, faults = LOADED[name]
    assert faults == []
    assert {rule.judge for rule in rules} == {JudgeKind.PATTERN}
    assert all(rule.ko and rule.id.startswith("secret-") for rule in rules)


@pytest.mark.parametrize("rule", RULES, ids=IDS)
def test_examples_hold_and_near_misses_do_not(rule: Rule) -> None:
    assert list(detector_faults(rule, by_keywords)) == []


@pytest.mark.parametrize("rule", RULES, ids=IDS)
def test_hyperscan_finds_what_the_keywords_let_through(rule: Rule) -> None:
    assert list(detector_faults(rule, by_hyperscan)) == []


@pytest.mark.parametrize("rule", RULES, ids=IDS)
def test_a_value_of_x_is_no_credential(rule: Rule) -> None:
    detector = by_keywords(rule)
    assert [c for c in detector.find(sham_of(rule).encode()) if len(set(c.secret)) < 5] == []


@pytest.mark.parametrize("rule", RULES, ids=IDS)
def test_a_rule_file_holds_no_credential(rule: Rule) -> None:
    assert rule.pattern is not None
    text = "\n".join((*rule.bad, *rule.good))
    assert by_keywords(rule).find(re.sub(r"<<[^<>]+>>", "", text).encode()) == []
    assert all("<<" in text for text in rule.bad)
    assert Forge("a").make(rule.pattern.form) != Forge("b").make(rule.pattern.form)
