"""Rules as SARIF reporting descriptors, with the help text that GitHub shows beside an alert."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any

from haechi.model.finding import DEPENDENCIES, Finding
from haechi.model.severity import Severity
from haechi.report.material import Material
from haechi.report.text import one_line, visible
from haechi.rules.schema import Rule

LEVELS = {
    Severity.CRITICAL: "error",
    Severity.HIGH: "error",
    Severity.MEDIUM: "warning",
    Severity.LOW: "note",
    Severity.INFO: "note",
}
SCORES = {
    Severity.CRITICAL: "9.5",
    Severity.HIGH: "8.0",
    Severity.MEDIUM: "5.5",
    Severity.LOW: "2.0",
    Severity.INFO: "0.1",
}
"""``security-severity``, a string. GitHub: critical over 9.0, high from 7.0, medium from 4.0."""
_FROM = {Severity.CRITICAL: 9.1, Severity.HIGH: 7.0, Severity.MEDIUM: 4.0, Severity.LOW: 0.1}
"""Scores from which GitHub shows a severity; CVSS's own critical begins at 9.0, so that one score
is told by the table."""
_WORD = re.compile(r"[A-Za-z0-9]+")
TAG_LIMIT = 20
"""Tags of a rule that GitHub accepts."""


def described(material: Material, findings: Sequence[Finding]) -> list[dict[str, Any]]:
    """Descriptors of the rules that the findings name, by id.

    A rule's severity is that of its worst finding: haechi.yaml may have changed it.
    """
    worst: dict[str, Finding] = {}
    for finding in findings:
        held = worst.get(finding.rule)
        if held is None or finding.severity.rank < held.severity.rank:
            worst[finding.rule] = finding
    return [_descriptor(material.rules.get(id_), worst[id_]) for id_ in sorted(worst)]


def _descriptor(rule: Rule | None, finding: Finding) -> dict[str, Any]:
    title = one_line(rule.title if rule else finding.title) or one_line(finding.rule) or "-"
    said: dict[str, Any] = {
        "id": finding.rule,
        "shortDescription": {"text": title},
        "defaultConfiguration": {"level": LEVELS[finding.severity]},
        "properties": {
            "tags": _tags(finding, rule),
            "security-severity": _score(finding),
            "problem.severity": _problem(finding.severity),
            "precision": "high",
        },
    }
    if name := _pascal(finding.rule):
        said["name"] = name
    url = finding.evidence.get("url")
    if finding.domain == DEPENDENCIES and isinstance(url, str) and url.startswith("https://"):
        said["helpUri"] = one_line(url)
    # GitHub refuses a rule without description and help, so one without texts repeats its title.
    said["fullDescription"] = {"text": one_line(rule.why) if rule else title}
    said["help"] = (
        {"text": _help_text(rule), "markdown": _help_markdown(rule)} if rule else {"text": title}
    )
    if rule and rule.ko:
        said["properties"]["haechi/ko"] = {
            "title": one_line(rule.ko.title),
            "why": one_line(rule.ko.why),
            "fix": one_line(rule.ko.fix),
        }
    return said


def _score(finding: Finding) -> str:
    """The CVSS score of a vulnerability, as long as it says the same as the severity: a known
    exploit or haechi.yaml may have changed that."""
    score = finding.evidence.get("score")
    if finding.domain == DEPENDENCIES and isinstance(score, int | float) and 0 < score <= 10:
        worst = next((one for one, least in _FROM.items() if score >= least), Severity.INFO)
        if worst is finding.severity:
            return f"{score:.1f}"
    return SCORES[finding.severity]


def _pascal(id_: str) -> str:
    """``k8s-host-pid`` → ``K8sHostPid``: the friendly name that the specification asks for."""
    return "".join(word[0].upper() + word[1:] for word in _WORD.findall(id_))


def _problem(severity: Severity) -> str:
    return {"error": "error", "warning": "warning"}.get(LEVELS[severity], "recommendation")


def _tags(finding: Finding, rule: Rule | None) -> list[str]:
    cwe = [f"external/cwe/{one_line(number).lower()}" for number in finding.cwe]
    own: Iterable[str] = rule.tags if rule else finding.tags
    tags = ["security", one_line(finding.domain), *cwe, *(one_line(tag) for tag in own)]
    return list(dict.fromkeys(tag for tag in tags if tag))[:TAG_LIMIT]


def _help_text(rule: Rule) -> str:
    parts = [one_line(rule.why), f"Fix: {one_line(rule.fix)}"]
    if rule.snippet:
        parts.append(_code(rule.snippet))
    return "\n\n".join([*parts, *_references(rule)])


def _help_markdown(rule: Rule) -> str:
    parts = [one_line(rule.why), f"**Fix**: {one_line(rule.fix)}"]
    if rule.snippet:
        fence = "`" * max(3, _longest_run(rule.snippet) + 1)
        parts.append(f"{fence}\n{_code(rule.snippet)}\n{fence}")
    return "\n\n".join([*parts, *_references(rule)])


def _references(rule: Rule) -> list[str]:
    if not rule.refs:
        return []
    rows = (f"{source}: {', '.join(ids)}" for source, ids in sorted(rule.refs.items()))
    return [one_line("References: " + "; ".join(rows))]


def _code(snippet: str) -> str:
    return "\n".join(visible(line) for line in snippet.strip("\n").split("\n"))


def _longest_run(text: str) -> int:
    longest = run = 0
    for char in text:
        run = run + 1 if char == "`" else 0
        longest = max(longest, run)
    return longest
