"""One stored SBOM judged anew, beside what is known against it: what opens, what stays and in whose
words, what is over.

What is over for the server is closed only where it can tell: its data speaks of the package.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Sequence
from typing import Any

import msgspec

from haechi.model.bill import Bill
from haechi.model.finding import Finding
from haechi.model.package import PackageFile
from haechi.server.work.advisories_known import Known, Target
from haechi.server.work.bills import asked_as
from haechi.server.work.bills_judged import (
    Judge,
    Name,
    Said,
    documents,
    due_of,
    is_same,
    judged_places,
    run_day,
)
from haechi.server.work.bills_kept import told_anew, with_risk
from haechi.server.work.proposals import Place, Planning, ended, proposed
from haechi.server.work.proposals_accepted import Accepting
from haechi.store.dependency_records import Proposal
from haechi.store.state.pushed import Seen, seen_findings
from haechi.store.state.rejudged import Rejudged


class Held(msgspec.Struct, frozen=True):
    """An SBOM that was read; ``places`` are those of the packages in question."""

    n: int
    target: Target
    bill: Bill
    files: Sequence[PackageFile]
    places: Sequence[tuple[int, int]]


class Comparing:
    """What the server says about one SBOM, beside what is known against it. ``named`` are packages
    of which its database says that the answer is another than before."""

    def __init__(
        self,
        held: Held,
        said: Said,
        judge: Judge,
        known: Sequence[Known],
        today: dt.date,
        named: Collection[Name] = (),
    ) -> None:
        self._named = named
        self._held, self._said, self._judge, self._today = held, said, judge, today
        self._bill = held.bill
        self._own = frozenset(held.bill.own)
        self._places = judged_places(held.files, held.places)
        self._here = [one for one in known if (one.path, one.name) in self._places]
        self._by_place: dict[tuple[str, Name], list[Known]] = {}
        for one in self._here:
            self._by_place.setdefault((one.path, one.name), []).append(one)
        self._same: set[str] = set()
        self._seen: dict[str, Seen] = {}
        self._found: list[dict[str, Any]] = []

    def rejudged(self, proposals: Sequence[Proposal], accepted: Accepting) -> Rejudged:
        """What becomes of it."""
        for made in self._said.findings:
            self._compare(made)
        over = {one.fingerprint for one in self._here if self._is_over(one)}
        kept = [
            one
            for one in self._here
            if one.fingerprint not in self._seen and one.fingerprint not in over
        ]
        held = self._held
        planning = Planning(
            files=held.files,
            places=held.places,
            bill=held.bill,
            affected=self._judge.affected,
            accepted=accepted,
        )
        told = [*self._found, *(one.document() for one in kept)]
        proposed_now = proposed(told, held.target, planning)
        places: set[Place] = {(path, *name) for path, name in self._places}
        cluster, source, ref = held.target
        return Rejudged(
            bill=held.n,
            cluster=cluster,
            source=source,
            ref=ref,
            seen=list(self._seen.values()),
            over=list(over),
            proposed=proposed_now,
            ended=ended(proposals, proposed_now, held.files, places),
        )

    def _compare(self, made: Finding) -> None:
        """A finding of the server's: it counts, or known ones that are the same stay."""
        evidence, path = made.evidence, made.location.path
        name = (evidence["ecosystem"], asked_as(evidence["ecosystem"], evidence["package"]))
        met = [
            one
            for one in self._by_place.get((path, name), ())
            if is_same(one.rule, one.ids, made.rule, made.ids)
        ]
        exact = [one for one in met if one.fingerprint == made.fingerprint]
        if met and self._is_told_by_run(made, met, exact=bool(exact)):
            for one in met:
                self._stays(one, made)
        elif met or not self._is_refuted(made):
            self._same.add(made.fingerprint)
            self._tell(made, [*exact, *(one for one in met if one not in exact)])

    def _is_told_by_run(self, made: Finding, met: Sequence[Known], *, exact: bool) -> bool:
        """Whether the words of a run count more than the server's: its data is newer, or as new
        and under another id, or the record is the repository's own."""
        if any(not one.ids.isdisjoint(self._own) for one in met):
            return True
        ecosystem = made.evidence["ecosystem"]
        if self._judge.newer(ecosystem, run_day(self._bill, ecosystem)):
            return False
        return not exact or self._is_refuted(made)

    def _is_refuted(self, made: Finding) -> bool:
        ecosystem = made.evidence["ecosystem"]
        vulnerability = self._said.vulnerabilities[made.rule]
        return self._judge.refuted(vulnerability, ecosystem, run_day(self._bill, ecosystem))

    def _stays(self, one: Known, made: Finding) -> None:
        """As it is known, with what EPSS and KEV say of it."""
        self._same.add(one.fingerprint)
        was = one.document()
        (anew,) = documents([made], self._bill, self._today)
        told = with_risk(was, anew, self._bill, newer=True)
        if told is not was:
            self._add(told, one)

    def _tell(self, made: Finding, met: Sequence[Known]) -> None:
        """In the server's words; ``met`` is what it was known as."""
        (told,) = documents([made], self._bill, self._today)
        waived = next((one for one in met if one.waived), None)
        before = waived or (met[0] if met else None)
        if before is not None:
            counts = not before.by_server
            told = told_anew(told, before.document(), self._bill, risk=counts)
            told["owner"] = before.row.owner_scan or told["owner"]
            told["due"] = before.due
        self._add(told, before)

    def _add(self, told: dict[str, Any], before: Known | None) -> None:
        if before is not None and told["severity"] != before.document()["severity"]:
            told = {**told, "due": due_of(told["severity"], self._bill, self._today)}
        (seen,) = seen_findings([told], self._held.target[1].removeprefix("repo:"))
        if before is not None and before.waived:
            row = before.row
            told = {**told, "state": "waived"}
            seen = msgspec.structs.replace(
                seen,
                waived=True,
                waiver=row.waiver,
                waived_until=row.waived_until,
                due=row.due_scan,
            )
        self._found.append(told)
        self._seen[seen.fingerprint] = seen

    def _is_over(self, one: Known) -> bool:
        """A known finding that the server does not find: whether the server can tell."""
        if one.fingerprint in self._same or one.fingerprint in self._seen:
            return False
        if not one.ids.isdisjoint(self._own) or self._said.cannot_tell(one.path, one.name, one.ids):
            return False
        ecosystem = one.name[0]
        if one.by_server and (self._judge.covers(ecosystem) or one.name in self._named):
            return True
        return self._judge.decides(one.ids, ecosystem, run_day(self._bill, ecosystem))
