"""Findings about packages → proposals of upgrades.

A proposal is about one package of one file, and says of each version in use what ``haechi fix
deps`` would raise it to: both ask ``scan.deps.fixing.plan.choose``. What only a run's findings tell
(the repository's own advisories, or all of it where the server has none) counts by what they say.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from typing import Any

import msgspec

from haechi.engines.versions import scheme_of
from haechi.errors import VersionError
from haechi.model.advisory import Vulnerability
from haechi.model.bill import Bill
from haechi.model.location import Location
from haechi.model.package import Package, PackageFile
from haechi.model.severity import Severity
from haechi.scan.deps.bills import config_of
from haechi.scan.deps.findings import severity_of
from haechi.scan.deps.fixing.choosing import Affected, NoTarget, series, without
from haechi.scan.deps.fixing.plan import Chosen, choose
from haechi.scan.deps.matching import joined
from haechi.scan.deps.paths import shown
from haechi.scan.deps.versions import highest
from haechi.server.work.bills import asked_as
from haechi.server.work.bills_judged import is_about_package, is_same
from haechi.server.work.proposals_told import texts, told_by, upgrade_in
from haechi.store.dependency_records import Proposal, ProposedFix, ProposedUpgrade
from haechi.store.state.proposals import Ended, Proposed
from haechi.world.advisories.shapes import NOTHING, Matched

_VERSIONS, _FIXES, _PATH = 20, 100, 20
_DEVELOPMENT = "development"
Target = tuple[str, str, str]
"""Cluster, source, branch."""
Place = tuple[str, str, str]
"""File, ecosystem, package as advisories call it."""


def by_report(finding: Mapping[str, Any]) -> bool:
    """Whether the report of the run says that a finding is accepted."""
    return finding.get("state") == "waived"


class Planning(msgspec.Struct, frozen=True, kw_only=True):
    """By what versions are chosen: the packages, what the repository says about its gate, what
    the server knows against a version (None: it has no advisories), and which findings are
    accepted. ``places`` are those of the packages that findings are about (None: any)."""

    files: Sequence[PackageFile] = ()
    places: Sequence[tuple[int, int]] | None = None
    bill: Bill = Bill()
    affected: Affected | None = None
    accepted: Callable[[Mapping[str, Any]], bool] = by_report


def place_of(finding: Mapping[str, Any]) -> Place | None:
    """What a finding about a package is about; None for one that does not tell."""
    said = finding.get("evidence")
    where = finding.get("location")
    if not isinstance(said, dict) or not isinstance(where, dict):
        return None
    ecosystem, package, path = said.get("ecosystem"), said.get("package"), where.get("path")
    if not all(isinstance(one, str) and one for one in (ecosystem, package, path)):
        return None
    return str(path), str(ecosystem), asked_as(str(ecosystem), str(package))


def proposed(
    findings: Iterable[Mapping[str, Any]], target: Target, planning: Planning
) -> list[Proposed]:
    """What is proposed about findings in the report's shape; those without a fix, and those that
    are accepted, propose nothing."""
    grouped: dict[Place, list[Mapping[str, Any]]] = {}
    accepted: dict[Place, list[Vulnerability]] = {}
    for finding in findings:
        place = place_of(finding) if is_about_package(finding) else None
        if place is None:
            continue
        if planning.accepted(finding):
            accepted.setdefault(place, []).append(told_by(finding))
        else:
            grouped.setdefault(place, []).append(finding)
    files = _files_with(grouped, planning.files, planning.places)
    made = (
        _Package(place, several, accepted.get(place, ()), files.get(place, ()), planning).proposed(
            target
        )
        for place, several in grouped.items()
    )
    return [one for one in made if one is not None]


def _files_with(
    places: Iterable[Place],
    files: Sequence[PackageFile],
    among: Iterable[tuple[int, int]] | None = None,
) -> dict[Place, list[tuple[PackageFile, tuple[int, ...]]]]:
    """Where the packages of some places stand."""
    wanted = set(places)
    if not wanted:
        return {}
    paths = {path for path, _, _ in wanted}
    names: dict[tuple[str, str], str] = {}
    here: dict[tuple[Place, int], list[int]] = {}
    for number, at in _everywhere(files) if among is None else among:
        one = files[number].packages[at]
        path = one.location.path
        if path not in paths:
            continue
        spelled = (one.ecosystem, one.name)
        name = names.get(spelled)
        if name is None:
            name = names[spelled] = asked_as(*spelled)
        if (place := (path, one.ecosystem, name)) in wanted:
            here.setdefault((place, number), []).append(at)
    found: dict[Place, list[tuple[PackageFile, tuple[int, ...]]]] = {}
    for (place, number), positions in here.items():
        found.setdefault(place, []).append((files[number], tuple(positions)))
    return found


def _everywhere(files: Sequence[PackageFile]) -> Iterator[tuple[int, int]]:
    for number, file in enumerate(files):
        for at in range(len(file.packages)):
            yield number, at


class _Package:
    """One package of one file with the findings about it. What is ``accepted`` stands in no
    version's way."""

    def __init__(
        self,
        place: Place,
        findings: Sequence[Mapping[str, Any]],
        accepted: Sequence[Vulnerability],
        files: Sequence[tuple[PackageFile, tuple[int, ...]]],
        planning: Planning,
    ) -> None:
        self._path, self._ecosystem, self._name = place
        self._findings = findings
        self._accepted = accepted
        self._planning = planning
        self._config = config_of(planning.bill)
        self._told = [told_by(one) for one in findings]
        self._versions = [_versions([one]) for one in findings]
        self._alone = list(self._only_told())
        self._files = files or [self._unseen()]

    def proposed(self, target: Target) -> Proposed | None:
        """The proposal, or None where no version is one to go to."""
        chosen = [each for one in self._files for each in self._chosen(*one)]
        upgrades = _upgrades(chosen)
        if not upgrades:
            return None
        first = self._findings[0]
        way = texts(first["evidence"].get("path"))[1:-1][:_PATH]
        to = highest(self._ecosystem, [one.target for one in upgrades])
        cluster, source, ref = target
        fixes = zip(self._findings[:_FIXES], self._told, strict=False)
        return Proposed(
            cluster=cluster,
            source=source,
            ref=ref,
            path=self._path,
            ecosystem=self._ecosystem,
            package=shown(str(first["evidence"]["package"])) or self._name,
            versions=tuple(_versions(self._findings)),
            target=to,
            upgrades=upgrades,
            direct=None if not first["evidence"].get("path") else not way,
            via=tuple(way),
            development=all(_DEVELOPMENT in texts(one.get("tags")) for one in self._findings),
            fixes=tuple(_fix(one, to, cleared=_cleared(told, chosen)) for one, told in fixes),
        )

    def _unseen(self) -> tuple[PackageFile, tuple[int, ...]]:
        """What the findings themselves tell of the packages, where the bill does not hold them."""
        versions = _versions(self._findings)
        packages = tuple(
            Package(
                ecosystem=self._ecosystem,
                name=str(self._findings[0]["evidence"]["package"]),
                version=version,
                location=Location(path=self._path),
            )
            for version in versions
        )
        file = PackageFile(path=self._path, format="", ecosystem=self._ecosystem, packages=packages)
        return file, tuple(range(len(packages)))

    def _chosen(self, file: PackageFile, positions: Sequence[int]) -> list[Chosen]:
        vulnerabilities: dict[int, list[Vulnerability]] = {}
        for at in positions:
            package = file.packages[at]
            for told, versions in zip(self._told, self._versions, strict=True):
                if package.version in versions:
                    vulnerabilities.setdefault(at, []).append(self._known(package, told))
        return choose(
            file,
            vulnerabilities,
            self._planning.bill.fail_on,
            affected=self._affected,
            rate=self._rate,
            milder=True,
            among=positions,
        )

    def _known(self, package: Package, told: Vulnerability) -> Vulnerability:
        """The vulnerability as the sources have it together, under the finding's id."""
        ids = set(told.ids)
        answer = self._affected(package.ecosystem, package.name, package.version)
        for one in answer.vulnerabilities:
            if not ids.isdisjoint(one.ids):
                return one
        return told

    def _affected(self, ecosystem: str, name: str, version: str) -> Matched:
        known = self._planning.affected
        answer = self._unaccepted(known(ecosystem, name, version)) if known else NOTHING
        more = tuple(
            one
            for one, versions in self._alone
            if version in versions or not _clears(ecosystem, version, one.fixed)
        )
        return joined(answer, Matched(vulnerabilities=more)) if more else answer

    def _unaccepted(self, answer: Matched) -> Matched:
        """What stands in a version's way."""
        if not self._accepted:
            return answer
        return without(
            answer,
            lambda one: any(is_same(a.id, a.ids, one.id, one.ids) for a in self._accepted),
        )

    def _only_told(self) -> Iterator[tuple[Vulnerability, Sequence[str]]]:
        """Of which only the findings tell: the server's advisories do not name the versions."""
        known, own = self._planning.affected, frozenset(self._planning.bill.own)
        name = str(self._findings[0]["evidence"]["package"])
        for told, versions in zip(self._told, self._versions, strict=True):
            ids = set(told.ids)
            met = known is not None and all(
                any(
                    not ids.isdisjoint(one.ids)
                    for one in known(self._ecosystem, name, version).vulnerabilities
                )
                for version in versions
            )
            if not met or not own.isdisjoint(ids):
                yield told, versions

    def _rate(self, vulnerability: Vulnerability, package: Package) -> Severity:
        return severity_of(vulnerability, self._config, development=package.development)


