"""Packages of a stored bill judged by the server's own advisories, in the words of a scan.

Who is right when a run and the server differ: whoever has the newer data. The run says up to which
day its advisories went (``Bill.data``), the server knows its own, and the day of the very record
where it has one. So a client with old advisories neither hides what the server knows nor brings
back what was withdrawn, and the server does not contradict a client that is ahead of it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec

from haechi.model.advisory import Advisory, Vulnerability, is_vulnerability
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
from haechi.world.advisories.names import base
from haechi.world.advisories.reading import Advisories
from haechi.world.advisories.shapes import Matched

Name = tuple[str, str]
_Key = tuple[str, str, str]
_MOST_KNOWN = 400_000
_LONGEST_DAYS = 36_500


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """What the server's advisories say about a bill: findings, the vulnerability of each, and the
    words of their rules."""

    findings: list[Finding]
    vulnerabilities: Mapping[str, Vulnerability]
    rules: Mapping[str, Rule]


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
        self._whole = frozenset(one.source for one in database.origins() if one.whole)
        self._answers: dict[_Key, Matched] = {}
        self._names: dict[str, dict[str, Name]] = {}
        self._changed: frozenset[Name] | None = None
        self._among: dict[str, dict[str, bool]] = {}
        self._records: dict[str, Advisory | None] = {}

    def day(self, ecosystem: str) -> dt.date | None:
        """Up to which the server's data goes; None where nothing covers the ecosystem."""
        return self._days.get(ecosystem) or self._days.get(base(ecosystem))

    @property
    def ecosystems(self) -> frozenset[str]:
        """All that are covered."""
        return frozenset(self._days)

    def name(self, package: Package) -> Name:
        """A package as advisories call it."""
        names = self._names.setdefault(package.ecosystem, {})
        known = names.get(package.name)
        if known is None:
            name = asked_as(package.ecosystem, package.name)
            known = names[package.name] = (package.ecosystem, name)
        return known

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
            among: dict[str, bool] = {}
            ecosystem = ""
            for index, package in enumerate(file.packages):
                if package.ecosystem != ecosystem:
                    ecosystem = package.ecosystem
                    among = self._among.setdefault(ecosystem, {})
                known = among.get(package.name)
                if known is None:
                    known = among[package.name] = self.name(package) in changed
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
                key = (package.ecosystem, package.name, package.version)
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
        for place in places:
            package = files[place[0]].packages[place[1]]
            answer = self._answers.get((package.ecosystem, package.name, package.version))
            if answer is not None and answer.vulnerabilities and judged(package):
                found[place] = answer.vulnerabilities
        if not found:
            return Said(findings=[], vulnerabilities={}, rules={})
        told = findings_of(files, Matching(found=found, undecided={}), config_of(bill))
        by_id = {one.id: one for several in found.values() for one in several}
        return Said(findings=told.findings, vulnerabilities=by_id, rules=told.rules)

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

    def _record(self, id_: str) -> Advisory | None:
        if id_ not in self._records:
            if len(self._records) > 50_000:
                self._records.clear()
            self._records[id_] = self.database.advisory(id_)
        return self._records[id_]


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
