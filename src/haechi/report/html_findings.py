"""Findings in the HTML report: by severity, then file, each folded open to its full story.

The page stays bounded: the worst DETAIL_LIMIT findings are told in full, the next TABLE_LIMIT
are rows of a table, and beyond that a sentence says how many there are.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby

import msgspec

from haechi.model.finding import Finding
from haechi.model.location import format_path
from haechi.model.severity import Severity
from haechi.report.frame import FrameLine, Frames
from haechi.report.html_text import (
    SEVERITIES,
    STATES,
    attribute,
    badge,
    both,
    chip,
    english,
    shown,
)
from haechi.report.material import Material
from haechi.report.outline import DEAD_CONTROL, Outline, WaiverLookup
from haechi.report.packages import groups, is_package
from haechi.report.text import flat
from haechi.rules.schema import Rule

DETAIL_LIMIT = 2_000
TABLE_LIMIT = 20_000
_SNIPPET_LINES = 40


_TAGS = (
    ("malicious", ("malicious", "악성"), "dead"),
    ("exploited", ("known to be exploited", "실제 악용됨"), "dead"),
    ("development", ("development only", "개발용"), "known"),
    ("no-fix", ("no fix known", "수정 버전 없음"), "known"),
)
"""What is said of a vulnerability beside its title."""


class _Page(msgspec.Struct, frozen=True):
    """What telling one finding needs besides the finding."""

    rules: Mapping[str, Rule]
    frames: Frames
    waivers: WaiverLookup
    numbers: Mapping[str, int]


def sections(material: Material, view: Outline) -> Iterator[str]:
    """One section per severity, then what is only listed."""
    detailed = view.findings[:DETAIL_LIMIT]
    page = _Page(
        material.rules,
        Frames(material.read, view.findings),
        WaiverLookup(material.decision),
        anchors(view),
    )
    for severity, group in groupby(detailed, key=lambda finding: finding.severity):
        findings = list(group)
        total = sum(row[severity] for row in view.counts.values())
        yield f'<section class="sev-{severity.value}"><h3>{badge(severity)} {total:,}</h3>'
        for path, in_file in _by_file(findings):
            yield _file(path, in_file, page)
        yield "</section>"
    yield from _listed(view.findings[DETAIL_LIMIT:])


def anchors(view: Outline) -> dict[str, int]:
    """Fingerprint → number of the finding that is told in full; ids in the page are numbers
    because a fingerprint could be anything."""
    numbers: dict[str, int] = {}
    for number, finding in enumerate(view.findings[:DETAIL_LIMIT], 1):
        numbers.setdefault(finding.fingerprint, number)
    return numbers


def _by_file(findings: Iterable[Finding]) -> list[tuple[str, list[Finding]]]:
    files: dict[str, list[Finding]] = {}
    for finding in findings:
        files.setdefault(finding.location.path, []).append(finding)
    return sorted(files.items(), key=lambda item: item[0])


def _file(path: str, findings: Sequence[Finding], page: _Page) -> str:
    states = {finding.state for finding in findings}
    # A file whose findings are all in one state goes away with them when that state is hidden.
    kind = f" st-{states.pop().value}" if len(states) == 1 else ""
    body = "\n".join(_packages(findings, page))
    others = [finding for finding in findings if not is_package(finding)]
    body += "\n".join(_finding(finding, page) for finding in others)
    return f'<div class="file{kind}"><h4><code>{shown(flat(path)) or "."}</code></h4>\n{body}</div>'


def _packages(findings: Sequence[Finding], page: _Page) -> Iterator[str]:
    """Vulnerable packages: what to upgrade, then what that ends."""
    found = [finding for finding in findings if is_package(finding)]
    for group in groups(found) if found else ():
        ways = "".join(f'<br><span class="msg">{shown(way)}</span>' for way in group.ways[:3])
        head = both(group.head, group.head_ko)
        body = "\n".join(_finding(finding, page) for finding in group.findings)
        yield f'<div class="package"><p class="head"><strong>{head}</strong>{ways}</p>{body}</div>'


def _finding(finding: Finding, page: _Page) -> str:
    rule = page.rules.get(finding.rule)
    title = both(flat(finding.title), flat(rule.ko.title) if rule and rule.ko else "")
    chips = "" if finding.state == "open" else chip(STATES[finding.state], finding.state.value)
    if DEAD_CONTROL in finding.tags:
        chips += chip(("cannot work", "작동하지 않음"), "dead")
    if finding.fixable:
        chips += chip(("haechi fix", "자동 수정"), "fix")
    chips += "".join(chip(words, kind) for tag, words, kind in _TAGS if tag in finding.tags)
    message = shown(flat(finding.message or finding.title))
    if is_package(finding):
        title = both(
            f"{flat(finding.title)} `{finding.rule}`",
            flat(rule.ko.title if rule and rule.ko else ""),
        )
        message = message.removeprefix(f"{shown(flat(finding.label))}: ")
    number = page.numbers[finding.fingerprint]
    return (
        f'<details class="finding st-{finding.state.value}" id="f{number}"><summary>'
        f'<span class="line">{finding.location.line}</span>'
        f'<span class="what"><strong>{title}</strong>{chips}<br>'
        f'<span class="msg" lang="en">{message}</span></span></summary>'
        f'<div class="body">{_frame(page.frames, finding)}{_story(rule)}'
        f"{_facts(finding, rule, page.waivers)}</div>"
        "</details>"
    )


def _frame(frames: Frames, finding: Finding) -> str:
    lines = frames.of(finding, before=3, after=3)
    if not lines:
        return ""
    body = "".join(_frame_line(line) for line in lines)
    label = attribute(str(finding.location))
    return f'<pre class="frame" tabindex="0" role="region" aria-label="{label}">{body}</pre>'


def _frame_line(line: FrameLine) -> str:
    text = shown(line.text)
    if line.hit and line.end > line.start:
        before, fault, after = (
            shown(part)
            for part in (
                line.text[: line.start],
                line.text[line.start : line.end],
                line.text[line.end :],
            )
        )
        text = f"{before}<mark>{fault}</mark>{after}"
    kind = "row hit" if line.hit else "row"
    return f'<span class="{kind}"><span class="no">{line.number}</span>{text}\n</span>'


def _story(rule: Rule | None) -> str:
    if rule is None:
        return ""
    korean = rule.ko
    parts = [
        f"<h5>{both('Why it matters', '왜 중요한가')}</h5>",
        f"<p>{both(flat(rule.why), flat(korean.why) if korean else '')}</p>",
        f"<h5>{both('What to do', '해결 방법')}</h5>",
        f"<p>{both(flat(rule.fix), flat(korean.fix) if korean else '')}</p>",
    ]
    if rule.snippet:
        lines = rule.snippet.strip("\n").split("\n")[:_SNIPPET_LINES]
        parts.append(f'<pre class="snippet" tabindex="0">{shown(chr(10).join(lines))}</pre>')
    return "".join(parts)


def _facts(finding: Finding, rule: Rule | None, waivers: WaiverLookup) -> str:
    refs = sorted(rule.refs.items()) if rule else []
    pages: list[tuple[str, str, list[str]]] = []
    if is_package(finding):
        pages = [("Advisory", "권고문", ids) for name, ids in refs if name == "url"]
        refs = []
    rows: list[tuple[tuple[str, str], str]] = [
        (("Rule", "규칙"), _code(finding.rule)),
        (("Place", "위치"), _code(f"{finding.location}:{finding.location.column}")),
        (("Resource", "리소스"), _code(finding.label or finding.resource)),
        (("Attribute", "속성"), _code(format_path(finding.path))),
        (("Owner", "담당"), english(finding.owner) if finding.owner else ""),
        (("Due", "기한"), finding.due.isoformat() if finding.due else ""),
        (("Waiver", "예외"), english(waivers.reason(finding)) if finding.waiver else ""),
        (("Mechanical fix", "자동 수정"), _code((not finding.upgrade and finding.fix) or "")),
        (("Upgrade to", "올릴 버전"), _code(finding.upgrade or "")),
        (
            ("Also called", "다른 이름"),
            english(", ".join(finding.aliases)) if finding.aliases else "",
        ),
        (("Weakness", "약점"), english(", ".join(finding.cwe)) if finding.cwe else ""),
        *(((name, name), english(", ".join(ids))) for name, ids in refs),
        *(((name, korean), english(", ".join(ids))) for name, korean, ids in pages),
        (("Fingerprint", "지문"), _code(finding.fingerprint)),
    ]
    body = "".join(f"<dt>{both(*name)}</dt><dd>{value}</dd>" for name, value in rows if value)
    return f"<dl>{body}</dl>"


def _code(text: str) -> str:
    return f"<code>{shown(flat(text))}</code>" if text else ""


def _listed(findings: Sequence[Finding]) -> Iterator[str]:
    """The findings past the limit as a table."""
    if not findings:
        return
    rows = findings[:TABLE_LIMIT]
    yield '<section class="listed"><h3>'
    yield both(f"{len(findings):,} further findings", f"그 밖의 발견 사항 {len(findings):,}건")
    yield "</h3><p>"
    yield both(
        f"Only the worst {DETAIL_LIMIT:,} findings are told in full on this page.",
        f"이 페이지에는 가장 심각한 {DETAIL_LIMIT:,}건만 자세히 나옵니다.",
    )
    yield '</p><div class="scroll" tabindex="0"><table><thead><tr>'
    for name in (("Severity", "심각도"), ("Place", "위치"), ("Rule", "규칙"), ("State", "상태")):
        yield f'<th scope="col">{both(*name)}</th>'
    yield "</tr></thead><tbody>"
    yield from map(_row, rows)
    yield "</tbody></table></div>"
    if missing := len(findings) - len(rows):
        text = f"{missing:,} more are only in the JSON report."
        yield f"<p>{both(text, f'{missing:,}건은 JSON 보고서에만 있습니다.')}</p>"
    yield "</section>"


def _row(finding: Finding) -> str:
    # In one language: at this size two would double the page.
    severity, state = finding.severity.value, finding.state.value
    place = shown(flat(str(finding.location)))
    return (
        f'<tr class="sev-{severity} st-{state}"><td lang="en">{severity}</td><td>{place}</td>'
        f'<td>{shown(finding.rule)}</td><td lang="en">{state}</td></tr>\n'
    )


def filters(view: Outline) -> str:
    """Check boxes that hide severities and states, by CSS alone."""
    severities = [
        _box(f"f-{severity.value}", both(severity.value.capitalize(), SEVERITIES[severity]))
        for severity in Severity
        if any(row[severity] for row in view.counts.values())
    ]
    states = [
        _box(f"f-{state.value}", both(STATES[state][0].capitalize(), STATES[state][1]))
        for state in view.counts
        if view.total(state)
    ]
    return (
        f'<div class="filters"><fieldset><legend>{both("Severity", "심각도")}</legend>'
        f"{''.join(severities)}</fieldset><fieldset><legend>{both('State', '상태')}</legend>"
        f"{''.join(states)}</fieldset></div>"
    )


def _box(name: str, label: str) -> str:
    return f'<label><input type="checkbox" id="{name}" checked> {label}</label>'
