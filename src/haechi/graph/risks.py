"""What matters most, in ranked sentences: who can come in, what falls, and the one change.

A risk is a way in joined with what stands behind it: rights of the service account, or a
weakness of the pod that gives away the node. Where no way in is known, weaknesses stand for
themselves, further down. Each sentence names one place and one change.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from msgspec.structs import replace

from haechi.graph.exposure import Way, ways_in
from haechi.graph.rights import Right, Rights
from haechi.model.advisory import is_vulnerability
from haechi.model.finding import DEPENDENCIES, Finding, FindingState
from haechi.model.location import AttrPath
from haechi.model.resource import Resource
from haechi.model.review import Scope
from haechi.model.scan import Risk, Step
from haechi.model.severity import Severity
from haechi.rules.schema import Rule

_BASE = {
    Severity.CRITICAL: 60.0,
    Severity.HIGH: 40.0,
    Severity.MEDIUM: 15.0,
    Severity.LOW: 4.0,
    Severity.INFO: 1.0,
}
_EXPOSED = 30.0
_LIVE = (FindingState.OPEN, FindingState.NEW)
MOST = 20
_PLACES = 5


def rank_risks(
    findings: Sequence[Finding],
    scope: Scope,
    rules: Mapping[str, Rule],
    templates: Mapping[str, AttrPath] | None = None,
    dockerfiles: Iterable[str] = (),
) -> tuple[Risk, ...]:
    """Up to 20 risks, worst first. ``findings`` that are waived or known take no part.
    ``dockerfiles`` are paths, for what vulnerable packages are built into."""
    live = [f for f in findings if f.state in _LIVE]
    packages = [f for f in live if f.domain == DEPENDENCIES and is_vulnerability(f.rule)]
    by_resource = _By(findings, scope)
    ways: dict[int, Way] = {}
    for way in ways_in(scope, templates):
        ways.setdefault(id(way.workload), way)
    held = Rights(scope, templates)
    risks: list[Risk] = []
    for workload in scope.workloads():
        own = by_resource.live_of(workload)
        reached = ways.get(id(workload))
        rights = [right for right in held.of(workload) if not by_resource.settled(right)]
        if rights:
            risks.append(_by_rights(workload, reached, rights[0], by_resource))
        worst = _worst(own)
        if worst and reached:
            risks.append(_by_weakness(workload, reached, worst, rules))
    vulnerable = {f.fingerprint for f in packages}
    others = [f for f in live if f.fingerprint not in vulnerable] if packages else live
    risks += _alone(others, {f for risk in risks for f in risk.findings}, rules)
    if packages:
        from haechi.graph.packages import package_risks

        risks += package_risks(
            packages, ways.values(), dockerfiles, rules, score=_score, templates=templates
        )
    return tuple(_distinct(sorted(risks, key=lambda risk: -risk.score))[:MOST])


def _score(severity: Severity, exposed: bool) -> float:
    return _BASE[severity] + (_EXPOSED if exposed else 0.0)


class _By:
    """Findings by the resource they are about.

    A key alone may stand in several files (one for each environment); a finding that an overlay
    caused stands in the overlay's file, which holds no other object of that key.
    """

    def __init__(self, findings: Iterable[Finding], scope: Scope) -> None:
        self._scope = scope
        self._found: dict[str, list[Finding]] = defaultdict(list)
        for finding in findings:
            self._found[finding.resource].append(finding)
        self._files: dict[str, dict[str, set[str]]] = {}

    def of(self, resource: Resource) -> list[Finding]:
        """All findings of a resource, whatever their state."""
        if resource.type not in self._files:
            files: dict[str, set[str]] = defaultdict(set)
            for one in self._scope.of_type(resource.type):
                files[one.key].add(one.file)
            self._files[resource.type] = files
        others = self._files[resource.type][resource.key] - {resource.file}
        return [f for f in self._found.get(resource.key, ()) if f.location.path not in others]

    def live_of(self, resource: Resource) -> list[Finding]:
        """Those that nobody has accepted."""
        return [f for f in self.of(resource) if f.state in _LIVE]

    def settled(self, right: Right) -> bool:
        """True when all that was found in the role and its binding is waived or known."""
        found = [f for one in (right.resource, right.binding) for f in self.of(one)]
        serious = [f for f in found if f.severity.at_least(Severity.MEDIUM)]
        return bool(serious) and not any(f.state in _LIVE for f in serious)


def _by_rights(
    workload: Resource,
    way: Way | None,
    right: Right,
    by_resource: _By,
) -> Risk:
    severity = Severity.CRITICAL if right.cluster_wide and way else Severity.HIGH
    if not way and not right.cluster_wide:
        severity = Severity.MEDIUM
    holder = f"{right.resource.kind} {right.resource.name}"
    if way:
        sentence = f"The internet reaches {workload.name}, which can {right.what}"
        sentence_ko = (
            f"인터넷에서 {workload.name}에 닿고, {workload.name}은(는) {right.what_ko} 수 있습니다"
        )
    else:
        sentence = f"Whoever takes over {workload.label} can {right.what}"
        sentence_ko = f"{workload.label}을(를) 장악하면 {right.what_ko} 수 있습니다"
    related = [
        f.fingerprint
        for resource in (right.resource, right.binding)
        for f in by_resource.live_of(resource)
    ]
    return Risk(
        score=_BASE[severity] + (_EXPOSED if way else 0) + right.weight,
        severity=severity,
        sentence=f"{sentence} (by {holder})",
        sentence_ko=f"{sentence_ko} ({holder})",
        change=f"In {holder} grant only the named objects and verbs that {workload.name} needs",
        change_ko=f"{holder}에서 {workload.name}에 필요한 객체와 동사만 허용하세요",
        location=right.resource.locate(right.path),
        steps=(*_steps(way, workload), *_right_steps(right)),
        findings=tuple(dict.fromkeys(related)),
    )


def _by_weakness(workload: Resource, way: Way, finding: Finding, rules: Mapping[str, Rule]) -> Risk:
    rule = rules.get(finding.rule)
    title = finding.title[:1].lower() + finding.title[1:]
    title_ko = rule.ko.title if rule and rule.ko else finding.title
    return Risk(
        score=_BASE[finding.severity] + _EXPOSED,
        severity=finding.severity,
        sentence=f"The internet reaches {workload.name}: {title}",
        sentence_ko=f"인터넷에서 {workload.name}에 닿습니다: {title_ko}",
        change=_change(rule, finding),
        change_ko=_change_ko(rule, finding),
        location=finding.location,
        steps=(*_steps(way, workload), Step(text=finding.message, location=finding.location)),
        findings=(finding.fingerprint,),
    )


def _alone(
    findings: Iterable[Finding], used: set[str], rules: Mapping[str, Rule]
) -> Iterable[Risk]:
    """The worst finding of each rule that no path explains."""
    seen: set[str] = set()
    for finding in sorted(findings, key=lambda f: f.severity.rank):
        if finding.fingerprint in used or finding.rule in seen:
            continue
        if not finding.severity.at_least(Severity.MEDIUM):
            break
        seen.add(finding.rule)
        rule = rules.get(finding.rule)
        title_ko = rule.ko.title if rule and rule.ko else finding.title
        where = finding.label
        yield Risk(
            score=_BASE[finding.severity] + (5.0 if "dead-control" in finding.tags else 0.0),
            severity=finding.severity,
            sentence=f"{where}: {finding.message}",
            sentence_ko=f"{where}: {title_ko}",
            change=_change(rule, finding),
            change_ko=_change_ko(rule, finding),
            location=finding.location,
            steps=(Step(text=finding.message, location=finding.location),),
            findings=(finding.fingerprint,),
        )


def _distinct(risks: Iterable[Risk]) -> list[Risk]:
    """One risk per place: a role that two workloads share is changed once. What several places
    say in the same words is one risk that names the others."""
    seen: set[tuple[str, int]] = set()
    alike: dict[tuple[str, str], list[Risk]] = {}
    for risk in risks:
        place = (risk.location.path, risk.location.line)
        if place not in seen:
            seen.add(place)
            alike.setdefault((risk.sentence, risk.change), []).append(risk)
    return [_together(group) if len(group) > 1 else group[0] for group in alike.values()]


def _together(risks: Sequence[Risk]) -> Risk:
    first, others = risks[0], risks[1:]
    where = str(others[0].location) if len(others) == 1 else f"{len(others):,} more places"
    where_ko = str(others[0].location) if len(others) == 1 else f"다른 {len(others):,}곳"
    told = others[:_PLACES]
    return replace(
        first,
        sentence=f"{first.sentence}; also in {where}",
        sentence_ko=f"{first.sentence_ko} ({where_ko}에도)",
        steps=(*first.steps, *(Step(text="the same here", location=one.location) for one in told)),
        findings=tuple(dict.fromkeys(each for one in risks for each in one.findings)),
    )


def _steps(way: Way | None, workload: Resource) -> list[Step]:
    if way is None:
        return [Step(text=workload.label, location=workload.locate(()))]
    return [
        Step(text=hop.resource.label, location=hop.resource.locate(hop.path)) for hop in way.hops
    ]


def _right_steps(right: Right) -> list[Step]:
    steps = [Step(text=right.binding.label, location=right.binding.locate(("subjects",)))]
    if right.role is not None:
        steps.append(Step(text=right.role.label, location=right.role.locate(right.path)))
    return steps


def _worst(findings: Sequence[Finding]) -> Finding | None:
    serious = [f for f in findings if f.severity.at_least(Severity.HIGH)]
    return min(serious, key=lambda f: f.severity.rank, default=None)


def _change(rule: Rule | None, finding: Finding) -> str:
    return _first_sentence(rule.fix) if rule else finding.title


def _change_ko(rule: Rule | None, finding: Finding) -> str:
    return _first_sentence(rule.ko.fix) if rule and rule.ko else _change(rule, finding)


def _first_sentence(text: str) -> str:
    flat = " ".join(text.split())
    end = flat.find(". ")
    return (flat[:end] if end > 0 else flat).rstrip(".")