def _upgrades(chosen: Iterable[Chosen]) -> tuple[ProposedUpgrade, ...]:
    found: dict[str, ProposedUpgrade] = {}
    for one in chosen:
        if not isinstance(one.target, NoTarget):
            found.setdefault(
                one.package.version,
                ProposedUpgrade(
                    version=one.package.version, target=one.target.version, major=one.target.major
                ),
            )
    return tuple(found.values())[:_VERSIONS]


def _cleared(told: Vulnerability, chosen: Sequence[Chosen]) -> bool:
    """Whether it is over in every version that moves or has to."""
    ids = set(told.ids)
    for one in chosen:
        if isinstance(one.target, NoTarget):
            if any(not ids.isdisjoint(each.ids) for each in one.wanted):
                return False
        elif not ids.isdisjoint((*one.target.remaining, *one.target.leaves)):
            return False
    return True


def _clears(ecosystem: str, version: str, fixed: Sequence[str]) -> bool:
    """Whether a version is beyond what a finding says it takes, by its fixed versions alone: it
    is the highest of them or above, or one of them, or above one in the same series."""
    try:
        scheme = scheme_of(ecosystem)
        now, fixes = scheme.key(version), {scheme.key(one): one for one in fixed}
    except VersionError:
        return False
    if not fixes or now >= max(fixes):
        return bool(fixes)
    same = series(ecosystem, version)
    return any(now >= key and series(ecosystem, one) == same for key, one in fixes.items())


