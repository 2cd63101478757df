"""Packages of a stored bill judged by the server's own advisories, in the words of a scan.

Who is right when a run and the server differ: whoever has the newer data. The run says up to which
day its advisories went (``Bill.data``), the server knows its own, and the day of the very record
where it has one. So a client with old advisories neither hides what the server knows nor brings
back what was withdrawn, and the server does not contradict a client that is ahead of it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import msgspec

from haechi.model.advisory import Advisory, Risk, Vulnerability, is_vulnerability
from haechi.model.bill import Bill
from haechi.model.config import DUE_DAYS
from haechi.model.finding import DEPENDENCIES, Finding
from haechi.model.package import Package, PackageFile
from haechi.model.push import PushedRule
from haechi.report.json import finding_document
from haechi.rules.schema import Rule
from haechi.scan.deps.bills import config_of
from haechi.scan.deps.findings import findings_of
from haechi.scan.deps.gaps import day_of
from haechi.scan.deps.matching import Matching, Place, judged
from haechi.server.work.bills import asked_as
from haechi.world.advisories.groups import is_cve
from haechi.world.advisories.names import asked_name, base
from haechi.world.advisories.reading import Advisories
from haechi.world.advisories.shapes import NOTHING, Matched

Name = tuple[str, str]
_Key = tuple[str, str, str]
_MOST_KNOWN, _MOST_RECORDS = 400_000, 50_000
_LONGEST_DAYS = 36_500


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """What the server's advisories say about a bill: findings, the vulnerability of each, and the
    words of their rules. ``unsure`` are (file, package, id) of what cannot be decided."""

    findings: list[Finding]
    vulnerabilities: Mapping[str, Vulnerability]
    rules: Mapping[str, Rule]
    unsure: frozenset[tuple[str, Name, str]] = frozenset()

    def cannot_tell(self, path: str, name: Name, ids: Iterable[str]) -> bool:
        """Whether a vulnerability of these ids may or may not concern the package there."""
        return bool(self.unsure) and any((path, name, one) in self.unsure for one in ids)


class Judge:
    """Asks one database; answers are remembered, as repositories share most packages. One thread
    at a time."""

    def __init__(self, database: Advisories) -> None:
        self.database = database
        states = database.states()
        self._days = {
            name: day
            for name, state in states.items()
            if state.covered and (day := day_of(state)) is not None
        }
        self._covered = frozenset(name for name, state in states.items() if state.covered)
        self._whole = frozenset(one.source for one in database.origins() if one.whole)
        self._answers: dict[_Key, Matched] = {}
        self._names: dict[str, dict[str, Name]] = {}
        self._changed: frozenset[Name] | None = None
        self._among: dict[str, dict[tuple[str, str], bool]] = {}
        self._records: dict[str, Advisory | None] = {}
        self._risks: dict[str, Risk | None] = {}
        self.risk_kinds = frozenset(one.kind for one in database.risk_files())

    def day(self, ecosystem: str) -> dt.date | None:
        """Up to which the server's data goes; None where nothing covers the ecosystem."""
        return self._days.get(ecosystem) or self._days.get(base(ecosystem))

    def covers(self, ecosystem: str) -> bool:
        """Whether all that is known of the ecosystem is there. All of Debian is all of
        ``Debian:12`` where it speaks of that release."""
        if ecosystem in self._covered:
            return True
        return base(ecosystem) in self._covered and self.database.holds(ecosystem)

    @property
    def ecosystems(self) -> frozenset[str]:
        """All that are covered."""
        return frozenset(self._days)

    def name(self, package: Package) -> Name:
        """A package by its own name, as advisories write it."""
        return self._spelled(package.ecosystem, package.name)

    def _spelled(self, ecosystem: str, name: str) -> Name:
        names = self._names.setdefault(ecosystem, {})
        known = names.get(name)
        if known is None:
            known = names[name] = (ecosystem, asked_as(ecosystem, name))
        return known

    def _is_among(self, package: Package, changed: frozenset[Name]) -> bool:
        """By its own name, or by that of the source package that advisories go by."""
        ecosystem = package.ecosystem
        own = self._spelled(ecosystem, package.name) in changed
        return own or self._spelled(ecosystem, asked_name(package)) in changed

    def concerned(
        self, files: Sequence[PackageFile], changed: frozenset[Name] | None = None
    ) -> list[Place]:
        """Where packages of these names stand; None: all. Thousands of SBOMs go through here."""
        if changed is None:
            return [
                (number, index)
                for number, file in enumerate(files)
                for index in range(len(file.packages))
            ]
        if changed is not self._changed:
            self._changed, self._among = changed, {}
        found: list[Place] = []
        for number, file in enumerate(files):
            among: dict[tuple[str, str], bool] = {}
            ecosystem = ""
            for index, package in enumerate(file.packages):
                if package.ecosystem != ecosystem:
                    ecosystem = package.ecosystem
                    among = self._among.setdefault(ecosystem, {})
                asked = (package.name, package.source_package)
                known = among.get(asked)
                if known is None:
                    known = among[asked] = self._is_among(package, changed)
                if known:
                    found.append((number, index))
        return found

    def prefetch(self, asked: Iterable[tuple[Sequence[PackageFile], Sequence[Place]]]) -> None:
        """Ask for the packages of many bills at once."""
        wanted: dict[_Key, Package] = {}
        if len(self._answers) > _MOST_KNOWN:
            self._answers.clear()
        for files, places in asked:
            for number, index in places:
                package = files[number].packages[index]
                key = _key(package)
                if key not in self._answers and judged(package):
                    wanted[key] = package
        if wanted:
            answers = self.database.bulk(list(wanted.values()))
            self._answers.update(zip(wanted, answers, strict=True))

    def affected(self, ecosystem: str, name: str, version: str) -> Matched:
        """What is known against a version, one that nobody has yet included."""
        key = (ecosystem, name, version)
        answer = self._answers.get(key)
        if answer is None:
            answer = self._answers[key] = self.database.vulnerabilities(*key)
        return answer

    def said(self, bill: Bill, files: Sequence[PackageFile], places: Sequence[Place]) -> Said:
        """What is known against the packages at these places."""
        self.prefetch([(files, places)])
        found: dict[tuple[int, int], tuple[Vulnerability, ...]] = {}
        unsure: set[tuple[str, Name, str]] = set()
        for place in places:
            package = files[place[0]].packages[place[1]]
            answer = self._answers.get(_key(package), NOTHING)
            if answer is NOTHING or not judged(package):
                continue
            if answer.vulnerabilities:
                found[place] = answer.vulnerabilities
            where = (package.location.path, self.name(package))
            unsure.update((*where, id_) for one in answer.undecided for id_ in one.ids)
        if not found:
            return Said(findings=[], vulnerabilities={}, rules={}, unsure=frozenset(unsure))
        told = findings_of(files, Matching(found=found, undecided={}), config_of(bill))
        by_id = {one.id: one for several in found.values() for one in several}
        return Said(
            findings=told.findings,
            vulnerabilities=by_id,
            rules=told.rules,
            unsure=frozenset(unsure),
        )

    def newer(self, ecosystem: str, run: dt.date | None) -> bool:
        """Whether the server's data goes further than a run's."""
        day = self.day(ecosystem)
        return day is not None and (run is None or day > run)

    def refuted(self, vulnerability: Vulnerability, ecosystem: str, run: dt.date | None) -> bool:
        """Whether a run that did not find this had newer data of the same kind."""
        day = self.day(ecosystem)
        if run is None or day is None or run <= day:
            return False
        return vulnerability.advisory.source in self._whole

    def decides(self, ids: Iterable[str], ecosystem: str, run: dt.date | None) -> bool:
        """Whether the server can say that something which a run found is over: it knows the
        record, and no worse than the run did."""
        records = [one for one in map(self._record, ids) if one is not None]
        if not records:
            return False
        if run is None or self.newer(ecosystem, run):
            return True
        return any(
            one.source not in self._whole or (one.modified and one.modified.date() >= run)
            for one in records
        )

    def risk(self, ids: Iterable[str]) -> Risk | None:
        """What EPSS and KEV say of a vulnerability by any of its ids."""
        found = [risk for one in ids if (risk := self._risk(one)) is not None]
        return max(found, key=lambda one: (bool(one.exploited_since), one.epss or 0), default=None)

    def _risk(self, id_: str) -> Risk | None:
        if id_ not in self._risks:
            if len(self._risks) > _MOST_RECORDS:
                self._risks.clear()
            self._risks[id_] = self.database.risk(id_)
        return self._risks[id_]

    def _record(self, id_: str) -> Advisory | None:
        if id_ not in self._records:
            if len(self._records) > _MOST_RECORDS:
                self._records.clear()
            self._records[id_] = self.database.advisory(id_)
        return self._records[id_]


