"""Vulnerable packages as ranked sentences: one for each package of a file, however many
vulnerabilities it has, because one upgrade is one change.

Where a Dockerfile stands beside the lock file (or above it) and the image that comes of it is told
by its name, the sentence says whether the internet reaches what runs it. Two Dockerfiles whose
folders are called alike tell nothing.
"""

from __future__ import annotations

import posixpath
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence

import msgspec

from haechi.checks.pods.view import view_of
from haechi.engines.image_ref import parse_image
from haechi.graph.exposure import Way
from haechi.model.counting import counted
from haechi.model.finding import DEPENDENCIES, Finding
from haechi.model.keys import without_version
from haechi.model.location import AttrPath
from haechi.model.scan import Risk, Step
from haechi.model.severity import Severity
from haechi.rules.schema import Rule
from haechi.scan.deps.go_standard import LEAST
from haechi.scan.deps.versions import highest
from haechi.scan.facts import image_of

MOST = 8
"""Of packages among all risks: a neglected lock file must not hide everything else."""
_EXPLOITED = 10.0
_DEVELOPMENT = -10.0
_TRANSITIVE = -1.0
_USED = 2.0
"""More for what the code imports, less for what nothing was found to lead to."""
_LIKELY = 5.0
_LEAST = -8.0
"""What a file allows to build with need not be what is built with."""


class Package(msgspec.Struct, frozen=True):
    """One package of one file with what was found in it, worst first."""

    findings: tuple[Finding, ...]

    @property
    def worst(self) -> Finding:
        return self.findings[0]

    @property
    def development(self) -> bool:
        return all("development" in finding.tags for finding in self.findings)

    @property
    def upgrades(self) -> tuple[str, ...]:
        """The version that each finding asks for, where a fix is known."""
        return tuple(finding.upgrade for finding in self.findings if finding.upgrade)

    @property
    def upgrade(self) -> str:
        """The version with which all is over that has a fix; "" where nothing has one."""
        return highest(str(self.worst.evidence.get("ecosystem") or ""), self.upgrades)


def packages_of(findings: Iterable[Finding]) -> list[Package]:
    """The packages of findings, by file and name."""
    grouped: dict[tuple[str, str], list[Finding]] = defaultdict(list)
    for finding in findings:
        if finding.domain == DEPENDENCIES and finding.resource.startswith("pkg:"):
            name = without_version(finding.resource)
            grouped[finding.location.path, name].append(finding)
    return [Package(tuple(sorted(found, key=_weight))) for found in grouped.values()]


def _weight(finding: Finding) -> tuple[int, float, str]:
    score = finding.evidence.get("score")
    known = score if isinstance(score, int | float) else 0.0
    return finding.severity.rank, -known, finding.rule


def package_risks(
    findings: Iterable[Finding],
    ways: Iterable[Way],
    dockerfiles: Iterable[str],
    rules: Mapping[str, Rule],
    *,
    score: Callable[[Severity, bool], float],
    templates: Mapping[str, AttrPath] | None = None,
) -> list[Risk]:
    """The worst packages. ``score`` gives the points of a severity, reached from outside or not."""
    found = [one for one in packages_of(findings) if one.worst.severity.at_least(Severity.MEDIUM)]
    if not found:
        return []
    reached = _Reached(ways, dockerfiles, templates)
    risks = [_risk(one, reached, rules, score) for one in found]
    return sorted(risks, key=lambda risk: -risk.score)[:MOST]


class _Reached:
    """Which folders are built into what the internet reaches."""

    def __init__(
        self,
        ways: Iterable[Way],
        dockerfiles: Iterable[str],
        templates: Mapping[str, AttrPath] | None,
    ) -> None:
        self._files = {posixpath.dirname(file): file for file in dockerfiles}
        self._by_name: dict[str, list[str]] = defaultdict(list)
        for folder in self._files:
            self._by_name[posixpath.basename(folder)].append(folder)
        self._ways: dict[str, Way] = {}
        for way in ways if self._files else ():
            view = view_of(way.workload, templates)
            for container in view.containers if view else ():
                name = parse_image(image_of(container) or "")
                folders = self._by_name.get(name.name.rpartition("/")[2], ())
                if len(folders) == 1 and folders[0] and not name.official:
                    self._ways.setdefault(folders[0], way)

    def way_to(self, path: str) -> tuple[Way, str] | None:
        """The way to what is built from the file's folder (or the nearest above that has a
        Dockerfile), with that Dockerfile."""
        folder = posixpath.dirname(path)
        while folder:
            if folder in self._files:
                way = self._ways.get(folder)
                return (way, self._files[folder]) if way else None
            folder = posixpath.dirname(folder)
        return None


