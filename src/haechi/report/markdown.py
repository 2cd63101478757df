"""Markdown for a comment on a pull request: the verdict, what is new, and what was not looked at.

GitHub refuses comments over 65,536 characters, so the report stops at 60,000 and says what it
left out. Text from files is taken literally: no markup, no HTML, no mentions, no links.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from haechi.model.counting import counted, seen
from haechi.model.coverage import Gap
from haechi.model.finding import Finding, FindingState
from haechi.model.scan import Risk
from haechi.report.material import Material
from haechi.report.outline import (
    DEAD_CONTROL,
    Answer,
    Outline,
    answer_sentence,
    further_reasons,
    outline,
    ranked,
    worst_counts,
)
from haechi.report.packages import Group, groups, is_package
from haechi.report.text import clip, one_line

SIZE_LIMIT = 60_000
ROW_LIMIT = 30
MARKER = "<!-- haechi:report -->"
"""First line, by which a pipeline finds its earlier comment to replace it."""
_SIGNS = {
    Answer.PASS: "✅",
    Answer.BLOCKED: "⛔",
    Answer.INVALID: "⛔",
    Answer.INCOMPLETE: "⚠️",
    Answer.NOTHING: "⚠️",
}
_TEXT_LIMIT = 300
_PATH_LIMIT = 160
_LIST_LIMIT = 20
_SPECIAL = re.compile(
    r"(?P<reference>[@#]|GH-|:(?=//)|www(?=\.)|mailto(?=:)|xmpp(?=:))"
    r"|[\\`*\[\]<>|~&$]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])|^[-+=:]|^\d+(?=[.)])",
    re.IGNORECASE,
)
_NO_LINK = "&#8203;"
"""A zero-width space: keeps GitHub from making mentions, references and links of text."""
_IDS = 4
_PACKAGES = (
    "| Severity | Package | Upgrade to | Vulnerabilities | Where |\n| --- | --- | --- | --- | --- |"
)
_HEAD = "| Severity | Where | What | Rule |\n| --- | --- | --- | --- |"


def render(material: Material) -> str:
    """The comment's text."""
    view = outline(material)
    parts = [
        MARKER,
        f"### {_SIGNS[view.answer]} haechi {literal(answer_sentence(material, view))}",
        *_reasons(further_reasons(material, view)),
        _figures(material, view),
        *_risks(ranked(material.scan.risks)),
    ]
    closing = [*_gaps(material.scan.coverage.open_gaps), *_gaps_accepted(material)]
    room = SIZE_LIMIT - sum(len(part) + 2 for part in parts + closing)
    packages = _packages(view, room // 2)
    room -= sum(len(part) + 2 for part in packages)
    return "\n\n".join([*parts, *packages, *_findings(view, room), *closing]) + "\n"


def literal(text: str, limit: int = _TEXT_LIMIT) -> str:
    """The text as Markdown that shows it as it is."""
    return _SPECIAL.sub(_neutral, clip(one_line(text), limit))


def _neutral(match: re.Match[str]) -> str:
    if match["reference"]:
        return match[0] + _NO_LINK
    return "".join(f"&#{ord(char)};" for char in match[0])


def code(text: str, limit: int = _PATH_LIMIT) -> str:
    """The text in a code span; one with backticks or pipes as HTML, which tables allow too."""
    flat = clip(one_line(text), limit)
    if "`" in flat or "|" in flat or "\\" in flat:
        return f"<code>{literal(flat, limit)}</code>"
    return f"`{flat or ' '}`"


def _reasons(reasons: Sequence[str]) -> list[str]:
    shown = [f"- {literal(reason)}" for reason in reasons[:_LIST_LIMIT]]
    if more := len(reasons) - len(shown):
        shown.append(f"- and {counted(more, 'further reason')}")
    return ["\n".join(shown)] if shown else []


def _figures(material: Material, view: Outline) -> str:
    label = "new" if material.decision.baseline is not None else "open"
    rows = worst_counts(view.counts[FindingState.OPEN])
    said = [f"**{number:,} {severity}**" for severity, number in rows] or ["none"]
    text = f"{label.capitalize()} findings: {', '.join(said)}."
    others = {
        FindingState.NEW: "not in haechi.lock yet",
        FindingState.KNOWN: "known in the baseline",
        FindingState.WAIVED: "waived",
    }
    rest = [f"{view.total(state):,} {word}" for state, word in others.items() if view.total(state)]
    if rest:
        text += f" Besides: {', '.join(rest)}."
    if view.fixable:
        text += f" `haechi fix` can change {view.fixable:,}."
    looked = ", ".join(map(literal, seen(material.scan.coverage.looked))) or "nothing"
    return f"{text}\nLooked at: {looked}."


def _risks(risks: Sequence[Risk]) -> list[str]:
    rows = [
        f"{number}. **{risk.severity}** {literal(risk.sentence)}: {code(str(risk.location))}  \n"
        f"   change: {literal(risk.change)}"
        for number, risk in enumerate(risks[:3], 1)
    ]
    return ["**What matters most**", "\n".join(rows)] if rows else []


def _packages(view: Outline, room: int) -> list[str]:
    """Vulnerable packages, one row each: one upgrade ends several findings."""
    found = [finding for finding in view.of_state(FindingState.OPEN) if is_package(finding)]
    if not found:
        return []
    told, rows, used = groups(found), [_PACKAGES], len(_PACKAGES)
    for group in told[:ROW_LIMIT]:
        row = _package(group)
        if used + len(row) + 1 > room:
            break
        rows.append(row)
        used += len(row) + 1
    parts = [f"**Vulnerable packages** ({len(told):,})", "\n".join(rows)]
    if missing := len(told) - (len(rows) - 1):
        parts.append(f"{counted(missing, 'package')} left out for length.")
    return parts


def _package(group: Group) -> str:
    worst = group.findings[0]
    named = ", ".join(code(finding.rule, 60) for finding in group.findings[:_IDS])
    more = f" and {len(group.findings) - _IDS} more" if len(group.findings) > _IDS else ""
    name = f"**{worst.severity}**" if worst.severity.rank < 2 else worst.severity.value
    upgrade = code(group.upgrade, 60) if group.upgrade else "no fix known"
    if group.malicious:
        upgrade = "take it out"
    way = f"<br>{literal(group.ways[0], 160)}" if group.ways else ""
    return (
        f"| {name} | {code(group.label, 80)}{way} | {upgrade} | {literal(worst.title, 160)}: "
        f"{named}{more} | {code(str(worst.location))} |"
    )


def _findings(view: Outline, room: int) -> Iterator[str]:
    """The worst in a table, the others folded, as far as the room goes."""
    listed = [f for f in view.of_state(FindingState.OPEN) if not is_package(f)]
    folded = view.of_state(FindingState.NEW, FindingState.KNOWN)
    first, later = listed[:ROW_LIMIT], [*listed[ROW_LIMIT:], *folded]
    if first:
        table, used = _table(first, room - 2_000)
        yield table
        room -= used
        later = [*first[table.count("\n") - 1 :], *later]
    if not later:
        return
    summary = counted(len(later), "further finding")
    table, _ = _table(later, room - 1_000)
    rows = table.count("\n") - 1
    yield f"<details><summary>{summary}</summary>\n\n{table}\n\n</details>"
    if missing := len(later) - rows:
        yield f"{counted(missing, 'finding')} left out for length; the full report has all of them."


def _table(findings: Iterable[Finding], room: int) -> tuple[str, int]:
    """The table of as many findings as fit, and its size."""
    rows, used = [_HEAD], len(_HEAD)
    for finding in findings:
        row = _row(finding)
        if used + len(row) + 1 > room:
            break
        rows.append(row)
        used += len(row) + 1
    return "\n".join(rows), used


def _row(finding: Finding) -> str:
    what = literal(finding.message or finding.title)
    if DEAD_CONTROL in finding.tags:
        what += " (control that cannot work)"
    if finding.state is not FindingState.OPEN:
        what += f" ({'not locked' if finding.state is FindingState.NEW else finding.state})"
    name = f"**{finding.severity}**" if finding.severity.rank < 2 else finding.severity.value
    return f"| {name} | {code(str(finding.location))} | {what} | {code(finding.rule, 80)} |"


def _gaps(gaps: Sequence[Gap]) -> list[str]:
    if not gaps:
        return []
    rows = [_gap(gap) for gap in gaps[:_LIST_LIMIT]]
    if more := len(gaps) - len(rows):
        rows.append(f"- and {more:,} more")
    return [f"**Not looked at** ({len(gaps):,})", "\n".join(rows)]


def _gap(gap: Gap) -> str:
    after = f"; {literal(gap.do)}" if gap.do else ""
    return f"- {code(gap.path)} {literal(gap.kind, 40)}: {literal(gap.reason)}{after}"


def _gaps_accepted(material: Material) -> list[str]:
    number = sum(gap.accepted for gap in material.scan.coverage.gaps)
    return [f"{counted(number, 'accepted gap')} not listed."] if number else []
