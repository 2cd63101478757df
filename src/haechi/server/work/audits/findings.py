"""Violations as findings: received by the store as a scan's, so owners, due dates, waivers and
history apply to them as to all others. Rule ids are ``policy:<policy>``.

What an audit did not look at (a kind that cannot be listed, a policy that could not judge) fixes
nothing: the finding stays.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from haechi import __version__
from haechi.admit.naming import rule_id
from haechi.model.admission import PolicyInfo
from haechi.model.config import DUE_DAYS
from haechi.model.keys import object_name
from haechi.model.push import SCHEMA, Origin, Push, PushedRule, PushScope
from haechi.model.review import State
from haechi.model.scan import SCHEMA as REPORT
from haechi.model.severity import Severity
from haechi.server.work.audits.objects import ABSENT, JUDGED
from haechi.server.work.audits.results import (
    DOMAIN,
    Standing,
    of_itself,
    severity_of,
    source_of,
)
from haechi.server.work.audits.wire import AuditedObject, AuditedVerdict
from haechi.store.records import StoredFinding

MOST = 5_000
"""Findings of one cluster's audit; the rest is counted, and named as a gap."""


def push_of(standing: Standing, *, now: dt.datetime, took_s: float, judged: int) -> Push:
    """The push of an audit."""
    found = sorted(_findings(standing, now.date()), key=lambda one: one[0])
    gaps = [
        {"kind": "policy-kind", "path": kind.type, "reason": kind.why}
        for kind in standing.kinds
        if kind.state not in (JUDGED, ABSENT)
    ]
    if len(found) > MOST:
        reason = f"{len(found) - MOST:,} more violations are counted and not listed"
        gaps.append({"kind": "too-much", "path": "", "reason": reason})
    findings = [one for _, one in found[:MOST]]
    rules = {one["rule"] for one in findings}
    return Push(
        schema=SCHEMA,
        origin=Origin(repository=source_of(standing.cluster), cluster=standing.cluster),
        scope=PushScope(domains=(DOMAIN,)),
        report={
            "schema": REPORT,
            "tool": {"version": __version__},
            "scope": {"started": now.isoformat(), "duration_s": took_s},
            "summary": {"answer": "open" if findings else "clean"},
            "coverage": {
                "looked": {"objects judged by policies": judged},
                "evaluated_rules": {"count": len(standing.infos)},
                "gaps": gaps,
            },
            "findings": findings,
        },
        rules=tuple(_rule(info) for info in standing.infos.values() if rule_id(info.id) in rules),
    )


def covering(standing: Standing) -> Callable[[StoredFinding], bool]:
    """Whether an audit would have found a finding again if it were still there."""
    looked = {kind.type for kind in standing.kinds if kind.state in (JUDGED, ABSENT)}
    listed = {kind.type for kind in standing.kinds}
    known = {rule_id(info.id) for info in standing.infos.values()}
    troubled = {
        (one.key, rule_id(told.verdict.policy))
        for one in standing.objects.values()
        for told in one.verdicts
        if told.verdict.state is not State.FAIL
    }

    def covered(found: StoredFinding) -> bool:
        if (found.resource, found.rule) in troubled:
            return False
        if found.rule not in known:
            return True  # the policy is gone, and what it asked for with it
        name = object_name(found.resource)
        if name is None:
            return True
        type_ = f"{name.group or 'core'}/{name.kind}"
        return type_ in looked or type_ not in listed

    return covered


def _findings(
    standing: Standing, today: dt.date
) -> Iterator[tuple[tuple[int, str], dict[str, Any]]]:
    for one in standing.objects.values():
        for told in one.verdicts:
            if told.verdict.state is State.FAIL and of_itself(one, told, standing.objects):
                info = standing.infos.get(told.verdict.policy)
                made = _finding(one, told, info, today)
                rank = Severity(made["severity"]).rank
                yield (rank, made["fingerprint"]), made


def _finding(
    one: AuditedObject, told: AuditedVerdict, info: PolicyInfo | None, today: dt.date
) -> dict[str, Any]:
    verdict = told.verdict
    severity = severity_of(info, verdict)
    days = DUE_DAYS.get(severity.value)
    named = verdict.rule and info is not None and verdict.rule not in (info.id, info.name)
    made: dict[str, Any] = {
        "rule": rule_id(verdict.policy),
        "severity": severity.value,
        "fingerprint": told.fingerprint,
        "title": (info.title or info.name) if info is not None else verdict.policy,
        "message": f"{verdict.rule}: {verdict.message}" if named else verdict.message,
        "resource": one.key,
        "label": one.label,
        "attribute": told.path,
        "domain": DOMAIN,
        "tags": ["admission", *(effect.value for effect in verdict.effects)],
        "evidence": dict(told.evidence),
    }
    if one.team:
        made["owner"] = one.team
    if days is not None:
        made["due"] = (today + dt.timedelta(days=days)).isoformat()
    return made


def _rule(info: PolicyInfo) -> PushedRule:
    where = f" It is written in {info.file}:{info.line}." if info.file else ""
    severities: Mapping[str, str] = {one.value: one.value for one in Severity}
    return PushedRule(
        id=rule_id(info.id),
        title=info.title or info.name,
        severity=severities.get(info.severity, "high"),
        why=(info.description or "A policy of the cluster's door says so.") + where,
        fix=info.fix or "change the object as the message says, or ask who owns the policy",
    )
