"""What all formats derive from the material: order, counts, and the answer in one sentence.

Derived once here, so that no two formats of one run can disagree about a number.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from enum import StrEnum

import msgspec

from haechi.model.counting import by_state, counted
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


class Outline(msgspec.Struct, frozen=True, kw_only=True):
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
    # The catalogue's size stands among the counts too; rules are what looks, not what is looked at.
    counts = material.scan.coverage.looked.items()
    looked = sum(number for what, number in counts if what != "rules")
    return Outline(
        findings=findings,
        counts=by_state(findings),
        fixable=sum(finding.fixable for finding in alive),
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
    match view.answer:
        case Answer.BLOCKED if material.decision.blocking:
            return f"blocks: {_figure(material.decision)}"
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
            return f"passes: {_figure(material.decision)}"


def _figure(decision: Decision) -> str:
    level = decision.fail_on
    at = f"at {level}" if level is Severity.CRITICAL else f"at {level} or above"
    number = len(decision.blocking)
    return f"{counted(number, 'open finding')} {at}" if number else f"no open finding {at}"


def further_reasons(material: Material, view: Outline) -> list[str]:
    """The gate's reasons besides the one that the answer's sentence already is."""
    said = [one_line(reason) for reason in material.decision.reasons]
    figure = _figure(material.decision)
    if view.answer in (Answer.BLOCKED, Answer.PASS):
        return [reason for reason in said if not reason.lower().startswith(figure)]
    return said


def ranked(risks: Iterable[Risk]) -> list[Risk]:
    """Risks in the order in which they matter."""
    return sorted(risks, key=lambda risk: (-risk.score, risk.severity.rank))


def utc(moment: dt.datetime) -> dt.datetime:
    """The moment in UTC; one without a zone is taken for UTC."""
    return moment.astimezone(dt.UTC) if moment.tzinfo else moment.replace(tzinfo=dt.UTC)


def worst_counts(counts: Mapping[Severity, int]) -> list[tuple[Severity, int]]:
    """The severities that occur, worst first."""
    return [(severity, counts[severity]) for severity in Severity if counts[severity]]


class WaiverLookup:
    """Finds the waiver that a finding names: ``finding.waiver`` is the place it is written at."""

    def __init__(self, decision: Decision) -> None:
        self._at: dict[str, list[WaiverUse]] = {}
        for use in decision.waivers:
            self._at.setdefault(str(use.waiver.location), []).append(use)

    def of(self, finding: Finding) -> WaiverUse | None:
        """The waiver in its place; of several on one line, the one that names the rule."""
        uses = self._at.get(finding.waiver or "", [])
        return next(
            (use for use in uses if use.waiver.rule == finding.rule), next(iter(uses), None)
        )

    def reason(self, finding: Finding) -> str:
        """Why the finding is accepted, or at least where that is written."""
        use = self.of(finding)
        return one_line((use.waiver.reason if use else "") or finding.waiver or "")


def beside_code(use: WaiverUse) -> bool:
    """True when the waiver stands beside the code rather than in a waiver file or store."""
    return use.waiver.origin in (WaiverOrigin.INLINE, WaiverOrigin.PEER)
