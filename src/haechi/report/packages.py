"""Vulnerable packages as reports tell of them: by package, since one upgrade ends several findings.

``requests 2.25.0 → 2.32.4 fixes 3``: what is used, what to use, how many findings are then gone.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import msgspec

from haechi.model.finding import DEPENDENCIES, Finding
from haechi.report.text import one_line

_REACHED = ("called", "imported", "not_found")


class Group(msgspec.Struct, frozen=True):
    """The findings of one package in one file, worst first."""

    findings: tuple[Finding, ...]
    label: str
    upgrade: str
    fixed: int

    @property
    def malicious(self) -> bool:
        """True when the package is to be taken out, not upgraded."""
        return any("malicious" in finding.tags for finding in self.findings)

    @property
    def head(self) -> str:
        """``requests 2.25.0 → 2.32.4 fixes 3 of 4``."""
        number = len(self.findings)
        if self.malicious:
            return f"{self.label} is malicious"
        if not self.upgrade:
            return f"{self.label}, no fixed version known"
        part = f"{self.fixed:,} of {number:,}" if self.fixed < number else f"{number:,}"
        return f"{self.label} → {self.upgrade}" + (f" fixes {part}" if number > 1 else "")

    @property
    def head_ko(self) -> str:
        """The same in Korean."""
        number = len(self.findings)
        if self.malicious:
            return f"{self.label}: 악성 패키지"
        if not self.upgrade:
            return f"{self.label}, 수정된 버전이 알려지지 않음"
        part = f"{number:,}건 중 {self.fixed:,}건" if self.fixed < number else f"{number:,}건"
        return f"{self.label} → {self.upgrade}" + (f" ({part} 해결)" if number > 1 else "")

    @property
    def ways(self) -> list[str]:
        """How it comes in: ``shop → fastapi → starlette``; nothing for what is asked for."""
        found: dict[str, None] = {}
        for finding in self.findings:
            path = finding.evidence.get("path")
            if isinstance(path, Sequence) and not isinstance(path, str) and len(path) > 2:
                found[one_line(" → ".join(map(str, path)))] = None
        return list(found)

    @property
    def used(self) -> str:
        """What was found of its use, the strongest of all findings; "" where nothing is known."""
        found = sorted(
            (finding for finding in self.findings if finding.evidence.get("reach") in _REACHED),
            key=lambda finding: _REACHED.index(finding.evidence["reach"]),
        )
        if not found:
            return ""
        said = found[0].evidence
        at, through = said.get("reach_at") or "", said.get("reach_through")
        match said["reach"]:
            case "called":
                text = f"used: {said.get('reach_symbol')} is called in {at}"
            case "imported" if through:
                text = f"used: {through}, which is imported in {at}, brings it in"
            case "imported":
                text = f"used: imported in {at}"
            case _:
                text = f"no path found: {said.get('reach_why')}"
        return one_line(text)


def is_package(finding: Finding) -> bool:
    """True for a finding that is told together with others of its package."""
    return finding.domain == DEPENDENCIES and finding.resource.startswith("pkg:")


def groups(findings: Iterable[Finding]) -> list[Group]:
    """The packages among the findings, in the order of their worst one; linear."""
    from haechi.graph.packages import packages_of

    return [
        Group(
            findings=package.findings,
            label=one_line(package.worst.label or package.worst.resource),
            upgrade=one_line(package.upgrade),
            fixed=len(package.upgrades),
        )
        for package in packages_of(filter(is_package, findings))
    ]
