"""The first screen: what matters, in at most 25 lines, whatever the size of the run.

Sections are built more and more tightly until they fit; nothing is ever cut off silently, a
count says what is not shown.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import msgspec

from haechi.model.counting import counted, seen
from haechi.model.coverage import Gap
from haechi.model.finding import Finding, FindingState
from haechi.model.scan import Risk
from haechi.model.severity import Severity
from haechi.report.ink import Ink
from haechi.report.material import Material
from haechi.report.outline import (
    Answer,
    Outline,
    answer_sentence,
    further_reasons,
    outline,
    ranked,
    worst_counts,
)
from haechi.report.text import cells, one_line

LINE_LIMIT = 25
_INDENT = " " * 10
_WHOLE = frozenset({"no-advisories", "stale-advisories"})
_GAPS = re.compile(r"[\d,]+ [^:]+ (?:was|were) not evaluated: ")
"""Sentences about gaps: the screen tells of these by themselves."""
ANSWER_STYLE = {
    Answer.PASS: "green",
    Answer.BLOCKED: "red",
    Answer.INVALID: "red",
    Answer.INCOMPLETE: "yellow",
    Answer.NOTHING: "yellow",
}


class _Fit(msgspec.Struct, frozen=True):
    """How much a section may show. ``lines``: of a sentence, and of its change; ``also``: the
    worst of kinds of which no risk is shown."""

    risks: int
    also: int
    rows: int
    lines: int
    changes: int
    reasons: int
    blank: bool


_FITS = (
    _Fit(3, 4, 3, 3, 3, 3, True),
    _Fit(3, 4, 3, 2, 2, 2, True),
    _Fit(3, 4, 3, 2, 2, 1, False),
    _Fit(3, 4, 2, 2, 2, 1, False),
    _Fit(3, 4, 2, 2, 1, 1, False),
    _Fit(3, 3, 1, 2, 1, 1, False),
    _Fit(3, 2, 1, 1, 1, 1, False),
    _Fit(2, 0, 1, 1, 1, 1, False),
)


def summary(
    material: Material, *, width: int = 100, colour: bool = False, ascii: bool = False
) -> str:
    """The first screen as text, at most 25 lines of ``width`` cells (40 at least)."""
    ink = Ink(width=max(width, 40), colour=colour, ascii=ascii)
    view = outline(material)
    lines: list[str] = []
    for fit in _FITS:
        lines = _screen(material, view, ink, fit)
        if len(lines) <= LINE_LIMIT:
            break
    return "\n".join(lines) + "\n"


def _screen(material: Material, view: Outline, ink: Ink, fit: _Fit) -> list[str]:
    sections = [
        header(material, ink),
        _risks(material, ink, fit),
        _dead(view, ink, fit),
        _gaps(material.scan.coverage.open_gaps, ink, fit),
        footer(material, view, ink, reasons=fit.reasons, everything=True),
    ]
    lines: list[str] = []
    for section in filter(None, sections):
        if lines and fit.blank:
            lines.append("")
        lines += section
    return lines


def header(material: Material, ink: Ink) -> list[str]:
    """Who looked at what, and how long it took."""
    scan = material.scan
    looked = list(map(one_line, seen(_telling(scan.coverage.looked))))
    only = f" (only {', '.join(map(one_line, scan.only))})" if scan.only else ""
    took = f" in {max(scan.duration, 0):.1f} s: "
    tail = f"{', '.join(looked) or 'nothing'}{only}"
    name = f"haechi {one_line(material.version)} "
    room = ink.width - cells(name)
    path = ink.clip(one_line(scan.root), max(room - cells(took + tail), room // 2))
    text = path + took + tail
    lines = ink.block(text, name, "       ", most=2)
    return [ink.paint(name, "bold") + lines[0][len(name) :], *lines[1:]]


def _telling(looked: Mapping[str, int]) -> dict[str, int]:
    """The counts without zeros, and without one that says again how many files there are."""
    files = looked.get("files")
    return {
        what: number
        for what, number in looked.items()
        if number and (what != "files for secrets" or number != files)
    }


def _title(text: str, ink: Ink) -> str:
    return ink.paint(text, "bold")


def _risks(material: Material, ink: Ink, fit: _Fit) -> list[str]:
    risks = ranked(material.scan.risks)
    if not risks:
        return []
    shown = risks[: fit.risks]
    part = f" ({len(shown)} of {len(risks):,})" if len(shown) < len(risks) else ""
    lines = [_title(f"What matters most{part}", ink)]
    for number, risk in enumerate(shown, 1):
        lines += _risk(number, risk, ink, fit)
    for risk in _of_other_kinds(material, risks, fit)[: fit.also]:
        lines.append(_also(risk, ink))
    return lines


def _of_other_kinds(material: Material, risks: Sequence[Risk], fit: _Fit) -> list[Risk]:
    """The worst of each kind of thing (packages, Terraform, secrets …) of which the screen shows
    none, where it is bad: one crowded corner must not hide another."""
    kinds = {one.fingerprint: _kind(one) for one in material.scan.findings}
    told = {kinds.get(each) for risk in risks[: fit.risks] for each in risk.findings}
    found: list[Risk] = []
    for risk in risks[fit.risks :]:
        kind = next((kinds[each] for each in risk.findings if each in kinds), None)
        if kind is not None and kind not in told and risk.severity.at_least(Severity.HIGH):
            told.add(kind)
            found.append(risk)
    return found


def _kind(finding: Finding) -> tuple[str, str]:
    return finding.domain, finding.resource.partition(":")[0]


def _also(risk: Risk, ink: Ink) -> str:
    head = f"   {risk.severity.value.upper()} "
    before, _, rest = risk.sentence.partition(f"{risk.location.path}: ")
    said = rest if rest and len(before.split()) < 2 else risk.sentence
    row = _placed(one_line(str(risk.location)), one_line(said), ink, cells(head))
    return f"   {ink.severity(risk.severity)} {row}"


def _risk(number: int, risk: Risk, ink: Ink, fit: _Fit) -> list[str]:
    name = risk.severity.value.upper()
    head = f" {number} {name} "
    said = ink.block(one_line(risk.sentence), head, "   ", most=fit.lines)
    said[0] = f" {number} {ink.severity(risk.severity)} {said[0][len(head) :]}"
    place = one_line(str(risk.location))
    lead = f"   {place}  change: "
    if cells(lead) > ink.width // 2:
        said.append("   " + ink.paint(ink.clip(place, ink.width - 3), "cyan"))
        return said + _change(risk, "   change: ", "   change: ", ink, fit)
    shown = f"   {ink.paint(place, 'cyan')}  change: "
    return said + _change(risk, lead, shown, ink, fit)


def _change(risk: Risk, lead: str, shown: str, ink: Ink, fit: _Fit) -> list[str]:
    lines = ink.block(one_line(risk.change), lead, "     ", most=fit.changes)
    return [shown + lines[0][len(lead) :], *lines[1:]]


def _rows(title: str, rows: Sequence[str], more: int, ink: Ink) -> list[str]:
    if not rows:
        return []
    lines = [_title(title, ink), *rows]
    if more:
        lines.append(ink.paint(f"   and {more:,} more", "dim"))
    return lines


def _dead(view: Outline, ink: Ink, fit: _Fit) -> list[str]:
    shown = view.dead[: fit.rows]
    rows = [_dead_row(finding, ink) for finding in shown]
    return _rows("Controls that cannot work", rows, len(view.dead) - len(shown), ink)


def _dead_row(finding: Finding, ink: Ink) -> str:
    text = one_line(finding.message or finding.title)
    return "   " + _placed(one_line(str(finding.location)), text, ink)


def _gaps(gaps: Sequence[Gap], ink: Ink, fit: _Fit) -> list[str]:
    groups = _alike(gaps)
    shown = groups[: fit.rows]
    rows = [_gap_row(group, ink) for group in shown]
    return _rows("Not looked at", rows, len(gaps) - sum(map(len, shown)), ink)


def _alike(gaps: Sequence[Gap]) -> list[list[Gap]]:
    """One row for a kind, for one repository may have a hundred of it. What hides a whole
    ecosystem stands first, each by itself and in its own words."""
    groups: dict[tuple[str, str], list[Gap]] = {}
    for gap in sorted(gaps, key=lambda gap: gap.kind not in _WHOLE):
        groups.setdefault((gap.kind, gap.reason if gap.kind in _WHOLE else ""), []).append(gap)
    return list(groups.values())


def _gap_row(group: Sequence[Gap], ink: Ink) -> str:
    gap = group[0]
    kind = "" if gap.kind in _WHOLE else f"{gap.kind}: "
    text = f"{kind}{gap.reason}" + (f"; {gap.do}" if gap.do else "")
    more = f" and {len(group) - 1:,} more" if len(group) > 1 else ""
    path = one_line(gap.path)
    if more:
        path = ink.clip(path, max((ink.width - 5) // 2 - cells(more), 8))
    return "   " + _placed(f"{path}{more}", one_line(text), ink)


def _placed(place: str, text: str, ink: Ink, lead: int = 3) -> str:
    room = ink.width - lead - 2
    place = ink.clip(place, max(room - cells(text), room // 2))
    text = ink.clip(text, room - cells(place))
    return f"{ink.paint(place, 'cyan')}  {text}"


def footer(
    material: Material, view: Outline, ink: Ink, *, reasons: int, everything: bool
) -> list[str]:
    """Counts, the gate's answer with its reasons, and where to go next."""
    said = further_reasons(material, view)
    if everything:
        said = [reason for reason in said if not _GAPS.match(reason)]
    shown = said if len(said) <= reasons else said[: max(reasons - 1, 0)]
    lines = [*_figures(view, ink), *_gate(material, view, ink)]
    for reason in shown:
        lines += ink.block(reason, _INDENT, _INDENT, most=1 if everything else 0)
    if hidden := len(said) - len(shown):
        lines.append(ink.paint(f"{_INDENT}and {counted(hidden, 'further reason')}", "dim"))
    if view.findings and (following := _next(view, everything)):
        lines += ink.block(following, "Next      ", _INDENT, most=2)
    return lines


