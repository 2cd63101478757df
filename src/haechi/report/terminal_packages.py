"""A vulnerable package in the terminal: one head, a line for each vulnerability, one way to fix."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from haechi.model.finding import Finding, FindingState
from haechi.report.ink import Ink
from haechi.report.packages import Group
from haechi.report.text import cells, one_line

SHOWN = 6
"""Vulnerabilities of one package that are told one by one."""
_INDENT = "    "
Lines = Callable[[Finding], list[str]]


def package_lines(
    group: Group, ink: Ink, *, status: Lines, frame: Lines, fix: str, verbose: bool
) -> list[str]:
    """The package with its findings. ``status`` and ``frame`` tell of one finding."""
    worst = group.findings[0]
    place = f"{worst.location.line}:{worst.location.column}"
    head = f"  {place} {worst.severity.value.upper()} "
    lines = ink.block(ink.mark(group.head), head, _INDENT)
    lines[0] = (
        f"  {ink.paint(place, 'dim')} {ink.severity(worst.severity)} "
        f"{ink.paint(lines[0][len(head) :], 'bold')}"
    )
    listed = (
        group.findings if verbose or len(group.findings) <= SHOWN + 1 else group.findings[:SHOWN]
    )
    for finding in listed:
        lines += _vulnerability(finding, ink)
        if finding.state is not FindingState.OPEN:
            lines += status(finding)
    if more := group.findings[len(listed) :]:
        lines += _more(more, ink)
    for way in group.ways[:3]:
        lines += [ink.paint(line, "dim") for line in ink.block(ink.mark(way), _INDENT, "      ")]
    if group.used:
        said = ink.block(ink.mark(group.used), _INDENT, "      ")
        lines += [ink.paint(line, "dim") for line in said]
    if worst.state is FindingState.OPEN:
        lines += status(worst)
    lines += frame(worst)
    if fix:
        lines += ink.block(fix, f"{_INDENT}fix: ", f"{_INDENT}     ")
    return lines


def _vulnerability(finding: Finding, ink: Ink) -> list[str]:
    name = finding.severity.value.upper()
    head = f"{_INDENT}{name} {one_line(finding.rule)} "
    said = one_line(finding.title)
    notes: list[str] = [
        tag for tag in ("malicious", "exploited", "development") if tag in finding.tags
    ]
    if finding.evidence.get("rated") is None and "malicious" not in finding.tags:
        notes.append("not rated")
    if notes:
        said += f" ({', '.join(notes)})"
    lines = ink.block(said, head, f"{_INDENT}  ")
    shown = (
        f"{_INDENT}{ink.severity(finding.severity)} {ink.paint(one_line(finding.rule), 'bold')} "
    )
    if cells(head) < ink.width:
        lines[0] = shown + lines[0][len(head) :]
    return lines


def _more(rest: Sequence[Finding], ink: Ink) -> list[str]:
    ids = ", ".join(one_line(finding.rule) for finding in rest[:8])
    tail = ink.mark(", …") if len(rest) > 8 else ""
    text = f"and {len(rest):,} more: {ids}{tail}"
    return [ink.paint(line, "dim") for line in ink.block(text, _INDENT, f"{_INDENT}  ")]
