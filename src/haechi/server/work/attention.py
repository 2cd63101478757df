"""What needs a person besides the risks of a repository: promises that were not kept or are about
to end, sources that fell silent, protections that cannot work, and the server itself.

Sentences are written in both languages here, next to what they are made of; Korean names come
from the page's words (발견 항목, 기한, 담당자, 예외).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Sequence

from haechi.model.severity import Severity
from haechi.server.shapes import NowItem, NowStep, Part
from haechi.server.work.desk import DAY, Desk, first_sentence
from haechi.server.work.lookup import Dead, Late, dead_controls, overdue_of
from haechi.server.work.strip import connect_command, scan_command
from haechi.store.records import SourceStatus, StoredFinding, StoredWaiver

SOON = 7
"""Days before its end in which a waiver is shown."""
_GROUPS = 3
_SHOWN = 50
_WAIVERS = 5
_DEAD, _DEAD_RULES = "dead-control", 3
_BASE = {
    Severity.CRITICAL: 70.0,
    Severity.HIGH: 50.0,
    Severity.MEDIUM: 25.0,
    Severity.LOW: 10.0,
    Severity.INFO: 5.0,
}
_SERVER = {"failed": (95.0, Severity.CRITICAL), "degraded": (45.0, Severity.MEDIUM)}
PARTS_KO = {
    "state": "저장소",
    "events": "이벤트 저장소",
    "audit": "감사 로그",
    "disk": "디스크",
    "jobs": "정기 작업",
    "advisories": "취약점 권고",
}


def attention_items(
    desk: Desk,
    sources: Sequence[SourceStatus],
    parts: Sequence[Part],
    lates: Sequence[Late],
    told: set[str],
) -> list[NowItem]:
    """All of them, in no order. ``told`` are ids of findings that an item shows already."""
    return [
        *_overdue(desk, lates, told),
        *_waivers(desk),
        *_sources(desk, sources),
        *_dead_controls(desk, told),
        *(_server(desk, part) for part in parts if part.state in _SERVER),
    ]


def _overdue(desk: Desk, lates: Sequence[Late], told: set[str]) -> Iterator[NowItem]:
    for group in lates[:_GROUPS]:
        late = overdue_of(
            desk.store.state, group.owner, within=desk.within, today=desk.today, most=_SHOWN
        )
        if late and not (group.count <= len(late) and all(one.id in told for one in late)):
            yield _overdue_of(group, late)


def _overdue_of(group: Late, late: Sequence[StoredFinding]) -> NowItem:
    n, due, worst = group.count, late[0].due, group.worst
    whose = f"of {group.owner} " if group.owner else ""
    verb, findings = ("is", "finding") if n == 1 else ("are", "findings")
    nobody = "" if group.owner else " and nobody owns " + ("it" if n == 1 else "them")
    if group.owner:
        korean = f"{group.owner} 담당의 발견 항목 {n:,}건이 기한을 넘겼습니다"
    else:
        korean = f"담당자가 없는 발견 항목 {n:,}건이 기한을 넘겼습니다"
    return _item(
        score=_BASE[worst] + 10,
        severity=worst,
        sentence=f"{n:,} {findings} {whose}{verb} overdue{nobody}; the oldest was due on {due}",
        sentence_ko=f"{korean}. 가장 오래된 기한은 {due}이었습니다",
        change="Fix what is overdue, or agree on another date, or waive it with a reason",
        change_ko="기한을 넘긴 항목을 고치거나, 새 기한을 정하거나, 이유를 적어 예외로 두세요",
        steps=[_finding_step(one) for one in late[:5]],
        findings=[one.id for one in late],
        owner=group.owner or None,
        due=due,
        overdue=True,
        since=min(one.first_seen for one in late),
        like=late[0],
    )


def _waivers(desk: Desk) -> Iterator[NowItem]:
    active = desk.store.state.waivers.active(today=desk.today)
    last = desk.today + dt.timedelta(days=SOON)
    ending = [
        waiver
        for waiver in active
        if waiver.expires <= last
        and any(reach.overlap(waiver.reach) is not None for reach in desk.within)
        and any(reach.covers(waiver.reach.cluster, waiver.reach.namespace) for reach in desk.rights)
    ]
    for waiver in sorted(ending, key=lambda one: one.expires)[:_WAIVERS]:
        yield _waiver(desk, waiver)


def _waiver(desk: Desk, waiver: StoredWaiver) -> NowItem:
    days = (waiver.expires - desk.today).days
    what = waiver.path or waiver.resource or (f"{len(waiver.fingerprints)} named findings")
    rule = "" if waiver.rule == "*" else f"{waiver.rule} in "
    return _item(
        score=30.0 + (SOON - days),
        severity=Severity.MEDIUM,
        sentence=f"The waiver for {rule}{what} ends on {waiver.expires}: {waiver.reason}",
        sentence_ko=f"예외({rule.replace(' in ', ', ')}{what})가 {waiver.expires}에 끝납니다: "
        f"{waiver.reason}",
        change="Fix what it covers before then, or make a new waiver with today's reason",
        change_ko="그 전에 해당 항목을 고치거나, 지금의 이유로 예외를 새로 두세요",
        source=waiver.source,
        path=waiver.path,
        owner=waiver.owner,
        due=waiver.expires,
        since=waiver.created,
    )


def _sources(desk: Desk, sources: Sequence[SourceStatus]) -> Iterator[NowItem]:
    for source in sources:
        if source.state not in ("stale", "silent") or source.last_seen is None:
            continue
        age = desk.now - source.last_seen
        scans = source.kind == "repository"
        what = "was not scanned" if scans else "sent no event"
        what_ko = "스캔되지 않았습니다" if scans else "이벤트를 보내지 않았습니다"
        command = scan_command(source, desk.url) if scans else connect_command(desk.url)
        yield _item(
            score=35.0 if source.state == "silent" else 25.0,
            severity=Severity.MEDIUM,
            sentence=f"{source.name} {what} for {_span(age)}: what is shown of it may be out "
            "of date",
            sentence_ko=f"{source.name}: {_span_ko(age)} 동안 {what_ko}. 보이는 내용이 최신이 "
            "아닐 수 있습니다",
            change=f"Run: {command}",
            change_ko=f"실행하세요: {command}",
            source=source.id,
            since=source.last_seen,
        )


def _dead_controls(desk: Desk, told: set[str]) -> Iterator[NowItem]:
    """By rules that say so of themselves: ours, and those whose words a push brought."""
    rules = {rule.id for rule in desk.catalogue.rules if _DEAD in rule.tags}
    rules |= desk.store.state.scans.rules().keys() - desk.catalogue.by_id.keys()
    groups = dead_controls(
        desk.store.state, rules, within=desk.within, today=desk.today, most=_DEAD_RULES
    )
    for group in groups:
        if not any(one.id in told for one in group.findings):
            yield _dead(desk, group)


def _dead(desk: Desk, group: Dead) -> NowItem:
    dead = group.findings
    rule = desk.catalogue.by_id.get(group.rule)
    first = dead[0]
    korean = rule.ko if rule else None
    places = "one place" if group.count == 1 else f"{group.count:,} places"
    return _item(
        score=_BASE[first.severity] + 5,
        severity=first.severity,
        sentence=f"A protection that cannot work, in {places}: {first.title}",
        sentence_ko=f"작동할 수 없는 보호 장치({group.count:,}곳): "
        f"{korean.title if korean else first.title}",
        change=first_sentence(rule.fix) if rule else first.title,
        change_ko=first_sentence(korean.fix) if korean else first.title,
        steps=[_finding_step(one) for one in dead[:5]],
        findings=[one.id for one in dead],
        owner=first.owner,
        due=first.due,
        overdue=any(one.overdue for one in dead),
        since=min(one.first_seen for one in dead),
        like=first,
    )


def _server(desk: Desk, part: Part) -> NowItem:
    score, severity = _SERVER[part.state]
    korean = PARTS_KO.get(part.name, part.name)
    return _item(
        score=score,
        severity=severity,
        sentence=f"The server itself needs you: {part.what}",
        sentence_ko=f"서버의 {korean}을(를) 확인해야 합니다: {part.what}",
        change=part.do or "See the health of the server",
        change_ko=part.do or "서버 상태를 확인하세요",
        since=desk.now,
    )


def _item(
    *,
    score: float,
    severity: Severity,
    sentence: str,
    sentence_ko: str,
    change: str,
    change_ko: str,
    source: str = "",
    path: str = "",
    steps: list[NowStep] | None = None,
    findings: list[str] | None = None,
    owner: str | None = None,
    due: dt.date | None = None,
    overdue: bool = False,
    since: dt.datetime | None = None,
    like: StoredFinding | None = None,
) -> NowItem:
    """An item; ``like`` gives its place."""
    return NowItem(
        score=score,
        severity=severity,
        sentence=sentence,
        sentence_ko=sentence_ko,
        change=change,
        change_ko=change_ko,
        source=like.source if like else source,
        path=like.path if like else path,
        line=like.line if like else 0,
        cluster=like.cluster if like else "-",
        namespace=like.namespace if like else "-",
        resource=like.resource if like else "",
        steps=steps or [],
        findings=findings or [],
        owner=owner,
        due=due,
        overdue=overdue,
        since=since,
    )


def _finding_step(finding: StoredFinding) -> NowStep:
    text = f"{finding.label}: {finding.title}" if finding.label else finding.title
    return NowStep(text=text, path=finding.path, line=finding.line)


def _span(age: dt.timedelta) -> str:
    if age >= 2 * DAY:
        return f"{age.days} days"
    hours = max(1, round(age.total_seconds() / 3600))
    return "an hour" if hours == 1 else f"{hours} hours"


def _span_ko(age: dt.timedelta) -> str:
    if age >= 2 * DAY:
        return f"{age.days}일"
    return f"{max(1, round(age.total_seconds() / 3600))}시간"
