"""The findings of a push and what the server knows about its packages: one list, in which each
vulnerability of a package in a file stands once.

Whoever has the newer advisories tells it; what is over for the server is left out only where it
could judge the package. Several of the run's findings may be one for the server (an alias came to
be known), and one several: each of the server's stands once.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from haechi.model.bill import Bill
from haechi.model.finding import Finding
from haechi.model.package import PackageFile
from haechi.server.work.bills import asked_as
from haechi.server.work.bills_judged import (
    Judge,
    Name,
    Said,
    documents,
    due_of,
    is_about_package,
    is_same,
    judged_places,
    run_day,
)
from haechi.server.work.bills_kept import told_anew, with_risk

_KEPT = ("owner", "due", "state", "waiver")
"""What the run's gate decided about a finding that the server knows more about."""
_WAIVED = "waived"
_Place = tuple[Any, Any, Any]


def joined(
    findings: Sequence[Any],
    said: Said,
    judge: Judge,
    bill: Bill,
    files: Sequence[PackageFile],
    today: dt.date,
) -> list[Any]:
    """The run's findings and the server's."""
    return _Joining(said, judge, bill, files, today).of(findings)


class _Joining:
    def __init__(
        self,
        said: Said,
        judge: Judge,
        bill: Bill,
        files: Sequence[PackageFile],
        today: dt.date,
    ) -> None:
        self._said, self._judge, self._bill, self._today = said, judge, bill, today
        self._own = frozenset(bill.own)
        self._paths = {file.path for file in bill.files}
        self._judged = judged_places(files, judge.concerned(files))
        self._mine: dict[_Place, list[Finding]] = {}
        for made in said.findings:
            self._mine.setdefault(_place_of(made), []).append(made)
        self._met: set[str] = set()
        self._anew: dict[str, list[dict[str, Any]]] = {}

    def of(self, findings: Sequence[Any]) -> list[Any]:
        result: list[Any] = []
        for one in findings:
            about = isinstance(one, dict) and is_about_package(one)
            kept = self._decided(one) if about else one
            if kept is not None:
                result.append(kept)
        by_fingerprint = {made.fingerprint: made for made in self._said.findings}
        for fingerprint, ones in self._anew.items():
            result.append(self._retold(ones, by_fingerprint[fingerprint]))
        fresh = [made for made in self._said.findings if self._is_fresh(made)]
        return [*result, *documents(fresh, self._bill, self._today)]

    def _is_fresh(self, made: Finding) -> bool:
        if made.fingerprint in self._met:
            return False
        ecosystem = made.evidence["ecosystem"]
        vulnerability = self._said.vulnerabilities[made.rule]
        return not self._judge.refuted(vulnerability, ecosystem, run_day(self._bill, ecosystem))

    def _decided(self, one: dict[str, Any]) -> dict[str, Any] | None:
        """A finding of the run as it stays; None where it is over, or told anew."""
        evidence, location = one.get("evidence"), one.get("location")
        if not isinstance(evidence, dict) or not isinstance(location, dict):
            return one
        ids = frozenset((str(one["rule"]), *_ids(one.get("aliases"))))
        ecosystem, package = str(evidence.get("ecosystem", "")), str(evidence.get("package", ""))
        path = str(location.get("path", ""))
        same = [
            made
            for made in self._mine.get((path, ecosystem, package), ())
            if is_same(one["rule"], ids, made.rule, made.ids)
        ]
        newer = self._judge.newer(ecosystem, run_day(self._bill, ecosystem))
        if not self._own.isdisjoint(ids) or path not in self._paths or (same and not newer):
            self._met.update(made.fingerprint for made in same)
            return self._at_risk(one, same)
        if same:
            exact = [made for made in same if made.fingerprint == one.get("fingerprint")]
            made = (exact or same)[0]
            self._met.add(made.fingerprint)
            self._anew.setdefault(made.fingerprint, []).append(one)
            return None
        name = (ecosystem, asked_as(ecosystem, package))
        return None if self._is_over(path, name, ids) else one

    def _is_over(self, path: str, name: Name, ids: frozenset[str]) -> bool:
        if (path, name) not in self._judged or self._said.cannot_tell(path, name, ids):
            return False
        return self._judge.decides(ids, name[0], run_day(self._bill, name[0]))

    def _at_risk(self, one: dict[str, Any], same: Sequence[Finding]) -> dict[str, Any]:
        """In the run's words, with what EPSS and KEV say of it."""
        told = one
        for made in documents(same, self._bill, self._today):
            told = with_risk(told, made, self._bill, newer=True)
        return self._due(told, one)

    def _retold(self, ones: Sequence[dict[str, Any]], made: Finding) -> dict[str, Any]:
        """In the server's words. A waiver that names any of its ids accepts it, as in a scan."""
        (anew,) = documents([made], self._bill, self._today)
        one = min(
            ones,
            key=lambda one: (
                one.get("state") != _WAIVED,
                one.get("fingerprint") != made.fingerprint,
            ),
        )
        kept = {name: one[name] for name in _KEPT if name in one}
        told = told_anew(anew, one, self._bill, risk=True)
        for other in ones:
            told = with_risk(told, other, self._bill, newer=False) if other is not one else told
        return self._due({**told, **kept}, one)

    def _due(self, told: dict[str, Any], one: dict[str, Any]) -> dict[str, Any]:
        if one.get("severity") == told["severity"] or told.get("state") == _WAIVED:
            return told
        return {**told, "due": due_of(told["severity"], self._bill, self._today)}


def _place_of(made: Finding) -> _Place:
    return made.location.path, made.evidence["ecosystem"], made.evidence["package"]


def _ids(value: Any) -> list[str]:
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []
