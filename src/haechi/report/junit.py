"""JUnit XML for CI servers: they show it without knowing haechi.

One suite per file and domain: an open finding is a failure, an accepted one a skipped case, a
gap in coverage an error. Rules that were evaluated and found nothing are passed cases, so that a
clean run is not an empty report, which servers take for a broken one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping

import msgspec

from haechi.model.coverage import Coverage, Gap
from haechi.model.finding import Finding, FindingState
from haechi.model.location import format_path
from haechi.report.material import Material
from haechi.report.outline import WaiverLookup, outline, utc
from haechi.report.packages import is_package
from haechi.report.text import markup, one_line, visible
from haechi.rules.schema import Rule

_NOT_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


class _Case(msgspec.Struct, frozen=True):
    outcome: str  # "" | failure | error | skipped
    xml: str


def render(material: Material) -> str:
    """The report as XML text; declare it UTF-8 when writing."""
    suites = [_suite(material, name, cases) for name, cases in _suites(material)]
    totals = "".join(f" {key}={quoted(str(sum(s.count[key] for s in suites)))}" for key in _KEYS)
    head = '<?xml version="1.0" encoding="UTF-8"?>'
    opening = f'<testsuites name="haechi"{totals} time={quoted(_seconds(material))}>'
    return "\n".join([head, opening, *(suite.xml for suite in suites), "</testsuites>", ""])


_KEYS = ("tests", "failures", "errors", "skipped")


class _Suite(msgspec.Struct, frozen=True):
    count: dict[str, int]
    xml: str


def _suites(material: Material) -> Iterator[tuple[str, list[_Case]]]:
    waivers = WaiverLookup(material.decision)
    groups: dict[tuple[str, str], list[Finding]] = {}
    for finding in outline(material).findings:
        groups.setdefault((finding.location.path, finding.domain), []).append(finding)
    for (path, domain), findings in sorted(groups.items()):
        yield (
            f"{domain}: {path}",
            [_finding_case(finding, material.rules, waivers) for finding in findings],
        )
    if material.scan.coverage.gaps:
        yield "coverage", [_gap_case(gap) for gap in material.scan.coverage.gaps]
    if passed := _clean_rules(material.scan.coverage, material.scan.findings):
        yield "rules without findings", [_Case("", _case(rule, "rules", "")) for rule in passed]


def _clean_rules(coverage: Coverage, findings: Iterable[Finding]) -> list[str]:
    found = {id_ for finding in findings for id_ in finding.ids}
    return sorted(coverage.evaluated - found)


def _suite(material: Material, name: str, cases: list[_Case]) -> _Suite:
    outcomes = [case.outcome for case in cases]
    count = {
        "tests": len(cases),
        "failures": outcomes.count("failure"),
        "errors": outcomes.count("error"),
        "skipped": outcomes.count("skipped"),
    }
    figures = "".join(f' {key}="{number}"' for key, number in count.items())
    stamp = utc(material.scan.started).replace(tzinfo=None).isoformat(timespec="seconds")
    opening = f'  <testsuite name={quoted(name)}{figures} time="0" timestamp="{stamp}">'
    body = "\n".join(case.xml for case in cases)
    return _Suite(count, f"{opening}\n{body}\n  </testsuite>")


def _seconds(material: Material) -> str:
    return f"{max(material.scan.duration, 0.0):.3f}"


def _finding_case(finding: Finding, rules: Mapping[str, Rule], waivers: WaiverLookup) -> _Case:
    name = " ".join(
        part for part in (finding.rule, finding.label, format_path(finding.path)) if part
    )
    name = f"{name} (line {finding.location.line})"
    if finding.state is FindingState.OPEN:
        body = _body(finding, rules.get(finding.rule))
        inner = (
            f"<failure message={quoted(finding.message)} type={quoted(finding.severity)}>"
            f"{_text(body)}</failure>"
        )
        return _Case("failure", _case(name, finding.location.path, inner, finding))
    reason = _accepted(finding, waivers)
    inner = f"<skipped message={quoted(f'{reason}: {finding.message}')}/>"
    return _Case("skipped", _case(name, finding.location.path, inner, finding))


def _accepted(finding: Finding, waivers: WaiverLookup) -> str:
    match finding.state:
        case FindingState.KNOWN:
            return "known in the baseline"
        case FindingState.NEW:
            what = "advisory" if is_package(finding) else "rule"
            return f"new {what}, not in haechi.lock yet"
        case _:
            why = waivers.reason(finding)
            return f"waived ({why})" if why else "waived"


def _body(finding: Finding, rule: Rule | None) -> str:
    rows = [
        f"{finding.severity} {finding.rule}: {finding.title}",
        f"at {finding.location}:{finding.location.column}",
        f"fingerprint {finding.fingerprint}",
    ]
    if finding.owner:
        rows.append(f"owner {finding.owner}")
    if finding.due:
        rows.append(f"due {finding.due.isoformat()}")
    if rule:
        rows += ["", one_line(rule.why), f"Fix: {one_line(rule.fix)}"]
    return "\n".join(visible(row) for row in rows)


def _gap_case(gap: Gap) -> _Case:
    outcome = "skipped" if gap.accepted else "error"
    kind = "" if gap.accepted else f" type={quoted(gap.kind)}"
    said = f"{gap.reason}; {gap.do}" if gap.do else gap.reason
    inner = f"<{outcome} message={quoted(f'not evaluated: {said}')}{kind}/>"
    return _Case(outcome, _case(f"{gap.kind} {gap.path}", gap.path, inner))


def _case(name: str, place: str, inner: str, finding: Finding | None = None) -> str:
    where = ""
    if finding is not None:
        where = f' file={quoted(place)} line="{max(finding.location.line, 1)}"'
    opening = f'    <testcase name={quoted(name)} classname={quoted(place)}{where} time="0"'
    return f"{opening}>{inner}</testcase>" if inner else f"{opening}/>"


def quoted(text: str) -> str:
    """An attribute value on one line, with its quotes."""
    return f'"{_text(one_line(text))}"'


def _text(text: str) -> str:
    """Character data. XML 1.0 (section 2.2) has no way to write most control characters."""
    return markup(_NOT_XML.sub("\ufffd", text))
