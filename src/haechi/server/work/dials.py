"""The few figures of the first screen, each with the mark to keep and where it stood a day ago.

A figure that cannot be told is None and says why: no scan is not "nothing open", and nothing
looked at has no share.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from haechi.model.access import covered
from haechi.model.severity import Severity
from haechi.server.shapes import Dial
from haechi.server.work.desk import DAY, Desk
from haechi.server.work.lookup import Standing
from haechi.server.work.past import Before
from haechi.store.records import ScanRun

_GOOD_DAYS = 7.0
_GOOD_SHARE = 0.95
_WINDOW = 30 * DAY
_NO_SCAN = "no scan was pushed yet"
_NO_FIX = "nothing was fixed in the last 30 days"
_NO_SCOPE = "nothing was looked at within this scope"
_NO_REPOSITORY = "no repository lies within this scope"
_KOREAN = {
    "": "",
    _NO_SCAN: "아직 전송된 스캔이 없습니다",
    _NO_FIX: "최근 30일 동안 수정된 항목이 없습니다",
    _NO_SCOPE: "이 범위에서 살펴본 것이 없습니다",
    _NO_REPOSITORY: "이 범위에 속하는 저장소가 없습니다",
}
_JUDGED = ("kubernetes objects", "dockerfiles", "workflows", "files for secrets")
"""Counts of a scan that are things judged; others (commits, files walked over) would count the
same thing twice."""


def dials(
    desk: Desk,
    runs: Sequence[ScanRun],
    figures: Standing,
    before: Before | None,
    *,
    known: bool,
) -> list[Dial]:
    """All of them, in the order in which they are shown. ``known`` says that anything was
    scanned at all; ``runs`` are those that the caller may see; ``before`` is a day ago."""
    if not known:
        return [_told(_unknown(*one)) for one in _NAMES]
    made = (
        _open("open_critical", Severity.CRITICAL, figures, before),
        _open("open_high", Severity.HIGH, figures, before),
        _overdue(figures, before),
        _days_to_fix(desk),
        _covered(desk, runs),
        _waived(figures, before),
        _gate(desk, runs),
    )
    return [_told(dial) for dial in made]


def _told(dial: Dial) -> Dial:
    """With its reason in both languages."""
    return replace(dial, why_ko=_KOREAN[dial.why]) if dial.why else dial


_NAMES = (
    ("open_critical", "count"),
    ("open_high", "count"),
    ("overdue", "count"),
    ("days_to_fix", "days"),
    ("covered", "ratio"),
    ("waived", "count"),
    ("gate", "ratio"),
)


def _unknown(id_: str, unit: str) -> Dial:
    higher = unit == "ratio"
    return Dial(id=id_, value=None, unit=unit, better="higher" if higher else "lower", why=_NO_SCAN)


def _open(id_: str, severity: Severity, figures: Standing, before: Before | None) -> Dial:
    now = figures.open.get(severity, 0)
    return Dial(
        id=id_,
        value=float(now),
        unit="count",
        good=0.0,
        before=None if before is None else float(before.open.get(severity, 0)),
        link=f"/findings?severity={severity.value}&state=open&state=reopened",
    )


def _overdue(figures: Standing, before: Before | None) -> Dial:
    return Dial(
        id="overdue",
        value=float(figures.overdue),
        unit="count",
        good=0.0,
        before=None if before is None else float(before.overdue),
        link="/findings?overdue=true",
    )


def _days_to_fix(desk: Desk) -> Dial:
    spans = desk.store.state.findings.spans_to_fix(desk.now - _WINDOW, within=desk.within)
    return Dial(
        id="days_to_fix",
        value=round(statistics.median(spans), 1) if spans else None,
        unit="days",
        good=_GOOD_DAYS,
        why="" if spans else _NO_FIX,
        link="/findings?state=fixed&sort=-changed",
    )


def _covered(desk: Desk, runs: Sequence[ScanRun]) -> Dial:
    judged, unseen = 0, 0
    for run in _within(desk, runs):
        looked = run.coverage.get("looked")
        judged += sum(_count(looked, name) for name in _JUDGED)
        gaps = run.coverage.get("gaps")
        unseen += len(gaps) if isinstance(gaps, list) else 0
        unseen += _count(run.coverage, "gaps_left_out")
    known = judged + unseen > 0
    return Dial(
        id="covered",
        value=judged / (judged + unseen) if known else None,
        unit="ratio",
        good=_GOOD_SHARE,
        better="higher",
        why="" if known else _NO_SCOPE,
    )


def _waived(figures: Standing, before: Before | None) -> Dial:
    return Dial(
        id="waived",
        value=float(figures.waived),
        unit="count",
        before=None if before is None else float(before.waived),
        link="/findings?state=waived",
    )


def _gate(desk: Desk, runs: Sequence[ScanRun]) -> Dial:
    own = _within(desk, runs)
    passed = sum(run.answer == "pass" for run in own)
    return Dial(
        id="gate",
        value=passed / len(own) if own else None,
        unit="ratio",
        good=1.0,
        better="higher",
        why="" if own else _NO_REPOSITORY,
    )


def _within(desk: Desk, runs: Sequence[ScanRun]) -> list[ScanRun]:
    """Runs of what was asked for; a repository belongs to no namespace."""
    return [run for run in runs if covered(desk.within, run.cluster, "-")]


def _count(values: Any, name: str) -> int:
    value = values.get(name) if isinstance(values, dict) else None
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0