def _key(package: Package) -> _Key:
    return package.ecosystem, asked_name(package), package.version


def is_same(rule: str, ids: Collection[str], other: str, others: Collection[str]) -> bool:
    """Whether two findings are about one vulnerability: by a name that they share. Two CVEs are
    two, though one record may be about both."""
    if is_cve(rule) and is_cve(other):
        return rule == other
    return any(one in others for one in ids)


def judged_places(files: Sequence[PackageFile], places: Iterable[Place]) -> set[tuple[str, Name]]:
    """(file, package) that can be judged: nothing is over in a file that pins no version any more,
    and where the code decides, as by a scan."""
    asked: dict[tuple[str, Name], bool] = {}
    for number, index in places:
        package = files[number].packages[index]
        name = (package.ecosystem, asked_as(package.ecosystem, package.name))
        place = (package.location.path, name)
        asked[place] = asked.get(place, True) and judged(package)
    return {place for place, can in asked.items() if can}


def run_day(bill: Bill, ecosystem: str) -> dt.date | None:
    """Up to which day the advisories of the run went."""
    return bill.data.get(ecosystem) or bill.data.get(base(ecosystem))


def documents(said: Sequence[Finding], bill: Bill, today: dt.date) -> list[dict[str, Any]]:
    """Findings as a report has them, with owner and due date."""
    owners = bill.owners
    return [
        {
            **finding_document(one),
            "owner": owners.get(one.location.path),
            "due": due_of(one.severity.value, bill, today),
        }
        for one in said
    ]


def due_of(severity: str, bill: Bill, today: dt.date) -> str | None:
    """By when it is to be fixed, as the gate promises it."""
    days = (bill.due_days or DUE_DAYS).get(severity)
    if days is None or not 0 <= days <= _LONGEST_DAYS:
        return None
    return (today + dt.timedelta(days=days)).isoformat()


def words(rules: Iterable[Rule]) -> list[PushedRule]:
    """Rules as a push brings them."""
    return [
        PushedRule(
            id=rule.id,
            title=rule.title,
            severity=rule.severity.value,
            why=rule.why,
            fix=rule.fix,
        )
        for rule in rules
    ]


def is_about_package(finding: Mapping[str, Any]) -> bool:
    """A known vulnerability in a package, as a report has it."""
    rule = finding.get("rule")
    return (
        finding.get("domain") == DEPENDENCIES and isinstance(rule, str) and is_vulnerability(rule)
    )
