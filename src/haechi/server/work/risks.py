"""Ranked sentences of the scans, joined with what the store knows of their findings since.

A scan says what matters in one repository on one day. Here sentences of all repositories stand
in one order; one whose findings were all fixed or waived since leaves, one with an overdue
finding rises, and one of which any part lies out of the caller's reach is not told at all: half
a path would tell of the other half.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice

import msgspec
from msgspec.structs import replace

from haechi.model.access import EVERYWHERE, covered
from haechi.model.severity import Severity
from haechi.server.shapes import NowItem, NowStep
from haechi.server.work.desk import LIVE, Desk
from haechi.server.work.lookup import Target, known
from haechi.store.records import ScanRun, StoredFinding

OVERDUE = 20.0
"""What an overdue finding adds to a score; a way in from outside adds 30."""
_LOOK_BACK = 10
"""Earlier scans of a source whose sentences still count, when later ones looked at less."""
_BATCH = 200
_HIGHEST = 200.0
"""More than any score of ours: no push puts its sentence above those of all others for good."""

Sentences = dict[tuple[str, str, int], tuple[ScanRun, "_Risk"]]


class _Place(msgspec.Struct, frozen=True):
    path: str = ""
    line: int = 0


class _Step(msgspec.Struct, frozen=True):
    text: str = ""
    location: _Place | None = None


class _Risk(msgspec.Struct, frozen=True):
    """One of ``summary.risks``, read as it is; what is missing is empty."""

    score: float = 0.0
    severity: Severity = Severity.MEDIUM
    sentence: str = ""
    sentence_ko: str = ""
    change: str = ""
    change_ko: str = ""
    location: _Place = _Place()
    steps: list[_Step] = []
    findings: list[str] = []


def risk_items(desk: Desk, runs: Sequence[ScanRun], most: int) -> list[NowItem]:
    """Up to ``most`` items, highest score first. ``runs`` are the newest of each source."""
    ranked = sorted(_sentences(desk, runs), key=lambda pair: -pair[1].score)
    items: dict[tuple[str, str, int], NowItem] = {}
    for batch in _batches(ranked):
        found = _findings(desk, batch)
        for run, risk in batch:
            item = _item(desk, run, risk, found)
            if item is None:
                continue
            key = (item.sentence, item.path, item.line)
            items[key] = _joined(items[key], item) if key in items else item
        # What comes later scores less; only an overdue finding could still lift it.
        if len(items) >= most and batch[-1][1].score + OVERDUE < _lowest(items.values(), most):
            break
    return sorted(items.values(), key=lambda item: -item.score)[:most]


def _sentences(desk: Desk, runs: Sequence[ScanRun]) -> Iterator[tuple[ScanRun, _Risk]]:
    """The sentences of each source: those of its newest scan, and of the ones before it as far
    back as one that looked at everything."""
    for newest in runs:
        said: Sentences = {}
        for run in (newest, *_before(desk, newest)):
            for risk in _risks(run):
                place = (risk.sentence, risk.location.path, risk.location.line)
                said.setdefault(place, (run, risk))
        yield from said.values()


def _before(desk: Desk, newest: ScanRun) -> list[ScanRun]:
    if _whole(newest):
        return []
    found: list[ScanRun] = []
    # Whoever sees one namespace sees no scan as such; each sentence is judged by its findings.
    page = desk.store.state.scans.page(
        within=(EVERYWHERE,), source=newest.source, limit=_LOOK_BACK, cursor=None
    )
    for run in page.items:
        same = (run.ref, run.cluster) == (newest.ref, newest.cluster)
        if run.id == newest.id or not same or run.received > newest.received:
            continue
        found.append(run)
        if _whole(run):
            break
    return found


def _whole(run: ScanRun) -> bool:
    scope = run.scope
    domains = scope.get("domains") or ()
    return (
        {"iac", "secrets"} <= set(domains)
        and not scope.get("within")
        and bool(scope.get("tree", True))
    )


def _risks(run: ScanRun) -> Iterator[_Risk]:
    for value in run.risks:
        try:
            risk = msgspec.convert(value, _Risk, strict=False)
        except msgspec.ValidationError:
            continue  # a push of another version: what it cannot say is not made up
        if risk.sentence and math.isfinite(risk.score):
            yield replace(risk, score=min(risk.score, _HIGHEST))


def _batches(
    ranked: Sequence[tuple[ScanRun, _Risk]],
) -> Iterator[list[tuple[ScanRun, _Risk]]]:
    rest = iter(ranked)
    while batch := list(islice(rest, _BATCH)):
        yield batch


def _findings(
    desk: Desk, batch: Sequence[tuple[ScanRun, _Risk]]
) -> Mapping[tuple[Target, str], StoredFinding]:
    """Stored findings of the sentences, whatever became of them."""
    asked = ((_target(run), name) for run, risk in batch for name in risk.findings)
    return known(desk.store.state, asked, within=desk.rights, today=desk.today)


def _target(run: ScanRun) -> Target:
    return (run.cluster, run.source, run.ref)


def _item(
    desk: Desk, run: ScanRun, risk: _Risk, found: Mapping[tuple[Target, str], StoredFinding]
) -> NowItem | None:
    every = [found.get((_target(run), name)) for name in risk.findings]
    there = [one for one in every if one is not None]
    if not desk.sees_all and (not there or len(there) < len(every)):
        return None
    live = sorted(
        (one for one in there if one.state in LIVE),
        key=lambda one: (one.severity.rank, one.due is None, one.due, one.first_seen),
    )
    if every and not live:
        return None
    if live and not any(covered(desk.within, one.cluster, one.namespace) for one in live):
        return None
    if not live and not covered(desk.within, run.cluster, "-"):
        return None
    return _made(run, risk, live)


def _made(run: ScanRun, risk: _Risk, live: Sequence[StoredFinding]) -> NowItem:
    overdue = any(one.overdue for one in live)
    owners = [one.owner for one in live if one.owner]
    worst = live[0] if live else None
    return NowItem(
        score=risk.score + (OVERDUE if overdue else 0.0),
        severity=risk.severity,
        sentence=risk.sentence,
        sentence_ko=risk.sentence_ko or risk.sentence,
        change=risk.change,
        change_ko=risk.change_ko or risk.change,
        source=run.source,
        path=risk.location.path,
        line=risk.location.line,
        cluster=worst.cluster if worst else run.cluster,
        namespace=worst.namespace if worst else "-",
        resource=worst.resource if worst else "",
        steps=[_step(step) for step in risk.steps],
        findings=[one.id for one in live],
        owner=max(set(owners), key=owners.count) if owners else None,
        due=min((one.due for one in live if one.due), default=None),
        overdue=overdue,
        since=min((one.first_seen for one in live), default=run.received),
    )


def _step(step: _Step) -> NowStep:
    where = step.location
    return (
        NowStep(text=step.text, path=where.path, line=where.line)
        if where
        else NowStep(text=step.text)
    )


def _joined(one: NowItem, other: NowItem) -> NowItem:
    """The same sentence of two sources (a repository that is pushed under two names)."""
    first, second = (one, other) if one.score >= other.score else (other, one)
    return replace(
        first,
        findings=list(dict.fromkeys((*first.findings, *second.findings))),
        overdue=first.overdue or second.overdue,
        due=min((due for due in (first.due, second.due) if due), default=None),
        owner=first.owner or second.owner,
    )


def _lowest(items: Iterable[NowItem], most: int) -> float:
    """The score that an item needs to be among the first ``most``."""
    return sorted((item.score for item in items), reverse=True)[most - 1]
