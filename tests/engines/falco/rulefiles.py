"""Rule files written short, loaded."""

from __future__ import annotations

from textwrap import dedent

from haechi.engines.falco.load import LoadLimits, load
from haechi.engines.falco.ruleset import Problem, Rule, RuleSet, RuleText
from haechi.engines.falco.write import whole


def loaded(*texts: str, limits: LoadLimits | None = None) -> RuleSet:
    """The files ``1.yaml``, ``2.yaml`` …"""
    files = [
        RuleText(name=f"{number}.yaml", text=dedent(text)) for number, text in enumerate(texts, 1)
    ]
    return load(files, limits=limits or LoadLimits())


def rule(condition: str, more: str = "", name: str = "r") -> str:
    """A complete rule with this condition; ``more`` are further lines of it."""
    lines = [
        f"- rule: {name}",
        "  desc: what it is for",
        f"  condition: {condition}",
        "  output: seen %proc.name",
        "  priority: WARNING",
        *dedent(more).strip("\n").splitlines(),
    ]
    head, extra = lines[:5], [f"  {line}" if line else "" for line in lines[5:]]
    return "\n".join([*head, *extra]) + "\n"


def only(rules: RuleSet) -> Rule:
    """The one rule of a set that has no errors."""
    assert errors(rules) == []
    (found,) = rules.rules
    return found


def condition(rules: RuleSet) -> str:
    return whole(only(rules).condition)


def errors(rules: RuleSet) -> list[str]:
    return [str(problem) for problem in rules.problems if problem.error]


def problem(rules: RuleSet) -> Problem:
    """The one problem of a set."""
    (found,) = rules.problems
    return found


def codes(rules: RuleSet) -> list[str]:
    return [problem.code for problem in rules.problems]