def _versions(findings: Sequence[Mapping[str, Any]]) -> list[str]:
    found: dict[str, None] = {}
    for one in findings:
        said = one["evidence"]
        several = said.get("versions")
        if isinstance(several, list) and several:
            found.update(
                dict.fromkeys(
                    str(each.get("version")) for each in several if isinstance(each, dict)
                )
            )
        else:
            found[str(said.get("version", ""))] = None
    return [one for one in found if one][:_VERSIONS]


def _fix(finding: Mapping[str, Any], to: str, *, cleared: bool) -> ProposedFix:
    url = finding["evidence"].get("url")
    return ProposedFix(
        id=str(finding["rule"]),
        aliases=texts(finding.get("aliases"))[:20],
        title=str(finding.get("title", ""))[:300],
        severity=_severity(finding.get("severity")),
        fingerprint=str(finding.get("fingerprint", "")),
        fixed=(upgrade_in(finding) or to) if cleared else "",
        url=url if isinstance(url, str) else "",
        cleared=cleared,
    )


def _severity(value: Any) -> Severity:
    try:
        return msgspec.convert(value, Severity)
    except msgspec.ValidationError:
        return Severity.INFO


def ended(
    known: Iterable[Proposal],
    now: Iterable[Proposed],
    held: Iterable[PackageFile],
    places: Iterable[Place] | None,
) -> list[Ended]:
    """Proposals that are over: of ``places`` (None: everywhere), what is not proposed now. It was
    taken where the file has those versions no more, or the package."""
    proposed_now = {one.id for one in now}
    asked = None if places is None else frozenset(places)
    over: list[tuple[Proposal, Place]] = []
    for one in known:
        place = (one.path, one.ecosystem, asked_as(one.ecosystem, one.package))
        if one.id not in proposed_now and (asked is None or place in asked):
            over.append((one, place))
    there = _files_with((place for _, place in over), list(held))
    found: list[Ended] = []
    for one, place in over:
        versions = {file.packages[at].version for file, some in there.get(place, ()) for at in some}
        found.append(Ended(id=one.id, taken=_taken(one, versions)))
    return found


def _taken(one: Proposal, here: Set[str]) -> bool:
    """Whether the versions that are there are none of those that were to go."""
    if not here.isdisjoint(each.version for each in one.upgrades):
        return False
    return not here or all(
        any(_reaches(one.ecosystem, version, each.target) for version in here)
        for each in one.upgrades
    )


def _reaches(ecosystem: str, version: str, target: str) -> bool:
    try:
        scheme = scheme_of(ecosystem)
        return bool(version) and scheme.key(version) >= scheme.key(target)
    except VersionError:
        return False
