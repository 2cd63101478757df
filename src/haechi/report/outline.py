"""What all formats derive from the material: order, counts, and the answer in one sentence.

Derived once here, so that no two formats of one run can disagree about a number.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from haechi.model.finding import Finding, FindingState
from haechi.model.scan import Decision, Risk, WaiverUse
from haechi.model.severity import Severity
from haechi.model.waiver import WaiverOrigin
from haechi.report.material import Material
from haechi.report.text import one_line

DEAD_CONTROL = "dead-control"
_STATE_ORDER = {state: order for order, state in enumerate(FindingState)}


class Answer(StrEnum):
    """The run in one word."""

    PASS = "pass"  # noqa: S105 - an answer, not a password
    BLOCKED = "blocked"
    INVALID = "invalid"
    INCOMPLETE = "incomplete"
    NOTHING = "nothing"  # nothing was looked at: never to be taken for a pass


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """``findings`` are in reading order: worst first, then place. ``dead`` are findings of
    protections that cannot work; ``fixable`` counts what ``haechi fix`` can change; both leave
    waived ones out. ``counts[state][severity]`` has every state and severity, zeros included."""

    findings: tuple[Finding, ...]
    counts: Mapping[FindingState, Mapping[Severity, int]]
    fixable: int
    dead: tuple[Finding, ...]
    answer: Answer
    looked: int

    def of_state(self, *states: FindingState) -> tuple[Finding, ...]:
        """The findings in these states, in reading order."""
        return tuple(finding for finding in self.findings if finding.state in states)

    def total(self, state: FindingState) -> int:
        """How many findings are in this state."""
        return sum(self.counts[state].values())


def outline(material: Material) -> Outline:
    """Derive the outline; linear in the findings besides one sort."""
    findings = tuple(sorted(material.scan.findings, key=reading_order))
    alive = [finding for finding in findings if finding.state is not FindingState.WAIVED]
    looked = sum(material.scan.coverage.looked.values())
    return Outline(
        findings=findings,
        counts=_count(findings),
        fixable=sum(finding.fix is not None for finding in alive),
        dead=tuple(finding for finding in alive if DEAD_CONTROL in finding.tags),
        answer=_answer(material.decision, looked),
        looked=looked,
    )


def reading_order(finding: Finding) -> tuple[int, int, str, int, int, str, str]:
    """Sort key: severity, then open before accepted, then place; total, so output is stable."""
    where = finding.location
    return (
        finding.severity.rank,
        _STATE_ORDER[finding.state],
        where.path,
        where.line,
        where.column,
        finding.rule,
        finding.fingerprint,
    )


def _count(findings: Iterable[Finding]) -> dict[FindingState, dict[Severity, int]]:
    counts = {state: dict.fromkeys(Severity, 0) for state in FindingState}
    for finding in findings:
        counts[finding.state][finding.severity] += 1
    return counts


def _answer(decision: Decision, looked: int) -> Answer:
    if decision.exit_code == 2:
        return Answer.INVALID
    if decision.blocks:
        return Answer.BLOCKED
    if decision.exit_code == 3:
        return Answer.INCOMPLETE
    return Answer.PASS if looked else Answer.NOTHING


def answer_sentence(material: Material, view: Outline) -> str:
    """What the gate says, with the figures behind it."""
    decision = material.decision
    level = f"at {decision.fail_on} or worse"
    match view.answer:
        case Answer.BLOCKED if decision.blocking:
            return f"blocks: {counted(len(decision.blocking), 'open finding')} {level}"
        case Answer.BLOCKED:
            return "blocks"
        case Answer.INVALID:
            return "cannot decide: configuration or waivers are invalid"
        case Answer.INCOMPLETE:
            gaps = len(material.scan.coverage.open_gaps)
            return f"is not sure: {counted(gaps, 'part')} of the asked scope could not be evaluated"
        case Answer.NOTHING:
            return "has nothing to say: nothing in this scope was looked at"
        case Answer.PASS:
            return f"passes: no open finding {level}"


def further_reasons(material: Material, view: Outline) -> list[str]:
    """The gate's reasons besides what the answer's sentence already says."""
    said = answer_sentence(material, view)
    return [reason for reason in map(one_line, material.decision.reasons) if reason not in said]


def ranked(risks: Iterable[Risk]) -> list[Risk]:
    """Risks in the order in which they matter."""
    return sorted(risks, key=lambda risk: (-risk.score, risk.severity.rank))


def utc(moment: dt.datetime) -> dt.datetime:
    """The moment in UTC; one without a zone is taken for UTC."""
    return moment.astimezone(dt.UTC) if moment.tzinfo else moment.replace(tzinfo=dt.UTC)


def counted(number: int, noun: str) -> str:
    """``1 finding``, ``2 findings``; nouns with a regular plural only."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def worst_counts(counts: Mapping[Severity, int]) -> list[tuple[Severity, int]]:
    """The severities that occur, worst first."""
    return [(severity, counts[severity]) for severity in Severity if counts[severity]]


def waiver_of(finding: Finding, decision: Decision) -> WaiverUse | None:
    """The waiver that the finding names: ``finding.waiver`` holds where the waiver is written."""
    named = finding.waiver
    if named is None:
        return None
    for use in decision.waivers:
        waiver = use.waiver
        if str(waiver.location) in named or (waiver.source and waiver.source == named):
            return use
    return None


def waived_in_source(finding: Finding, decision: Decision) -> bool:
    """True when the waiver stands beside the code rather than in a waiver file or store."""
    beside = (WaiverOrigin.INLINE, WaiverOrigin.PEER)
    use = waiver_of(finding, decision)
    if use is not None:
        return use.waiver.origin in beside
    return (finding.waiver or "").startswith(tuple(beside))
