"""A few detectors of the tests' own, so that they do not depend on the built-in ones."""

from __future__ import annotations

from typing import Any

from haechi.checks.secrets.detect import Detector, sources_of
from haechi.checks.secrets.forms import Forge
from haechi.engines.patterns import keyword_matcher
from haechi.model.severity import Severity
from haechi.rules.schema import JudgeKind, Pattern, Rule


def rule(name: str, pattern: Pattern, **more: Any) -> Rule:
    """A pattern rule with what every rule has."""
    facts = {
        "title": f"{name} key",
        "severity": Severity.CRITICAL,
        "why": "why",
        "fix": "fix",
        "bad": ["<<secret>>"],
        "good": ["none"],
    }
    return Rule(id=f"secret-{name}", judge=JudgeKind.PATTERN, pattern=pattern, **(facts | more))


ACME = rule(
    "acme",
    Pattern(
        regex=r"\b(?P<secret>acme_[0-9A-Za-z]{24})\b", keywords=["acme_"], form="acme_<<base62 24>>"
    ),
)
SUMMED = rule(
    "summed",
    Pattern(
        regex=r"\b(?P<secret>sum_[0-9A-Za-z]{36})\b",
        keywords=["sum_"],
        form="sum_<<base62 30>><<crc32>>",
        check="github",
    ),
)
URL = rule(
    "url",
    Pattern(
        regex=r"\bdb://\w{1,20}:(?P<secret>[^\s@:]{6,60})@",
        keywords=["db://"],
        form="<<base62 30>>",
    ),
)
RULES = [ACME, SUMMED, URL]


def detector(*rules: Rule, **more: Any) -> Detector:
    """A detector by keywords over some rules (all of the above without any)."""
    chosen = list(rules) or RULES
    return Detector(chosen, keyword_matcher(sources_of(chosen)), **more)


def value(of: Rule, seed: str = "seed") -> str:
    """A credential as the rule describes it."""
    assert of.pattern is not None
    return Forge(seed).make(of.pattern.form)