def _gate(material: Material, view: Outline, ink: Ink) -> list[str]:
    text = f"{answer_sentence(material, view)} (exit code {material.decision.exit_code})"
    lines = ink.block(text, "Gate      ", _INDENT, most=2)
    return [line[:10] + ink.paint(line[10:], ANSWER_STYLE[view.answer]) for line in lines]


def _figures(view: Outline, ink: Ink) -> list[str]:
    """How many findings of which kind; a second line when one is not enough."""
    still = view.counts[FindingState.OPEN]
    parts = [(f"{number:,} {severity}", severity.value) for severity, number in worst_counts(still)]
    parts = parts or [("none open", "green" if view.looked else "yellow")]
    for state in (FindingState.NEW, FindingState.KNOWN, FindingState.WAIVED):
        if total := view.total(state):
            parts.append((f"{total:,} {state}", "dim"))
    lines, used = ["Findings"], 8
    for text, style in parts:
        if used + 2 + cells(text) > ink.width:
            lines, used = [*lines, " " * 8], 8
        lines[-1] += "  " + ink.paint(text, style)
        used += 2 + cells(text)
    return lines


def _next(view: Outline, everything: bool) -> str:
    said = ["haechi scan lists every finding"] if everything else []
    if view.fixable:
        said.append(f"haechi fix can change {view.fixable:,} of them")
    return "; ".join(said)
