"""The gate: findings, waivers, baseline, lock and thresholds become pass or block.

Each finding gets one state, and only ``open`` can block. Where several would fit, the one with
the most behind it is shown: ``waived`` (somebody answers for it by name) before ``known`` (it
was there before) before ``new`` (the lock does not have the rule) before ``open``. A finding
whose waiver has expired is not hidden by the baseline: the time that was granted is over.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Collection, Iterable
from typing import TYPE_CHECKING

import msgspec
from msgspec import structs

from haechi.engines.globs import compile_glob
from haechi.gate.extent import Extent, gap_path, was_judged
from haechi.gate.matching import Matcher, WaiverIndex, is_beside_code, is_expired
from haechi.gate.owners import Owners
from haechi.gate.reasons import Case, reasons
from haechi.model.config import Config
from haechi.model.counting import by_state
from haechi.model.coverage import Coverage
from haechi.model.finding import Finding, FindingState
from haechi.model.scan import Decision, Scan, WaiverStatus, WaiverUse
from haechi.model.severity import Severity
from haechi.model.waiver import Waiver, WaiverOrigin

if TYPE_CHECKING:
    from haechi.gate.baseline import Baseline
    from haechi.gate.lock import Lock

PRECEDENCE = (2, 1, 3, 0)
"""Exit codes, the one that wins first: misuse, blocked, not evaluated, clean."""


def worst_exit(codes: Iterable[int]) -> int:
    """The exit code of a run whose parts ended with ``codes``; 0 when there are none.

    A code that is not ours counts as misuse: the gate fails closed.
    """
    ranks = {code: rank for rank, code in enumerate(PRECEDENCE)}
    return PRECEDENCE[min((ranks.get(code, 0) for code in codes), default=len(PRECEDENCE) - 1)]


class _Verdict(msgspec.Struct, frozen=True):
    """A finding after the gate. ``counts_as`` is the severity that the lock agrees to."""

    finding: Finding
    counts_as: Severity


def decide(
    scan: Scan,
    *,
    config: Config,
    today: dt.date,
    waivers: Iterable[Waiver] = (),
    baseline: Baseline | None = None,
    lock: Lock | None = None,
    fail_on: Severity | None = None,
    rules: Collection[str] | None = None,
    owners: Owners | None = None,
    extent: Extent | None = None,
    notes: Iterable[str] = (),
) -> tuple[Scan, Decision]:
    """Judge a scan; returns it with gated findings and gaps, and the decision.

    ``waivers`` come from files; those beside the code are in the scan. ``fail_on`` overrides
    the configuration. ``rules`` are all known rule ids, to point out names that fit none.
    Without ``extent`` no waiver is called unused. ``notes`` are sentences that reading VEX
    documents came to.
    """
    court = _Court(config, today, [*waivers, *scan.waivers], baseline, lock, owners)
    verdicts = [court.judge(finding) for finding in scan.findings]
    threshold = fail_on or config.gate.fail_on
    coverage = accept_gaps(scan.coverage, config)
    blockers = [
        verdict
        for verdict in verdicts
        if verdict.finding.state is FindingState.OPEN and verdict.counts_as.at_least(threshold)
    ]
    uses = court.uses(coverage, extent)
    case = Case(
        findings=tuple(verdict.finding for verdict in verdicts),
        milder=sum(
            verdict.finding.state is FindingState.OPEN
            and verdict.counts_as is not verdict.finding.severity
            for verdict in verdicts
        ),
        blocking=tuple(verdict.counts_as for verdict in blockers),
        fail_on=threshold,
        coverage=coverage,
        uses=uses,
        config=config,
        baseline=baseline.source if baseline else None,
        rules=rules,
        today=today,
    )
    decision = Decision(
        blocks=bool(blockers),
        exit_code=worst_exit([1 if blockers else 0, 3 if coverage.open_gaps else 0]),
        fail_on=threshold,
        reasons=(*reasons(case), *notes),
        blocking=frozenset(verdict.finding.fingerprint for verdict in blockers),
        counts=by_state(case.findings),
        waivers=uses,
        baseline=baseline.source if baseline else None,
    )
    return structs.replace(scan, findings=case.findings, coverage=coverage), decision


def accept_gaps(coverage: Coverage, config: Config) -> Coverage:
    """Mark the gaps that ``coverage.accept`` names by kind (or ``*``) and path glob."""
    accepted = [(entry.kind, compile_glob(entry.path)) for entry in config.coverage.accept]
    gaps = tuple(
        structs.replace(gap, accepted=True)
        if any(
            kind in ("*", gap.kind) and pattern.fullmatch(gap_path(gap))
            for kind, pattern in accepted
        )
        else gap
        for gap in coverage.gaps
    )
    return structs.replace(coverage, gaps=gaps)


class _Court:
    """Judges findings one by one and remembers what each waiver did."""

    def __init__(
        self,
        config: Config,
        today: dt.date,
        waivers: list[Waiver],
        baseline: Baseline | None,
        lock: Lock | None,
        owners: Owners | None,
    ) -> None:
        self._config = config
        self._today = today
        self._index = WaiverIndex(waivers)
        self._baseline = baseline
        self._lock = lock
        self._owners = owners
        self._covered: Counter[int] = Counter()
        self._denied: Counter[int] = Counter()
        self._lapsed: Counter[int] = Counter()

    def judge(self, finding: Finding) -> _Verdict:
        waiver, lapsed = self._waiver(finding)
        finding = structs.replace(
            finding,
            state=self._state(finding, waiver, lapsed),
            waiver=str(waiver.location) if waiver else None,
            due=self._due(finding, waiver),
            owner=finding.owner or self._owner(finding),
        )
        return _Verdict(finding, self._counts_as(finding))

    def _waiver(self, finding: Finding) -> tuple[Waiver | None, bool]:
        """The first waiver that holds, and whether one that covered the finding has expired."""
        holds: Waiver | None = None
        lapsed = False
        for index in self._index.of(finding):
            waiver = self._index.matchers[index].waiver
            if is_expired(waiver, self._today):
                self._lapsed[index] += 1
                lapsed = True
            elif not self._honours(waiver, finding.severity):
                self._denied[index] += 1
            else:
                self._covered[index] += 1
                holds = holds or waiver
        return holds, lapsed

    def _honours(self, waiver: Waiver, severity: Severity) -> bool:
        """Whether haechi.yaml lets a waiver of this origin cover a finding this severe."""
        if waiver.origin is WaiverOrigin.VEX:
            return self._config.gate.honours_vex(severity)
        return not is_beside_code(waiver) or self._config.gate.honours_inline(severity)

    def _state(self, finding: Finding, waiver: Waiver | None, lapsed: bool) -> FindingState:
        if waiver is not None:
            return FindingState.WAIVED
        if self._baseline is not None and self._baseline.holds(finding) and not lapsed:
            return FindingState.KNOWN
        if self._lock is not None:
            pin = self._lock.rules.get(finding.rule)
            if pin is None or finding.since > pin.revision:
                return FindingState.NEW
        return FindingState.OPEN

    def _counts_as(self, finding: Finding) -> Severity:
        """A severity that rose since the lock was written counts as it was; one that the
        repository itself set in haechi.yaml counts as set."""
        pin = self._lock.rules.get(finding.rule) if self._lock else None
        if pin is None or finding.rule in self._config.severity:
            return finding.severity
        return max(pin.severity, finding.severity, key=lambda severity: severity.rank)

    def _due(self, finding: Finding, waiver: Waiver | None) -> dt.date | None:
        """The earliest date promised so far; a waived finding is due when its waiver ends."""
        if waiver is not None:
            return waiver.expires
        days = self._config.gate.due_days.get(finding.severity)
        from_now = None if days is None else self._today + dt.timedelta(days=days)
        promised = self._baseline.due(finding.fingerprint) if self._baseline else None
        return min((date for date in (from_now, promised) if date), default=None)

    def _owner(self, finding: Finding) -> str | None:
        if self._owners is None:
            return None
        return self._owners.owner_of(finding.location.path, finding.resource)

    def uses(self, coverage: Coverage, extent: Extent | None) -> tuple[WaiverUse, ...]:
        """What became of each waiver, in the order in which they are asked."""
        uses = [
            self._use(index, matcher, coverage, extent)
            for index, matcher in enumerate(self._index.matchers)
        ]
        return tuple(_without_echoes(uses))

    def _use(
        self, index: int, matcher: Matcher, coverage: Coverage, extent: Extent | None
    ) -> WaiverUse:
        waiver = matcher.waiver
        gate = self._config.gate
        none = (is_beside_code(waiver) and gate.inline_waivers == "deny") or (
            waiver.origin is WaiverOrigin.VEX and gate.vex == "deny"
        )
        if is_expired(waiver, self._today):
            status, count = WaiverStatus.EXPIRED, self._lapsed[index]
        elif self._covered[index]:
            status, count = WaiverStatus.MATCHED, self._covered[index]
        elif self._denied[index] or none:
            status, count = WaiverStatus.DENIED, self._denied[index]
        else:
            judged = was_judged(matcher, coverage, extent)
            status, count = WaiverStatus.UNUSED if judged else WaiverStatus.NOT_JUDGED, 0
        return WaiverUse(waiver=waiver, status=status, count=count)


def _without_echoes(uses: list[WaiverUse]) -> Iterable[WaiverUse]:
    """Other tools' ids can stand for several of our rules: one comment that covers something
    is in use, though some of the rules behind it found nothing."""
    idle = (WaiverStatus.UNUSED, WaiverStatus.NOT_JUDGED)
    busy = {(use.waiver.location, use.waiver.source) for use in uses if use.status not in idle}
    for use in uses:
        echo = use.waiver.origin is WaiverOrigin.PEER and use.status in idle
        if not echo or (use.waiver.location, use.waiver.source) not in busy:
            yield use
