"""CONTRIBUTING shows how to add a rule by doing it; this does what it says."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path

from haechi.rules.load import load_rules
from haechi.scan.examples import example_faults

PAGE = Path(__file__).parents[2] / "CONTRIBUTING.md"


def entry() -> str:
    match = re.search(r"```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    assert match is not None
    return textwrap.dedent(match[1])


def test_the_shown_rule_loads_and_its_examples_hold() -> None:
    rules, faults = load_rules(f"rules:\n{entry()}".encode(), "availability.yaml")
    assert faults == []
    (rule,) = rules
    assert list(example_faults(rule)) == []


def test_the_shown_rule_would_be_caught_if_it_judged_nothing() -> None:
    broken = entry().replace("object.spec.paused != true", "true")
    (rule,), _ = load_rules(f"rules:\n{broken}".encode(), "availability.yaml")
    assert list(example_faults(rule)) == [f"{rule.id}: bad example 1: nothing was found"]