def _risk(
    package: Package,
    reached: _Reached,
    rules: Mapping[str, Rule],
    score: Callable[[Severity, bool], float],
) -> Risk:
    worst = package.worst
    entry = None if package.development else reached.way_to(worst.location.path)
    what, what_ko = _what(package, rules)
    change, change_ko = _change(package, rules)
    sentence, sentence_ko = what, what_ko
    steps = [Step(text=worst.message, location=worst.location)]
    if entry is not None:
        way, dockerfile = entry
        name = way.workload.name
        sentence = (
            f"The internet reaches {name}, built from {posixpath.dirname(dockerfile)}: {what}"
        )
        sentence_ko = (
            f"인터넷에서 {name}에 닿고, {name}은(는) {posixpath.dirname(dockerfile)}에서 "
            f"만들어집니다: {what_ko}"
        )
        hops = [
            Step(text=one.resource.label, location=one.resource.locate(one.path))
            for one in way.hops
        ]
        steps = [*hops, Step(text=f"image of {dockerfile}, by its name"), *steps]
    return Risk(
        score=score(worst.severity, entry is not None) + _points(package),
        severity=worst.severity,
        sentence=sentence,
        sentence_ko=sentence_ko,
        change=change,
        change_ko=change_ko,
        location=worst.location,
        steps=tuple(steps),
        findings=tuple(finding.fingerprint for finding in package.findings),
    )


def _points(package: Package) -> float:
    """What tells two packages of one severity apart: known exploits, their probability, whose
    choice it is."""
    points = _DEVELOPMENT if package.development else 0.0
    if any("exploited" in finding.tags for finding in package.findings):
        points += _EXPLOITED
    chances = [finding.evidence.get("epss") for finding in package.findings]
    points += _LIKELY * max((one for one in chances if isinstance(one, float)), default=0.0)
    uses = {finding.evidence.get("reach") for finding in package.findings}
    if "called" in uses or "imported" in uses:
        points += _USED
    elif uses == {"not_found"}:
        points -= _USED
    if package.worst.evidence.get(LEAST):
        points += _LEAST
    path = package.worst.evidence.get("path")
    return points + (_TRANSITIVE if isinstance(path, Sequence) and len(path) > 2 else 0.0)


def _what(package: Package, rules: Mapping[str, Rule]) -> tuple[str, str]:
    worst, number = package.worst, len(package.findings)
    rule = rules.get(worst.rule)
    label = worst.label
    if "malicious" in worst.tags:
        return f"{label} is a malicious package", f"{label}은(는) 악성 패키지입니다"
    korean = rule.ko.title if rule and rule.ko else worst.title
    if worst.evidence.get(LEAST):
        return _least(package)
    if number == 1:
        return f"{label}: {worst.title} ({worst.rule})", f"{label}: {korean}"
    return (
        f"{label} has {number:,} known vulnerabilities, the worst: {worst.title} ({worst.rule})",
        f"{label}에 알려진 취약점이 {number:,}건 있습니다. 가장 나쁜 것: {worst.rule}",
    )


def _least(package: Package) -> tuple[str, str]:
    """Of the library of the least Go that may build a module: one line is behind all of it."""
    worst, number = package.worst, len(package.findings)
    file, version = worst.location.path.rpartition("/")[2], worst.evidence.get("version")
    known = counted(number, "known vulnerability", "known vulnerabilities")
    return (
        f"{file} allows to build with Go {version}, whose standard library has {known} in what "
        f"is imported here{', such as' if number > 1 else ':'} {worst.title} ({worst.rule})",
        f"{file}이(가) Go {version}(으)로 빌드하는 것을 허용하며, 여기서 쓰는 표준 라이브러리에 "
        f"알려진 취약점이 {number:,}건 있습니다 ({worst.rule})",
    )


def _change(package: Package, rules: Mapping[str, Rule]) -> tuple[str, str]:
    worst = package.worst
    name = worst.label.partition(" ")[0] if worst.label else worst.rule
    name = worst.label.removesuffix(f" {worst.evidence.get('version')}") or name
    version = package.upgrade
    if not version or "malicious" in worst.tags:
        rule = rules.get(worst.rule)
        english = rule.fix.partition(". ")[0].rstrip(".") if rule else worst.title
        return english, rule.ko.fix if rule and rule.ko else english
    fixed, number = len(package.upgrades), len(package.findings)
    part = f"{fixed:,} of {number:,}" if fixed < number else f"{fixed:,}"
    fixes = f" (fixes {part})" if number > 1 else ""
    english, korean = (
        f"Upgrade {name} to {version}{fixes}",
        f"{name}을(를) {version}(으)로 올리세요",
    )
    if worst.evidence.get(LEAST):
        file = worst.location.path.rpartition("/")[2]
        english = f"Raise the go or toolchain line to {version}{fixes}"
        korean = f"{file}의 go 또는 toolchain 줄을 {version}(으)로 올리세요"
    path = worst.evidence.get("path")
    if isinstance(path, Sequence) and len(path) > 2:
        english += f", which {path[1]} brings in"
        korean += f" ({path[1]}이(가) 가져옵니다)"
    return english, korean
