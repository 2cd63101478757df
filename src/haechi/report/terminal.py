"""Every finding for a person at a terminal, grouped by file, with the lines at fault.

``summary`` (terminal_summary.py) is the first screen; ``full`` is the whole list. Colour, width
and the character set are the caller's to decide (NO_COLOR, TERM, isatty), so both are pure.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import msgspec

from haechi.model.coverage import Gap
from haechi.model.finding import Finding, FindingState
from haechi.model.scan import WaiverStatus, WaiverUse
from haechi.report.frame import FrameLine, Frames
from haechi.report.ink import Ink
from haechi.report.material import Material
from haechi.report.outline import DEAD_CONTROL, Outline, WaiverLookup, outline, reading_order
from haechi.report.packages import Group, groups, is_package
from haechi.report.terminal_packages import package_lines
from haechi.report.terminal_summary import footer, header, summary
from haechi.report.text import cells, one_line
from haechi.rules.schema import Rule

__all__ = ["full", "render", "summary"]

SHOWN_OF_RULE = 3
"""Findings of one rule in one file that are shown in full; the others are one line."""
_GAPS = 20


class _Told(msgspec.Struct, frozen=True):
    """What telling one finding needs besides the finding.

    ``drawn`` holds the places of this file whose frame stands above already: ten faults of one
    container often point at the same line.
    """

    rules: Mapping[str, Rule]
    frames: Frames
    waivers: WaiverLookup
    ink: Ink
    verbose: bool
    drawn: set[tuple[int, int]] = msgspec.field(default_factory=set)


def render(
    material: Material,
    *,
    width: int = 100,
    colour: bool = False,
    verbose: bool = False,
    ascii: bool = False,
) -> str:
    """The whole list; see ``full``."""
    return full(material, width=width, colour=colour, verbose=verbose, ascii=ascii)


def full(
    material: Material,
    *,
    width: int = 100,
    colour: bool = False,
    verbose: bool = False,
    ascii: bool = False,
) -> str:
    """Open and new findings by file; ``verbose`` adds known and waived ones, reasons, and all
    repetitions."""
    ink = Ink(width=max(width, 40), colour=colour, ascii=ascii)
    view = outline(material)
    states = tuple(FindingState) if verbose else (FindingState.OPEN, FindingState.NEW)
    told = _Told(
        material.rules,
        Frames(material.read, view.findings),
        WaiverLookup(material.decision),
        ink,
        verbose,
    )
    lines = header(material, ink)
    for path, findings in _by_file(view.of_state(*states)):
        lines += ["", ink.paint(one_line(path) or ".", "bold")]
        told.drawn.clear()
        for number, told_of in enumerate(_by_place(findings)):
            lines += [""] * bool(number)
            if isinstance(told_of, Group):
                lines += _package(told_of, told)
            else:
                lines += _group(told_of, told)
    lines += _not_looked_at(material.scan.coverage.gaps, ink, verbose)
    lines += _waivers(material.decision.waivers, ink, verbose)
    lines += ["", *_closing(material, view, ink)]
    return "\n".join(lines) + "\n"


def _closing(material: Material, view: Outline, ink: Ink) -> list[str]:
    reasons = len(material.decision.reasons)
    return footer(material, view, ink, reasons=reasons, everything=False)


def _by_file(findings: Iterable[Finding]) -> list[tuple[str, list[Finding]]]:
    """Files in the order of their worst finding, as the findings already are."""
    files: dict[str, list[Finding]] = {}
    for finding in findings:
        files.setdefault(finding.location.path, []).append(finding)
    return list(files.items())


def _by_rule(findings: Iterable[Finding]) -> list[list[Finding]]:
    rules: dict[tuple[str, str], list[Finding]] = {}
    for finding in findings:
        rules.setdefault((finding.rule, finding.severity), []).append(finding)
    return list(rules.values())


def _by_place(findings: Iterable[Finding]) -> list[Group | list[Finding]]:
    """Packages, and the other findings by rule; worst first."""
    rest = list(findings)
    packages = groups(rest) if any(map(is_package, rest)) else []
    others = _by_rule(finding for finding in rest if not is_package(finding))
    told: list[Group | list[Finding]] = [*others, *packages]
    if packages:
        told.sort(
            key=lambda one: reading_order((one.findings if isinstance(one, Group) else one)[0])
        )
    return told


def _package(group: Group, told: _Told) -> list[str]:
    rule = told.rules.get(group.findings[0].rule)
    fix = one_line(rule.fix) if rule else ""
    if group.upgrade and not group.malicious:
        fix = f"upgrade to {group.upgrade}"
    return package_lines(
        group,
        told.ink,
        status=lambda finding: _status(finding, told),
        frame=lambda finding: _framed(finding, told),
        fix=fix,
        verbose=told.verbose,
    )


def _group(group: Sequence[Finding], told: _Told) -> list[str]:
    ink, verbose = told.ink, told.verbose
    rule = told.rules.get(group[0].rule)
    # One more than the limit is shown as well: "and 1 more" takes as much room as what it hides.
    shown = group if verbose or len(group) <= SHOWN_OF_RULE + 1 else group[:SHOWN_OF_RULE]
    lines: list[str] = []
    for finding in shown:
        lines += _finding(finding, told)
    lines += _repeated(group[len(shown) :], ink)
    fix = one_line(rule.fix) if rule else ""
    if fix:
        lines += ink.block(fix, "    fix: ", "         ")
    if any(finding.fixable for finding in group):
        lines.append(f"    {ink.paint('haechi fix', 'bold')} can do this")
    elif any(finding.fix and not finding.upgrade for finding in group):
        command = ink.paint(f"haechi fix {one_line(group[0].rule)}", "bold")
        lines.append(f"    {command} can do this; it changes behaviour")
    return lines + (_background(rule, ink) if verbose and rule else [])


def _finding(finding: Finding, told: _Told) -> list[str]:
    ink = told.ink
    name = finding.severity.value.upper()
    rule = one_line(finding.rule)
    head = f"  {finding.location.line}:{finding.location.column} {name} {rule} "
    text = one_line(finding.message or finding.title)
    lines = ink.block(text, head, "    ") if cells(head) < ink.width * 2 // 3 else [head.rstrip()]
    painted = (
        f"  {ink.paint(f'{finding.location.line}:{finding.location.column}', 'dim')} "
        f"{ink.severity(finding.severity)} {ink.paint(rule, 'bold')}"
    )
    if len(lines) == 1 and lines[0] == head.rstrip():
        lines = [painted, *ink.block(text, "    ", "    ")]
    else:
        lines[0] = f"{painted} {lines[0][len(head) :]}"
    return lines + _status(finding, told) + _framed(finding, told)


def _framed(finding: Finding, told: _Told) -> list[str]:
    place = (finding.location.line, finding.location.column)
    if place in told.drawn:
        return []
    told.drawn.add(place)
    return _frame(told.frames.of(finding, before=1, after=1), told.ink)


def _status(finding: Finding, told: _Told) -> list[str]:
    said = ["this control cannot work"] if DEAD_CONTROL in finding.tags else []
    match finding.state:
        case FindingState.NEW:
            what = "advisory" if is_package(finding) else "rule"
            said.append(f"new {what}, does not block until `haechi lock update`")
        case FindingState.KNOWN:
            said.append("known in the baseline")
        case FindingState.WAIVED:
            said.append(f"waived: {told.waivers.reason(finding) or 'no reason given'}")
        case FindingState.OPEN:
            pass
    if finding.owner:
        said.append(f"owner {finding.owner}")
    if finding.due:
        said.append(f"due {finding.due.isoformat()}")
    if not said:
        return []
    lines = told.ink.block(one_line(", ".join(said)), "    ", "    ")
    return [told.ink.paint(line, "dim") for line in lines]


def _frame(lines: Sequence[FrameLine], ink: Ink) -> list[str]:
    if not lines:
        return []
    digits = len(str(lines[-1].number))
    bar = ink.mark("│")
    out: list[str] = []
    for line in lines:
        gutter = f"    {line.number:>{digits}} {bar} "
        text = ink.clip(line.text, ink.width - cells(gutter))
        shown = text if line.hit else ink.paint(text, "dim")
        out.append((ink.paint(gutter, "dim") + shown).rstrip())
        if line.hit and line.end >= line.start and line.text.strip():
            out += _underline(line, text, digits, bar, ink)
    return out


def _underline(line: FrameLine, shown: str, digits: int, bar: str, ink: Ink) -> list[str]:
    """Carets under the columns at fault, as far as the shown text goes."""
    start = min(line.start, max(len(shown) - 1, 0))
    fault = shown[start : max(line.end, start + 1)]
    blank = " " * cells(shown[:start])
    gutter = ink.paint(f"    {' ' * digits} {bar} ", "dim")
    return [gutter + blank + ink.paint("^" * max(cells(fault.rstrip()), 1), "red")]


def _repeated(rest: Sequence[Finding], ink: Ink) -> list[str]:
    if not rest:
        return []
    numbers = sorted({finding.location.line for finding in rest})
    shown = ", ".join(map(str, numbers[:12])) + (ink.mark(", …") if len(numbers) > 12 else "")
    noun = "line" if len(numbers) == 1 else "lines"
    text = f"and {len(rest):,} more of {one_line(rest[0].rule)}: {noun} {shown}"
    return [ink.paint(line, "dim") for line in ink.block(text, "    ", "      ")]


def _background(rule: Rule, ink: Ink) -> list[str]:
    lines = ink.block(one_line(rule.why), "    why: ", "         ")
    if rule.refs:
        rows = (f"{source} {' '.join(ids)}" for source, ids in sorted(rule.refs.items()))
        lines += ink.block(one_line(", ".join(rows)), "    see: ", "         ")
    return [ink.paint(line, "dim") for line in lines]


def _not_looked_at(gaps: Sequence[Gap], ink: Ink, verbose: bool) -> list[str]:
    """Open gaps; ``verbose`` shows accepted ones too, and all of them."""
    listed = [gap for gap in gaps if verbose or not gap.accepted]
    if not listed:
        return []
    lines = ["", ink.paint("Not looked at", "bold")]
    shown = listed if verbose else listed[:_GAPS]
    for gap in shown:
        lines += _gap(gap, ink)
    if more := len(listed) - len(shown):
        lines.append(ink.paint(f"  and {more:,} more", "dim"))
    return lines


def _gap(gap: Gap, ink: Ink) -> list[str]:
    text = f"{gap.path} {gap.kind}: {gap.reason}" + (" (accepted)" if gap.accepted else "")
    lines = ink.block(one_line(text), "  ", "    ")
    return lines + (ink.block(one_line(gap.do), "    do: ", "        ") if gap.do else [])


_TROUBLE = (WaiverStatus.EXPIRED, WaiverStatus.DENIED, WaiverStatus.UNUSED)


def _waivers(uses: Sequence[WaiverUse], ink: Ink, verbose: bool) -> list[str]:
    """Waivers that had no effect and should have had one; with ``verbose`` all of them."""
    shown = [use for use in uses if verbose or use.status in _TROUBLE]
    if not shown:
        return []
    lines = ["", ink.paint("Waivers" if verbose else "Waivers without effect", "bold")]
    for use in shown:
        lines += ink.block(_waiver(use), "  ", "    ")
    return lines


def _waiver(use: WaiverUse) -> str:
    waiver = use.waiver
    said = [f"{waiver.location} {use.status.replace('_', ' ')}: {waiver.rule}"]
    if use.count:
        said.append(f"covers {use.count}")
    if waiver.expires:
        said.append(f"until {waiver.expires.isoformat()}")
    if waiver.owner:
        said.append(f"owner {waiver.owner}")
    if waiver.reason:
        said.append(waiver.reason)
    return one_line(", ".join(said))
